"""The engine of the exercises: states, diagnosis, words, and what it never does."""

import sys
from types import SimpleNamespace

import pytest
import torch

from attnkit import exercises as kit
from attnkit.exercises import Exercise, desk, engine, record
from tests.exercises.example_softmax import EXERCISES, make, one_tensor, softmax

SOFTMAX = EXERCISES[0]


@pytest.fixture(autouse=True)
def fresh() -> None:
    engine.forget()
    desk._shown.clear()


# ---------------------------------------------------------------------- states


@pytest.mark.parametrize("answer", [None, ..., lambda scores: ...])
def test_nothing_written_is_todo(answer) -> None:
    assert kit.check(SOFTMAX, answer).state == "todo"


def test_a_forgotten_return_is_named() -> None:
    def forgot(scores):
        scores.exp()

    result = kit.check(SOFTMAX, forgot)
    assert result.state == "todo" and "return" in result.message


def test_not_implemented_by_torch_itself_is_an_error() -> None:
    result = kit.check(SOFTMAX, lambda scores: scores.long().softmax(-1))
    assert result.state == "error"


def test_an_exception_is_told_with_its_line() -> None:
    def broken(scores):
        return scores @ scores.missing

    result = kit.check(SOFTMAX, broken)
    assert result.state == "error"
    assert "AttributeError" in result.message
    assert "`return scores @ scores.missing`" in result.message


def test_an_exception_without_words() -> None:
    def silent(scores):
        raise KeyError

    assert kit.check(SOFTMAX, silent).message.startswith("KeyError,")


def test_leaving_python_is_an_error_too() -> None:
    assert kit.check(SOFTMAX, lambda scores: sys.exit(3)).state == "error"


def test_other_arguments_are_told() -> None:
    result = kit.check(SOFTMAX, lambda one, two: one)
    assert result.state == "error" and "`softmax(scores)`" in result.message


@pytest.mark.parametrize("key", ["rnn.nothing_here.1", "idea", 3, None, "a.b.0"])
def test_an_unknown_key_never_raises(key) -> None:
    assert kit.check(key, softmax).state == "error"
    assert "xercise" in repr(kit.hint(key)) and "xercise" in repr(kit.answer(key))
    assert kit.use(key, softmax) is softmax


def test_a_broken_exercise_is_told_and_does_not_raise() -> None:
    def cases(generator):
        raise RuntimeError("no cases today")

    result = kit.check(make(softmax, cases), softmax)
    assert result.state == "error" and "no cases today" in result.message
    assert result.title and result.key in repr(result)


def test_strict_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNKIT_STRICT", "1")
    with pytest.raises(kit.ExerciseError, match="TODO"):
        kit.check(SOFTMAX, None)
    assert kit.check(SOFTMAX, softmax)


def test_the_line_is_stable() -> None:
    def doubled(scores):
        return 2 * scores.softmax(-1)

    first = repr(kit.check(SOFTMAX, doubled))
    engine.forget()
    assert repr(kit.check(SOFTMAX, doubled)) == first
    assert first.startswith("[FAIL] example.softmax.1 From scores to weights: ")
    assert "\n" not in first


# ------------------------------------------------------------------ use and hints


def test_use_gives_mine_when_it_passes(capsys: pytest.CaptureFixture) -> None:
    def mine(scores):
        return scores.softmax(-1)

    assert kit.use(SOFTMAX, mine) is mine
    assert capsys.readouterr().out == ""
    assert kit.use(SOFTMAX, None) is softmax
    assert "using the book's answer" in capsys.readouterr().out


def test_a_right_answer_of_another_kind_stands_in_for_the_reference() -> None:
    exercise = make(lambda x: (x.sum(), 2, x > 0), one_tensor)

    def mine(x):
        return [x.double().sum().item(), torch.tensor(2), x > 0]

    total, two, positive = kit.use(exercise, mine)(torch.ones(2, 3))
    assert total.dtype == torch.float32 and total == 6
    assert two == 2 and type(two) is int and positive.all()
    wide = kit.use(make(lambda x: x + 1, one_tensor), lambda x: x.double() + 1)
    assert torch.allclose(wide(torch.ones(2)), torch.full((2,), 2.0))


