"""Measure how high widgets are, for `heights` of their classes.

    python tests/live/measure_heights.py

Prints (container width, height) at as few widths as give the heights by straight lines.
What a widget is filled with counts too: give `reserve=` to one that differs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

SLACK = 24  # px that a straight line may be off


def measured(page: Any, widths: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Per widget: (container width, height) at every width of the window."""
    read = """() => [...document.querySelectorAll("[data-widget]")].map((host) =>
      [host.parentElement.clientWidth, Math.ceil(host.offsetHeight)])"""
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 9000})
        page.wait_for_timeout(150)
        found.append([tuple(box) for box in page.evaluate(read)])
    return [list(points) for points in zip(*found, strict=True)]


def simplified(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """As few points as keep the line within the slack (Douglas and Peucker)."""
    (w0, h0), (w1, h1) = points[0], points[-1]
    if len(points) < 3:
        return points
    off = [abs(h0 + (h1 - h0) * (w - w0) / (w1 - w0) - h) for w, h in points]
    worst = max(range(len(points)), key=off.__getitem__)
    if off[worst] <= SLACK:
        return [points[0], points[-1]]
    return simplified(points[: worst + 1])[:-1] + simplified(points[worst:])


def heights(browser: Any, widgets: Sequence[Any]) -> list[list[tuple[int, int]]]:
    """`heights` of each widget, from the narrowest phone to the widest column."""
    from live_pages import view, write_page

    with tempfile.TemporaryDirectory() as folder:
        write_page(Path(folder), [view(widget) for widget in widgets])
        context = browser.new_context(viewport={"width": 900, "height": 9000})
        page = context.new_page()
        page.goto((Path(folder) / "index.html").as_uri())
        page.wait_for_timeout(2500)
        found = measured(page, range(304, 1300, 16))
        context.close()
    return [simplified(points) for points in found]


def main() -> None:
    from playwright.sync_api import sync_playwright

    from attnkit.live import AddressingPlane, Predict, ScoreLab
    from tools import browser

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=browser.find(), args=["--no-sandbox"]
        )
        made = [AddressingPlane(), ScoreLab(), Predict("How large?", 2.0)]
        for widget, points in zip(made, heights(running, made), strict=True):
            print(f"{type(widget).__name__}: heights = {points}")
        running.close()


if __name__ == "__main__":
    main()
