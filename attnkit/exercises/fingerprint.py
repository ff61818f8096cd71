"""A mark of a function's code, so that an unchanged answer is not checked twice."""

from __future__ import annotations

import inspect
import types
from typing import Any

_DEPTH = 4


def of(answer: Any) -> Any:
    """A value that changes with the code of a function or class and of its helpers.

    None when there is no telling (a callable object, a partial, a lambda with state).
    """
    try:
        return _mark(answer, _DEPTH)
    except (TypeError, ValueError, AttributeError):
        return None


def _mark(item: Any, depth: int) -> Any:
    if isinstance(item, types.FunctionType):
        return _function(item, depth)
    if inspect.isclass(item):
        members = vars(item).values()
        return tuple(_function(x, depth) for x in members if inspect.isfunction(x))
    if item is None or isinstance(item, bool | int | float | str):
        return type(item), item
    raise TypeError(f"no fingerprint for {type(item).__name__}")


def _function(function: types.FunctionType, depth: int) -> tuple:
    """Code, constants, defaults, closure, and the reader's own helpers in turn."""
    code = function.__code__
    own = [
        value
        for name in code.co_names
        if (value := function.__globals__.get(name)) is not None
        and depth > 0
        and getattr(value, "__module__", None) == function.__module__
        and (inspect.isfunction(value) or inspect.isclass(value))
    ]
    if function.__closure__:
        raise TypeError("no fingerprint for a closure")
    plain = tuple(
        (name, value)
        for name in code.co_names
        if isinstance(value := function.__globals__.get(name), int | float | str)
    )
    return (
        code.co_code,
        _constants(code),
        code.co_names,
        repr(function.__defaults__),
        plain,
        tuple(_mark(helper, depth - 1) for helper in own if helper is not function),
    )


def _constants(code: types.CodeType) -> tuple:
    return tuple(
        (x.co_code, _constants(x)) if isinstance(x, types.CodeType) else repr(x)
        for x in code.co_consts
    )
