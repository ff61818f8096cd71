"""Sequences whose deciding steps are known: the label follows from them alone."""

import pytest
import torch

from attnkit.data.pairs import in_test
from attnkit.data.signals import (
    BAD,
    GOOD,
    NOISE,
    TURNS,
    review,
    review_vocabulary,
    reviews,
    signals,
)


@pytest.mark.parametrize("count", [1, 3])
def test_the_largest_sign_is_the_label_and_its_first_place_is_wanted(count):
    batch = signals(300, 40, seed=2, count=count, where=(0.25, 0.75))
    signs = (batch.tokens - NOISE).masked_fill(batch.tokens < NOISE, -1)
    assert torch.equal(signs.amax(-1), batch.label)
    assert torch.equal(signs.argmax(-1), batch.wanted.float().argmax(-1))
    assert (batch.wanted.sum(-1) == 1).all()
    assert ((signs >= 0).sum(-1) == count).all()
    places = (signs >= 0).nonzero()[:, 1]
    assert places.min() >= 10 and places.max() < 30
    assert batch.mask.all()


def test_same_seed_same_signals_and_every_class_is_there():
    one, two = signals(500, seed=3), signals(500, seed=3)
    assert torch.equal(one.tokens, two.tokens)
    assert not torch.equal(one.tokens, signals(500, seed=4).tokens)
    assert one.label.unique().tolist() == list(range(10))


def test_a_fixed_place_is_always_the_same_step():
    batch = signals(50, 50, where=(0.4, 0.4))
    assert (batch.wanted.nonzero()[:, 1] == 20).all()
    last = signals(5, 50, where=(1.0, 1.0))
    assert (last.wanted.nonzero()[:, 1] == 49).all()


def test_batches_hold_each_sequence_once():
    batch = signals(100, 8)
    got = batch.batches(32, seed=5)
    assert [len(b.label) for b in got] == [32, 32, 32]
    rows = torch.cat([b.tokens for b in got]).tolist()
    assert len({tuple(row) for row in rows}) == 96
    same = batch.batches(32, seed=5)
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(got, same, strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n: expected a value above 0"),
        ({"steps": 0}, "steps: expected a value above 0"),
        ({"classes": 0}, "classes"),
        ({"where": (0.6, 0.4)}, "where: expected 0 <= from"),
        ({"where": (0.5, 0.5), "count": 2}, "where: expected room for 2 signs"),
    ],
)
def test_bad_sizes_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        signals(**({"n": 3, "steps": 20} | options))


@pytest.mark.parametrize(
    "make", [lambda seed: signals(3, 20, seed=seed), lambda seed: reviews(3, seed)]
)
def test_a_seed_that_is_no_whole_number_is_named(make):
    for seed in (None, 1.5):
        with pytest.raises(TypeError, match="seed: expected type int, got "):
            make(seed)


def test_a_batch_cannot_be_larger_than_the_set():
    with pytest.raises(ValueError, match="size: expected at most 5"):
        signals(5, 8).batches(6, seed=1)


# ---------------------------------------------------------------------- reviews


def opinion(words):
    """The rule again, written another way: read the clause that counts."""
    words = list(words)
    text = " ".join(words)
    if "but" in words:
        text = text.split(" but ")[1]
    elif "although" in words:
        text = text.split(" although ")[0]
    votes = set()
    for clause in text.replace(" .", " and").split(" and "):
        said = [word for word in clause.split() if word in GOOD + BAD]
        if said:
            votes.add((said[0] in GOOD) != ("not" in clause.split()))
    assert len(votes) == 1
    return int(votes.pop())


def test_labels_follow_the_rule_and_both_are_as_likely():
    made = reviews(600, 2)
    assert [opinion(item.words) for item in made.items] == [x.label for x in made.items]
    share = sum(item.label for item in made.items) / len(made)
    assert 0.4 < share < 0.6
    turns = [item.words[item.turn] for item in made.items if item.turn is not None]
    assert {*turns} == {*TURNS} and 0.5 < len(turns) / len(made) < 0.8


def test_wanted_words_are_the_turn_the_adjective_and_its_not():
    for item in reviews(300, 3).items:
        said = [item.words[i] for i in item.wanted]
        assert all(word in (*TURNS, "not", *GOOD, *BAD) for word in said)
        assert sum(word in GOOD + BAD for word in said) >= 1
        assert (item.turn is None) == (not set(said) & {*TURNS})


def test_one_word_turns_the_meaning():
    clauses = "the plot was dull", "the music was great"
    but = review(clauses[1], "but", clauses[0])
    although = review(clauses[0], "although", clauses[1])
    assert " ".join(but.words) == "the plot was dull but the music was great"
    changed = [i for i in range(9) if but.words[i] != although.words[i]]
    assert changed == [4] and (but.label, although.label) == (1, 0)
    assert (but.wanted, although.wanted) == ((4, 8), (3, 4))
    assert review("the film was not bad").label == 1
    assert review("the film was not very good").wanted == (3, 5)


def test_sides_of_the_split_share_no_text():
    train, test = (reviews(200, 1, split=side) for side in ("train", "test"))
    assert not any(in_test(item.words) for item in train.items)
    assert all(in_test(item.words) for item in test.items)


def test_tensors_hold_every_word_and_its_truth():
    made = reviews(50, 4)
    batch = made.tensors()
    known = review_vocabulary()
    for i, item in enumerate(made.items):
        size = len(item.words)
        assert known.decode(batch.tokens[i].tolist()) == list(item.words)
        assert batch.mask[i].sum() == size and batch.mask[i, :size].all()
        assert batch.wanted[i].nonzero()[:, 0].tolist() == sorted(item.wanted)
        assert not made.vocabulary.unknown(item.words)


def test_bad_reviews_are_named():
    with pytest.raises(ValueError, match="n: expected at least 0"):
        reviews(-1)
    with pytest.raises(ValueError, match="split"):
        reviews(3, split="dev")
    with pytest.raises(ValueError, match="turn: expected but"):
        review("the film was bad", "however", "the plot was good")
    with pytest.raises(ValueError, match="other: expected one"):
        review("the film was bad", "but")
    with pytest.raises(ValueError, match="one adjective"):
        review("it rained all day")
    with pytest.raises(ValueError, match="at least one review"):
        reviews(0).tensors()
