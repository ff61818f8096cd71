"""Cards of the poolings: one answer out of a sequence."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.card import Card, Sizes, Step
from attnkit.catalog import register
from attnkit.loops import SUM, Inputs, Row, apply, exponentials, inner, seeded

from .pooling import (
    AttentionPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    TimeStepAttention,
)

SYMBOLS = {"M": "time steps", "D": "width of a step"}
NO_SCORE = Step("none: no step is asked", r"e_t = 0")
NO_WEIGHTS = {"weights": "it has no weights to learn"}


def _inputs(seed: int, sizes: Sizes) -> Inputs:
    b, steps, d = (sizes[name] for name in "BMD")
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(b, steps, generator=draw) < 0.7
    mask[:, :2] = True
    values = torch.randn(b, steps, d, generator=draw, dtype=torch.float64)
    return {"values": values, "mask": mask}


def _by_sample(values: Tensor, mask: Tensor, one: Callable[[list[Row]], Row]) -> Tensor:
    """Pool the steps that count of each sample, in plain Python numbers."""
    pooled = torch.zeros(values.shape[::2], dtype=torch.float64)
    for b, counts in enumerate(mask):
        steps = values[b][counts].tolist()
        if steps:
            pooled[b] = torch.tensor(one(steps), dtype=torch.float64)
    return pooled


def _mean(_, values: Tensor, mask: Tensor) -> Tensor:
    return _by_sample(
        values,
        mask,
        lambda steps: [math.fsum(c) / len(c) for c in zip(*steps, strict=True)],
    )


def _last(_, values: Tensor, mask: Tensor) -> Tensor:
    return _by_sample(values, mask, lambda steps: steps[-1])


def _max(_, values: Tensor, mask: Tensor) -> Tensor:
    return _by_sample(
        values, mask, lambda steps: [max(c) for c in zip(*steps, strict=True)]
    )


def _attention(f: AttentionPooling, values: Tensor, mask: Tensor) -> Tensor:
    layer, bias, query = f.key.weight.tolist(), f.key.bias.tolist(), f.query.tolist()

    def one(steps: list[Row]) -> Row:
        keys = [
            [math.tanh(a + b) for a, b in zip(apply(layer, h), bias, strict=True)]
            for h in steps
        ]
        weights = exponentials([inner(query, key) for key in keys])
        return [inner(weights, channel) for channel in zip(*steps, strict=True)]

    return _by_sample(values, mask, one)


def _block(f: TimeStepAttention, values: Tensor) -> Tensor:
    layer, bias = f.dense.weight.tolist(), f.dense.bias.tolist()
    output = torch.zeros_like(values)
    for b, d in torch.cartesian_prod(*map(torch.arange, values.shape[::2])).tolist():
        course = values[b, :, d].tolist()
        scores = [a + c for a, c in zip(apply(layer, course), bias, strict=True)]
        pairs = zip(exponentials(scores), course, strict=True)
        row = [weight * h for weight, h in pairs]
        output[b, :, d] = torch.tensor(row, dtype=torch.float64)
    return output


def _all_steps(inputs: Inputs) -> Inputs:
    """Every channel depends on all steps that count."""
    channels = inputs["values"].shape[2]
    return {"values": inputs["mask"][:1].expand(channels, -1)}


def _last_step(inputs: Inputs) -> Inputs:
    mask = inputs["mask"][0]
    only = torch.zeros_like(mask)
    only[mask.nonzero().max()] = True
    return {"values": only.expand(inputs["values"].shape[2], -1)}


def _best_step(inputs: Inputs) -> Inputs:
    hidden = inputs["values"][0].masked_fill(~inputs["mask"][0, :, None], -math.inf)
    steps = torch.arange(len(hidden))
    return {"values": steps == hidden.argmax(0)[:, None]}


def _enter(make: Callable[[Sizes], nn.Module], **given: Any) -> None:
    common = {
        "family": "rnn",
        "chapter": "rnn/pooling",
        "attends_to": ("time",),
        "question": "when",
        "aggregate": SUM,
        "symbols": SYMBOLS,
        "shapes": ({"B": 2, "M": 5, "D": 3}, {"B": 1, "M": 4, "D": 6}),
        "make": lambda seed, sizes: seeded(seed, lambda: make(sizes).double()),
        "inputs": _inputs,
        "field": _all_steps,
        "may_be_empty": ("B", "M"),
    }
    source = given.pop("source")
    register(Card(**(common | given)))(source)


def _usage(name: str, arguments: str = "") -> str:
    return f"""
        from attnkit.rnn import {name}

        pool = {name}({arguments})
        context, weights = pool(states, mask, need_weights=True)
    """


_enter(
    lambda s: LastPooling(),
    key="last_pooling",
    title="Last state",
    summary="The state after the last step stands for the whole sequence: all weight "
    "lies on one step.",
    year=2014,
    month=9,
    paper="Sequence to Sequence Learning with Neural Networks",
    link="arXiv:1409.3215",
    cite="sutskever2014sequence",
    score=NO_SCORE,
    normalize=Step("one on the last step that counts", r"a_t = [\,t = T\,]"),
    time="M*D",
    memory="M",
    usage=_usage("LastPooling"),
    receptive="The answer depends on the last step that counts, and on no other.",
    reference=_last,
    field=_last_step,
    controls={
        "the last step, padding or not": lambda f, x: x["values"][:, -1],
        "the first step": lambda f, x: x["values"][:, 0],
    },
    excuses=NO_WEIGHTS,
    source=LastPooling,
)

_enter(
    lambda s: MeanPooling(),
    key="mean_pooling",
    title="Mean over time",
    summary="Every step counts the same.",
    year=2015,
    month=3,
    paper="Beyond Short Snippets: Deep Networks for Video Classification",
    link="arXiv:1503.08909",
    cite="ng2015beyond",
    score=NO_SCORE,
    normalize=Step("the same for every step that counts", r"a_t = 1/T"),
    time="M*D",
    memory="M",
    usage=_usage("MeanPooling"),
    receptive="The answer depends on all steps that count.",
    reference=_mean,
    controls={
        "padding counts": lambda f, x: x["values"].mean(1),
        "a sum": lambda f, x: (x["values"] * x["mask"][..., None]).sum(1),
    },
    excuses=NO_WEIGHTS,
    source=MeanPooling,
)

_enter(
    lambda s: MaxPooling(),
    key="max_pooling",
    title="Maximum over time",
    summary="Each channel takes its largest number, from a step of its own.",
    year=2011,
    month=3,
    paper="Natural Language Processing (Almost) from Scratch",
    link="arXiv:1103.0398",
    cite="collobert2011natural",
    score=Step("the channel's own number", r"e_{td} = h_{td}"),
    normalize=Step(
        "one on the largest, channel by channel",
        r"a_{td} = [\,t = \arg\max_s e_{sd}\,]",
    ),
    time="M*D",
    memory="M*D",
    usage=_usage("MaxPooling"),
    receptive="Each channel depends on the step at which it is largest.",
    reference=_max,
    field=_best_step,
    controls={
        "padding counts": lambda f, x: (
            x["values"].masked_fill(~x["mask"][..., None], 9.0).amax(1)
        ),
        "the step with the largest sum": lambda f, x: x["values"][
            torch.arange(len(x["mask"])), x["values"].sum(-1).argmax(1)
        ],
    },
    excuses=NO_WEIGHTS,
    source=MaxPooling,
)

_enter(
    lambda s: AttentionPooling(s["D"], s["h"]),
    key="attention_pooling",
    title="Attention pooling",
    summary="One learned query asks all steps the same question; the answer is their "
    "weighted sum.",
    year=2015,
    month=12,
    paper="Feed-Forward Networks with Attention Can Solve Some Long-Term Memory "
    "Problems",
    link="arXiv:1512.08756",
    cite="raffel2015feed",
    score=Step(
        "a small network judges each step", r"e_t = q^\top \tanh(W h_t + b)"
    ),
    normalize=Step("softmax over the steps", r"a_t = \mathrm{softmax}_t(e_t)"),
    time="M*D*h",
    memory="M*h",
    symbols=SYMBOLS | {"h": "width of a key"},
    shapes=({"B": 2, "M": 5, "D": 3, "h": 4}, {"B": 1, "M": 4, "D": 6, "h": 2}),
    usage=_usage("AttentionPooling", "embed_dim=48"),
    receptive="The answer depends on all steps that count.",
    reference=_attention,
    controls={
        "padding counts": lambda f, x: f(x["values"]),
        "a mean": lambda f, x: _mean(f, **x),
        "without the bias": lambda f, x: _attention(
            _unbiased(f), x["values"], x["mask"]
        ),
    },
    source=AttentionPooling,
)  # fmt: skip


def _unbiased(f: AttentionPooling) -> AttentionPooling:
    other = AttentionPooling(f.key.in_features, f.key.out_features).double()
    other.load_state_dict(f.state_dict() | {"key.bias": torch.zeros_like(f.key.bias)})
    return other


_enter(
    lambda s: TimeStepAttention(s["M"]),
    key="time_step_attention",
    title="Time-step attention block",
    summary="The block of many articles on attention over an LSTM: transpose, a dense "
    "softmax over the steps, transpose, multiply. It has no paper of its own; its "
    "score is Luong's location score.",
    year=2015,
    month=8,
    paper="Effective Approaches to Attention-based Neural Machine Translation",
    link="arXiv:1508.04025",
    cite="luong2015effective",
    score=Step(
        "location: each channel's course over time is the query, no key is read",
        r"e_{td} = \sum_s W_{ts} h_{sd} + b_t",
    ),
    normalize=Step(
        "softmax over the steps, channel by channel",
        r"a_{td} = \mathrm{softmax}_t(e_{td})",
    ),
    aggregate=Step(
        "none: the weighted steps go on as they are", r"y_{td} = a_{td}\,h_{td}"
    ),
    time="M*M*D",
    memory="M*D",
    usage="""
        from attnkit.rnn import TimeStepAttention

        block = TimeStepAttention(steps=20)
        weighted, weights = block(states, need_weights=True)
    """,
    receptive="Each step of the output depends on all steps.",
    inputs=lambda seed, sizes: {"values": _inputs(seed, sizes)["values"]},
    reference=_block,
    field=lambda x: {"values": torch.ones(2 * x["values"].shape[1:2]).bool()},
    may_be_empty=("B",),
    controls={
        "softmax over the channels": lambda f, x: x["values"]
        * f.dense(x["values"].mT).softmax(-2).mT,
        "one row for all channels": lambda f, x: x["values"]
        * f(**x, need_weights=True)[1].mean(-1, keepdim=True),
    },
    source=TimeStepAttention,
)  # fmt: skip
