"""Attention cost: formulas against counts, contexts against the package, the page's
clock, which never holds the page up and stops when it is told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from attnkit.attend import attend
from attnkit.live import cost
from attnkit.live.cost import CHOICES, METHODS, SIZES, AttentionCost
from attnkit.transformer import (
    LinformerAttention,
    RandomFeatures,
    linear_attention,
    nystrom_attention,
    window_attention,
)
from tests.live.widget_bench import Bench, assert_near, in_node

PARTS = "widgets/attention_cost"
STATES = [
    {},
    {"method": "window", "pattern": "far", "window": 4, "width": 16},
    {"method": "features", "pattern": "spread", "rows": 16, "sharpness": 0.5},
    {"method": "pooled", "rows": 8, "length": 16, "width": 8},
    {"method": "landmarks", "rows": 128, "sharpness": 0.125, "width": 32},
]


def packaged(
    method: str, q: Tensor, k: Tensor, v: Tensor, window: int, rows: int, seed: int = 1
) -> Tensor:
    """The context that the package's own mechanism gives."""
    n, d = q.shape[-2:]
    if method == "full":
        return attend(q, k, v)
    if method == "window":
        return window_attention(q, k, v, window)
    if method == "linear":
        return linear_attention(q, k, v)
    if method == "features":
        features = RandomFeatures(d, rows).to(q)
        features.directions.copy_(cost.normal(seed, 3, rows, d))
        return linear_attention(q, k, v, features=features)
    if method == "landmarks":
        return nystrom_attention(q, k, v, rows)
    count = min(rows, n)
    linformer = LinformerAttention(n, count).to(q)
    identity = torch.eye(n)[None]
    with torch.no_grad():
        means = torch.nn.functional.adaptive_avg_pool1d(identity, count)[0].mT
        linformer.key_proj.copy_(means)
        linformer.value_proj.copy_(means)
        return linformer(q, k, v)


# ---- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("window", "rows"), [(4, 8), (64, 64), (1, 128)])
def test_contexts_are_those_of_the_package(method: str, window: int, rows: int) -> None:
    for pattern, n in (("near", 48), ("far", 32), ("spread", 64)):
        given = cost.text(pattern, n, 16, 1.0, 1)
        mine = cost.contexts(method, *given, window, rows, 1)
        near = packaged(method, *given, window, rows)
        assert (mine - near).abs().max() < 1e-6 * near.abs().max().clamp_min(1), pattern


@pytest.mark.parametrize("state", STATES)
def test_page_and_python_agree(state: dict[str, Any]) -> None:
    made = AttentionCost(seed=3)
    made.state = state
    (page,) = in_node(f"{PARTS}/numbers.js", "everything", [[made.state, made.data]])
    mine = made.forward()
    assert page["crossing"] == mine.pop("crossing")
    for name, value in mine.items():
        assert_near(page[name], value, 1e-8)


@pytest.mark.parametrize("count", ["operations", "kept"])
def test_formulas_are_the_same_in_page_and_python(count: str) -> None:
    sizes = itertools.product(METHODS, (1, 16, 333, 8192), (8, 256), (1, 64), (4, 128))
    calls = [list(size) for size in sizes]
    mine = [getattr(cost, count)(*call) for call in calls]
    assert in_node(f"{PARTS}/formulas.js", count, calls) == mine
    assert all(isinstance(number, int) and number > 0 for number in mine)


@pytest.mark.parametrize("method", METHODS)
def test_operations_are_those_that_are_counted(method: str) -> None:
    """Products are counted as the package computes them; the formulas hold the rest,
    some percent, too. The package's windows meet 3 w keys, not 2 w + 1."""
    d, window, rows = 128, 8, 32
    found = []
    for n in (256, 512):
        given = (x.float()[None, None] for x in cost.text("spread", n, d, 1.0, 1))
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            packaged(method, *given, window, rows)
        counted = counter.get_total_flops()
        if method == "window":
            counted *= (2 * window + 1) / (3 * window)
        if method == "pooled":  # dense matrices there, plain means here
            counted -= 2 * 2 * n * rows * d
        found.append((counted, cost.operations(method, n, d, window, rows)))
    for counted, formula in found:
        assert 0.97 < formula / counted < 1.1, (counted, formula)
    (counted, formula), (counted2, formula2) = found
    assert formula2 / formula == pytest.approx(counted2 / counted, rel=0.03)


