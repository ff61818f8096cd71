"""Cards of multi-head attention and of the positions that enter in its scores."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.card import Card, Oracle, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import SUM, Inputs, Row, apply, exponentials, inner, seeded

from .multihead import MultiHeadAttention
from .positions import Alibi, Rotary, Shaw, TransformerXL

Term = Callable[[nn.Module, int, Row, Row, int], float]

SOFTMAX = Step("softmax over the keys", r"a_{ij} = \mathrm{softmax}_j(e_{ij})")
SYMBOLS = {
    "N": "queries",
    "M": "keys",
    "H": "heads",
    "d": "width per head",
}
SELF = {"N": "tokens", "H": "heads", "d": "width per head"}
PAIRS = SELF | {"d": "half the width per head"}


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


def _self_inputs(seed: int, sizes: Sizes, times: int = 1) -> Inputs:
    b, n, width = sizes["B"], sizes["N"], times * sizes["H"] * sizes["d"]
    draw = torch.Generator().manual_seed(seed)
    query = torch.randn((b, n, width), generator=draw, dtype=torch.float64)
    return {"query": query, "mask": _mask(draw, b, n, n)}


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


def _self_field(inputs: Inputs) -> Inputs:
    allowed = inputs["mask"][0]
    same = torch.eye(len(allowed), dtype=torch.bool)
    return {"query": allowed | (same & (allowed.sum(-1, keepdim=True) > 1))}


# ---- positions, pair by pair ---------------------------------------------------------


def _rotary(f: nn.Module, h: int, q: Row, k: Row, away: int, sign: int = 1) -> float:
    half, total = len(q) // 2, 0.0
    for i in range(half):
        angle = sign * away * f.position.base ** (-2 * i / len(q))
        x, y = k[i], k[i + half]
        turned = (
            x * math.cos(angle) - y * math.sin(angle),
            x * math.sin(angle) + y * math.cos(angle),
        )
        total += q[i] * turned[0] + q[i + half] * turned[1]
    return total


def _alibi(f: nn.Module, h: int, q: Row, k: Row, away: int) -> float:
    slope = 2 ** (-8 * (h + 1) / f.num_heads)
    return inner(q, k) - slope * abs(away) * math.sqrt(len(q))


def _shaw_row(f: nn.Module, table: Tensor, away: int) -> Row:
    reach = f.position.max_distance
    return table[max(-reach, min(reach, away)) + reach].tolist()


def _shaw(f: nn.Module, h: int, q: Row, k: Row, away: int) -> float:
    return inner(q, k) + inner(q, _shaw_row(f, f.position.key, away))


def _shaw_value(f: nn.Module, away: int) -> Row:
    return _shaw_row(f, f.position.value, away)


def _wave(width: int, place: int) -> Row:
    angles = [place * 10000 ** (-2 * i / width) for i in range(width // 2)]
    return [g(a) for a in angles for g in (math.sin, math.cos)]


def _transformer_xl(
    f: nn.Module, h: int, q: Row, k: Row, away: int, sign: int = -1
) -> float:
    p, d = f.position, len(q)
    wave = _wave(p.embed_dim, sign * away)
    row = apply(p.place.weight[h * d : (h + 1) * d].tolist(), wave)
    u, v = p.content_bias[h, 0].tolist(), p.place_bias[h, 0].tolist()
    content = inner([a + b for a, b in zip(q, u, strict=True)], k)
    return content + inner([a + b for a, b in zip(q, v, strict=True)], row)


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


def _enter_position(
    position: Callable[[Sizes], nn.Module], term: Term, times: int = 1, **given: Any
) -> None:
    """A card of self-attention with a position in its scores."""

    def make(s: Sizes) -> nn.Module:
        width = times * _width(s)
        return _Open(width, s["H"], bias=False, position=position(s))

    spend = given.pop("spend", None)
    _enter(
        make,
        shapes=(
            {"B": 2, "N": 4, "H": 2, "d": 3},
            {"B": 1, "N": 3, "H": 1, "d": 2},
        ),
        inputs=partial(_self_inputs, times=times),
        reference=partial(_heads_loop, term=term, spend=spend),
        field=_self_field,
        may_be_empty=("B", "N"),
        receptive="Output $i$ depends on token $i$ and on every token that the mask "
        "allows.",
        **({"symbols": SELF if times == 1 else PAIRS} | given),
    )


def _without_position(f: MultiHeadAttention, x: Inputs) -> Tensor:
    return _heads_loop(f, **x)


_enter_position(
    lambda s: Rotary(2 * s["d"]),
    _rotary,
    times=2,
    key="rotary",
    title="Rotary position embedding (RoPE)",
    summary="Query and key are turned by an angle that grows with their position, so "
    "that their product knows only the distance.",
    year=2021,
    month=4,
    paper="RoFormer: Enhanced Transformer with Rotary Position Embedding",
    link="arXiv:2104.09864",
    cite="su2021roformer",
    score=Step(
        "scaled dot product after a turn by the distance",
        r"e_{ij} = \frac{q_i^\top R((j - i)\,\omega)\,k_j}{\sqrt d}",
    ),
    time="N*(H*d)**2*32+8*N*N*H*d+3*N*N*H",
    memory="N*N*H",
    usage="""
        from attnkit.transformer import MultiHeadAttention, Rotary

        attention = MultiHeadAttention(64, num_heads=4, position=Rotary(16))
        context = attention(tokens, causal=True)
    """,
    controls={
        "without positions": _without_position,
        "turned the other way": lambda f, x: _heads_loop(
            f, **x, term=partial(_rotary, sign=-1)
        ),
        "neighbours paired": lambda f, x: _heads_loop(
            f,
            **x,
            term=lambda f, h, q, k, away: _rotary(
                f, h, q[::2] + q[1::2], k[::2] + k[1::2], away
            ),
        ),
    },
    source=Rotary,
)

_enter_position(
    lambda s: Alibi(s["H"]),
    _alibi,
    key="alibi",
    title="Attention with linear biases (ALiBi)",
    summary="Each score loses what is proportional to the distance, at a rate of its "
    "own for every head.",
    year=2021,
    month=8,
    paper="Train Short, Test Long: Attention with Linear Biases Enables Input Length "
    "Extrapolation",
    link="arXiv:2108.12409",
    cite="press2021train",
    score=Step(
        "scaled dot product minus slope times distance",
        r"e_{ij} = \frac{q_i^\top k_j}{\sqrt d} - m_h\,|i - j|",
    ),
    time="N*(H*d)**2*8+4*N*N*H*d+6*N*N*H",
    memory="N*N*H",
    usage="""
        from attnkit.transformer import Alibi, MultiHeadAttention

        attention = MultiHeadAttention(64, num_heads=4, position=Alibi(4))
        context = attention(tokens, causal=True)
    """,
    controls={
        "without positions": _without_position,
        "one slope for all heads": lambda f, x: _heads_loop(
            f, **x, term=lambda f, h, q, k, away: _alibi(f, 0, q, k, away)
        ),
        "far is preferred": lambda f, x: _heads_loop(
            f, **x, term=lambda f, h, q, k, away: 2 * inner(q, k)
            - _alibi(f, h, q, k, away)
        ),
    },
    source=Alibi,
)  # fmt: skip

_enter_position(
    lambda s: Shaw(s["d"], 2),
    _shaw,
    spend=_shaw_value,
    key="shaw",
    title="Relative position vectors (Shaw)",
    summary="A learned vector for every clipped distance joins the key in the score "
    "and the value in the sum.",
    year=2018,
    month=3,
    paper="Self-Attention with Relative Position Representations",
    link="arXiv:1803.02155",
    cite="shaw2018self",
    score=Step(
        "scaled dot product with the key and the distance's vector",
        r"e_{ij} = \frac{q_i^\top (k_j + a^K_{j-i})}{\sqrt d}",
    ),
    time="N*(H*d)**2*8+4*N*N*H*d+12*N*N*H",
    memory="N*N*H",
    usage="""
        from attnkit.transformer import MultiHeadAttention, Shaw

        attention = MultiHeadAttention(64, num_heads=4, position=Shaw(16))
        context = attention(tokens)
    """,
    controls={
        "without positions": _without_position,
        "left and right exchanged": lambda f, x: _heads_loop(
            f, **x, term=lambda f, h, q, k, away: _shaw(f, h, q, k, -away),
            spend=_shaw_value,
        ),
        "no vector in the value": lambda f, x: _heads_loop(f, **x, term=_shaw),
    },
    source=Shaw,
)  # fmt: skip

_enter_position(
    lambda s: TransformerXL(2 * _width(s), s["H"]),
    _transformer_xl,
    times=2,
    key="transformer_xl",
    title="Relative positions of Transformer-XL",
    summary="The score has a term for content and one for the distance, each with a "
    "bias that asks without a query.",
    year=2019,
    month=1,
    paper="Transformer-XL: Attentive Language Models beyond a Fixed-Length Context",
    link="arXiv:1901.02860",
    cite="dai2019transformer",
    score=Step(
        "content and distance, each with its own bias",
        r"e_{ij} = \frac{(q_i + u)^\top k_j + (q_i + v)^\top W_r\,p_{i-j}}{\sqrt d}",
    ),
    time="N*(H*d)**2*48+16*N*N*H*d+8*N*N*H",
    memory="2*N*N*H",
    usage="""
        from attnkit.transformer import MultiHeadAttention, TransformerXL

        attention = MultiHeadAttention(64, num_heads=4, position=TransformerXL(64, 4))
        context = attention(tokens, causal=True)
    """,
    controls={
        "without positions": _without_position,
        "distance of the other sign": lambda f, x: _heads_loop(
            f, **x, term=partial(_transformer_xl, sign=1)
        ),
        "one bias for both": lambda f, x: _heads_loop(
            f, **x, term=lambda f, h, q, k, away: _transformer_xl(
                f, h, [a + b for a, b in zip(
                    q, (f.position.place_bias - f.position.content_bias)[h, 0].tolist(),
                    strict=True)], k, away)
        ),
    },
    source=TransformerXL,
)  # fmt: skip
