"""Static pages: the front end once per page, widget state without copies of it.

myst-nb writes the state of a page's widgets as JSON, with the whole front end in it
once per widget. `slim_state` takes the front end out, `scripts` gives what to load in
its place, and `book/_static/host.js` brings both together again.
They are classic scripts because a page opened from disk may load no modules.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attnkit.live.widget import STATIC, part

MARKER = "attnkit:front-end"


def scripts() -> dict[str, str]:
    """Every part of the front end as a script that hands it over as a string.

    Returns:
        name -> text; a page loads `attnkit` and the kinds of its widgets.
    """
    return {file.stem: _script(file.stem) for file in sorted(STATIC.glob("*.js"))}


def _script(name: str) -> str:
    text = json.dumps(part(name)).replace("</", "<\\/")
    return f"(globalThis.ATTNKIT ??= {{}}).{name} = {text};\n"


def kinds(state: dict[str, Any]) -> list[str]:
    """The kinds of our widgets among a page's models (slim or not), sorted."""
    models = (model.get("state", {}) for model in state.values())
    return sorted({model["kind"] for model in models if _ours(model)})


def room(model_id: str, heights: Sequence[Sequence[int]]) -> str:
    """The empty place that a widget will fill, as high as it will be: nothing jumps.

    It stands directly after the view's script; `host.js` mounts the widget into it.

    Args:
        model_id: the model that the view shows.
        heights: its trait `reserve`: [container width, height] in px, narrow first;
            between two widths the height goes in a straight line. A third number is
            the height for fingers, whose buttons are larger.

    Returns:
        HTML. Without scripts it takes no room.
    """
    place = f"attnkit-room-{model_id}"
    rules = _rules(place, [(width, px) for width, px, *_ in heights])
    fingers = _rules(place, [(width, px[-1]) for width, *px in heights])
    if fingers != rules:
        rules += f" @media (pointer: coarse) {{ {fingers} }}"
    return (
        '<div class="attnkit-room" style="container-type: inline-size">'
        f"<style>{rules}</style>"
        f"<noscript><style>.{place} {{ display: none }}</style></noscript>"
        f'<div class="attnkit-view {place}"></div></div>'
    )


def _rules(place: str, heights: Sequence[tuple[int, int]]) -> str:
    rules = [f".{place} {{ min-height: {px}px }}" for _, px in heights[:1]]
    for (width, px), (wider, other) in zip(
        heights, [*heights[1:], *heights[-1:]], strict=True
    ):
        slope = (other - px) / (wider - width) if wider > width else 0
        height = f"calc({px}px + {slope:.4g} * (100cqw - {width}px))"
        if not slope:
            height = f"{px}px"
        rule = f".{place} {{ min-height: {height} }}"
        rules.append(f"@container (min-width: {width}px) {{ {rule} }}")
    return " ".join(rules)


def slim_state(state_json: str) -> str:
    """Replace our front end in a page's widget state by a marker.

    Args:
        state_json: the text of a script of type
            `application/vnd.jupyter.widget-state+json`.

    Returns:
        The same JSON; in every model of ours `_esm` is `MARKER`.

    Raises:
        ValueError: the text is not widget state.
    """
    page = json.loads(state_json)
    if not isinstance(page, dict) or not isinstance(page.get("state"), dict):
        raise ValueError("state_json: expected widget state, found no 'state' in it")
    for model in page["state"].values():
        if _ours(model.get("state", {})):
            model["state"]["_esm"] = MARKER
    return json.dumps(page, ensure_ascii=False, separators=(",", ":")).replace(
        "</", "<\\/"
    )


def _ours(state: dict[str, Any]) -> bool:
    esm = str(state.get("_esm"))
    return esm == MARKER or esm.startswith("/* attnkit live,")
