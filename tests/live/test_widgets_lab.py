"""Score lab, alignment from arrays, and prediction, in a real browser."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from attnkit.live import Alignment, Predict, ScoreLab
from tests.live.widget_bench import Bench, assert_near

SOURCE, TARGET = list("三月五日"), ["march", "5", "⟨end⟩"]
WEIGHTS = [[0.7, 0.2, 0.05, 0.05], [0.05, 0.05, 0.8, 0.1], [0.25] * 4]
TRUTH = [[0, 1], [2, 3], []]


def same_as_python(bench: Bench, lab: ScoreLab, **state: Any) -> dict:
    lab.state = {**lab.state, **state}
    read = bench.read()
    for name, value in lab.forward().items():
        assert_near(read[name], value)
    return read


def test_first_state_plain_is_sharp_and_scaled_is_not(bench: Bench) -> None:
    lab = ScoreLab()
    bench.show(lab)
    read = same_as_python(bench, lab)
    plain, scaled = read["weights"][:2]
    assert max(plain) > 0.85 and max(scaled) < 0.6


def test_width_by_slider_curve_and_keyboard(bench: Bench) -> None:
    lab = ScoreLab()
    page = bench.show(lab)
    page.get_by_role("slider", name="Width d").focus()
    bench.press("ArrowRight", "ArrowRight")
    same_as_python(bench, lab, dimension=256)
    page.get_by_role(
        "slider", name="Entropy of the weights, mean of 40 draws, cursor"
    ).focus()
    bench.press("Home")
    same_as_python(bench, lab, dimension=1)
    box = page.locator(".at-curve").nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] - 5, box["y"] + 40)
    read = same_as_python(bench, lab, dimension=512)
    assert_near(read["spread"][0] / math.sqrt(512), 1.0, 0.15)
    curves = [rows[:, -1].mean() for rows in lab.curves().values()]
    assert_near(read["mean_entropy"], torch.stack(curves))


def test_temperature_undoes_the_missing_scale(bench: Bench) -> None:
    lab = ScoreLab()
    page = bench.show(lab)
    slider = page.get_by_role("slider", name="Temperature T")
    slider.focus()
    for _ in range(80):
        if bench.read()["goals"][0]:
            break
        bench.press("ArrowRight")
    near = float(slider.get_attribute("aria-valuetext"))
    assert near == pytest.approx(math.sqrt(64), rel=0.031)
    read = bench.read()
    assert_near(read["weights"][0], read["scaled_at_one"], 0.02)


def test_other_numbers_are_another_draw(bench: Bench) -> None:
    lab = ScoreLab()
    page = bench.show(lab)
    page.get_by_role("button", name="Other numbers").click()
    same_as_python(bench, lab, seed=lab.state["seed"] + 1)


def test_alignment_by_keyboard(bench: Bench) -> None:
    page = bench.show(Alignment(SOURCE, TARGET, WEIGHTS, TRUTH, lang="zh"))
    read = bench.read()
    assert (read["step"], read["source"], read["pointing"]) == (0, 0, 1.0)
    page.get_by_role("gridcell").focus()
    bench.press("ArrowDown", "End")
    read = bench.read()
    assert (read["step"], read["source"]) == (1, 3)
    label = page.get_by_role("gridcell").get_attribute("aria-label")
    assert label == "5 reads 日: 0.100"
    bench.press("Control+End", "Enter")
    page.get_by_role("option", name="三").hover()
    assert bench.read()["source"] == 3, "a held selection stays"
    bench.press("Escape")
    page.get_by_role("option", name="march").hover()
    assert bench.read()["step"] == 0
    assert_near(read["entropy"][2], math.log(4), 1e-9)


def test_alignment_by_mouse_and_its_table(bench: Bench) -> None:
    page = bench.show(Alignment(SOURCE, TARGET, WEIGHTS))
    page.locator("[data-cell='6']").click()
    assert (bench.read()["step"], bench.read()["source"]) == (1, 2)
    page.get_by_role("button", name="Table", exact=True).click()
    rows = bench.table("Attention weights")
    assert_near([[float(x) for x in row[1:-1]] for row in rows], WEIGHTS)
    assert all(float(row[-1]) == 1 for row in rows)


def test_rows_may_be_units_of_a_gated_state(bench: Bench) -> None:
    """Units are no steps: the words speak of what the gates left, by position."""
    widget = Alignment(
        ["六", "、", "六"],
        ["unit 4", "unit 9"],
        [[0.1, 0.2, 0.9], [0.5, 0, 0.25]],
        units=[4, 9],
    )
    assert widget.alt == "Gate weights from 六 、 六: unit 4 holds most of 六, " + (
        "unit 9 holds most of 六."
    )
    page = bench.show(widget)
    page.get_by_label("Unit", exact=True).first.focus()
    page.get_by_role("slider", name="Unit").fill("1")
    words = page.locator(".at-equation").inner_text()
    assert "unit 9" in words and "Output" not in page.locator(".at").inner_text()
    assert "0.50 g1 (六) + 0.25 g3 (六) + 0.00 g2 (、)" in words.replace("\n", "")
    with pytest.raises(ValueError, match="units: expected 2, got 1"):
        Alignment(["a"], ["x", "y"], [[1], [1]], units=[3])


def test_a_sequence_that_reads_itself_asks_and_is_read(bench: Bench) -> None:
    words, weights = ["cat", "sat", "it"], [[1 / 3] * 3, [0.1, 0.8, 0.1], [1, 0, 0]]
    widget = Alignment(words, words, weights, [[], [], [0]])
    page = bench.show(widget)
    assert page.get_by_text("Row: asks; column: is read").is_visible()
    assert page.get_by_role("listbox", name="Is read").count() == 1
    assert page.get_by_role("slider", name="Asks").count() == 1
    assert page.get_by_role("grid", name="row: asks, column: is read").count() == 1
    legend = page.locator(".at-small").text_content()
    assert "true place; the largest weight points at it in 100 % of the rows" in legend
    page.get_by_role("button", name="Table").click()
    head = page.locator("thead th").all_text_contents()
    assert head == ["asks \\ is read", *words, "sum"]
    said = page.locator("[data-widget]").inner_text().lower()
    assert "source" not in said and "output" not in said
    assert widget.alt == (
        "Attention weights within cat sat it: cat reads all alike, sat reads sat, it "
        "reads cat."
    )
    (axes,) = widget.draw().axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("asks", "is read")
    assert axes.get_legend().get_texts()[0].get_text() == "true place"


@pytest.mark.parametrize(
    ("source", "target", "options", "titles"),
    [
        (list("abc"), list("bc"), {}, ["asks", "is read"]),  # with a memory before it
        (list("abc"), list("ab"), {}, None),
        (list("三五"), ["march", "5"], {}, None),
        (["1", "2"], ["last", "mean"], {"row_title": "pooling", "column_title": "step"},
         ["pooling", "step"]),
        (list("ab"), list("ab"), {"row_title": "written", "column_title": "source"},
         None),
    ],
)  # fmt: skip
def test_titles_of_rows_and_columns(
    bench: Bench, source: list, target: list, options: dict, titles: list | None
) -> None:
    even = [[1 / len(source)] * len(source)] * len(target)
    widget = Alignment(source, target, even, **options)
    assert widget.data.get("titles") == titles
    page = bench.show(widget)
    row, column = titles or ["output", "source"]
    page.get_by_role("button", name="Table").click()
    assert page.locator("thead th").first.text_content() == f"{row} \\ {column}"
    (axes,) = widget.draw().axes
    assert axes.get_ylabel() == (titles or ["written"])[0]


@pytest.mark.parametrize(
    ("target", "options", "letter"),
    [
        (list("ab"), {}, "v"),
        (list("xy"), {}, "h"),
        (list("ab"), {"row_title": "written", "column_title": "source"}, "h"),
        (list("xy"), {"value_name": "v"}, "v"),
    ],
)
def test_what_is_summed_has_its_letter(
    bench: Bench, target: list, options: dict, letter: str
) -> None:
    page = bench.show(Alignment(list("ab"), target, [[0.5, 0.5]] * 2, **options))
    context = page.locator(".at-equation").text_content()
    assert f"{letter}a" in context and f"{letter}b" in context


@pytest.mark.parametrize("width", [390, 1280])
def test_many_columns_are_never_narrower_than_a_letter(
    bench: Bench, width: int
) -> None:
    names = [chr(65 + i % 26) for i in range(48)]
    weights = [[float(i == 40 - j) for i in range(48)] for j in range(16)]
    bench.page.set_viewport_size({"width": width, "height": 900})
    page = bench.show(Alignment(names, names[-16:], weights, [[40]] + [[]] * 15))
    sizes = page.locator(".at-board-strips .at-chip, .at-cell").evaluate_all(
        "all => all.map((node) => node.getBoundingClientRect().width)"
    )
    assert min(sizes) >= 11
    clipped = page.locator(".at-chip").evaluate_all(
        "all => all.filter((node) => node.scrollWidth > node.clientWidth + 1).length"
    )
    assert clipped == 0
    for _ in range(2):  # the first selected cell, and the one that the keys lead to
        box = page.locator(".at-heat").locator("xpath=..").bounding_box()
        cell = page.get_by_role("gridcell").bounding_box()
        assert box["x"] <= cell["x"]
        assert cell["x"] + cell["width"] <= box["x"] + box["width"] + 1
        page.get_by_role("gridcell").focus()
        bench.press("Home")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_empty_title_is_refused() -> None:
    with pytest.raises(ValueError, match="row_title: "):
        Alignment(["a"], ["x"], [[1]], row_title="")


def test_large_matrices_are_one_canvas(bench: Bench) -> None:
    weights = torch.softmax(torch.randn(40, 40) * 2, -1)
    words = [f"w{i}" for i in range(40)]
    page = bench.show(Alignment(words, words, weights))
    assert page.locator("canvas").count() == 1
    page.locator("canvas").click(position={"x": 4, "y": 4})
    assert (bench.read()["step"], bench.read()["source"]) == (0, 0)


@pytest.mark.parametrize(
    ("guess", "words"),
    [("16", "Right"), ("12,5", "off by 3.5"), ("", "Without a guess")],
)
def test_prediction_is_checked_and_never_blocks(
    bench: Bench, guess: str, words: str
) -> None:
    page = bench.show(Predict("Spread at 256?", 16.0, digits=1, explain="√256."))
    field = page.get_by_role("textbox", name="Spread at 256?")
    field.fill(guess)
    field.press("Enter")
    said = page.locator(".at-say").inner_text()
    assert words in said and "The answer is 16.0. √256." in said
    assert bench.read() == {"guess": guess, "revealed": True, "answer": 16}
    page.get_by_role("button", name="Guess again").click()
    assert page.locator(".at-say").inner_text() == ""


def test_what_is_no_number_does_not_show_the_answer(bench: Bench) -> None:
    page = bench.show(Predict("How many?", 128.0, digits=0))
    field, said = page.get_by_role("textbox"), page.locator(".at-say")
    for guess in ("abc", "64 tokens"):
        field.fill(guess)
        field.press("Enter")
        assert f"“{guess}” is no number" in said.inner_text()
        assert "128" not in said.inner_text() and field.input_value() == guess
    field.fill("\uff11\uff12\uff18")  # full-width digits
    field.press("Enter")
    assert "✓ Right. The answer is 128." in said.inner_text()


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        ("28%", "✓ Right. The answer is 0.28."),
        ("0,28", "✓ Right. The answer is 0.28."),
        ("28", "✓ Right, as 28 %. The answer is 0.28."),
        ("50 %", "Your guess 0.50 is off by 0.22."),
    ],
)
def test_a_share_may_be_written_in_percent(
    bench: Bench, guess: str, words: str
) -> None:
    page = bench.show(Predict("Which weight?", math.e / (math.e + 7)))
    field = page.get_by_role("textbox", name="Which weight?")
    field.fill(guess)
    field.press("Enter")
    assert words in page.locator(".at-say").inner_text()
    assert "0.2797" not in page.locator("main").inner_text()


def test_the_description_follows_the_numbers(bench: Bench) -> None:
    lab = ScoreLab()
    page = bench.show(lab)
    said = page.locator(".at-w2 > .at-hidden")
    first = said.inner_text()
    page.get_by_role("button", name="Other numbers").click()
    top = max(same_as_python(bench, lab, seed=lab.state["seed"] + 1)["weights"][0])
    assert said.inner_text() != first
    assert f"width 64 and temperature 1.00, draw {lab.state['seed'] + 1}" in (
        said.inner_text()
    )
    assert f"dot {top:.2f}" in said.inner_text()


def test_the_shown_draw_grows_surer_with_every_wider_width() -> None:
    lab = ScoreLab()
    top = lab.drawn.double().softmax(-1).amax(-1)[0, :, lab.state["seed"]]
    wide = top[6:]  # from width 64
    assert wide[0] > 0.9 and (wide.diff() > -0.005).all() and wide[1:].min() > 0.99
    means = lab.curves()["dot"].mean(0)
    assert (means.diff() < 0).all(), "on average at every width"
