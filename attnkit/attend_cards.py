"""The card of `attend` itself: all three steps."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.card import Card, Oracle, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import SUM, Inputs, by_row, exponentials, inner, loop, seeded


def _inputs(seed: int, sizes: Sizes) -> Inputs:
    b, n, m, d, p = (sizes[name] for name in "BNMdp")
    mask = seeded(seed, lambda: torch.rand(b, n, m) < 0.6)
    mask[..., :2] = True
    shapes = {"query": (b, n, d), "key": (b, m, d), "value": (b, m, p)}
    drawn = seeded(
        seed + 1,
        lambda: {k: torch.randn(s, dtype=torch.float64) for k, s in shapes.items()},
    )
    return drawn | {"mask": mask}


def _loop(mechanism, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    scores = loop(query, key, lambda q, k: inner(q, k) / math.sqrt(len(q)))
    weights = by_row(scores, mask, exponentials).tolist()
    columns = [sample.T.tolist() for sample in value]
    context = [
        [[inner(w, column) for column in columns[b]] for w in weights[b]]
        for b in range(len(weights))
    ]
    shape = (*query.shape[:2], value.shape[2])
    return torch.tensor(context, dtype=torch.float64).reshape(shape)


def _field(inputs: Inputs) -> Inputs:
    allowed = inputs["mask"][0]
    choice = allowed.sum(-1, keepdim=True) > 1  # one key alone always gets weight 1
    same = torch.eye(len(allowed), dtype=torch.bool)
    return {"query": same & choice, "key": allowed & choice, "value": allowed}


def _multihead(mechanism, inputs: Inputs) -> Tensor:
    query, value = inputs["query"], inputs["value"]
    d, p = query.shape[-1], value.shape[-1]
    module = nn.MultiheadAttention(d, 1, vdim=p, batch_first=True, dtype=query.dtype)
    with torch.no_grad():
        for weight in (
            module.q_proj_weight,
            module.k_proj_weight,
            module.v_proj_weight,
        ):
            weight.copy_(torch.eye(*weight.shape))
        module.out_proj.weight.copy_(torch.eye(d))
        module.in_proj_bias.zero_(), module.out_proj.bias.zero_()
    blocked = ~inputs["mask"]  # its mask says True = blocked
    return module(query, inputs["key"], value, attn_mask=blocked)[0][..., :p]


def _fused(mechanism, inputs: Inputs) -> Tensor:
    query, key, value = (inputs[name] for name in ("query", "key", "value"))
    fused = nn.functional.scaled_dot_product_attention
    return fused(query, key, value, attn_mask=inputs["mask"])


def _with(**options) -> object:
    return lambda mechanism, inputs: attend(**(inputs | options))


register(
    Card(
        key="attend",
        title="Attention in three steps",
        summary="Score every key against the query, normalize the scores into weights, "
        "sum the values by weight. Every other card is a choice within these steps.",
        family="idea",
        year=2014,
        month=9,
        paper="Neural Machine Translation by Jointly Learning to Align and Translate",
        link="arXiv:1409.0473",
        cite="bahdanau2014neural",
        attends_to=("time", "word", "memory", "space"),
        question="where",
        score=Step(
            "any score, by default the scaled dot",
            r"e_{ij} = \frac{q_i^\top k_j}{\sqrt{d}}",
        ),
        normalize=Step(
            "any normalizer, by default softmax",
            r"a_{ij} = \frac{\exp(e_{ij})}{\sum_m \exp(e_{im})}",
        ),
        aggregate=SUM,
        time="N*M*(d+p)",
        memory="N*M",
        symbols={
            "N": "queries",
            "M": "keys",
            "d": "width of query and key",
            "p": "width of a value",
        },
        usage="""
            from attnkit.attend import attend

            context = attend(query, key, value, mask=mask)
            context, weights = attend(query, key, value, mask=mask, need_weights=True)
        """,
        receptive="Context $i$ depends on query $i$ and on the keys and values that "
        "its mask allows.",
        shapes=(
            {"B": 2, "N": 3, "M": 5, "d": 4, "p": 3},
            {"B": 1, "N": 4, "M": 6, "d": 7, "p": 5},
        ),
        make=lambda seed, sizes: partial(attend, need_weights=True),
        inputs=_inputs,
        reference=_loop,
        field=_field,
        controls={
            "mask turned around": lambda f, x: attend(**(x | {"mask": ~x["mask"]})),
            "mask left out": _with(mask=None),
            "score not scaled": _with(score="dot"),
            "values in reverse order": lambda f, x: attend(
                x["query"], x["key"], x["value"].flip(1), mask=x["mask"]
            ),
        },
        oracles=(
            Oracle("torch", "torch.nn.MultiheadAttention with one head", _multihead),
            Oracle("torch", "torch's fused scaled_dot_product_attention", _fused),
        ),
        source=attend,
        chapter="idea/soft_addressing",
    )
)
