"""What a drag costs: main-thread time of a widget per pointer move, in Chromium.

    python benchmarks/widgets.py            # prints one line per widget

Time is the CPU time of the page's main thread (DevTools, thread ticks), so other
programs on the machine do not count. The bar: 16 ms at the 95th percentile.
"""

from __future__ import annotations

import functools
import http.server
import math
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MOVES = 120
WARM = 20  # moves before that, while the browser still compiles the script
BAR = 16.0


def widgets() -> Iterator[tuple[str, Any, str, tuple[float, float]]]:
    """(name, widget, what is dragged, how far a move goes)."""
    from attnkit.data import vocabularies
    from attnkit.live import AddressingPlane, ScoreLab, TypeToAlign
    from attnkit.rnn import Seq2Seq

    yield "addressing_plane", AddressingPlane(), '[data-id="query"] .at-shape', (60, 40)
    lab, thumb = ScoreLab(), 'input[type="range"] >> nth=1'
    yield "score_lab (temperature)", lab, thumb, (120, 0)
    torch.manual_seed(4)
    model = Seq2Seq(*(len(v) for v in vocabularies())).eval()
    text = "二〇一九年三月五日"
    widget = TypeToAlign(model, vocabularies(), text, max_steps=12)
    yield "type_to_align", widget, ".at-knob", (300, 0)


def costs(page: Any, handle: Any, reach: tuple[float, float]) -> list[float]:
    """Milliseconds of the main thread for each of `MOVES` moves of a drag."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    found, seen = [], set()
    for i in range(WARM + MOVES):
        share = math.sin(i / 5)
        before = busy(session)
        page.mouse.move(x + reach[0] * share, y + reach[1] * share)
        frames = "() => new Promise((f) => requestAnimationFrame(() => setTimeout(f)))"
        page.evaluate(frames)
        found.append(1000 * (busy(session) - before))
        seen.add(page.locator("[data-widget]").get_attribute("data-readout"))
    page.mouse.up()
    if len(seen) < 5:
        raise RuntimeError(f"the drag moved nothing: {len(seen)} readouts")
    return found[WARM:]


def busy(session: Any) -> float:
    """Seconds that the page's main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args: object) -> None:
        pass


def report(browser: Any, folder: Path, address: str) -> bool:
    """Print a line per widget; whether all stay below the bar."""
    from tests.live.live_pages import view, write_page

    good = True
    for name, widget, handle, reach in widgets():
        write_page(folder, [view(widget)])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(address)
        page.wait_for_selector('[data-live="true"]')
        ordered = sorted(costs(page, page.locator(handle).first, reach))
        middle, high = ordered[MOVES // 2], ordered[int(0.95 * MOVES)]
        good &= high <= BAR
        print(f"{name:26} median {middle:5.1f} ms   95th percentile {high:5.1f} ms")
        page.close()
        widget.close()
    return good


def main() -> int:
    from playwright.sync_api import sync_playwright

    from tools import browser as find

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        handler = functools.partial(Quiet, directory=name)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium = playwright.chromium.launch(
            executable_path=find.find(), args=["--no-sandbox", "--disable-gpu"]
        )
        good = report(chromium, Path(name), f"http://127.0.0.1:{server.server_port}/")
        chromium.close()
        server.shutdown()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
