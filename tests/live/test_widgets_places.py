"""Position lab: page, Python and the package's positions agree; goals by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from attnkit.live.places import DIM, LENGTH, SCHEMES, PositionLab
from attnkit.transformer import Alibi, Rotary, Sinusoidal
from tests.live.widget_bench import Bench, assert_near, in_node

ORDERS = ([0, 1, 2, 3, 4, 5], [4, 2, 0, 5, 1, 3], [1, 0, 3, 2, 5, 4])


def same_as_python(bench: Bench, made: PositionLab) -> dict:
    read = bench.read()
    made.state = {"encoding": read["encoding"], "order": read["order"]}
    for name, value in made.forward().items():
        assert_near(read[name], value, 1e-6)
    return read


def test_page_and_python_agree_for_every_scheme() -> None:
    made = PositionLab()
    calls = [[order, name, made.data] for name in SCHEMES for order in ORDERS]
    found = in_node("widgets/position_lab.js", "attention", calls)
    moved = in_node("widgets/position_lab.js", "changed", calls)
    for (order, name, _), page, change in zip(calls, found, moved, strict=True):
        made.state = {"encoding": name, "order": order}
        mine = made.forward()
        assert_near(page["weights"], mine["weights"], 1e-9)
        assert_near(page["outputs"], mine["outputs"], 1e-9)
        assert change == pytest.approx(mine["changed"], abs=1e-9)


def test_grids_agree_and_what_is_added_to_words_differs_along_a_diagonal() -> None:
    made = PositionLab()
    grids = in_node(
        "widgets/position_lab.js", "grid", [[n, made.data] for n in SCHEMES]
    )
    for name, page in zip(SCHEMES, grids, strict=True):
        made.state = {"encoding": name}
        assert_near(page, made.grid(), 1e-9)
        added = name in ("sinusoidal", "learned")
        assert (made.forward()["diagonal"] > 1e-6) == added


def test_waves_and_turns_are_those_of_the_package() -> None:
    (wave,) = in_node("widgets/position_lab.js", "wave", [[7, DIM]])
    package = Sinusoidal(DIM)(torch.zeros(1, 8, DIM, dtype=torch.float64))[0, 7]
    assert_near(wave, package, 1e-6)
    vector = torch.randn(DIM, dtype=torch.float64)
    (turned,) = in_node("widgets/position_lab.js", "turned", [[vector.tolist(), 7]])
    rows = vector.expand(1, 1, 8, DIM)
    assert_near(turned, Rotary(DIM).turn_key(rows, 0)[0, 0, 7], 1e-6)
    bias = Alibi(4).bias(torch.zeros(1, 4, LENGTH, DIM), LENGTH)
    made = PositionLab("alibi")
    away = made.grid() - made.grid()[0, 0]
    assert_near(away, bias[0] if bias.dim() == 3 else bias[0, 0], 1e-6)


@pytest.mark.parametrize("order", ORDERS[1:])
def test_without_positions_words_keep_their_outputs(order: list[int]) -> None:
    for name in SCHEMES:
        changed = PositionLab(name, order=order).forward()["changed"]
        assert changed < 1e-12 if name == "none" else changed > 1e-3


def test_first_state_tells_the_story(bench: Bench) -> None:
    made = PositionLab()
    page = bench.show(made)
    read = same_as_python(bench, made)
    assert read["changed"] < 1e-9
    assert page.get_by_text("exactly the output that it had: 0 changed").count() >= 1
    assert not any(read["goals"])


def test_goals_are_reached_by_mouse(bench: Bench) -> None:
    made = PositionLab()
    page = bench.show(made)
    page.get_by_role("button", name="Shuffle").click()
    assert bench.read()["goals"] == [True, False, False]
    page.get_by_role("radio", name="Waves").check(force=True)
    assert same_as_python(bench, made)["changed"] > 0.2
    assert bench.read()["goals"] == [True, True, False], "one of two is found"
    page.get_by_role("radio", name="Learned").check(force=True)
    assert same_as_python(bench, made)["diagonal"] > 1e-6
    assert bench.read()["goals"] == [True, True, True]
    page.get_by_role("button", name="As it was").click()
    assert same_as_python(bench, made)["changed"] == 0
    assert bench.read()["order"] == [0, 1, 2, 3, 4, 5]


def test_words_are_moved_by_keyboard(bench: Bench) -> None:
    made = PositionLab("rotary", order=[0, 1, 2, 3, 4, 5])
    page = bench.show(made)
    page.get_by_role("listbox", name="The sentence").get_by_role("option").first.focus()
    bench.press("Shift+ArrowRight", "Shift+ArrowRight")
    read = same_as_python(bench, made)
    assert read["order"] == [1, 2, 0, 3, 4, 5] and read["changed"] > 1e-3
    bench.press("s")
    assert bench.read()["order"] == [4, 2, 0, 5, 1, 3]


def test_the_prediction_is_checked_against_the_formula(bench: Bench) -> None:
    made = PositionLab()
    page = bench.show(made)
    page.get_by_text("Predict: both move on").click()
    form = page.locator(".at-gate")
    asked = form.locator("label").text_content()
    score = asked.split("the score is ")[1].split(".  Both")[0].split(". Both")[0]
    form.locator("input").fill(score.replace("−", "-"))
    form.get_by_role("button", name="Reveal").click()
    assert "Right" in form.locator(".at-say").text_content()


def test_tables_and_picture(bench: Bench) -> None:
    made = PositionLab("sinusoidal")
    page = bench.show(made)
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Attention weights of the sentence")
    shown = [[float(x) for x in row[1:7]] for row in rows]
    assert_near(shown, made.forward()["weights"], 6e-3)
    assert made.picture()[:4] == b"\x89PNG"
    assert "positions: waves" in made.alt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "roman"}, "encoding: expected one of none, .*; got 'roman'"),
        ({"order": [0, 1]}, "order: expected each of 0 to 5 once"),
        ({"order": [0, 1, 2, 3, 4, 4]}, "order: expected each of 0 to 5 once"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PositionLab(**options)
