"""Exercises 1 and 2 of the chapter `idea/soft_addressing`: weights and scores."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise


def draw(generator: Generator, *shapes: tuple[int, ...]) -> list[Tensor]:
    """A tensor of standard normal numbers for each shape."""
    return [torch.randn(shape, generator=generator) for shape in shapes]


# ------------------------------------------------------ 1 · a softmax that survives


def softmax(scores: Tensor) -> Tensor:
    """Weights from scores, along the last axis.

    Args:
        scores: (..., M), of any size: 1000 is a legal score.

    Returns:
        Weights (..., M), none negative; each row adds up to one.
    """
    top = scores.max(dim=-1, keepdim=True).values
    powers = (scores - top).exp()  # the largest is exp(0) = 1
    return powers / powers.sum(dim=-1, keepdim=True)


def _softmax_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for scores in draw(generator, (4,), (2, 3), (3, 1, 5), (1,), (40, 60)):
        yield (2 * scores,)
    yield (torch.tensor([[1000.0, 1001, 999], [-1000, -1001, -1000]]),)
    yield (torch.tensor([0.0, 500, -500]),)


def _softmax_by_log(scores: Tensor) -> Tensor:
    return torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))


def _softmax_by_rows(scores: Tensor) -> Tensor:
    rows = scores.reshape(-1, scores.shape[-1])
    powers = [torch.exp(row - max(row.tolist())) for row in rows]
    return torch.stack([p / p.sum() for p in powers]).reshape(scores.shape)


SOFTMAX = Exercise(
    key="idea.soft_addressing.1",
    title="A softmax that survives",
    minutes=5,
    dots=1,
    learn="a constant added to all scores changes nothing, and that saves you",
    reference=softmax,
    inputs=_softmax_inputs,
    alternatives=[_softmax_by_log, _softmax_by_rows],
    mistakes=[
        (
            lambda scores: scores.exp() / scores.exp().sum(-1, keepdim=True),
            "Right for small scores, but exp(1000) is infinite, and exp(-1000) is 0: "
            "0 / 0 is NaN. What may you subtract from all scores without harm?",
        ),
        (
            lambda scores: (
                (scores - scores.max()).exp()
                / (scores - scores.max()).exp().sum(-1, keepdim=True)
            ),
            "You subtract the largest score of the whole tensor. In a row far below it "
            "every power is 0, and 0 / 0 is NaN: each row needs its own largest.",
        ),
        (
            lambda scores: torch.softmax(scores.flatten(), 0).reshape(scores.shape),
            "The whole tensor adds up to one. Each row, along the last axis, must.",
        ),
        (
            lambda scores: torch.softmax(scores, 0),
            "You normalize along the first axis. The keys lie along the last one.",
        ),
        (
            lambda scores: (scores - scores.amax(-1, keepdim=True)).exp(),
            "The powers are right. Now make each row add up to one.",
        ),
        (
            lambda scores: scores / scores.sum(-1, keepdim=True),
            "You divide the scores themselves. Some are negative, and so are your "
            "weights: take the exponential first.",
        ),
        (
            lambda scores: (scores / scores.amax(-1, keepdim=True)).softmax(-1),
            "You divide by the largest score, and that changes the weights. Subtract "
            "it: only differences count.",
        ),
        (
            lambda scores: torch.log_softmax(scores, -1),
            "These are the logarithms of the weights.",
        ),
    ],
    hints=[
        "exp(e - c) = exp(e) / exp(c). What happens to the fraction if you subtract "
        "the same c from every score of a row?",
        "Choose c as the largest score of the row. Then the largest power is "
        "exp(0) = 1, and no power can overflow.",
        "`scores.max(dim=-1, keepdim=True).values` keeps the axis, so that the "
        "subtraction lines up with the rows.",
    ],
)


# ------------------------------------------------------------ 2 · the method of 1964


def near_mean(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    temperature: float,
) -> Tensor:
    """Average the values, those with near keys more.

    Args:
        query: (N, d) new places.
        key: (M, d) known places.
        value: (M, d_v) what was measured there.
        temperature: T; divides the scores, which are -|q - k|² / 2.

    Returns:
        Context (N, d_v).
    """
    apart = query[:, None] - key  # (N, M, d)
    scores = -apart.square().sum(-1) / 2  # (N, M)
    return (scores / temperature).softmax(dim=-1) @ value


def _near_mean_inputs(generator: Generator) -> Iterator[tuple]:
    sizes = ((3, 5, 2, 1, 0.5), (1, 4, 1, 3, 0.1), (4, 4, 3, 2, 2.0), (1, 1, 1, 1, 1.0))
    for n, m, d, width, warm in (*sizes, (30, 50, 4, 3, 0.7)):
        yield (*draw(generator, (n, d), (m, d), (m, width)), warm)
    query, key, value = draw(generator, (3, 2), (4, 2), (4, 1))
    yield query + 20, key, value, 0.5  # far from all: exponentials underflow


def _near_mean_by_products(q: Tensor, k: Tensor, v: Tensor, warm: float) -> Tensor:
    scores = q @ k.mT - k.square().sum(-1) / 2
    return torch.softmax(scores / warm, -1) @ v


def _near_mean_by_loop(query: Tensor, key: Tensor, v: Tensor, warm: float) -> Tensor:
    rows = []
    for q in query:
        scores = torch.stack([-((q - k) ** 2).sum() / 2 for k in key])
        rows.append(((scores / warm).softmax(0)[:, None] * v).sum(0))
    return torch.stack(rows)


def _shares(powers: Tensor) -> Tensor:
    return powers / powers.sum(-1, keepdim=True)


NEAR_MEAN = Exercise(
    key="idea.soft_addressing.2",
    title="The method of 1964",
    minutes=10,
    dots=2,
    learn="change the score and nothing else, and an old friend appears",
    reference=near_mean,
    inputs=_near_mean_inputs,
    alternatives=[_near_mean_by_products, _near_mean_by_loop],
    tolerance=1e-4,
    mistakes=[
        (
            lambda q, k, v, t: (torch.cdist(q, k) ** 2 / (2 * t)).softmax(-1) @ v,
            "Far keys get the most: the score needs its minus sign.",
        ),
        (
            lambda q, k, v, t: (-torch.cdist(q, k) / (2 * t)).softmax(-1) @ v,
            "You use the distance. The score is made from its square.",
        ),
        (
            lambda q, k, v, t: (-(torch.cdist(q, k) ** 2) / t).softmax(-1) @ v,
            "A factor of two is missing: the score is *half* the squared distance.",
        ),
        (
            lambda q, k, v, t: (
                (-(torch.cdist(q, k) ** 2) / (2 * t * t)).softmax(-1) @ v
            ),
            "You square the temperature. It is no width of a bell curve.",
        ),
        (
            lambda q, k, v, t: (-(torch.cdist(q, k) ** 2) / 2 * t).softmax(-1) @ v,
            "You multiply by the temperature: `/ 2 * temperature` divides by 2 alone. "
            "Divide by both.",
        ),
        (
            lambda q, k, v, t: (-(torch.cdist(q, k) ** 2) / (2 * t)).softmax(0) @ v,
            "Your weights add up to one over the queries, not over the keys.",
        ),
        (
            lambda q, k, v, t: (q @ k.mT / t).softmax(-1) @ v,
            "This is the dot product. Near and far need the distance.",
        ),
        (
            lambda q, k, v, t: _shares((-(torch.cdist(q, k) ** 2) / (2 * t)).exp()) @ v,
            "Right near the known places. Far from all of them every power is 0, and "
            "0 / 0 is NaN: your first exercise knew a way out.",
        ),
    ],
    hints=[
        "Only step 1 is new. Normalize and aggregate as in the matrix form.",
        "`query[:, None] - key` subtracts every key from every query at once: its "
        "shape is (N, M, d).",
        "Square it, add up over the last axis, halve it, and put a minus before it. "
        "That is the whole score; divide it by the temperature before the softmax.",
    ],
)
