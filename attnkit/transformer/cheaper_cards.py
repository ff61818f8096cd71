"""Cards of tiles and windows, and the loops that cheap attentions share."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from attnkit.card import Card, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import SUM, Inputs, Row, exponentials, function, inner

from .tiling import tiled_attention
from .window import window_attention

SCALED = Step("scaled dot product", r"e_{ij} = \frac{q_i^\top k_j}{\sqrt d}")
SOFTMAX = Step("softmax over the keys", r"a_{ij} = \mathrm{softmax}_j(e_{ij})")
SYMBOLS = {"N": "queries", "M": "keys", "d": "width"}
SHAPES = ({"B": 2, "N": 5, "M": 7, "d": 3}, {"B": 1, "N": 6, "M": 4, "d": 2})
TABLE = (
    "Output $i$ depends on query $i$ and on every key and value that the mask allows."
)

Weigh = Callable[[list[Row], list[Row], list[bool]], list[Row]]

# ---- inputs, loops, receptive fields -------------------------------------------------


def draw_rows(seed: int, sizes: Sizes, mask: str = "") -> Inputs:
    """Query (B, N, d), key and value (B, M, d); a mask with the axes that are named."""
    draw = torch.Generator().manual_seed(seed)
    count = {"N": sizes["N"], "M": sizes.get("M", sizes["N"])}
    found: Inputs = {
        name: torch.randn(
            sizes["B"], count[axis], sizes["d"], generator=draw, dtype=torch.float64
        )
        for name, axis in (("query", "N"), ("key", "M"), ("value", "M"))
    }
    if mask:
        shape = [sizes["B"], *(count[axis] for axis in mask)]
        found["mask"] = torch.rand(shape, generator=draw) < 0.7
        found["mask"][..., :2] = True
    return found


def by_rows(weigh: Weigh) -> Callable[..., Tensor]:
    """Context by plain loops; `weigh` gives one row of weights for each query."""

    def run(
        f: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        n, m = query.shape[1], key.shape[1]
        output = query.new_zeros(*query.shape[:2], value.shape[2])
        for b in range(len(query)):
            allowed = torch.ones(n, m, dtype=torch.bool)
            if mask is not None:
                allowed = mask[b].expand(n, m)
            table = weigh(query[b].tolist(), key[b].tolist(), allowed.tolist())
            columns = value[b].mT.tolist()
            for i, row in enumerate(table):
                found = [inner(row, column) for column in columns]
                output[b, i] = torch.tensor(found, dtype=output.dtype)
        return output

    return run


def _softmax_row(scores: Row, allowed: list[bool]) -> Row:
    """Softmax over what is allowed; all zeros where nothing is."""
    places = [j for j, may in enumerate(allowed) if may]
    found = exponentials([scores[j] for j in places]) if places else []
    known = dict(zip(places, found, strict=True))
    return [known.get(j, 0.0) for j in range(len(allowed))]


def scaled_scores(query: Row, keys: list[Row]) -> Row:
    return [inner(query, key) / math.sqrt(len(query)) for key in keys]


def softmax_table(queries: list, keys: list, allowed: list) -> list[Row]:
    pairs = zip(queries, allowed, strict=True)
    return [_softmax_row(scaled_scores(query, keys), may) for query, may in pairs]


def _within(window: int, gap: int, every: int, n: int) -> list[list[bool]]:
    return [
        [
            i < every
            or j < every
            or (abs(i - j) <= gap * window and (i - j) % gap == 0)
            for j in range(n)
        ]
        for i in range(n)
    ]


def _window_table(window: int, gap: int, every: int) -> Weigh:
    def table(queries: list, keys: list, allowed: list) -> list[Row]:
        near = _within(window, gap, every, len(keys))
        both = [
            [a and b for a, b in zip(x, y, strict=True)]
            for x, y in zip(allowed, near, strict=True)
        ]
        return softmax_table(queries, keys, both)

    return table


def allowed_field(allowed: Tensor) -> Inputs:
    choice = allowed.sum(-1, keepdim=True) > 1
    same = torch.eye(len(allowed), dtype=torch.bool)
    return {"query": same & choice, "key": allowed & choice, "value": allowed}


def mask_field(inputs: Inputs) -> Inputs:
    shape = inputs["query"].shape[1], inputs["key"].shape[1]
    return allowed_field(inputs["mask"][0].expand(shape))


def _window_field(inputs: Inputs) -> Inputs:
    n = inputs["query"].shape[1]
    near = torch.tensor(_within(1, 2, 1, n))
    return allowed_field(near & inputs["mask"][0])


# ---- the cards -----------------------------------------------------------------------


def enter(source: Any, **given: Any) -> None:
    common = {
        "family": "transformer",
        "attends_to": ("word",),
        "question": "where",
        "score": SCALED,
        "normalize": SOFTMAX,
        "aggregate": SUM,
        "symbols": SYMBOLS,
        "shapes": SHAPES,
        "receptive": TABLE,
    }
    register(Card(**(common | given)))(source)


enter(
    tiled_attention,
    key="tiled",
    title="Tiled attention (online softmax)",
    summary="Exact softmax attention that reads keys block by block and never holds "
    "the table of weights; what FlashAttention does in one kernel.",
    year=2021,
    month=12,
    paper="Self-attention Does Not Need O(n^2) Memory",
    link="arXiv:2112.05682",
    cite="rabe2021self",
    normalize=Step(
        "softmax, its maximum and its sum kept up to date from block to block",
        r"m' = \max(m, \max_j e_j), \quad "
        r"\ell' = e^{m - m'} \ell + \sum_j e^{e_j - m'}",
    ),
    aggregate=Step(
        "the sum so far, corrected whenever the maximum grows",
        r"u' = e^{m - m'} u + \sum_j e^{e_j - m'} v_j, \quad c = u / \ell",
    ),
    time="4*N*M*d+9*N*M",
    memory="N*d",
    usage="""
        from attnkit.transformer import tiled_attention

        context = tiled_attention(query, key, value, causal=True)
    """,
    make=function(lambda **inputs: tiled_attention(**inputs, block=4)),
    inputs=lambda seed, sizes: draw_rows(seed, sizes, "NM"),
    reference=by_rows(softmax_table),
    field=mask_field,
    controls={
        "the sum so far is not corrected": lambda f, x: _uncorrected(**x),
        "mask upside down": lambda f, x: f(**x | {"mask": ~x["mask"]}),
    },
    cost_sizes={"N": 64, "M": 64, "d": 64},
)


def _uncorrected(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Two blocks, each with its own maximum, added as if they had the same."""
    scores = (query @ key.mT / math.sqrt(query.shape[-1])).masked_fill(
        ~mask, -torch.inf
    )
    parts = [scores[..., :3], scores[..., 3:]]
    tops = [part.amax(-1, keepdim=True).clamp_min(-1e9) for part in parts]
    joined = torch.cat(
        [torch.exp(e - top) for e, top in zip(parts, tops, strict=True)], -1
    )
    return joined / joined.sum(-1, keepdim=True) @ value


