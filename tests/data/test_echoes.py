"""Streams in which what can be foretold is known."""

import pytest
import torch

from attnkit.data.echoes import echoes


def test_known_symbols_stand_one_period_earlier() -> None:
    ids, known = echoes(40, 3, period=5, repeats=3, blocks=4)
    assert ids.shape == known.shape == (40, 60)
    rows, places = known.nonzero(as_tuple=True)
    assert torch.equal(ids[rows, places], ids[rows, places - 5])
    assert known.float().mean() == pytest.approx(2 / 3)


def test_what_is_not_known_is_random() -> None:
    ids, known = echoes(2000, period=4, repeats=2, blocks=2, size=6)
    fresh = ids[~known]
    shares = torch.bincount(fresh, minlength=6) / len(fresh)
    assert (shares - 1 / 6).abs().max() < 0.02
    again = (ids[:, 8:12] == ids[:, :4]).float().mean()  # another block
    assert abs(again - 1 / 6) < 0.02


def test_same_seed_same_streams() -> None:
    assert torch.equal(echoes(3, 2).ids, echoes(3, 2).ids)
    assert not torch.equal(echoes(3, 2).ids, echoes(3, 5).ids)
    assert torch.equal(echoes(1, repeats=1).known, torch.zeros(1, 24).bool())


@pytest.mark.parametrize("name", ("n", "period", "repeats", "blocks", "size"))
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected a value above 0"):
        echoes(**{"n": 2} | {name: 0})
