"""Cards of the scores that learn to compare a query with a key."""

import math
import os

import torch
from torch import Tensor, nn

from attnkit import scores
from attnkit.card import Oracle, Step
from attnkit.loops import Inputs, apply, inner, loop, seeded, tanh_net
from attnkit.scores_cards import LUONG, SYMBOLS, enter


def _bilinear(mechanism: nn.Module, inputs: Inputs) -> Tensor:
    query, key = (part.contiguous() for part in _pairs(inputs))
    return nn.functional.bilinear(query, key, mechanism.weight[None]).squeeze(-1)


TWO_WIDTHS = (
    {"B": 2, "N": 3, "M": 5, "d": 4, "p": 6},
    {"B": 1, "N": 2, "M": 3, "d": 7, "p": 2},
)
_WIDTHS = SYMBOLS | {"d": "width of a query", "p": "width of a key"}

enter(
    key="general",
    title="General (bilinear) score",
    summary="An inner product with a learned matrix in between: query and key may "
    "differ in width and in what their parts mean.",
    **LUONG,
    score=Step("query times matrix times key", r"e_{ij} = q_i^\top W k_j"),
    time="N*M*p+N*d*p",
    symbols=_WIDTHS,
    usage="""
        from attnkit.attend import General, attend

        score = General(query_dim=64, key_dim=128)
        context = attend(query, key, value, score=score)
    """,
    shapes=TWO_WIDTHS,
    make=lambda seed, s: seeded(seed, lambda: scores.General(s["d"], s["p"]).double()),
    reference=lambda mechanism, query, key: loop(
        query, key, lambda q, k: inner(q, apply(mechanism.weight.tolist(), k))
    ),
    controls={
        "the matrix read in the order of its transpose": lambda f, x: (
            x["query"] @ f.weight.mT.reshape(f.weight.shape) @ x["key"].mT
        ),
        "the rows of the matrix in reverse": lambda f, x: (
            x["query"] @ f.weight.flip(0) @ x["key"].mT
        ),
    },
    oracles=(Oracle("torch", "torch.nn.functional.bilinear", _bilinear),),
    source=scores.General,
)


def _keras_scores(mechanism: nn.Module, inputs: Inputs) -> Tensor:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from keras.layers import AdditiveAttention

    query = inputs["query"] @ mechanism.query_weight.mT
    key = inputs["key"] @ mechanism.key_weight.mT
    layer = AdditiveAttention(dtype="float64")
    layer.build([query.shape, key.shape, key.shape])
    layer.scale.assign(mechanism.v.detach())
    return layer._calculate_scores(query, key)


def _additive_loop(mechanism: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    weights = (mechanism.query_weight, mechanism.key_weight, mechanism.v)
    w_q, w_k, v = (w.tolist() for w in weights)
    return loop(query, key, lambda q, k: tanh_net(q, k, w_q, w_k, v))


def _hidden(mechanism: nn.Module, inputs: Inputs) -> Tensor:
    query = inputs["query"] @ mechanism.query_weight.mT
    key = inputs["key"] @ mechanism.key_weight.mT
    return query[:, :, None] + key[:, None]  # (B, N, M, h)


THREE_WIDTHS = tuple(
    sizes | {"h": h} for sizes, h in zip(TWO_WIDTHS, (5, 3), strict=True)
)
_HIDDEN = _WIDTHS | {"h": "width of the hidden layer"}

enter(
    key="additive",
    title="Additive score",
    summary="A small network with one hidden layer looks at query and key together. "
    "The first attention score of the field.",
    year=2014,
    month=9,
    paper="Neural Machine Translation by Jointly Learning to Align and Translate",
    link="arXiv:1409.0473",
    cite="bahdanau2014neural",
    chapter="rnn/alignment",
    score=Step(
        "add the projected query and key, tanh, weigh the hidden units",
        r"e_{ij} = v^\top \tanh(W_q q_i + W_k k_j)",
    ),
    time="N*M*h",
    memory="N*M*h",
    symbols=_HIDDEN,
    usage="""
        from attnkit.attend import Additive, attend

        score = Additive(query_dim=64, key_dim=128, hidden_dim=32)
        context = attend(query, key, value, score=score)
    """,
    shapes=THREE_WIDTHS,
    make=lambda seed, s: seeded(
        seed, lambda: scores.Additive(s["d"], s["p"], s["h"]).double()
    ),
    reference=_additive_loop,
    controls={
        "without tanh": lambda f, x: _hidden(f, x) @ f.v,
        "without the vector v": lambda f, x: _hidden(f, x).tanh().sum(-1),
        "tanh of each projection by itself": lambda f, x: (
            (
                (x["query"] @ f.query_weight.mT).tanh()[:, :, None]
                + (x["key"] @ f.key_weight.mT).tanh()[:, None]
            )
            @ f.v
        ),
    },
    oracles=(Oracle("keras", "keras.layers.AdditiveAttention", _keras_scores),),
    source=scores.Additive,
)


def _concat_loop(mechanism: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    weight, v = mechanism.weight.tolist(), mechanism.v.tolist()

    def one(q: list, k: list) -> float:
        return inner(v, [math.tanh(a) for a in apply(weight, q + k)])

    return loop(query, key, one)


def _pairs(inputs: Inputs) -> tuple[Tensor, Tensor]:
    query, key = inputs["query"][:, :, None], inputs["key"][:, None]
    shape = (query.shape[0], query.shape[1], key.shape[2])
    return query.expand(*shape, -1), key.expand(*shape, -1)


def _concat_net(mechanism: nn.Module, pair: tuple[Tensor, Tensor]) -> Tensor:
    return (torch.cat(pair, dim=-1) @ mechanism.weight.mT).tanh() @ mechanism.v


enter(
    key="concat",
    title="Concat score",
    summary="Query and key side by side go through one hidden layer: the additive "
    "score with its two matrices written as one.",
    **LUONG,
    score=Step(
        "join query and key, multiply, tanh, weigh the hidden units",
        r"e_{ij} = v^\top \tanh(W [q_i ; k_j])",
    ),
    time="N*M*h",
    memory="N*M*h",
    symbols=_HIDDEN,
    usage="""
        from attnkit.attend import Concat, attend

        score = Concat(query_dim=64, key_dim=128, hidden_dim=32)
        context = attend(query, key, value, score=score)
    """,
    shapes=THREE_WIDTHS,
    make=lambda seed, s: seeded(
        seed, lambda: scores.Concat(s["d"], s["p"], s["h"]).double()
    ),
    reference=_concat_loop,
    controls={
        "key first, query second": lambda f, x: _concat_net(f, _pairs(x)[::-1]),
        "without tanh": lambda f, x: torch.cat(_pairs(x), dim=-1) @ f.weight.mT @ f.v,
    },
    source=scores.Concat,
)
