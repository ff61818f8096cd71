"""Subwords: nothing is lost, rare words fall into pieces."""

import sys

import pytest

from attnkit.data import UNK
from attnkit.data.subwords import Subwords

pytest.importorskip("tokenizers")

LINES = ["Ein Hund läuft.", "Zwei Hunde laufen!", "a dog, and two dogs run."] * 5


def test_pieces_join_to_the_text_in_lower_case():
    subwords = Subwords(LINES, 60)
    for line in (*LINES, "a lean dog, rund und lau."):
        assert subwords.join(subwords.split(line)) == line.lower()


def test_the_frequent_is_whole_and_the_rare_in_pieces():
    subwords = Subwords(LINES, 60)
    assert subwords.split("Hund") == ["▁hund"]
    pieces = subwords.split("rudel")
    assert len(pieces) > 1 and pieces[0].startswith("▁")
    known = subwords.vocabulary
    assert not known.unknown(subwords.split("Hunde und dogs rudeln"))


def test_a_mark_is_a_piece_by_itself():
    pieces = Subwords(["dog."] * 50, 60).split("dog.")
    assert pieces == ["▁dog", "."]


def test_size_is_the_most_and_pieces_are_the_same_again():
    first, second = Subwords(LINES, 50), Subwords(LINES, 50)
    assert len(first.vocabulary) == 50
    assert first.vocabulary.symbols == second.vocabulary.symbols
    assert len(Subwords(LINES, 10_000).vocabulary) < 200


@pytest.mark.parametrize(
    "size,words", [(1, "at least 4, got 1"), (24, "at least 25 for the .*, got 24")]
)
def test_a_size_without_room_for_the_characters_is_refused(size, words):
    with pytest.raises(ValueError, match=f"size: expected {words}"):
        Subwords(LINES, size)
    assert len(Subwords(LINES, 25).vocabulary) == 25


def test_a_character_never_seen_is_unknown():
    subwords = Subwords(LINES, 60)
    ids = subwords.vocabulary.encode(subwords.split("dog 犬"), warn=False)
    assert UNK in ids and ids[0] > UNK


def test_size_is_checked_and_a_missing_library_is_told(monkeypatch):
    with pytest.raises(ValueError, match="size: "):
        Subwords(LINES, 0)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match="pip install tokenizers"):
        Subwords(LINES, 50)
