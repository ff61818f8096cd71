"""Seeded sets of Chinese–English pairs of any wanted source length."""

import calendar
import random
from collections.abc import Callable

from attnkit.checks import check_at_least, check_seed
from attnkit.progress import progress_bar

from .chinese import (
    DIGITS,
    MONTHS,
    NOUNS,
    PHRASES,
    SMALL,
    TENS,
    WORDS,
    Item,
    date,
    join,
    number,
    phrase,
)
from .pairs import PairSet, in_test
from .vocabulary import Vocabulary

Draw = Callable[[random.Random], Item]


def vocabularies() -> tuple[Vocabulary, Vocabulary]:
    """Source characters and target symbols of dates, numbers and phrases; fixed."""
    characters = "0123456789" + DIGITS + "零两十百千年月日号的、" + "".join(WORDS)
    symbols = [*"0123456789", ",", ";", "of", *MONTHS, *SMALL, *TENS[2:]]
    symbols += ["hundred", "thousand", *WORDS.values()]
    return Vocabulary(characters), Vocabulary(symbols)


def draw_date(rng: random.Random) -> Item:
    """A random date of the years 1000 to 2099, in decimal or in Chinese digits."""
    year, month = rng.randint(1000, 2099), rng.randint(1, 12)
    day = rng.randint(1, calendar.monthrange(year, month)[1])
    form = rng.random()
    year = None if form < 0.2 else year
    day = None if form > 0.85 else day
    chinese, other = rng.random() < 0.5, rng.random() < 0.25
    item = date(year, month, day, chinese=chinese)
    return item._replace(source=_respell(item.source)) if other else item


def _respell(text: str) -> str:
    """The other common spellings: 号 for 日 and 零 for 〇."""
    return text.replace("日", "号").replace("〇", "零")


def draw_number(rng: random.Random) -> Item:
    """A random number below 10,000 with one to four digits, each as likely."""
    return number(rng.randrange(10 ** rng.randint(1, 4)))


def draw_phrase(rng: random.Random) -> Item:
    """A phrase of the lexicon, or two nouns turned round by 的."""
    if rng.random() < 0.5:
        return phrase(rng.choice(PHRASES + NOUNS).split())
    first, second = rng.sample(NOUNS, 2)
    return phrase([first, "的", second])


def draw_any(rng: random.Random) -> Item:
    """A date, a number or a phrase."""
    return rng.choice((draw_date, draw_date, draw_number, draw_phrase))(rng)


def _fill(rng: random.Random, length: int, draw: Draw) -> Item:
    """Items joined by 、 so that the source has exactly `length` characters."""
    items: list[Item] = []
    left = length
    while left > 0:
        item = draw(rng) if left > 4 else number(rng.randrange(100))
        rest = left - len(item.source)
        if rest == 0 or rest > 1:
            items.append(item)
            left = rest - 1
    rng.shuffle(items)
    return join(items)


def _collect(n: int, seed: int, split: str | None, make: Draw) -> PairSet:
    """n pairs from `make`, those of one side of the held-out split only."""
    if split not in (None, "train", "test"):
        raise ValueError(f"split: expected 'train', 'test' or None, got {split!r}")
    check_at_least("n", n, 0)
    check_seed(seed)
    rng = random.Random(f"{seed}/{split}")
    items: list[Item] = []
    with progress_bar(total=n, desc="pairs", disable=n < 50_000, leave=False) as bar:
        while len(items) < n:
            item = make(rng)
            if split is None or in_test(item.source) == (split == "test"):
                items.append(item)
                bar.update()
    columns = ([item[i] for item in items] for i in range(3))
    return PairSet(*columns, vocabularies())


def dates(
    n: int, seed: int = 1, *, items: int = 1, split: str | None = None
) -> PairSet:
    """Dates: 2021年3月14日 or 二〇二一年三月十四日, march 1 4 , 2 0 2 1.

    The month is named first in English and the year last, so the true alignment
    crosses. Every digit of a target is a symbol of its own.

    Args:
        n: number of pairs.
        seed: the same seed gives the same pairs.
        items: dates per source, joined by 、.
        split: 'train' or 'test' for one side of the held-out split, which shares no
            source with the other whatever the seeds; None for both.

    Returns:
        `PairSet` with the vocabularies of all generated pairs.

    Raises:
        ValueError: a negative `n`, no items, or another `split`.
        TypeError: `n`, `seed` or `items` is no whole number.
    """
    return _lists(n, seed, items, split, draw_date)


def numbers(
    n: int, seed: int = 1, *, items: int = 1, split: str | None = None
) -> PairSet:
    """Numbers below 10,000: 三千零五十二, three thousand fifty two.

    Arguments and result are those of `dates`.
    """
    return _lists(n, seed, items, split, draw_number)


def _lists(n: int, seed: int, items: int, split: str | None, draw: Draw) -> PairSet:
    check_at_least("items", items, 1)
    return _collect(n, seed, split, lambda rng: join([draw(rng) for _ in range(items)]))


def mixed(
    n: int,
    seed: int = 1,
    *,
    lengths: tuple[int, int] = (2, 24),
    split: str | None = None,
) -> PairSet:
    """Lists of dates, numbers and phrases whose source lengths are uniform.

    A source is one or more items joined by 、; nothing in it can be guessed from the
    rest, so that what a model cannot carry over it gets wrong.

    Args:
        n, seed, split: as in `dates`.
        lengths: shortest and longest source in characters, both included.

    Raises:
        ValueError: also if `lengths` is not 1 <= shortest <= longest.
    """
    low, high = lengths
    if not 1 <= low <= high:
        raise ValueError(f"lengths: expected 1 <= shortest <= longest, got {lengths}")
    return _collect(
        n, seed, split, lambda rng: _fill(rng, rng.randint(low, high), draw_any)
    )


def lexicon() -> PairSet:
    """The phrases around 机器学习, machine learning: every one once, and every pair of
    nouns turned round by 的 (语言的模型, model of language)."""
    items = [phrase(words.split()) for words in PHRASES + NOUNS]
    items += [phrase([a, "的", b]) for a in NOUNS for b in NOUNS if a != b]
    columns = ([item[i] for item in items] for i in range(3))
    return PairSet(*columns, vocabularies())
