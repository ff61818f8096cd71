"""Checks of arguments: each error names the argument, the wish and what came."""

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def check_type(name: str, value: Any, kind: Any, what: str) -> None:
    """Raise unless `value` is of type `kind`, which the reader knows as `what`."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {what}, got {type(value).__name__}")


def check_tensor(name: str, value: Any) -> None:
    """Raise unless `value` is a tensor."""
    check_type(name, value, Tensor, "a tensor")


def check_float(name: str, value: Any, min_dims: int = 2) -> None:
    """Raise unless `value` is a floating-point tensor of at least `min_dims` axes."""
    check_tensor(name, value)
    if not value.is_floating_point():
        raise ValueError(f"{name}: expected a floating-point dtype, got {value.dtype}")
    if value.dim() < min_dims:
        raise ValueError(
            f"{name}: expected at least {min_dims} dimensions, got shape "
            f"{tuple(value.shape)}"
        )


def check_width(name: str, value: Tensor, width: int, why: str) -> None:
    """Raise unless the last axis of `value` is `width` long."""
    if value.shape[-1] != width:
        raise ValueError(
            f"{name}: expected last dimension {width} ({why}), got shape "
            f"{tuple(value.shape)}"
        )


def check_device(name: str, value: Tensor, like: Tensor, whose: str) -> None:
    """Raise unless `value` is where `like` is: a kernel may read nonsense otherwise."""
    if value.device != like.device:
        raise ValueError(
            f"{name}: expected device {like.device} as {whose}, got {value.device}; "
            f'call {name}.to("{like.device}")'
        )


def check_alike(**tensors: Tensor) -> None:
    """Raise unless all tensors share one device, and one dtype; autocast may mix
    dtypes."""
    (first, reference), *others = tensors.items()
    for name, value in others:
        check_device(name, value, reference, f"in {first}")
        if value.dtype != reference.dtype and not _autocast(value):
            raise ValueError(
                f"{name}: expected dtype {reference.dtype} as in {first}, "
                f"got {value.dtype}"
            )


def check_like_weight(name: str, value: Tensor, weight: Any) -> None:
    """Raise unless `value` has the device and dtype of a module's `weight`; autocast
    may mix dtypes, and a quantized module, whose weight is no tensor, takes what it
    takes."""
    if not isinstance(weight, Tensor):
        return
    check_device(name, value, weight, "the module's weights")
    if value.dtype == weight.dtype:
        return
    if not _autocast(value):
        raise ValueError(
            f"{name}: expected dtype {weight.dtype} as the module's weights, got "
            f"{value.dtype}; call {name}.to({weight.dtype}), or .to({value.dtype}) of "
            "the module"
        )


def _autocast(value: Tensor) -> bool:
    return torch.is_autocast_enabled(value.device.type)


def check_batch(**tensors: Tensor) -> None:
    """Raise unless the leading axes (all but the last two) broadcast together."""
    shapes = {name: tuple(value.shape[:-2]) for name, value in tensors.items()}
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        *known, last = tensors
        raise ValueError(
            f"{last}: expected leading dimensions that broadcast with "
            f"{', '.join(f'{name} {shapes[name]}' for name in known)}, "
            f"got {shapes[last]}"
        ) from None


def check_mask(
    mask: Any, shape: Iterable[int], like: Tensor, axes: str = "queries, keys"
) -> None:
    """Raise unless `mask` is None or a boolean tensor broadcastable to `shape`, whose
    last axes are `axes`, on the device of `like`."""
    if mask is None:
        return
    check_tensor("mask", mask)
    if mask.dtype != torch.bool:
        raise ValueError(
            f"mask: expected dtype torch.bool (True = may attend), got {mask.dtype}"
        )
    wanted, given = tuple(shape), tuple(mask.shape)
    padded = (1,) * (len(wanted) - len(given)) + given
    if len(given) > len(wanted) or any(
        g not in (1, w) for g, w in zip(padded, wanted, strict=True)
    ):
        raise ValueError(
            f"mask: expected a shape that broadcasts to {wanted} "
            f"(..., {axes}), got {given}"
        )
    check_device("mask", mask, like, "what it masks")


def check_ids(
    name: str, ids: Tensor, size: int, axes: tuple[str, ...] = ("batch", "length")
) -> None:
    """Raise unless `ids` is a tensor of numbers below `size`, with these axes."""
    check_tensor(name, ids)
    if ids.dim() != len(axes) or ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"{name}: expected whole numbers of shape ({', '.join(axes)}), got "
            f"{ids.dtype} of shape {tuple(ids.shape)}"
        )
    if torch.compiler.is_compiling() or not ids.numel():
        return
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(
            f"{name}: expected numbers from 0 to {size - 1}, got "
            f"{ids.min().item()} to {ids.max().item()}"
        )


def check_tokens(
    name: str, value: Any, width: int, weight: Any, why: str = "embed_dim"
) -> None:
    """Raise unless `value` (B, N, `width`) can be multiplied by a module's `weight`."""
    check_float(name, value, 3)
    if value.dim() > 3:
        raise ValueError(
            f"{name}: expected 3 dimensions, (B, N, {width}), got shape "
            f"{tuple(value.shape)}"
        )
    check_width(name, value, width, why)
    check_like_weight(name, value, weight)


