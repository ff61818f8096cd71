"""All widgets on one page: accessible, narrow, dark, still, and of one palette."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from attnkit.live import (
    AddressingPlane,
    Alignment,
    AttentionCost,
    OrderMask,
    PositionLab,
    Predict,
    ScoreLab,
    SegmentMemory,
)
from attnkit.live.widget import STATIC
from attnkit.palette import COLOURS, contrast
from tests.live.live_pages import view, write_page
from tests.live.test_widgets_align import aligner
from tests.live.test_widgets_lab import SOURCE, TARGET, TRUTH, WEIGHTS
from tests.live.widget_bench import Bench

STYLE = (STATIC.parent / "src" / "style.css").read_text("utf-8")
SIDEWAYS = (
    "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
)
OPEN = """() => document.querySelectorAll('[data-widget]').forEach((host) =>
  host.shadowRoot.querySelectorAll('details').forEach((d) => { d.open = true; }))"""


def everything() -> list[Any]:
    return [
        AddressingPlane(),
        ScoreLab(),
        aligner(),
        Alignment(SOURCE, TARGET, WEIGHTS, TRUTH, caption="Who reads whom"),
        Predict("How much?", 3.0, caption="Think first"),
    ]


@functools.cache
def axe() -> Axe:
    return Axe()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_widgets_are_accessible_and_never_scroll_the_page(
    bench: Bench, width: int, theme: str
) -> None:
    bench.page.set_viewport_size({"width": width, "height": 900})
    bench.page.emulate_media(color_scheme=theme)
    page = bench.show(*everything())
    if theme == "dark":
        page.add_style_tag(content="html { background: #16191d; color: #e6e9ed; }")
    page.evaluate(OPEN)
    assert page.evaluate(SIDEWAYS) <= 0
    found = axe().run(page, options={"resultTypes": ["violations"]})
    lines = [
        f"{rule['id']}: {node['target']} {node['html'][:120]}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]
    assert lines == []


def test_a_row_that_sees_nothing_says_so(bench: Bench) -> None:
    made = Alignment(["a", "b"], ["a", "b"], [[0.0, 0.0], [0.75, 0.25]])
    assert "a reads nothing" in made.alt and "b reads a" in made.alt
    shown = bench.show(made).locator(".at-equation").text_content()
    assert "= 0: a may see nothing" in shown and "on the others" not in shown


def examples() -> list[Any]:
    """Each widget with about as much in it as in the chapters."""
    question = (
        "At 24 characters, the longest trained length, the fixed vector gets 0.51 of "
        "the symbols right. What does the additive score get?"
    )
    words, many = ["cat", "sat", "it"], [f"{i + 1}" for i in range(48)]
    even = [[1 / 48] * 48] * 16
    few = [[0.25] * 4] * 5
    how = ["last", "mean", "max, channel 1", "max, channel 2", "attention"]
    caption = "Choose a row and read its weights."
    return [
        AddressingPlane(),
        ScoreLab(),
        PositionLab(),
        OrderMask(),
        SegmentMemory(),
        AttentionCost(),
        aligner(max_steps=8),
        Predict(question, 0.9, tolerance=0.04),
        Alignment(SOURCE, TARGET, WEIGHTS, TRUTH, caption=caption),
        Alignment(words, words, [[1 / 3] * 3] * 3, caption=caption),
        Alignment(many, many[-16:], even, [[]] * 15 + [[3]], caption=4 * caption),
        Alignment(list("1234"), how, few, [[1]] * 5, caption=2 * caption),
    ]


@pytest.mark.parametrize("fingers", [False, True])
def test_the_room_that_is_kept_is_the_room_that_is_needed(
    bench: Bench, chromium: Any, fingers: bool
) -> None:
    """At the widths that the book's column has on most screens, for both pointers."""
    widgets = examples()
    write_page(bench.folder, [view(widget, reserved=True) for widget in widgets])
    context = chromium.new_context(
        viewport={"width": 900, "height": 30_000}, has_touch=fingers, is_mobile=fingers
    )
    page = context.new_page()
    page.goto(f"{bench.address}/index.html")
    page.wait_for_function(
        "n => document.querySelectorAll('[data-live]').length === n", arg=len(widgets)
    )
    page.wait_for_timeout(1000)
    for column in (358, 704, 784):
        page.evaluate(f"document.querySelector('main').style.width = '{column}px'")
        rooms = page.evaluate(
            """() => [...document.querySelectorAll('[data-widget]')].map((host) => [
              host.dataset.widget,
              parseFloat(getComputedStyle(host.parentElement).minHeight)
                - host.offsetHeight])"""
        )
        limit = 100 if column < 400 else 60  # other words have other lines
        wrong = [room for room in rooms if abs(room[1]) > limit]
        assert wrong == [], column
    context.close()


