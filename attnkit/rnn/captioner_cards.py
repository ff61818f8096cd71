"""Cards of soft and hard attention over regions, with plain loops to compare with."""

from typing import Any

import torch
from torch import Tensor, nn

from attnkit.attend import aggregate, hard, softmax
from attnkit.card import Step
from attnkit.loops import Inputs, Row, by_row, exponentials, loop

from .attention_cards import SYMBOLS, _additive, _field, _weighted, enter
from .caption_attention import HardRegionAttention, RegionAttention
from .video_cards import _clip, _every, _over

SHOW = {
    "attends_to": ("space",),
    "question": "where",
    "year": 2015,
    "month": 2,
    "paper": "Show, Attend and Tell: Neural Image Caption Generation with Visual "
    "Attention",
    "link": "arXiv:1502.03044",
    "cite": "xu2015show",
    "time": "N*M*(2*h+v)",
    "memory": "N*M*h",
    "symbols": {
        "N": "words",
        "M": "regions",
        "v": "width of a region's vector",
        "h": "width of the hidden layer",
        "d": SYMBOLS["d"],
    },
    "shapes": (
        {"B": 2, "N": 3, "M": 5, "d": 4, "p": 6, "v": 3, "h": 5},
        {"B": 1, "N": 6, "M": 7, "d": 5, "p": 2, "v": 4, "h": 3},
    ),
    "inputs": _clip,
    "chapter": "rnn/captioning",
}
SCORE = Step(
    "a small network compares the decoder's state with a region",
    r"e_{ij} = w^\top \tanh(W_q z_{i-1} + W_k v_j)",
)


def _scores(mechanism: nn.Module, query: Tensor, value: Tensor) -> Tensor:
    return loop(query, value, lambda q, k: _additive(mechanism.score, q, k))


def _mixed(mechanism: nn.Module, query: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    scores = _scores(mechanism, query, value)
    return _weighted(by_row(scores, _every(mask, query), exponentials), value)


def _first_best(row: Row) -> Row:
    return [float(m == row.index(max(row))) for m in range(len(row))]


def _picked(mechanism: nn.Module, query: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """The best region, and behind it the logarithm of its chance."""
    scores, allowed = _scores(mechanism, query, value), _every(mask, query)
    one = by_row(scores, allowed, _first_best)
    chance = (by_row(scores, allowed, exponentials) * one).sum(-1, keepdim=True)
    logs = torch.where(chance > 0, chance, 1).log()
    return torch.cat([_weighted(one, value), logs], -1)


def _with_log(found: tuple[Tensor, Tensor]) -> Tensor:
    context, log_prob = found[:2]
    return torch.cat([context, log_prob[..., None]], -1)  # (B, N, v + 1)


def _regions(inputs: Inputs) -> Inputs:
    allowed = _every(inputs["mask"], inputs["query"])[0]
    field = _field(inputs, allowed)
    return {"query": field["query"], "value": field["value"]}


def _wrong(mechanism: nn.Module, inputs: Inputs, **other: Any) -> Tensor:
    """Hard attention with something else in one place."""
    given = inputs | {name: value for name, value in other.items() if name in inputs}
    scores = other.get("sign", 1) * mechanism.score(given["query"], given["value"])
    allowed = other.get("allowed", given["mask"][:, None])
    weights = other.get("choose", hard)(scores, allowed)
    chance = (softmax(scores, allowed) * hard(scores, allowed)).sum(-1)
    logs = torch.where(chance > 0, chance, 1)
    logs = logs if other.get("plain") else logs.log()
    return _with_log((aggregate(weights, given["value"]), logs))


enter(
    lambda s: RegionAttention(s["d"], s["v"], hidden_dim=s["h"]),
    **SHOW,
    key="region-attention-soft",
    title="Soft attention over regions",
    summary="For each word of a caption, the decoder's state asks all regions of an "
    "image by an additive score, and reads their weighted sum.",
    score=SCORE,
    normalize=Step(
        "softmax over the regions",
        r"a_{ij} = \frac{\exp(e_{ij})}{\sum_m \exp(e_{im})}",
    ),
    usage="""
        from attnkit.rnn.caption_attention import RegionAttention

        attention = RegionAttention(query_dim=64, dim=48)
        context, weights = attention(states, regions, need_weights=True)
    """,
    receptive="A context depends on its own word's state and on all regions that may "
    "be looked at.",
    reference=_mixed,
    field=_regions,
    controls={
        "the mean of the regions, without attention": lambda f, x: (
            (x["value"] * x["mask"][..., None]).sum(1, keepdim=True)
            / x["mask"].sum(1)[:, None, None]
        ).expand(-1, x["query"].shape[1], -1),
        "the best region alone": lambda f, x: aggregate(
            hard(f.score(x["query"], x["value"]), x["mask"][:, None]), x["value"]
        ),
        "closed regions are read": lambda f, x: _over(f, x, mask=None),
        "normalized over the words, not over the regions": lambda f, x: (
            torch.softmax(f.score(x["query"], x["value"]), -2)
            * x["mask"][:, None]
            @ x["value"]
        ),
    },
    source=RegionAttention,
)

enter(
    lambda s: HardRegionAttention(s["d"], s["v"], hidden_dim=s["h"]).eval(),
    **SHOW,
    key="region-attention-hard",
    title="Hard attention over regions",
    summary="For each word of a caption one region is read whole: drawn by chance in "
    "training, which REINFORCE makes teachable, and the best one afterwards. The card "
    "is tested in evaluation; the draw is tested with `sample_reinforce`.",
    score=SCORE,
    normalize=Step(
        "one region has all the weight; its chance is softmax's",
        r"J_i \sim \mathrm{softmax}(e_i), \; a_{ij} = [\,j = J_i\,]",
    ),
    usage="""
        from attnkit.rnn.caption_attention import HardRegionAttention

        attention = HardRegionAttention(query_dim=64, dim=48)
        context, log_prob = attention(states, regions)
        surrogate = ((loss_of_draw - baseline).detach() * log_prob).mean()
    """,
    receptive="A context depends on the one region that is read; the log-probability "
    "of the choice depends on the word's state and on all regions.",
    reference=_picked,
    field=_regions,
    output=_with_log,
    controls={
        "a mixture of all regions": lambda f, x: _wrong(f, x, choose=softmax),
        "the worst region": lambda f, x: _wrong(f, x, sign=-1),
        "closed regions are read": lambda f, x: _wrong(f, x, allowed=None),
        "chance in place of its logarithm": lambda f, x: _wrong(f, x, plain=True),
    },
    source=HardRegionAttention,
)
