"""Plain loops in Python numbers: the references that the fast code must equal.

Slow on purpose and free of tensor operations, so that no mistake can be in both. The
example inputs of the first cards, and their receptive fields, stand here too.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnkit.card import Sizes, Step

Inputs = dict[str, Tensor]
Row = list[float]

ANY_SCORE = Step("any score", r"e_{ij} = \mathrm{score}(q_i, k_j)")
ANY_NORMALIZER = Step(
    "any normalizer, most often softmax", r"a_i = \mathrm{normalize}(e_i)"
)
SUM = Step("sum of the values by weight", r"c_i = \sum_j a_{ij} v_j")


def seeded(seed: int, make: Callable[[], Any]) -> Any:
    """Call `make` under a seed of its own, leaving the global one as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def function(chosen: Callable) -> Callable[[int, Sizes], Callable]:
    """A `make` for a mechanism without weights or sizes."""
    return lambda seed, sizes: chosen


def pair_inputs(seed: int, sizes: Sizes) -> Inputs:
    """Draw a query (B, N, d) and a key (B, M, p), p being d unless given."""
    query_shape = (sizes["B"], sizes["N"], sizes["d"])
    key_shape = (sizes["B"], sizes["M"], sizes.get("p", sizes["d"]))
    return seeded(
        seed,
        lambda: {
            "query": torch.randn(query_shape, dtype=torch.float64),
            "key": torch.randn(key_shape, dtype=torch.float64),
        },
    )


def pair_field(inputs: Inputs) -> Inputs:
    """Score (n, m) depends on query n and key m alone."""
    n, m = inputs["query"].shape[1], inputs["key"].shape[1]
    return {
        "query": torch.eye(n, dtype=torch.bool).repeat_interleave(m, dim=0),
        "key": torch.eye(m, dtype=torch.bool).repeat(n, 1),
    }


def loop(query: Tensor, key: Tensor, one: Callable[[list, list], float]) -> Tensor:
    """Score pair by pair, in plain Python numbers."""
    table = [
        [[one(q, k) for k in keys] for q in queries]
        for queries, keys in zip(query.tolist(), key.tolist(), strict=True)
    ]
    shape = (*query.shape[:2], key.shape[1])
    return torch.tensor(table, dtype=torch.float64).reshape(shape)


def inner(a: list, b: list) -> float:
    """Sum of products, number by number."""
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def apply(matrix: list, vector: list) -> list:
    """Matrix (list of rows) times vector."""
    return [inner(row, vector) for row in matrix]


def tanh_net(q: list, k: list, w_q: list, w_k: list, v: list) -> float:
    hidden = zip(apply(w_q, q), apply(w_k, k), strict=True)
    return inner(v, [math.tanh(a + b) for a, b in hidden])


def cosine(q: list, k: list) -> float:
    return inner(q, k) / math.sqrt(inner(q, q) * inner(k, k))


def score_inputs(seed: int, sizes: Sizes) -> Inputs:
    """Draw scores and a mask (B, N, M); every row may attend to two keys at least."""
    shape = (sizes["B"], sizes["N"], sizes["M"])
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(shape, generator=draw, dtype=torch.float64)
    mask = torch.rand(shape, generator=draw) < 0.6
    mask[..., :2] = True
    return {"scores": scores, "mask": mask}


def by_row(scores: Tensor, mask: Tensor, one: Callable[[Row], Row]) -> Tensor:
    """Normalize row by row, in plain Python numbers, over the allowed keys alone."""
    weights = torch.zeros_like(scores)
    for b, n in [
        (b, n) for b in range(scores.shape[0]) for n in range(scores.shape[1])
    ]:
        allowed = mask[b, n].nonzero().flatten().tolist()
        found = one([scores[b, n, m].item() for m in allowed]) if allowed else []
        for m, weight in zip(allowed, found, strict=True):
            weights[b, n, m] = weight
    return weights


def exponentials(row: Row) -> Row:
    """Softmax of a list."""
    top = [math.exp(e - max(row)) for e in row]
    return [t / math.fsum(top) for t in top]


def project(row: Row) -> Row:
    """Sparsemax of a list, by the sorted search of Martins and Astudillo."""
    tau, total = 0.0, 0.0
    for count, e in enumerate(sorted(row, reverse=True), start=1):
        total += e
        if 1 + count * e > total:
            tau = (total - 1) / count
    return [max(e - tau, 0.0) for e in row]


def bisect(row: Row) -> Row:
    """Entmax-1.5 of a list, by halving the interval that holds the threshold."""
    low, high = max(row) / 2 - 1, max(row) / 2
    for _ in range(100):
        tau = (low + high) / 2
        above = math.fsum(max(e / 2 - tau, 0.0) ** 2 for e in row) > 1
        low, high = (tau, high) if above else (low, tau)
    return [max(e / 2 - low, 0.0) ** 2 for e in row]


def best(row: Row, k: int) -> Row:
    """Softmax over the k largest of a list."""
    kept = sorted(range(len(row)), key=lambda m: -row[m])[:k]
    weights = dict(zip(kept, exponentials([row[m] for m in kept]), strict=True))
    return [weights.get(m, 0.0) for m in range(len(row))]


def among(active: Tensor) -> Inputs:
    """Weights of a row depend on the scores of its active cells, if two or more."""
    active = active[0] & (active[0].sum(-1, keepdim=True) > 1)  # (N, M)
    n, m = active.shape
    same_row = torch.eye(n, dtype=torch.bool).repeat_interleave(m, 0)
    same_row = same_row.repeat_interleave(m, 1)  # (N M, N M)
    flat = active.flatten()
    return {"scores": same_row & flat[:, None] & flat}


def lowest(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with minus infinity where the mask forbids."""
    return scores.masked_fill(~mask, -torch.inf)


def race(clock: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Winners of the exponential race, found cell by cell."""
    rates = by_row(scores, mask, exponentials)
    won = torch.zeros_like(rates)
    for b, n in [
        (b, n) for b in range(scores.shape[0]) for n in range(scores.shape[1])
    ]:
        if mask[b, n].any():
            pairs = zip(clock[b, n].tolist(), rates[b, n].tolist(), strict=True)
            times = [time / rate if rate > 0 else math.inf for time, rate in pairs]
            won[b, n, times.index(min(times))] = 1.0
    return won
