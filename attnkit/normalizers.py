r"""Step 2, normalize: turn scores into weights.

Every normalizer takes scores $(\ldots, N, M)$ and a boolean mask that broadcasts to
them (True = may attend) and returns weights $(\ldots, N, M)$. A row whose mask forbids
every key gets weights of exactly 0, and no gradient flows through it.
"""

import math

import torch
from torch import Tensor

from attnkit.checks import check_float, check_mask, check_positive, is_transformed

_COLDEST = torch.finfo(torch.float32).tiny  # what is below may count as zero


def _check(scores: Tensor, mask: Tensor | None) -> None:
    check_float("scores", scores, min_dims=1)
    check_mask(mask, scores.shape, scores)


def _check_fits(name: str, value: Tensor, scores: Tensor) -> None:
    given, wanted = tuple(value.shape), tuple(scores.shape)
    padded = (1,) * (len(wanted) - len(given)) + given
    if len(padded) != len(wanted) or any(
        g not in (1, w) for g, w in zip(padded, wanted, strict=True)
    ):
        raise ValueError(
            f"{name}: expected a shape that broadcasts to {wanted}, got {given}"
        )


def _fill(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Put the lowest finite number where the mask forbids: a row of -inf is NaN."""
    if mask is None:
        return scores
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def _clear(weights: Tensor, mask: Tensor | None) -> Tensor:
    """Put exact zeros where the mask forbids, in the weights and in their gradient."""
    return weights if mask is None else weights.masked_fill(~mask, 0.0)


def softmax(
    scores: Tensor, mask: Tensor | None = None, temperature: float | Tensor = 1.0
) -> Tensor:
    r"""Exponentiate and divide by the sum: every key gets a positive share.

    $$a_{ij} = \frac{\exp(e_{ij} / T)}{\sum_m \exp(e_{im} / T)}$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.
        temperature: $T > 0$; below 1 sharpens, above 1 flattens. A tensor broadcasts
            to `scores`; its numbers are not looked at, so that a temperature can be
            learned: keep them above 0 yourself, for instance as an exponential.

    Returns:
        Weights $(\ldots, N, M)$; a row sums to 1, or is 0 if nothing is allowed.

    Raises:
        ValueError: scores are not floating, the mask or a tensor $T$ does not fit, or
            a number $T \le 0$.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), equation 1; temperature: Hinton, Vinyals
        and Dean 2015 (arXiv:1503.02531), equation 1.
    """
    _check(scores, mask)
    filled = _fill(scores, mask)
    if isinstance(temperature, Tensor):
        _check_fits("temperature", temperature, scores)
        filled = _below_best(filled) / temperature
    else:
        check_positive("temperature", temperature, float)
        if temperature != 1:
            filled = _below_best(filled) / max(temperature, _COLDEST)
    return _clear(torch.softmax(filled, dim=-1), mask)


def _below_best(scores: Tensor) -> Tensor:
    """Each score less the best of its row: no division can make that infinite."""
    if scores.shape[-1] == 0:
        return scores
    return scores - scores.detach().amax(-1, keepdim=True)


def _threshold_step(shifted: Tensor, tau: Tensor, power: int) -> Tensor:
    r"""One Newton step towards $\sum_j [x_j - \tau]_+^p = 1$ from the left."""
    above = (shifted - tau).clamp_min(0)
    # The slope needs no gradient: what it would add has vanished at the solution.
    if power == 1:
        slope = above.detach().sign().sum(-1, keepdim=True)  # how many are above
        return (above.sum(-1, keepdim=True) - 1) / slope
    slope = 2 * above.detach().sum(-1, keepdim=True)
    return (above.square().sum(-1, keepdim=True) - 1) / slope


def _most_steps(size: int, eps: float) -> int:
    # In a Newton step on a convex function, new/old value + new/old slope <= 1, so
    # value x slope falls at least fourfold; it starts at no more than 2 size^2.
    return math.ceil(math.log2(size) + (1 - math.log2(eps)) / 2)


@torch.no_grad()
def _threshold(shifted: Tensor, power: int) -> Tensor:
    r"""Solve $\sum_j [x_j - \tau]_+^p = 1$ for rows whose largest entry is 0."""
    eps = torch.finfo(shifted.dtype).eps
    traced = torch.compiler.is_compiling()  # any number of keys
    blind = traced or is_transformed(shifted)  # no early stop
    tau = shifted.new_full((*shifted.shape[:-1], 1), -1.0)
    for _ in range(_most_steps(2**20 if traced else shifted.shape[-1], eps)):
        step = _threshold_step(shifted, tau, power)
        tau = tau + step.clamp_min(0)
        if not blind and not (step > 4 * eps).any():
            break
    return tau


def _above_threshold(scores: Tensor, mask: Tensor | None, power: int) -> Tensor:
    if scores.shape[-1] == 0:
        return scores.clone()
    wide = torch.promote_types(scores.dtype, torch.float32)
    filled = _fill(scores.to(wide) / power, mask)
    shifted = filled - filled.detach().amax(-1, keepdim=True)
    tau = _threshold(shifted.detach(), power)
    # Newton steps from the solution move nothing but carry the gradient: one step
    # gives the first derivative exactly, `power` steps as many as are not zero.
    for _ in range(power):
        tau = tau + _threshold_step(shifted, tau, power)
    above = (shifted - tau).clamp_min(0)
    weights = above if power == 1 else above.square()
    return _clear(weights, mask).to(scores.dtype)


def sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Project the scores onto the simplex: far-off keys get exactly 0.

    $$a_{ij} = [e_{ij} - \tau_i]_+ \quad\text{with}\quad \sum_j a_{ij} = 1$$

    The threshold is found by Newton's method on the sum, which is convex and piecewise
    linear in $\tau$, so it ends at the exact solution after a few passes.

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.

    Returns:
        Weights $(\ldots, N, M)$; a row sums to 1, or is 0 if nothing is allowed.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Martins and Astudillo 2016 (arXiv:1602.02068), proposition 1.
    """
    _check(scores, mask)
    return _above_threshold(scores, mask, power=1)


