"""The widgets of closed formulas and of arrays that Python gives.

`AddressingPlane` (soft addressing by hand), `ScoreLab` (five scores and the width),
`Alignment` (any matrix of weights between two sequences), `Predict` (guess a number,
then see it). `TypeToAlign`, which holds a trained model, stands in `typing.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.attend import attend, dot, hard, softmax
from attnkit.live.widget import LiveWidget


def as_matrix(name: str, value: Any, columns: int | None = None) -> Tensor:
    """A finite float64 matrix, or an error that names the argument."""
    try:
        matrix = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: expected rows of numbers, got {value!r}") from error
    if matrix.dim() != 2 or not len(matrix):
        raise ValueError(f"{name}: expected a matrix, got shape {tuple(matrix.shape)}")
    if columns is not None and matrix.shape[1] != columns:
        raise ValueError(
            f"{name}: expected {columns} columns, got {matrix.shape[1]} columns"
        )
    if not matrix.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got some that are not")
    return matrix


def check_names(name: str, words: Sequence[str], size: int) -> list[str]:
    """`size` non-empty words as a list, or an error that names the argument."""
    if isinstance(words, str) or not all(isinstance(w, str) and w for w in words):
        raise ValueError(f"{name}: expected a list of non-empty words, got {words!r}")
    if len(words) != size:
        raise ValueError(f"{name}: expected {size} words, got {len(words)}")
    return list(words)


class AddressingPlane(LiveWidget):
    r"""Soft addressing by hand: a query, keys and values in the plane.

    $$a_i = \mathrm{softmax}_i(q \cdot k_i / T) \qquad o = \sum_i a_i v_i$$

    Args:
        query: (2,).
        keys: (N, 2), N from 2 to 8.
        values: (N, 2).
        names: N words, one per item.
        temperature: $T$, from 0.05 to 10.
        hard: take the best key alone.
        key_axes, value_axes: (left, right, bottom, top), words at the ends.
        query_name, output_name: what query and output are called.
        goals: show the three things to reach; needs 3 items.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: a shape, a number of items or the temperature does not fit.
    """

    FILMS: ClassVar[tuple[str, ...]] = (
        "Road comedy", "Space chase", "Slow drama", "Ghost story",
    )  # fmt: skip
    KEYS: ClassVar = [[0.6, 1.6], [2.0, 0.3], [-2.1, -0.7], [0.4, -1.7]]
    VALUES: ClassVar = [[-0.6, 2.1], [2.1, -0.2], [-2.0, -0.6], [0.8, -2.2]]
    CAPTION: ClassVar[str] = (
        "A viewer’s taste (the query) lies between two films’ traits (the keys), so "
        "the answer blends these two films (the values), and the other two hardly "
        "count. Drag the query toward one key, or cool the temperature, and the blend "
        "turns into a choice."
    )
    heights: ClassVar = [
        (288, 2042), (358, 1991), (505, 2280), (506, 1140), (725, 1250), (726, 787),
        (864, 808),
    ]  # fmt: skip

    def __init__(
        self,
        query: Any = (1.15, 0.9),
        keys: Any = None,
        values: Any = None,
        names: Sequence[str] | None = None,
        *,
        temperature: float = 1.0,
        hard: bool = False,
        key_axes: Sequence[str] = ("calm", "action", "serious", "funny"),
        value_axes: Sequence[str] = ("quiet", "loud", "dark", "bright"),
        query_name: str = "your taste",
        output_name: str = "your evening",
        goals: bool = True,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        rows = as_matrix("keys", self.KEYS if keys is None else keys, 2)
        spots = as_matrix("values", self.VALUES if values is None else values, 2)
        point = as_matrix("query", [query], 2)
        _check_plane(rows, spots, temperature)
        if names is None:
            names = self.FILMS if keys is None else _numbered(len(rows))
        everything = torch.cat([rows, spots, point])
        names = check_names("names", names, len(rows))
        reach = max(2.6, round(1.2 * everything.abs().max().item(), 2))
        data = {
            "key_axes": _axes("key_axes", key_axes),
            "value_axes": _axes("value_axes", value_axes),
            "query_name": query_name,
            "output_name": output_name,
        }
        data |= {"names": names, "range": reach, "goals": goals and len(rows) >= 3}
        state = {"query": point[0], "keys": rows, "values": spots}
        state |= {"temperature": float(temperature), "hard": bool(hard)}
        traits.setdefault("kind", "addressing_plane")
        traits.setdefault("python", _PLANE.replace("NAMES", repr(names)))
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def forward(self) -> dict[str, Tensor]:
        """The numbers that the page shows, from `attnkit.attend` in float64.

        Returns:
            scores (N,), weights (N,), output (2,).
        """
        state = self.state
        query, keys, values = (
            torch.tensor(state[name], dtype=torch.float64)
            for name in ("query", "keys", "values")
        )
        output, weights = attend(
            query[None], keys, values, score=dot, normalize=self._normalize,
            need_weights=True,
        )  # fmt: skip
        scores = dot(query[None], keys)[0]
        return {"scores": scores, "weights": weights[0], "output": output[0]}

    def _normalize(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.state["hard"]:
            return hard(scores, mask)
        return softmax(scores, mask, temperature=self.state["temperature"])

    def _say(self) -> str:
        arrays = self.forward()
        pairs = zip(self.data["names"], arrays["weights"].tolist(), strict=True)
        parts = ", ".join(f"{name} {weight:.2f}" for name, weight in pairs)
        x, y = arrays["output"].tolist()
        return (
            "Three panels: query and keys in a plane, the weights as bars "
            f"({parts}), and the values with their weighted sum at ({x:.2f}, {y:.2f})."
        )

    def draw(self) -> Any:
        """Score, normalize, aggregate as three panels."""
        from attnkit.live import pictures

        return pictures.addressing(self.data, self.state, self.forward())


_PLANE = """from attnkit.live import AddressingPlane

