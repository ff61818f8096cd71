"""Measure how high the chapters' widgets are, for `heights` of their classes.

    python tests/live/measure_heights.py            # after `make book`
    python tests/live/measure_heights.py --strips   # what is kept, and what is needed

The widgets are those of the chapters as they were run last. The first form prints
(container width, height, height for fingers) at as few widths as give the heights by
straight lines, for each kind of widget the median of its instances. The second lists
the widgets whose room is more than 24 px too high (+) or too low (−). Boards of weights
and questions reckon their room themselves (`attnkit/live/rooms.py`).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SLACK = 28  # px that a straight line may be off
COLUMNS = {"phone": 358, "tablet": 720, "1280 px": 704, "1440 px": 784}
# The book's column, and its faces as far as they are here.
STYLE = """<style>body { margin: 0 } main { width: 704px }
html { --pst-font-family-base: "Segoe UI", "Noto Sans", Roboto, Arial, sans-serif }
</style>"""
BOXES = """() => [...document.querySelectorAll("[data-widget]")].map((host) =>
  [Math.ceil(host.offsetHeight),
   Math.round(parseFloat(getComputedStyle(host.parentElement).minHeight) || 0)])"""

Heights = Callable[[int, bool], list[tuple[int, int]]]
Line = list[tuple[int, ...]]


def chapters() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Of each chapter that was run: its name, its models, those shown, in order."""
    from tests.live.live_pages import STATE, VIEW

    for file in sorted((ROOT / "book/_build/executed").glob("*/*.ipynb")):
        page = json.loads(file.read_text("utf-8"))
        models = page["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
        outputs = (o for cell in page["cells"] for o in cell.get("outputs", []))
        views = (o.get("data", {}).get(VIEW, {}).get("model_id") for o in outputs)
        shown = [n for n in views if n and "kind" in models[n]["state"]]
        yield file.stem, models, shown


def shown() -> tuple[list[str], list[str], dict[str, Any]]:
    """Every widget of the chapters: where it stands, its id; and all models."""
    where, ids, models = [], [], {}
    for name, more, found in chapters():
        models |= more
        where += [f"{name}: {more[n]['state']['kind']}" for n in found]
        ids += found
    return where, ids, models


def page_of(ids: Sequence[str], models: dict[str, Any]) -> str:
    """A page of these widgets, in the rooms that would be kept now."""
    from attnkit.live.static_site import room
    from tests.live.live_pages import place, wrapped

    views = [place(n, room(n, reserve(models[n]["state"]))) for n in ids]
    return wrapped([STYLE, *views], {"state": models, "version_major": 2})


def reserve(state: dict[str, Any]) -> Any:
    """The room of a widget that is made again with today's `attnkit`."""
    from attnkit import live

    if state["kind"] == "alignment":
        return live.Alignment.room(state["data"], state["caption"])
    if state["kind"] == "gate":
        return live.rooms.predict(state["data"]["question"], state["caption"])
    if state["kind"] == "order_guess":
        return live.guesses.HEIGHTS
    name = "".join(map(str.capitalize, state["kind"].split("_")))
    return getattr(live, name).heights


def opened(browser: Any, folder: Path, fingers: bool, count: int) -> Any:
    page = browser.new_context(
        viewport={"width": 960, "height": 60_000}, has_touch=fingers, is_mobile=fingers
    ).new_page()
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function(
        "n => document.querySelectorAll('[data-live]').length === n", arg=count
    )
    page.wait_for_timeout(3000)  # errors that are computed later
    return page


def measuring(pages: Sequence[Any]) -> Heights:
    """(width, fingers) → (height, kept) of every widget."""
    known: dict[tuple[int, bool], list[tuple[int, int]]] = {}

    def at(width: int, fingers: bool) -> list[tuple[int, int]]:
        if (width, fingers) not in known:
            page = pages[fingers]
            page.evaluate(f"document.querySelector('main').style.width='{width}px'")
            page.wait_for_timeout(120)
            known[width, fingers] = page.evaluate(BOXES)
        return known[width, fingers]

    return at


def line(at: Callable[[int], tuple[int, ...]]) -> Line:
    """Heights over the width, with both sides of every step."""
    widths = set(range(288, 900, 24))
    for a, b in pairwise(sorted(widths)):
        while b - a > 1 and off(at(a), at(b)) > 2 * SLACK:
            middle = (a + b) // 2
            left = off(at(a), at(middle)) >= off(at(middle), at(b))
            a, b = (a, middle) if left else (middle, b)
            widths |= {a, b}
    return simplified([(width, *at(width)) for width in sorted(widths)])


def off(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def simplified(points: Line) -> Line:
    """As few points as keep the line within the slack (Douglas and Peucker)."""
    if len(points) < 3:
        return points
    (first, *start), (last, *end) = points[0], points[-1]

    def between(width: int) -> list[float]:
        share = (width - first) / (last - first)
        return [a + (b - a) * share for a, b in zip(start, end, strict=True)]

    away = [off(between(width), heights) for width, *heights in points]
    worst = max(range(len(points)), key=away.__getitem__)
    if away[worst] <= SLACK:
        return [points[0], points[-1]]
    return simplified(points[: worst + 1])[:-1] + simplified(points[worst:])


def lines_of_kinds(where: Sequence[str], at: Heights) -> dict[str, Line]:
    """`heights` of each kind: the median of its instances."""
    places = defaultdict(list)
    for i, name in enumerate(where):
        places[name.split(": ")[1]].append(i)

    def middle(found: list[int], width: int) -> tuple[int, ...]:
        rows = [at(width, fingers) for fingers in (False, True)]
        return tuple(round(statistics.median(row[i][0] for i in found)) for row in rows)

    return {
        kind: line(lambda width, found=found: middle(found, width))
        for kind, found in places.items()
    }


def strips(where: Sequence[str], at: Heights) -> list[str]:
    """Where the room does not fit, and by how much."""
    told = []
    for i, name in enumerate(where):
        boxes = {
            f"{column}{', fingers' if fingers else ''}": at(width, fingers)[i]
            for column, width in COLUMNS.items()
            for fingers in (False, True)
        }
        wrong = [f"{k} {m - o:+}" for k, (o, m) in boxes.items() if abs(m - o) > 24]
        told += [f"{name}: {'; '.join(wrong)}"] if wrong else []
    return told


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.live.live_pages import write_scripts
    from tools import browser

    where, ids, models = shown()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scripts(folder)
        (folder / "index.html").write_text(page_of(ids, models), "utf-8")
        running = playwright.chromium.launch(
            executable_path=browser.find(), args=["--no-sandbox"]
        )
        pages = [opened(running, folder, f, len(ids)) for f in (False, True)]
        at = measuring(pages)
        if "--strips" in sys.argv:
            print(*strips(where, at) or ["Every room fits."], sep="\n")
        else:
            for kind, points in lines_of_kinds(where, at).items():
                print(f"{kind}: heights = {points}")
        running.close()


if __name__ == "__main__":
    main()
