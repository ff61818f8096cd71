"""Texts in which pieces recur: what comes next stands in the text itself."""

import random
import unicodedata
from collections.abc import Iterable
from string import ascii_lowercase
from typing import NamedTuple

import torch
from torch import Tensor

from attnkit.checks import check_positive, check_seed

LETTERS = ascii_lowercase


class Repeats(NamedTuple):
    """Texts with what is known of them. `B` texts of `N` letters.

    Args:
        ids: (B, N) numbers of letters.
        target: (B, N) the letter that comes next.
        known: (B, N) bool: the piece was seen before, so the text says what comes next.
        source: (B, N) where it says so: the place after the last earlier copy of this
            letter; -1 where there is no earlier copy.
    """

    ids: Tensor
    target: Tensor
    known: Tensor
    source: Tensor

    def batches(self, size: int) -> list["Repeats"]:
        """The texts in their order, in batches of `size`; the rest is left out.

        Raises:
            ValueError: `size` is not from 1 to the number of texts.
        """
        check_positive("size", size)
        count = len(self.ids)
        if size > count:
            raise ValueError(f"size: expected at most {count} texts, got {size}")
        whole = count // size * size
        parts = [part[:whole].split(size) for part in self]
        return [Repeats(*rows) for rows in zip(*parts, strict=True)]

    def guess(self) -> float:
        """What a guess gets right at the known places: a letter that the text has had
        so far, each as likely."""
        had = torch.nn.functional.one_hot(self.ids, len(LETTERS)).cumsum(1) > 0
        return (1 / had.sum(-1))[self.known].mean().item()


def repeats(
    count: int,
    length: int = 32,
    seed: int = 1,
    *,
    pieces: tuple[int, int] = (3, 5),
    sizes: tuple[int, int] = (2, 4),
) -> Repeats:
    """Texts made of a few pieces that come again and again in a random order.

    Each text draws its own pieces; no letter stands in two of them, so a letter that
    was seen tells what follows it. No piece follows itself, unless it is the only one.
    With `pieces=(1, 1), sizes=(14, 14)` a text is one block, repeated.

    Args:
        count: texts, B.
        length: letters of a text, N.
        seed: the same seed gives the same texts.
        pieces: fewest and most pieces of a text.
        sizes: fewest and most letters of a piece.

    Raises:
        ValueError: a number below 1, or pieces that need more than 26 letters.
    """
    check_positive("count", count)
    check_positive("length", length)
    check_seed(seed)
    _check_range("pieces", pieces)
    _check_range("sizes", sizes)
    if pieces[1] * sizes[1] > len(LETTERS):
        raise ValueError(
            f"sizes: expected pieces that share {len(LETTERS)} letters, got "
            f"{pieces[1]} of {sizes[1]}"
        )
    rng = random.Random(f"repeats/{seed}")
    rows = [_text(rng, length + 1, pieces, sizes) for _ in range(count)]
    letters, known = (torch.tensor(part) for part in zip(*rows, strict=True))
    ids = letters[:, :-1]
    return Repeats(ids, letters[:, 1:], known[:, 1:], successors(ids))


def _check_range(name: str, value: tuple[int, int]) -> None:
    low, high = value
    if not 1 <= low <= high:
        raise ValueError(f"{name}: expected 1 <= fewest <= most, got {value}")


def _text(
    rng: random.Random, length: int, pieces: tuple[int, int], sizes: tuple[int, int]
) -> tuple[list[int], list[bool]]:
    """Letters, and for each of them whether the one before it told it."""
    free = rng.sample(range(len(LETTERS)), len(LETTERS))
    made = []
    for _ in range(rng.randint(*pieces)):
        made.append([free.pop() for _ in range(rng.randint(*sizes))])
    letters: list[int] = []
    known: list[bool] = []
    piece, seen = -1, []
    while len(letters) < length:
        piece = rng.choice(
            [i for i in range(len(made)) if i != piece or len(made) == 1]
        )
        letters += made[piece]
        joint = len(made) == 1 and len(seen) > 1  # the only piece has met itself before
        known += [joint, *[piece in seen] * (len(made[piece]) - 1)]
        seen.append(piece)
    return letters[:length], known[:length]


def successors(ids: Tensor) -> Tensor:
    """For each token the place after its last earlier copy, -1 where it has none.

    Args:
        ids: (..., N).

    Returns:
        (..., N); this is where an induction head looks.
    """
    n = ids.shape[-1]
    same = (ids[..., :, None] == ids[..., None, :]).tril(-1)  # (..., N, N)
    place = torch.arange(1, n + 1, device=ids.device) * same
    last = place.amax(-1) if n else ids  # the place after, or 0
    return last.where(last > 0, -1)


def fold(text: str) -> str:
    """The letters a to z of a text: capitals and accents are folded, all else (spaces,
    digits, other scripts) is left out."""
    return "".join(folded(text, LETTERS))


def folded(text: str, symbols: Iterable[str]) -> list[str]:
    """The symbols of a text that are known, without capitals and accents."""
    plain, known = unicodedata.normalize("NFKD", text).lower(), set(symbols)
    return [c for c in plain if c in known]


def encode(text: str) -> Tensor:
    """Numbers (1, N) of the letters of a reader's own text, folded.

    Raises:
        ValueError: no letter is left.
    """
    letters = fold(text)
    if not letters:
        raise ValueError(f"text: expected a letter from a to z, got {text!r}")
    return torch.tensor([[LETTERS.index(c) for c in letters]])


def decode(ids: Tensor) -> str:
    """The letters of numbers (N,)."""
    return "".join(LETTERS[int(i)] for i in ids)
