"""Symbols to numbers and back; what is unknown is reported, not fatal."""

import pytest

from attnkit.data import BOS, EOS, PAD, UNK, Vocabulary

LETTERS = Vocabulary("abcab")


def test_decode_undoes_encode():
    assert LETTERS.decode(LETTERS.encode("cab", eos=True)) == list("cab")
    assert len(LETTERS) == 7 and LETTERS.symbols[4:] == ("a", "b", "c")


def test_unknown_symbols_are_reported_and_the_rest_is_processed():
    with pytest.warns(UserWarning, match=r"'x' at 1, '年' at 3"):
        ids = LETTERS.encode("axc年b")
    assert ids == [4, UNK, 6, UNK, 5]
    assert LETTERS.unknown("axc年b") == [(1, "x"), (3, "年")]
    assert LETTERS.decode(ids) == ["a", "<unk>", "c", "<unk>", "b"]


def test_a_special_symbol_in_a_text_is_unknown():
    assert Vocabulary("a").encode(["<eos>", "a"], warn=False) == [UNK, 4]


def test_decoding_stops_at_the_end_and_skips_padding():
    assert LETTERS.decode([BOS, 4, PAD, 5, EOS, 6]) == ["a", "b"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="text: expected at least one symbol"):
        LETTERS.encode("")
    with pytest.raises(ValueError, match="ids: expected 0 to 6, got 7"):
        LETTERS.decode([7])
    with pytest.raises(ValueError, match=r"symbols: .*got \['<pad>'\]"):
        Vocabulary(["a", "<pad>"])
