"""A mark of a function's code, so that an unchanged answer is not checked twice."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

_DEPTH = 6
_GIVEN = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__",
    "__annotations__", "__firstlineno__", "__static_attributes__",
}  # fmt: skip
"""Members of every class that say nothing of what it computes."""


def of(answer: Any) -> Any:
    """A value that changes with the code of a function or class and of its helpers.

    None when there is no telling: a closure, a callable object, a function that reads
    a tensor or a list of the notebook.
    """
    try:
        return _mark(answer, _DEPTH)
    except (TypeError, ValueError):
        return None


def _mark(item: Any, depth: int) -> Any:
    """The mark of a function, a class or a plain value."""
    if depth == 0:
        raise ValueError("helpers call each other")
    if isinstance(item, types.FunctionType):
        return _function(item, depth - 1)
    if inspect.isclass(item):
        return tuple(_class(x, item.__module__, depth) for x in item.__mro__)
    if isinstance(item, tuple):
        return tuple(_mark(x, depth) for x in item)
    if isinstance(item, staticmethod | classmethod):
        return type(item), _mark(item.__func__, depth)
    if isinstance(item, property):
        return tuple(_mark(x, depth) for x in (item.fget, item.fset, item.fdel))
    if item is None or isinstance(item, bool | int | float | str):
        return type(item), item
    raise TypeError(f"no fingerprint for {type(item).__name__}")


def _class(one: type, module: str, depth: int) -> Any:
    """All members of a class of the reader's own; an imported base stays what it is."""
    if one.__module__ != module:
        return id(one)
    members = {name: x for name, x in vars(one).items() if name not in _GIVEN}
    return tuple((name, _mark(x, depth)) for name, x in sorted(members.items()))


def _function(function: types.FunctionType, depth: int) -> tuple:
    """Code with its constants, defaults, and the globals that it reads."""
    if function.__closure__:
        raise TypeError("no fingerprint for a closure")
    space = function.__globals__
    codes = list(_codes(function.__code__))
    names = sorted({name for code in codes for name in code.co_names if name in space})
    used = [(name, space[name]) for name in names if space[name] is not function]
    return (
        tuple((code.co_code, code.co_names, _constants(code)) for code in codes),
        _mark(function.__defaults__, depth),
        _mark(tuple((function.__kwdefaults__ or {}).items()), depth),
        tuple((name, _global(x, function.__module__, depth)) for name, x in used),
    )


def _global(item: Any, module: str, depth: int) -> Any:
    """What is imported stays what it is; the reader's own helpers are looked into."""
    if isinstance(item, types.ModuleType | types.BuiltinFunctionType):
        return id(item)
    if inspect.isroutine(item) or inspect.isclass(item):
        return _mark(item, depth) if item.__module__ == module else id(item)
    return _mark(item, depth)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object, and those of the functions written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _constants(code: types.CodeType) -> tuple:
    return tuple(repr(x) for x in code.co_consts if not isinstance(x, types.CodeType))
