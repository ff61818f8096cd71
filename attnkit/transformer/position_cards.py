"""Cards of the positions that enter in the scores of self-attention."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.card import Sizes, Step
from attnkit.loops import Inputs, Row, apply, inner

from .multihead import MultiHeadAttention
from .multihead_cards import Term, _enter, _heads_loop, _mask, _Open, _width
from .positions import Alibi, Rotary, Shaw, TransformerXL

SELF = {"N": "tokens", "H": "heads", "d": "width per head"}
PAIRS = SELF | {"d": "half the width per head"}


def _self_inputs(seed: int, sizes: Sizes, times: int = 1) -> Inputs:
    b, n, width = sizes["B"], sizes["N"], times * sizes["H"] * sizes["d"]
    draw = torch.Generator().manual_seed(seed)
    query = torch.randn((b, n, width), generator=draw, dtype=torch.float64)
    return {"query": query, "mask": _mask(draw, b, n, n)}


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
