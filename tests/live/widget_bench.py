"""A page with widgets in a real browser, their numbers, and functions run in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import torch
from torch import Tensor

from tests.live.live_pages import view, write_page

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "attnkit" / "live" / "src"
RUN = """
const [module, name, calls] = JSON.parse(await new Response(process.stdin).text());
const found = (await import(module))[name];
console.log(JSON.stringify(calls.map((args) => found(...args))));
"""


def in_node(module: str, name: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """`name(*args)` of a source module for every args, computed by node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    text = json.dumps([(SOURCE / module).as_uri(), name, calls])
    command = [node, "--input-type=module", "--eval", RUN]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class Bench:
    """Widgets of Python on a page; what the page says of them."""

    def __init__(self, context: Any, folder: Path, address: str) -> None:
        self.page = context.new_page()
        self.folder, self.address = folder, address
        self.errors: list[str] = []
        self.shown = 0
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def show(self, *widgets: Any) -> Any:
        write_page(self.folder, [view(widget) for widget in widgets])
        self.shown += 1  # another address, or the browser may keep the last page
        self.page.goto(f"{self.address}/index.html?{self.shown}")
        for i in range(len(widgets)):  # mounting waits until a widget comes near
            host = self.page.locator("[data-widget]").nth(i)
            host.scroll_into_view_if_needed()
            self.page.wait_for_function(
                "i => document.querySelectorAll('[data-widget]')[i].dataset.live", arg=i
            )
        return self.page

    def read(self, i: int = 0) -> dict[str, Any]:
        """The readout after everything that waits for a frame has been drawn."""
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        host = self.page.locator("[data-widget]").nth(i)
        return json.loads(host.get_attribute("data-readout"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def drag(self, handle: Any, dx: float, dy: float, steps: int = 6) -> None:
        """Press on the middle of a handle, move, let go."""
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + dx, y + dy, steps=steps)
        mouse.up()

    def table(self, caption: str) -> list[list[str]]:
        """The cells of an open table twin, heads of the rows included."""
        found = self.page.locator("table").filter(has=self.page.get_by_text(caption))
        rows = found.first.locator("tbody tr").all()
        return [row.locator("th, td").all_text_contents() for row in rows]


def assert_near(page: Any, torch_value: Any, tolerance: float = 1e-4) -> None:
    """Page and PyTorch agree on a named array."""
    one = torch.as_tensor(page, dtype=torch.float64)
    other = torch.as_tensor(torch_value, dtype=torch.float64)
    assert one.shape == other.shape
    assert (one - other).abs().max() <= tolerance


def point(handle: Any) -> list[float]:
    """Coordinates of a handle of VectorPlane, as it says them."""
    words = handle.get_attribute("aria-valuetext").replace("−", "-")
    return [float(part.split()[-1]) for part in words.split(",")]


def close_widgets() -> None:
    ipywidgets.Widget.close_all()


def as_tensor(value: Any) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
