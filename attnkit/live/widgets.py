"""`AddressingPlane` (soft addressing by hand) and `Predict` (guess, then see).

Each other widget has a file of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.attend import attend, dot, hard, softmax
from attnkit.live import rooms
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
        (288, 1890, 2133), (300, 1866, 2042), (336, 1828, 1991), (408, 1867, 2031),
        (480, 1985, 2131), (505, 1946, 2080), (506, 1177, 1310), (576, 1150, 1295),
        (645, 1185, 1330), (646, 821, 978), (696, 776, 929), (888, 816, 929),
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
        room = rooms.predict(question, caption)
        traits = {"kind": "gate", "reserve": room, **traits}
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