def test_a_window_has_as_many_pairs_as_its_mask() -> None:
    for n, window in ((1, 4), (5, 1), (7, 3), (7, 64)):
        away = torch.arange(n)[:, None] - torch.arange(n)
        assert cost.pairs(n, window) == int((away.abs() <= window).sum())


def test_crossings_are_the_first_lengths_that_are_cheaper() -> None:
    sizes = [(d, w, r) for d in (8, 64, 256) for w in (1, 64) for r in (4, 128)]
    calls = [[m, *size] for m in METHODS if m != "full" for size in sizes]
    page = in_node(f"{PARTS}/formulas.js", "crossing", calls)
    for (method, *size), found in zip(calls, page, strict=True):
        assert cost.crossing(method, *size) == found
        for n, cheaper in ((found - 1, False), (found, True), (4 * found, True)):
            full = cost.operations("full", n, size[0], 0, 0)
            assert (cost.operations(method, n, *size) < full) == cheaper
    assert cost.crossing("linear", 64, 16, 64) == 65
    assert cost.crossing("features", 64, 16, 64) == 130


def test_drawn_numbers_are_normal_and_begin_alike() -> None:
    many = cost.normal(5, 0, 2000, 16)
    assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
    assert abs(many[:, 0] @ many[:, 1]) / 2000 < 0.08
    assert torch.equal(cost.normal(5, 0, 10, 16), many[:10])
    assert not torch.equal(cost.normal(6, 0, 10, 16), many[:10])


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_caption_holds(seed: int) -> None:
    found = AttentionCost(seed=seed).forward()
    error = dict(zip(METHODS, found["errors"][:, -1].tolist(), strict=True))
    assert error["linear"] > 0.9 and error["window"] < 0.08
    assert found["operations"][0] / found["operations"][2] == pytest.approx(63, abs=0.5)
    caption = AttentionCost.CAPTION
    first = AttentionCost().forward()["errors"][:, -1] * 100
    assert f"{first[2]:.0f} % off" in caption and f"{first[1]:.0f} % off" in caption


@pytest.mark.parametrize(
    ("other", "expected"),
    [([2, 4, 8], None), ([0.5, 1, 2], 0), ([2, 2, 2], 64), ([4, 4, 2], 64 * 2**0.5)],
)
def test_measured_times_cross_where_they_do(other: list, expected: Any) -> None:
    (found,) = in_node(
        f"{PARTS}/clock.js", "crossed", [[[32, 64, 128], [1, 2, 4], other]]
    )
    assert found == (expected and pytest.approx(expected))


# ---- the page ------------------------------------------------------------------------


def settled(bench: Bench, i: int = 0) -> dict[str, Any]:
    """The readout once the errors have been computed."""
    wait_for(bench, "!read.pending", i)
    return bench.read(i)


def wait_for(bench: Bench, what: str, i: int = 0) -> None:
    host = "document.querySelectorAll('[data-widget]')[i]"
    bench.page.wait_for_function(
        f"i => {{ const read = JSON.parse({host}.dataset.readout); return {what}; }}",
        arg=i,
        timeout=30_000,
    )


def same_as_python(bench: Bench, made: AttentionCost, **state: Any) -> dict[str, Any]:
    made.state = state
    read = settled(bench)
    mine = made.forward()
    assert read["crossing"] == mine.pop("crossing")
    for name, value in mine.items():
        assert_near(read[name], value, 1e-6)
    return read