def entmax15(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Entmax with $\alpha = 1.5$: between softmax and sparsemax, with exact zeros.

    $$a_{ij} = [e_{ij} / 2 - \tau_i]_+^2 \quad\text{with}\quad \sum_j a_{ij} = 1$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.

    Returns:
        Weights $(\ldots, N, M)$; a row sums to 1, or is 0 if nothing is allowed.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Peters, Niculae and Martins 2019 (arXiv:1905.05702), alpha-entmax.
    """
    _check(scores, mask)
    return _above_threshold(scores, mask, power=2)


def sigmoid(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Gate each key by itself: no competition, weights need not sum to 1.

    $$a_{ij} = \frac{1}{1 + \exp(-e_{ij})}$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.

    Returns:
        Weights $(\ldots, N, M)$, each between 0 and 1.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Ramapuram et al. 2024 (arXiv:2409.04431), without its bias $-\log M$.
    """
    _check(scores, mask)
    return _clear(torch.sigmoid(scores), mask)


def top_k(scores: Tensor, mask: Tensor | None = None, k: int = 2) -> Tensor:
    r"""Softmax over the $k$ best allowed keys, exactly 0 for the others.

    $$a_{ij} = \frac{[j \in K_i] \exp(e_{ij})}{\sum_{m \in K_i} \exp(e_{im})}$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.
        k: how many keys keep a weight; more than $M$ means all.

    Returns:
        Weights $(\ldots, N, M)$; a row sums to 1, or is 0 if nothing is allowed.

    Raises:
        ValueError: scores are not floating, the mask does not fit, or $k < 1$.

    Source:
        Zhao et al. 2019 (arXiv:1912.11637), Explicit Sparse Transformer.
    """
    _check(scores, mask)
    check_positive("k", k)
    best = _fill(scores, mask).topk(min(k, scores.shape[-1]), dim=-1).indices
    kept = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True)
    return softmax(scores, kept if mask is None else kept & mask)


