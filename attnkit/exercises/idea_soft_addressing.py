"""Exercises of the chapter `idea/soft_addressing`."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from attnkit.exercises.engine import Exercise

# ------------------------------------------------------- 1 · a softmax that survives


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


def softmax_inputs(generator: torch.Generator) -> Iterator[tuple[Tensor]]:
    for shape in ((4,), (2, 3), (3, 1, 5)):
        yield (2 * torch.randn(shape, generator=generator),)
    yield (torch.tensor([[1000.0, 1001.0, 999.0], [-1000.0, -1001.0, -1000.0]]),)
    yield (torch.tensor([0.0, 500.0, -500.0]),)


def _softmax_by_log(scores: Tensor) -> Tensor:
    return torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))


def _softmax_by_rows(scores: Tensor) -> Tensor:
    rows = scores.reshape(-1, scores.shape[-1])
    powers = [torch.exp(row - max(row.tolist())) for row in rows]
    return torch.stack([p / p.sum() for p in powers]).reshape(scores.shape)


def _softmax_naive(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


def _softmax_all(scores: Tensor) -> Tensor:
    powers = (scores - scores.max()).exp()
    return powers / powers.sum()


def _softmax_first_axis(scores: Tensor) -> Tensor:
    return torch.softmax(scores, 0)


def _softmax_no_sum(scores: Tensor) -> Tensor:
    return (scores - scores.max(-1, keepdim=True).values).exp()


def _softmax_no_exp(scores: Tensor) -> Tensor:
    return scores / scores.sum(-1, keepdim=True)


def _softmax_log(scores: Tensor) -> Tensor:
    return torch.log_softmax(scores, -1)


# ------------------------------------------------------------- 2 · the method of 1964


def near_mean(query: Tensor, key: Tensor, value: Tensor, tau: float) -> Tensor:
    """Average the values, those with near keys more.

    Args:
        query: (N, d) new places.
        key: (M, d) known places.
        value: (M, d_v) what was measured there.
        tau: temperature; the score is -|q - k|² / (2 tau).

    Returns:
        Context (N, d_v).
    """
    apart = query[:, None] - key  # (N, M, d)
    scores = -apart.square().sum(-1) / (2 * tau)  # (N, M)
    return scores.softmax(dim=-1) @ value


def near_mean_inputs(
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
    sizes = ((3, 5, 2, 1, 0.5), (1, 4, 1, 3, 0.1), (4, 4, 3, 2, 2.0))
    for n, m, d, width, tau in sizes:
        shapes = ((n, d), (m, d), (m, width))
        yield (*(torch.randn(shape, generator=generator) for shape in shapes), tau)


def _near_mean_by_products(
    query: Tensor, key: Tensor, value: Tensor, tau: float
) -> Tensor:
    scores = query @ key.mT - key.square().sum(-1) / 2
    return torch.softmax(scores / tau, -1) @ value


def _near_mean_by_loop(query: Tensor, key: Tensor, value: Tensor, tau: float) -> Tensor:
    rows = []
    for q in query:
        powers = torch.stack([(-((q - k) ** 2).sum() / (2 * tau)).exp() for k in key])
        rows.append((powers[:, None] * value).sum(0) / powers.sum())
    return torch.stack(rows)


def _near_mean_by_cdist(
    query: Tensor, key: Tensor, value: Tensor, tau: float
) -> Tensor:
    return (-(torch.cdist(query, key) ** 2) / (2 * tau)).softmax(-1) @ value


def _far_mean(query: Tensor, key: Tensor, value: Tensor, tau: float) -> Tensor:
    return (torch.cdist(query, key) ** 2 / (2 * tau)).softmax(-1) @ value


def _near_mean_no_square(
    query: Tensor, key: Tensor, value: Tensor, tau: float
) -> Tensor:
    return (-torch.cdist(query, key) / (2 * tau)).softmax(-1) @ value


def _near_mean_no_half(query: Tensor, key: Tensor, value: Tensor, tau: float) -> Tensor:
    return (-(torch.cdist(query, key) ** 2) / tau).softmax(-1) @ value


def _near_mean_as_width(
    query: Tensor, key: Tensor, value: Tensor, tau: float
) -> Tensor:
    return (-(torch.cdist(query, key) ** 2) / (2 * tau**2)).softmax(-1) @ value


def _near_mean_over_queries(
    query: Tensor, key: Tensor, value: Tensor, tau: float
) -> Tensor:
    return (-(torch.cdist(query, key) ** 2) / (2 * tau)).softmax(0) @ value


def _near_mean_dot(query: Tensor, key: Tensor, value: Tensor, tau: float) -> Tensor:
    return (query @ key.mT / tau).softmax(-1) @ value


# -------------------------------------------------------------- 3 · some are not yours


def masked_look_up(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Soft lookup among the keys that each query may see.

    Args:
        query: (N, d).
        key: (M, d).
        value: (M, d_v).
        mask: (N, M) of True and False; True = may attend.

    Returns:
        Context (N, d_v). A query that may see nothing gets zeros.
    """
    scores = query @ key.mT  # (N, M)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
    weights = weights.masked_fill(~mask, 0)  # a row of NaN becomes zeros
    return weights @ value


