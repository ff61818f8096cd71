"""Schedules of one's own: taken up exactly after an interruption, or refused."""

import collections
import functools
from collections.abc import Callable

import pytest
import torch

from attnkit.train import History
from tests.training import breaking, network, run, same, weights


class Falling:
    """Remembers how often it was asked; as an object, and by its method."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 1 / self.calls

    def rate(self, step: int) -> float:
        return self(step)


class Listed(Falling):
    """With attributes that a checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.scale = {"steps": [0, (1, None)]}, torch.tensor(1.0)

    def __call__(self, step: int) -> float:
        self.seen["steps"].append(step)
        return super().__call__(step) * self.scale.item()


class Queue(Falling):
    """With attributes that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.change = collections.deque([1.0], maxlen=2), lambda x: x

    def __call__(self, step: int) -> float:
        self.last.append(self.change(super().__call__(step)))
        return sum(self.last) / len(self.last)


class Slots:
    """Without a place for attributes of all kinds."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 1 / self.calls


def closure() -> Callable[[int], float]:
    calls = [0]

    def falling(step: int) -> float:
        calls[0] += 1
        return 1 / calls[0]

    return falling


HELD = {"object": Falling, "object with lists": Listed}
OTHERS = {
    "closure": closure,
    "method": lambda: Falling().rate,
    "partial": lambda: functools.partial(closure()),
    "object with a queue": Queue,
    "object with slots": Slots,
}
FUNCTIONS = {"function": lambda: lambda step: 0.9**step}


def interrupted(path, before, after, at: int = 12) -> tuple[History, list]:
    """A run with one schedule, and the rest of it with another."""
    options = {"checkpoint": path, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        run(network(), breaking(at), schedule=before, **options)
    model = network()
    return run(model, schedule=after, **options), weights(model)


@pytest.mark.parametrize("name", HELD | OTHERS | FUNCTIONS)
def test_a_schedule_made_anew_goes_on_where_it_was(tmp_path, name):
    make, whole = (HELD | OTHERS | FUNCTIONS)[name], network()
    expected = run(whole, schedule=make())
    assert len(set(expected.rates)) == 30
    history, ended = interrupted(tmp_path / "run.pt", make(), make())
    assert history.rates == expected.rates and history.losses == expected.losses
    assert same(ended, weights(whole))


@pytest.mark.parametrize("name", HELD | FUNCTIONS)
def test_what_a_checkpoint_holds_may_have_gone_further(tmp_path, name):
    make = (HELD | FUNCTIONS)[name]
    expected, schedule = run(network(), schedule=make()), make()
    history, _ = interrupted(tmp_path / "run.pt", schedule, schedule)
    assert history.rates == expected.rates


@pytest.mark.parametrize("name", OTHERS)
def test_one_that_went_further_is_refused_where_nothing_tells(tmp_path, name):
    schedule = OTHERS[name]()
    words = "schedule: expected the rates of the run .*0.01 at step 0, got .*begin anew"
    with pytest.raises(ValueError, match=words):
        interrupted(tmp_path / "run.pt", schedule, schedule)


def test_the_schedule_of_another_run_is_refused(tmp_path):
    words = "schedule: expected the rates of the run .*0.009.* at step 1, got 0.008"
    with pytest.raises(ValueError, match=words):
        interrupted(tmp_path / "run.pt", lambda s: 0.9**s, lambda s: 0.8**s)


def test_a_finished_run_takes_its_schedule_as_it_is(tmp_path):
    path = tmp_path / "run.pt"
    rates = run(network(), schedule=closure(), checkpoint=path).rates
    again = run(network(), schedule=closure(), checkpoint=path, resume=True)
    assert again.rates == rates


def test_a_scheduler_of_pytorch_is_no_function_of_the_step():
    adam = torch.optim.Adam(network().parameters())
    constant = torch.optim.lr_scheduler.ConstantLR(adam)
    with pytest.raises(ValueError, match=r"schedule: expected one of .* or a function"):
        run(network(), schedule=constant)
