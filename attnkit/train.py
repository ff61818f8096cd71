"""One training loop, and the one place for devices, precision and processes.

Several processes are started by PyTorch's own launcher, with no other change:
`torchrun --nproc-per-node 2 recipe.py`. Each takes its share of the batches, the
gradients are averaged, and the first process alone prints and saves.
"""

import contextlib
import math
import os
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from attnkit.checkpoint import (
    check_fits,
    check_writable,
    load_checked,
    random_state,
    save_atomically,
    set_random_state,
)
from attnkit.checks import check_positive
from attnkit.processes import Batches, Processes, Stream, move
from attnkit.progress import progress_bar
from attnkit.train_checks import check_parts, check_resume, check_settings
from attnkit.train_schedule import Schedule, make_schedule, take_up

Loss = Callable[[nn.Module, Any], Tensor]
Stop = float | Callable[[nn.Module], bool]
File = str | os.PathLike | None
PARTS = ("setup", "model", "optimizer", "schedule", "scaler", "history", "random")


@dataclass
class History:
    """What a run did: `losses` and `rates` (learning rates) one number per step,
    `seconds` spent training, `stopped` whether `stop` ended it early."""

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False

    @property
    def steps(self) -> int:
        """Number of steps made."""
        return len(self.losses)


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def fit(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    steps: int,
    lr: float,
    seed: int,
    device: torch.device | str | None = None,
    autocast: torch.dtype | None = None,
    clip: float | None = 1.0,
    schedule: Schedule = "one_cycle",
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    progress: bool = True,
    stop: Stop | None = None,
    every: int = 50,
    checkpoint: File = None,
    resume: bool = False,
) -> History:
    """Train `model` for `steps` steps.

    A run that was interrupted and resumed ends with the very numbers of one that was
    not (same machine, same number of threads and processes).

    Args:
        model: trained in place, and left in training mode.
        batches: a function that gives the batches of pass 0, 1, 2, ... for its number,
            the same ones whenever it is asked, or a list of batches. Without
            `checkpoint` also what can be read once per pass, as a `DataLoader`.
        loss: (model, batch) → the number to minimize, a tensor of one element.
        steps: optimizer steps; with several processes each takes one batch per step.
        lr: peak (one_cycle) or constant learning rate.
        seed: of dropout and of anything random in `loss`. The global generators of
            Python, NumPy and PyTorch are seeded with it, and are not put back.
        device: where to train; None leaves the model where it is. "cuda" under
            torchrun is the process's own device.
        autocast: torch.bfloat16 or torch.float16 for mixed precision. In float16 a
            step whose gradients overflow moves nothing, yet counts.
        clip: largest gradient norm; None does not clip.
        schedule: "one_cycle", "constant", or a function that gives for step 0, 1, ...
            the number that `lr` is multiplied by. One that remembers something can be
            resumed if it is made anew, or if all that it remembers are attributes that
            a checkpoint holds: numbers, texts, tensors, lists and dicts of them.
        optimizer: (parameters, lr=...) → optimizer; Adam if None.
        progress: show a progress bar.
        stop: end early when the mean loss of the last `every` steps is below this
            number, or when this function of the model says so.
        every: steps between two looks at `stop`, and between two checkpoints; no
            mean is below `stop` before so many steps are made.
        checkpoint: file that keeps the state of the run; written beside and then
            put in place, so that a full disk or a crash leaves the old one.
        resume: go on from `checkpoint` if it is there, else begin. A run that `stop`
            had ended goes on unless today's `stop` holds as well.

    Returns:
        `History`.

    Raises:
        ValueError: an argument out of range, a model without a weight to train, no
            batches, a loss that is not finite, a checkpoint of another run or a broken
            one, or a schedule that does not give the rates of the run it resumes.
        TypeError: an argument, or what `loss` returns, is of another type; also with
            `checkpoint` batches that need not be the same when the run is resumed.
        OSError: `checkpoint` cannot be written or read, found out before the first
            step. If it can no longer be written later, the run goes on and warns.
    """
    check_positive("steps", steps)
    check_positive("every", every)
    check_settings(lr, clip, autocast, schedule, seed, stop)
    check_resume(resume, checkpoint)
    check_parts(model, batches, loss, optimizer, checkpoint)
    with Processes() as team:
        if checkpoint is not None and team.rank == 0:
            check_writable(checkpoint)
        seed_everything(seed + team.rank)
        setup = {"steps": steps, "lr": lr, "seed": seed, "schedule": schedule}
        run = _Run(model, setup, team, device, autocast, clip, optimizer)
        if resume and Path(checkpoint).exists():
            run.load(checkpoint)
            if run.history.stopped:
                run.history.stopped = team.agree(_reached(stop, run, every))
        stream = Stream(batches, team)
        stream.skip(run.history.steps)
        with _bar(run, progress) as bar:
            _loop(run, stream, loss, bar, stop, every, checkpoint)
    return run.history


def _bar(run: "_Run", progress: bool) -> tqdm:
    return progress_bar(
        total=run.setup["steps"],
        initial=run.history.steps,
        desc="training",
        disable=not progress or run.team.rank > 0,
    )


