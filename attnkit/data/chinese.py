"""Chinese dates, numbers and phrases with their English and the true alignment.

Every item is a pair of source characters and target symbols, and for each target
symbol the source positions that it translates. English puts the month first, so
the alignment of a date crosses; 的 turns two nouns round.
"""

import calendar
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .pairs import Places


class Item(NamedTuple):
    """A piece of translation: characters, symbols, places per symbol."""

    source: str
    target: tuple[str, ...]
    alignment: list[Places]


DIGITS = "〇一二三四五六七八九"
MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
SMALL = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
TENS = (
    "-",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
)
WORDS = {
    "机器": "machine",
    "学习": "learning",
    "翻译": "translation",
    "深度": "deep",
    "强化": "reinforcement",
    "注意力": "attention",
    "机制": "mechanism",
    "神经": "neural",
    "网络": "network",
    "语言": "language",
    "模型": "model",
    "计算机": "computer",
    "视觉": "vision",
    "记忆": "memory",
}
PHRASES = (
    "机器 学习",
    "机器 翻译",
    "机器 视觉",
    "深度 学习",
    "强化 学习",
    "语言 学习",
    "语言 模型",
    "神经 网络",
    "记忆 网络",
    "视觉 记忆",
    "视觉 注意力",
    "计算机 视觉",
    "注意力 机制",
    "注意力 模型",
    "神经 机器 翻译",
    "深度 神经 网络",
    "深度 强化 学习",
    "深度 语言 模型",
)
NOUNS = (
    "机器",
    "语言",
    "模型",
    "视觉",
    "记忆",
    "学习",
    "翻译",
    "注意力",
    "网络",
    "计算机",
)
GRAMMAR = {"digits": DIGITS, "months": MONTHS, "small": SMALL, "tens": TENS} | {
    "words": WORDS
}
"""The lexicon as plain data, for readers in another language (see `parse`)."""


def _places(n: int) -> tuple[str, dict[int, Places], dict[int, Places]]:
    """Chinese characters of n, and by power of ten the places of digit and unit."""
    text, digit, unit, gap = "", {}, {}, False
    for power in (3, 2, 1, 0):
        value = n // 10**power % 10
        if not value:
            gap = bool(text)
            continue
        text += "零" if gap else ""
        gap = False
        if not (power == 1 and value == 1 and not text):  # 十二, not 一十二
            digit[power] = (len(text),)
            text += "两" if (power, value) == (3, 2) else DIGITS[value]
        if power:
            unit[power] = (len(text),)
            text += "?十百千"[power]
    return text, digit, unit


def number(n: int) -> Item:
    """0 to 9999 in Chinese and in English: 三千零五十二, three thousand fifty two.

    Raises:
        ValueError: n is outside 0 to 9999.
        TypeError: n is no whole number.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n: expected type int, got {type(n).__name__}")
    if not 0 <= n <= 9999:
        raise ValueError(f"n: expected 0 to 9999, got {n}")
    if n == 0:
        return Item("零", ("zero",), [(0,)])
    text, digit, unit = _places(n)
    symbols: list[str] = []
    places: list[Places] = []
    for power, name in ((3, "thousand"), (2, "hundred")):
        if power in unit:
            symbols += [SMALL[n // 10**power % 10], name]
            places += [digit[power], unit[power]]
    rest = digit.get(1, ()) + unit.get(1, ())
    if n % 100 >= 20:
        symbols.append(TENS[n % 100 // 10])
        places.append(rest)
        n, rest = n % 10, ()
    if n % 100:
        symbols.append(SMALL[n % 100])
        places.append(rest + digit.get(0, ()))
    return Item(text, tuple(symbols), places)


def _day(n: int, chinese: bool) -> Item:
    """The day of the month as one symbol per decimal digit."""
    decimal = tuple(str(n))
    if not chinese:
        return Item(str(n), decimal, [(i,) for i in range(len(decimal))])
    text, digit, unit = _places(n)
    if n < 10:
        return Item(text, decimal, [digit[0]])
    if n % 10 == 0:
        return Item(text, decimal, [digit.get(1, unit[1]), unit[1]])
    return Item(text, decimal, [digit.get(1, ()) + unit[1], digit[0]])


def date(
    year: int | None, month: int, day: int | None, *, chinese: bool = False
) -> Item:
    """A date: 2021年3月14日 becomes march 1 4 , 2 0 2 1 (digits are symbols).

    Args:
        year: 1 to 9999, or None for a date without a year.
        month: 1 to 12.
        day: of the month, or None for a year and a month alone.
        chinese: write the numbers as characters, 二〇二一年三月十四日.

    Raises:
        ValueError: there is no such year or day, or both are missing.
    """
    if (year is None and day is None) or not 1 <= month <= 12:
        raise ValueError(f"date: expected a date, got {year}, {month}, {day}")
    if year is not None and not 1 <= year <= 9999:
        raise ValueError(f"year: expected 1 to 9999, got {year}")
    if day is not None and not 1 <= day <= calendar.monthrange(year or 2000, month)[1]:
        raise ValueError(f"day: month {month} has no day {day}")
    digits = "" if year is None else str(year)
    text = "".join(DIGITS[int(c)] for c in digits) if chinese else digits
    years = [(i,) for i in range(len(digits))]
    text += "年" if digits else ""
    start, written = len(text), _places(month)[0] if chinese else str(month)
    text += written + "月"
    symbols, places = (MONTHS[month - 1],), [tuple(range(start, len(text)))]
    if day:
        part = _day(day, chinese)
        symbols, places = symbols + part.target, places + _shift(part, len(text))
        text += part.source + "日"
    if day and digits:
        symbols, places = (*symbols, ","), [*places, ()]
    return Item(text, symbols + tuple(digits), places + years)


def _shift(item: Item, by: int) -> list[Places]:
    """The item's places, moved `by` positions."""
    return [tuple(i + by for i in places) for places in item.alignment]


