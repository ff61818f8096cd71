"""Word to region in a real browser: the graphs in the page against PyTorch."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from attnkit.data.scenes import COLOURS, SHAPES, Thing, describe, draw_scene, scenes
from attnkit.live.regions import WordToRegion
from attnkit.rnn.captioning import (
    CaptionRecipe,
    read_regions,
    train_hard,
    train_image_captioner,
)
from attnkit.rnn.regions import Captioner
from tests.live.widget_bench import Bench, assert_near, in_node

NAMES = ("tokens", "weights", "chances", "logits", "entropy")


@functools.cache
def trained() -> tuple[Captioner, Captioner]:
    """A little training, so that words and places are decided."""
    data = scenes(1000, 1)
    recipe = CaptionRecipe(steps=150)
    soft, _ = train_image_captioner(data, seed=1, recipe=recipe, progress=False)
    read = read_regions(soft.encoder, data)
    hard, _ = train_hard(soft.encoder, read, seed=1, steps=60, progress=False)
    return soft, hard


def shown(count: int = 3) -> list[list[Thing]]:
    data = scenes(count, 5, split="test")
    return [data.things(i) for i in range(count)]


def widget(**options: Any) -> WordToRegion:
    soft, hard = trained()
    return WordToRegion({"soft": soft, "hard": hard}, shown(), **options)


def same_as_python(bench: Bench, made: WordToRegion) -> dict:
    read = bench.read()
    made.state = {name: read[name] for name in ("scene", "kind", "blank", "word")}
    other = made.forward()
    for name in NAMES:
        assert_near(read[name], other[name])
    return read


def region(bench: Bench, i: int) -> Any:
    return bench.page.locator(f"[data-region='{i}']")


def at(thing: list | Thing) -> int:
    return 4 * thing[2] + thing[3]


def test_page_and_torch_agree_on_every_array(bench: Bench) -> None:
    made = widget()
    assert made.data["model"], made.data["reason"]
    bench.show(made)
    for kind in ("Soft", "Hard"):
        bench.page.get_by_role("radio", name=kind).check(force=True)
        for _ in range(3):
            read = same_as_python(bench, made)
            assert read["kind"] == kind.lower()
            bench.page.get_by_role("button", name="Another scene").click()
        bench.page.get_by_role("button", name="Blank this region").click()
        same_as_python(bench, made)
    assert not bench.errors


def test_the_page_paints_what_python_paints() -> None:
    made = widget()
    names = list(SHAPES)
    many = [
        [Thing(colour, names[i % 4], i % 4, (i + j) % 4)]
        for i, colour in enumerate(COLOURS)
        for j in range(4)
    ]
    calls = [[[*map(list, scene)], made.data] for scene in many]
    drawn = in_node("widgets/word_to_region.js", "paintScene", calls)
    for scene, pixels in zip(many, drawn, strict=True):
        flat = torch.tensor([pixels[str(i)] for i in range(len(pixels))])
        assert (flat - draw_scene(scene).flatten()).abs().max() < 1e-4


def test_the_page_captions_as_python_does() -> None:
    data = scenes(50, 6, split="all")
    many = [[list(thing) for thing in data.things(i)[::-1]] for i in range(50)]
    said = in_node("widgets/word_to_region.js", "describe", [[s] for s in many])
    assert said == [describe([Thing(*thing) for thing in s]) for s in many]
    assert in_node("widgets/word_to_region.js", "describe", [[[]], [many[0][:1]]]) == [
        None,
        None,
    ]


def test_a_scene_is_drawn_by_mouse(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    page.get_by_role("button", name="Empty scene").click()
    assert bench.read()["scene"] == []
    page.get_by_role("button", name="blue").click()
    page.get_by_role("button", name="triangle").click()
    region(bench, 5).click()
    page.get_by_role("button", name="yellow").click()
    region(bench, 15).click()
    read = same_as_python(bench, made)
    assert read["scene"] == [["blue", "triangle", 1, 1], ["yellow", "triangle", 3, 3]]
    region(bench, 15).click()  # the same brush again wipes it away
    assert bench.read()["scene"] == [["blue", "triangle", 1, 1]]
    assert "one, three" in page.locator(".at-goals").text_content()


def test_a_scene_is_drawn_and_blanked_by_keyboard(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    first = bench.read()
    cell = page.get_by_role("gridcell")
    cell.focus()
    bench.press("Control+Home", "Home", "PageUp", " ")
    read = bench.read()
    assert ["red", "circle", 0, 0] in read["scene"]
    assert len(read["scene"]) == 3
    bench.press(" ")
    assert sorted(bench.read()["scene"]) == sorted(first["scene"])
    bench.press("b")
    assert bench.read()["blank"] == [0]
    bench.press("ArrowRight", "ArrowDown", "b")
    read = same_as_python(bench, made)
    assert read["blank"] == [0, 5] and read["region"] == 5
    bench.press("b")
    assert bench.read()["blank"] == [0]


def test_blanking_the_place_of_a_thing_changes_its_words(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    thing = made.data["scenes"][0][0]
    region(bench, at(thing)).click()
    page.get_by_role("button", name="Blank this region").click()
    read = same_as_python(bench, made)
    assert read["changed"]
    notes = page.locator(".at-strip").first.locator("[data-note~=changed]")
    assert notes.count() == len([i for i in read["changed"] if i < len(read["tokens"])])
    page.get_by_role("button", name="Bring all back").click()
    assert bench.read()["changed"] == []


def test_choosing_a_region_tells_which_words_read_it(bench: Bench) -> None:
    made = widget()
    bench.show(made)
    read = bench.read()
    region(bench, 6).click()
    words = bench.page.get_by_text("is read by").text_content()
    assert "row 2, column 3" in words
    for word, row in zip(read["output"], read["weights"], strict=True):
        if row[6] >= 0.1:
            assert f"{word} {row[6]:.2f}" in words


def test_for_hard_looks_the_curve_is_said_to_show_chances(bench: Bench) -> None:
    page = bench.show(widget())
    label = page.locator(".at-view .at-label")
    note = page.get_by_text("the best chance")
    for kind, shows in (("Soft", "look is"), ("Hard", "chances of each look are")):
        page.get_by_role("radio", name=kind).check(force=True)
        assert label.filter(has_text=f"{shows}: entropy in nats").count() == 1
        assert note.is_visible() == (kind == "Hard")
        slider = page.get_by_role("slider", name=f"{shows}: entropy in nats, cursor")
        assert slider.count() == 1
    page.get_by_role("button", name="Table").click()
    assert len(bench.table("How spread the chances of each look are")) > 5


def test_the_prediction_is_checked_against_the_model(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    mark = made.data["mark"]
    whole = made._write("soft", made.data["scenes"][0], ())["tokens"].tolist()
    other = made._write("soft", made.data["scenes"][0], [mark])["tokens"].tolist()
    first = [
        i for i, pair in enumerate(zip(whole, other, strict=False)) if len({*pair}) > 1
    ]
    page.get_by_text("Predict: a region goes blank").click()
    page.get_by_label("which word would change first").fill(str(first[0] + 1))
    page.get_by_role("button", name="Reveal").click()
    assert "Right" in page.locator(".at-gate .at-say").text_content()


def test_the_picture_says_its_caption_and_tables_hold_the_weights(bench: Bench) -> None:
    made = widget()
    page = bench.show(made)
    read = bench.read()
    alt = page.locator("canvas[role=img]").get_attribute("aria-label")
    assert " ".join(w for w in read["output"] if w != "⟨end⟩") in alt
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Attention weights, one row per word")
    assert len(rows) == len(read["output"])
    assert_near([float(x) for x in rows[0][1:17]], read["weights"][0], 6e-3)
    assert made.picture()[:4] == b"\x89PNG"
    assert made.alt.startswith("A scene of a ")


def test_a_finer_grid_and_one_model_alone_work_too(bench: Bench) -> None:
    torch.manual_seed(1)
    made = WordToRegion(Captioner(17, rows=8, columns=8).eval(), shown())
    bench.show(made)
    region(bench, 20).click()
    read = same_as_python(bench, made)
    assert len(read["weights"][0]) == 64
    assert bench.page.get_by_role("radio", name="Hard").count() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": []}, "scenes: expected at least one"),
        ({"scenes": [[("pink", "circle", 0, 0)]]}, "things: .*pink"),
        ({"scenes": [[("red", "circle")]]}, "scene: expected things"),
        ({"kind": "sharp"}, "kind: expected soft or hard, got 'sharp'"),
        ({"mark": 16}, "mark: expected 0 to 15, got 16"),
        ({"blank": [16]}, "region: expected 0 to 15, got 16"),
        ({"word": 40}, "word: expected 0 to"),
        ({"precision": "int8"}, "precision: "),
    ],
)
def test_bad_settings_are_named(options: dict, message: str) -> None:
    soft, hard = trained()
    given = {"models": {"soft": soft, "hard": hard}, "scenes": shown()} | options
    with pytest.raises(ValueError, match=message):
        WordToRegion(**given)


def test_a_state_that_cannot_be_leaves_the_old_one() -> None:
    made = widget()
    for state in ({"kind": "mean"}, {"scene": [["red", "circle", 9, 0]]}):
        before = dict(made.state)
        with pytest.raises(ValueError, match="state: "):
            made.state = state
        assert made.state == before


def test_python_answers_where_the_page_cannot_compute() -> None:
    made = widget()
    scene = made.data["scenes"][0]
    free = made.rpc_write("soft", scene, [])
    assert free["free"]["tokens"].tolist() == free["used"]["tokens"].tolist()
    assert free["free"]["tokens"].tolist() == made.forward()["tokens"].tolist()
