"""Widgets on static pages, in a real browser: over http and from disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from attnkit.live.widget import LiveWidget
from tests.live.live_pages import view, write_page

CAPTION = "The square grows faster than the number."


class Tab:
    """A page of the browser with all that it asked for and complained about."""

    def __init__(self, context: Any) -> None:
        self.page = context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, address: str, widgets: int = 1) -> Any:
        self.page.goto(address)
        live = '[data-live="true"]'
        self.page.wait_for_function(
            f"document.querySelectorAll('{live}').length >= {widgets}"
        )
        return self.page

    def readouts(self) -> list[Any]:
        hosts = self.page.locator("[data-widget]").all()
        return [
            json.loads(host.get_attribute("data-readout") or "null") for host in hosts
        ]


@pytest.fixture
def tab(chromium: Any) -> Iterator[Tab]:
    context = chromium.new_context(viewport={"width": 900, "height": 700})
    yield Tab(context)
    context.close()


@pytest.fixture(autouse=True)
def no_other_widgets() -> Iterator[None]:
    ipywidgets.Widget.close_all()
    yield
    ipywidgets.Widget.close_all()


def dial(value: float = 3, **traits: Any) -> LiveWidget:
    traits = {"caption": CAPTION, "alt": "a slider", "python": "D({state})", **traits}
    return LiveWidget(data={"label": "number"}, state={"value": value}, **traits)


@pytest.fixture(params=["http", "file"])
def address(request: Any, tmp_path: Path, serve: Any) -> str:
    return serve(tmp_path) if request.param == "http" else tmp_path.as_uri()


# ---- moving it -----------------------------------------------------------------------


def test_keyboard_moves_it_and_nobody_else_is_asked(
    tab: Tab, address: str, tmp_path: Path
) -> None:
    write_page(tmp_path, [view(dial())])
    page = tab.open(f"{address}/index.html")
    assert tab.readouts() == [{"value": 3, "square": 9}]
    page.get_by_role("slider", name="number").focus()
    page.keyboard.press("ArrowRight")
    assert tab.readouts() == [{"value": 4, "square": 16}]
    assert not tab.errors
    own = (address, "blob:", "data:")
    assert [url for url in tab.requests if not url.startswith(own)] == []


def test_mouse_moves_it(tab: Tab, address: str, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial(0))])
    page = tab.open(f"{address}/index.html")
    box = page.get_by_role("slider").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, middle, steps=8)
    page.mouse.up()
    assert tab.readouts() == [{"value": 10, "square": 100}]


def test_undo_and_reset_by_button_and_by_key(tab: Tab, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial())])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    undo = page.get_by_role("button", name="Undo")
    assert undo.is_disabled()
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    undo.click()
    assert tab.readouts()[0]["value"] == 3  # a burst of keys is one step
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("r")
    assert tab.readouts()[0]["value"] == 3
    page.keyboard.press("Control+z")
    assert tab.readouts()[0]["value"] == 10


def test_keys_are_listed_and_table_equals_the_readout(tab: Tab, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial())])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    page.get_by_role("slider").focus()
    page.keyboard.press("?")
    assert page.get_by_text("change the number by one step").is_visible()
    page.get_by_role("button", name="Table").click()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    cells = page.get_by_role("table").get_by_role("row").last.inner_text().split()
    assert cells == ["4", "16"]


def test_readout_is_silent_until_the_reader_acts_and_then_not_hasty(
    tab: Tab, tmp_path: Path
) -> None:
    write_page(tmp_path, [view(dial(0))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    output = page.get_by_role("status").first
    assert output.get_attribute("aria-live") == "off"
    page.wait_for_timeout(600)
    page.evaluate(
        """() => {
          const root = document.querySelector("[data-widget]").shadowRoot;
          globalThis.heard = [];
          new MutationObserver(() => heard.push(performance.now()))
            .observe(root.querySelector("output"), { childList: true });
          const slider = root.querySelector("input");
          let n = 0;
          const timer = setInterval(() => {
            slider.value = n += 1;
            slider.dispatchEvent(new Event("input"));
            if (n === 10) clearInterval(timer);
          }, 60);
        }"""
    )
    page.wait_for_timeout(1400)
    times = page.evaluate("heard")
    assert output.get_attribute("aria-live") == "polite"
    assert "square 100" in output.inner_text()
    assert 2 <= len(times) <= 3
    assert all(b - a >= 490 for a, b in pairwise(times))


# ---- links, boxes, other widgets -----------------------------------------------------


@pytest.mark.parametrize("link", [ipywidgets.jslink, ipywidgets.jsdlink])
def test_links_join_widgets_without_python(tab: Tab, tmp_path: Path, link: Any) -> None:
    a, b = dial(2), dial(5)
    link((a, "state"), (b, "state"))
    write_page(tmp_path, [view(a), view(b)])
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    values = lambda: [readout["value"] for readout in tab.readouts()]  # noqa: E731
    assert values() == [2, 2]
    sliders = page.get_by_role("slider")
    sliders.nth(0).focus()
    page.keyboard.press("End")
    assert values() == [10, 10]
    sliders.nth(1).focus()
    page.keyboard.press("Home")
    both = link is ipywidgets.jslink
    assert values() == ([0, 0] if both else [10, 0])


def test_boxes_hold_widgets(tab: Tab, tmp_path: Path) -> None:
    box = ipywidgets.VBox([ipywidgets.HBox([dial(1), dial(2)]), dial(3)])
    write_page(tmp_path, [view(box)])
    tab.open(f"{tmp_path.as_uri()}/index.html", 3)
    assert [readout["value"] for readout in tab.readouts()] == [1, 2, 3]


def test_one_widget_shown_twice_is_one_widget(tab: Tab, tmp_path: Path) -> None:
    shown = dial(2)
    write_page(tmp_path, [view(shown), view(shown)])
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("End")
    assert [readout["value"] for readout in tab.readouts()] == [10, 10]


def test_a_core_control_says_that_it_needs_a_kernel(tab: Tab, tmp_path: Path) -> None:
    core = ipywidgets.IntSlider()
    write_page(tmp_path, [view(core, picture=dial().picture()), view(dial())])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("This widget cannot run here: this control needs a running")
    assert page.get_by_role("img", name="a picture").is_visible()


# ---- links to a state ----------------------------------------------------------------


def test_a_link_opens_the_state_it_was_copied_from(tab: Tab, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial(1)), view(dial(2, slug="second"))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("End")
    page.wait_for_function("location.hash.startsWith('#widget.second.')")
    link = page.url
    page.goto("about:blank")
    tab.open(link, 2)
    assert [readout["value"] for readout in tab.readouts()] == [1, 10]
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("r")
    assert [readout["value"] for readout in tab.readouts()] == [1, 2]


PASTE = "link => { location.href = link }"


def test_a_link_pasted_into_the_same_page_takes_its_state(
    tab: Tab, tmp_path: Path
) -> None:
    write_page(tmp_path, [view(dial(1)), view(dial(2, slug="second"))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    page.evaluate("globalThis.samePage = true")
    slider = page.get_by_role("slider").nth(1)
    slider.press("End")
    page.wait_for_function("location.hash.startsWith('#widget.second.')")
    link = page.url
    slider.press("Home")
    page.wait_for_function(f"location.href !== {json.dumps(link)}")
    page.evaluate(PASTE, link)
    page.wait_for_function(
        "document.querySelectorAll('[data-readout*=\"100\"]').length"
    )
    assert [readout["value"] for readout in tab.readouts()] == [1, 10]
    assert slider.input_value() == "10"
    assert page.evaluate("samePage"), "nothing is loaded anew"
    page.get_by_role("button", name="Undo").nth(1).click()
    assert [readout["value"] for readout in tab.readouts()] == [1, 0]
    page.evaluate(PASTE, "#widget.second.AAAA")
    page.get_by_text("cannot be read; nothing has changed").wait_for()
    assert [readout["value"] for readout in tab.readouts()] == [1, 0]
    page.evaluate(PASTE, link)
    page.get_by_text("nothing has changed").wait_for(state="hidden")
    assert not tab.errors


def test_a_link_wakes_a_widget_that_is_far_away(tab: Tab, tmp_path: Path) -> None:
    far = '<div style="height: 9000px"></div>'
    write_page(tmp_path, [view(dial(1)), far, view(dial(2, slug="second"))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 1)
    page.evaluate(PASTE, "#widget.second.eyJ2YWx1ZSI6OX0")
    page.wait_for_function("document.querySelectorAll('[data-live]').length == 2")
    assert tab.readouts()[1] == {"value": 9, "square": 81}


@pytest.mark.parametrize("fragment", ["AAAA", "%%%", "eyJ2YWx1ZSI6InRlbiJ9", "W10"])
def test_a_damaged_link_shows_the_first_state_and_says_so(
    tab: Tab, tmp_path: Path, fragment: str
) -> None:
    write_page(tmp_path, [view(dial(3))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html#widget.dial.{fragment}")
    assert tab.readouts() == [{"value": 3, "square": 9}]
    assert page.get_by_text("cannot be read; here is its first state").is_visible()
    assert not tab.errors


def test_copy_gives_code_and_link(chromium: Any, serve: Any, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial(3))])
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = Tab(context)
    page = tab.open(f"{serve(tmp_path)}/index.html")
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_role("button", name="Copy as Python").click()
    page.get_by_text("Python copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == 'D({"value": 4})'
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/index\.html#widget\.dial\.ey\w+$", link)
    context.close()


def test_where_the_clipboard_is_closed_the_text_is_shown(
    tab: Tab, tmp_path: Path
) -> None:
    write_page(tmp_path, [view(dial(3))])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    page.evaluate("delete Navigator.prototype.clipboard")
    page.get_by_role("button", name="Copy as Python").click()
    assert page.get_by_label("Text to copy").input_value() == 'D({"value": 3})'


# ---- damage --------------------------------------------------------------------------


def broken(page: Any, words: str) -> None:
    """The page says what is wrong and shows the picture."""
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert words in alert.inner_text()
    picture = page.get_by_role("img", name="a picture")
    assert picture.is_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda state: state[: len(state) // 2],
            "its saved state on this page is damaged",
        ),
        (lambda state: '{"state": {}}', "its saved state is missing"),
        (lambda state: state.replace('"dial"', '"diall"'), 'knows no widget "diall"'),
        (lambda state: state.replace("attnkit:front-end", "export default 3 +"), ""),
    ],
    ids=["cut", "missing", "unknown", "broken script"],
)
def test_damaged_state_gives_a_sentence_and_the_picture(
    tab: Tab, tmp_path: Path, damage: Any, words: str
) -> None:
    shown = dial()
    write_page(tmp_path, [view(shown, shown.picture())], damage=damage)
    tab.page.goto(f"{tmp_path.as_uri()}/index.html")
    broken(tab.page, "This widget cannot run here: ")
    assert words in tab.page.get_by_role("alert").inner_text()


def test_a_missing_front_end_gives_a_sentence_and_the_picture(
    tab: Tab, tmp_path: Path
) -> None:
    shown = dial()
    write_page(tmp_path, [view(shown, shown.picture())], bundle=False)
    tab.page.goto(f"{tmp_path.as_uri()}/index.html")
    broken(tab.page, "the book's widget script did not load")


# ---- the page around it --------------------------------------------------------------


def test_theme_follows_the_page(tab: Tab, tmp_path: Path) -> None:
    write_page(tmp_path, [view(dial())])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")

    def becomes(theme: str) -> None:
        host = "document.querySelector('[data-widget]')"
        page.wait_for_function(f"{host}.dataset.theme === '{theme}'", timeout=5000)

    becomes("light")
    page.emulate_media(color_scheme="dark")
    becomes("dark")
    page.evaluate("document.documentElement.dataset.theme = 'light'")  # the book
    becomes("light")
    page.evaluate("delete document.documentElement.dataset.theme")
    becomes("dark")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")  # JupyterLab
    becomes("light")


def test_widgets_in_view_come_first_and_far_ones_by_themselves(
    tab: Tab, tmp_path: Path
) -> None:
    space = '<div style="height: 3000px"></div>'
    write_page(tmp_path, [view(dial(n)) for n in range(3)], between=space)
    tab.page.add_init_script(
        """globalThis.came = [];
        new MutationObserver(() => {
          document.querySelectorAll("[data-widget]").forEach((host, n) => {
            if (host.dataset.live && !came.includes(n)) came.push(n);
          });
        }).observe(document, { attributes: true, subtree: true });"""
    )
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    page.wait_for_function("came.length === 3")
    assert page.evaluate("came") == [0, 1, 2]
    assert page.evaluate("scrollY") == 0


SHIFT = """globalThis.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""