def phrase(words: Sequence[str]) -> Item:
    """Words of the lexicon: 机器 学习 becomes machine learning; with 的 between
    two of them the order turns round: 语言 的 模型, model of language.

    Raises:
        ValueError: a word is not in the lexicon.
    """
    unknown = [word for word in words if word != "的" and word not in WORDS]
    if unknown:
        raise ValueError(f"words: expected {', '.join(WORDS)} or 的; got {unknown}")
    text, symbols, places = "", (), []
    for word in words:
        here = tuple(range(len(text), len(text) + len(word)))
        text += word
        if word == "的":
            middle = here
        else:
            symbols, places = (*symbols, WORDS[word]), [*places, here]
    if "的" in words:
        left = list(words).index("的")
        symbols = (*symbols[left:], "of", *symbols[:left])
        places = [*places[left:], middle, *places[:left]]
    return Item(text, symbols, places)


def join(items: Sequence[Item]) -> Item:
    """Items as one list: 、 between the sources, a semicolon between the targets."""
    text, symbols, places = "", (), []
    for item in items:
        if text:
            symbols, places = (*symbols, ";"), [*places, (len(text),)]
            text += "、"
        symbols, places = symbols + item.target, places + _shift(item, len(text))
        text += item.source
    return Item(text, symbols, places)


def english(symbols: Sequence[str]) -> str:
    """Target symbols as a reader writes them: march 14, 2021; machine learning."""
    text, last = "", ""
    for symbol in symbols:
        close = symbol in ",;" or (symbol.isdigit() and last.isdigit())
        text += symbol if close or not text else " " + symbol
        last = symbol
    return text


def parse(text: str) -> Item | None:
    """Read a text of this small language: its translation and true alignment.

    The way back from `date`, `number`, `phrase` and `join`, also with 号 for 日 and 零
    for 〇, as people write them. The page of a widget reads in the same way
    (`attnkit/live/src/core/chinese.js`).

    Args:
        text: items joined by 、.

    Returns:
        The item whose source is `text`, or None where it is not of this language.
    """
    readers = _read_date, _read_number, _read_phrase
    items = [
        next(filter(None, (read(part) for read in readers)), None)
        for part in text.split("、")
    ]
    return None if None in items else join(items)._replace(source=text)


def _value(text: str) -> int:
    """The number that digits or Chinese characters say, right or wrong."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, None
    for character in text:
        if character in "十百千":
            power = 10 ** ("十百千".index(character) + 1)
            total, digit = total + (1 if digit is None else digit) * power, None
        elif character != "零":
            digit = 2 if character == "两" else DIGITS.index(character)
    return total + (digit or 0)


def _attempt(make: Callable[[], Item], source: str) -> Item | None:
    """What `make` gives, if it can and if it is written like `source`."""
    try:
        item = make()
    except ValueError:
        return None
    return item if item.source == source else None


_DATE = re.compile(
    rf"(?:([0-9]{{1,4}}|[{DIGITS}]{{1,4}})年)?([0-9]{{1,2}}|[一二三四五六七八九十]+)月"
    r"(?:([0-9]{1,2}|[一二三四五六七八九十]+)日)?"
)
_NUMBER = re.compile(f"[{DIGITS[1:]}零两十百千]+")


def _read_date(text: str) -> Item | None:
    text = text.replace("号", "日").replace("零", "〇")
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = found.groups()
    if year and not year.isascii():
        year = "".join(str(DIGITS.index(character)) for character in year)
    chinese = not month.isascii()
    parts = year and int(year), _value(month), day and _value(day)
    return _attempt(lambda: date(*parts, chinese=chinese), text)


def _read_number(text: str) -> Item | None:
    return (
        _attempt(lambda: number(_value(text)), text)
        if _NUMBER.fullmatch(text)
        else None
    )


def _read_phrase(text: str) -> Item | None:
    words = re.findall("|".join([*sorted(WORDS, key=len, reverse=True), "的"]), text)
    if not text or "".join(words) != text or words.count("的") > 1:
        return None
    return None if "的" in (words[0], words[-1]) else phrase(words)
