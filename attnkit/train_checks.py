"""Checks of what `attnkit.train.fit` is given, all made before the first step."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.checks import check_positive, check_seed

SCHEDULES = ("one_cycle", "constant")
PRECISIONS = (None, torch.bfloat16, torch.float16)


def check_parts(
    model: nn.Module, batches: Any, loss: Any, optimizer: Any, checkpoint: Any
) -> None:
    """What is trained, on what and by what."""
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(
            "model: expected at least one weight to train, got none that requires a "
            "gradient"
        )
    check_batches(batches, checkpoint)
    _check_function("loss", loss)
    if optimizer is not None:
        _check_function("optimizer", optimizer)


def check_batches(batches: Any, checkpoint: Any) -> None:
    """Batches that can be asked for; with a checkpoint, the same ones once more."""
    wanted = "a list of batches or a function of the pass"
    if not callable(batches) and not isinstance(batches, Iterable):
        raise TypeError(f"batches: expected {wanted}, got {type(batches).__name__}")
    same = callable(batches) or isinstance(batches, Sequence | Tensor)
    if checkpoint is not None and not same:
        raise TypeError(
            f"batches: expected {wanted} with a checkpoint, got "
            f"{type(batches).__name__}, which need not give the same batches again "
            "when the run is resumed"
        )


def check_settings(
    lr: Any, clip: Any, autocast: Any, schedule: Any, seed: Any, stop: Any
) -> None:
    """Numbers and names of a run."""
    check_positive("lr", lr, float)
    if not math.isfinite(lr):
        raise ValueError(f"lr: expected a finite number, got {lr}")
    if clip is not None:
        check_positive("clip", clip, float)
    if autocast not in PRECISIONS:
        raise ValueError(f"autocast: expected one of {PRECISIONS}, got {autocast!r}")
    if not callable(schedule) and schedule not in SCHEDULES:
        wanted = f"one of {SCHEDULES} or a function"
        raise ValueError(f"schedule: expected {wanted}, got {schedule!r}")
    check_seed(seed)
    _check_stop(stop)


def check_resume(resume: bool, checkpoint: str | os.PathLike | None) -> None:
    """A run is resumed from a file."""
    if resume and checkpoint is None:
        raise ValueError("checkpoint: expected a file to resume from, got None")


def _check_stop(stop: Any) -> None:
    if stop is None or callable(stop):
        return
    if isinstance(stop, bool) or not isinstance(stop, Real):
        raise TypeError(
            "stop: expected a number or a function of the model, got "
            f"{type(stop).__name__}"
        )
    if math.isnan(stop):
        raise ValueError("stop: expected a number, got nan, which nothing is below")


def _check_function(name: str, value: Callable[..., Any] | Any) -> None:
    if not callable(value):
        raise TypeError(f"{name}: expected a function, got {type(value).__name__}")
