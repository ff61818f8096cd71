"""What widgets accept: numbers, words, matrices; an error names the argument."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def as_matrix(name: str, value: Any, columns: int | None = None) -> Tensor:
    """A finite float64 matrix with at least one number."""
    try:
        matrix = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: expected rows of numbers, got {value!r}") from error
    if matrix.dim() != 2 or not matrix.numel():
        raise ValueError(f"{name}: expected a matrix, got shape {tuple(matrix.shape)}")
    if columns is not None and matrix.shape[1] != columns:
        raise ValueError(
            f"{name}: expected {columns} columns, got {matrix.shape[1]} columns"
        )
    if not matrix.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got some that are not")
    return matrix


def check_names(name: str, words: Any, size: int | None = None) -> list[str]:
    """Non-empty words as a list, `size` of them where it is given."""
    listed = list(words) if isinstance(words, Iterable) else [None]
    if isinstance(words, str) or not all(isinstance(w, str) and w for w in listed):
        raise ValueError(f"{name}: expected a list of non-empty words, got {words!r}")
    if not listed or (size is not None and len(listed) != size):
        wanted = "at least one word" if size is None else f"{size} words"
        raise ValueError(f"{name}: expected {wanted}, got {len(listed)}")
    return listed


def check_has(name: str, value: Any, *parts: str) -> None:
    """Raise unless `value` has all these attributes."""
    if not all(hasattr(value, part) for part in parts):
        got = "None" if value is None else f"a {type(value).__name__}"
        wanted = " and ".join(parts)
        raise ValueError(f"{name}: expected something with {wanted}, got {got}")


def as_number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf
) -> float:
    """A finite number from `low` to `high`."""
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if math.isfinite(number) and low <= number <= high:
        return number
    wanted = "a finite number" if math.isinf(low) else f"{low:g}"
    wanted += f" to {high:g}" if math.isfinite(high) else ""
    raise ValueError(f"{name}: expected {wanted}, got {value!r}")


def as_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number from `low` to `high`."""
    try:
        number = operator.index(value)
    except (TypeError, RuntimeError):
        number = None
    if number is not None and low <= number and (high is None or number <= high):
        return number
    wanted = f"at least {low}" if high is None else f"{low} to {high}"
    got = repr(value) if number is None else str(number)
    whole = "" if number is not None else "a whole number, "
    raise ValueError(f"{name}: expected {whole}{wanted}, got {got}")


def check_order(name: str, value: Any, size: int) -> None:
    """Each of 0 to `size` - 1 once, in a list."""
    numbers = range(size)
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(
        map(str, numbers)
    ):
        raise ValueError(f"{name}: expected each of 0 to {size - 1} once, got {value}")
