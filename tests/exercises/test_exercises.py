"""Every exercise of every chapter: its check is itself checked."""

import ast
import itertools
from collections.abc import Callable

import pytest
import torch

from attnkit.exercises import engine, solution_source, stub_source
from tests.exercises import example_softmax

ALL = [*example_softmax.EXERCISES, *engine.exercises()]


def state(exercise: engine.Exercise, answer: object) -> str:
    return engine.judge(exercise, answer).state


def value_or_function(exercise: engine.Exercise, function: Callable) -> object:
    """What a reader hands in: the function, or its value where one is asked for."""
    return function if exercise.arguments else function()


def from_source(text: str, exercise: engine.Exercise) -> object:
    """Run a printed source in the names of the file that it comes from."""
    names = dict(exercise.reference.__globals__)
    exec(compile("from __future__ import annotations\n" + text, "cell", "exec"), names)
    return names[exercise.name]


@pytest.fixture(params=ALL, ids=lambda exercise: exercise.key)
def exercise(request: pytest.FixtureRequest) -> engine.Exercise:
    return request.param


def test_the_stub_is_open(exercise: engine.Exercise) -> None:
    stub = from_source(stub_source(exercise), exercise)
    assert state(exercise, stub) == "todo"


def test_the_printed_solution_passes(exercise: engine.Exercise) -> None:
    solution = from_source(solution_source(exercise), exercise)
    result = engine.judge(exercise, value_or_function(exercise, solution))
    assert result.state == "pass", result


def test_two_other_right_answers_pass(exercise: engine.Exercise) -> None:
    assert len(exercise.alternatives) >= 2
    bodies = [body(f) for f in (exercise.reference, *exercise.alternatives)]
    assert len(set(bodies)) == len(bodies), "two right answers are written alike"
    for other in exercise.alternatives:
        result = engine.judge(exercise, value_or_function(exercise, other))
        assert result.state == "pass", (other.__name__, result)


def body(function: Callable) -> bytes:
    code = getattr(function, "__code__", None) or function.__init__.__code__
    return code.co_code + repr((code.co_names, code.co_consts)).encode()


def test_planted_mistakes_fail_each_with_its_own_message(
    exercise: engine.Exercise,
) -> None:
    assert len(exercise.mistakes) >= 4
    messages = [message for _, message in exercise.mistakes]
    assert len(set(messages)) == len(messages)
    for wrong, message in exercise.mistakes:
        result = engine.judge(exercise, value_or_function(exercise, wrong))
        assert result.state in ("fail", "error"), wrong.__name__
        assert result.message == message, wrong.__name__


def test_hints_and_card(exercise: engine.Exercise) -> None:
    assert len(exercise.hints) >= 2
    assert len(set(exercise.hints)) == len(exercise.hints)
    assert exercise.minutes > 0
    texts = [exercise.title, exercise.learn, *exercise.hints]
    assert all(text and text.strip() == text for text in texts)


def test_cases_differ_and_come_out_the_same_each_time(
    exercise: engine.Exercise,
) -> None:
    if exercise.arguments:
        shown = {engine.compare.describe(c, exercise.arguments) for c in exercise.cases}
        assert len(exercise.cases) >= 3 and len(shown) >= 2, (
            "several shapes or settings"
        )
    for case, want in zip(exercise.cases, exercise.wanted, strict=True):
        again = exercise.run(exercise.reference, case)
        assert engine.compare.same(again, want, 0.0)
        assert want.changed is None, "the reference changes its input"


def test_a_check_leaves_randomness_and_inputs_alone(exercise: engine.Exercise) -> None:
    before, copies = torch.get_rng_state(), engine.compare.clone(tuple(exercise.cases))
    engine.judge(exercise, value_or_function(exercise, exercise.reference))
    assert torch.equal(before, torch.get_rng_state())
    now = engine.compare.Outcome(exercise.cases)
    assert engine.compare.same(now, engine.compare.Outcome(list(copies)), 0.0)


def test_numbers_run_without_gaps() -> None:
    def chapter(exercise: engine.Exercise) -> str:
        return exercise.key.rsplit(".", 1)[0]

    for name, group in itertools.groupby(ALL, key=chapter):
        assert [x.number for x in group] == list(range(1, 1 + count(name))), name


def count(prefix: str) -> int:
    return sum(x.key.startswith(prefix + ".") for x in ALL)


def test_a_key_finds_its_exercise() -> None:
    for exercise in engine.exercises():
        assert engine.exercise(exercise.key) is exercise


def test_solutions_fit_a_page(exercise: engine.Exercise) -> None:
    for text in (solution_source(exercise), stub_source(exercise)):
        ast.parse(text)
        assert max(map(len, text.splitlines())) <= 88