def check_places(
    memory: Tensor, keys: Tensor | None, mask: Tensor | None, width: int, weight: Any
) -> None:
    """Raise unless `memory` (B, M, `width`) holds places that can be looked at, with a
    key for each (B, M, ·), or None, and a `mask` over them (B, M), or None. `weight` is
    one of the module that reads them."""
    check_tokens("memory", memory, width, weight, "memory_dim")
    places = tuple(memory.shape[:2])
    if keys is not None:
        check_float("keys", keys, 3)
        check_device("keys", keys, memory, "in memory")
        if keys.shape[:2] != places:
            raise ValueError(
                f"keys: expected {places} rows and places as in memory, got shape "
                f"{tuple(keys.shape)}"
            )
    check_mask(mask, places, memory, "places")


def check_positive(name: str, value: Any, kind: type = int) -> None:
    """Raise unless `value` is a number of type `kind` greater than zero."""
    if isinstance(value, bool) or not isinstance(value, kind | int):
        raise TypeError(
            f"{name}: expected type {kind.__name__}, got {type(value).__name__}"
        )
    if not value > 0:
        raise ValueError(f"{name}: expected a value above 0, got {value}")


def check_at_least(name: str, value: Any, least: int) -> None:
    """Raise unless `value` is a whole number, `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected type int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")


def check_portion(name: str, value: Any, *, below_one: bool = False) -> None:
    """Raise unless `value` is a number from 0 to 1, or less than 1 if `below_one`."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise TypeError(f"{name}: expected type float, got {type(value).__name__}")
    if not 0 <= value <= 1 or (below_one and value == 1):
        wanted = "0 or more and less than 1" if below_one else "0 to 1"
        raise ValueError(f"{name}: expected {wanted}, got {value}")


def check_seed(seed: Any) -> None:
    """Raise unless `seed` is a whole number."""
    try:
        operator.index(seed)
    except (TypeError, RuntimeError):
        got = type(seed).__name__
        raise TypeError(f"seed: expected type int, got {got}") from None


def check_shape(name: str, value: Tensor, shape: Iterable[int]) -> None:
    """Raise unless `value` has exactly this shape."""
    if value.shape != tuple(shape):
        raise ValueError(
            f"{name}: expected shape {tuple(shape)}, got {tuple(value.shape)}"
        )


def is_transformed(*tensors: Tensor) -> bool:
    """Whether `torch.func` (vmap, grad, ...) is at work: numbers cannot be looked at,
    and nothing can be computed again in the backward pass."""
    return any(map(torch._C._functorch.is_functorch_wrapped_tensor, tensors))


def look_up(argument: str, choice: Any, known: Mapping[str, Any]) -> Any:
    """Return `choice` if it can be called, else the entry of that name in `known`."""
    if callable(choice):
        return choice
    if isinstance(choice, str) and choice in known:
        return known[choice]
    raise ValueError(
        f"{argument}: expected a callable or one of {', '.join(sorted(known))}; "
        f"got {choice!r}"
    )
