"""The widgets of closed formulas and of arrays that Python gives.

`AddressingPlane` (soft addressing by hand),
`Alignment` (any matrix of weights between two sequences), `Predict` (guess a number,
then see it). `TypeToAlign`, which holds a trained model, stands in `translate.py`,
`ScoreLab` (five scores and the width) in `lab.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.attend import attend, dot, hard, softmax
from attnkit.live.checks import as_matrix, as_number, as_whole, check_names
from attnkit.live.widget import LiveWidget


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
    template: ClassVar[str] = (
        "from attnkit.live import AddressingPlane\n\nplane = {made}\n"
        "plane.state = {state}\nprint(plane.forward())\nplane"
    )
    CAPTION: ClassVar[str] = (
        "A viewer’s taste (the query) lies between two films’ traits (the keys), so "
        "the answer blends these two films (the values), and the other two hardly "
        "count. Drag the query toward one key, or cool the temperature, and the blend "
        "turns into a choice."
    )
    heights: ClassVar = [
        (288, 2042), (304, 1981), (336, 1968), (432, 2012), (480, 2085), (496, 2045),
        (512, 1290), (576, 1295), (584, 1154), (632, 1178), (648, 821), (696, 776),
        (888, 816),
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
        names = check_names("names", names, len(rows))
        everything = torch.cat([rows, spots, point])
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
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """As many keys and values as names, and a temperature within its limits."""
        rows, spots = (as_matrix(name, state[name], 2) for name in ("keys", "values"))
        as_matrix("query", [state["query"]], 2)
        _check_plane(rows, spots, state["temperature"])
        if len(rows) != len(self.data["names"]):
            wanted = len(self.data["names"])
            raise ValueError(f"keys: expected {wanted} rows, got {len(rows)}")

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


def _check_plane(keys: Tensor, values: Tensor, temperature: float) -> None:
    if not 2 <= len(keys) <= 8:
        raise ValueError(f"keys: expected 2 to 8 items, got {len(keys)}")
    if len(values) != len(keys):
        raise ValueError(f"values: expected {len(keys)} rows, got {len(values)}")
    as_number("temperature", temperature, 0.05, 10)


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
        units: numbers of units, where the rows are units of a gated state and no steps
            of an output: the widget then speaks of what the gates left in each.
        lang: language of the source, e.g. "zh", for screen readers and fonts.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: sizes, numbers or positions do not fit.
    """

    heights: ClassVar = [
        (288, 921), (336, 876), (368, 757), (512, 757), (576, 712), (584, 652),
        (616, 652), (648, 592), (888, 592),
    ]  # fmt: skip

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        weights: Any,
        truth: Sequence[Sequence[int]] | None = None,
        *,
        step: int = 0,
        units: Sequence[int] | None = None,
        lang: str = "",
        caption: str = "",
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        source = check_names("source", source)
        matrix = as_matrix("weights", weights, len(source))
        target = check_names("target", target, len(matrix))
        if matrix.min() < -1e-6 or matrix.max() > 1 + 1e-6:
            raise ValueError("weights: expected numbers from 0 to 1, got others")
        step = as_whole("step", step, 0, len(target) - 1)
        places = _check_truth(truth, len(target), len(source))
        data = {"source": source, "target": target, "weights": matrix}
        data |= {"truth": places, "lang": lang}
        if units is not None:
            data["units"] = [as_whole("units", unit, 0) for unit in units]
            if len(data["units"]) != len(target):
                raise ValueError(f"units: expected {len(target)}, got {len(units)}")
        traits.setdefault("kind", "alignment")
        super().__init__(data, {"step": step}, caption=caption, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """The selected output is one of those that there are."""
        as_whole("step", state["step"], 0, len(self.data["target"]) - 1)

    def _say(self) -> str:
        source, target = self.data["source"], self.data["target"]
        peaks = [max(range(len(source)), key=row.__getitem__) for row in self.weights]
        gated = "units" in self.data
        kind, verb = ("Gate", "holds most of") if gated else ("Attention", "reads")
        reads = ", ".join(
            f"{t} {verb} {source[p]}" for t, p in zip(target, peaks, strict=True)
        )
        return f"{kind} weights from {' '.join(source)}: {reads}."

    @property
    def weights(self) -> list[list[float]]:
        """The matrix (T, S) as lists."""
        return self.data["weights"]

    def draw(self) -> Any:
        """The matrix with rings on the true positions."""
        from attnkit import plot

        plot.use_style()
        data = self.data
        if "units" in data:
            return plot.heatmap(data["weights"], data["target"], data["source"]).figure
        ax = plot.alignment(
            data["source"], data["target"], data["weights"], data["truth"] or None
        )
        return ax.figure


def _check_truth(truth: Any, rows: int, columns: int) -> list[list[int]] | None:
    if truth is None:
        return None
    try:
        places = [sorted(operator.index(place) for place in row) for row in truth]
    except TypeError as error:
        message = f"truth: expected a list of positions per row, got {truth!r}"
        raise ValueError(message) from error
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
        ValueError: the answer is not finite, the tolerance is not positive, or there
            are more than 20 digits.
    """

    heights: ClassVar = [
        (288, 335), (304, 279), (512, 257), (584, 213), (888, 213),
    ]  # fmt: skip

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
        number = as_number("answer", answer)
        near = abs(number) / 20 or 0.05
        if tolerance is not None:
            near = as_number("tolerance", tolerance)
        if near <= 0:
            raise ValueError(f"tolerance: expected a positive number, got {tolerance}")
        digits = as_whole("digits", digits, 0, 20)
        data = {"question": question, "answer": number, "tolerance": near}
        data |= {"unit": unit, "explain": explain, "digits": digits}
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
        words = plot.literal(f"Predict: {self.data['question']}")
        ax.text(0, 0.5, words, va="center", wrap=True)
        return figure
