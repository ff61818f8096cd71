"""Texts in which pieces recur: what is called known is known."""

import pytest
import torch

from attnkit.data.repeats import LETTERS, decode, encode, fold, repeats, successors


@pytest.mark.parametrize("pieces,sizes", [((3, 5), (2, 4)), ((1, 1), (9, 9))])
def test_where_a_letter_is_known_the_text_shows_it(pieces, sizes):
    texts = repeats(40, 30, seed=3, pieces=pieces, sizes=sizes)
    assert 0.3 < texts.known.float().mean() < 0.8
    for b, i in texts.known.nonzero().tolist():
        letters = texts.ids[b].tolist()
        followed = [letters[j + 1] for j in range(i) if letters[j] == letters[i]]
        assert followed and followed[-1] == texts.target[b, i]
        assert letters[texts.source[b, i]] == texts.target[b, i]
    assert torch.equal(texts.target[:, :-1], texts.ids[:, 1:])


def test_a_letter_that_could_go_on_otherwise_is_not_called_known():
    texts = repeats(200, 40, seed=1, pieces=(3, 3), sizes=(3, 3))
    for ids, known in zip(texts.ids, texts.known, strict=True):
        ends = {int(ids[2]), *(int(x) for x in ids[5::3])}  # pieces of three letters
        assert not any(int(x) in ends for x in ids[known])


def test_no_piece_follows_itself():
    ids = repeats(50, 30, seed=2, pieces=(3, 3), sizes=(3, 3)).ids
    starts = ids[:, ::3]
    assert (starts[:, 1:] != starts[:, :-1]).all()


def test_the_same_seed_gives_the_same_texts():
    one, two, other = (repeats(5, 20, seed) for seed in (1, 1, 2))
    assert torch.equal(one.ids, two.ids) and not torch.equal(one.ids, other.ids)


def test_successors_point_behind_the_last_copy():
    ids = encode("abcabxab")
    wanted = [[-1, -1, -1, 1, 2, -1, 4, 5]]
    assert successors(ids).tolist() == wanted
    assert successors(encode("aa")).tolist() == [[-1, 1]]


def test_batches_and_guess():
    texts = repeats(10, 20)
    parts = texts.batches(4)
    assert len(parts) == 2 and torch.equal(parts[1].ids, texts.ids[4:8])
    assert 1 / 15 < texts.guess() < 1 / 4
    assert [len(part.ids) for part in texts.batches(10)] == [10]
    with pytest.raises(ValueError, match="size: expected at most 10 texts, got 11"):
        texts.batches(11)


def test_own_text_is_folded_to_letters():
    assert fold("Ça va, Ünal 3?") == "cavaunal"
    assert decode(encode("Hello, hello!")[0]) == "hellohello"
    assert encode("az").tolist() == [[0, len(LETTERS) - 1]]


@pytest.mark.parametrize("text", ["", "123 !?", "注意力"])
def test_a_text_without_a_letter_is_refused(text):
    with pytest.raises(ValueError, match="text: expected a letter"):
        encode(text)


@pytest.mark.parametrize(
    "change,words",
    [
        ({"count": 0}, "count"),
        ({"length": 0}, "length"),
        ({"pieces": (3, 2)}, "pieces"),
        ({"sizes": (0, 2)}, "sizes"),
        ({"pieces": (3, 9), "sizes": (2, 3)}, "share 26 letters"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        repeats(**{"count": 2, **change})
