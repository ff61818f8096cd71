"""Compare a learner's answer with the reference, and say in words what differs."""

from __future__ import annotations

import copy
import math
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Built:
    """A module that a factory returned: its parameters, and what a probe saw of it."""

    parameters: dict[str, tuple[int, ...]]
    answer: Any = None


@dataclass(frozen=True)
class Outcome:
    """What one call came to: an answer or an exception, and an argument it changed."""

    value: Any = None
    error: BaseException | None = None
    changed: str | None = None


def run(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    names: list[str],
    probe: Callable[..., Any] | None = None,
) -> Outcome:
    """Call a function on copies, with every random state as it was afterwards."""
    mine = clone(arguments)
    with same_randomness(), same_settings():
        try:
            value = function(*mine)
            changed = _changed(mine, arguments, names)
            if value is not None and value is not ...:
                value = _observe(value, clone(arguments), probe)
        except (Exception, SystemExit) as error:
            return Outcome(error=error)
    return Outcome(value, changed=changed)


def same(one: Outcome, other: Outcome, tolerance: float) -> bool:
    """Whether two calls came to the same, NaN, exception and changed input included."""
    if one.error is not None or other.error is not None:
        same_kind = type(one.error) is type(other.error)
        return same_kind and words_of(one.error) == words_of(other.error)
    if one.changed != other.changed:
        return False
    return difference(one.value, other.value, tolerance, nan_equal=True) is None


def difference(
    got: Any, want: Any, tolerance: float, nan_equal: bool = False
) -> str | None:
    """What is wrong with an answer, as a clause, or None when nothing is.

    Lists and tuples stand for each other, and so do Python's numbers and tensors
    with a single element; floating point precision is not compared, kind of dtype is.
    """
    if isinstance(want, Built) and isinstance(got, Built):
        return _built(got, want, tolerance, nan_equal)
    if isinstance(want, Tensor):
        return _tensors(got, want, tolerance, nan_equal)
    if isinstance(want, list | tuple):
        return _sequences(got, want, tolerance, nan_equal)
    if isinstance(want, dict):
        return _dicts(got, want, tolerance, nan_equal)
    if isinstance(want, int | float) and not isinstance(want, bool):
        return _numbers(got, want, tolerance, nan_equal)
    if isinstance(want, bool) and isinstance(got, Tensor) and got.dtype == torch.bool:
        got = got.item() if got.numel() == 1 else got
    if isinstance(want, np.ndarray):
        return _arrays(got, want, tolerance, nan_equal)
    if type(got) is not type(want):
        return f"expected {_a(want)}, got {_a(got)}"
    return None if got == want else f"expected {_short(want)}, got {_short(got)}"


def fitted(got: Any, want: Any) -> Any:
    """A right answer as `want` is: tensors of its dtypes, numbers where it has numbers.
    What fits already comes back itself."""
    if isinstance(want, Tensor):
        return torch.as_tensor(got, dtype=want.dtype)
    if isinstance(want, list | tuple):
        like = want if len(want) == len(got) else [*want[:1]] * len(got)
        parts = [fitted(*pair) for pair in zip(got, like, strict=False)]
        fits = all(a is b for a, b in zip(parts, got, strict=False))
        return got if fits else tuple(parts)
    number = isinstance(want, int | float) and isinstance(got, Tensor | np.ndarray)
    return got.item() if number else got


def _tensors(got: Any, want: Tensor, tolerance: float, nan_equal: bool) -> str | None:
    if want.dim() == 0 and isinstance(got, int | float):
        got = torch.tensor(got)
    if not isinstance(got, Tensor):
        return f"expected a tensor of shape {_shape(want)}, got {_a(got)}"
    if got.layout != torch.strided or got.device.type == "meta":
        what = "without values" if got.is_meta else f"of layout {got.layout}"
        return f"expected an ordinary tensor, got one {what}"
    if got.shape != want.shape:
        return f"shape {_shape(got)}, expected {_shape(want)}"
    if _kind(got) != _kind(want):
        return f"dtype {got.dtype}, expected {want.dtype}"
    return _values(got.detach(), want.detach(), tolerance, nan_equal)


def _arrays(
    got: Any, want: np.ndarray, tolerance: float, nan_equal: bool
) -> str | None:
    if not isinstance(got, np.ndarray):
        return f"expected an array of shape {want.shape}, got {_a(got)}"
    pair = torch.from_numpy(got), torch.from_numpy(want)
    return _tensors(*pair, tolerance, nan_equal)


def _values(got: Tensor, want: Tensor, tolerance: float, nan_equal: bool) -> str | None:
    if _kind(want) in ("bool", "int"):
        wrong = got != want
    else:
        wide = torch.complex128 if want.is_complex() else torch.float64
        got, want = got.to("cpu", wide), want.to("cpu", wide)
        bad = got.isnan() & ~want.isnan()
        if bad.any() and not nan_equal:
            return f"NaN (not a number) at {_first(bad)}"
        wrong = ~torch.isclose(
            got, want, rtol=tolerance, atol=tolerance, equal_nan=True
        )
    if not wrong.any():
        return None
    place = _first(wrong)
    yours, right = _pair(*(x[tuple(place)].item() for x in (got, want)))
    where = f" at {place}" if place else ""
    share = (
        f", {int(wrong.sum())} of {wrong.numel()} differ" if wrong.numel() > 1 else ""
    )
    return f"value {yours}{where}, expected {right}{share}"