def test_first_state_tells_the_story(bench: Bench) -> None:
    made = AttentionCost()
    page = bench.show(made)
    read = same_as_python(bench, made)
    assert read["crossing"][2] == 65 and not any(read["goals"])
    said = page.locator(".at-w16").text_content().replace("\u00a0", " ")
    assert "fewer operations than full attention from 65 words on" in said
    assert "69.5 M in place of 4.38 G, 63 times fewer" in said
    assert page.locator(".at-mark-line text").first.text_content() == "n = 65"
    assert "contexts of linear at 256 words are off by 97 %" in said
    spoken = "Linear, 4,096 words: 63 times fewer operations; contexts at 256 words off"
    page.wait_for_function(f"""() => document.querySelector('[data-widget]').shadowRoot
      .querySelector('.readout').textContent.startsWith('{spoken}')""")
    assert page.get_by_text("fewer operations than full attention from").count() == 1


def test_settings_by_mouse(bench: Bench) -> None:
    made = AttentionCost()
    page = bench.show(made)
    page.get_by_role("button", name="Landmarks").click()
    same_as_python(bench, made, method="landmarks")
    page.get_by_role("radio", name="anywhere").check(force=True)
    same_as_python(bench, made, pattern="spread")
    page.get_by_role("slider", name="Rows r").fill("1")
    read = same_as_python(bench, made, rows=8)
    assert "below zero" in page.locator(".at-w16").text_content()
    assert min(min(row) for row in read["cheap"]) < 0
    box = page.locator(".at-curve").first.bounding_box()
    page.mouse.click(box["x"] + 0.1 * box["width"] + 2, box["y"] + 40)
    same_as_python(bench, made, length=16)
    page.get_by_role("button", name="Reset").click()
    same_as_python(bench, made, **made.initial)


def test_goals_are_reached_by_keyboard(bench: Bench) -> None:
    made = AttentionCost()
    page = bench.show(made)
    settled(bench)
    page.get_by_role("slider", name="Sharpness of the scores").focus()
    bench.press("Home", "2")
    same_as_python(bench, made, method="linear", sharpness=0.125)
    assert bench.read()["goals"] == [False, True, False]
    bench.press("1", *["ArrowRight"] * 12)
    page.get_by_role("slider", name="Window w").focus()
    bench.press("End")
    same_as_python(bench, made, method="window", sharpness=1.0, window=64)
    assert bench.read()["goals"] == [True, True, False]
    page.get_by_role("slider", name="Rows r").focus()
    bench.press("End", "5")
    same_as_python(bench, made, method="landmarks", rows=128)
    assert bench.read()["goals"] == [True, True, True]
    page.get_by_role("slider", name="Error of the contexts").focus()
    bench.press("Home")
    said = page.locator(".at-w16").text_content().replace("\u00a0", " ")
    assert "landmarks at 16 words are off by 0 %" in said


def test_the_page_measures_itself_and_goes_on_living(bench: Bench) -> None:
    page = bench.show(AttentionCost())
    settled(bench)
    page.evaluate(
        """() => { window.beats = 0;
        const beat = () => { window.beats += 1; setTimeout(beat, 10); }; beat(); }"""
    )
    page.get_by_role("button", name="Measure here").click()
    wait_for(bench, "read.measured.lengths.length > 0 && !read.measured.running")
    measured = bench.read()["measured"]
    assert page.evaluate("beats") > 20
    lengths, full = measured["lengths"], measured["ms"][0]
    assert lengths[0] == 32 and len(lengths) >= 4
    assert all(len(row) == len(lengths) for row in measured["ms"])
    assert all(later > earlier for earlier, later in zip(full, full[2:], strict=False))
    growth = full[-1] / full[-3]
    assert 5 < growth < 60, "sixteen by the formula"
    words = page.locator(".at-w16").text_content()
    assert "Measured in this browser" in words
    rings = page.locator(".at-curve").first.locator(".at-rings circle")
    assert rings.count() == len(METHODS) * len(lengths)
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Milliseconds, measured in this browser")
    assert [int(row[0]) for row in rows] == lengths
    page.get_by_role("slider", name="Width d").fill("0")
    assert bench.read()["measured"]["lengths"] == [], "those were of another width"