def _open_window(window: int, **how: int) -> Callable[..., Tensor]:
    """With PyTorch's open products in place of the fused ones: they can be counted."""

    def run(**inputs: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return window_attention(**inputs, window=window, **how)

    return run


enter(
    window_attention,
    key="window",
    title="Sliding-window attention",
    summary="Each place sees its neighbours within a window, perhaps with gaps; a few "
    "global places see and are seen by all.",
    year=2020,
    month=4,
    paper="Longformer: The Long-Document Transformer",
    link="arXiv:2004.05150",
    cite="beltagy2020longformer",
    score=Step(
        "scaled dot product, within the window only",
        r"e_{ij} = \frac{q_i^\top k_j}{\sqrt d}, \quad |i - j| = r\,s,\ s \le w",
    ),
    time="N*w*(12*d+20)",
    memory="3*N*max(w, d)",
    symbols={"N": "places", "w": "window, on either side", "d": "width"},
    usage="""
        from attnkit.transformer import window_attention

        context = window_attention(query, key, value, window=64, global_places=1)
    """,
    receptive="Output $i$ depends on query $i$ and on the keys and values of its "
    "window and of the global places; a global place depends on all.",
    shapes=(
        {"B": 2, "N": 7, "w": 1, "d": 3},
        {"B": 1, "N": 9, "w": 1, "d": 2},
    ),
    make=lambda seed, sizes: (
        _open_window(1, dilation=2, global_places=1)
        if sizes["w"] == 1
        else _open_window(sizes["w"])
    ),
    inputs=lambda seed, sizes: draw_rows(seed, sizes, "N"),
    reference=by_rows(_window_table(1, 2, 1)),
    field=_window_field,
    controls={
        "no gaps": lambda f, x: window_attention(**x, window=2, global_places=1),
        "no global place": lambda f, x: window_attention(**x, window=1, dilation=2),
        "a window too wide": lambda f, x: window_attention(
            **x, window=2, dilation=2, global_places=1
        ),
    },
    may_be_empty=("B", "N"),
    cost_sizes={"N": 512, "w": 16, "d": 64},
)
