"""Order → mask: exact masks, by mouse, by keyboard, and the reader's own mask."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from attnkit.live.orders import OrderMask
from attnkit.transformer import permutation_masks
from tests.live.widget_bench import Bench, in_node

FOUR = [list(order) for order in itertools.permutations(range(4))]


def same_as_python(bench: Bench, made: OrderMask) -> dict:
    read = bench.read()
    made.state = {"order": read["order"], "token": read["token"]}
    for name, mask in made.forward().items():
        assert read[name] == mask.tolist()
    return read


def test_masks_of_all_orders_are_those_of_the_package() -> None:
    made = OrderMask()
    found = in_node("core/orders.js", "masks", [[order] for order in FOUR])
    for order, page in zip(FOUR, found, strict=True):
        made.state = {"order": order}
        mine, package = made.forward(), permutation_masks(torch.tensor(order))
        for name in ("content", "query"):
            assert page[name] == mine[name].tolist()
            assert torch.equal(mine[name].bool(), getattr(package, name))


def test_the_next_order_runs_through_all_of_them() -> None:
    found = in_node("widgets/order_mask.js", "following", [[order] for order in FOUR])
    assert found == [*FOUR[1:], FOUR[0]]


def test_first_state_tells_the_story(bench: Bench) -> None:
    made = OrderMask()
    page = bench.show(made)
    read = same_as_python(bench, made)
    assert read["order"] == [2, 1, 3, 0]
    assert page.get_by_text("2 cat is predicted as number 2, from 3 sat.").count() == 1
    assert not any(read["goals"])
    assert "12 of 24" in page.locator(".at-w9").text_content()


def test_the_order_is_changed_by_mouse(bench: Bench) -> None:
    made = OrderMask()
    page = bench.show(made)
    page.get_by_role("button", name="Predict it later").click()
    assert same_as_python(bench, made)["order"] == [2, 3, 1, 0]
    page.get_by_role("button", name="Next order").click()
    assert same_as_python(bench, made)["order"] == [3, 0, 1, 2]
    page.get_by_role("button", name="Left to right").click()
    read = same_as_python(bench, made)
    assert read["order"] == [0, 1, 2, 3]
    assert read["content"] == torch.ones(4, 4).tril().tolist()


def test_the_order_is_changed_by_keyboard_and_a_goal_is_reached(bench: Bench) -> None:
    made = OrderMask()
    page = bench.show(made)
    page.get_by_role("listbox", name="The text").get_by_role("option").nth(1).focus()
    bench.press("ArrowRight", "ArrowRight")
    assert bench.read()["token"] == 3
    bench.press("Shift+ArrowLeft", "Shift+ArrowLeft")
    read = same_as_python(bench, made)
    assert read["order"] == [3, 2, 1, 0] and not read["goals"][0]
    bench.press("Home", "ArrowRight", "Shift+ArrowLeft")
    read = same_as_python(bench, made)
    assert read["order"] == [3, 1, 2, 0] and read["goals"][0]
    bench.press("n")
    assert bench.read()["order"] == [3, 2, 0, 1]


def test_the_ends_of_the_order_stop(bench: Bench) -> None:
    page = bench.show(OrderMask(token=2))
    assert page.get_by_role("button", name="Predict it earlier").is_disabled()
    page.get_by_role("listbox", name="The text").get_by_role("option").nth(2).focus()
    bench.press("Shift+ArrowLeft")
    assert bench.read()["order"] == [2, 1, 3, 0]


def test_the_order_strip_chooses_the_token(bench: Bench) -> None:
    page = bench.show(OrderMask())
    page.get_by_role("listbox", name="The order").get_by_role("option").nth(2).click()
    assert bench.read()["token"] == 3


def test_an_own_mask_is_drawn_by_mouse_and_key_and_checked(bench: Bench) -> None:
    made = OrderMask()
    page = bench.show(made)
    page.get_by_text("Draw a mask").click()
    truth = permutation_masks(torch.tensor(made.data["drill"])).content
    board = page.locator("details").filter(has_text="Draw a mask")
    cells = truth.flatten().nonzero().flatten().tolist()
    for cell in cells[:-1]:
        board.locator(f"[data-cell='{cell}']").click()
    board.get_by_role("button", name="Check").click()
    said = board.locator(".at-say")
    assert "1 of 16 cells are wrong" in said.text_content()
    assert board.locator(".at-truth").count() == 1
    board.get_by_role("gridcell").focus()
    row, col = divmod(cells[-1], 4)
    bench.press("Control+Home", *["ArrowDown"] * row, *["ArrowRight"] * col, " ")
    board.get_by_role("button", name="Check").click()
    assert "Right, cell for cell" in said.text_content()
    assert bench.read()["goals"][2]
    board.get_by_role("button", name="Start over").click()
    assert bench.read()["wrong"] == len(cells)


def test_tables_hold_the_masks_and_the_picture_is_drawn(bench: Bench) -> None:
    made = OrderMask(["we", "like", "very", "old", "maps"])
    page = bench.show(made)
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Query stream: who may see whom")
    shown = [[int(float(x)) for x in row[1:]] for row in rows]
    assert shown == made.forward()["query"].tolist()
    assert made.picture()[:4] == b"\x89PNG"
    assert "predicted from 3 very" in made.alt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": ["one", "two"]}, "tokens: expected 3 to 8, got 2"),
        ({"tokens": ["x"] * 9}, "tokens: expected 3 to 8, got 9"),
        ({"order": [0, 1, 1, 2]}, r"order: expected each of 0 to 3 once, got \["),
        ({"order": [0, 1, 2]}, "order: expected each of 0 to 3 once"),
        ({"token": 4}, "token: expected 0 to 3, got 4"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OrderMask(**options)


def test_a_state_that_cannot_be_leaves_the_old_one() -> None:
    made = OrderMask()
    before = dict(made.state)
    for state in ({"order": [0, 0, 1, 2]}, {"drawn": [16]}, {"token": -1}):
        with pytest.raises(ValueError, match="state: "):
            made.state = state
        assert made.state == before
