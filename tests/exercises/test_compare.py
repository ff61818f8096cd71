"""What a check sees in an answer, and the words that it finds."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attnkit import exercises as kit
from attnkit.exercises import engine
from tests.exercises.example_softmax import EXERCISES, make, one_tensor

SOFTMAX = EXERCISES[0]


@pytest.fixture(autouse=True)
def fresh() -> None:
    engine.forget()


def test_a_changed_input_is_caught() -> None:
    def careless(x: Tensor) -> Tensor:
        result = x.clone() + 1
        x.zero_()
        return result

    result = kit.check(make(lambda x: x + 1, one_tensor), careless)
    assert result.state == "fail" and "`x` was changed" in result.message


def test_a_gradient_switched_off_in_place_is_caught() -> None:
    def cases(generator):
        yield (torch.randn(2, generator=generator, requires_grad=True),)

    exercise = make(lambda x: x.detach() * 2, cases)
    assert kit.check(exercise, lambda x: x.detach() * 2)
    result = kit.check(exercise, lambda x: x.detach_() * 2)
    assert "`x` was changed in place" in result.message


def test_a_list_changed_in_place_is_caught() -> None:
    exercise = make(lambda words: sorted(words), lambda g: [(["b", "a"],)])

    def careless(words):
        words.sort()
        return words

    assert "`words` was changed" in kit.check(exercise, careless).message
    assert kit.check(exercise, lambda words: tuple(sorted(words)))


def test_nan_is_named() -> None:
    def reference(x):
        return x.abs().sqrt()

    result = kit.check(make(reference, one_tensor), lambda x: x.sqrt())
    assert result.state == "fail" and "NaN" in result.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x.tolist(), "got a list"),
        (lambda x: x.T + 1, "shape (3, 2), expected (2, 3)"),
        (lambda x: (x + 1).long(), "dtype torch.int64"),
        (lambda x: x + 1.5, "6 of 6 differ"),
        (lambda x: nn.Linear(2, 2), "got a module"),
    ],
)
def test_a_wrong_tensor_in_words(answer, words) -> None:
    assert words in kit.check(make(lambda x: x + 1, one_tensor), answer).message


def test_float64_and_another_order_of_operations_pass() -> None:
    exercise = make(lambda x: x.mean(-1), one_tensor)
    assert kit.check(exercise, lambda x: x.double().sum(-1) / 3)


@pytest.mark.parametrize(
    ("want", "right", "wrong", "words"),
    [
        (0.5, torch.tensor(0.5), 0.4, "value 0.4, expected 0.5"),
        (3, 3, 4, "value 4, expected 3"),
        (3, np.int64(3), "3", "got a text"),
        ("word", "word", "wird", "expected 'word', got 'wird'"),
        (True, torch.tensor(True), 1, "expected True or False, got a number"),
        ([1, 2.0], (1, 2), [1, 2, 3], "3 items, expected 2"),
        ((1, "a"), [1, "a"], (1, "b"), "item 1: expected 'a'"),
        ({"a": 1}, {"a": 1}, {"b": 1}, "keys ['b'], expected ['a']"),
        ({1, 2}, {2, 1}, [1, 2], "got a list"),
    ],
)
def test_answers_that_are_values(want, right, wrong, words) -> None:
    exercise = make(lambda: want, lambda generator: [()])
    assert kit.check(exercise, right).state == "pass"
    engine.forget()
    result = kit.check(exercise, wrong)
    assert result.state == "fail" and words in result.message
    assert kit.use(exercise, wrong) == want


def test_a_number_that_prints_alike_is_told_apart() -> None:
    exercise = make(lambda: 1.0, lambda generator: [()], tolerance=1e-9)
    assert "1.000001" in kit.check(exercise, 1.000001).message


def test_a_factory_of_modules() -> None:
    class Scorer(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(width, 4), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).tanh())

    class Straight(Scorer):
        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x))

    class Unwritten(Scorer):
        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError

    class Narrow(Scorer):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            self.first, self.second = nn.Linear(width, 2), nn.Linear(2, 1)

    exercise = make(
        Scorer,
        lambda generator: [(3,), (5,)],
        probe=lambda module, width: module(torch.linspace(-1, 1, width)),
        mistakes=[(Straight, "there is no tanh")],
    )
    assert kit.check(exercise, Scorer).state == "pass"
    assert kit.check(exercise, Straight).message == "there is no tanh"
    assert kit.check(exercise, Unwritten).state == "todo"
    assert "first.bias (2,)" in kit.check(exercise, Narrow).message


def test_a_reference_that_refuses() -> None:
    def reference(x: int) -> int:
        if x < 0:
            raise ValueError("x: expected 0 or more")
        return x

    def impolite(x: int) -> int:
        assert x >= 0
        return x

    exercise = make(reference, lambda generator: [(1,), (-1,)])
    assert kit.check(exercise, reference)
    assert "to raise ValueError" in kit.check(exercise, lambda x: x).message
    assert "expected ValueError" in kit.check(exercise, impolite).message


def test_the_mistake_that_fits_every_case_names_itself() -> None:
    cases = [(2,), (3,)]
    exercise = make(
        lambda x: x**3,
        lambda generator: cases,
        mistakes=[(lambda x: x + 2, "plus"), (lambda x: 2 * x, "times")],
    )
    assert kit.check(exercise, lambda x: x * 2).message == "times"


def test_a_mistake_that_fits_by_chance_is_not_named() -> None:
    """x + 2 and 2x are the same at 2; elsewhere they are not."""
    exercise = make(
        lambda x: x**3,
        lambda generator: [(2,), (3,), (4,), (5,)],
        mistakes=[(lambda x: 2 * x, "times"), (lambda x: 2 * x + x // 5, "most")],
    )
    assert "value 4, expected 8" in kit.check(exercise, lambda x: x + 2).message
    assert kit.check(exercise, lambda x: 2 * x + x // 4).message == "most"


def test_random_answers_meet_the_same_draws() -> None:
    def dropped(x):
        return torch.nn.functional.dropout(x, 0.5)

    exercise = make(dropped, one_tensor)
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    assert kit.check(exercise, lambda x: nn.Dropout(0.5)(x))
    assert torch.equal(state[0], torch.get_rng_state())
    assert state[1] == random.getstate()
    assert (state[2] == np.random.get_state()[1]).all()


def test_randomness_is_restored_after_a_crash() -> None:
    def crash(scores):
        torch.rand(3)
        random.random()
        raise ValueError("no")

    state = torch.get_rng_state(), random.getstate()
    kit.check(SOFTMAX, crash)
    assert torch.equal(state[0], torch.get_rng_state())
    assert state[1] == random.getstate()


def test_a_complex_answer_is_not_judged_by_its_real_part() -> None:
    exercise = make(lambda x: x + 1, one_tensor)
    result = kit.check(exercise, lambda x: torch.complex(x + 1, x))
    assert result.state == "fail" and "dtype torch.complex64" in result.message
    exercise = make(lambda x: torch.fft.fft(x), one_tensor)
    assert kit.check(exercise, lambda x: torch.fft.fft(x.double()))
    result = kit.check(exercise, lambda x: torch.fft.fft(x).conj())
    assert result.state == "fail" and "j" in result.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: (x + 1).to_sparse(), "of layout torch.sparse_coo"),
        (lambda x: (x + 1).to("meta"), "without values"),
    ],
)
def test_tensors_that_hold_no_plain_numbers(answer, words) -> None:
    usual = [(lambda x: x, "one is missing")]
    result = kit.check(make(lambda x: x + 1, one_tensor, mistakes=usual), answer)
    assert result.state == "fail" and words in result.message and result.title


def test_an_error_that_cannot_say_what_it_is() -> None:
    class Dumb(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def answer(scores: Tensor) -> Tensor:
        raise Dumb

    result = kit.check(SOFTMAX, answer)
    assert result.state == "error" and result.message.startswith("Dumb")
    assert result.title == SOFTMAX.title


def test_settings_of_torch_end_with_the_answer() -> None:
    def careless(scores: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return scores.softmax(-1)

    try:
        assert kit.check(SOFTMAX, careless)
        assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
