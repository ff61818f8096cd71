"""`ScoreLab`: five scores on the same query and keys, over the width."""

from __future__ import annotations

import base64
import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.attend import Additive, General, cosine, dot, scaled_dot, softmax
from attnkit.live.checks import as_number, as_whole
from attnkit.live.widget import LiveWidget

SCORES = ("dot", "scaled dot", "cosine", "general", "additive")
FORMULAS = (
    "*q* · *k*",
    "*q* · *k* / √*d*",
    "cos(*q*, *k*)",
    "*q*^⊤^ *W* *k*",
    "*v*^⊤^ tanh(*Aq* + *Bk*)",
)
DIMENSIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
HIDDEN = 64
STEP = 1 / 256
"""Scores travel as whole multiples of this, in 16 bits: ±128 is more than enough."""


def draw_scores(seeds: int = 20, keys: int = 8, seed: int = 1) -> Tensor:
    """Scores of one query against `keys` keys, entries of mean 0 and variance 1.

    The weights of the general and additive scores are drawn so that every linear map
    keeps the variance 1 of a vector's entries; what remains is the score's own habit.

    Args:
        seeds: number of draws per width.
        keys: number of keys.
        seed: of the generator; torch's own random state is left alone.

    Returns:
        (5, 10, seeds, keys) for `SCORES` and `DIMENSIONS`, rounded to `STEP`.

    Raises:
        ValueError: no draws, no keys, or a seed that is no whole number.
    """
    as_whole("seeds", seeds, 1)
    as_whole("keys", keys, 1)
    generator = torch.Generator().manual_seed(as_whole("seed", seed, 0))
    with torch.random.fork_rng(devices=[]):  # modules draw before they are filled
        rows = [
            torch.stack([_one_draw(d, keys, generator) for _ in range(seeds)], 1)
            for d in DIMENSIONS
        ]  # (5, seeds, keys) each
    return (torch.stack(rows, 1) / STEP).round() * STEP


@torch.no_grad()
def _one_draw(d: int, keys: int, generator: torch.Generator) -> Tensor:
    query = torch.randn(1, d, generator=generator)
    key = torch.randn(keys, d, generator=generator)
    general, additive = General(d, d), Additive(d, d, HIDDEN)
    general.weight.copy_(torch.randn(d, d, generator=generator) / math.sqrt(d))
    for weight in additive.parameters():
        fan = weight.shape[-1] * (2 if weight.dim() == 2 else 1)
        weight.copy_(torch.randn(weight.shape, generator=generator) / math.sqrt(fan))
    scores = (dot, scaled_dot, cosine, general, additive)
    return torch.cat([score(query, key) for score in scores])  # (5, keys)


class ScoreLab(LiveWidget):
    """Five scores on the same numbers: what the width does, and why to divide by √d.

    Args:
        dimension: the width that is shown first, a power of two up to 512.
        temperature: from 0.1 to 100.
        seeds: draws per width; the bands of the curves.
        seed: of the draws.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: the width, the temperature or the number of draws does not fit.
    """

    template: ClassVar[str] = (
        "from attnkit.live import ScoreLab\n\nlab = {made}\n"
        "lab.state = {state}\nprint(lab.forward())\nlab"
    )
    CAPTION: ClassVar[str] = (
        "At width 64 the plain dot product gives nearly all attention to one key; "
        "divided by √d, the same query and keys share it. Move the width: the entropy "
        "of the plain score falls to zero, and with it the gradient; the scaled one "
        "stays where it is."
    )
    heights: ClassVar = [
        (288, 2720), (304, 2665), (320, 2682), (336, 2046), (368, 1981), (480, 2076),
        (496, 1678), (576, 1718), (584, 1651), (664, 1750), (680, 1217), (712, 1188),
        (792, 1209), (808, 915), (888, 917),
    ]  # fmt: skip

    def __init__(
        self,
        dimension: int = 64,
        *,
        temperature: float = 1.0,
        seeds: int = 20,
        seed: int = 1,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        _check_width(dimension)
        temperature = as_number("temperature", temperature, 0.1, 100)
        self.drawn = draw_scores(seeds, seed=seed)
        data = {"names": SCORES, "formulas": FORMULAS, "dimensions": DIMENSIONS}
        data |= {"shape": list(self.drawn.shape), "scores": _pack(self.drawn)}
        state = {"dimension": dimension, "temperature": temperature}
        state |= {"score": 0, "seed": self._typical(dimension)}
        state |= {"guess": "", "revealed": False}
        traits.setdefault("kind", "score_lab")
        data["question"] = 256
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A width, draw and score that there are, and a temperature in its limits."""
        _check_width(state["dimension"])
        as_number("temperature", state["temperature"], 0.1, 100)
        as_whole("seed", state["seed"], 0, self.drawn.shape[2] - 1)
        as_whole("score", state["score"], 0, len(SCORES) - 1)

    def forward(self) -> dict[str, Tensor]:
        """The numbers that the page shows.

        Returns:
            scores and weights (5, keys), entropy and jacobian (5,): the Frobenius norm
            of softmax's Jacobian; spread (5,), the standard deviation over all draws.
        """
        d = DIMENSIONS.index(self.state["dimension"])
        scores = self.drawn[:, d, self.state["seed"]].double()
        weights = softmax(scores, temperature=self.state["temperature"])
        everything = self.drawn[:, d].flatten(1).double()
        return {
            "scores": scores,
            "weights": weights,
            "entropy": torch.special.entr(weights).sum(-1),
            "jacobian": _jacobian(weights).flatten(1).norm(dim=1),
            "spread": everything.std(dim=1, correction=0),
        }

    def _typical(self, dimension: int) -> int:
        """The draw whose plain dot product is as sharp as the median draw's."""
        rows = self.drawn[0, DIMENSIONS.index(dimension)]  # (seeds, keys)
        top = softmax(rows).max(-1).values
        return int((top - top.median()).abs().argmin())

    def curves(self) -> dict[str, Tensor]:
        """Entropy of every score, width and draw: name -> (seeds, 10)."""
        weights = softmax(self.drawn.double(), temperature=self.state["temperature"])
        entropy = torch.special.entr(weights).sum(-1)  # (5, 10, seeds)
        return {name: entropy[i].T for i, name in enumerate(SCORES)}

    def _say(self) -> str:
        top = self.forward()["weights"].max(-1).values.tolist()
        parts = ", ".join(f"{n} {w:.2f}" for n, w in zip(SCORES, top, strict=True))
        width = self.state["dimension"]
        return f"The largest of eight weights at width {width}: {parts}."

    def draw(self) -> Any:
        """Entropy against width, with the band over the draws."""
        from attnkit import plot

        plot.use_style()
        runs = {name: rows.numpy() for name, rows in self.curves().items()}
        ax = plot.curves(
            list(DIMENSIONS), runs, band="std", xlabel="width d",
            ylabel="entropy of the weights (nats)",
        )  # fmt: skip
        ax.set_xscale("log", base=2)
        return ax.figure


def _check_width(dimension: Any) -> None:
    if dimension not in DIMENSIONS:
        raise ValueError(f"dimension: expected one of {DIMENSIONS}, got {dimension!r}")


def _jacobian(weights: Tensor) -> Tensor:
    return weights.diag_embed() - weights[..., :, None] * weights[..., None, :]


def _pack(scores: Tensor) -> dict[str, Any]:
    whole = (scores / STEP).clamp(-32768, 32767).to(torch.int16)
    raw = base64.b64encode(whole.contiguous().numpy().tobytes()).decode("ascii")
    return {"dtype": "int16", "scale": STEP, "b64": raw}
