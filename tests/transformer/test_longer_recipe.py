"""The recipes of memories and orders learn what can be learned, and nothing else."""

import pytest
import torch

from attnkit.data.echoes import Echoes, echoes
from attnkit.transformer import SegmentLanguageModel
from attnkit.transformer.longer_recipe import (
    hits,
    random_orders,
    recall,
    right_by_rank,
    segments,
    train_orders,
    train_segments,
)


def test_segments_cover_the_stream_once() -> None:
    ids = torch.arange(20).view(2, 10)
    parts = segments(ids, 4)
    assert [part[0].shape[1] for part in parts] == [4, 4, 1]
    assert torch.equal(torch.cat([part[0] for part in parts], 1), ids[:, :-1])
    assert torch.equal(torch.cat([part[1] for part in parts], 1), ids[:, 1:])


def test_a_memory_learns_what_lies_beyond_a_segment() -> None:
    torch.manual_seed(1)
    options = {"period": 6, "repeats": 4, "size": 5}
    model = SegmentLanguageModel(
        5, memory_len=8, embed_dim=32, num_layers=1, norm_first=True
    )
    losses = train_segments(
        model, echoes(16, blocks=42, **options), length=4, steps=250, lr=1e-2
    )
    test = echoes(64, 9, blocks=2, **options)
    assert len(losses) == 250 and losses[-1] < losses[0]
    assert recall(model, test, length=4) > 0.9
    assert recall(model, test, length=4, memory_len=0) < 0.4
    assert model.memory_len == 8
    assert hits(model, test, length=4).shape == (64, 47)


def test_streams_that_are_too_short_are_refused() -> None:
    model = SegmentLanguageModel(12)
    with pytest.raises(ValueError, match="at least 161 symbols, got 96"):
        train_segments(model, echoes(2), steps=10)


def test_orders_are_permutations() -> None:
    orders = random_orders(50, 6, torch.Generator().manual_seed(1))
    assert torch.equal(orders.sort(-1)[0], torch.arange(6).expand(50, 6))
    assert len(orders.unique(dim=0)) > 30


def test_any_order_learns_both_directions_and_one_order_one() -> None:
    options = {"period": 2, "repeats": 2, "size": 5}
    train, test = (echoes(n, s, **options).ids for n, s in ((800, 1), (300, 2)))
    forward = torch.arange(4)
    common = {"size": 5, "steps": 250}
    every = train_orders(train, **common)
    single = train_orders(train, order=forward, **common)
    for model in (every, single):
        assert right_by_rank(model, test, forward)[2:].min() > 0.95
    assert right_by_rank(every, test, forward.flip(0))[2:].min() > 0.95
    assert right_by_rank(single, test, forward.flip(0))[2:].min() < 0.7


def test_a_skip_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="skip: expected 0 to 3, got 4"):
        train_orders(torch.zeros(2, 4).long(), size=3, skip=4)


def test_recall_counts_known_symbols_alone() -> None:
    torch.manual_seed(1)
    model = SegmentLanguageModel(3, embed_dim=8, num_heads=2).eval()
    ids = echoes(20, period=9, repeats=1, size=3).ids
    right = hits(model, Echoes(ids, ids > 9), length=2)
    assert 0 < right.float().mean() < 1
    first = torch.zeros(20, 1, dtype=torch.bool)
    for known, share in ((right, 1.0), (~right, 0.0)):
        data = Echoes(ids, torch.cat([first, known], 1))
        assert recall(model, data, length=2) == share


def test_a_memory_below_nothing_is_refused() -> None:
    model = SegmentLanguageModel(12)
    with pytest.raises(ValueError, match="memory_len: expected at least 0, got -3"):
        hits(model, echoes(2), memory_len=-3)
    assert hits(model, echoes(2), memory_len=0).shape[0] == 2


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 1, 3]])
def test_an_order_of_other_places_is_refused(order: list[int]) -> None:
    ids = torch.zeros(2, 4).long()
    with pytest.raises(ValueError, match="order: expected each of 0 to 3 once"):
        train_orders(ids, size=3, order=torch.tensor(order), steps=1)
