"""Exercises 1 to 3 of the chapter `idea/three_steps`: scores and normalizers."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# --------------------------------------------------------- 1 · how large are products?


def spread(width: int, mean: float, std: float) -> float:
    """The standard deviation of q·k.

    Args:
        width: d, the number of entries of q and of k.
        mean: of every entry.
        std: standard deviation of every entry; all are independent.

    Returns:
        The standard deviation of the sum of the d products.
    """
    one = std**4 + 2 * mean**2 * std**2  # variance of one product
    return math.sqrt(width * one)


def _spread_inputs(generator: Generator) -> Iterator[tuple]:
    yield (256, 0.0, 1.0)
    yield (64, 0.0, 0.5)
    yield (1, 0.0, 3.0)
    yield (100, 1.0, 1.0)
    for mean, std in (0.2 + torch.rand(4, 2, generator=generator)).tolist():
        yield (48, -2 * mean, std)


def _spread_by_moments(width: int, mean: float, std: float) -> float:
    square = std**2 + mean**2  # the mean of q_t², and of k_t²
    return ((square * square - mean**4) * width) ** 0.5


def _spread_term_by_term(width: int, mean: float, std: float) -> float:
    variance = 0.0
    for _ in range(width):
        variance += (std * std) ** 2  # both entries wander
        variance += 2 * (mean * std) ** 2  # one wanders, the other is at its mean
    return math.sqrt(variance)


SPREAD = Exercise(
    key="idea.three_steps.1",
    title="How large do products get?",
    minutes=10,
    dots=2,
    learn="where the square root of d comes from, and when it is not enough",
    reference=spread,
    inputs=_spread_inputs,
    alternatives=[_spread_by_moments, _spread_term_by_term],
    mistakes=[
        (
            lambda width, mean, std: width * (std**4 + 2 * mean**2 * std**2),
            "This is the variance. The standard deviation is its square root.",
        ),
        (
            lambda width, mean, std: math.sqrt(width),
            "√d is right for entries of mean 0 and standard deviation 1 alone. What "
            "do other entries add?",
        ),
        (
            lambda width, mean, std: math.sqrt(width) * std**2,
            "Right for entries of mean 0. Where the mean is not 0, a product also "
            "moves when one factor stays at its mean and the other wanders.",
        ),
        (
            lambda width, mean, std: math.sqrt(width) * std,
            "A product has two factors, and each brings its own std.",
        ),
        (
            lambda width, mean, std: width * std**2,
            "Variances add up, standard deviations do not: the width comes under the "
            "root.",
        ),
        (
            lambda width, mean, std: math.sqrt(width * (std**4 + mean**2 * std**2)),
            "There are two mixed terms: q may wander while k stays at its mean, or k "
            "while q does.",
        ),
        (
            lambda width, mean, std: math.sqrt(width) * (std**2 + mean**2),
            "This is the root of the mean square. Subtract the square of the mean "
            "before you take the root.",
        ),
    ],
    hints=[
        "The products are independent, so their variances add up: find the variance of "
        "one product and multiply by d.",
        "Var(xy) = E[x²] E[y²] - E[x]² E[y]² for independent x and y, and "
        "E[x²] = std² + mean².",
        "Multiply out: (std² + mean²)² - mean⁴ = std⁴ + 2 mean² std².",
    ],
)


# --------------------------------------------------------- 2 · sparsemax by one sort


def sparsemax(scores: Tensor) -> Tensor:
    """Sparsemax along the last axis, by sorting.

    Args:
        scores: (..., M).

    Returns:
        Weights (..., M), max(score - tau, 0); each row adds up to one.
    """
    top = scores.sort(dim=-1, descending=True).values
    count = torch.arange(1, scores.shape[-1] + 1)
    tau = (top.cumsum(-1) - 1) / count  # if the first `count` were kept
    kept = (top > tau).sum(-1, keepdim=True)
    return (scores - tau.gather(-1, kept - 1)).clamp_min(0)


def _sparsemax_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    yield (torch.tensor([2.0, 1.6, 0.1]),)
    for scores in draw(generator, (2, 4), (3, 2, 6), (1,), (20, 30)):
        yield (1.5 * scores,)
    yield (torch.tensor([[50.0, 49.5, 3], [-7, -7.2, -6.9]]),)


def _sparsemax_by_halving(scores: Tensor) -> Tensor:
    high = scores.amax(-1, keepdim=True)
    low = high - 1  # the best key cannot get more than 1
    for _ in range(50):
        tau = (low + high) / 2
        more = (scores - tau).clamp_min(0).sum(-1, keepdim=True) > 1
        low, high = torch.where(more, tau, low), torch.where(more, high, tau)
    return (scores - tau).clamp_min(0)


def _sparsemax_by_dropping(scores: Tensor) -> Tensor:
    kept = torch.ones_like(scores, dtype=torch.bool)
    for _ in range(scores.shape[-1]):
        tau = ((scores * kept).sum(-1, keepdim=True) - 1) / kept.sum(-1, keepdim=True)
        kept = kept & (scores > tau)
    return torch.where(kept, scores - tau, torch.zeros(()))


def _all_kept(scores: Tensor) -> Tensor:
    return scores - (scores.sum(-1, keepdim=True) - 1) / scores.shape[-1]


def _one_too_few(scores: Tensor) -> Tensor:
    top = scores.sort(-1, descending=True).values
    tau = (top.cumsum(-1) - 1) / torch.arange(1, scores.shape[-1] + 1)
    kept = (top > tau).sum(-1, keepdim=True)
    return (scores - tau.gather(-1, (kept - 2).clamp_min(0))).clamp_min(0)


SPARSEMAX = Exercise(
    key="idea.three_steps.2",
    title="Sparsemax for many rows",
    minutes=20,
    dots=4,
    learn="how one sort finds the thresholds of all rows at once",
    reference=sparsemax,
    inputs=_sparsemax_inputs,
    alternatives=[_sparsemax_by_halving, _sparsemax_by_dropping],
    mistakes=[
        (
            _all_kept,
            "You keep every key, so far-off keys get negative weights. The threshold "
            "must come from the kept keys alone.",
        ),
        (
            lambda scores: _all_kept(scores).clamp_min(0),
            "You cut off the negative weights, but the threshold still counts the keys "
            "that were dropped: the rows add up to more than one.",
        ),
        (
            lambda scores: torch.softmax(scores, -1),
            "This is softmax: no weight is ever exactly 0.",
        ),
        (
            lambda scores: (
                scores.clamp_min(0) / scores.clamp_min(0).sum(-1, keepdim=True)
            ),
            "You cut at 0 and divide. Sparsemax subtracts a threshold that depends on "
            "the row, and never divides.",
        ),
        (
            lambda scores: sparsemax(scores).sort(-1, descending=True).values,
            "These are the right weights in the wrong places: you return them sorted.",
        ),
        (
            lambda scores: sparsemax(scores.flatten()).reshape(scores.shape),
            "The whole tensor adds up to one. Each row must.",
        ),
        (
            _one_too_few,
            "You are off by one: the threshold of the first k keys stands at place "
            "k - 1.",
        ),
    ],
    hints=[
        "Sort each row, largest first. If the first k keys are kept, then "
        "tau = (sum of these k scores - 1) / k. `cumsum` gives all these sums at once.",
        "Key k of the sorted row is kept as long as it lies above the tau of the first "
        "k. Count the kept keys of each row.",
        "`tau.gather(-1, kept - 1)` picks one tau for each row. Subtract it from the "
        "scores as they came, and cut at 0.",
    ],
)


# ------------------------------------------------------------- 3 · only the best few


def keep_best(scores: Tensor, k: int) -> Tensor:
    """Softmax among the k best keys of each row, 0 for the others.

    Args:
        scores: (..., M), no two in a row equal.
        k: how many keys keep a weight; more than M means all.

    Returns:
        Weights (..., M); each row adds up to one.
    """
    k = min(k, scores.shape[-1])
    edge = scores.topk(k, dim=-1).values[..., -1:]  # the k-th best
    return scores.masked_fill(scores < edge, -torch.inf).softmax(-1)


def _keep_inputs(generator: Generator) -> Iterator[tuple]:
    for k, shape in ((2, (5,)), (1, (3, 4)), (3, (2, 3, 6)), (4, (30, 20))):
        yield (*draw(generator, shape), k)
    yield (torch.tensor([[-3.0, -1, -2, -4]]), 2)
    yield (*draw(generator, (2, 3)), 7)


def _keep_by_dividing(scores: Tensor, k: int) -> Tensor:
    rank = scores.argsort(-1, descending=True).argsort(-1)
    weights = scores.softmax(-1) * (rank < k)
    return weights / weights.sum(-1, keepdim=True)


def _keep_by_scatter(scores: Tensor, k: int) -> Tensor:
    best = scores.topk(min(k, scores.shape[-1]), -1)
    return torch.zeros_like(scores).scatter(-1, best.indices, best.values.softmax(-1))


def _kept(scores: Tensor, k: int, largest: bool = True) -> Tensor:
    best = scores.topk(min(k, scores.shape[-1]), -1, largest=largest).indices
    return torch.zeros_like(scores).scatter(-1, best, 1.0)


KEEP = Exercise(
    key="idea.three_steps.3",
    title="Only the best few",
    minutes=10,
    dots=2,
    learn="a normalizer is a mask and a softmax, if the mask comes first",
    reference=keep_best,
    inputs=_keep_inputs,
    alternatives=[_keep_by_dividing, _keep_by_scatter],
    mistakes=[
        (
            lambda scores, k: scores.softmax(-1) * _kept(scores, k),
            "You drop keys after the softmax, so that what is left adds up to less "
            "than one.",
        ),
        (
            lambda scores, k: (scores * _kept(scores, k)).softmax(-1),
            "You set the dropped scores to 0, and exp(0) = 1 is a good share. Which "
            "score has the exponential 0?",
        ),
        (
            lambda scores, k: _kept(scores, k) / min(k, scores.shape[-1]),
            "You share equally. Among the kept keys the better one still gets more.",
        ),
        (
            lambda scores, k: scores.masked_fill(
                _kept(scores, k, False) == 0, -torch.inf
            ).softmax(-1),
            "You keep the k worst keys.",
        ),
        (
            lambda scores, k: keep_best(scores.flatten(), k).reshape(scores.shape),
            "You keep the k best of the whole tensor. Each row keeps its own.",
        ),
        (
            lambda scores, k: keep_best(scores, k + 1),
            "You keep one key too many: the k-th best stands at place k - 1.",
        ),
    ],
    hints=[
        "`scores.topk(k, dim=-1)` gives the k best, largest first. What must a key's "
        "score be at least, to be among them?",
        "Fill the scores of all other keys with -inf, then take the softmax: the "
        "order of these two matters.",
        "`min(k, scores.shape[-1])` takes care of a row with fewer than k keys.",
    ],
)
