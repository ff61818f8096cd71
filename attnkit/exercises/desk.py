"""The reader's side of the exercises: use, hint, answer, stub, progress, reset."""

from __future__ import annotations

import functools
from typing import Any

from attnkit.exercises import compare, engine, record
from attnkit.exercises.display import Note, Row, Table
from attnkit.lesson import Source

_shown: dict[str, int] = {}


def use(key: str | engine.Exercise, answer: Any = None) -> Any:
    """The reader's answer if it passes, else the book's, so that later cells run.

    Where the answer is a value, the value that is right is returned. An answer with
    results of another precision, or with numbers for tensors, passes as well; its
    results are then turned into what the book's answer gives.
    """
    try:
        found = engine.exercise(key)
    except ValueError as error:
        print(f"note: {error}")
        return answer
    result = engine.check(found, answer)
    if not result:
        print(f"note: exercise {found.key} is not solved yet; using the book's answer.")
        return found.reference if found.arguments else found.reference()
    plain = result.fits or not found.arguments or isinstance(answer, type)
    return answer if plain else _fitted(found, answer)


def _fitted(found: engine.Exercise, answer: Any) -> Any:
    """The answer, with results of the types that the reference gives."""
    like = next(x.value for x in found.wanted if x.value is not None)

    @functools.wraps(answer)
    def fits(*args: Any, **kwargs: Any) -> Any:
        return compare.fitted(answer(*args, **kwargs), like)

    return fits


def hint(key: str | engine.Exercise, step: int | None = None) -> Note:
    """The next hint, or the hint of a given step (from 1)."""
    found = _found(key)
    if isinstance(found, Note):
        return found
    count = len(found.hints)
    place = min(_shown.get(found.key, 0) + 1, count) if step is None else step
    if not isinstance(place, int) or not 1 <= place <= count:
        return Note("No such hint", f"step is 1 to {count}, got {step!r}")
    _shown[found.key] = max(place, _shown.get(found.key, 0))
    last = f'That was the last one; `answer("{found.key}")` shows the answer.'
    more = last if place == count else "Call again for the next."
    return Note(f"Hint {place} of {count}", found.hints[place - 1], more)


def answer(key: str | engine.Exercise) -> Source | Note:
    """The book's answer, the very code that the tests run."""
    found = _found(key)
    if isinstance(found, Note):
        return found
    return Source(engine.solution_source(found), f"{found.key} · {found.title}: answer")


def stub(key: str | engine.Exercise) -> Source | Note:
    """What the exercise starts from, to copy when a cell is lost."""
    found = _found(key)
    if isinstance(found, Note):
        return found
    return Source(engine.stub_source(found), f"{found.key} · {found.title}")


def progress(prefix: str = "") -> Table:
    """What has been solved: of everything, or of ``"rnn"`` or ``"rnn.alignment"``."""
    known = record.load()
    blank = {"state": "todo", "tries": 0}
    rows = [
        Row(x.key, x.title, e["state"], e["tries"], x.dots, x.minutes)
        for x in engine.exercises(prefix)
        for e in [known.get(x.key, blank)]
    ]
    return Table(rows, record.where())


def reset(prefix: str = "") -> Note:
    """Forget progress: of everything, or of one part, chapter or exercise."""
    count = record.forget(prefix)
    _shown.clear()
    engine.forget()
    return Note("Forgotten", f"{count} exercise{'s' * (count != 1)}")


def _found(key: str | engine.Exercise) -> engine.Exercise | Note:
    try:
        return engine.exercise(key)
    except ValueError as error:
        return Note("No such exercise", str(error))
