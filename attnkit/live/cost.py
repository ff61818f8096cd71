"""`AttentionCost`: what attention costs as the text grows, what a cheaper one loses."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.live.checks import as_number, as_whole
from attnkit.live.widget import LiveWidget

METHODS = {
    "full": ("Full", "Every query reads every key."),
    "window": ("Window", "A query reads w places on either side, and its own."),
    "linear": (
        "Linear",
        "elu + 1 in place of the exponential: values are summed once, for all queries.",
    ),
    "features": (
        "Random features",
        "r random features whose products are the exponential on average.",
    ),
    "pooled": (
        "Pooled keys",
        "Keys and values of r segments, each averaged to one: a table of low rank.",
    ),
    "landmarks": (
        "Landmarks",
        "Nyström: the table rebuilt from the means of r segments of queries and keys.",
    ),
}
TEXTS = {
    "near": ("near", "Each word asks for words like those around it."),
    "far": ("far", "Each word asks for its mirror image at the other end of the text."),
    "spread": ("anywhere", "Nothing is alike: queries, keys and values are unrelated."),
}
LENGTHS = tuple(2**i for i in range(4, 14))
CHOICES = {
    "length": LENGTHS,
    "width": (8, 16, 32, 64, 128, 256),
    "window": (1, 2, 4, 8, 16, 32, 64),
    "rows": (4, 8, 16, 32, 64, 128),
}
SIZES = (16, 32, 64, 128, 256)
"""Lengths at which contexts are compared."""
SHOWN = 32
SHARPNESS = (0.125, 8.0)
KEPT, MIX = 0.8, 0.6
"""Of a word, how much comes from the one before it; the rest is new."""


# ---- what it costs -------------------------------------------------------------------


def pairs(n: int, window: int) -> int:
    """Pairs of query and key within a window."""
    side = min(window, n - 1)
    return n * (2 * side + 1) - side * (side + 1)


def operations(method: str, n: int, d: int, window: int, rows: int) -> int:
    """Additions, products, exponentials and the like of one head of width `d`.

    A product of tables (a, b) and (b, c) counts 2abc, anything else 1 for each number;
    softmax counts 5 for each score.
    """
    r = min(rows, n)
    if method in ("full", "window"):
        scored = n * n if method == "full" else pairs(n, window)
        return scored * (4 * d + 5) + n * d
    if method == "linear":
        return 4 * n * d * d + 9 * n * d
    if method == "features":
        return 8 * n * d * rows + 9 * n * rows + 7 * n * d
    if method == "pooled":
        return n * r * (4 * d + 5) + 3 * n * d
    return n * r * (8 * d + 10) + r * r * (4 * d + 5) + r**3 + 4 * n * d


def kept(method: str, n: int, d: int, window: int, rows: int) -> int:
    """Numbers that stand between input and output at the same time."""
    r = min(rows, n)
    if method in ("full", "window"):
        return n * n if method == "full" else pairs(n, window)
    if method in ("linear", "features"):
        f = d if method == "linear" else rows
        return 2 * n * f + f * (d + 1)
    if method == "pooled":
        return n * r + 2 * r * d
    return 2 * n * r + r * r + 3 * r * d


def crossing(method: str, d: int, window: int, rows: int) -> int | None:
    """The least length at which a method takes fewer operations than full attention."""
    for n in range(2, 4 * LENGTHS[-1]):
        if operations(method, n, d, window, rows) < operations("full", n, d, 0, 0):
            return n
    return None


# ---- numbers that page and Python draw alike -----------------------------------------


def uniform(seed: int, stream: int, places: Tensor) -> Tensor:
    """Numbers in (0, 1) from whole numbers below 2³²: a hash, the same in the page."""
    x = places * 0x9E3779B1 + stream * 0x85EBCA77 + seed * 0xC2B2AE3D
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x & 0xFFFFFFFF
        x = (x ^ (x >> shift)) * factor
    return ((x & 0xFFFFFFFF).double() + 0.5) / 2**32


def normal(seed: int, stream: int, rows: int, d: int) -> Tensor:
    """Normal numbers (rows, d); more rows begin with the same ones."""
    place = 2 * torch.arange(rows * d).reshape(rows, d)
    one, two = (uniform(seed, stream, place + i) for i in (0, 1))
    return (-2 * one.log()).sqrt() * (2 * math.pi * two).cos()


def text(pattern: str, n: int, d: int, sharpness: float, seed: int) -> list[Tensor]:
    """Query, key and value (n, d) of a text; scores grow with the sharpness."""
    key, noise, value = (normal(seed, stream, n, d) for stream in range(3))
    if pattern == "spread":
        return [sharpness * noise, key, value]
    for x in (key, value):
        for i in range(1, n):
            x[i] = KEPT * x[i - 1] + MIX * x[i]
    wanted = key if pattern == "near" else key.flip(0)
    return [sharpness * (KEPT * wanted + MIX * noise), key, value]


# ---- the methods, plainly ------------------------------------------------------------


def contexts(
    method: str, q: Tensor, k: Tensor, v: Tensor, window: int, rows: int, seed: int
) -> Tensor:
    """What a method gives for query, key (n, d) and value (n, e): (n, e)."""
    n, d = q.shape
    if method == "linear":
        return _through(F.elu(q) + 1, F.elu(k) + 1, v)
    if method == "features":
        directions = normal(seed, 3, rows, d)
        power = [_powers(x, directions) for x in (q, k)]
        tops = power[0].amax(1, keepdim=True), power[1].max()
        return _through(
            *(torch.exp(p - t) for p, t in zip(power, tops, strict=True)), v
        )
    few = [_means(x, min(rows, n)) for x in (q, k, v)]
    if method == "pooled":
        return _weights(q, few[1]) @ few[2]
    if method == "landmarks":
        read = _weights(few[0], k) @ v
        return _weights(q, few[1]) @ torch.linalg.solve(_weights(few[0], few[1]), read)
    far = (torch.arange(n)[:, None] - torch.arange(n)).abs() > window
    return _weights(q, k, far if method == "window" else None) @ v


def _weights(q: Tensor, k: Tensor, closed: Tensor | None = None) -> Tensor:
    scores = q @ k.mT / math.sqrt(q.shape[1])
    return (scores if closed is None else scores.masked_fill(closed, -1e30)).softmax(1)


def _through(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q @ (k.mT @ v) / (q @ k.sum(0))[:, None]


def _powers(x: Tensor, directions: Tensor) -> Tensor:
    x = x / x.shape[1] ** 0.25
    return x @ directions.mT - x.square().sum(1, keepdim=True) / 2


def _means(x: Tensor, count: int) -> Tensor:
    return F.adaptive_avg_pool1d(x.mT[None], count)[0].mT


class AttentionCost(LiveWidget):
    """Full attention and five cheaper ones: operations, numbers kept, and error.

    Args:
        length: words of the text, a power of two from 16 to 8192.
        width: numbers in a query, 8 to 256.
        window: places on either side, 1 to 64.
        rows: random features, pooled keys or landmarks, 4 to 128.
        method: the one beside full attention, any other key of `METHODS`.
        pattern: what words ask for, a key of `TEXTS`.
        sharpness: a factor of the scores, 0.125 to 8.
        seed: of queries, keys, values and random features.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: a setting that there is not.
    """

    template: ClassVar[str] = (
        "from attnkit.live import AttentionCost\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["crossing"])\nwidget'
    )
    CAPTION: ClassVar[str] = (
        "Full attention costs the square of the length. With vectors of 64 numbers "
        "linear attention is cheaper from 65 words on, at 4,096 words 63 times. But it "
        "cannot be sharp: over 256 words its contexts are 97 % off, those of a window "
        "of 16 are 5 % off, as long as what a word asks for stands near it."
    )

    heights: ClassVar = [
        (288, 2408, 2634), (336, 2385, 2573), (339, 2369, 2557), (340, 2259, 2415),
        (360, 2184, 2340), (444, 2225, 2369), (456, 2168, 2300), (528, 2233, 2353),
        (665, 2451, 2571), (666, 1352, 1484), (672, 1299, 1415), (696, 1239, 1355),
        (744, 1224, 1328), (888, 1256, 1348),
    ]  # fmt: skip

    def __init__(
        self,
        length: int = 4096,
        width: int = 64,
        window: int = 16,
        rows: int = 64,
        *,
        method: str = "linear",
        pattern: str = "near",
        sharpness: float = 2.0,
        seed: int = 1,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        state = {"length": length, "width": width, "window": window, "rows": rows}
        state |= {"method": method, "pattern": pattern, "sharpness": sharpness}
        state |= {"guess": "", "revealed": False}
        self.check_state(state)
        state["sharpness"] = float(sharpness)
        data: dict[str, Any] = {"choices": CHOICES, "sizes": SIZES, "shown": SHOWN}
        data |= {"methods": [[m, *words] for m, words in METHODS.items()]}
        data |= {"texts": [[t, *words] for t, words in TEXTS.items()]}
        data |= {"seed": as_whole("seed", seed, 0, 2**32 - 1), "sharpness": SHARPNESS}
        traits.setdefault("kind", "attention_cost")
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """Every setting is one that the controls offer."""
        known = CHOICES | {"method": tuple(METHODS)[1:], "pattern": tuple(TEXTS)}
        for name, choices in known.items():
            if isinstance(state[name], bool | float) or state[name] not in choices:
                listed = ", ".join(map(str, choices))
                got = state[name]
                raise ValueError(f"{name}: expected one of {listed}; got {got!r}")
        as_number("sharpness", state["sharpness"], *SHARPNESS)

    def _sizes(self) -> dict[str, int]:
        s = self.state
        return {"d": s["width"], "window": s["window"], "rows": s["rows"]}

    def curves(self) -> dict[str, dict[str, list[int]]]:
        """Operations and numbers kept, of every method at every length."""
        return {
            words: {m: [count(m, n, **self._sizes()) for n in LENGTHS] for m in METHODS}
            for words, count in (("operations", operations), ("kept", kept))
        }

    def forward(self) -> dict[str, Any]:
        """What the page shows; the numbers of a method are in the order of `METHODS`.

        Returns:
            operations and kept, of each method at this length; crossing, the least
            length at which each takes fewer operations than full attention, or None;
            errors (6, 5), of each method's contexts at the lengths of `SIZES`, relative
            to the exact ones; weights (32, 32), exact and cheap.
        """
        at = LENGTHS.index(self.state["length"])
        counts = {
            name: [row[at] for row in rows.values()]
            for name, rows in self.curves().items()
        }
        own = self._sizes()
        cross = [crossing(m, **own) if m != "full" else None for m in METHODS]
        errors = torch.stack([self._errors(n) for n in SIZES], 1)
        exact, cheap = (self._weights(m) for m in ("full", self.state["method"]))
        found = {"crossing": cross, "errors": errors, "exact": exact, "cheap": cheap}
        return counts | found

    def _run(self, method: str, rows: list[Tensor]) -> Tensor:
        s = self.state
        return contexts(method, *rows, s["window"], s["rows"], self.data["seed"])

    def _text(self, n: int) -> list[Tensor]:
        s = self.state
        return text(s["pattern"], n, s["width"], s["sharpness"], self.data["seed"])

    def _errors(self, n: int) -> Tensor:
        rows = self._text(n)
        exact = self._run("full", rows)
        off = [(self._run(m, rows) - exact).norm() for m in METHODS]
        return torch.stack(off) / exact.norm()

    def _weights(self, method: str) -> Tensor:
        """With the identity for values, contexts are the weights."""
        query, key, _ = self._text(SHOWN)
        return self._run(method, [query, key, torch.eye(SHOWN, dtype=query.dtype)])

    def _say(self) -> str:
        s, found = self.state, self.forward()
        i = [*METHODS].index(s["method"])
        name, cross = METHODS[s["method"]][0].lower(), found["crossing"][i]
        lead = f"Operations against the length, for vectors of {s['width']} numbers. "
        if cross:
            lead += f"From {cross} words on, {name} takes fewer than full attention. "
        return lead + (
            f"At {SIZES[-1]} words, contexts of {name} differ from the exact ones by "
            f"{100 * found['errors'][i, -1]:.0f} percent of their length."
        )

    def draw(self) -> Any:
        """Operations beside errors, each against the length."""
        from attnkit import plot

        plot.use_style()
        figure, (left, right) = plot.panels(1, 2, height=3.2)
        names = {m: words[0] for m, words in METHODS.items()}
        work = {names[m]: row for m, row in self.curves()["operations"].items()}
        plot.curves(LENGTHS, work, ax=left, xlabel="length", ylabel="operations")
        left.set(xscale="log", yscale="log")
        errors = zip(names.values(), self.forward()["errors"].tolist(), strict=True)
        plot.curves(SIZES, dict(errors), ax=right, xlabel="length", ylabel="error")
        right.set(xscale="log", ylim=(0, 1.3))
        right.set_xticks(SIZES, [str(n) for n in SIZES])
        return figure
