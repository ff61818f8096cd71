"""`PositionLab`: what attention knows of the order of words, for five schemes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.live.checks import as_whole, check_order
from attnkit.live.widget import LiveWidget

WORDS = ("the", "dog", "that", "I", "saw", "ran")
SCHEMES = {
    "none": (
        "None",
        "Nothing says where a word stands: attention reads a bag of words.",
    ),
    "sinusoidal": (
        "Waves",
        "A wave of sines and cosines is added to each word before everything else.",
    ),
    "learned": (
        "Learned",
        "A vector of its own for each place is added to each word; here not yet "
        "trained, drawn at random.",
    ),
    "rotary": (
        "Rotary",
        "Query and key are turned by an angle that grows with the place.",
    ),
    "alibi": ("ALiBi", "From each score the distance is taken off, times a slope."),
}
DIM, LENGTH, REACH = 16, 48, 16
QUERIES = (16, 31)
SLOPE = 0.25


class PositionLab(LiveWidget):
    """Six words, one head, five ways to tell where a word stands.

    Args:
        encoding: the scheme that is shown first, a key of `SCHEMES`.
        order: the words' numbers in the order of the sentence; shuffled if None.
        seed: of the words' vectors and the matrices.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: an unknown scheme, or an order that is no permutation.
    """

    template: ClassVar[str] = (
        "from attnkit.live import PositionLab\n\nlab = {made}\n"
        'lab.state = {state}\nprint(lab.forward()["changed"])\nlab'
    )
    CAPTION: ClassVar[str] = (
        "The words are shuffled and nothing says where they stand: each word gets "
        "exactly the output that it had. Choose positions and shuffle again."
    )

    heights: ClassVar = [
        (288, 1903, 2037), (294, 1843, 1977), (300, 1847, 1931), (381, 1824, 1908),
        (382, 1763, 1835), (456, 1732, 1804), (504, 1675, 1735), (665, 1711, 1771),
        (666, 1096, 1144), (888, 1079, 1127),
    ]  # fmt: skip

    def __init__(
        self,
        encoding: str = "none",
        *,
        order: list[int] | None = None,
        seed: int = 1,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        draw = torch.Generator().manual_seed(as_whole("seed", seed, 0))
        shapes = {"words": len(WORDS), "query": DIM, "key": DIM, "table": LENGTH}
        self.drawn = {
            name: torch.randn(rows, DIM, generator=draw).mul(1000).round() / 1000
            for name, rows in shapes.items()
        }
        for name in ("query", "key"):
            self.drawn[name] = (self.drawn[name] / 4 * 1000).round() / 1000
        data: dict[str, Any] = {n: x.tolist() for n, x in self.drawn.items()}
        data |= {"labels": WORDS, "home": [*range(len(WORDS))], "slope": SLOPE}
        data |= {"length": LENGTH, "reach": REACH, "queries": QUERIES}
        data |= {"names": [*SCHEMES], "titles": [t for t, _ in SCHEMES.values()]}
        data |= {"says": [s for _, s in SCHEMES.values()]}
        shown = [4, 2, 0, 5, 1, 3] if order is None else [*order]
        state = {"encoding": encoding, "order": shown, "guess": "", "revealed": False}
        self.check_state(state)
        traits.setdefault("kind", "position_lab")
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A scheme that there is, and a permutation of the words."""
        if state["encoding"] not in SCHEMES:
            names = ", ".join(SCHEMES)
            got = state["encoding"]
            raise ValueError(f"encoding: expected one of {names}; got {got!r}")
        check_order("order", state["order"], len(WORDS))

    def forward(self) -> dict[str, Any]:
        """What the page shows.

        Returns:
            weights (6, 6) and outputs (6, d) in the order of the sentence; changed, the
            largest change of a word's output against the sentence as it was; diagonal,
            the largest difference between scores of equal distance.
        """
        order = torch.tensor(self.state["order"])
        weights, outputs = self._attention(order)
        _, home = self._attention(order.sort().values)
        scores = self.grid()
        lines = [scores.diagonal(away) for away in range(LENGTH)]
        return {
            "weights": weights,
            "outputs": outputs,
            "changed": float((outputs - home[order]).abs().max()),
            "diagonal": float(max(x.max() - x.min() for x in lines)),
        }

    def grid(self) -> Tensor:
        """Scores (48, 48) of one and the same word with itself at any two places."""
        word = self.drawn["words"][0].double()
        rows = self._placed(word.expand(LENGTH, DIM))
        return self._scores(rows, rows)

    def _attention(self, order: Tensor) -> tuple[Tensor, Tensor]:
        x = self._placed(self.drawn["words"][order].double())
        query, key = (x @ self.drawn[name].double().mT for name in ("query", "key"))
        weights = self._scores(query, key).softmax(-1)
        return weights, weights @ x

    def _placed(self, x: Tensor) -> Tensor:
        """Words with what the scheme adds to them."""
        n, name = len(x), self.state["encoding"]
        if name == "learned":
            return x + self.drawn["table"][:n].double()
        return x + _waves(n) if name == "sinusoidal" else x

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        place, name = torch.arange(len(query)), self.state["encoding"]
        if name == "rotary":
            query, key = _turned(query), _turned(key)
        scores = query @ key.mT / DIM**0.5
        if name == "alibi":
            scores = scores - SLOPE * (place - place[:, None]).abs()
        return scores

    def _say(self) -> str:
        found, name = self.forward(), self.state["encoding"]
        words = " ".join(WORDS[i] for i in self.state["order"])
        return (
            f"The sentence “{words}” with positions: {SCHEMES[name][0].lower()}. "
            f"Against the sentence “{' '.join(WORDS)}” the words' outputs change by "
            f"up to {found['changed']:.3f}."
        )

    def draw(self) -> Any:
        """Weights of the sentence beside the scores of every two places."""
        from attnkit import plot

        plot.use_style()
        figure, (left, right) = plot.panels(1, 2, height=3)
        words = [WORDS[i] for i in self.state["order"]]
        weights = self.forward()["weights"].numpy()
        plot.heatmap(weights, words, words, ax=left, title="who reads whom")
        scores = self.grid()
        span = (scores.max() - scores.min()).clamp_min(1e-9)
        scaled = ((scores - scores.min()) / span).numpy()
        plot.heatmap(scaled, ax=right, title="place against place")
        return figure


def _angles(n: int) -> Tensor:
    """Place times frequency, (n, d / 2)."""
    steps = torch.arange(0, DIM, 2, dtype=torch.float64)
    return torch.arange(n, dtype=torch.float64)[:, None] * 10000 ** (-steps / DIM)


def _waves(n: int) -> Tensor:
    angles = _angles(n)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def _turned(x: Tensor) -> Tensor:
    """Rows turned by the angles of their places, in pairs (i, i + d / 2)."""
    angles = _angles(len(x))
    (a, b), (sin, cos) = x.chunk(2, -1), (angles.sin(), angles.cos())
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
