"""What a call costs: seconds of the processor, and bytes that are held at once.

from attnkit.costs import fastest, peak_bytes

fastest({"exact": exact, "linear": linear})  # CPU seconds of each
peak_bytes(exact)
"""

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnkit.checks import check_positive

Call = Callable[[], Any]


def peak_bytes(call: Call) -> int:
    """The most bytes of tensors made by a call that are alive at the same time.

    Each operation of PyTorch reports what it makes, or by how much it lets a tensor
    grow; a tensor counts until it is freed.
    What was there before does not count, nor does the scratch space that one operation
    takes and gives back itself. The number is the same in every run.

    Args:
        call: takes nothing.

    Returns:
        Bytes.
    """
    with _Held() as held:
        call()
    return held.peak


class _Held(TorchDispatchMode):
    """Adds up the storages that operations make, and takes off those that are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, tuple[int, int]] = {}  # bytes before, bytes counted

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        old = {s._cdata: s.nbytes() for s in _storages((args, kwargs))}
        if op is torch.ops.aten.lift_fresh.default:
            old = {}  # `torch.tensor` hands over what it has just made
        result = op(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._count(storage, old.get(storage._cdata, 0))
        self.peak = max(self.peak, self.now)
        return result

    def _count(self, storage: torch.UntypedStorage, before: int) -> None:
        """Add a storage that is new, or by how much an operation has made it grow."""
        name = storage._cdata
        if name not in self.known:
            if storage.nbytes() <= before:
                return
            self.known[name] = before, 0
            weakref.finalize(storage, self._freed, name)
        before, counted = self.known[name]
        held = max(storage.nbytes() - before, 0)
        self.known[name] = before, held
        self.now += held - counted

    def _freed(self, name: int) -> None:
        self.now -= self.known.pop(name)[1]


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [x.untyped_storage() for x in tree_leaves(values) if isinstance(x, Tensor)]


def fastest(
    calls: Mapping[str, Call], *, rounds: int = 5, least: float = 0.002
) -> dict[str, float]:
    """CPU seconds of each call: the least of several rounds, in which they take turns.

    The processor's time counts, not the clock's; whatever else runs on the machine can
    only make a round longer, so the shortest is the truest.

    Args:
        calls: name → call that takes nothing.
        rounds: each call comes once a round.
        least: seconds that one measurement lasts; short calls are repeated.

    Returns:
        name → seconds of one call.

    Raises:
        ValueError: no round.
    """
    check_positive("rounds", rounds)
    for call in calls.values():
        call()  # the first time is never typical
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            spent[name].append(_seconds(call, least))
    return {name: min(times) for name, times in spent.items()}


def _seconds(call: Call, least: float) -> float:
    count, start, spent = 0, time.process_time(), 0.0
    while not count or spent < least:
        call()
        count, spent = count + 1, time.process_time() - start
    return spent / count
