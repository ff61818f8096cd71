"""The card of temporal attention, with plain loops to compare with."""

import torch
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.card import Sizes, Step
from attnkit.loops import Inputs

from .attention_cards import SYMBOLS, _additive, _field, _global, _inputs, enter
from .video import TemporalAttention


def _clip(seed: int, sizes: Sizes) -> Inputs:
    """States, values of frames, and a mask of the frames that are there."""
    drawn = _inputs(seed, sizes)
    del drawn["key"]
    masked = _inputs(seed, {**sizes, "N": 1})["mask"]
    return drawn | {"mask": masked[:, 0]}


def _every(mask: Tensor, query: Tensor) -> Tensor:
    """The mask of frames (B, M) for every query: (B, N, M)."""
    return mask[:, None].expand(-1, query.shape[1], -1)


def _by_loops(
    mechanism: nn.Module, query: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    run = _global(_additive)
    return run(mechanism, query, value, value, _every(mask, query))


def _frames(inputs: Inputs) -> Inputs:
    allowed = _every(inputs["mask"], inputs["query"])[0]
    field = _field(inputs, allowed)
    return {"query": field["query"], "value": field["value"]}


def _over(mechanism: nn.Module, inputs: Inputs, **options: Tensor | None) -> Tensor:
    """The three steps with something else in one place."""
    query, value = inputs["query"], inputs["value"]
    given = {"key": value, "score": mechanism.score, "mask": inputs["mask"][:, None]}
    return attend(query, value=value, **(given | options))


enter(
    lambda s: TemporalAttention(s["d"], s["v"], hidden_dim=s["h"]),
    key="temporal-attention",
    title="Temporal attention",
    summary="For each word of a caption, the decoder's state asks all frames of a clip "
    "by an additive score, and reads a weighted sum of them.",
    attends_to=("frame",),
    question="when",
    year=2015,
    month=2,
    paper="Describing Videos by Exploiting Temporal Structure",
    link="arXiv:1502.08029",
    cite="yao2015describing",
    score=Step(
        "a small network compares the decoder's state with a frame",
        r"e_{it} = w^\top \tanh(W_q z_{i-1} + W_k v_t)",
    ),
    normalize=Step(
        "softmax over the frames",
        r"a_{it} = \frac{\exp(e_{it})}{\sum_r \exp(e_{ir})}",
    ),
    time="N*M*(2*h+v)",
    memory="N*M*h",
    symbols={
        "N": "words",
        "M": "frames",
        "v": "width of a frame's value",
        "h": "width of the hidden layer",
        "d": SYMBOLS["d"],
    },
    usage="""
        from attnkit.rnn import TemporalAttention

        attention = TemporalAttention(query_dim=64, dim=48)
        context, weights = attention(states, values, need_weights=True)
    """,
    receptive="A context depends on its own word's state and on all frames that are "
    "there.",
    shapes=(
        {"B": 2, "N": 3, "M": 5, "d": 4, "p": 6, "v": 3, "h": 5},
        {"B": 1, "N": 6, "M": 7, "d": 5, "p": 2, "v": 4, "h": 3},
    ),
    inputs=_clip,
    reference=_by_loops,
    field=_frames,
    controls={
        "the mean of the frames, without attention": lambda f, x: (
            (x["value"] * x["mask"][..., None]).sum(1, keepdim=True)
            / x["mask"].sum(1)[:, None, None]
        ).expand(-1, x["query"].shape[1], -1),
        "frames that are not there are read": lambda f, x: _over(f, x, mask=None),
        "keys one frame late": lambda f, x: _over(f, x, key=x["value"].roll(1, 1)),
        "normalized over the words, not over the frames": lambda f, x: (
            torch.softmax(f.score(x["query"], x["value"]), -2)
            * x["mask"][:, None]
            @ x["value"]
        ),
    },
    source=TemporalAttention,
    chapter="rnn/video",
)
