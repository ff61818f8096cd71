"""Sentence pairs with their true alignment, and how they become batches."""

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attnkit.checks import check_at_least, check_portion

from .vocabulary import BOS, EOS, PAD, Vocabulary

Places = tuple[int, ...]


class Batch(NamedTuple):
    """A padded batch. `B` pairs, `S` source and `T` target positions.

    Masks are True where there is a symbol. `target_in` begins with `BOS`,
    `target_out` ends with `EOS`; both have the same mask. `alignment[b, t, s]` is
    True where source position s truly gives rise to target symbol t; rows of
    symbols without a source (a comma, the end) are all False. It is None in batches
    for training.
    """

    source: Tensor  # (B, S) int64
    source_mask: Tensor  # (B, S) bool
    target_in: Tensor  # (B, T) int64
    target_out: Tensor  # (B, T) int64
    target_mask: Tensor  # (B, T) bool
    alignment: Tensor | None  # (B, T, S) bool

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on `device`."""
        return Batch(*(part if part is None else part.to(device) for part in self))


def in_test(source: Sequence[str], held_out: float = 0.1) -> bool:
    """Whether `source` is held out: decided by its own checksum, so that the two
    sides never share a source, whatever the seed and the number of pairs.

    Raises:
        ValueError: the share `held_out` is not from 0 to 1.
    """
    check_portion("held_out", held_out)
    text = "\x1f".join(source)
    return zlib.crc32(text.encode()) / 2**32 < held_out


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of numbers as one (B, longest) tensor, filled up with `PAD`."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])


@dataclass
class PairSet:
    """Sentence pairs with known alignment.

    Attributes:
        source: a string per pair (its symbols are the characters), or a list of
            symbols.
        target: a tuple of symbols per pair.
        alignment: per pair and target symbol, the source positions that it
            translates; empty where no source symbol does, or where it is unknown.
        vocabularies: source and target vocabulary; made from the pairs if None.
    """

    source: list[Sequence[str]]
    target: list[tuple[str, ...]]
    alignment: list[list[Places]] = field(repr=False)
    vocabularies: tuple[Vocabulary, Vocabulary] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        sizes = {len(self.source), len(self.target), len(self.alignment)}
        if len(sizes) > 1:
            raise ValueError(
                "source, target, alignment: expected equal lengths, got "
                f"{len(self.source)}, {len(self.target)}, {len(self.alignment)}"
            )
        if self.vocabularies is None:
            self.vocabularies = tuple(
                Vocabulary(sorted({symbol for text in side for symbol in text}))
                for side in (self.source, self.target)
            )

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, chosen: int | slice | Sequence[int] | Tensor) -> "PairSet":
        """The chosen pairs, as a `PairSet` again (one pair for one number).

        Args:
            chosen: a number, a slice, several numbers, or one boolean per pair.

        Raises:
            IndexError: a number outside the set, too few or too many booleans, or
                something else than these.
        """
        if not isinstance(chosen, slice):
            chosen = np.asarray(chosen, None if np.size(chosen) else np.int64)
        rows = np.atleast_1d(np.arange(len(self))[chosen])
        if rows.ndim > 1:
            raise IndexError(f"chosen: expected one axis, got shape {chosen.shape}")
        return PairSet(
            [self.source[i] for i in rows],
            [self.target[i] for i in rows],
            [self.alignment[i] for i in rows],
            self.vocabularies,
        )

    @property
    def lengths(self) -> list[int]:
        """Number of source symbols of each pair."""
        return [len(text) for text in self.source]

    def between(self, shortest: int, longest: int) -> "PairSet":
        """The pairs whose source length is `shortest` to `longest`, both included."""
        sizes = self.lengths
        return self[[i for i, n in enumerate(sizes) if shortest <= n <= longest]]

    def split(self, held_out: float = 0.1) -> tuple["PairSet", "PairSet"]:
        """(training, held-out) pairs; no source is on both sides (see `in_test`)."""
        check_portion("held_out", held_out)
        side = [in_test(text, held_out) for text in self.source]
        train = self[[i for i, out in enumerate(side) if not out]]
        return train, self[[i for i, out in enumerate(side) if out]]

    def tensors(self) -> Batch:
        """All pairs as one padded batch, with the true alignment.

        Raises:
            ValueError: there is no pair, or an alignment leads out of its source.
        """
        batch = self._padded()
        shape = *batch.target_in.shape, batch.source.shape[1]
        alignment = torch.zeros(shape, dtype=torch.bool)
        true = [
            (b, t, s)
            for b, rows in enumerate(self.alignment)
            for t, places in enumerate(rows)
            for s in places
        ]
        wrong = [(b, s) for b, _, s in true if not 0 <= s < len(self.source[b])]
        if wrong:
            raise ValueError(
                "alignment: expected positions inside the source, got (pair, position) "
                f"{wrong[:3]}"
            )
        if true:
            alignment[tuple(torch.tensor(true).T)] = True
        return batch._replace(alignment=alignment)

    def _padded(self) -> Batch:
        if not len(self):
            raise ValueError("pairs: expected at least one pair, got an empty set")
        first, second = self.vocabularies
        source = pad([first.encode(text, warn=False) for text in self.source])
        ids = [second.encode(text, warn=False) for text in self.target]
        target_in = pad([[BOS, *row] for row in ids])
        target_out = pad([[*row, EOS] for row in ids])
        masks = source != PAD, target_out != PAD
        return Batch(source, masks[0], target_in, target_out, masks[1], None)

    def batches(
        self, size: int, *, seed: int = 0, shuffle: bool = True, pool: int = 16
    ) -> Iterator[Batch]:
        """Padded batches of pairs of similar length, for one pass over the set.

        Shuffled pairs are sorted by length inside pools of `pool` batches, so that
        little is padded, and the batches of a pool come in random order.

        Args:
            size: pairs per batch; the last batch may be smaller.
            seed: of the order; the same seed gives the same batches.
            shuffle: False keeps the order of the set.
            pool: batches per pool.

        Raises:
            ValueError: `size` or `pool` is below 1.
        """
        check_at_least("size", size, 1)
        check_at_least("pool", pool, 1)
        order = list(range(len(self)))
        if not shuffle:
            groups = (order[i : i + size] for i in range(0, len(order), size))
        else:
            groups = _pools(order, self.lengths, size, pool, random.Random(seed))
        return (self[group]._padded() for group in groups)


def _pools(
    order: list[int], lengths: list[int], size: int, pool: int, rng: random.Random
) -> Iterator[list[int]]:
    """Groups of `size` indices of similar length, in random order pool by pool."""
    rng.shuffle(order)
    for i in range(0, len(order), size * pool):
        part = sorted(order[i : i + size * pool], key=lengths.__getitem__)
        groups = [part[j : j + size] for j in range(0, len(part), size)]
        rng.shuffle(groups)
        yield from groups
