"""Word to frame in a real browser: the graphs in the page against PyTorch."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from attnkit.data import EOS
from attnkit.data.clips import Clips, as_floats
from attnkit.live.frames import WordToFrame
from attnkit.rnn import (
    ClipReader,
    held_out_clips,
    train_captioner,
    train_eye,
    training_clips,
)
from attnkit.rnn.video_recipe import VideoRecipe
from tests.live.widget_bench import Bench, assert_near, in_node

NAMES = ("tokens", "weights", "logits", "entropy")


@functools.cache
def trained() -> tuple[ClipReader, Clips]:
    """A little training, so that words and frames are decided; clips whose caption is
    another one when a frame is blank."""
    recipe = VideoRecipe(clips=1000, eye_steps=120, steps=150)
    clips = training_clips(1, recipe.clips)
    eye, _, _ = train_eye(clips, recipe=recipe, progress=False)
    values = eye.watch(clips.frames)
    model, _ = train_captioner(values, clips.captions, recipe=recipe, progress=False)
    test = held_out_clips(1, 60)
    written, _ = model.caption(eye.watch(test.frames), max_len=12)
    written = F.pad(written, (0, 12 - written.shape[1]))
    right = (written == test.captions[:, 1:13]).all(1)
    return ClipReader(eye, model), test[right.nonzero()[:3, 0]]


def widget(**options: Any) -> WordToFrame:
    reader, shown = trained()
    return WordToFrame(reader, shown, **options)


def same_as_python(bench: Bench, made: WordToFrame) -> dict:
    read, clip = bench.read(), shown_clip(bench)
    made.state = {"clip": clip, "blank": read["blank"], "word": read["word"]}
    other = made.forward()
    for name in NAMES:
        assert_near(read[name], other[name])
    assert [w for w in read["output"] if w != "⟨end⟩"] == other["output"]
    return read


def shown_clip(bench: Bench) -> int:
    """How often "Another clip" was pressed is kept in the page's own state."""
    return bench.presses % 3


def another(bench: Bench) -> None:
    bench.page.get_by_role("button", name="Another clip").click()
    bench.presses += 1


@pytest.fixture
def cinema(bench: Bench) -> Bench:
    bench.presses = 0
    return bench


def frame(bench: Bench, i: int) -> Any:
    return bench.page.locator(".at-frame").nth(i)


def test_page_and_torch_agree_on_every_array(cinema: Bench) -> None:
    made = widget()
    assert made.data["model"], made.data["reason"]
    page = cinema.show(made)
    for i in (0, 5, 15):
        same_as_python(cinema, made)
        another(cinema)
        frame(cinema, i).click()
        page.get_by_role("button", name="Blank this frame").click()
        assert same_as_python(cinema, made)["blank"] == [i]


def test_page_shows_the_pixels_of_the_clip() -> None:
    made = widget()
    _, clips = trained()
    call = [made.data["clips"][0]["frames"], made.data["frames"], made.data["size"]]
    (frames,) = in_node("widgets/word_to_frame.js", "pictures", [call])
    flat = torch.tensor([[row[str(i)] for i in range(len(row))] for row in frames])
    assert_near(flat, as_floats(clips.frames[0]).flatten(1), 1e-6)


@pytest.mark.parametrize(
    ("one", "other", "places"),
    [([1, 2, 3], [1, 2, 3], []), ([1, 2], [1, 3, 4], [1, 2]), ([], [5], [0])],
)
def test_where_captions_differ(one: list, other: list, places: list) -> None:
    assert in_node("widgets/word_to_frame.js", "differing", [[one, other]]) == [places]


@pytest.mark.parametrize(
    ("blank", "words"),
    [
        ([0, 5], "no word is shown by what you blanked."),
        ([1], "another frame still shows red, circle."),
        ([1, 2], "though no frame is left that shows red, circle."),
        ([3, 4], "though no frame is left that shows left."),
        ([0, 1, 4], "though no frame is left that shows left."),
    ],
)
def test_a_blank_that_changes_nothing_is_explained_by_what_is_true(
    blank: list, words: str
) -> None:
    truth, told = [[1, 2], [1, 2], [4], []], ["red", "circle", "left", "then"]
    call = [blank, truth, told]
    (said,) = in_node("widgets/word_to_frame.js", "untouched", [call])
    assert said.startswith("The caption stays the same") and said.endswith(words)


def test_an_empty_frame_shows_no_word(cinema: Bench) -> None:
    made = widget()
    page = cinema.show(made)
    shown = {t for word in made.data["clips"][0]["truth"] for t in word}
    empty = next(
        t for t in range(15, -1, -1) if t not in shown | {t - 1 for t in shown}
    )
    frame(cinema, empty).click()
    assert page.locator(".at-truth-key").is_visible()
    page.get_by_role("button", name="Blank this frame").click()
    read = cinema.read()
    if not read["changed"]:
        said = page.locator(".at-diff").text_content()
        assert "no word is shown by what you blanked" in said
    assert page.locator(".at-truth-key").is_hidden()


def test_the_prediction_stands_beside_its_clip_only(cinema: Bench) -> None:
    page = cinema.show(widget())
    asked = page.get_by_text("Predict: a frame goes blank")
    assert asked.is_visible()
    another(cinema)
    assert asked.is_hidden()
    another(cinema)
    another(cinema)
    assert asked.is_visible()


