r"""Attention is three steps: score, normalize, aggregate.

$$e_{ij} = \mathrm{score}(q_i, k_j) \qquad a_i = \mathrm{normalize}(e_i) \qquad
c_i = \sum_j a_{ij} v_j$$

This file is the definition that every chapter calls. The choices for step 1 live in
`attnkit.scores`, those for step 2 in `attnkit.normalizers`; both are offered here too.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.checks import (
    check_alike,
    check_at_least,
    check_batch,
    check_float,
    check_mask,
    look_up,
)
from attnkit.normalizers import (
    entmax15,
    hard,
    sample_reinforce,
    sampled,
    sigmoid,
    softmax,
    sparsemax,
    top_k,
)
from attnkit.scores import (
    Additive,
    Concat,
    General,
    Location,
    cosine,
    dot,
    scaled_dot,
)

__all__ = [
    "NORMALIZERS",
    "SCORES",
    "Additive",
    "Concat",
    "General",
    "Location",
    "aggregate",
    "attend",
    "causal_mask",
    "cosine",
    "dot",
    "entmax15",
    "hard",
    "padding_mask",
    "sample_reinforce",
    "sampled",
    "scaled_dot",
    "sigmoid",
    "softmax",
    "sparsemax",
    "top_k",
]

Score = Callable[[Tensor, Tensor], Tensor]
Normalizer = Callable[[Tensor, Tensor | None], Tensor]

SCORES: dict[str, Score] = {"dot": dot, "scaled_dot": scaled_dot, "cosine": cosine}
NORMALIZERS: dict[str, Normalizer] = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "sigmoid": sigmoid,
    "top_k": top_k,
    "hard": hard,
    "sampled": sampled,
}


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    score: str | Score = "scaled_dot",
    normalize: str | Normalizer = "softmax",
    mask: Tensor | None = None,
    need_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Score every key against the query, normalize, sum the values by weight.

    $$e_{ij} = \mathrm{score}(q_i, k_j) \qquad a_i = \mathrm{normalize}(e_i) \qquad
    c_i = \sum_j a_{ij} v_j$$

    With the default score and normalizer, no weights asked for and $d_k = d_v$,
    PyTorch's fused kernel does all three steps without ever holding the weights. It
    has no second derivative on the CPU; `need_weights=True` has.

    Args:
        query: $(\ldots, N, d_q)$; leading axes broadcast with those of key and value.
        key: $(\ldots, M, d_k)$.
        value: $(\ldots, M, d_v)$.
        score: a name in `SCORES` or a callable (query, key) → scores.
        normalize: a name in `NORMALIZERS` or a callable (scores, mask) → weights.
        mask: boolean, broadcastable to $(\ldots, N, M)$; True = may attend. What it
            hides must be finite all the same: 0 times NaN is NaN.
        need_weights: also return the weights.

    Returns:
        Context $(\ldots, N, d_v)$, or (context, weights) with weights
        $(\ldots, N, M)$. A query that may attend to nothing gets zeros and passes no
        gradient on.

    Raises:
        ValueError: a shape, dtype, mask or name does not fit.
        TypeError: an argument, or what a callable returns, is not a tensor.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.2, for the words query, key
        and value; Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473) for the three steps.
    """
    _check(query, key, value)
    score = look_up("score", score, SCORES)
    normalize = look_up("normalize", normalize, NORMALIZERS)
    if score is scaled_dot and normalize is softmax and not need_weights:
        return _fused(query, key, value, mask)
    scores = score(query, key)  # (..., N, M)
    _check_made("score", scores, query, key)
    check_mask(mask, scores.shape, scores)
    weights = normalize(scores, mask)  # (..., N, M)
    _check_made("normalize", weights, query, key)
    context = aggregate(weights, value)  # (..., N, d_v)
    return (context, weights) if need_weights else context


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    check_float("query", query)
    check_float("key", key)
    check_float("value", value)
    check_alike(query=query, key=key, value=value)
    check_batch(query=query, key=key)
    check_batch(query=query, key=key, value=value)
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"value: expected {key.shape[-2]} rows as in key, got shape "
            f"{tuple(value.shape)}"
        )