plane = AddressingPlane(names=NAMES)
plane.state = {state}
print(plane.forward())
plane"""


def _check_plane(keys: Tensor, values: Tensor, temperature: float) -> None:
    if not 2 <= len(keys) <= 8:
        raise ValueError(f"keys: expected 2 to 8 items, got {len(keys)}")
    if len(values) != len(keys):
        raise ValueError(f"values: expected {len(keys)} rows, got {len(values)}")
    if not 0.05 <= temperature <= 10:
        raise ValueError(f"temperature: expected 0.05 to 10, got {temperature}")


def _numbered(count: int) -> list[str]:
    return [f"item {i + 1}" for i in range(count)]


def _axes(name: str, words: Sequence[str]) -> dict[str, list[str]]:
    left, right, bottom, top = check_names(name, words, 4)
    return {"x": [left, right], "y": [bottom, top]}


class Alignment(LiveWidget):
    """Which source position each output read, from arrays.

    Args:
        source: S words.
        target: T words.
        weights: (T, S), each from 0 to 1.
        truth: per target word the true source positions; empty where there is none.
        step: the output that is selected first.
        lang: language of the source, e.g. "zh", for screen readers and fonts.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: sizes, numbers or positions do not fit.
    """

    heights: ClassVar = [(288, 1077), (358, 990), (528, 809), (728, 749)]

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        weights: Any,
        truth: Sequence[Sequence[int]] | None = None,
        *,
        step: int = 0,
        lang: str = "",
        caption: str = "",
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        matrix = as_matrix("weights", weights, len(source))
        source = check_names("source", list(source), matrix.shape[1])
        target = check_names("target", list(target), len(matrix))
        if matrix.min() < -1e-6 or matrix.max() > 1 + 1e-6:
            raise ValueError("weights: expected numbers from 0 to 1, got others")
        if not 0 <= step < len(target):
            raise ValueError(f"step: expected 0 to {len(target) - 1}, got {step}")
        places = _check_truth(truth, len(target), len(source))
        data = {"source": source, "target": target, "weights": matrix}
        data |= {"truth": places, "lang": lang}
        traits.setdefault("kind", "alignment")
        super().__init__(data, {"step": step}, caption=caption, **traits)
        self.alt = alt or self._say()

    def _say(self) -> str:
        source, target = self.data["source"], self.data["target"]
        peaks = [max(range(len(source)), key=row.__getitem__) for row in self.weights]
        reads = ", ".join(
            f"{t} reads {source[p]}" for t, p in zip(target, peaks, strict=True)
        )
        return f"Attention weights from {' '.join(source)}: {reads}."

    @property
    def weights(self) -> list[list[float]]:
        """The matrix (T, S) as lists."""
        return self.data["weights"]

    def draw(self) -> Any:
        """The matrix with rings on the true positions."""
        from attnkit import plot

        plot.use_style()
        data = self.data
        ax = plot.alignment(
            data["source"], data["target"], data["weights"], data["truth"] or None
        )
        return ax.figure


def _check_truth(truth: Any, rows: int, columns: int) -> list[list[int]] | None:
    if truth is None:
        return None
    places = [sorted(int(place) for place in row) for row in truth]
    if len(places) != rows:
        raise ValueError(f"truth: expected {rows} rows, got {len(places)}")
    if any(not 0 <= place < columns for row in places for place in row):
        raise ValueError(f"truth: expected positions 0 to {columns - 1}, got {truth}")
    return places


class Predict(LiveWidget):
    """Guess a number, then see it. It never blocks reading.

    Args:
        question: one sentence.
        answer: the number.
        tolerance: a guess within it counts as right; 5 % of the answer if None.
        unit: written after the number.
        explain: one or two sentences that follow the answer.
        digits: decimals shown.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: the answer is not finite, or the tolerance is not positive.
    """

    heights: ClassVar = [(288, 430), (358, 340), (528, 275)]

    def __init__(
        self,
        question: str,
        answer: float,
        *,
        tolerance: float | None = None,
        unit: str = "",
        explain: str = "",
        digits: int = 2,
        caption: str = "",
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        number = float(answer)
        if not math.isfinite(number):
            raise ValueError(f"answer: expected a finite number, got {answer}")
        near = abs(number) / 20 or 0.05 if tolerance is None else float(tolerance)
        if not near > 0:
            raise ValueError(f"tolerance: expected a positive number, got {tolerance}")
        data = {"question": question, "answer": number, "tolerance": near}
        data |= {"unit": unit, "explain": explain, "digits": int(digits)}
        traits.setdefault("kind", "gate")
        state = {"guess": "", "revealed": False}
        super().__init__(data, state, caption=caption, **traits)
        self.alt = alt or f"A question to answer before reading on: {question}"

    def draw(self) -> Any:
        """The question alone: a printed page keeps the reader guessing."""
        from attnkit import plot

        plot.use_style()
        figure, ax = plot.panels(1, 1, height=0.8)
        ax = getattr(ax, "flat", [ax])[0]
        ax.axis("off")
        ax.text(0, 0.5, f"Predict: {self.data['question']}", va="center", wrap=True)
        return figure