def test_the_first_word_looks_where_the_weights_are_largest(bench: Bench) -> None:
    made = widget()
    bench.show(made)
    read = bench.read()
    row = read["weights"][0]
    assert read["word"] == 0 and read["frame"] == row.index(max(row))
    assert frame(bench, read["frame"]).get_attribute("aria-selected") == "true"
    truth = made.data["clips"][0]["truth"]
    assert bench.page.locator(".at-truth").count() == sum(map(len, truth))


def test_a_frame_is_blanked_by_mouse(cinema: Bench) -> None:
    made = widget()
    page = cinema.show(made)
    mark = made.data["mark"]
    frame(cinema, mark).click()
    page.get_by_role("button", name="Blank this frame").click()
    read = same_as_python(cinema, made)
    assert read["blank"] == [mark] and len(read["changed"]) == 1
    assert read["goals"][0]
    assert "changed 1 of" in page.locator(".at-diff").text_content()
    assert frame(cinema, mark).get_attribute("data-note") == "blank"
    page.get_by_role("button", name="Bring all back").click()
    assert cinema.read()["changed"] == []
    assert page.locator(".at-diff").is_hidden()


def test_frames_are_blanked_by_keyboard(cinema: Bench) -> None:
    made = widget()
    page = cinema.show(made)
    frame(cinema, cinema.read()["frame"]).focus()
    cinema.press("Home", "b", "ArrowRight", "b")
    read = same_as_python(cinema, made)
    assert read["blank"] == [0, 1] and read["frame"] == 1
    cinema.press("b")
    assert cinema.read()["blank"] == [0]
    word = page.get_by_role("listbox", name="Caption; filled").get_by_role("option")
    word.first.focus()
    cinema.press("ArrowRight")
    assert cinema.read()["word"] == 1


def test_an_event_that_is_blanked_goes_missing(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    whole = len(bench.read()["tokens"])
    truth = made.data["clips"][0]["truth"]
    for i in sorted({t for word in truth[:3] for t in word}):
        frame(bench, i).click()
        page.get_by_role("button", name="Blank this frame").click()
    read = bench.read()
    assert read["goals"][1] == (len(read["tokens"]) < whole)
    assert read["changed"]


def test_the_space_bar_plays_and_pauses(bench: Bench) -> None:
    page = bench.show(widget())
    frame(bench, bench.read()["frame"]).focus()
    bench.press("Home", " ")
    page.wait_for_function(
        """() => JSON.parse(document.querySelector("[data-widget]")
           .dataset.readout).frame >= 2"""
    )
    bench.press(" ")
    assert page.get_by_role("button", name="play").count() == 1
    stopped = bench.read()["frame"]
    page.wait_for_timeout(700)  # longer than a frame is shown
    assert bench.read()["frame"] == stopped


def test_the_slider_scrubs(bench: Bench) -> None:
    page = bench.show(widget())
    page.get_by_label("Frame", exact=True).fill("7")
    assert bench.read()["frame"] == 7
    page.get_by_role("button", name="next step").click()
    assert bench.read()["frame"] == 8
    assert "9 of 16" in page.locator(".at-scrub").text_content()


def test_the_prediction_is_checked_against_the_model(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    whole = made._write(0, ())["tokens"].tolist()
    other = made._write(0, [made.data["mark"]])["tokens"].tolist()
    places = [
        i for i, pair in enumerate(zip(whole, other, strict=True)) if len({*pair}) > 1
    ]
    page.get_by_text("Predict: a frame goes blank").click()
    page.get_by_label("which word would change").fill(str(places[0] + 1))
    page.get_by_role("button", name="Reveal").click()
    assert "Right" in page.locator(".at-gate .at-say").text_content()


def test_the_tables_hold_the_weights_and_the_picture_says_them(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    read = bench.read()
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Attention weights, one row per word")
    assert len(rows) == len(read["output"])
    assert_near([float(x) for x in rows[0][1:17]], read["weights"][0], 6e-3)
    assert made.picture()[:4] == b"\x89PNG"
    assert made.alt.startswith("A clip of 16 frames, captioned “")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 3}, "clip: expected 0 to 2, got 3"),
        ({"word": 40}, "word: expected 0 to"),
        ({"blank": [16]}, "frame: expected 0 to 15, got 16"),
        ({"mark": -1}, "mark: expected 0 to 15, got -1"),
        ({"max_steps": 0}, "max_steps: "),
        ({"precision": "int8"}, "precision: "),
    ],
)
def test_bad_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        widget(**options)


def test_too_many_clips_are_refused() -> None:
    reader, _ = trained()
    with pytest.raises(ValueError, match="clips: expected 1 to 4, got 5"):
        WordToFrame(reader, held_out_clips(1, 5))


def test_a_state_that_cannot_be_leaves_the_old_one() -> None:
    made = widget()
    before = dict(made.state)
    for state in ({"clip": 9}, {"blank": [16]}, {"frame": -1}):
        with pytest.raises(ValueError, match="state: "):
            made.state = state
        assert made.state == before


def test_python_answers_where_the_page_cannot_compute() -> None:
    made = widget()
    answer = made.rpc_write(0, [])
    assert answer["free"]["tokens"].tolist() == made.forward()["tokens"].tolist()
    assert answer["used"] is answer["free"]
    assert answer["free"]["tokens"][-1] == EOS
