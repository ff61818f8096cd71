"""One mask out of many: of the caller, of causality, of positions."""

import torch
from torch import Tensor

from attnkit.attend import causal_mask
from attnkit.checks import check_device, check_tensor


def join_masks(
    shape: tuple[int, ...], mask: Tensor | None, causal: bool, like: Tensor
) -> Tensor | None:
    """One mask for scores (B, H, N, M) out of a mask of the caller and causality.

    Args:
        shape: of the scores.
        mask: boolean or float, broadcasting to (B, N, M) or (B, H, N, M).
        causal: queries are the last N of M places and look back only.
        like: a tensor of the scores' dtype and device.

    Returns:
        None, a boolean mask, or a float one in which what is hidden is minus infinity.

    Raises:
        TypeError: the mask is not a tensor.
        ValueError: its dtype or shape does not fit, or queries outnumber the keys.
    """
    n, m = shape[-2:]
    mask = _four_axes(mask, shape, like)
    if not causal or (n == 1 and m > 0):
        return mask
    if n > m:
        raise ValueError(f"query: expected at most {m} queries in a causal attention "
                         f"to {m} keys, got {n}")  # fmt: skip
    past = causal_mask(n, m, device=like.device)
    if mask is None or mask.dtype == torch.bool:
        return past if mask is None else mask & past
    return mask.masked_fill(~past, -torch.inf)


def _four_axes(
    mask: Tensor | None, shape: tuple[int, ...], like: Tensor
) -> Tensor | None:
    if mask is None:
        return None
    check_tensor("mask", mask)
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise ValueError(
            "mask: expected dtype torch.bool (True = may attend) or a floating-point "
            f"one (added to the scores), got {mask.dtype}"
        )
    wide = mask[:, None] if mask.dim() == 3 else mask
    if wide.dim() < 2:  # the fused kernel asks for queries and keys
        wide = wide.reshape(1, -1)
    sizes = (1,) * (4 - wide.dim()) + tuple(wide.shape)
    if wide.dim() > 4 or any(
        s not in (1, w) for s, w in zip(sizes, shape, strict=True)
    ):
        b, _, n, m = shape
        raise ValueError(
            f"mask: expected a shape that broadcasts to ({b}, {n}, {m}) or {shape}, "
            f"got {tuple(mask.shape)}"
        )
    check_device("mask", mask, like, "what it masks")
    return wide if wide.dtype == torch.bool else wide.to(like.dtype)


def add_bias(mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """A mask and a term of the scores, as one float mask."""
    if bias is None or mask is None:
        return mask if bias is None else bias
    if mask.dtype == torch.bool:
        return bias.masked_fill(~mask, -torch.inf)
    return bias + mask
