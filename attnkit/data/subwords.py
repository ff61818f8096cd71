"""Subwords: frequent words whole, rare ones in pieces."""

from collections.abc import Iterable, Sequence
from typing import Any

from attnkit.checks import check_at_least

from .vocabulary import SPECIALS, UNK, Vocabulary

SPACE = "▁"  # stands at the beginning of a word


class Subwords:
    r"""Text to pieces, and pieces back to text.

    The pieces are learned by byte-pair encoding: from single characters on, the most
    frequent pair of neighbours becomes a new piece, again and again. A rare word falls
    into several pieces, in the end into its characters, so only a character that was
    never seen is unknown. A piece that begins a word begins with "▁"; no piece reaches
    over a space or a mark. Text is in lower case.

    Args:
        lines: to learn from, of all languages that share the pieces.
        size: of the vocabulary at most, the four special symbols included; a small text
            has fewer pieces.

    Attributes:
        vocabulary: of the pieces.

    Raises:
        ValueError: `size` is too small for the characters of the lines.
        ImportError: the library `tokenizers` is not there.

    Source:
        Sennrich, Haddow and Birch 2015 (arXiv:1508.07909).
    """

    def __init__(self, lines: Iterable[str], size: int) -> None:
        check_at_least("size", size, len(SPECIALS))
        self._tokenizer = _learned(lines, size)
        known = self._tokenizer.get_vocab()
        self.vocabulary = Vocabulary(
            piece for piece in sorted(known, key=known.get) if piece != SPECIALS[UNK]
        )
        if len(self.vocabulary) > size:
            raise ValueError(
                f"size: expected at least {len(self.vocabulary)} for the characters of "
                f"these lines, got {size}"
            )

    def split(self, line: str) -> list[str]:
        """The pieces of a line; a character never seen is the unknown symbol."""
        return self._tokenizer.encode(line).tokens

    def join(self, pieces: Sequence[str]) -> str:
        """The text of pieces."""
        return "".join(pieces).replace(SPACE, " ").strip()


def _learned(lines: Iterable[str], size: int) -> Any:
    """A tokenizer that knows unknown, and `size` - 4 pieces."""
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    except ImportError as error:
        told = "subwords need the library tokenizers: pip install tokenizers"
        raise ImportError(told) from error
    made = Tokenizer(models.BPE(unk_token=SPECIALS[UNK]))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(SPACE), pre_tokenizers.Punctuation()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIALS) + 1,
        special_tokens=[SPECIALS[UNK]],
        show_progress=False,
    )
    made.train_from_iterator(lines, trainer)
    return made