def _numbers(got: Any, want: float, tolerance: float, nan_equal: bool) -> str | None:
    if isinstance(got, Tensor | np.generic | np.ndarray) and math.prod(got.shape) == 1:
        got = got.item()
    if isinstance(got, bool) or not isinstance(got, int | float):
        return f"expected a number, got {_a(got)}"
    if math.isnan(got) and not (nan_equal and math.isnan(want)):
        return "NaN (not a number)"
    slack = 0.0 if isinstance(want, int) else tolerance
    close = math.isclose(got, want, rel_tol=slack, abs_tol=slack)
    if close or (math.isnan(got) and math.isnan(want)):
        return None
    yours, right = _pair(got, want)
    return f"value {yours}, expected {right}"


def _sequences(got: Any, want: Any, tolerance: float, nan_equal: bool) -> str | None:
    if not isinstance(got, list | tuple):
        return f"expected {_a(want)} of {len(want)}, got {_a(got)}"
    if len(got) != len(want):
        return f"{len(got)} items, expected {len(want)}"
    for place, (mine, right) in enumerate(zip(got, want, strict=True)):
        wrong = difference(mine, right, tolerance, nan_equal)
        if wrong:
            return f"item {place}: {wrong}"
    return None


def _dicts(got: Any, want: dict, tolerance: float, nan_equal: bool) -> str | None:
    if not isinstance(got, dict):
        return f"expected a dict, got {_a(got)}"
    if got.keys() != want.keys():
        return f"keys {sorted(map(str, got))}, expected {sorted(map(str, want))}"
    for name in want:
        wrong = difference(got[name], want[name], tolerance, nan_equal)
        if wrong:
            return f"item {name!r}: {wrong}"
    return None


def _built(got: Built, want: Built, tolerance: float, nan_equal: bool) -> str | None:
    if got.parameters != want.parameters:
        mine, right = (_listed(x.parameters) for x in (got, want))
        return f"parameters {mine}, expected {right}"
    wrong = difference(got.answer, want.answer, tolerance, nan_equal)
    return wrong and f"its output: {wrong}"


# ------------------------------------------------------------------- calling


def _observe(
    value: Any, arguments: tuple[Any, ...], probe: Callable[..., Any] | None
) -> Any:
    """What of an answer is compared; a module gets weights that hang on names alone."""
    if not isinstance(value, nn.Module):
        return value if probe is None else probe(value, *arguments)
    shapes = {name: tuple(p.shape) for name, p in value.named_parameters()}
    redraw(value)
    return Built(shapes, None if probe is None else probe(value, *arguments))


@torch.no_grad()
def redraw(module: nn.Module) -> None:
    """Give every parameter values that depend on its name and shape alone."""
    for name, parameter in module.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        fresh = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(0.5 * fresh)


@contextmanager
def same_randomness(start: int = 1) -> Iterator[None]:
    """A fixed random state inside; outside, all generators are as if nothing ran."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start)
        random.seed(start)
        np.random.seed(start)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def same_settings() -> Iterator[None]:
    """What an answer does to torch's settings ends with the call."""
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)


def clone(value: Any) -> Any:
    """A deep copy that also knows generators and tensors inside a graph."""
    if isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {name: clone(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(clone(item) for item in value)
    return copy.deepcopy(value)


def _changed(now: tuple, before: tuple, names: list[str]) -> str | None:
    """The name of the first argument that a call has changed."""
    for place, (one, other) in enumerate(zip(now, before, strict=True)):
        if not _unchanged(one, other):
            return names[place] if place < len(names) else f"number {place + 1}"
    return None


def _unchanged(now: Any, before: Any) -> bool:
    if isinstance(before, nn.Module):
        return _unchanged(now.state_dict(), before.state_dict())
    if isinstance(before, Tensor) and now.requires_grad != before.requires_grad:
        return False
    if isinstance(before, Tensor | np.ndarray | list | tuple | dict):
        return difference(now, before, 0.0, nan_equal=True) is None
    return not isinstance(before, set) or now == before


# --------------------------------------------------------------------- words


def words_of(error: BaseException | None) -> str:
    """What an exception says; nothing when its own text fails."""
    try:
        return str(error).strip()
    except Exception:
        return ""


def describe(arguments: tuple[Any, ...], names: list[str]) -> str:
    """The inputs of one case in a few words: ``query (3, 4), temperature 0.5``."""
    pairs = zip(names, arguments, strict=False)
    return ", ".join(f"{name} {_short(value)}" for name, value in pairs)


def _short(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return _shape(value)
    if isinstance(value, nn.Module | torch.Generator) or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, float):
        return _number(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pair(got: Any, want: Any) -> tuple[str, str]:
    """Two numbers, with as many figures as it takes to tell them apart."""
    short = _number(got), _number(want)
    return short if short[0] != short[1] else (repr(got), repr(want))


def _shape(value: Any) -> str:
    return str(tuple(value.shape))


def _first(wrong: Tensor) -> list[int]:
    return wrong.nonzero()[0].tolist() if wrong.dim() else []


def _kind(value: Tensor) -> str:
    if value.dtype == torch.bool:
        return "bool"
    if value.is_complex():
        return "complex"
    return "float" if value.is_floating_point() else "int"


def _listed(parameters: dict[str, tuple[int, ...]]) -> str:
    shown = ", ".join(f"{name} {shape}" for name, shape in sorted(parameters.items()))
    return shown or "none"


_KINDS = {
    bool: "True or False", int: "a number", float: "a number", str: "a text",
    list: "a list", tuple: "a tuple", dict: "a dict", set: "a set", type(None): "None",
    np.ndarray: "a NumPy array",
}  # fmt: skip


def _a(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {_shape(value)}"
    if isinstance(value, Built):
        return "a module"
    return _KINDS.get(type(value), f"an object of type {type(value).__name__}")
