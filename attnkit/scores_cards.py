"""Cards of the scores (step 1)."""

import math
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from attnkit import scores
from attnkit.card import Card, Oracle, Step, cells
from attnkit.catalog import register
from attnkit.loops import (
    ANY_NORMALIZER,
    SUM,
    cosine,
    function,
    inner,
    loop,
    pair_field,
    pair_inputs,
    seeded,
)

SYMBOLS = {"N": "queries", "M": "keys", "d": "width of query and key"}


def enter(**given: Any) -> None:
    """Register the card of a score; what scores have in common is filled in."""
    source = given.pop("source")
    common = {
        "family": "idea",
        "attends_to": ("word",),
        "question": "where",
        "normalize": ANY_NORMALIZER,
        "aggregate": SUM,
        "time": "N*M*d",
        "memory": "N*M",
        "symbols": SYMBOLS,
        "receptive": "Score $e_{ij}$ depends on query $i$ and key $j$ alone.",
        "shapes": ({"B": 2, "N": 3, "M": 5, "d": 4}, {"B": 1, "N": 2, "M": 3, "d": 7}),
        "inputs": pair_inputs,
        "field": pair_field,
        "output_places": cells,
        "source": source,
        "chapter": "idea/soft_addressing",
    }
    register(Card(**(common | given)))


LUONG = {
    "year": 2015,
    "month": 8,
    "paper": "Effective Approaches to Attention-based Neural Machine Translation",
    "link": "arXiv:1508.04025",
    "cite": "luong2015effective",
    "chapter": "rnn/alignment",
}

enter(
    key="dot",
    title="Dot score",
    summary="The inner product of query and key: high where both point the same way "
    "and are long.",
    **LUONG,
    score=Step("multiply query and key, add up", r"e_{ij} = q_i^\top k_j"),
    usage="""
        from attnkit.attend import attend, dot

        scores = dot(query, key)
        context = attend(query, key, value, score="dot")
    """,
    make=function(scores.dot),
    reference=lambda mechanism, query, key: loop(query, key, inner),
    controls={
        "divided by the root of the width": lambda f, x: (
            f(**x) / math.sqrt(x["key"].shape[-1])
        ),
        "keys in reverse order": lambda f, x: f(x["query"], x["key"].flip(1)),
    },
    oracles=(
        Oracle(
            "numpy",
            "numpy.einsum",
            lambda f, x: torch.from_numpy(
                numpy.einsum("bnd,bmd->bnm", x["query"], x["key"])
            ),
        ),
    ),
    source=scores.dot,
)

enter(
    key="scaled_dot",
    title="Scaled dot score",
    summary="The inner product divided by the square root of the width, so that the "
    "spread of the scores does not grow with the width.",
    year=2017,
    month=6,
    paper="Attention Is All You Need",
    link="arXiv:1706.03762",
    cite="vaswani2017attention",
    score=Step(
        "inner product over the root of the width",
        r"e_{ij} = \frac{q_i^\top k_j}{\sqrt{d}}",
    ),
    usage="""
        from attnkit.attend import attend, scaled_dot

        scores = scaled_dot(query, key)
        context = attend(query, key, value)  # the default score
    """,
    make=function(scores.scaled_dot),
    reference=lambda mechanism, query, key: loop(
        query, key, lambda q, k: inner(q, k) / math.sqrt(len(q))
    ),
    controls={
        "not scaled": lambda f, x: x["query"] @ x["key"].mT,
        "divided by the width": lambda f, x: (
            x["query"] @ x["key"].mT / x["key"].shape[-1]
        ),
    },
    source=scores.scaled_dot,
)


enter(
    key="cosine",
    title="Cosine score",
    summary="The cosine of the angle between query and key. Length does not count, so "
    "no key can win by being long.",
    year=2014,
    month=10,
    paper="Neural Turing Machines",
    link="arXiv:1410.5401",
    cite="graves2014neural",
    attends_to=("memory",),
    score=Step(
        "inner product of the unit vectors",
        r"e_{ij} = \frac{q_i^\top k_j}{\lVert q_i \rVert \, \lVert k_j \rVert}",
    ),
    usage="""
        from attnkit.attend import attend, cosine

        scores = cosine(query, key)  # between -1 and 1
        context = attend(query, key, value, score="cosine")
    """,
    make=function(scores.cosine),
    reference=lambda mechanism, query, key: loop(query, key, cosine),
    controls={
        "only the query brought to length 1": lambda f, x: (
            nn.functional.normalize(x["query"], dim=-1) @ x["key"].mT
        ),
        "lengths measured over the keys": lambda f, x: (
            nn.functional.normalize(x["query"], dim=-1)
            @ nn.functional.normalize(x["key"], dim=1).mT
        ),
    },
    oracles=(
        Oracle(
            "torch",
            "torch.nn.functional.cosine_similarity",
            lambda f, x: nn.functional.cosine_similarity(
                x["query"][:, :, None], x["key"][:, None], dim=-1
            ),
        ),
    ),
    source=scores.cosine,
)


def _location_loop(mechanism: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    weight = mechanism.weight.tolist()
    places = [[[float(j)] for j in range(key.shape[1])]] * key.shape[0]
    places = torch.tensor(places).reshape(*key.shape[:2], 1)
    return loop(query, places, lambda q, place: inner(weight[int(place[0])], q))


enter(
    key="location",
    title="Location score",
    summary="The query alone says which place to look at; what stands there is not "
    "read. Only the number of keys counts.",
    **LUONG,
    score=Step("row $j$ of a matrix times the query", r"e_{ij} = (W q_i)_j"),
    time="N*M*d",
    symbols=SYMBOLS | {"d": "width of a query"},
    usage="""
        from attnkit.attend import Location, attend

        score = Location(query_dim=64, max_keys=50)  # up to 50 keys
        context = attend(query, key, value, score=score)
    """,
    receptive="Score $e_{ij}$ depends on query $i$ alone, on no key.",
    make=lambda seed, s: seeded(
        seed, lambda: scores.Location(s["d"], s["M"] + (s["M"] > 1)).double()
    ),
    reference=_location_loop,
    field=lambda x: (
        pair_field(x)
        | {
            "key": torch.zeros(
                x["query"].shape[1] * x["key"].shape[1], x["key"].shape[1]
            ).bool()
        }
    ),
    controls={
        "the last rows of the matrix in place of the first": lambda f, x: (
            x["query"] @ f.weight[-x["key"].shape[1] :].mT
        ),
        "places in reverse order": lambda f, x: f(**x).flip(-1),
    },
    excuses={"inputs:key": "the key is not read: that defines this score"},
    source=scores.Location,
)