def test_measuring_is_stopped_by_key_and_by_other_settings(bench: Bench) -> None:
    page = bench.show(AttentionCost(width=256))
    settled(bench)
    page.get_by_role("button", name="Linear").focus()
    bench.press("m")
    assert bench.read()["measured"]["running"]
    assert page.get_by_role("button", name="Stop").is_visible()
    bench.press("m")
    before = bench.read()["measured"]
    page.wait_for_timeout(300)
    assert bench.read()["measured"] == before and not before["running"]
    assert page.get_by_role("button", name="Measure here").is_visible()
    bench.press("m")
    page.get_by_role("slider", name="Window w").fill("0")
    assert not bench.read()["measured"]["running"]


def test_two_of_them_are_independent(bench: Bench) -> None:
    page = bench.show(AttentionCost(), AttentionCost(16, 32, method="window"))
    first = settled(bench)
    other = settled(bench, 1)
    page.get_by_role("button", name="Measure here").nth(1).click()
    page.get_by_role("button", name="Pooled keys").first.click()
    wait_for(bench, "read.measured.lengths.length > 1", 1)
    now = bench.read()
    assert now["method"] == "pooled" and not now["measured"]["lengths"]
    assert bench.read(1)["operations"] == other["operations"]
    assert now["operations"] == first["operations"]


