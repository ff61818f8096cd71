"""Cards of attention over a source, with plain loops to compare with."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.card import Card, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import (
    SUM,
    Inputs,
    Row,
    apply,
    by_row,
    exponentials,
    inner,
    loop,
    seeded,
    tanh_net,
)

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive

SOFTMAX = Step(
    "softmax over the source", r"a_{ts} = \frac{\exp(e_{ts})}{\sum_r \exp(e_{tr})}"
)
GENERAL = Step("query times matrix times key", r"e_{ts} = q_t^\top W k_s")
LUONG = {
    "year": 2015,
    "month": 8,
    "paper": "Effective Approaches to Attention-based Neural Machine Translation",
    "link": "arXiv:1508.04025",
    "cite": "luong2015effective",
}
SYMBOLS = {
    "N": "target steps",
    "M": "source positions",
    "d": "width of a decoder state",
    "p": "width of an encoder state",
    "v": "width of what is summed",
}
SHAPES = (
    {"B": 2, "N": 3, "M": 5, "d": 4, "p": 6, "v": 3, "h": 5, "W": 6},
    {"B": 1, "N": 6, "M": 7, "d": 5, "p": 2, "v": 4, "h": 3, "W": 2},
)


def _inputs(seed: int, sizes: Sizes) -> Inputs:
    b, n, m, d, p, v = (sizes[name] for name in "BNMdpv")
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(b, n, m, generator=draw) < 0.7
    mask[..., :2] = True
    shapes = {"query": (b, n, d), "key": (b, m, p), "value": (b, m, v)}
    return {
        name: torch.randn(shape, generator=draw, dtype=torch.float64)
        for name, shape in shapes.items()
    } | {"mask": mask}


def _weighted(weights: Tensor, value: Tensor) -> Tensor:
    """Sum of the values by weight, number by number."""
    context = [
        [[inner(row, column) for column in columns] for row in rows]
        for rows, columns in zip(weights.tolist(), value.mT.tolist(), strict=True)
    ]
    shape = (*weights.shape[:2], value.shape[2])
    return torch.tensor(context, dtype=torch.float64).reshape(shape)


def _additive(score: nn.Module, q: Row, k: Row) -> float:
    parts = (score.query_weight, score.key_weight, score.v)
    return tanh_net(q, k, *(part.tolist() for part in parts))


def bilinear(score: nn.Module, q: Row, k: Row) -> float:
    """The general score of one pair."""
    return inner(q, apply(score.weight.tolist(), k))


def _global(pair: Callable) -> Callable[..., Tensor]:
    """Reference of global attention with this score of a pair."""

    def reference(
        mechanism: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor
    ) -> Tensor:
        scores = loop(query, key, partial(pair, mechanism.score))
        return _weighted(by_row(scores, mask, exponentials), value)

    return reference


def _window(mask: Tensor, width: int) -> Tensor:
    """The mask without what is further than `width` from the step's own number."""
    inside = mask.clone()
    for n in range(mask.shape[1]):
        for m in range(mask.shape[2]):
            inside[:, n, m] &= abs(m - n) <= width
    return inside