def test_a_second_check_is_cheap_and_sees_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged, judge = [], engine.judge
    monkeypatch.setattr(engine, "judge", lambda *x: judged.append(x) or judge(*x))
    space: dict = {"AXIS": -1}
    exec("def helper(x): return (lambda y: y.softmax(AXIS))(x)", space)
    exec("def mine(x): return helper(x)", space)
    assert kit.check(SOFTMAX, space["mine"])
    assert kit.use(SOFTMAX, space["mine"]) is space["mine"] and len(judged) == 1
    space["AXIS"] = 0
    assert kit.check(SOFTMAX, space["mine"]).state == "fail"
    exec("def helper(x): return x.softmax(-1)", space)
    assert kit.check(SOFTMAX, space["mine"]).state == "pass" and len(judged) == 3


def test_hints_go_a_step_further_at_each_call() -> None:
    seen = [kit.hint(SOFTMAX).body for _ in range(4)]
    assert seen == [*SOFTMAX.hints, SOFTMAX.hints[-1]]
    assert kit.hint(SOFTMAX, 1).body == SOFTMAX.hints[0]
    for step in (0, 4, "2"):
        assert "1 to 3" in repr(kit.hint(SOFTMAX, step))


def test_an_answer_shows_the_code_that_the_tests_run() -> None:
    shown = kit.answer(SOFTMAX)
    assert kit.solution_source(SOFTMAX) in repr(shown)
    assert 'class="ak-k"' in shown._repr_html_()
    assert "raise NotImplementedError" in repr(kit.stub(SOFTMAX))


def test_a_stub_of_ones_own_takes_the_right_name() -> None:
    def start_here(x):
        """Call start_here again."""
        raise NotImplementedError

    exercise = make(softmax, one_tensor, stub=start_here)
    assert kit.stub_source(exercise).startswith("def softmax(x):")
    assert "start_here" not in kit.stub_source(exercise)


def test_cards_escape_what_a_learner_wrote() -> None:
    exercise = make(lambda: "a", lambda generator: [()])
    page = kit.check(exercise, "<b>`x`</b>")._repr_html_()
    assert "<b>" not in page.split("attnkit-card")[-1] and "&lt;b&gt;" in page
    assert "Not right yet" in page


@pytest.mark.parametrize("bad", [{"key": "x"}, {"key": "a.b.0"}, {"dots": 6}])
def test_a_badly_written_exercise_is_refused(bad: dict) -> None:
    fields = {"key": "a.b.1", "dots": 1} | bad
    with pytest.raises(ValueError, match=next(iter(bad))):
        Exercise(
            title="",
            minutes=1,
            learn="",
            reference=softmax,
            inputs=one_tensor,
            **fields,
        )


def test_progress_lists_every_exercise(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"example.softmax.1": {"state": "pass", "tries": 3}}
    monkeypatch.setattr(engine, "exercises", lambda prefix="": [SOFTMAX])
    monkeypatch.setattr(record, "load", lambda: known)
    table = kit.progress()
    assert "✓ example.softmax.1" in repr(table) and table.total.startswith("1 of 1")
    page = table._repr_html_()
    assert "<td>3</td>" in page and 'aria-label="2 of 5"' in page


def test_fingerprints_give_up_on_what_they_cannot_see() -> None:
    held = SimpleNamespace(factor=2)

    def closure(x):
        return held.factor * x

    space: dict = {"table": [1, 2]}
    exec("def reads(x): return x * table[0]", space)
    exec("def ping(x): return pong(x)\ndef pong(x): return ping(x)", space)
    for unclear in (closure, space["reads"], space["ping"], print):
        assert engine.fingerprint.of(unclear) is None
    assert engine.fingerprint.of(softmax) is not None
    assert engine.fingerprint.of(1) != engine.fingerprint.of(1.0)


MEMBERS = """
class Mine:
    scale = {scale}
    def __call__(self, x): return x * self.scale
    @staticmethod
    def a(x): return x + {a}
    @property
    def b(self): return {b}
    def c(self, x=({c}, 1)): return x
"""


def test_fingerprints_see_every_member_of_a_class() -> None:
    first = {"scale": 1, "a": 1, "b": 1, "c": 1}
    seen = []
    for change in ({}, *({name: 2} for name in first), {"scale": "[1]"}, {"c": "[1]"}):
        space: dict = {"__name__": "notebook"}
        exec(MEMBERS.format(**first | change), space)
        seen.append(engine.fingerprint.of(space["Mine"]))
    assert seen[-2:] == [None, None], "a list may change unseen"
    assert len(set(seen[:-2])) == 5
