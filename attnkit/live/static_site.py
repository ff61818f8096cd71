"""Static pages: the bundle once per page, widget state without copies of it.

myst-nb writes the state of a page's widgets as JSON, with the whole front end in it
once per widget. `slim_state` takes the front end out, `bundle_script` puts it into
one file beside the pages, and `book/_static/host.js` brings both together again.
The file is a classic script because a page opened from disk may load no modules.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attnkit.live.widget import BUNDLE

MARKER = "attnkit:bundle"


def bundle_script() -> str:
    """The text of `_static/attnkit-bundle.js`: the bundle as a JavaScript string."""
    text = json.dumps(BUNDLE.read_text("utf-8")).replace("</", "<\\/")
    return f"globalThis.ATTNKIT_BUNDLE = {text};\n"


def room(model_id: str, heights: Sequence[Sequence[int]]) -> str:
    """The empty place that a widget will fill, as high as it will be: nothing jumps.

    It stands directly after the view's script; `host.js` mounts the widget into it.

    Args:
        model_id: the model that the view shows.
        heights: its trait `reserve`: [container width, height] in px, narrow first;
            between two widths the height goes in a straight line.

    Returns:
        HTML. Without scripts it takes no room.
    """
    place = f"attnkit-room-{model_id}"
    rules = [f".{place} {{ min-height: {px}px }}" for _, px in heights[:1]]
    for (width, px), (wider, other) in zip(
        heights, [*heights[1:], *heights[-1:]], strict=True
    ):
        slope = (other - px) / (wider - width) if wider > width else 0
        height = f"calc({px}px + {slope:.4g} * (100cqw - {width}px))"
        rule = f".{place} {{ min-height: {height} }}"
        rules.append(f"@container (min-width: {width}px) {{ {rule} }}")
    return (
        '<div class="attnkit-room" style="container-type: inline-size">'
        f"<style>{' '.join(rules)}</style>"
        f"<noscript><style>.{place} {{ display: none }}</style></noscript>"
        f'<div class="attnkit-view {place}"></div></div>'
    )


def slim_state(state_json: str) -> str:
    """Replace our front end in a page's widget state by a marker.

    Args:
        state_json: the text of a script of type
            `application/vnd.jupyter.widget-state+json`.

    Returns:
        The same JSON; in every model of ours `_esm` is `"attnkit:bundle"`.

    Raises:
        ValueError: the text is not widget state.
    """
    page = json.loads(state_json)
    if not isinstance(page, dict) or not isinstance(page.get("state"), dict):
        raise ValueError("state_json: expected widget state, found no 'state' in it")
    bundle = BUNDLE.read_text("utf-8")
    for model in page["state"].values():
        _slim(model.get("state", {}), bundle)
    return json.dumps(page, ensure_ascii=False, separators=(",", ":")).replace(
        "</", "<\\/"
    )


def _slim(state: dict[str, Any], bundle: str) -> None:
    esm = state.get("_esm")
    if esm == bundle or (isinstance(esm, str) and esm.startswith("/* attnkit live,")):
        state["_esm"] = MARKER