def _monotonic(
    mechanism: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    inside = _window(mask, mechanism.window)
    return _global(bilinear)(mechanism, query, key, value, inside)


def _predicted(mechanism: nn.Module, query: Tensor, mask: Tensor) -> list[list[float]]:
    """Centre of every step, counted from 1."""
    (v,), w = mechanism.place.weight.tolist(), mechanism.inner.weight.tolist()
    lengths = mask.sum(-1).tolist()
    return [
        [
            length / (1 + math.exp(-inner(v, [math.tanh(a) for a in apply(w, q)])))
            for q, length in zip(queries, row, strict=True)
        ]
        for queries, row in zip(query.tolist(), lengths, strict=True)
    ]


def _predictive(
    mechanism: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    sharpen: bool = True,
) -> Tensor:
    centres = _predicted(mechanism, query, mask)
    inside, gauss = mask.clone(), torch.ones(mask.shape, dtype=torch.float64)
    for b, n, m in torch.cartesian_prod(*map(torch.arange, mask.shape)).tolist():
        away = m + 1 - centres[b][n]
        inside[b, n, m] &= abs(away) <= mechanism.window
        gauss[b, n, m] = math.exp(-(away**2) / (2 * (mechanism.window / 2) ** 2))
    scores = loop(query, key, partial(bilinear, mechanism.score))
    weights = by_row(scores, inside, exponentials)
    return _weighted(weights * gauss if sharpen else weights, value)


def _field(
    inputs: Inputs, allowed: Tensor | None = None, place: bool = False
) -> Inputs:
    """What a step depends on; with one key alone a softmax has nothing to choose."""
    allowed = inputs["mask"][0] if allowed is None else allowed
    choice = allowed.sum(-1, keepdim=True) > 1
    asks = allowed.any(-1, keepdim=True) if place else choice
    same = torch.eye(len(allowed), dtype=torch.bool)
    return {"query": same & asks, "key": allowed & choice, "value": allowed}


def enter(make: Callable[[Sizes], nn.Module], **given: Any) -> None:
    """Register a card; what these cards have in common is filled in."""
    common = {
        "family": "rnn",
        "attends_to": ("word", "time"),
        "question": "where",
        "aggregate": SUM,
        "memory": "N*M",
        "symbols": SYMBOLS,
        "shapes": SHAPES,
        "make": lambda seed, sizes: seeded(seed, lambda: make(sizes).double()),
        "inputs": _inputs,
        "field": _field,
        "chapter": "rnn/alignment",
    }
    source = given.pop("source")
    register(Card(**(common | given)))(source)


def _attend(mechanism: nn.Module, inputs: Inputs, **options: Any) -> Tensor:
    return attend(**(inputs | {"score": mechanism.score} | options))


enter(
    lambda s: GlobalAttention(s["d"], s["p"], "additive", s["h"]),
    key="bahdanau",
    title="Bahdanau attention",
    summary="The decoder's state asks all encoder states at every step, by an additive "
    "score: the first attention in a neural translator.",
    year=2014,
    month=9,
    paper="Neural Machine Translation by Jointly Learning to Align and Translate",
    link="arXiv:1409.0473",
    cite="bahdanau2014neural",
    score=Step(
        "a small network compares state and source position",
        r"e_{ts} = v^\top \tanh(W_q q_t + W_k k_s)",
    ),
    normalize=SOFTMAX,
    time="N*M*(2*h+v)",
    memory="N*M*h",
    symbols=SYMBOLS | {"h": "width of the hidden layer"},
    usage="""
        from attnkit.rnn import GlobalAttention

        attention = GlobalAttention(query_dim=64, key_dim=64, score="additive")
        context, weights = attention(states, memory, memory, need_weights=True)
    """,
    receptive="A context depends on its own step's state and on all source positions "
    "that the mask allows.",
    reference=_global(_additive),
    controls={
        "normalized over the steps, not over the source": lambda f, x: (
            f.score(x["query"], x["key"])
            .masked_fill(~x["mask"], -1e9)
            .softmax(-2)
            .masked_fill(~x["mask"], 0)
            @ x["value"]
        ),
        "mask left out": lambda f, x: _attend(f, x, mask=None),
        "without tanh": lambda f, x: _attend(
            f,
            x,
            score=lambda q, k: (
                (q @ f.score.query_weight.mT) @ f.score.v[:, None]
                + ((k @ f.score.key_weight.mT) @ f.score.v[:, None]).mT
            ),
        ),
    },
    source=GlobalAttention,
)

enter(
    lambda s: GlobalAttention(s["d"], s["p"], "general"),
    **LUONG,
    key="luong-global",
    title="Luong global attention",
    summary="The decoder's new state asks all encoder states, by a product: dot, "
    "general (a matrix in between) or concat. The card shows the general score.",
    score=GENERAL,
    normalize=SOFTMAX,
    time="N*M*(p+v)+N*d*p",
    usage="""
        from attnkit.rnn import GlobalAttention

        attention = GlobalAttention(query_dim=64, key_dim=64, score="general")
        context, weights = attention(states, memory, memory, need_weights=True)
    """,
    receptive="A context depends on its own step's state and on all source positions "
    "that the mask allows.",
    reference=_global(bilinear),
    controls={
        "scaled by the root of the width": lambda f, x: _attend(
            f, x, score=lambda q, k: f.score(q, k) / math.sqrt(k.shape[-1])
        ),
        "mask left out": lambda f, x: _attend(f, x, mask=None),
    },
    source=GlobalAttention,
)

enter(
    lambda s: LocalMonotonic(s["d"], s["p"], max(1, s["W"] // 2)),
    **LUONG,
    key="local-m",
    title="Local attention, monotonic (local-m)",
    summary="Step t sees only the source positions within a window around t: right "
    "where source and target run at the same pace.",
    score=GENERAL,
    normalize=Step(
        "softmax over the window around the step's own number",
        r"a_t = \mathrm{softmax}\big(e_{ts} : |s - t| \le D\big)",
    ),
    time="N*M*(p+v)+N*d*p",
    usage="""
        from attnkit.rnn import LocalMonotonic

        attention = LocalMonotonic(query_dim=64, key_dim=64, window=4)
        context, weights = attention(states, memory, memory, need_weights=True)
    """,
    receptive="Context $t$ depends on state $t$ and on the source positions from "
    "$t - D$ to $t + D$ that the mask allows.",
    reference=_monotonic,
    field=lambda x: _field(x, _window(x["mask"], SHAPES[0]["W"] // 2)[0]),
    controls={
        "no window": lambda f, x: _attend(f, x),
        "a window one position too narrow": lambda f, x: _attend(
            f, x, mask=_window(x["mask"], f.window - 1)
        ),
        "a window behind the step only": lambda f, x: _attend(
            f, x, mask=_window(x["mask"], f.window).tril()
        ),
    },
    source=LocalMonotonic,
)

enter(
    lambda s: LocalPredictive(s["d"], s["p"], s["W"], hidden_dim=s["h"]),
    **LUONG,
    key="local-p",
    title="Local attention, predictive (local-p)",
    summary="Each step predicts a place in the source, sees a window around it, and "
    "prefers what is near it by a Gaussian.",
    score=GENERAL,
    normalize=Step(
        "softmax over the window, times a Gaussian around the predicted place",
        r"a_{ts} = \mathrm{softmax}_{|s - p_t| \le D}(e_{ts}) "
        r"\exp\Big(-\frac{(s - p_t)^2}{2 (D/2)^2}\Big), \quad "
        r"p_t = S\,\sigma(v^\top \tanh(W q_t))",
    ),
    time="N*M*(p+v+4)+N*d*(p+h)",
    symbols=SYMBOLS | {"h": "width of the network that predicts the place"},
    usage="""
        from attnkit.rnn import LocalPredictive

        attention = LocalPredictive(query_dim=64, key_dim=64, window=4)
        context, weights = attention(states, memory, memory, need_weights=True)
    """,
    receptive="Context $t$ depends on state $t$ and on the source positions within $D$ "
    "of the predicted place that the mask allows. (Tested with a window wider than the "
    "source: the place depends on the weights.)",
    reference=_predictive,
    field=partial(_field, place=True),
    controls={
        "without the Gaussian": lambda f, x: _predictive(f, **x, sharpen=False),
        "no place: global attention": lambda f, x: _attend(f, x),
        "normalized again after the Gaussian": lambda f, x: (
            lambda out: out / out.abs().sum(-1, keepdim=True)
        )(f(**x)),
    },
    source=LocalPredictive,
)
