"""The colours of the book: one meaning each, in every figure, widget and page.

The same values stand in ``attnkit/live/src/style.css``; a test compares them.
"""

from __future__ import annotations

COLOURS = {
    "query": "#0b7285",
    "key": "#b8510a",
    "value": "#6741d9",
    "output": "#2b8a3e",
    "weight": "#1864ab",
    "extra": "#a61e4d",
    "grey": "#5c5f66",
}
"""Meaning -> colour on paper. Never more than these seven."""

SERIES = ("weight", "key", "grey", "value", "extra", "output", "query")
"""The order in which unnamed series take colours: the first differ for every eye."""

MARKERS = ("o", "s", "^", "D", "v", "p", "<")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (7, 2, 1, 2)), (0, (3, 1)), "--", ":")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")

INK = "#1f2328"
"""Text and axes."""
SOFT = "#57606a"
"""Text of second rank."""
EDGE = "#d0d7de"
PAPER = "#ffffff"

RAMP = ("#eef2f6", COLOURS["weight"])
"""Weight 0 and weight 1, mixed straight in sRGB, as the widgets do."""


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green, blue in 0 to 1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore


def luminance(colour: str | tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.1), 0 for black, 1 for white."""
    parts = rgb(colour) if isinstance(colour, str) else colour[:3]
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts
    ]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str | tuple[float, ...], other: str | tuple[float, ...]) -> float:
    """Contrast of two colours (WCAG 2.1), 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(ground: str | tuple[float, ...]) -> str:
    """The ink that reads on a ground: the usual one, or where it is faint, black or
    white, one of which always reaches 4.5 to 1."""
    if contrast(INK, ground) >= 4.5:
        return INK
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, ground))
