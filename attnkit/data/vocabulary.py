"""A vocabulary: symbols to numbers and back, with unknown symbols reported."""

import warnings
from collections.abc import Iterable, Sequence

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocabulary:
    """An ordered list of symbols; 0 to 3 are padding, begin, end and unknown.

    Args:
        symbols: the known symbols, in order; repeated ones are kept once.

    Raises:
        ValueError: a symbol is empty or is one of the four special symbols.
    """

    def __init__(self, symbols: Iterable[str]):
        known = list(dict.fromkeys(symbols))
        wrong = [symbol for symbol in known if not symbol or symbol in SPECIALS]
        if wrong:
            raise ValueError(f"symbols: expected non-empty, not special; got {wrong}")
        self.symbols: tuple[str, ...] = (*SPECIALS, *known)
        self.index = {symbol: i for i, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return self.index.get(symbol, UNK) > UNK

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} symbols, {len(SPECIALS)} of them special)"

    def unknown(self, text: Sequence[str]) -> list[tuple[int, str]]:
        """Places and symbols of `text` (a string or a list) that are not known."""
        return [(i, symbol) for i, symbol in enumerate(text) if symbol not in self]

    def encode(
        self, text: Sequence[str], *, eos: bool = False, warn: bool = True
    ) -> list[int]:
        """Numbers of the symbols of `text`.

        Unknown symbols become `UNK`; the rest is processed as usual.

        Args:
            text: a string (its characters are the symbols) or a list of symbols.
            eos: append the end symbol.
            warn: report unknown symbols by a `UserWarning` that names them.

        Returns:
            One number per symbol, and `EOS` if asked for.

        Raises:
            ValueError: `text` is empty.
        """
        if len(text) == 0:
            raise ValueError("text: expected at least one symbol, got an empty text")
        unknown = self.unknown(text)
        if unknown and warn:
            places = ", ".join(f"{symbol!r} at {i}" for i, symbol in unknown)
            warnings.warn(f"unknown symbols: {places}", stacklevel=2)
        ids = [self.index[symbol] if symbol in self else UNK for symbol in text]
        return [*ids, EOS] if eos else ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Symbols of `ids` up to the first `EOS`; padding and `BOS` are left out.

        Raises:
            ValueError: a number is outside the vocabulary.
        """
        symbols: list[str] = []
        for i in (int(i) for i in ids):
            if not 0 <= i < len(self):
                raise ValueError(f"ids: expected 0 to {len(self) - 1}, got {i}")
            if i == EOS:
                break
            if i not in (PAD, BOS):
                symbols.append(self.symbols[i])
        return symbols