def masked_inputs(
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    for n, m, d, width in ((3, 4, 2, 2), (1, 3, 1, 1), (4, 4, 3, 2)):
        shapes = ((n, d), (m, d), (m, width))
        tensors = [torch.randn(shape, generator=generator) for shape in shapes]
        mask = torch.rand(n, m, generator=generator) < 0.6
        mask[:, 0] |= ~mask.any(-1)
        yield (*tensors, mask)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    tensors = [torch.randn(k, 2, generator=generator) for k in (2, 3, 3)]
    yield (*tensors, mask)


def _masked_by_powers(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    scores = query @ key.mT
    powers = (scores - scores.max(-1, keepdim=True).values).exp() * mask
    return powers @ value / powers.sum(-1, keepdim=True).clamp_min(1e-30)


def _masked_by_loop(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    context = torch.zeros(len(query), value.shape[1])
    for i, seen in enumerate(mask):
        if seen.any():
            weights = torch.softmax(key[seen] @ query[i], 0)
            context[i] = weights @ value[seen]
    return context


def _masked_not_empty(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    scores = (query @ key.mT).masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ value


def _masked_uniform(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    scores = (query @ key.mT).masked_fill(~mask, -1e9)
    return scores.softmax(-1) @ value


def _masked_inverted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    return masked_look_up(query, key, value, ~mask)


def _masked_zero_scores(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    return (query @ key.mT).masked_fill(~mask, 0).softmax(-1) @ value


def _masked_too_late(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    return ((query @ key.mT).softmax(-1) * mask) @ value


def _masked_ignored(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    return (query @ key.mT).softmax(-1) @ value


# ----------------------------------------------------------------- 4 · how cold is it?


def temperature_for(scores: Tensor, wanted: float) -> float:
    """The temperature at which the largest weight is `wanted`.

    Args:
        scores: (M,) with one largest score.
        wanted: a weight above 1 / M and below 1.

    Returns:
        The temperature, right to one part in a thousand.
    """
    low, high = 1e-4, 1e4
    for _ in range(100):
        middle = math.sqrt(low * high)
        if (scores / middle).softmax(-1).max() > wanted:
            low = middle  # too sharp: warmer
        else:
            high = middle
    return middle


def temperature_inputs(generator: torch.Generator) -> Iterator[tuple[Tensor, float]]:
    for m, wanted in ((4, 0.9), (3, 0.5), (8, 0.99), (6, 0.3)):
        scores = torch.randn(m, generator=generator, dtype=torch.float64)
        scores[0] = scores.max() + 0.5
        yield scores, wanted
    yield torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64), 0.7


def _temperature_by_newton(scores: Tensor, wanted: float) -> float:
    gaps = scores.double() - scores.max().double()
    low, high = -12.0, 12.0  # log of 1 / temperature
    while high - low > 1e-9:
        middle = (low + high) / 2
        top = 1 / (gaps * math.exp(middle)).exp().sum()
        low, high = (middle, high) if top < wanted else (low, middle)
    return math.exp(-low)


def _temperature_by_grid(scores: Tensor, wanted: float) -> Tensor:
    low, high = -9.0, 9.0
    for _ in range(8):
        taus = torch.linspace(low, high, 101, dtype=torch.float64).exp()
        top = (scores.double() / taus[:, None]).softmax(-1).amax(-1)
        best = taus[(top - wanted).abs().argmin()].log().item()
        reach = (high - low) / 50
        low, high = best - reach, best + reach
    return torch.tensor(best).exp()


def _temperature_inverse(scores: Tensor, wanted: float) -> float:
    return 1 / temperature_for(scores, wanted)


def _temperature_smallest(scores: Tensor, wanted: float) -> float:
    return 1e-4


def _temperature_largest(scores: Tensor, wanted: float) -> float:
    return 1e4


def _temperature_of_two(scores: Tensor, wanted: float) -> float:
    first, second = scores.topk(2).values.tolist()
    return (first - second) / math.log(wanted / (1 - wanted))


def _temperature_of_equals(scores: Tensor, wanted: float) -> float:
    gap = scores.max().item() - scores.topk(2).values[1].item()
    return gap / math.log((len(scores) - 1) * wanted / (1 - wanted))


# ------------------------------------------------------------- 5 · the slope, by hand


def slopes(scores: Tensor, value: Tensor) -> Tensor:
    """How the context moves when each score moves.

    Args:
        scores: (M,) of one query.
        value: (M, d_v).

    Returns:
        (M, d_v); row j is the derivative of the context by score j.
    """
    weights = scores.softmax(dim=-1)  # (M,)
    context = weights @ value  # (d_v,)
    return weights[:, None] * (value - context)


def slopes_inputs(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for m, width in ((3, 2), (5, 1), (4, 4), (2, 3)):
        yield (
            torch.randn(m, generator=generator),
            torch.randn(m, width, generator=generator),
        )


def _slopes_by_matrix(scores: Tensor, value: Tensor) -> Tensor:
    a = scores.softmax(-1)
    return (torch.diag(a) - torch.outer(a, a)) @ value


def _slopes_by_autograd(scores: Tensor, value: Tensor) -> Tensor:
    def context(e: Tensor) -> Tensor:
        return e.softmax(-1) @ value

    return torch.autograd.functional.jacobian(context, scores).mT


def _slopes_by_small_steps(scores: Tensor, value: Tensor) -> Tensor:
    e, v, h = scores.double(), value.double(), 1e-5
    rows = []
    for step in h * torch.eye(len(e), dtype=torch.float64):
        rows.append(((e + step).softmax(0) - (e - step).softmax(0)) @ v / (2 * h))
    return torch.stack(rows).float()


def _slopes_no_context(scores: Tensor, value: Tensor) -> Tensor:
    return scores.softmax(-1)[:, None] * value


def _slopes_no_weight(scores: Tensor, value: Tensor) -> Tensor:
    return value - scores.softmax(-1) @ value


def _slopes_diagonal(scores: Tensor, value: Tensor) -> Tensor:
    a = scores.softmax(-1)[:, None]
    return a * (1 - a) * value


def _slopes_sign(scores: Tensor, value: Tensor) -> Tensor:
    return -slopes(scores, value)


def _slopes_mean(scores: Tensor, value: Tensor) -> Tensor:
    return scores.softmax(-1)[:, None] * (value - value.mean(0))


def _slopes_flipped(scores: Tensor, value: Tensor) -> Tensor:
    return slopes(scores, value).mT


# ------------------------------------------------------------ 6 · two matrices are one


def merge(ask: Tensor, label: Tensor) -> Tensor:
    """One matrix M that scores as two projections and a scaled dot product do.

    Args:
        ask: (d, d_q), the weight of `nn.Linear(d_q, d)` for the query.
        label: (d, d_k), the weight of `nn.Linear(d_k, d)` for the key.

    Returns:
        M (d_q, d_k) with qᵀ M k = (ask q)·(label k) / √d for all q and k.
    """
    return ask.mT @ label / len(ask) ** 0.5


def merge_inputs(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for d, d_q, d_k in ((4, 4, 4), (3, 3, 3), (2, 5, 3), (6, 1, 4)):
        yield (
            torch.randn(d, d_q, generator=generator),
            torch.randn(d, d_k, generator=generator),
        )


def _merge_by_einsum(ask: Tensor, label: Tensor) -> Tensor:
    return torch.einsum("iq,ik->qk", ask, label) / math.sqrt(ask.shape[0])


def _merge_by_probing(ask: Tensor, label: Tensor) -> Tensor:
    """Put unit vectors in: the score of units q and k is entry (q, k)."""
    rows = []
    for q in torch.eye(ask.shape[1]):
        row = [(ask @ q) @ (label @ k) for k in torch.eye(label.shape[1])]
        rows.append(torch.stack(row))
    return torch.stack(rows) / ask.shape[0] ** 0.5


def _merge_unscaled(ask: Tensor, label: Tensor) -> Tensor:
    return ask.mT @ label


def _merge_over_d(ask: Tensor, label: Tensor) -> Tensor:
    return ask.mT @ label / len(ask)


def _merge_transposed(ask: Tensor, label: Tensor) -> Tensor:
    return label.mT @ ask / len(ask) ** 0.5


def _merge_wrong_side(ask: Tensor, label: Tensor) -> Tensor:
    return ask @ label.mT / len(ask) ** 0.5


def _merge_query_width(ask: Tensor, label: Tensor) -> Tensor:
    return ask.mT @ label / ask.shape[1] ** 0.5
