"""Sequences of which only few steps matter, and it is known which.

`signals` hides a sign among noise; `reviews` writes short opinions in which one word,
*but*, *although* or *not*, can turn the meaning.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from attnkit.checks import check_at_least, check_positive, check_seed
from attnkit.progress import progress_bar

from .pairs import in_test, pad
from .vocabulary import PAD, Vocabulary

NOISE = 50


class Labelled(NamedTuple):
    """A batch of sequences with one answer each. `B` sequences of `T` steps.

    Args:
        tokens: (B, T) int64.
        mask: (B, T) bool, True where there is a step; padding comes last.
        label: (B,) int64.
        wanted: (B, T) bool, True at the steps that decide the label.
    """

    tokens: Tensor
    mask: Tensor
    label: Tensor
    wanted: Tensor

    def to(self, device: torch.device | str) -> "Labelled":
        """The same batch on `device`."""
        return Labelled(*(part.to(device) for part in self))

    def select(self, rows: Tensor | slice) -> "Labelled":
        """The chosen sequences."""
        return Labelled(*(part[rows] for part in self))

    def batches(self, size: int, seed: int) -> list["Labelled"]:
        """The sequences in a new order, in batches of `size`; the rest is left out.

        Raises:
            ValueError: `size` is not from 1 to the number of sequences.
        """
        check_positive("size", size)
        count = len(self.label)
        if size > count:
            raise ValueError(f"size: expected at most {count} sequences, got {size}")
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(count, generator=draw)[: count // size * size]
        return [self.select(rows) for rows in order.split(size)]


def signals(
    n: int,
    steps: int = 120,
    *,
    seed: int = 1,
    classes: int = 10,
    count: int = 1,
    where: tuple[float, float] = (0.0, 0.5),
) -> Labelled:
    """Noise with a few signs in it; the largest sign is the answer.

    Tokens from 0 to 49 are noise and say nothing. Token 50 + c is the sign of class c.

    Args:
        n: number of sequences.
        steps: T, the length of all of them.
        seed: the same seed gives the same sequences.
        classes: number of classes, each with one sign.
        count: signs in a sequence; with several, the largest decides, and its first
            place is the wanted one.
        where: the stretch in which signs stand, as shares of the length; with
            (0.5, 0.5) and one sign it is always the same step.

    Returns:
        `Labelled` of shape (n, steps).

    Raises:
        ValueError: sizes below 1, or a stretch with less room than signs.
    """
    for name, value in (("n", n), ("steps", steps), ("classes", classes)):
        check_positive(name, value)
    check_seed(seed)
    first, last = _stretch(where, steps, count)
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(NOISE, (n, steps), generator=draw)
    room = torch.rand(n, last - first, generator=draw)
    places = room.argsort(-1)[:, :count] + first  # (n, count)
    signs = torch.randint(classes, (n, count), generator=draw)
    tokens.scatter_(1, places, NOISE + signs)
    label = signs.amax(-1)
    largest = tokens == (NOISE + label)[:, None]
    wanted = largest & (largest.cumsum(-1) == 1)
    return Labelled(tokens, torch.ones_like(wanted), label, wanted)


def _stretch(where: tuple[float, float], steps: int, count: int) -> tuple[int, int]:
    check_positive("count", count)
    low, high = where
    if not 0 <= low <= high <= 1:
        raise ValueError(f"where: expected 0 <= from <= to <= 1, got {where}")
    first = min(int(low * steps), steps - 1)
    last = max(int(high * steps), first + 1)
    if last - first < count:
        raise ValueError(
            f"where: expected room for {count} signs, got {last - first} steps"
        )
    return first, last


# ------------------------------------------------------------------------- reviews

THINGS = [
    "film",
    "plot",
    "music",
    "acting",
    "story",
    "ending",
    "room",
    "food",
    "service",
    "book",
    "song",
    "game",
]
GOOD = ["good", "great", "lovely", "brilliant", "charming", "wonderful"]
BAD = ["bad", "dull", "weak", "boring", "awful", "terrible"]
DEGREES = ["very", "quite", "really"]
TURNS = ("but", "although")
ASIDES = [
    words.split()
    for words in (
        "we came by train", "it rained all day", "i went with a friend",
        "my sister came too", "we sat near the door", "it was monday",
        "the place was full", "we left late",
    )
]  # fmt: skip
CLASSES = ("negative", "positive")


def review_vocabulary() -> Vocabulary:
    """All words of `reviews`; fixed."""
    words = [".", "the", "was", "and", "not", *TURNS, *DEGREES, *THINGS, *GOOD, *BAD]
    return Vocabulary([*words, *(word for aside in ASIDES for word in aside)])


class Review(NamedTuple):
    """One text. `label` is 0 (negative) or 1 (positive); `wanted` are the places of
    the words that decide: the turning word, and *not* and the adjective of the clause
    that counts. `turn` is the place of *but* or *although*, None without one."""

    words: tuple[str, ...]
    label: int
    wanted: tuple[int, ...]
    turn: int | None


@dataclass
class ReviewSet:
    """Reviews and their vocabulary."""

    items: list[Review]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.items)

    def tensors(self) -> Labelled:
        """All of them as one padded batch.

        Raises:
            ValueError: there is no review.
        """
        if not self.items:
            raise ValueError("items: expected at least one review, got none")
        tokens = pad([self.vocabulary.encode(item.words) for item in self.items])
        wanted = torch.zeros_like(tokens, dtype=torch.bool)
        for row, item in zip(wanted, self.items, strict=True):
            row[list(item.wanted)] = True
        label = torch.tensor([item.label for item in self.items])
        return Labelled(tokens, tokens != PAD, label, wanted)


def reviews(n: int, seed: int = 1, *, split: str | None = None) -> ReviewSet:
    """Opinions in one sentence or two, among asides that say nothing.

    - *the plot was dull but the music was great*: what comes after *but* counts;
    - *the music was great although the plot was dull*: what comes before counts;
    - *not* turns its adjective;
    - without *but* and *although*, all clauses agree.

    A third of the texts has *but*, a third *although*.

    Args:
        n: number of texts.
        seed: the same seed gives the same texts.
        split: "train" or "test" for one side of the held-out split, which shares no
            text with the other whatever the seeds; None for both.

    Returns:
        `ReviewSet`.

    Raises:
        ValueError: a negative `n` or another `split`.
    """
    check_at_least("n", n, 0)
    check_seed(seed)
    if split not in (None, "train", "test"):
        raise ValueError(f"split: expected 'train', 'test' or None, got {split!r}")
    rng = random.Random(f"{seed}/{split}/review")
    items: list[Review] = []
    with progress_bar(total=n, desc="reviews", disable=n < 20_000, leave=False) as bar:
        while len(items) < n:
            item = _draw(rng)
            if split is None or in_test(item.words) == (split == "test"):
                items.append(item)
                bar.update()
    return ReviewSet(items, review_vocabulary())


def review(main: str, turn: str | None = None, other: str | None = None) -> Review:
    """A review from its clauses, with the words that decide.

    Args:
        main: the clause that counts, as "the plot was not bad".
        turn: "but" (then `other` comes first), "although" (then it comes last), or
            None.
        other: the clause that does not count.

    Raises:
        ValueError: an unknown turn, a clause without an adjective that it knows, or
            only one of `turn` and `other`.
    """
    if turn not in (None, *TURNS):
        raise ValueError(f"turn: expected but, although or None, got {turn!r}")
    if (turn is None) != (other is None):
        raise ValueError(f"other: expected one with a turn only, got {other!r}")
    counts = main.split()
    label, decide = _read(counts)
    if turn is None:
        return Review(tuple(counts), label, decide, None)
    aside = other.split()
    words = (*aside, turn, *counts) if turn == "but" else (*counts, turn, *aside)
    place = words.index(turn)
    shift = place + 1 if turn == "but" else 0
    wanted = tuple(sorted([place, *(i + shift for i in decide)]))
    return Review(words, label, wanted, place)


def _read(words: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    """The label of one clause, and the places of its adjective and its *not*."""
    places = [i for i, word in enumerate(words) if word in GOOD or word in BAD]
    if len(places) != 1:
        raise ValueError(
            f"main: expected one adjective of {', '.join(GOOD + BAD)}; got "
            f"{' '.join(words)!r}"
        )
    turned = [i for i, word in enumerate(words) if word == "not"]
    label = (words[places[0]] in GOOD) != (len(turned) % 2 == 1)
    return int(label), (*turned, *places)


def _clause(rng: random.Random, label: int) -> str:
    """An opinion of this label; one in three is said by *not*."""
    turned = rng.random() < 1 / 3
    words = ["the", rng.choice(THINGS), "was"]
    words += ["not"] if turned else []
    words += [rng.choice(DEGREES)] if rng.random() < 0.4 else []
    words += [rng.choice(GOOD if label != turned else BAD)]
    return " ".join(words)


def _draw(rng: random.Random) -> Review:
    """A review of some 4 to 32 words."""
    label, kind = rng.randrange(2), rng.randrange(3)
    main = _clause(rng, label)
    if kind:
        found = review(main, TURNS[kind - 1], _clause(rng, 1 - label))
    else:
        found = review(main)
        if rng.random() < 0.5:
            found = _agree(found, review(_clause(rng, label)))
    asides, early = rng.sample(ASIDES, rng.randrange(5)), rng.randrange(3)
    lead = [word for words in asides[:early] for word in (*words, ".")]
    after = [word for words in asides[early:] for word in (".", *words)]
    return _moved(found, lead, after)


def _agree(one: Review, two: Review) -> Review:
    shift = len(one.words) + 1
    wanted = (*one.wanted, *(i + shift for i in two.wanted))
    return Review((*one.words, "and", *two.words), one.label, wanted, None)


def _moved(found: Review, lead: Sequence[str], after: Sequence[str]) -> Review:
    """The review with words before and after it."""
    shift = len(lead)
    turn = None if found.turn is None else found.turn + shift
    wanted = tuple(i + shift for i in found.wanted)
    return Review((*lead, *found.words, *after), found.label, wanted, turn)
