"""The learning rate of a run, and how it goes on after an interruption.

A schedule of one's own may remember something. Attributes that a checkpoint can hold
come back from it; else the schedule is asked for all earlier steps once more, which
brings it where it was, and what it says is compared with the rates of the run.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

Schedule = str | Callable[[int], float]
PLAIN = (bool, int, float, str, type(None), Tensor)  # what `load_checked` reads again


def make_schedule(
    optimizer: Optimizer, schedule: Schedule, lr: float, steps: int
) -> LRScheduler | None:
    """The scheduler of a run; None for a constant rate."""
    if callable(schedule):
        return _Own(optimizer, schedule)
    if schedule == "constant":
        return None
    # 0.2 of 5 rates ends where it begins: torch divides by that length
    start = 0.25 if steps == 4 else 0.2
    return OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=start)


class _Own(LambdaLR):
    """A schedule of the caller's."""

    def state_dict(self) -> dict[str, Any]:
        """As PyTorch's, which keeps attributes of any kind, and breaks on some."""
        known = ("optimizer", "lr_lambdas")
        rest = {name: value for name, value in vars(self).items() if name not in known}
        return rest | {"lr_lambdas": [_attributes(own) for own in self.lr_lambdas]}

    def ask_again(self, rates: Sequence[float]) -> None:
        """Ask for the steps of a run, whose rates these were; step 0 was asked for."""
        given = self.get_last_lr()
        for step, rate in enumerate(rates):
            if step:
                pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
                given = [base * own(step) for base, own in pairs]
            if not math.isclose(given[0], rate, rel_tol=1e-9):
                raise ValueError(
                    f"schedule: expected the rates of the run in the checkpoint, "
                    f"{rate} at step {step}, got {given[0]}; a schedule that remembers "
                    "must begin anew to be resumed, or keep all it remembers in "
                    "attributes that are numbers, texts, lists, dicts or tensors"
                )


def take_up(
    schedule: LRScheduler | None, saved: dict[str, Any] | None, rates: list[float]
) -> None:
    """Put a new schedule where the saved one was, after steps with these rates.

    Raises:
        ValueError: it is not the schedule of that run, or cannot be taken up.
    """
    if schedule is None:
        return
    if isinstance(schedule, _Own) and None in saved["lr_lambdas"]:
        schedule.ask_again([*rates, saved["_last_lr"][0]])
    schedule.load_state_dict(saved)


def _attributes(schedule: Any) -> dict[str, Any] | None:
    """What a schedule has noted about itself; None where that is nothing, or more than
    a checkpoint holds."""
    noted = getattr(schedule, "__dict__", None)
    return dict(noted) if noted and _plain(noted) else None


def _plain(value: Any) -> bool:
    if type(value) is dict:
        return all(map(_plain, [*value, *value.values()]))
    if type(value) in (list, tuple):
        return all(map(_plain, value))
    return type(value) in PLAIN
