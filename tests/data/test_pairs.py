"""Pairs become batches without losing or inventing anything."""

import numpy as np
import pytest
import torch

from attnkit.data import BOS, EOS, PAD, PairSet, in_test, mixed

PAIRS = mixed(300, 1, lengths=(1, 12))


def test_a_batch_holds_the_pairs():
    batch = PAIRS.tensors()
    first, second = PAIRS.vocabularies
    for i in range(len(PAIRS)):
        assert "".join(first.decode(batch.source[i])) == PAIRS.source[i]
        assert tuple(second.decode(batch.target_out[i])) == PAIRS.target[i]
    assert torch.equal(batch.source_mask.sum(1), torch.tensor(PAIRS.lengths))
    assert torch.equal(batch.source_mask, batch.source != PAD)


def test_targets_in_and_out_are_shifted_by_one():
    batch = PAIRS.tensors()
    assert (batch.target_in[:, 0] == BOS).all()
    ends = batch.target_mask.sum(1) - 1
    assert (batch.target_out.gather(1, ends[:, None]) == EOS).all()
    inner = batch.target_mask[:, 1:]
    assert torch.equal(batch.target_in[:, 1:][inner], batch.target_out[:, :-1][inner])


def test_alignment_of_a_batch_is_that_of_the_pairs():
    alignment = PAIRS.tensors().alignment
    for b, rows in enumerate(PAIRS.alignment):
        found = [tuple(row.nonzero()[:, 0].tolist()) for row in alignment[b]]
        assert found[: len(rows)] == [tuple(sorted(row)) for row in rows]
        assert not any(found[len(rows) :])


def test_one_pass_holds_every_pair_once_in_another_order():
    def seen(seed):
        first = PAIRS.vocabularies[0]
        rows = [row for batch in PAIRS.batches(16, seed=seed) for row in batch.source]
        return ["".join(first.decode(row)) for row in rows]

    assert sorted(seen(1)) == sorted(PAIRS.source)
    assert seen(1) == seen(1) != seen(2)


def test_batches_of_similar_length_are_little_padded():
    batches = list(PAIRS.batches(16, seed=1))
    padded = sum((~batch.source_mask).sum().item() for batch in batches)
    plain = sum((~b.source_mask).sum().item() for b in PAIRS.batches(16, shuffle=False))
    assert padded < plain / 4


def test_split_is_disjoint_complete_and_near_its_share():
    pairs = mixed(3000, 2)
    train, test = pairs.split(0.2)
    assert not set(train.source) & set(test.source)
    assert len(train) + len(test) == 3000 and 500 < len(test) < 700


def test_choosing_pairs():
    assert PAIRS[3].source == [PAIRS.source[3]]
    assert PAIRS[-2:].target == PAIRS.target[-2:]
    assert set(PAIRS.between(4, 5).lengths) == {4, 5}
    assert PAIRS[[1, 0]].alignment == [PAIRS.alignment[1], PAIRS.alignment[0]]
    assert len(PAIRS[[]]) == 0


@pytest.mark.parametrize("number", [np.int64(3), torch.tensor(3), 3 - len(PAIRS)])
def test_a_pair_is_chosen_by_any_whole_number(number):
    assert PAIRS[number].source == PAIRS[[number]].source == [PAIRS.source[3]]


@pytest.mark.parametrize("make", [list, np.array, torch.tensor])
def test_pairs_are_chosen_by_booleans(make):
    short = [n < 4 for n in PAIRS.lengths]
    assert PAIRS[make(short)].source == PAIRS.between(1, 3).source


@pytest.mark.parametrize("chosen", [1.5, [1.5], True, None, "a", [[0]], [True], 999])
def test_what_chooses_no_pairs_is_refused(chosen):
    with pytest.raises(IndexError):
        PAIRS[chosen]


def test_lists_of_words_are_sources_too():
    pairs = PairSet([["ein", "Mann"]], [("a", "man")], [[(0,), (1,)]])
    assert pairs.vocabularies[0].symbols[4:] == ("Mann", "ein")
    assert pairs.tensors().source.tolist() == [[5, 4]]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="equal lengths, got 1, 2, 0"):
        PairSet(["a"], [("b",), ("c",)], [])
    with pytest.raises(ValueError, match="pairs: expected at least one pair"):
        PAIRS[:0].tensors()
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        PAIRS.batches(0)
    with pytest.raises(ValueError, match="pool: expected at least 1, got -1"):
        PAIRS.batches(4, pool=-1)
    for share in (2.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match=f"held_out: expected 0 to 1, got {share}"):
            PAIRS.split(share)
        with pytest.raises(ValueError, match=f"held_out: expected 0 to 1, got {share}"):
            in_test("abc", share)
    for place in (-1, 2):
        pairs = PairSet(["abc", "de"], [("x",)] * 2, [[(2,)], [(place,)]])
        with pytest.raises(ValueError, match=rf"alignment: .*got .*\[\(1, {place}\)\]"):
            pairs.tensors()