def _loop(
    run: "_Run",
    stream: "Stream",
    loss: Loss,
    bar: tqdm,
    stop: Stop | None,
    every: int,
    checkpoint: File,
) -> None:
    """Steps until the end or until `stop`; saves now and then and at the end."""
    history, began = run.history, time.perf_counter() - run.history.seconds
    run.model.train()
    while history.steps < run.setup["steps"] and not history.stopped:
        value = run.step(next(stream), loss)
        bar.update()
        bar.set_postfix(loss=f"{value:.4f}", refresh=False)
        history.seconds = time.perf_counter() - began
        if history.steps % every == 0 and history.steps < run.setup["steps"]:
            history.stopped = run.team.agree(_reached(stop, run, every))
            if not history.stopped:
                _save_or_warn(run, checkpoint)
    _save_or_warn(run, checkpoint)


def _reached(stop: Stop | None, run: "_Run", every: int) -> bool:
    """Whether the target of an early stop is reached (asked in the first process)."""
    if stop is None or run.team.rank > 0:
        return False
    if not callable(stop):
        last = run.history.losses[-every:]
        return len(last) == every and sum(last) / every < stop
    reached = bool(stop(run.model))
    run.model.train()
    return reached


def _save_or_warn(run: "_Run", checkpoint: File) -> None:
    """Save if asked to: a full disk is no reason to lose the run."""
    if checkpoint is None:
        return
    try:
        run.save(checkpoint)
    except OSError as error:
        warnings.warn(f"checkpoint not saved, the old one stays: {error}", stacklevel=4)


class _Run:
    """Model, optimizer, schedule and history: all that a checkpoint holds."""

    def __init__(
        self,
        model: nn.Module,
        setup: dict[str, Any],
        team: Processes,
        device: torch.device | str | None,
        autocast: torch.dtype | None,
        clip: float | None,
        optimizer: Callable[..., torch.optim.Optimizer] | None,
    ) -> None:
        self.model, self.setup, self.team, self.clip = model, setup, team, clip
        self.device, self.history = team.place(device), History()
        if self.device is not None:
            model.to(self.device)
        team.share(model)
        self.weights = [value for value in model.parameters() if value.requires_grad]
        make = optimizer or torch.optim.Adam
        self.optimizer = make(self.weights, lr=setup["lr"])
        rate = setup["schedule"], setup["lr"], setup["steps"]
        self.schedule = make_schedule(self.optimizer, *rate)
        self.kind = self.weights[0].device.type
        self.autocast = autocast
        self.scaler = torch.amp.GradScaler(self.kind, enabled=autocast is torch.float16)

    def step(self, batch: Any, loss: Loss) -> float:
        """One batch: forward, backward, average, clip, move."""
        enabled = self.autocast is not None
        with torch.autocast(self.kind, self.autocast, enabled):
            value = _one_number(loss(self.model, move(batch, self.device)))
        mean = value.detach().float().reshape(1).clone()
        self.team.average([mean])
        if not math.isfinite(mean.item()):
            raise ValueError(
                f"loss: expected a finite number, got {mean.item()} at step "
                f"{self.history.steps}"
            )
        self.optimizer.zero_grad()
        self.scaler.scale(value).backward()
        self._average_gradients()
        self.scaler.unscale_(self.optimizer)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.weights, self.clip)
        self.history.rates.append(self.optimizer.param_groups[0]["lr"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._next_rate()
        self.history.losses.append(mean.item())
        return mean.item()

    def _next_rate(self) -> None:
        if self.schedule is None:
            return
        with contextlib.ExitStack() as quiet:
            if self.scaler.is_enabled():  # it may have left out the optimizer's step
                quiet.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler")
            self.schedule.step()

    def _average_gradients(self) -> None:
        if self.team.size > 1:
            for weight in self.weights:  # a weight unused here may be used elsewhere
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
            self.team.average([weight.grad for weight in self.weights])

    def save(self, path: str | os.PathLike) -> None:
        """Write the checkpoint from the first process, all or nothing."""
        states = self.team.gather(random_state())
        if self.team.rank > 0:
            return
        save_atomically(
            path,
            {
                "setup": self._described(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule and self.schedule.state_dict(),
                "scaler": self.scaler.state_dict(),
                "history": vars(self.history),
                "random": states,
            },
        )

    def load(self, path: str | os.PathLike) -> None:
        """Take up the run of a checkpoint; all of it is checked before any is used."""
        saved = load_checked(path, PARTS)
        if saved["setup"] != self._described():
            raise ValueError(
                f"checkpoint: expected a run of {self._described()}, "
                f"got {saved['setup']}"
            )
        check_fits(self.model, saved["model"])
        take_up(self.schedule, saved["schedule"], saved["history"]["rates"])
        self.history = History(**saved["history"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.model.load_state_dict(saved["model"])
        self.scaler.load_state_dict(saved["scaler"])
        set_random_state(saved["random"][self.team.rank])

    def _described(self) -> dict[str, Any]:
        """What two runs must share for one to go on from the other's checkpoint."""
        schedule = self.setup["schedule"]
        return {
            **self.setup,
            "schedule": schedule if isinstance(schedule, str) else "a function",
            "processes": self.team.size,
            "optimizer": type(self.optimizer).__qualname__,
            "clip": self.clip,
            "autocast": str(self.autocast),
        }


def _one_number(value: Any) -> Tensor:
    """What a loss function returned, if it is what `fit` asks for."""
    if not isinstance(value, Tensor):
        raise TypeError(f"loss: expected a tensor, got {type(value).__name__}")
    if value.numel() != 1:
        raise ValueError(
            f"loss: expected a tensor of one element, got shape {tuple(value.shape)}"
        )
    return value
