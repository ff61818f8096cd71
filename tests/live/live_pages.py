"""Small static pages with widgets on them, as the book's build writes them."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from attnkit.live.static_site import kinds, room, scripts, slim_state

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "book" / "_static" / "host.js"
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def view(widget: Any, picture: bytes | None = None, reserved: bool = False) -> str:
    """One place of a page where a widget is shown, with its static picture."""
    image = ""
    if picture:
        source = base64.b64encode(picture).decode()
        image = f'<noscript><img alt="a picture" src="data:image/png;base64,{source}">'
        image += "</noscript>"
    space = room(widget.model_id, widget.reserve) if reserved else ""
    return place(widget.model_id, space + image)


def place(model_id: str, inside: str = "") -> str:
    """The place of a model that is shown, and what the page holds for it."""
    reference = json.dumps({"version_major": 2, "model_id": model_id})
    script = f'<script type="{VIEW}">{reference}</script>'
    return f'<div class="cell_output">{script}{inside}</div>'


def page_text(
    views: Sequence[str],
    between: str = "",
    bundle: bool = True,
    damage: Callable[[str], str] = lambda state: state,
) -> str:
    """A page of views; every widget that is alive in Python is in its state."""
    state = ipywidgets.Widget.get_manager_state(drop_defaults=False)
    return wrapped(views, state, between, bundle, damage)


def wrapped(
    views: Sequence[str],
    state: dict[str, Any],
    between: str = "",
    bundle: bool = True,
    damage: Callable[[str], str] = lambda state: state,
) -> str:
    """A page of views and of the models behind them."""
    names = ["attnkit", *kinds(state["state"])] if bundle else []
    script = "".join(f'<script src="{name}.js"></script>' for name in names)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Widgets</title><link rel="icon" href="data:,"></head><body><main><h1>Widgets</h1>
{between.join(views)}
</main><script type="{STATE}">{damage(slim_state(json.dumps(state)))}</script>
{script}<script src="host.js"></script></body></html>"""


def write_page(
    folder: Path, *args: Any, name: str = "index.html", **kwargs: Any
) -> None:
    """Write a page with the scripts beside it."""
    (folder / name).write_text(page_text(*args, **kwargs), "utf-8")
    write_scripts(folder)


def write_scripts(folder: Path) -> None:
    """The scripts that a page of widgets loads."""
    for script, text in scripts().items():
        (folder / f"{script}.js").write_text(text, "utf-8")
    shutil.copy(HOST, folder / "host.js")
