"""Order → mask with a trained model: its graph against PyTorch, its story, its keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from attnkit.live.guesses import Guesser
from attnkit.live.orders import OrderMask
from tests.live.live_orders import PLACES, SIZE, guess, trained, untrained
from tests.live.live_pages import view, write_page
from tests.live.widget_bench import Bench, assert_near, in_node

MODULE = "widgets/order_guess.js"


def same_as_python(bench: Bench, made: OrderMask) -> dict:
    read = bench.read()
    names = "order", "token", "stream"
    made.state = {name: read[name] for name in names} | {
        "text": "".join(read["letters"])
    }
    out = made.forward()
    for name in ("content", "query"):
        assert read[name] == out[name].tolist()
    assert_near(read["odds"], out["odds"])
    assert_near(read["sure"], out["sure"])
    assert_near(read["reading"], out["reading"])
    assert_near(read["total"], out["total"])
    return read


def place(page: Any, number: int) -> Any:
    return (
        page.get_by_role("listbox", name="The text").get_by_role("option").nth(number)
    )


# ---- texts ---------------------------------------------------------------------------


def test_texts_and_copies_are_read_as_in_python() -> None:
    use = Guesser(untrained(), PLACES, None, 4, "float16")
    data = {"symbols": use.symbols, "size": use.size}
    texts = ["LAKELAKELAKE", "lake", "Â b c", "abcdefghijklmno", "a1z!", "HIDEHIDEHIDK"]
    for text in texts:
        (read,) = in_node(MODULE, "read", [[text, data]])
        assert read["letters"] == use.letters(text)
        (found,) = in_node(MODULE, "copies", [[read["letters"], 4]])
        assert found == [row.nonzero().flatten().tolist() for row in use.copies(text)]
    assert "".join(use.letters("lake")) == "LAKELAKELAKE"
    assert use.copies("HIDEHIDEHIDK").sum(-1).tolist()[3::4] == [1, 1, 0]
    (empty,) = in_node(MODULE, "read", [["12", data]])
    assert empty["letters"] == [] and empty["lost"] == ["1", "2"]


def test_another_text_is_typed_and_read(bench: Bench) -> None:
    made = guess()
    page = bench.show(made)
    field = page.get_by_role("textbox")
    field.fill("hide")
    assert same_as_python(bench, made)["letters"] == [*"HIDEHIDEHIDE"]
    notice = page.locator(".at-notice")
    assert "Written again until all 12 places are full." in notice.inner_text()
    field.fill("q1")
    assert notice.inner_text().endswith("Type at least one letter from A to L.")
    assert (
        bench.read()["letters"] == []
        and not page.locator(".at-strip").first.is_visible()
    )
    page.get_by_role("button", name="Another example").click()
    assert same_as_python(bench, made)["letters"] == [*"HIDEHIDEHIDE"]
    assert notice.inner_text() == ""


# ---- what the reader does ------------------------------------------------------------


def test_the_story_of_the_first_state(bench: Bench) -> None:
    made = OrderMask(model=trained())
    page = bench.show(made)
    read = same_as_python(bench, made)
    told = [bool(places) for places in read["told"]]
    assert told.count(False) == 4 and not told[read["token"]]
    assert all(
        p > 0.5 if known else p < 0.2
        for p, known in zip(read["sure"], told, strict=True)
    )
    said = page.locator(".at-say").first
    assert "all its copies come later, at places 2 and 10" in said.inner_text()
    page.get_by_role("button", name="Predict it later").click()
    read = same_as_python(bench, made)
    assert read["sure"][5] > 0.9 and read["sure"][9] < 0.2 and read["goals"][0]
    assert "a copy stands at place 10" in said.inner_text()


def test_the_caption_says_what_200_orders_gave() -> None:
    made = OrderMask(model=trained())
    told, new, whole, spread = made.guesser.means("LAKELAKELAKE")
    assert (
        f"is {told:.2f} where a copy comes earlier, {new:.2f} where none"
        in made.caption
    )
    assert told > 0.7 and new < 0.15
    words = f"is −{abs(whole):.1f} on average, with a spread of {spread:.1f}."
    assert made.caption.endswith(words)


def test_a_text_is_about_as_probable_in_every_order() -> None:
    """And not because all texts are: without copies it is far below."""
    use = OrderMask(model=trained()).guesser
    with_copies, without = use.means("LAKELAKELAKE"), use.means("ABCDEFGHIJKL")
    assert with_copies[3] < 2 < 20 < with_copies[2] - without[2]


def test_the_sums_are_those_of_the_model_asked_by_itself() -> None:
    made = OrderMask("LAKELIKELAKE", model=trained())
    ids = torch.tensor([[made.guesser.symbols.index(c) for c in "LAKELIKELAKE"]])
    orders = torch.tensor([made.state["order"], [*range(PLACES)]])
    with torch.no_grad():
        odds = made.guesser.model(ids.expand(2, -1), orders).log_softmax(-1)
    wanted = odds.gather(-1, ids.expand(2, -1)[..., None])[..., 0].sum(-1)
    torch.testing.assert_close(made.forward()["total"], wanted, atol=1e-4, rtol=1e-4)


def test_the_whole_text_in_this_order_and_from_left_to_right(bench: Bench) -> None:
    made = guess()
    page = bench.show(made)
    first = same_as_python(bench, made)
    for button in ("Another order", "Another example", "Right to left"):
        page.get_by_role("button", name=button).click()
        read = same_as_python(bench, made)
        sums = [f"{total:.2f}".replace("-", "−") for total in read["total"]]
        said = page.locator(".at-guess .at-small").first.inner_text()
        assert f"sum to {sums[0]} in this order, to {sums[1]} from left" in said
        lengths = page.locator(".at-length .at-num").all_inner_texts()
        assert lengths == sums
    assert read["reading"] != first["reading"]  # another text
    page.get_by_role("button", name="Left to right").click()
    read = same_as_python(bench, made)
    assert read["total"][0] == read["total"][1]
    wide = page.evaluate(
        """() => [...document.querySelector("[data-widget]").shadowRoot
          .querySelectorAll(".at-parts")].map((row) => [...row.children]
          .reduce((sum, part) => sum + part.offsetWidth, 0) / row.offsetWidth)"""
    )
    assert wide == pytest.approx([1, 1], abs=0.03)
    page.locator(".at-length").nth(1).locator(".at-part").nth(8).click()
    assert bench.read()["token"] == 8


def test_every_order_has_one_guess_for_each_letter(bench: Bench) -> None:
    page = bench.show(guess())
    for _ in range(6):
        page.get_by_role("button", name="Another order").click()
        told = bench.read()["told"]
        assert [sum(not places for places in told[i::4]) for i in range(4)] == [1] * 4


def test_the_order_is_changed_by_mouse(bench: Bench) -> None:
    made = guess()
    page = bench.show(made)
    page.get_by_role("button", name="Last ▸▸").click()
    assert same_as_python(bench, made)["order"][-1] == 5
    assert page.get_by_role("button", name="Predict it later").is_disabled()
    page.get_by_role("button", name="◂◂ First").click()
    assert same_as_python(bench, made)["order"][0] == 5
    page.locator(".at-odd").nth(2).click()
    page.get_by_role("button", name="Predict it earlier").click()
    read = same_as_python(bench, made)
    assert read["token"] == 2 and read["order"] == [
        5,
        8,
        3,
        10,
        4,
        7,
        6,
        9,
        2,
        1,
        11,
        0,
    ]
    page.get_by_role("button", name="Right to left").click()
    assert same_as_python(bench, made)["order"] == [*range(12)][::-1]
    assert bench.read()["goals"][1]
    page.get_by_role("radio", name="Content stream").check(force=True)
    assert same_as_python(bench, made)["stream"] == "content"
    page.locator("[data-cell='12']").click()
    assert bench.read()["token"] == 1


def test_a_mouse_that_passes_over_a_place_does_not_choose_it(bench: Bench) -> None:
    page = bench.show(guess())
    place(page, 2).hover()
    assert bench.read()["token"] == 5


def test_everything_is_reached_by_keyboard_alone(bench: Bench) -> None:
    made = guess()
    page = bench.show(made)
    page.get_by_role("textbox").focus()
    bench.press("Home", "Shift+End")
    page.keyboard.type("abcdefghijkl")
    bench.press("Tab", "Tab")
    assert same_as_python(bench, made)["letters"] == [*"ABCDEFGHIJKL"]
    bench.press("Home", "ArrowRight", "Shift+ArrowLeft")
    read = same_as_python(bench, made)
    assert read["token"] == 1 and read["order"] == [
        8,
        3,
        10,
        4,
        7,
        6,
        5,
        1,
        9,
        2,
        11,
        0,
    ]
    bench.press("Shift+Home")
    assert bench.read()["order"][0] == 1
    bench.press("Shift+End", "c")
    read = same_as_python(bench, made)
    assert read["order"][-1] == 1 and read["stream"] == "content"
    bench.press("q", "n")
    other = same_as_python(bench, made)
    assert other["stream"] == "query" and sorted(other["order"]) == [*range(12)]
    assert other["order"] != read["order"]
    bench.press("Tab", "End")  # the strip of the order
    assert same_as_python(bench, made)["token"] == other["order"][-1]


def test_places_say_what_is_shown(bench: Bench) -> None:
    page = bench.show(guess())
    read = bench.read()
    name = place(page, 9).get_attribute("aria-label").split()
    assert name == f"10 A, weight 0.00, probability {read['sure'][9]:.2f}, copy".split()
    assert place(page, 5).get_attribute("aria-label").endswith("predicted")
    bars = page.get_by_role("listbox", name="Probability of each letter")
    assert bars.get_by_role("option").count() == SIZE
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Each place: its turn")
    assert rows[9][:3] == ["10", "A", "8"] and rows[9][3] == "6"
    for column, name in ((-2, "sure"), (-1, "reading")):
        found = [float(row[column]) for row in rows]
        assert found == pytest.approx(read[name], abs=6e-4)
    seen = [[int(float(x)) for x in row[1:]] for row in bench.table("Who may see whom")]
    assert seen == read["query"]


@pytest.mark.parametrize("dark", [False, True])
def test_a_finger_can_do_it_at_390_px(chromium: Any, bench: Bench, dark: bool) -> None:
    write_page(bench.folder, [view(guess())])
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True,
        color_scheme="dark" if dark else "light",
    )  # fmt: skip
    page = context.new_page()
    page.goto(f"{bench.address}/index.html")
    page.wait_for_selector("[data-live]")
    place(page, 0).tap()
    page.get_by_role("button", name="Predict it earlier").tap()
    read = json.loads(page.locator("[data-widget]").get_attribute("data-readout"))
    assert read["token"] == 0 and read["order"][-2:] == [0, 11]
    sizes = page.evaluate(
        """() => [...document.querySelector('[data-widget]').shadowRoot
          .querySelectorAll('.at-buttons button, .at-ask button')]
          .map((button) => button.offsetHeight)"""
    )
    assert min(sizes) >= 44
    wide = "() => document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 390
    if dark:
        page.add_style_tag(content="html { background: #16191d; color: #e6e9ed; }")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert [item["id"] for item in found.response["violations"]] == []
    context.close()


@pytest.mark.parametrize("fingers", [False, True])
def test_the_room_that_is_kept_fits(chromium: Any, bench: Bench, fingers: bool) -> None:
    write_page(bench.folder, [view(OrderMask(model=untrained()), reserved=True)])
    context = chromium.new_context(
        viewport={"width": 900, "height": 4000}, has_touch=fingers, is_mobile=fingers
    )
    page = context.new_page()
    page.goto(f"{bench.address}/index.html")
    page.wait_for_selector("[data-live]")
    for column in (358, 704, 784):
        page.evaluate(f"document.querySelector('main').style.width = '{column}px'")
        spare = page.evaluate(
            """() => { const host = document.querySelector('[data-widget]');
              return parseFloat(getComputedStyle(host.parentElement).minHeight)
                - host.offsetHeight; }"""
        )
        assert abs(spare) <= (100 if column < 400 else 60), column
    context.close()
