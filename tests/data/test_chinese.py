"""Every generated translation is right, symbol by symbol and place by place."""

import datetime
import random
import re

import pytest

from attnkit.data import (
    date,
    dates,
    english,
    join,
    lexicon,
    mixed,
    number,
    numbers,
    parse,
)
from attnkit.data.chinese import DIGITS, SMALL, TENS, WORDS, phrase

VALUE = {name: i for i, name in enumerate(SMALL)} | {
    name: 10 * i for i, name in enumerate(TENS)
}


def read_english(symbols) -> int:
    """The value of an English number, by another way than it was made."""
    total, part = 0, 0
    for symbol in symbols:
        if symbol in ("hundred", "thousand"):
            total += part * (100 if symbol == "hundred" else 1000)
            part = 0
        else:
            part += VALUE[symbol]
    return total + part


def read_chinese(text: str) -> int:
    total, digit = 0, None
    for c in text:
        if c in "十百千":
            total += (1 if digit is None else digit) * 10 ** ("十百千".index(c) + 1)
            digit = None
        elif c == "零":
            digit = None
        else:
            digit = 2 if c == "两" else DIGITS.index(c)
    return total + (digit or 0)


def test_every_number_is_written_right_in_both_languages():
    for n in range(10_000):
        item = number(n)
        assert read_chinese(item.source) == n, item.source
        assert read_english(item.target) == n, item.target
    assert number(3052).source == "三千零五十二"
    assert len({number(n).source for n in range(10_000)}) == 10_000


def test_a_number_word_points_at_the_characters_of_its_value():
    for n in range(10_000):
        item = number(n)
        for symbol, places in zip(item.target, item.alignment, strict=True):
            piece = "".join(item.source[i] for i in places)
            if symbol in ("hundred", "thousand"):
                assert piece == {"hundred": "百", "thousand": "千"}[symbol]
            else:
                assert read_chinese(piece) == VALUE[symbol], (item, symbol)


@pytest.mark.parametrize("chinese", [False, True])
def test_every_day_of_four_years_is_written_right(chinese):
    day = datetime.date(2019, 1, 1)
    while day.year < 2023:
        item = date(day.year, day.month, day.day, chinese=chinese)
        text = english(item.target)
        assert text == f"{day:%B} {day.day}, {day.year}".lower()
        pieces = ["".join(item.source[i] for i in p) for p in item.alignment]
        year = "".join(pieces[-4:])
        digits = "".join(str(DIGITS.index(c)) for c in year) if chinese else year
        assert digits == str(day.year) and pieces[0].endswith("月")
        assert not pieces[-5] and len(pieces) == len(item.target)
        day += datetime.timedelta(days=1)


def test_the_alignment_of_a_date_crosses():
    item = date(2021, 3, 14)
    assert item.source == "2021年3月14日"
    assert item.target == ("march", "1", "4", ",", "2", "0", "2", "1")
    assert item.alignment == [(5, 6), (7,), (8,), (), (0,), (1,), (2,), (3,)]
    assert date(None, 12, 20, chinese=True).alignment == [(0, 1, 2), (3,), (4,)]


def test_every_word_of_the_lexicon_points_at_its_own_characters():
    pairs, back = lexicon(), {word: chinese for chinese, word in WORDS.items()}
    back["of"] = "的"
    for source, target, alignment in zip(
        pairs.source, pairs.target, pairs.alignment, strict=True
    ):
        for symbol, places in zip(target, alignment, strict=True):
            assert "".join(source[i] for i in places) == back[symbol]
    known = dict(zip(pairs.source, map(english, pairs.target), strict=True))
    assert known["机器学习"] == "machine learning"
    assert known["语言的模型"] == "model of language"
    assert len(known) == len(pairs)


def test_a_list_keeps_the_alignment_of_its_items():
    item = join([number(12), date(None, 3, 4), number(5)])
    assert item.source == "十二、3月4日、五"
    assert english(item.target) == "twelve; march 4; five"
    assert item.alignment == [(0, 1), (2,), (3, 4), (5,), (7,), (8,)]


def test_generated_dates_have_every_day_of_the_calendar_and_no_other():
    months = [f"{datetime.date(2000, m, 1):%B}".lower() for m in range(1, 13)]
    seen = set()
    for target in dates(20_000, 1).target:
        found = re.fullmatch(r"(\w+) (\d+)(?:, (\d+))?", english(target))
        if found and not (int(found[2]) > 31):  # a month and a year have no day
            month, day = months.index(found[1]) + 1, int(found[2])
            datetime.date(int(found[3] or 2000), month, day)  # raises if there is none
            seen.add((month, day))
    year = [datetime.date(2000, 1, 1) + datetime.timedelta(days=i) for i in range(366)]
    assert seen == {(day.month, day.day) for day in year}