def _check_made(name: str, made: Tensor, query: Tensor, key: Tensor) -> None:
    """Raise unless a callable gave a number for each query and key."""
    if not isinstance(made, Tensor):
        raise TypeError(
            f"{name}: expected to return a tensor, got {type(made).__name__}"
        )
    wish = query.shape[-2], key.shape[-2]
    if not made.is_floating_point() or made.shape[-2:] != wish:
        raise ValueError(
            f"{name}: expected to return floats of shape (..., {wish[0]}, {wish[1]}), "
            f"got {made.dtype} of shape {tuple(made.shape)}"
        )


def _fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(
            f"key: expected last dimension {query.shape[-1]} (the width of query), "
            f"got shape {tuple(key.shape)}"
        )
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    check_mask(mask, (*batch, query.shape[-2], key.shape[-2]), query)
    batch = torch.broadcast_shapes(batch, value.shape[:-2])
    inputs = [_four_axes(x.expand(*batch, *x.shape[-2:])) for x in (query, key, value)]
    if mask is not None:
        mask = _four_axes(_outer_alike(mask, batch))
    context = F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    return context.reshape(*batch, *context.shape[-2:])


def _four_axes(x: Tensor) -> Tensor:
    """As (batch, heads, rows, columns): the fused kernels take no other form."""
    if x.dim() < 4:
        heads = x.unsqueeze(-3)
        return heads if x.dim() == 3 else heads[None]
    return x.flatten(0, -4)


def _outer_alike(mask: Tensor, batch: torch.Size) -> Tensor:
    """As many axes as the scores have; the outer ones all 1 or all of full size."""
    mask = mask.reshape((1,) * (len(batch) + 2 - mask.dim()) + mask.shape)
    outer = batch[:-1] if max(mask.shape[:-3], default=1) > 1 else ()
    return mask.expand(*outer, *mask.shape[len(outer) :])


def aggregate(weights: Tensor, value: Tensor) -> Tensor:
    r"""Step 3: sum the values, each times its weight.

    $$c_i = \sum_j a_{ij} v_j$$

    Args:
        weights: $(\ldots, N, M)$.
        value: $(\ldots, M, d_v)$.

    Returns:
        Context $(\ldots, N, d_v)$.

    Raises:
        ValueError: a dtype or leading axes do not fit, or the last axis of weights is
            not the number of values.
        TypeError: weights or value are not a tensor.
    """
    check_float("weights", weights)
    check_float("value", value)
    check_alike(value=value, weights=weights)
    check_batch(value=value, weights=weights)
    if weights.shape[-1] != value.shape[-2]:
        raise ValueError(
            f"weights: expected last dimension {value.shape[-2]} (rows of value), "
            f"got shape {tuple(weights.shape)}"
        )
    return weights @ value  # (..., N, d_v)


def padding_mask(lengths: Tensor, size: int) -> Tensor:
    """True for the first `lengths[b]` of `size` places of each sample.

    As a mask for `attend` it needs an axis for the queries: `mask[:, None, :]`.

    Args:
        lengths: (B,) whole numbers from 0 to `size`.
        size: the padded length, 0 or more.

    Returns:
        Boolean mask (B, size).

    Raises:
        ValueError: lengths are not one axis of whole numbers from 0 to `size`.
    """
    if not isinstance(lengths, Tensor):
        raise TypeError(f"lengths: expected a tensor, got {type(lengths).__name__}")
    if lengths.is_floating_point() or lengths.dtype == torch.bool or lengths.dim() != 1:
        raise ValueError(
            f"lengths: expected one axis of whole numbers, got {lengths.dtype} of "
            f"shape {tuple(lengths.shape)}"
        )
    check_at_least("size", size, 0)
    if not torch.compiler.is_compiling() and ((lengths < 0) | (lengths > size)).any():
        raise ValueError(
            f"lengths: expected numbers from 0 to {size}, got {lengths.tolist()}"
        )
    return torch.arange(size, device=lengths.device) < lengths[:, None]  # (B, size)


def causal_mask(n: int, m: int | None = None, device=None) -> Tensor:
    """Let each query see the keys up to its own place, and none after it.

    With more keys than queries the last query sees all keys (corners meet at the
    bottom right), as when new tokens follow a cache of old ones.

    Args:
        n: number of queries, 0 or more.
        m: number of keys; `n` if None.
        device: where the mask is made.

    Returns:
        Boolean mask (n, m); True = may attend.
    """
    m = n if m is None else m
    check_at_least("n", n, 0)
    check_at_least("m", m, 0)
    return torch.ones(n, m, dtype=torch.bool, device=device).tril(m - n)