def _one_hot(index: Tensor, scores: Tensor, mask: Tensor | None) -> Tensor:
    return _clear(torch.zeros_like(scores).scatter(-1, index, 1.0), mask)


def _straight_through(choice: Tensor, soft: Tensor) -> Tensor:
    return choice + (soft - soft.detach())  # the bracket is 0, its gradient is soft's


def hard(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""All weight to the best key; the gradient is that of softmax (straight-through).

    $$a_{ij} = [\,j = \arg\max_m e_{im}\,]$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.

    Returns:
        Weights $(\ldots, N, M)$: one 1 in a row (the first of equals), 0 elsewhere.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Bengio, Léonard and Courville 2013 (arXiv:1308.3432) for the straight-through
        gradient, here with softmax in place of the identity.
    """
    soft = softmax(scores, mask)
    if scores.shape[-1] == 0:
        return soft
    best = _fill(scores, mask).argmax(-1, keepdim=True)
    return _straight_through(_one_hot(best, scores, mask), soft)


def _draw(soft: Tensor, generator: torch.Generator | None) -> Tensor:
    # Exponential race: among clocks of rate a_j, clock j rings first with chance a_j.
    wide = soft.detach().to(torch.promote_types(soft.dtype, torch.float32))
    clock = torch.empty_like(wide).exponential_(generator=generator)
    return (wide / clock).argmax(-1, keepdim=True)


def sampled(
    scores: Tensor,
    mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""All weight to one key drawn from softmax; straight-through gradient of softmax.

    $$a_{ij} = [\,j = J_i\,], \quad J_i \sim \mathrm{softmax}(e_i)$$

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.
        generator: source of randomness; the global one if None.

    Returns:
        Weights $(\ldots, N, M)$: one 1 in a row, 0 elsewhere.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), section 4.1, for the draw; Bengio, Léonard
        and Courville 2013 (arXiv:1308.3432) for the gradient.
    """
    soft = softmax(scores, mask)
    if scores.shape[-1] == 0:
        return soft
    drawn = _draw(soft, generator)
    return _straight_through(_one_hot(drawn, scores, mask), soft)


def sample_reinforce(
    scores: Tensor,
    mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Draw one key from softmax and give the log-probability of the draw (REINFORCE).

    $$a_{ij} = [\,j = J_i\,], \quad \log p_i = \log \mathrm{softmax}(e_i)_{J_i}$$

    The weights carry no gradient. For a loss $L$ that the draw has caused, the gradient
    of $(L - b) \log p$ is an unbiased estimate of that of the expected loss, for any
    baseline $b$ that does not depend on the draw.

    Args:
        scores: $(\ldots, N, M)$.
        mask: boolean, broadcastable to `scores`; True = may attend.
        generator: source of randomness; the global one if None.

    Returns:
        Weights $(\ldots, N, M)$ and log-probabilities $(\ldots, N)$; both 0, without
        gradient, for a row with nothing allowed.

    Raises:
        ValueError: scores are not floating or the mask does not fit.

    Source:
        Williams 1992 (doi:10.1007/BF00992696); Xu et al. 2015 (arXiv:1502.03044),
        section 4.1.
    """
    soft = softmax(scores, mask)
    if scores.shape[-1] == 0:
        return soft.detach(), scores.sum(-1)
    drawn = _draw(soft, generator)
    logs = torch.log_softmax(_fill(scores, mask), dim=-1)
    log_prob = _clear(logs, mask).gather(-1, drawn).squeeze(-1)  # (..., N)
    return _one_hot(drawn, scores.detach(), mask), log_prob
