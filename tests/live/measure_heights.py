"""Measure how high widgets are, for `heights` of their classes.

    python tests/live/measure_heights.py

Prints (container width, height) at as few widths as give the heights by straight lines.
Narrow columns are measured as on a phone, whose buttons are larger. What a widget is
filled with counts too; it is what the chapters fill in. Give `reserve=` to one that
differs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

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
    from tests.live.live_pages import view, write_page

    found: list[list[tuple[int, int]]] = [[] for _ in widgets]
    with tempfile.TemporaryDirectory() as folder:
        write_page(Path(folder), [view(widget) for widget in widgets])
        for phone, widths in (
            (True, range(304, 600, 16)),
            (False, range(600, 920, 16)),
        ):
            context = browser.new_context(
                viewport={"width": 900, "height": 9000},
                has_touch=phone,
                is_mobile=phone,
            )
            page = context.new_page()
            page.goto((Path(folder) / "index.html").as_uri())
            page.wait_for_timeout(2500)
            for points, more in zip(found, measured(page, widths), strict=True):
                points += more
            context.close()
    return [simplified(points) for points in found]


def examples() -> list[Any]:
    """Each widget with about as much in it as in the chapters."""
    from attnkit.live import AddressingPlane, Alignment, Predict, ScoreLab
    from tests.live.test_widgets_align import aligner

    weights, truth = [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0.25] * 4], [[0, 1], [2], []]
    caption = "The example on paper. Choose a step and read its context as a sum."
    question = (
        "At 24 characters, the longest trained length, the fixed vector gets 0.51 of "
        "the symbols right. What does the additive score get?"
    )
    return [
        AddressingPlane(),
        ScoreLab(),
        aligner(max_steps=8),
        Alignment(
            [*"机器学习"],
            ["machine", "learning", "⟨eos⟩"],
            weights,
            truth,
            caption=caption,
        ),
        Predict(question, 0.9, tolerance=0.04),
    ]


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tools import browser

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=browser.find(), args=["--no-sandbox"]
        )
        made = examples()
        for widget, points in zip(made, heights(running, made), strict=True):
            print(f"{type(widget).__name__}: heights = {points}")
        running.close()


if __name__ == "__main__":
    main()
