"""Exercises: what one is, how an answer is checked, and how a mistake gets its name.

A chapter's file, ``attnkit/exercises/<part>_<chapter>.py``, defines ``EXERCISES``, a
list; the key ``"<part>.<chapter>.<n>"`` finds it, so there is no list to edit.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import os
import pkgutil
import re
import textwrap
import traceback
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from attnkit.exercises import compare, fingerprint, record
from attnkit.exercises.display import Result

Function = Callable[..., Any]
_KEY = re.compile(r"[a-z]\w*\.[a-z]\w*\.[1-9]\d*")


class ExerciseError(AssertionError):
    """Raised instead of a result when ``ATTNKIT_STRICT`` is set."""


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise: what the reader sees, the right answer, and the usual wrong ones.

    Args:
        key: ``"<part>.<chapter>.<number>"``, numbers from 1 without gaps.
        title: a few words.
        minutes: how long it takes.
        dots: difficulty, 1 to 5.
        learn: one sentence, what the reader learns.
        reference: the right answer, under the name that the reader sees. The text
            that the book prints as solution is this function's own source.
        inputs: given a private generator, yields tuples of positional arguments:
            several shapes, the smallest and a large one among them. ``[()]`` when
            the answer is a value rather than a function.
        mistakes: pairs (wrong function, what to tell who makes this mistake). A
            message addresses the reader and says what is wrong, not the answer.
        hints: two or more, each a step further.
        alternatives: two or more right answers that are written differently.
        stub: what the reader starts from; without it, the reference's signature and
            docstring over ``raise NotImplementedError``. Its name does not matter.
        probe: ``probe(answer, *arguments)``, what to look at instead of the answer
            itself; for factories of modules, the output to compare. Before that all
            parameters are redrawn, from their names, on both sides.
        tolerance: absolute and relative.
    """

    key: str
    title: str
    minutes: int
    dots: int
    learn: str
    reference: Function
    inputs: Callable[[torch.Generator], Iterable[tuple[Any, ...]]]
    mistakes: Sequence[tuple[Function, str]] = ()
    hints: Sequence[str] = ()
    alternatives: Sequence[Function] = ()
    stub: Function | None = None
    probe: Function | None = None
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"key: expected 'part.chapter.number', got {self.key!r}")
        if self.dots not in range(1, 6):
            raise ValueError(f"dots: expected 1 to 5, got {self.dots!r}")

    @property
    def name(self) -> str:
        """The name under which the reader writes the answer."""
        return self.reference.__name__

    @property
    def number(self) -> int:
        return int(self.key.rsplit(".", 1)[1])

    @cached_property
    def arguments(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    @cached_property
    def cases(self) -> list[tuple[Any, ...]]:
        """The inputs, the same in every session, from a generator of their own."""
        generator = torch.Generator().manual_seed(zlib.crc32(self.key.encode()))
        with compare.same_randomness():
            return list(self.inputs(generator))

    @cached_property
    def wanted(self) -> list[compare.Outcome]:
        return [self.run(self.reference, case) for case in self.cases]

    def run(self, function: Function, case: tuple[Any, ...]) -> compare.Outcome:
        return compare.run(function, case, self.arguments, self.probe)


# --------------------------------------------------------------------- finding


def chapters() -> list[str]:
    """The modules that define exercises, by discovery."""
    package = importlib.import_module("attnkit.exercises")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    found = (f"attnkit.exercises.{name}" for name in names if "_" in name.strip("_"))
    return [x for x in found if hasattr(importlib.import_module(x), "EXERCISES")]


def exercises(prefix: str = "") -> list[Exercise]:
    """All exercises, or those of a part or chapter, in the order of their keys."""
    modules = (importlib.import_module(name) for name in chapters())
    found = [exercise for module in modules for exercise in module.EXERCISES]
    chosen = [x for x in found if not prefix or f"{x.key}.".startswith(f"{prefix}.")]
    return sorted(chosen, key=lambda x: (x.key.rsplit(".", 1)[0], x.number))


def exercise(key: str | Exercise) -> Exercise:
    """The exercise with this key.

    Raises:
        ValueError: there is none; the message lists the keys of the chapter.
    """
    if isinstance(key, Exercise):
        return key
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"key: expected a text like 'rnn.alignment.2', got {key!r}")
    part, chapter, _ = key.split(".")
    module = f"attnkit.exercises.{part}_{chapter}"
    try:
        known = {x.key: x for x in importlib.import_module(module).EXERCISES}
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        known = {}
    if key not in known:
        have = ", ".join(known) or "none in this chapter"
        raise ValueError(f"key: there is no exercise {key!r} (there is {have})")
    return known[key]


# -------------------------------------------------------------------- checking


def check(key: str | Exercise, answer: Any = None) -> Result:
    """Check an answer; in a notebook this never raises.

    Args:
        key: the exercise, as ``"rnn.alignment.2"``.
        answer: the reader's function or class, or a value where one is asked for.

    Returns:
        A result with ``state`` ``"todo"``, ``"fail"``, ``"error"`` or ``"pass"``.

    Raises:
        ExerciseError: only when ``ATTNKIT_STRICT`` is set, for any state but pass.
    """
    name, title = str(key), ""
    try:
        found = exercise(key)
        name, title = found.key, found.title
        result, fresh = _cached(found, answer)
        if fresh and result.state != "todo":
            record.note(result.key, result.state)
    except Exception as error:
        result = Result(name, title, "error", _first_line(error) or _told(error))
    if os.environ.get("ATTNKIT_STRICT") and not result:
        raise ExerciseError(repr(result))
    return result


_last: dict[str, tuple[Any, Result]] = {}


