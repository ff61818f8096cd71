"""Exercises with checks that name the likely mistake, hints in steps, and answers.

from attnkit.exercises import answer, check, hint, use

check("rnn.alignment.2", align)      # todo, fail, error or pass; never raises
hint("rnn.alignment.2")              # one step further at each call
answer("rnn.alignment.2")            # the very code that the tests run
align = use("rnn.alignment.2", align)  # yours if it passes, else the book's
progress()                           # what you have solved; reset() forgets it
"""

from attnkit.exercises.desk import answer, hint, progress, reset, stub, use
from attnkit.exercises.engine import (
    Exercise,
    ExerciseError,
    check,
    exercise,
    exercises,
    solution_source,
    stub_source,
)

__all__ = [
    "Exercise",
    "ExerciseError",
    "answer",
    "check",
    "exercise",
    "exercises",
    "hint",
    "progress",
    "reset",
    "solution_source",
    "stub",
    "stub_source",
    "use",
]
