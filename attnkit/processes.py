"""One process or several: who does what, and how they agree."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from attnkit.checkpoint import random_state, set_random_state

Batches = Callable[[int], Iterable[Any]] | Iterable[Any]


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads inside, as many as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Processes:
    """The processes of this run: one, or those that torchrun has started."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0)) if self.size > 1 else 0
        self.local = int(os.environ.get("LOCAL_RANK", 0)) if self.size > 1 else 0
        self.mine = self.size > 1 and not dist.is_initialized()

    def __enter__(self) -> "Processes":
        if self.mine:
            dist.init_process_group(
                "nccl"
                if dist.is_nccl_available() and torch.cuda.is_available()
                else "gloo"
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.mine:
            dist.destroy_process_group()

    def place(self, device: torch.device | str | None) -> torch.device | None:
        """The process's own device where only a kind of device is named."""
        device = None if device is None else torch.device(device)
        if device is not None and device.type == "cuda" and device.index is None:
            return torch.device("cuda", self.local)
        return device

    def share(self, model: nn.Module) -> None:
        """Give every process the weights and buffers of the first."""
        if self.size > 1:
            for value in itertools.chain(model.parameters(), model.buffers()):
                dist.broadcast(value.data, 0)

    def average(self, values: list[Tensor]) -> None:
        """Replace values by their mean over the processes, in one message."""
        if self.size == 1:
            return
        flat = torch.cat([value.flatten() for value in values])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([value.numel() for value in values])
        for value, part in zip(values, parts, strict=True):
            value.copy_(part.view_as(value))

    def agree(self, answer: bool) -> bool:
        """The answer of the first process."""
        answers = [answer]
        if self.size > 1:
            dist.broadcast_object_list(answers, 0)
        return answers[0]

    def gather(self, value: Any) -> list[Any]:
        """The value of every process."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values


class Stream:
    """This process's share of the batches, pass after pass."""

    def __init__(self, batches: Batches, team: Processes) -> None:
        self.batches, self.team = batches, team
        self.all = self._endless()

    def _endless(self) -> Iterator[Any]:
        for number in itertools.count():
            count = 0
            one = self.batches(number) if callable(self.batches) else self.batches
            for count, batch in enumerate(one, 1):  # noqa: B007
                yield batch
            if not count:
                raise ValueError(
                    f"batches: expected at least one, got none in {_told(one, number)}"
                )

    def __next__(self) -> Any:
        share = list(itertools.islice(self.all, self.team.size))
        return share[self.team.rank]

    def skip(self, steps: int) -> None:
        """Pass over the batches of earlier steps, without touching the generators."""
        before = random_state()
        for _ in itertools.islice(self.all, steps * self.team.size):
            pass
        set_random_state(before)


def _told(one: Iterable[Any], number: int) -> str:
    """The pass without a batch, and why where it is known."""
    if isinstance(one, Iterator) and number > 0:
        kind = type(one).__name__
        return f"pass {number}: a {kind} may be read once, a list again and again"
    return f"pass {number}"


def move(batch: Any, device: torch.device | None) -> Any:
    """A tensor, or tensors in lists, tuples or dicts, on `device`."""
    if device is None or not isinstance(batch, (Tensor, list, tuple, dict)):
        return batch
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    parts = [move(value, device) for value in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