def test_nothing_jumps_while_widgets_come(tab: Tab, tmp_path: Path) -> None:
    text = "<p>Some text to read.</p>"
    heights = [[320, 260], [499, 260], [500, 201]]
    views = [view(dial(n, reserve=heights), reserved=True) for n in range(3)]
    write_page(tmp_path, views, between=text)
    tab.page.add_init_script(SHIFT)
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 3)
    page.wait_for_timeout(300)
    assert page.evaluate("shift") == 0
    assert page.locator(".attnkit-view").first.bounding_box()["height"] < 202


def test_room_that_was_not_needed_is_given_back_out_of_sight(
    tab: Tab, tmp_path: Path
) -> None:
    space = '<div style="height: 1500px"></div>'
    views = [view(dial(n, reserve=[[320, 900]]), reserved=True) for n in range(2)]
    write_page(tmp_path, views, between=space)
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    page.wait_for_function(
        "document.querySelectorAll('.attnkit-view')[1].offsetHeight < 300"
    )
    assert page.evaluate("scrollY") == 0


def test_room_that_was_seen_is_given_back_when_the_reader_has_gone_on(
    tab: Tab, tmp_path: Path
) -> None:
    text = "".join(f"<p id=p{n}>Some text to read.</p>" for n in range(100))
    views = [view(dial(n, reserve=[[320, 900]]), reserved=True) for n in range(2)]
    write_page(tmp_path, views, between=text)
    tab.page.add_init_script(SHIFT)
    page = tab.open(f"{tmp_path.as_uri()}/index.html", 2)
    page.wait_for_timeout(300)
    height = "document.querySelector('.attnkit-view').offsetHeight"
    assert page.evaluate(height) == 900, "in sight: nothing may move"
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 1500)
    page.wait_for_function(f"{height} < 300")
    top = "document.querySelector('#p20').getBoundingClientRect().top"
    first = page.evaluate(top)
    assert page.evaluate("scrollY") < 900, "the page is shorter above"
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(300)
    assert page.evaluate(top) == first + 100
    assert page.evaluate("shift") == 0


