"""The addressing plane in a real browser: by mouse, by keyboard, what it claims."""

from __future__ import annotations

import random
from typing import Any

import pytest

from attnkit.live import AddressingPlane
from tests.live.widget_bench import Bench, as_tensor, assert_near, point


@pytest.fixture
def plane(bench: Bench) -> AddressingPlane:
    widget = AddressingPlane()
    bench.show(widget)
    return widget


def handle(bench: Bench, name: str) -> Any:
    return bench.page.get_by_role("slider", name=name, exact=True)


QUERY = "query, your taste"


def same_as_python(bench: Bench, plane: AddressingPlane, **state: Any) -> dict:
    """Page and torch agree on every array of a state."""
    plane.state = {**plane.state, **state}
    read = bench.read()
    for name, value in plane.forward().items():
        assert_near(read[name], value)
    return read


def test_first_state_lies_between_two_films(bench: Bench, plane: Any) -> None:
    read = same_as_python(bench, plane)
    first, second, *others = read["weights"]
    assert 0.3 < first < 0.7 and 0.3 < second < 0.7
    assert sum(others) < 0.05


def test_mouse_drags_the_query(bench: Bench, plane: Any) -> None:
    query = handle(bench, QUERY)
    before = point(query)
    bench.drag(query.locator(".at-shape"), -60, 40)
    after = point(query)
    assert after[0] < before[0] - 0.5 and after[1] < before[1] - 0.3
    same_as_python(bench, plane, query=after)


@pytest.mark.parametrize("kind", ["key", "value"])
def test_mouse_drags_keys_and_values(bench: Bench, plane: Any, kind: str) -> None:
    mark = handle(bench, f"{kind} 3, Slow drama")
    before = point(mark)
    bench.drag(mark.locator(".at-shape"), 50, -60)
    after = point(mark)
    assert after != before
    rows = [list(row) for row in plane.state[f"{kind}s"]]
    rows[2] = after
    same_as_python(bench, plane, **{f"{kind}s": rows})


def test_keyboard_alone_moves_turns_and_scales(bench: Bench, plane: Any) -> None:
    query = handle(bench, QUERY)
    query.focus()
    bench.press(*["ArrowLeft"] * 3, "ArrowUp", "Shift+ArrowDown", "]", "[", "[", "+")
    moved = point(query)
    start = complex(0.85, 0.5)
    wanted = start * 1.1 * complex(0.99619, 0.08716)
    assert moved == pytest.approx([wanted.real, wanted.imag], abs=0.02)
    same_as_python(bench, plane, query=moved)
    bench.press("PageDown", "ArrowRight")
    key = handle(bench, "key 1, Road comedy")
    assert key.evaluate("node => node === node.getRootNode().activeElement")
    assert point(key) == pytest.approx([0.7, 1.6])


def test_output_never_leaves_the_hull(bench: Bench, plane: Any) -> None:
    handle(bench, QUERY).focus()
    arrows = [f"Arrow{way}" for way in ("Left", "Right", "Up", "Down")]
    keys = [*arrows, "Shift+ArrowLeft", "+", "]", "PageDown"]
    rng = random.Random(5)
    values = as_tensor(plane.state["values"])
    for _ in range(40):
        bench.press(rng.choice(keys))
        read = bench.read()
        weights = as_tensor(read["weights"])
        assert read["inside_hull"] and (weights >= 0).all()
        assert_near(weights.sum(), 1.0, 1e-9)
        assert_near(read["output"], weights @ values, 1e-9)


def test_cooling_turns_the_blend_into_a_choice(bench: Bench, plane: Any) -> None:
    slider = bench.page.get_by_role("slider", name="Temperature T")
    slider.focus()
    bench.press("Home")
    read = same_as_python(bench, plane, temperature=0.05)
    assert max(read["weights"]) > 0.99
    assert_near(read["output"], plane.state["values"][1], 0.01)
    assert read["goals"][2] is True
    bench.page.get_by_role("radio", name="Hard").check()
    read = same_as_python(bench, plane, hard=True)
    assert read["output"] == plane.state["values"][1]
    assert sorted(read["weights"]) == [0, 0, 0, 1]


@pytest.mark.parametrize("button", ["Do it: 2q", "Do it: T / 2"])
def test_twice_the_query_is_half_the_temperature(
    bench: Bench, plane: Any, button: str
) -> None:
    before = bench.read()
    assert_near(
        before["weights_double_query"], before["weights_half_temperature"], 1e-12
    )
    bench.page.get_by_text("2q or T ÷ 2").click()
    bench.page.get_by_role("button", name=button).click()
    assert_near(bench.read()["weights"], before["weights_half_temperature"], 1e-6)


def test_goals_are_reached_by_keyboard_alone(bench: Bench, plane: Any) -> None:
    handle(bench, QUERY).focus()
    assert bench.read()["goals"] == [False, False, False]
    bench.press(*["ArrowUp"] * 3)
    assert bench.read()["goals"] == [True, False, False]
    bench.press(*["ArrowLeft"] * 13, *["ArrowDown"] * 12)
    read = bench.read()
    assert read["goals"] == [True, True, False]
    assert read["weights"][2] == max(read["weights"])


def test_one_selection_shows_everywhere(bench: Bench, plane: Any) -> None:
    bench.page.get_by_role("option", name="Ghost story").focus()
    bench.press("Enter")
    bench.page.get_by_role("option", name="Space chase").first.focus()
    bench.press("ArrowDown", "ArrowDown")
    page = bench.page
    assert bench.read()["item"] == 3
    chosen = page.locator(".at-handle.at-on")
    assert {node.get_attribute("data-id") for node in chosen.all()} == {
        "keys:3", "values:3",
    }  # fmt: skip
    assert (
        page.get_by_role("gridcell").get_attribute("aria-label").startswith("q reads 4")
    )
    assert "k4 = " in page.locator(".at-line-body").first.inner_text()
    page.get_by_role("button", name="0.38 v1").click()
    assert bench.read()["item"] == 0


def test_tables_hold_the_numbers(bench: Bench, plane: Any) -> None:
    bench.page.get_by_role("button", name="Table", exact=True).click()
    read = bench.read()
    weights = [float(row[1]) for row in bench.table("Weights")]
    assert_near(weights, read["weights"])
    output = bench.table("Values and output")[-1]
    assert_near([float(cell) for cell in output[1:]], read["output"])


def test_the_plane_is_one_tab_stop_and_no_trap(bench: Bench, plane: Any) -> None:
    handle(bench, QUERY).focus()
    inside = "() => document.activeElement.matches('[data-widget]')"
    stops = 0
    while bench.page.evaluate(inside) and stops < 30:
        bench.press("Tab")
        stops += 1
    assert 5 <= stops <= 20


def test_handles_are_large_enough_for_a_finger(bench: Bench, plane: Any) -> None:
    bench.page.set_viewport_size({"width": 320, "height": 800})
    for grip in bench.page.locator(".at-grip").all():
        box = grip.bounding_box()
        assert min(box["width"], box["height"]) >= 44
