r"""Exact attention without the table of weights: online softmax, tile by tile."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnkit.checks import check_float, check_mask, check_positive, check_same_dtype


def tiled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    block: int = 128,
) -> Tensor:
    r"""Softmax attention that never holds more than a tile of its weights.

    Keys come in blocks. Each query keeps the largest score so far $m$, the sum
    $\ell$ of exponentials and the unfinished context $u$; a block with scores $e_j$
    changes them to

    $$m' = \max(m, \max_j e_j) \quad \ell' = e^{m - m'} \ell + \sum_j e^{e_j - m'}
    \quad u' = e^{m - m'} u + \sum_j e^{e_j - m'} v_j$$

    and in the end $c = u / \ell$: the very numbers of softmax, in another order. The
    backward pass computes each tile of weights again from $m + \log \ell$.

    Args:
        query: (..., N, d).
        key: (..., M, d), with the leading axes of the query.
        value: (..., M, d_v), likewise.
        mask: boolean, broadcastable to (..., N, M); True = may attend.
        causal: query i sees keys up to its own place, counted from the end.
        block: rows and columns of a tile.

    Returns:
        Context (..., N, d_v); zeros for a query that may attend to nothing.

    Raises:
        ValueError: a shape, dtype or mask does not fit.

    Source:
        Milakov and Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2022
        (arXiv:2205.14135), whose kernel keeps the tiles in fast memory.
    """
    check_rows(query, key, value)
    check_positive("block", block)
    check_mask(mask, (*query.shape[:-1], key.shape[-2]))
    return _Tiled.apply(query, key, value, mask, causal, block)


def check_rows(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise unless these are rows of one batch, keys as many as values."""
    for name, given in (("query", query), ("key", key), ("value", value)):
        check_float(name, given)
    check_same_dtype(query=query, key=key, value=value)
    wishes = {
        "key": (key, (*query.shape[:-2], key.shape[-2], query.shape[-1])),
        "value": (value, (*key.shape[:-1], value.shape[-1])),
    }
    for name, (given, wish) in wishes.items():
        if tuple(given.shape) != wish:
            raise ValueError(f"{name}: expected shape {wish}, got {tuple(given.shape)}")


class _Tiled(torch.autograd.Function):
    """Forward and backward tile by tile; between them only N numbers are kept."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, *how: Any
    ) -> Tensor:
        ctx.how = how
        context = query.new_zeros(*query.shape[:-1], value.shape[-1])
        level = query.new_zeros(*query.shape[:-1], 1)
        for rows in _blocks(query.shape[-2], how[2]):
            found = _rows(query, key, value, rows, *how)
            context[..., rows, :], level[..., rows, :] = found
        ctx.save_for_backward(query, key, value, context, level)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple:
        query, key, value, context, level = ctx.saved_tensors
        scale = 1 / math.sqrt(query.shape[-1])
        made = [torch.zeros_like(x) for x in (query, key, value)]
        dot = (grad * context).sum(-1, keepdim=True)  # (..., N, 1)
        for rows in _blocks(query.shape[-2], ctx.how[2]):
            q, g = query[..., rows, :], grad[..., rows, :]
            for columns, scores in _tiles(query, key, rows, *ctx.how):
                k, v = key[..., columns, :], value[..., columns, :]
                weights = torch.exp(scores - level[..., rows, :])
                slope = weights * (g @ v.mT - dot[..., rows, :]) * scale
                made[0][..., rows, :] += slope @ k
                made[1][..., columns, :] += slope.mT @ q
                made[2][..., columns, :] += weights.mT @ g
        return *made, None, None, None


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def _tiles(
    query: Tensor,
    key: Tensor,
    rows: slice,
    mask: Tensor | None,
    causal: bool,
    size: int,
):
    """Columns and scores of each tile of some rows; a tile all in the future is left
    out."""
    n, m = query.shape[-2], key.shape[-2]
    q = query[..., rows, :] / math.sqrt(query.shape[-1])
    place = torch.arange(rows.start, rows.stop, device=query.device)[:, None] + m - n
    for columns in _blocks(m, size):
        if causal and columns.start >= rows.stop + m - n:
            break
        scores = q @ key[..., columns, :].mT  # (..., rows, columns)
        if mask is not None:
            whole = mask.expand(*mask.shape[:-2], n, m) if mask.dim() > 1 else mask
            part = whole[..., rows, columns] if mask.dim() > 1 else whole[columns]
            scores = scores.masked_fill(~part, -torch.inf)
        if causal:
            past = torch.arange(columns.start, columns.stop, device=q.device) <= place
            scores = scores.masked_fill(~past, -torch.inf)
        yield columns, scores


def _rows(
    query: Tensor, key: Tensor, value: Tensor, rows: slice, *how: Any
) -> tuple[Tensor, Tensor]:
    """Context of some rows, and the logarithm of the sum of their exponentials."""
    q = query[..., rows, :]
    top = q.new_full((*q.shape[:-1], 1), -torch.inf)
    total = torch.zeros_like(top)
    context = q.new_zeros(*q.shape[:-1], value.shape[-1])
    for columns, scores in _tiles(query, key, rows, *how):
        higher = torch.maximum(top, scores.amax(-1, keepdim=True))
        base = higher.where(higher > -torch.inf, 0.0)  # a row that sees nothing so far
        weights, shrink = torch.exp(scores - base), torch.exp(top - base)
        total = shrink * total + weights.sum(-1, keepdim=True)
        context = shrink * context + weights @ value[..., columns, :]
        top = higher
    some = total > 0
    level = (top.where(some, 0.0) + total.where(some, 1.0).log()).where(some, 0.0)
    return context / total.where(some, 1.0), level
