"""Memory grows with the length, not with its square: bytes alive at once, counted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attnkit.attend import attend
from attnkit.costs import fastest, peak_bytes
from attnkit.transformer import (
    LanguageModel,
    LinformerAttention,
    MultiHeadAttention,
    clustered_attention,
    linear_attention,
    nystrom_attention,
    tiled_attention,
    window_attention,
)

WAYS = {
    "fused": attend,
    "tiled": lambda *x: tiled_attention(*x, block=64),
    "tiled, causal": lambda *x: tiled_attention(*x, block=64, causal=True),
    "window": lambda *x: window_attention(*x, 8),
    "window, global": lambda *x: window_attention(*x, 8, global_places=2),
    "window, gaps": lambda *x: window_attention(*x, 8, dilation=4, causal=True),
    "linear": linear_attention,
    "linear, causal": lambda *x: linear_attention(*x, causal=True),
    "landmarks": lambda *x: nystrom_attention(*x, 16),
    "clusters": lambda *x: clustered_attention(*x, 16),
    "projected": LinformerAttention(2048, 16),
}


def growth(call, n: int = 512) -> float:
    """Peak at four times the length over the peak: 4 if linear, near 16 if not."""
    return peak_bytes(lambda: call(4 * n)) / peak_bytes(lambda: call(n))


@pytest.mark.parametrize("name", WAYS)
def test_cheap_ways_hold_linearly_many_bytes_in_both_passes(name: str) -> None:
    def call(n: int) -> None:
        rows = [torch.zeros(2, n, 16, requires_grad=True) for _ in range(3)]
        WAYS[name](*rows).sum().backward()

    assert growth(call) < 4.5


@pytest.mark.parametrize("causal", (False, True))
@pytest.mark.parametrize("groups", (1, 4))
def test_heads_hold_linearly_many_bytes_unless_weights_are_asked_for(
    causal: bool, groups: int
) -> None:
    heads = MultiHeadAttention(32, 4, num_kv_heads=groups)

    def call(n: int, **how: bool) -> None:
        found = heads(torch.zeros(1, n, 32), causal=causal, **how)
        (found[0] if how else found).sum().backward()

    call(8)  # the gradients of the weights are made once
    assert growth(call) < 4.5
    assert growth(lambda n: call(n, need_weights=True)) > 10


@pytest.mark.parametrize("position", ("sinusoidal", "rotary"))
def test_a_language_model_trains_in_linearly_many_bytes(position: str) -> None:
    model = LanguageModel(5, embed_dim=16, num_layers=1, position=position)

    def call(n: int) -> None:
        model(torch.zeros(1, n, dtype=torch.long)).sum().backward()

    call(8)
    assert growth(call) < 4.5


@pytest.mark.parametrize("position", ("sinusoidal", "rotary", "alibi"))
def test_a_model_gives_the_same_with_and_without_its_weights(position: str) -> None:
    torch.manual_seed(1)
    model = LanguageModel(7, embed_dim=16, position=position).double()
    for n in (1, 2, 9):
        ids = torch.randint(7, (2, n))
        explicit, _ = model(ids, need_weights=True)
        torch.testing.assert_close(model(ids), explicit)


def test_a_peak_counts_what_is_alive_at_once_and_frees_the_rest() -> None:
    def call() -> None:
        a = torch.zeros(1000)  # 4,000
        b = a.view(10, 100) + 1  # 8,000; a view is no copy
        del a
        b.add_(1)
        torch.zeros(500)  # 6,000

    assert peak_bytes(call) == 8000
    kept = torch.zeros(1000)
    assert peak_bytes(lambda: kept.mul_(2)) == 0


def test_a_peak_counts_lists_and_what_grows() -> None:
    assert peak_bytes(lambda: torch.tensor([0.0] * 1000)) == 4000
    assert peak_bytes(lambda: torch.empty(0).resize_(1000)) == 4000
    assert peak_bytes(lambda: torch.zeros(1000) + 1) == 8000
    row, there = torch.zeros(1000), torch.zeros(500)
    assert peak_bytes(lambda: torch.add(row, 1, out=torch.empty(0))) == 4000
    assert peak_bytes(lambda: torch.add(row, 1, out=torch.empty(1000))) == 4000
    assert peak_bytes(lambda: there.resize_(800).resize_(600).resize_(1000)) == 2000
    assert peak_bytes(lambda: there.mul_(2)) == 0

    def twice() -> None:
        torch.tensor([0.0] * 1000)
        torch.empty(10).resize_(900)

    assert peak_bytes(twice) == 4000


def test_a_peak_is_the_allocators_but_for_scratch_space() -> None:
    rows = [torch.zeros(2, 1024, 16) for _ in range(3)]

    def allocated(call) -> int:
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True) as run:
            call()
        changes = [
            (event.start_ns(), event.nbytes())
            for event in run.profiler.kineto_results.events()
            if event.name() == "[memory]"
        ]
        sizes = torch.tensor([size for _, size in sorted(changes, key=lambda x: x[0])])
        return int(sizes.cumsum(0).max())

    for way in (linear_attention, lambda *x: attend(*x, need_weights=True)[0]):
        assert peak_bytes(lambda way=way: way(*rows)) == allocated(lambda: way(*rows))  # noqa: B023
    four = [x[None] for x in rows]
    inside = allocated(lambda: F.scaled_dot_product_attention(*four))
    counted = peak_bytes(lambda: F.scaled_dot_product_attention(*four))
    assert counted <= inside < 10 * counted < 2 * 1024**2 * 4


def test_the_longer_call_takes_longer() -> None:
    x = torch.zeros(200, 200)
    calls = {"once": lambda: x @ x, "often": lambda: [x @ x for _ in range(8)]}
    found = fastest(calls, rounds=3)
    assert 3 * found["once"] < found["often"]
    with pytest.raises(ValueError, match="rounds: expected a value above 0, got 0"):
        fastest(calls, rounds=0)