def test_the_frame_takes_the_font_of_its_page(bench: Bench) -> None:
    page = bench.show(Predict("How much?", 3.0))
    font = "() => getComputedStyle(document.querySelector('[data-widget]')).fontFamily"
    assert page.evaluate(font).startswith("system-ui")
    for name in ("--jp-ui-font-family", "--pst-font-family-base"):
        page.add_style_tag(content=f"html {{ {name}: 'Font of {name}', serif }}")
        assert page.evaluate(font) == f'"Font of {name}", serif'


def test_two_of_a_kind_are_independent(bench: Bench) -> None:
    page = bench.show(AddressingPlane(), AddressingPlane())
    before = bench.read(1)
    page.get_by_role("slider", name="query, your taste").first.focus()
    bench.press("ArrowLeft", "ArrowLeft")
    assert bench.read(0)["weights"] != before["weights"]
    assert bench.read(1) == before


def test_reset_and_undo_lead_back(bench: Bench) -> None:
    page = bench.show(AddressingPlane())
    before = bench.read()
    page.get_by_role("slider", name="query, your taste").focus()
    bench.press("ArrowLeft", "PageDown", "ArrowUp")
    bench.press("Control+z", "Control+z")
    assert bench.read()["weights"] == before["weights"]
    bench.press("ArrowRight", "r")
    assert bench.read()["weights"] == before["weights"]


def test_nothing_moves_for_readers_who_asked_for_it(bench: Bench) -> None:
    bench.page.emulate_media(reduced_motion="reduce")
    page = bench.show(*everything())
    longest = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll('[data-widget]')].flatMap(
          (host) => [...host.shadowRoot.querySelectorAll('*')].map((node) => {
            const style = getComputedStyle(node);
            return parseFloat(style.transitionDuration)
              + (style.animationName === 'none' ? 0 : 1);
          })))"""
    )
    assert longest == 0


def test_forced_colours_keep_marks_apart(bench: Bench) -> None:
    bench.page.emulate_media(forced_colors="active")
    page = bench.show(Alignment(SOURCE, TARGET, WEIGHTS, TRUTH))
    shades = page.evaluate(
        """() => [...document.querySelector('[data-widget]').shadowRoot
          .querySelectorAll('.at-cell')]
          .map((cell) => getComputedStyle(cell).backgroundColor)"""
    )
    assert len(set(shades)) >= 5


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--at-([\w-]+): (#[0-9a-f]{6});", block))


def test_palette_is_that_of_the_figures() -> None:
    light = variables(STYLE.split("}")[0])
    assert {name: light[name] for name in COLOURS} == COLOURS


@pytest.mark.parametrize(("block", "ground"), [(0, "#ffffff"), (1, "#16191d")])
def test_colours_reach_their_contrast(block: int, ground: str) -> None:
    colours = variables(STYLE.split("}")[block])
    least = {name: 3.0 if name == "output" else 4.5 for name in COLOURS}  # never text
    assert all(contrast(colours[name], ground) >= least[name] for name in COLOURS)


@pytest.mark.parametrize(("block", "dark_from"), [(0, 0.86), (1, 0.52)])
def test_ink_on_the_ramp_is_readable(block: int, dark_from: float) -> None:
    """The ink turns where black and white read alike; see core/colour.js."""
    colours = variables(STYLE.split("}")[block])
    low, high = (_parts(colours[name]) for name in ("cell", "weight"))
    luminances = []
    for step in range(101):
        w = step / 100
        ground = tuple(a + (b - a) * w for a, b in zip(low, high, strict=True))
        first = "#000000" if block == 0 else "#ffffff"
        ink = first if w <= dark_from else {"#000000": "#ffffff"}.get(first, "#000000")
        assert contrast(ink, ground) >= 4.5, w
        luminances.append(contrast("#000000", ground))
    ordered = sorted(luminances, reverse=block == 0)
    assert luminances == ordered


def _parts(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
