r"""Attention to the neighbourhood: a window, with gaps, with a few global places."""

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.checks import check_at_least, check_mask, check_positive

from .tiling import check_rows


def window_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window: int,
    *,
    dilation: int = 1,
    global_places: int = 0,
    causal: bool = False,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Each place attends to `window` places on either side, and to itself.

    $$a_i = \mathrm{softmax}_{j \in S_i}(q_i^\top k_j / \sqrt d) \qquad
    S_i = \{\, j : |i - j| = r\,s,\ s \le w \,\} \cup \{\, j < g \,\}$$

    with $r$ the dilation and $g$ the number of global places; these see all places
    themselves. Rows are cut into chunks of $w$, and a chunk meets the keys around it in
    one product: time and memory grow with $N w$, not with $N^2$.

    Args:
        query: (..., N, d).
        key: (..., N, d).
        value: (..., N, d_v).
        window: $w$, places on either side, at least 1.
        dilation: $r$, the gap between places that are seen.
        global_places: $g$, the first so many see and are seen by all.
        causal: nothing that comes later is seen.
        mask: boolean (..., N), True = this key may be attended to.

    Returns:
        Context (..., N, d_v); zeros for a query that may attend to nothing.

    Raises:
        ValueError: a shape, dtype, mask or number does not fit.

    Source:
        Beltagy, Peters and Cohan 2020 (arXiv:2004.05150), section 3.1.
    """
    check_rows(query, key, value)
    n = query.shape[-2]
    if key.shape[-2] != n:
        raise ValueError(f"key: expected {n} rows as in query, got {key.shape[-2]}")
    check_positive("window", window)
    check_positive("dilation", dilation)
    check_at_least("global_places", global_places, 0)
    check_mask(mask, query.shape[:-1], query, "keys")
    keep = torch.ones(n, dtype=torch.bool, device=query.device)
    keep = keep if mask is None else mask.expand(query.shape[:-1])
    rows, every = (query, key, value), min(global_places, n)
    context = _local(rows, keep, window, dilation, every, causal)
    if not every:
        return context
    allowed = keep[..., None, :].expand(*query.shape[:-2], every, n)
    if causal:
        allowed = allowed & torch.ones_like(allowed).tril()
    wide = F.scaled_dot_product_attention(
        query[..., :every, :], key, value, attn_mask=allowed
    )
    return torch.cat([wide, context[..., every:, :]], -2)


def _local(
    rows: tuple[Tensor, Tensor, Tensor],
    keep: Tensor,
    window: int,
    dilation: int,
    every: int,
    causal: bool,
) -> Tensor:
    """Windows of every place, the keys of global places beside them."""
    n = rows[0].shape[-2]
    if not n:
        return torch.zeros_like(rows[2])
    window = min(window, max(1, -(-n // dilation)))
    place = torch.arange(n, device=keep.device)
    q, k, v = (_strided(x, n, dilation, window) for x in rows)  # (..., r, L, d)
    at = _strided(place[:, None], n, dilation, window, fill=-1)[..., 0]  # (r, L)
    seen = keep & (place >= every)
    seen = _strided(seen[..., None], n, dilation, window, fill=False)[..., 0]
    side = (window, 0 if causal else window)
    k, v, seen = (
        _slabs(k, window, side),
        _slabs(v, window, side),
        _slabs(seen[..., None], window, side)[..., 0],
    )  # (..., r, C, S, d), (..., r, C, S)
    q, at = q.unflatten(-2, (-1, window)), at.unflatten(-1, (-1, window))
    step = torch.arange(k.shape[-2], device=keep.device)
    away = step - window - torch.arange(window, device=keep.device)[:, None]  # (w, S)
    allowed = seen[..., None, :] & (away >= -window) & (away <= side[1])
    if every:
        first = (x[..., None, None, :every, :] for x in (rows[1], rows[2]))
        first = [x.expand(*q.shape[:-2], every, x.shape[-1]) for x in first]
        k, v = torch.cat([first[0], k], -2), torch.cat([first[1], v], -2)
        known = keep[..., None, None, None, :every].expand(*allowed.shape[:-1], every)
        if causal:
            known = known & (place[:every] <= at[..., None])
        allowed = torch.cat([known, allowed], -1)
    context = _fused(q, k, v, allowed)  # (..., r, C, w, d_v)
    context = context.flatten(-3, -2).transpose(-3, -2).flatten(-3, -2)
    return context[..., :n, :]


def _fused(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    """Attention chunk by chunk; the fused kernels take four axes and no more."""
    lead = query.shape[:-3]
    if allowed.shape[:-3].numel() == 1:
        mask = allowed.reshape(1, *allowed.shape[-3:])
    else:
        mask = allowed.expand(*lead, *allowed.shape[-3:]).flatten(0, -4)
    rows = (x.reshape(-1, *x.shape[-3:]) for x in (query, key, value))
    context = F.scaled_dot_product_attention(*rows, attn_mask=mask)
    return context.unflatten(0, lead)


def _strided(
    x: Tensor, n: int, dilation: int, window: int, fill: float | bool = 0.0
) -> Tensor:
    """(..., N, d) → (..., r, L, d): each row of places that see each other, L being a
    multiple of the window."""
    unit = dilation * window
    x = F.pad(x, (0, 0, 0, -n % unit), value=fill)
    return x.unflatten(-2, (-1, dilation)).transpose(-3, -2)


def _slabs(x: Tensor, window: int, side: tuple[int, int]) -> Tensor:
    """(..., L, d) → (..., L / w, w + sides, d): every chunk with what lies around."""
    x = F.pad(x, (0, 0, *side))
    return x.unfold(-2, window + sum(side), window).mT
