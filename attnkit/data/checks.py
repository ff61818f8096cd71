"""Checks of what the data sets are asked for."""

import operator
from typing import Any


def check_seed(seed: Any) -> None:
    """Raise unless `seed` is a whole number."""
    try:
        operator.index(seed)
    except TypeError:
        got = type(seed).__name__
        raise TypeError(f"seed: expected type int, got {got}") from None


def check_portion(name: str, value: Any) -> None:
    """Raise unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise TypeError(f"{name}: expected type float, got {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected 0 to 1, got {value}")