def _cached(found: Exercise, answer: Any) -> tuple[Result, bool]:
    """The result, and whether it is new: unchanged code is not checked again."""
    mark = (found, fingerprint.of(answer))
    fresh = mark[1] is None or _last.get(found.key, (None,))[0] != mark
    if fresh:
        _last[found.key] = (mark, judge(found, answer))
    return _last[found.key][1], fresh


def forget() -> None:
    """Forget all results of this session."""
    _last.clear()


def judge(found: Exercise, answer: Any) -> Result:
    """Compare an answer with the reference on every case; nothing is recorded."""
    if answer is None or answer is ...:
        return _todo(found, "not written yet")
    function = answer if callable(answer) else lambda *_: answer
    got = [found.run(function, case) for case in found.cases]
    if _unwritten(got):
        return _todo(found, "not written yet: put your code in place of the last line")
    if all(x.value is None and x.error is None for x in got) and _wants_value(found):
        return _todo(found, "it returned None: end your function with `return …`")
    for place in range(len(got)):
        result = _judge_case(found, function, got, place)
        if result is not None:
            return result
    count = len(got)
    cases = "the case" if count == 1 else f"all {count} cases"
    pairs = [(x.value, y.value) for x, y in zip(got, found.wanted, strict=True)]
    fits = bool(found.probe) or all(compare.fitted(*pair) is pair[0] for pair in pairs)
    return Result(found.key, found.title, "pass", f"right in {cases}", fits=fits)


def _judge_case(
    found: Exercise, function: Function, got: list[compare.Outcome], place: int
) -> Result | None:
    """The verdict on one case, or None when it is right."""
    mine, want = got[place], found.wanted[place]
    state, message = _verdict(found, function, mine, want)
    if message is None:
        return None
    case = compare.describe(found.cases[place], found.arguments)
    message = _diagnose(found, got, place) or message + (
        f" (for {case})" if case else ""
    )
    more = f'`hint("{found.key}")` helps, `answer("{found.key}")` shows the answer.'
    return Result(found.key, found.title, state, message, more)


def _verdict(
    found: Exercise, function: Function, mine: compare.Outcome, want: compare.Outcome
) -> tuple[str, str | None]:
    """State and message of one outcome without knowledge of the usual mistakes."""
    if want.error is not None:
        expected = type(want.error).__name__
        if mine.error is None:
            return "fail", f"expected it to raise {expected}"
        right = isinstance(mine.error, type(want.error))
        return (
            "fail",
            None if right else f"expected {expected}, got {_told(mine.error)}",
        )
    if mine.error is not None:
        return "error", _told(mine.error) + _line(mine.error, function, found)
    wrong = compare.difference(mine.value, want.value, found.tolerance)
    if wrong is None and mine.changed and not want.changed:
        wrong = f"the values are right, but `{mine.changed}` was changed in place"
    return "fail", wrong


def _diagnose(found: Exercise, got: list[compare.Outcome], place: int) -> str | None:
    """The message of the usual mistake that comes to the same, best in every case.

    In a single case that may be chance: it has to account for half of what is wrong.
    """

    def alike(one: compare.Outcome, case: int) -> bool:
        return compare.same(got[case], one, found.tolerance)

    every = range(len(got))
    amiss = {case for case in every if not alike(found.wanted[case], case)}
    best, likely = 0, None
    for wrong, message in found.mistakes:
        if alike(found.run(wrong, found.cases[place]), place):
            fits = {x for x in every if alike(found.run(wrong, found.cases[x]), x)}
            if 2 * len(fits & amiss) >= len(amiss) and len(fits) > best:
                best, likely = len(fits), message
    return likely


def _unwritten(got: list[compare.Outcome]) -> bool:
    """Whether it is the stub: ``NotImplementedError`` (not torch's own) or ``...``."""
    first = got[0]
    if first.value is ...:
        return True
    if not isinstance(first.error, NotImplementedError):
        return False
    torch_says = ("not implemented for", "Could not run")
    return not any(words in str(first.error) for words in torch_says)


def _wants_value(found: Exercise) -> bool:
    return any(x.value is not None for x in found.wanted)


def _todo(found: Exercise, message: str) -> Result:
    return Result(found.key, found.title, "todo", message)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {_first_line(error)}".rstrip(": ")


def _first_line(error: BaseException) -> str:
    return (compare.words_of(error).splitlines() or [""])[0]


def _line(error: BaseException, function: Function, found: Exercise) -> str:
    """Where in the reader's own code it happened, with the line."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    if not own:
        call = f"{found.name}({', '.join(found.arguments)})"
        return f"; the check calls `{call}`" if isinstance(error, TypeError) else ""
    text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f", in line {own[-1].lineno} of your cell" + (f": `{text}`" if text else "")


# ---------------------------------------------------------------------- sources


def solution_source(key: str | Exercise) -> str:
    """The code of the reference, as the book prints it and the tests run it."""
    return textwrap.dedent(inspect.getsource(exercise(key).reference)).rstrip() + "\n"


def stub_source(key: str | Exercise) -> str:
    """The code that a reader starts from."""
    found = exercise(key)
    if found.stub is None:
        return _bare(solution_source(found))
    text = textwrap.dedent(inspect.getsource(found.stub)).rstrip() + "\n"
    return re.sub(rf"\b{found.stub.__name__}\b", found.name, text)


def _bare(text: str) -> str:
    """Signature and docstring, with the body still to be written."""
    function = ast.parse(text).body[0]
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("stub: an exercise about a class needs a stub of its own")
    lines = text.splitlines()
    documented = ast.get_docstring(function) is not None
    first = function.body[0]
    end = (first.end_lineno or first.lineno) if documented else first.lineno - 1
    return "\n".join([*lines[:end], "    raise NotImplementedError", ""])