PIXEL = """() => {
  const { shadowRoot } = document.querySelector('[data-widget]');
  const canvas = shadowRoot.querySelector('canvas');
  return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


def test_another_theme_paints_again_and_keeps_what_is_half_typed(bench: Bench) -> None:
    bench.page.emulate_media(color_scheme="light")
    page = bench.show(AttentionCost())
    settled(bench)
    light = page.evaluate(PIXEL)
    page.get_by_text("Predict: from which length on?").click()
    guess = page.get_by_label("Vectors of 64 numbers, 64 random features")
    guess.fill("12")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => String(({PIXEL})()) !== String(light)", arg=light)
    red, green, blue = page.evaluate(PIXEL)
    assert abs(red - 0x74) < 4 and abs(green - 0xC0) < 4 and abs(blue - 0xFC) < 4
    assert guess.input_value() == "12"


NEVER = """let now = 0, wait = setTimeout;
performance.now = () => (now += 20);
window.setTimeout = (then, ms) => (ms === undefined ? 0 : wait(then, ms));
"""  # a machine so slow that long computing stops after its first slice


def test_a_cursor_has_a_value_before_its_curve_is_computed(bench: Bench) -> None:
    bench.page.add_init_script(NEVER)
    page = bench.show(AttentionCost())
    errors = page.get_by_role("slider", name="Error of the contexts")
    assert not page.locator(".at-curve").last.locator(".at-ticks text").count()
    assert errors.get_attribute("aria-valuenow") == "0"


def test_a_finger_that_scrolls_over_a_curve_changes_nothing(
    bench: Bench, chromium: Any
) -> None:
    page = bench.show(AttentionCost())
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{bench.address}/index.html")
    curve = page.locator(".at-curve").first
    curve.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box, start = curve.bounding_box(), page.evaluate("scrollY")
    x, y = box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2
    send = context.new_cdp_session(page).send
    for kind, dy in (("touchStart", 0), *(("touchMove", -20 * n) for n in range(1, 8))):
        point = {"x": x, "y": y + dy}
        send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        page.wait_for_timeout(30)
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > start + 50
    slider = page.get_by_role("slider", name="Length n", exact=True)
    assert slider.get_attribute("aria-valuetext") == "4096"
    page.touchscreen.tap(box["x"] + 60, curve.bounding_box()["y"] + 40)
    page.wait_for_timeout(200)
    assert slider.get_attribute("aria-valuetext") != "4096", "a tap chooses"
    context.close()


UNMOUNT = """async ([data, state]) => {
  const text = new Blob(Object.values(ATTNKIT), { type: "text/javascript" });
  const front = (await import(URL.createObjectURL(text))).default;
  const values = { kind: "attention_cost", data, state, initial: state };
  const model = { get: (k) => values[k], set: (k, v) => (values[k] = v),
    on() {}, off() {}, send() {}, save_changes() {} };
  const el = document.createElement("div");
  document.querySelector("main").prepend(el);
  const close = await front.render({ model, el });
  const host = el.querySelector("[data-widget]");
  host.scrollIntoView();
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  while (!host.dataset.live) await pause(10);
  [...host.shadowRoot.querySelectorAll("button")]
    .find((button) => button.textContent === "Measure here").click();
  while (!values.readout.measured.lengths.length) await pause(10);
  close();
  const left = JSON.stringify(values.readout);
  let clock = 0;
  const now = performance.now.bind(performance);
  performance.now = () => { clock += 1; return now(); };
  await pause(400);
  performance.now = now;
  return [left === JSON.stringify(values.readout), clock];
}"""


def test_measuring_ends_when_the_widget_goes(bench: Bench) -> None:
    made = AttentionCost()
    page = bench.show(made)
    settled(bench)
    same, looked = page.evaluate(UNMOUNT, [made.data, made.state])
    assert same, "nothing is told any more"
    assert looked < 2000, "one slice at most"
    page.wait_for_timeout(100)


def test_the_prediction_is_checked(bench: Bench) -> None:
    page = bench.show(AttentionCost())
    page.get_by_text("Predict: from which length on?").click()
    page.get_by_label("Vectors of 64 numbers, 64 random features").fill("128")
    page.get_by_role("button", name="Reveal").click()
    said = page.locator(".at-gate .at-say").text_content()
    assert "Right" in said and "The answer is 130." in said


def test_tables_and_picture(bench: Bench) -> None:
    made = AttentionCost()
    page = bench.show(made)
    settled(bench)
    page.get_by_role("button", name="Table").click()
    rows = bench.table("Operations of one head")
    assert [int(row[0]) for row in rows] == list(CHOICES["length"])
    mine = made.curves()["operations"]
    assert [float(x) for x in rows[3][1::3]] == [row[3] for row in mine.values()]
    rows = bench.table("Error of the contexts")
    errors = [[float(x) for x in row[1::3]] for row in rows]
    assert [int(row[0]) for row in rows] == list(SIZES)
    assert_near(errors, made.forward()["errors"].mT, 1e-4)
    assert made.picture()[:4] == b"\x89PNG"
    assert "From 65 words on, linear takes fewer" in made.alt


def test_copied_python_makes_it_again(bench: Bench) -> None:
    made = AttentionCost(256, method="window", seed=4)
    space: dict[str, Any] = {}
    exec(made.to_python().rsplit("\n", 1)[0], space)
    assert space["widget"].state == made.state
    assert space["widget"].data == made.data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 100}, "length: expected one of 16, .*; got 100"),
        ({"length": 16.0}, "length: expected one of 16, .*; got 16.0"),
        ({"width": 7}, "width: expected one of 8, .*; got 7"),
        ({"window": True}, "window: expected one of 1, .*; got True"),
        ({"rows": None}, "rows: expected one of 4, .*; got None"),
        ({"method": "magic"}, "method: expected one of window, .*; got 'magic'"),
        ({"method": "full"}, "method: expected one of window, .*; got 'full'"),
        ({"pattern": []}, "pattern: expected one of near, far, spread; got"),
        ({"sharpness": 0}, "sharpness: expected 0.125 to 8, got 0"),
        ({"seed": -1}, "seed: expected .*0 to 4294967295, got -1"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttentionCost(**options)