def test_a_link_leads_to_its_widget_however_high(tab: Tab, tmp_path: Path) -> None:
    high = [[320, 900]]
    views = [view(dial(n, slug=f"d{n}", reserve=high), reserved=True) for n in range(6)]
    write_page(tmp_path, views, between="<p>Some text to read.</p>")
    state = "eyJ2YWx1ZSI6NX0"  # {"value":5}
    page = tab.open(f"{tmp_path.as_uri()}/index.html#widget.d4.{state}", 6)
    page.wait_for_timeout(300)
    assert tab.readouts()[4]["value"] == 5
    box = "document.querySelectorAll('[data-widget]')[4].getBoundingClientRect()"
    top, bottom = page.evaluate(f"[{box}.top, {box}.bottom]")
    assert top >= 0 and bottom <= 700


def test_mounting_a_hundred_times_leaves_nothing_behind(
    tab: Tab, tmp_path: Path
) -> None:
    write_page(tmp_path, [view(dial())])
    page = tab.open(f"{tmp_path.as_uri()}/index.html")
    client = page.context.new_cdp_session(page)

    def cycle(times: int) -> dict[str, float]:
        page.evaluate(
            """async (times) => {
              const url = URL.createObjectURL(
                new Blob(Object.values(ATTNKIT), { type: "text/javascript" }));
              globalThis.front ??= (await import(url)).default;
              const listeners = new Map();
              const values = { kind: "dial", data: {}, state: { value: 1 } };
              globalThis.model ??= {
                listeners, get: (k) => values[k], set: (k, v) => (values[k] = v),
                on: (e, f) => listeners.set(f, e), off: (e, f) => listeners.delete(f),
                send() {}, save_changes() {},
              };
              for (let i = 0; i < times; i += 1) {
                const el = document.createElement("div");
                document.body.append(el);
                const close = await front.render({ model, el });
                await new Promise((done) => setTimeout(done, 20));
                close();
                el.remove();
              }
            }""",
            times,
        )
        client.send("HeapProfiler.collectGarbage")
        client.send("Performance.enable")
        found = client.send("Performance.getMetrics")["metrics"]
        return {entry["name"]: entry["value"] for entry in found}

    cycle(50)  # until the engine has compiled what it will compile
    before = cycle(1)
    cycle(99)
    after = cycle(1)
    assert page.evaluate("model.listeners.size") == 0
    assert page.locator("[data-widget]").count() == 1
    # One node or listener left by each mount would be 99 more; a handful is what the
    # collector had not yet taken.
    for name in ("Nodes", "JSEventListeners"):
        assert after[name] < before[name] + 50, name
    assert after["Documents"] == before["Documents"]
    assert after["JSHeapUsedSize"] <= 1.05 * before["JSHeapUsedSize"]
