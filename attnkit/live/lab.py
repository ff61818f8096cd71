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
    "*w*^⊤^ tanh(*W*_q_ *q* + *W*_k_ *k*)",
)
MEANINGS = ("key", "weight", "value", "output", "extra")
"""Colours of the five in `attnkit.palette`, as in the page's style sheet."""
DIMENSIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
HIDDEN = 64
STEP = 1 / 256
"""Scores travel as whole multiples of this, in 16 bits: ±128 is more than enough."""


DRAWS, SEED = 40, 3
"""Enough for smooth means; of the first seeds, the one with the clearest first draw."""


def draw_scores(seeds: int = DRAWS, keys: int = 8, seed: int = SEED) -> Tensor:
    """Scores of one query against `keys` keys, entries of mean 0 and variance 1.

    A draw is made once, at the largest width; a smaller width takes the first entries
    of the same vectors and matrices. The weights of the general and additive scores
    are drawn so that every linear map keeps the variance 1 of a vector's entries; what
    remains is the score's own habit.

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
        rows = [_one_draw(keys, generator) for _ in range(seeds)]  # (5, 10, keys) each
    return (torch.stack(rows, 2) / STEP).round() * STEP


@torch.no_grad()
def _one_draw(keys: int, generator: torch.Generator) -> Tensor:
    """The scores of one draw at every width: (5, 10, keys)."""
    wide = DIMENSIONS[-1]
    shapes = {
        "query": (1, wide), "key": (keys, wide), "general": (wide, wide),
        "weight_q": (HIDDEN, wide), "weight_k": (HIDDEN, wide), "v": (HIDDEN,),
    }  # fmt: skip
    drawn = {n: torch.randn(size, generator=generator) for n, size in shapes.items()}
    return torch.stack([_at_width(d, drawn) for d in DIMENSIONS], 1)


def _at_width(d: int, drawn: dict[str, Tensor]) -> Tensor:
    """The five scores (5, keys) of the first `d` entries."""
    query, key = drawn["query"][:, :d], drawn["key"][:, :d]
    general, additive = General(d, d), Additive(d, d, HIDDEN)
    general.weight.copy_(drawn["general"][:d, :d] / math.sqrt(d))
    additive.query_weight.copy_(drawn["weight_q"][:, :d] / math.sqrt(2 * d))
    additive.key_weight.copy_(drawn["weight_k"][:, :d] / math.sqrt(2 * d))
    additive.v.copy_(drawn["v"] / math.sqrt(HIDDEN))
    scores = (dot, scaled_dot, cosine, general, additive)
    return torch.cat([score(query, key) for score in scores])


class ScoreLab(LiveWidget):
    """Five scores on the same numbers: what the width does, and why to divide by √d.

    Args:
        dimension: the width that is shown first, a power of two up to 512.
        temperature: from 0.1 to 100.
        seeds: number of draws; the curves show their mean, least and most.
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
        "divided by √d, the same query and keys share it. Move the width: on average "
        "the entropy of the plain score falls toward zero, and with it the gradient; "
        "the scaled one stays where it is."
    )
    heights: ClassVar = [
        (288, 2716, 2906), (297, 2725, 2915), (300, 2690, 2831), (337, 2667, 2796),
        (338, 2073, 2177), (342, 2042, 2142), (432, 2005, 2117), (480, 2056, 2168),
        (486, 2024, 2174), (492, 1984, 2128), (505, 1998, 2086), (506, 1701, 1777),
        (516, 1690, 1766), (552, 1690, 1766), (665, 1808, 1884), (666, 1289, 1365),
        (825, 1271, 1347), (826, 986, 1050), (888, 983, 1047),
    ]  # fmt: skip

    def __init__(
        self,
        dimension: int = 64,
        *,
        temperature: float = 1.0,
        seeds: int = DRAWS,
        seed: int = SEED,
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
        """A draw as sharp as the median one here, and surer at each wider width."""
        here = DIMENSIONS.index(dimension)
        top = softmax(self.drawn[0]).max(-1).values  # (10, seeds), of the plain score
        falls = (top[:-1] - top[1:]).clamp_min(0)
        odd = (top[here] - top[here].median()).abs()
        return int((odd + falls.sum(0) + 2 * falls[here:].sum(0)).argmin())

    def curves(self) -> dict[str, Tensor]:
        """Entropy of every score, width and draw: name -> (seeds, 10)."""
        weights = softmax(self.drawn.double(), temperature=self.state["temperature"])
        entropy = torch.special.entr(weights).sum(-1)  # (5, 10, seeds)
        return {name: entropy[i].T for i, name in enumerate(SCORES)}

    def _say(self) -> str:
        """The curves, which the still picture shows; the page tells the rest live."""
        means = {name: rows.mean(0).tolist() for name, rows in self.curves().items()}
        ends = ", ".join(f"{n} {m[0]:.2f} to {m[-1]:.2f}" for n, m in means.items())
        return (
            f"Curves of the entropy of eight weights against the width, from 1 to "
            f"{DIMENSIONS[-1]}, as means of {self.drawn.shape[2]} draws at temperature "
            f"{self.state['temperature']:g}: {ends}."
        )

    def draw(self) -> Any:
        """Entropy against width, with the range of the draws for the first two."""
        from attnkit import plot

        plot.use_style()
        runs, draws = self.curves(), self.drawn.shape[2]
        colours = dict(zip(SCORES, MEANINGS, strict=True))
        ax = plot.curves(
            list(DIMENSIONS), {name: rows.mean(0) for name, rows in runs.items()},
            xlabel="width d", ylabel="entropy of the weights (nats)", colours=colours,
            title=f"Lines: means of {draws} draws. Bands (the first two): all draws",
        )  # fmt: skip
        for name in SCORES[:2]:
            edges = (runs[name].min(0).values, runs[name].max(0).values)
            shade = plot.COLOURS[colours[name]]
            ax.fill_between(DIMENSIONS, *edges, color=shade, alpha=0.16, lw=0)
        ax.set_xscale("log", base=2)
        ax.set_xticks(DIMENSIONS, [str(d) for d in DIMENSIONS])
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
