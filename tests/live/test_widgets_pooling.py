"""Pooling over time in a real browser: the graphs in the page against PyTorch."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch

from attnkit.data import UNK
from attnkit.data.signals import review_vocabulary
from attnkit.live.pooling import (
    PoolingOverTime,
    rank_correlation,
    rows,
    shuffled,
)
from attnkit.rnn.pooling import SequenceClassifier
from tests.live.widget_bench import Bench, assert_near, in_node

MODULE = "widgets/pooling_over_time.js"
TEXT = "the plot was dull but the music was great"
TEXTS = [
    TEXT, "great", "bad", "the music was great although the plot was dull",
    "not", "the film was not bad", "the film was not very good .", "xyzzy",
    "the xyzzy was great", "it rained all day . the song was lovely", ". . .",
    "the game was boring and the food was awful", "but although but", "good bad good",
    "we came by train", "a b c d", "the service was quite weak", "the the the the",
    "my sister came too . the room was really charming but the food was not good",
    " ".join(["good"] * 30),
]  # fmt: skip
POOLINGS = ("last", "mean", "max", "attention")


@functools.cache
def models() -> dict[str, SequenceClassifier]:
    """Random weights, large enough that weights and classes are decided."""
    torch.manual_seed(4)
    size = len(review_vocabulary())
    options = {"embed_dim": 6, "hidden_dim": 10}
    made = {p: SequenceClassifier(size, 2, p, **options).eval() for p in POOLINGS}
    with torch.no_grad():
        for model in made.values():
            for parameter in model.parameters():
                parameter.mul_(3)
        made["attention"].pool.query.mul_(20)
    return made


SIZE = {"max_steps": 20, "examples": TEXTS[3:6]}


def reader(**options: Any) -> PoolingOverTime:
    return PoolingOverTime(models(), review_vocabulary(), TEXT, **SIZE | options)


def type_in(bench: Bench, text: str) -> None:
    bench.page.get_by_role("textbox").fill(text)


def same_as_python(bench: Bench, widget: PoolingOverTime, **state: Any) -> dict:
    widget.state = {**widget.state, **state}
    read, other = bench.read(), widget.forward()
    assert read["words"] == other["words"]
    for name in ("logits", "odds", "weights", "drops", "states"):
        assert_near(read[name], other[name])
    return read


def test_page_and_torch_agree_on_every_array(bench: Bench) -> None:
    widget = reader()
    bench.show(widget)
    for pooling in POOLINGS:
        bench.page.get_by_role("radio", name=pooling.capitalize()).check()
        for text in TEXTS:
            type_in(bench, text)
            same_as_python(bench, widget, text=text, pooling=pooling)


def test_float32_weights_agree_as_well(bench: Bench) -> None:
    widget = reader(precision="float32")
    bench.show(widget)
    same_as_python(bench, widget)


def test_erased_rows_shuffles_and_ranks_are_those_of_python() -> None:
    for ids in ([5], [7, 8, 9], list(range(4, 14))):
        tokens, mask = rows(ids, 12)
        (found,) = in_node(MODULE, "rows", [[ids, 12, 0]])
        assert list(found["tokens"].values()) == tokens.flatten().tolist()
        assert list(found["mask"].values()) == mask.flatten().tolist()
    calls = [[n, k] for n in (1, 5, 20) for k in range(1, 8)]
    assert in_node(MODULE, "shuffled", calls) == [shuffled(*call) for call in calls]
    draw = torch.Generator().manual_seed(1)
    pairs = [torch.rand(2, n, generator=draw).tolist() for n in (2, 5, 20)]
    pairs.append([[0.1, 0.1, 0.5], [0.3, 0.1, 0.1]])
    for found, (a, b) in zip(
        in_node(MODULE, "rankCorrelation", pairs), pairs, strict=True
    ):
        assert found == pytest.approx(rank_correlation(a, b))


def test_rank_correlation_of_known_lists() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 3], [1, 1, 2, 3]) == pytest.approx(1)
    assert rank_correlation([0.5, 0.5], [0.1, 0.9]) is None
    assert in_node(MODULE, "rankCorrelation", [[[0.5, 0.5], [0.1, 0.9]]]) == [None]


def test_keyboard_erases_swaps_and_takes_back(bench: Bench) -> None:
    widget = reader()
    bench.show(widget)
    bench.page.get_by_role("option", name="the").first.focus()
    bench.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert bench.read()["step"] == 3
    bench.press("Delete")
    assert "dull" not in bench.read()["words"]
    bench.press("Control+z")
    assert bench.read()["words"] == TEXT.split()
    bench.press("Home", "Shift+ArrowRight")
    read = bench.read()
    assert read["words"][:3] == ["plot", "the", "was"] and read["step"] == 1
    same_as_python(bench, widget, text=" ".join(read["words"]), step=1)


def test_mouse_erases_the_chosen_word_and_undo_brings_it_back(bench: Bench) -> None:
    bench.show(reader())
    bench.page.get_by_role("option", name="dull").first.click()
    drop = bench.read()["drops"][3]
    before = bench.read()["odds"]
    bench.page.get_by_role("button", name="Erase the word").click()
    read = bench.read()
    assert len(read["words"]) == 8
    best = before.index(max(before))
    assert before[best] - read["odds"][best] == pytest.approx(drop, abs=1e-4)
    bench.page.get_by_role("button", name="Undo").click()
    assert bench.read()["words"] == TEXT.split()
    bench.page.get_by_role("button", name="Swap with the next").click()
    assert bench.read()["words"] != TEXT.split()


def test_shuffled_weights_are_the_same_numbers_elsewhere(bench: Bench) -> None:
    widget = reader()
    page = bench.show(widget)
    own = bench.read()
    page.get_by_role("button", name="Shuffle the weights").click()
    read = same_as_python(bench, widget, shuffle=1)
    assert sorted(read["weights"]) == pytest.approx(sorted(own["weights"]), abs=1e-5)
    assert read["weights"] != own["weights"]
    assert_near(read["own"], own["odds"])
    page.get_by_role("button", name="Own weights").click()
    assert_near(bench.read()["weights"], own["weights"])


def test_mean_has_no_rank_correlation_and_max_cannot_be_shuffled(bench: Bench) -> None:
    page = bench.show(reader())
    page.get_by_role("radio", name="Mean").check()
    assert bench.read()["rank"] is None
    assert "same weight" in page.locator(".at-say").first.inner_text()
    page.get_by_role("radio", name="Max").check()
    assert page.get_by_role("button", name="Shuffle the weights").is_disabled()


def test_unknown_words_long_texts_and_none(bench: Bench) -> None:
    widget = reader()
    page = bench.show(widget)
    type_in(bench, "the xyzzy was great")
    read = same_as_python(bench, widget, text="the xyzzy was great")
    assert read["ids"][1] == UNK
    notice = page.locator(".at-notice")
    assert "Not in the vocabulary" in notice.inner_text()
    assert "xyzzy" in notice.inner_text()
    assert page.locator("[data-note~=unknown]").all_text_contents() == ["xyzzy"]
    type_in(bench, " ".join(["good"] * 25))
    assert "first 20 words" in notice.inner_text()
    type_in(bench, "  ")
    assert "at least one word" in notice.inner_text()
    type_in(bench, "good")
    assert len(bench.read()["words"]) == 1


def test_goal_is_reached_by_keyboard_alone(bench: Bench) -> None:
    """Erase the word with the largest weight, over the examples, until one stays."""
    page = bench.show(reader())
    for _ in range(4):
        read = bench.read()
        top = read["weights"].index(max(read["weights"]))
        page.get_by_role("option").first.focus()
        page.locator('.at-strip [tabindex="0"]').focus()
        bench.press("Home", *["ArrowRight"] * top, "Delete")
        if any(bench.read()["goals"][:2]):
            break
        page.get_by_role("button", name="Another example").focus()
        bench.press("Enter")
    assert any(bench.read()["goals"][:2])


def test_the_words_under_the_curve_stay_inside_the_drawing(bench: Bench) -> None:
    page = bench.show(reader())
    drawing = page.locator(".at-curve").bounding_box()
    words = page.locator(".at-curve .at-ticks").first.locator("text")
    assert words.count() == len(TEXT.split())
    for word in words.filter(has_text="e").all():
        box = word.bounding_box()
        assert box["x"] >= drawing["x"]
        assert box["x"] + box["width"] <= drawing["x"] + drawing["width"]


def test_words_can_be_tapped(bench: Bench) -> None:
    page = bench.show(reader())
    page.get_by_text("words that the models know").click()
    page.get_by_role("button", name="lovely", exact=True).click()
    assert bench.read()["words"][-1] == "lovely"


def test_bad_input_names_what_is_wrong() -> None:
    vocabulary = review_vocabulary()
    for options, words in (
        ({"pooling": "sum"}, "pooling: expected one of last"),
        ({"precision": "int8"}, "precision"),
        ({"classes": ["one"]}, "classes: expected 2 names"),
        ({"step": -1}, "step"),
    ):
        with pytest.raises(ValueError, match=words):
            reader(**options)
    with pytest.raises(ValueError, match="text: expected at least one word"):
        PoolingOverTime(models(), vocabulary, "  ")
    with pytest.raises(ValueError, match="models"):
        PoolingOverTime({}, vocabulary, TEXT)


def test_erasing_a_word_is_running_the_model_without_it() -> None:
    widget = reader()
    out, model = widget.forward(), widget.models["attention"]
    ids = review_vocabulary().encode(TEXT.split())
    best = int(out["odds"].argmax())
    for i, drop in enumerate(out["drops"]):
        rest = torch.tensor([ids[:i] + ids[i + 1 :]])
        with torch.no_grad():
            odds = model(rest).softmax(-1)[0]
        assert math.isclose(out["odds"][best] - odds[best], drop, abs_tol=1e-5)
    assert out["weights"].sum() == pytest.approx(1, abs=1e-5)