@pytest.mark.parametrize(
    "make", [dates, numbers, lambda n, s: mixed(n, s, lengths=(1, 40))]
)
def test_what_is_generated_is_read_back(make):
    pairs = make(3000, 6)
    for text, *known in zip(pairs.source, pairs.target, pairs.alignment, strict=True):
        item = parse(text)
        assert item is not None and item == (text, *known), text


def test_a_text_outside_the_language_is_not_read():
    for text in (
        "", "、", "七、", "的", "的机器", "机器的", "机器的语言的网络", "器", "4月31日",
        "2021年2月29日", "1900年2月29日", "0年3月1日", "2014年09月1日", "2014年九月1日",
        "13月1日", "12月", "12345年3月", "一零", "三千五十", "3052", "hello",
    ):  # fmt: skip
        assert parse(text) is None, text
    assert parse("2020年2月29日").target == ("february", "2", "9", ",", *"2020")
    assert parse("二零一四年九月").target == ("september", *"2014")


@pytest.mark.parametrize("split", ["train", "test"])
def test_lengths_are_exact_and_uniform(split):
    pairs = mixed(2000, 3, lengths=(1, 10), split=split)
    counts = [pairs.lengths.count(n) for n in range(1, 11)]
    assert sum(counts) == 2000
    if split == "train":
        assert min(counts) > 150 and max(counts) < 260
    assert set(mixed(50, 3, lengths=(40, 40)).lengths) == {40}


def test_every_source_has_one_translation():
    seen: dict[str, tuple] = {}
    pairs = mixed(5000, 4, lengths=(1, 6))
    for source, target in zip(pairs.source, pairs.target, strict=True):
        assert seen.setdefault(source, target) == target


@pytest.mark.parametrize("make", [dates, numbers, mixed])
def test_a_seed_decides_the_pairs(make):
    assert make(40, 7).source == make(40, 7).source != make(40, 8).source


@pytest.mark.parametrize("make", [dates, numbers, mixed])
def test_the_two_sides_of_the_split_share_no_source(make):
    train = set(make(3000, 1, split="train").source)
    for seed in (1, 2, 3):
        assert not train & set(make(500, seed, split="test").source)


def test_both_vocabularies_know_every_generated_symbol():
    pairs = mixed(3000, 5, lengths=(1, 40))
    first, second = pairs.vocabularies
    assert not [x for text in pairs.source for x in first.unknown(text)]
    assert not [x for text in pairs.target for x in second.unknown(text)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: number(10_000), "n: expected 0 to 9999, got 10000"),
        (lambda: date(2021, 2, 29), "day: month 2 has no day 29"),
        (lambda: date(2021, 3, 0), "day: month 3 has no day 0"),
        (lambda: date(0, 3, 1), "year: expected 1 to 9999, got 0"),
        (lambda: date(-5, 3, None), "year: expected 1 to 9999, got -5"),
        (lambda: date(12345, 3, 1), "year: expected 1 to 9999, got 12345"),
        (lambda: phrase(["苹果", "学习"]), r"words: .*机器.*的; got \['苹果'\]"),
        (lambda: date(2021, 13, 1), "date: expected a date, got 2021, 13, 1"),
        (lambda: date(None, 5, None), "date: expected a date"),
        (lambda: mixed(1, lengths=(5, 4)), r"lengths: .* got \(5, 4\)"),
        (lambda: dates(1, split="val"), "split: .* got 'val'"),
        (lambda: dates(1, items=0), "items: expected at least 1, got 0"),
        (lambda: dates(-1), "n: expected at least 0, got -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("make", [dates, numbers, mixed])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 2.5}, "n: expected type int, got float"),
        ({"n": True}, "n: expected type int, got bool"),
        ({"n": "a"}, "n: expected type int, got str"),
        ({"n": 2, "seed": None}, "seed: expected type int, got NoneType"),
        ({"n": 2, "seed": 1.5}, "seed: expected type int, got float"),
    ],
)
def test_another_type_is_named(make, options, message):
    with pytest.raises(TypeError, match=message):
        make(**options)
    with pytest.raises(TypeError, match="n: expected type int, got float"):
        number(1.5)


def test_generators_leave_the_global_seed_alone():
    random.seed(1)
    before = random.getstate()
    mixed(20, 1)
    assert random.getstate() == before
