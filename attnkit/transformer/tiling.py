r"""Exact attention without the table of weights: online softmax, tile by tile."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from attnkit.checks import check_alike, check_float, check_mask, check_positive


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
        causal: a query sees the keys up to its own place; the last query sees all.
        block: rows and columns of a tile.

    Returns:
        Context (..., N, d_v); zeros for a query that may attend to nothing. Sums are
        kept in single precision at least.

    Raises:
        ValueError: a shape, dtype or mask does not fit.

    Source:
        Milakov and Gimelshein 2018 (arXiv:1805.02867) for the softmax; Rabe and Staats
        2021 (arXiv:2112.05682) for attention by it; Dao et al. 2022 (arXiv:2205.14135),
        whose kernel keeps the tiles in fast memory.
    """
    check_rows(query, key, value)
    check_positive("block", block)
    n, m = query.shape[-2], key.shape[-2]
    check_mask(mask, (*query.shape[:-1], m), query)
    if mask is not None:
        wide = mask.reshape((1,) * (2 - mask.dim()) + mask.shape)
        mask = wide.expand(*wide.shape[:-2], n, m)
    device = query.device.type
    if not torch.is_autocast_enabled(device):
        return _Tiled.apply(query, key, value, mask, causal, block)[0]
    dtype = torch.get_autocast_dtype(device)
    rows = (x.to(dtype) for x in (query, key, value))
    with torch.autocast(device, enabled=False):  # one precision for both passes
        return _Tiled.apply(*rows, mask, causal, block)[0]


def check_rows(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise unless these are rows of one batch, keys as many as values."""
    for name, given in (("query", query), ("key", key), ("value", value)):
        check_float(name, given)
    check_alike(query=query, key=key, value=value)
    wishes = {
        "key": (key, (*query.shape[:-2], key.shape[-2], query.shape[-1])),
        "value": (value, (*key.shape[:-1], value.shape[-1])),
    }
    for name, (given, wish) in wishes.items():
        if tuple(given.shape) != wish:
            raise ValueError(f"{name}: expected shape {wish}, got {tuple(given.shape)}")


class _Tiled(torch.autograd.Function):
    """Forward and backward tile by tile; between them only N numbers are kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        causal: bool,
        size: int,
    ) -> tuple[Tensor, Tensor]:
        """The context, and the logarithm of each query's sum of exponentials."""
        blocks, how = _blocks(query.shape[-2], size), (mask, causal, size)
        if not blocks:
            return query.new_zeros(*query.shape[:-1], value.shape[-1]), query[..., :1]
        found = [_rows(query, key, value, rows, *how) for rows in blocks]
        context, level = (torch.cat(parts, -2) for parts in zip(*found, strict=True))
        return context.to(value.dtype), level

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        query, key, value, *ctx.how = inputs
        context, level = output
        ctx.save_for_backward(query, key, value, context, level)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, level_grad: Tensor) -> tuple:
        query, key, value, context, level = ctx.saved_tensors
        size = ctx.how[2]
        # Of the level too, so that this pass has a derivative of its own.
        dot = (grad * context).sum(-1, keepdim=True) - level_grad  # (..., N, 1)
        key_grads: dict[int, tuple[Tensor, Tensor]] = {}
        query_grads = [torch.zeros_like(query[..., :0, :])]
        for rows in _blocks(query.shape[-2], size):
            q, g = query[..., rows, :], grad[..., rows, :].to(level.dtype)
            slope_q = torch.zeros_like(q, dtype=level.dtype)
            for columns, scores in _tiles(query, key, rows, *ctx.how):
                k, v = (x[..., columns, :].to(level.dtype) for x in (key, value))
                weights = torch.exp(scores - level[..., rows, :])
                slope = weights * (g @ v.mT - dot[..., rows, :])
                slope = slope / math.sqrt(query.shape[-1])
                slope_q = slope_q + slope @ k
                new = slope.mT @ q.to(level.dtype), weights.mT @ g
                old = key_grads.get(columns.start)
                key_grads[columns.start] = (
                    new if old is None else (old[0] + new[0], old[1] + new[1])
                )
            query_grads.append(slope_q.to(query.dtype))
        made = [torch.cat(query_grads, -2)]
        for i, x in enumerate((key, value)):
            parts = [
                key_grads[columns.start][i].to(x.dtype)
                if columns.start in key_grads
                else torch.zeros_like(x[..., columns, :])
                for columns in _blocks(x.shape[-2], size)
            ]
            made.append(torch.cat([torch.zeros_like(x[..., :0, :]), *parts], -2))
        return *made, None, None, None


def _blocks(count: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def _exact(x: Tensor) -> torch.dtype:
    """The precision of sums: single at least."""
    return torch.promote_types(x.dtype, torch.float32)


def single(x: Tensor) -> Tensor:
    """In single precision at least."""
    return x.to(_exact(x))


def exactly(x: Tensor) -> AbstractContextManager:
    """Inside, autocast does not make single precision half again."""
    device = x.device.type
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


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
        scores = (q @ key[..., columns, :].mT).to(_exact(query))  # (..., rows, columns)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., rows, columns], -torch.inf)
        if causal:
            past = torch.arange(columns.start, columns.stop, device=q.device) <= place
            scores = scores.masked_fill(~past, -torch.inf)
        yield columns, scores


def _rows(
    query: Tensor, key: Tensor, value: Tensor, rows: slice, *how: Any
) -> tuple[Tensor, Tensor]:
    """Context of some rows, and the logarithm of the sum of their exponentials."""
    q = query[..., rows, :].to(_exact(query))
    top = torch.full_like(q[..., :1], -torch.inf)
    total = torch.zeros_like(top)
    context = torch.zeros_like(total).expand(*total.shape[:-1], value.shape[-1])
    for columns, scores in _tiles(query, key, rows, *how):
        higher = torch.maximum(top, scores.amax(-1, keepdim=True))
        base = higher.where(higher > -torch.inf, 0.0)  # a row that sees nothing so far
        weights, shrink = torch.exp(scores - base), torch.exp(top - base)
        total = shrink * total + weights.sum(-1, keepdim=True)
        change = weights.to(value.dtype) @ value[..., columns, :]
        context = shrink * context + change
        top = higher
    some = total > 0
    level = (top.where(some, 0.0) + total.where(some, 1.0).log()).where(some, 0.0)
    return context / total.where(some, 1.0), level
