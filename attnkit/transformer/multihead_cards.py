"""The card of multi-head attention, and the loops that all cards of heads use."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.card import Card, Oracle, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import SUM, Inputs, Row, apply, exponentials, inner, seeded

from .multihead import MultiHeadAttention

Term = Callable[[nn.Module, int, Row, Row, int], float]

SOFTMAX = Step("softmax over the keys", r"a_{ij} = \mathrm{softmax}_j(e_{ij})")
SYMBOLS = {
    "N": "queries",
    "M": "keys",
    "H": "heads",
    "d": "width per head",
}


class _Open(MultiHeadAttention):
    """With its weights shown: the fused kernel's products could not be counted."""

    def forward(self, *args: Any, **inputs: Any) -> Any:
        return super().forward(*args, **inputs, need_weights=True)


# ---- inputs, loops, receptive field --------------------------------------------------


def _mask(draw: torch.Generator, *shape: int) -> Tensor:
    mask = torch.rand(shape, generator=draw) < 0.7
    mask[..., :2] = True
    return mask


def _cross_inputs(seed: int, sizes: Sizes) -> Inputs:
    b, n, m, width = *(sizes[name] for name in "BNM"), sizes["H"] * sizes["d"]
    draw = torch.Generator().manual_seed(seed)
    shapes = {"query": (b, n, width), "key": (b, m, width), "value": (b, m, width)}
    floats = {
        name: torch.randn(shape, generator=draw, dtype=torch.float64)
        for name, shape in shapes.items()
    }
    return floats | {"mask": _mask(draw, b, n, m)}


def _by_heads(layer: nn.Linear, rows: list[Row], heads: int) -> list[list[Row]]:
    """Every row through a layer, cut into heads: (heads, rows, d)."""
    through = [apply(layer.weight.tolist(), row) for row in rows]
    d = layer.out_features // heads
    return [[row[h * d : (h + 1) * d] for row in through] for h in range(heads)]


def no_term(f: nn.Module, h: int, q: Row, k: Row, away: int) -> float:
    """The score of a pair: what is asked times what answers."""
    return inner(q, k)


def _heads_loop(
    f: MultiHeadAttention,
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    mask: Tensor | None = None,
    term: Term = no_term,
    spend: Callable[[nn.Module, int], Row] | None = None,
) -> Tensor:
    """Head by head, query by query, key by key; the score of a pair is `term`."""
    key = query if key is None else key
    value = key if value is None else value
    output = torch.zeros_like(query)
    share = f.num_heads // f.num_kv_heads
    for b in range(len(query)):
        asked = _by_heads(f.query_proj, query[b].tolist(), f.num_heads)
        keys = _by_heads(f.key_proj, key[b].tolist(), f.num_kv_heads)
        values = _by_heads(f.value_proj, value[b].tolist(), f.num_kv_heads)
        for n in range(query.shape[1]):
            joined: Row = []
            allowed = mask[b, n].nonzero().flatten().tolist()
            for h in range(f.num_heads):
                q, k, v = asked[h][n], keys[h // share], values[h // share]
                root = math.sqrt(len(q))
                scores = [term(f, h, q, k[m], m - n) / root for m in allowed]
                weights = exponentials(scores) if allowed else []
                spent = [v[m] for m in allowed]
                if spend is not None:
                    extra = [spend(f, m - n) for m in allowed]
                    pairs = zip(spent, extra, strict=True)
                    spent = [
                        [a + b for a, b in zip(x, y, strict=True)] for x, y in pairs
                    ]
                joined += [
                    inner(weights, [row[i] for row in spent]) for i in range(len(q))
                ]
            row = apply(f.output_proj.weight.tolist(), joined)
            output[b, n] = torch.tensor(row, dtype=output.dtype)
    return output


def _cross_field(inputs: Inputs) -> Inputs:
    allowed = inputs["mask"][0]
    choice = allowed.sum(-1, keepdim=True) > 1
    same = torch.eye(len(allowed), dtype=torch.bool)
    return {"query": same & choice, "key": allowed & choice, "value": allowed}


# ---- oracles -------------------------------------------------------------------------


def _pytorch(f: MultiHeadAttention, inputs: Inputs) -> Tensor:
    peer = nn.MultiheadAttention(
        f.query_proj.in_features, f.num_heads, bias=False, batch_first=True
    ).double()
    parts = (f.query_proj, f.key_proj, f.value_proj)
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        peer.out_proj.weight.copy_(f.output_proj.weight)
    blocked = ~inputs["mask"].repeat_interleave(f.num_heads, 0)
    rows = (inputs[name] for name in ("query", "key", "value"))
    return peer(*rows, attn_mask=blocked, need_weights=False)[0]


# ---- the cards -----------------------------------------------------------------------


def _enter(make: Callable[[Sizes], nn.Module], **given: Any) -> None:
    common = {
        "family": "transformer",
        "attends_to": ("word",),
        "question": "where",
        "normalize": SOFTMAX,
        "aggregate": SUM,
        "make": lambda seed, sizes: seeded(seed, lambda: make(sizes).double()),
        "chapter": "",
    }
    source = given.pop("source")
    register(Card(**(common | given)))(source)


def _width(sizes: Sizes) -> int:
    return sizes["H"] * sizes["d"]


VASWANI = {
    "year": 2017,
    "month": 6,
    "paper": "Attention Is All You Need",
    "link": "arXiv:1706.03762",
    "cite": "vaswani2017attention",
}

_enter(
    lambda s: _Open(_width(s), s["H"], bias=False),
    **VASWANI,
    key="multi_head",
    title="Multi-head attention",
    summary="Several attentions side by side, each with its own projections of query, "
    "key and value, joined by one more projection.",
    score=Step(
        "scaled dot product, in every head",
        r"e^h_{ij} = \frac{(W^h_q x_i)^\top (W^h_k y_j)}{\sqrt d}",
    ),
    time="8*(N+M)*(H*d)**2/2+4*N*M*H*d+3*N*M*H",
    memory="N*M*H",
    symbols=SYMBOLS,
    usage="""
        from attnkit.transformer import MultiHeadAttention

        attention = MultiHeadAttention(embed_dim=64, num_heads=4)
        context, weights = attention(tokens, causal=True, need_weights=True)
    """,
    receptive="Output $i$ depends on query $i$ and on every key and value that the "
    "mask allows.",
    shapes=(
        {"B": 2, "N": 3, "M": 5, "H": 2, "d": 3},
        {"B": 1, "N": 4, "M": 2, "H": 3, "d": 2},
    ),
    inputs=_cross_inputs,
    reference=_heads_loop,
    field=_cross_field,
    controls={
        "without the root of the width": lambda f, x: _heads_loop(
            f, **x, term=lambda f, h, q, k, away: inner(q, k) * math.sqrt(len(q))
        ),
        "heads joined in the wrong order": lambda f, x: f.output_proj(
            torch.linalg.solve(f.output_proj.weight, f(**x)[0].mT)
            .mT.unflatten(-1, (f.num_heads, -1))
            .mT.flatten(-2)
        ),
        "mask upside down": lambda f, x: f(**x | {"mask": ~x["mask"]})[0],
    },
    oracles=(Oracle("torch", "torch.nn.MultiheadAttention", _pytorch),),
    source=MultiHeadAttention,
)
