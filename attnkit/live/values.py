"""Plain JSON values: made from arrays, compared in kind, written down as Python."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

STATE = "{state}"
"""Where the literal of the state goes in copied code: the page puts it there."""


def plain(value: Any, name: str = "value") -> Any:
    """Turn arrays, tensors, tuples and numbers into values that JSON can hold.

    Args:
        value: any nest of dicts, lists, tuples, numbers, strings, arrays, tensors.
        name: how an error message calls it.

    Returns:
        The same values as dict, list, str, int, float, bool and None.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: a number in it is not finite.
    """
    if isinstance(value, dict):
        return {
            str(key): plain(item, f"{name}[{key!r}]") for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | range):
        return [plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number, got {value}")
        return float(value)  # NumPy's own floats are written otherwise
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        return plain(value.tolist(), name)
    raise TypeError(f"{name}: expected a value that JSON can hold, got {type(value)}")


_KINDS = {
    bool: "True or False", int: "a number", float: "a number", str: "a text",
    list: "a list", dict: "a dict", type(None): "None",
}  # fmt: skip


def check_kinds(state: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Every setting is of the kind that it has at first; None may become anything.

    Raises:
        ValueError: one is of another kind.
    """
    for name in state.keys() & first.keys():
        got, wanted = (_KINDS[type(plain(x[name]))] for x in (state, first))
        if got != wanted and "None" not in (got, wanted):
            raise ValueError(f"{name}: expected {wanted}, got {state[name]!r}")


# ---- code that makes a widget again --------------------------------------------------


def given(constructor: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What a constructor is called with, by name; `self` comes first in `args`."""
    bound = inspect.signature(constructor).bind(*args, **kwargs).arguments
    rest = bound.pop("traits", {})
    own = dict(list(bound.items())[1:])
    return own | {name: value for name, value in rest.items() if name == "slug"}


def call(kind: type, arguments: Mapping[str, Any], spoken: Mapping[str, str]) -> str:
    """The call of a class with these arguments, on one line where it fits.

    Args:
        kind: the class.
        arguments: by name, as `given` gives them.
        spoken: the code that stands for an argument without a literal; "" for none.
    """
    known = inspect.signature(kind.__init__).parameters
    parts = []
    for name, value in arguments.items():
        code = spoken[name] if name in spoken else _literal(value, name)
        required = name in known and known[name].default is inspect.Parameter.empty
        if required:
            parts.append(code)
        elif code and value is not None:
            parts.append(f"{name}={code}")
    line = f"{kind.__name__}({', '.join(parts)})"
    if len(line) <= 72:
        return line
    return "\n".join([f"{kind.__name__}(", *(f"    {part}," for part in parts), ")"])


def _literal(value: Any, name: str) -> str:
    """A Python literal; no text in it is taken for the place of the state."""
    return repr(plain(value, name)).replace(STATE, "\\x7b" + STATE[1:])
