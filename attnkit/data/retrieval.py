"""Shelves of labelled values and a query for each: the right weights are known.

A bench on which any score, normalizer and aggregation can stand in for any other.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attnkit.checks import check_positive

TASKS = ("same", "loud", "turned", "place")
QUESTIONS = ("mean", "sum", "max", "each")
LOUDEST = math.log(4)
OWN = 2**20
"""Far from the small seeds of models: else words and first weights are one stream."""


class Shelf(NamedTuple):
    """A batch of shelves with one query each.

    Args:
        query: (B, 1, d).
        key: (B, M, d).
        value: (B, M, d_v), numbers between 0 and 1.
        wanted: (B, M) of True and False, the keys that the query means.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    wanted: Tensor

    def answer(self, question: str = "mean") -> Tensor:
        """What should be read, from the wanted values alone.

        Args:
            question: "mean", "sum" or "max" of the wanted values, or "each": every
                value where it is wanted, zero elsewhere.

        Returns:
            (B, 1, d_v); for "each" (B, M, d_v).

        Raises:
            ValueError: another question.
        """
        _check_choice("question", question, QUESTIONS)
        each = self.value * self.wanted[..., None]  # (B, M, d_v)
        if question == "each":
            return each
        if question == "max":  # no value is negative, so the zeros do no harm
            return each.amax(-2, keepdim=True)
        total = each.sum(-2, keepdim=True)  # (B, 1, d_v)
        count = self.wanted.sum(-1)[:, None, None]
        return total if question == "sum" else total / count

    def found(self, weights: Tensor) -> Tensor:
        """Whether the largest of the weights (B, 1, M) lies on a wanted key: (B,).

        Raises:
            ValueError: the weights do not fit the shelf.
        """
        size = (len(self.wanted), 1, self.wanted.shape[1])
        if weights.shape != size:
            raise ValueError(f"weights: expected {size}, got {tuple(weights.shape)}")
        best = weights[:, 0].argmax(-1, keepdim=True)
        return self.wanted.gather(-1, best)[:, 0]


@dataclass(frozen=True)
class Shelves:
    """Draws shelves whose keys are words, written as vectors, plus a little noise.

    The words are directions of length sqrt(width), drawn once from `seed`: the entries
    of a key have a variance near 1. A query means one word, and the keys that carry it
    are wanted. How it says so depends on the task:

    - "same": the query is the word;
    - "loud": so it is, but each key is made longer or shorter, by a factor between
      1/4 and 4;
    - "turned": the query is the word in another language, turned by a rotation drawn
      from `seed`;
    - "place": the query marks the place of the wanted key, and its word says nothing.

    Args:
        task: one of `TASKS`.
        keys: M, the keys of a shelf.
        width: d of queries and keys; for "place" at least `keys`.
        words: more than `keys`, so that a shelf has no word twice by chance.
        copies: fewest and most wanted keys of a shelf; for "place" just one.
        noise: standard deviation of what is added to each entry.
        value_width: d_v.
        seed: of the words and of the rotation.

    Raises:
        ValueError: an unknown task, or sizes that do not fit together.
    """

    task: str = "turned"
    keys: int = 8
    width: int = 8
    words: int = 12
    copies: tuple[int, int] = (1, 1)
    noise: float = 0.2
    value_width: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        _check_choice("task", self.task, TASKS)
        for name in ("keys", "width", "value_width"):
            check_positive(name, getattr(self, name))
        if not self.noise >= 0:
            raise ValueError(f"noise: expected 0 or more, got {self.noise}")
        self._check_copies()
        if self.words <= self.keys:
            raise ValueError(f"words: expected > {self.keys} (keys), got {self.words}")

    def _check_copies(self) -> None:
        low, high = self.copies
        if not 1 <= low <= high <= self.keys:
            raise ValueError(
                f"copies: expected 1 <= fewest <= most <= {self.keys} (keys), got "
                f"{self.copies}"
            )
        if self.task == "place" and (self.width < self.keys or high > 1):
            raise ValueError(
                "task: 'place' needs width >= keys and one copy, got width "
                f"{self.width}, keys {self.keys}, copies {self.copies}"
            )

    @cached_property
    def vectors(self) -> Tensor:
        """The words as vectors (words, d)."""
        generator = torch.Generator().manual_seed(self.seed + OWN)
        drawn = torch.randn(self.words, self.width, generator=generator)
        return F.normalize(drawn, dim=-1) * math.sqrt(self.width)

    @cached_property
    def rotation(self) -> Tensor:
        """The rotation (d, d) that leads into the other language; all as likely."""
        generator = torch.Generator().manual_seed(self.seed + 2 * OWN)
        drawn = torch.randn(self.width, self.width, generator=generator)
        turn, upper = torch.linalg.qr(drawn)
        turn = turn * upper.diagonal().sign()  # else QR prefers to turn things round
        turn[:, 0] *= torch.linalg.det(turn).sign()  # a rotation, not a mirror
        return turn

    def draw(self, n: int, generator: Generator | None = None) -> Shelf:
        """n shelves, from the given generator or the global one.

        Args:
            n: how many, at least 1.
            generator: of the random numbers; the global one if None.

        Returns:
            A batch of n shelves, on the CPU in float32.

        Raises:
            ValueError: n is not positive.
        """
        check_positive("n", n)
        size = (n, self.keys)
        order = torch.rand(n, self.words, generator=generator).argsort(-1)
        low, high = self.copies
        count = torch.randint(low, high + 1, (n, 1), generator=generator)
        rank = torch.rand(size, generator=generator).argsort(-1)
        wanted = rank < count  # (n, M)
        word = torch.where(wanted, order[:, :1], order[:, 1 : self.keys + 1])
        key = self._blur(self.vectors[word], generator)
        if self.task == "loud":
            power = 2 * torch.rand(size, generator=generator) - 1
            key = key * (LOUDEST * power).exp()[..., None]
        query = self._blur(self._say(order[:, 0], wanted), generator)
        value = torch.rand(*size, self.value_width, generator=generator)
        return Shelf(query[:, None], key, value, wanted)

    def _say(self, word: Tensor, wanted: Tensor) -> Tensor:
        """The query (n, d) for a word (n,), before the noise."""
        if self.task == "place":
            mark = wanted * math.sqrt(self.width)  # (n, M)
            return F.pad(mark, (0, self.width - self.keys))
        said = self.vectors[word]
        return said @ self.rotation.mT if self.task == "turned" else said

    def _blur(self, clean: Tensor, generator: Generator | None) -> Tensor:
        return clean + self.noise * torch.randn(clean.shape, generator=generator)


def _check_choice(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{name}: expected one of {known}, got {given!r}")
