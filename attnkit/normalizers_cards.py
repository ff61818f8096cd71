"""Cards of the normalizers (step 2)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from attnkit import normalizers
from attnkit.card import Card, Oracle, Step, cells
from attnkit.catalog import register
from attnkit.loops import (
    ANY_SCORE,
    SUM,
    Inputs,
    among,
    best,
    bisect,
    by_row,
    exponentials,
    function,
    lowest,
    project,
    score_inputs,
)


def shares(weights: Tensor) -> Tensor:
    """Divide each row by its sum."""
    return weights / weights.sum(-1, keepdim=True)


def _entmax(name: str) -> Oracle:
    def run(mechanism: Callable, inputs: Inputs) -> Tensor:
        import entmax

        return getattr(entmax, name)(lowest(**inputs), dim=-1)

    return Oracle("entmax", f"entmax.{name}", run)


COMPETE = "Weight $a_{ij}$ depends on the scores of all keys that query $i$ may see."
SPARSE = "Weight $a_{ij}$ depends on the scores of the keys with a weight above 0."
LATE_MASK = {
    "mask put on after normalizing": lambda f, x: (
        f(x["scores"], torch.ones_like(x["mask"])) * x["mask"]
    ),
    "mask turned around": lambda f, x: f(x["scores"], ~x["mask"]),
}
OVER_QUERIES = {
    "normalized over the queries": lambda f, x: (
        f(x["scores"].mT.contiguous(), x["mask"].mT).mT
    )
}


def enter(**given: Any) -> None:
    """Register the card of a normalizer; `one` normalizes a single row by loops."""
    one = given.pop("one", None)
    common = {
        "family": "idea",
        "attends_to": ("word",),
        "question": "where",
        "score": ANY_SCORE,
        "aggregate": SUM,
        "time": "N*M",
        "memory": "N*M",
        "symbols": {"N": "queries", "M": "keys"},
        "receptive": COMPETE,
        "shapes": ({"B": 2, "N": 3, "M": 6}, {"B": 1, "N": 4, "M": 5}),
        "make": function(given["source"]),
        "inputs": score_inputs,
        "field": lambda x: among(x["mask"]),
        "controls": LATE_MASK | OVER_QUERIES,
        "output_places": cells,
        "input_places": cells,
        "chapter": "idea/soft_addressing",
    }
    if one is not None:
        common["reference"] = lambda mechanism, scores, mask: by_row(scores, mask, one)
    register(Card(**(common | given)))


def usage(name: str, options: str = "") -> str:
    """Show how a normalizer is imported and called."""
    return f"""
        from attnkit.attend import attend, {name}

        weights = {name}(scores, mask{options})
        context = attend(query, key, value, mask=mask, normalize="{name}")
    """


enter(
    key="softmax",
    title="Softmax",
    summary="Exponentiate and divide by the sum. Every allowed key gets a positive "
    "weight; a temperature sharpens or flattens.",
    year=2014,
    month=9,
    paper="Neural Machine Translation by Jointly Learning to Align and Translate",
    link="arXiv:1409.0473",
    cite="bahdanau2014neural",
    normalize=Step(
        "exponentiate, divide by the sum",
        r"a_{ij} = \frac{\exp(e_{ij} / T)}{\sum_m \exp(e_{im} / T)}",
    ),
    usage=usage("softmax", ", temperature=0.5"),
    make=function(partial(normalizers.softmax, temperature=0.7)),
    one=lambda row: exponentials([e / 0.7 for e in row]),
    controls=LATE_MASK
    | OVER_QUERIES
    | {"multiplied by the temperature": lambda f, x: lowest(**x).mul(0.7).softmax(-1)},
    oracles=(
        Oracle(
            "scipy",
            "scipy.special.softmax",
            lambda f, x: _scipy_softmax(lowest(**x) / 0.7),
        ),
    ),
    source=normalizers.softmax,
)


def _scipy_softmax(scores: Tensor) -> Tensor:
    from scipy.special import softmax

    return torch.from_numpy(softmax(scores.numpy(), axis=-1))


enter(
    key="sparsemax",
    title="Sparsemax",
    summary="The point of the simplex that is nearest to the scores. Keys that fall "
    "far behind get a weight of exactly 0.",
    year=2016,
    month=2,
    paper="From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label "
    "Classification",
    link="arXiv:1602.02068",
    cite="martins2016softmax",
    normalize=Step(
        "cut off below a threshold, so that the rest sums to 1",
        r"a_{ij} = [e_{ij} - \tau_i]_+",
    ),
    usage=usage("sparsemax"),
    one=project,
    receptive=SPARSE,
    field=lambda x: among(normalizers.sparsemax(**x) > 0),
    controls=LATE_MASK
    | OVER_QUERIES
    | {
        "softmax": lambda f, x: lowest(**x).softmax(-1),
        "cut off at 0, then divided by the sum": lambda f, x: (
            torch.nn.functional.normalize(
                x["scores"].clamp_min(0) * x["mask"], p=1, dim=-1
            )
        ),
    },
    oracles=(_entmax("sparsemax"),),
    source=normalizers.sparsemax,
)

enter(
    key="entmax15",
    title="Entmax-1.5",
    summary="Half way between softmax and sparsemax: smooth where it is positive, and "
    "exactly 0 for keys far behind.",
    year=2019,
    month=5,
    paper="Sparse Sequence-to-Sequence Models",
    link="arXiv:1905.05702",
    cite="peters2019sparse",
    normalize=Step(
        "halve, cut off below a threshold, square; the rest sums to 1",
        r"a_{ij} = [e_{ij} / 2 - \tau_i]_+^2",
    ),
    usage=usage("entmax15"),
    one=bisect,
    receptive=SPARSE,
    field=lambda x: among(normalizers.entmax15(**x) > 0),
    controls=LATE_MASK
    | OVER_QUERIES
    | {
        "sparsemax": lambda f, x: normalizers.sparsemax(**x),
        "scores not halved": lambda f, x: f(2 * x["scores"], x["mask"]),
    },
    oracles=(_entmax("entmax15"), _entmax("entmax_bisect")),
    source=normalizers.entmax15,
)

enter(
    key="sigmoid",
    title="Sigmoid",
    summary="Each key is gated by its own score. Keys do not compete, and the weights "
    "of a row need not sum to 1.",
    year=2024,
    month=9,
    paper="Theory, Analysis, and Best Practices for Sigmoid Self-Attention",
    link="arXiv:2409.04431",
    cite="ramapuram2024theory",
    normalize=Step("squeeze each score between 0 and 1", r"a_{ij} = \sigma(e_{ij})"),
    usage=usage("sigmoid"),
    one=lambda row: [1 / (1 + math.exp(-e)) for e in row],
    receptive="Weight $a_{ij}$ depends on score $e_{ij}$ alone.",
    field=lambda x: {"scores": torch.diag(x["mask"][0].flatten())},
    controls={
        "mask left out": lambda f, x: f(x["scores"]),
        "softmax": lambda f, x: lowest(**x).softmax(-1),
    },
    oracles=(Oracle("scipy", "scipy.special.expit", lambda f, x: _expit(lowest(**x))),),
    source=normalizers.sigmoid,
)


def _expit(scores: Tensor) -> Tensor:
    from scipy.special import expit

    return torch.from_numpy(expit(scores.numpy()))


enter(
    key="top_k",
    title="Top-k softmax",
    summary="Softmax over the k best keys; all others get exactly 0.",
    year=2019,
    month=12,
    paper="Explicit Sparse Transformer: Concentrated Attention Through Explicit "
    "Selection",
    link="arXiv:1912.11637",
    cite="zhao2019explicit",
    normalize=Step(
        "keep the k best, exponentiate, divide by the sum",
        r"a_{ij} = \frac{[j \in K_i] \exp(e_{ij})}{\sum_{m \in K_i} \exp(e_{im})}",
    ),
    usage=usage("top_k", ", k=4"),
    make=function(partial(normalizers.top_k, k=3)),
    one=lambda row: best(row, 3),
    receptive=SPARSE,
    field=lambda x: among(normalizers.top_k(**x, k=3) > 0),
    controls=LATE_MASK
    | OVER_QUERIES
    | {"one key more": lambda f, x: normalizers.top_k(**x, k=4)},
    source=normalizers.top_k,
)
