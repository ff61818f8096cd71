"""How high a widget will be that shows what it is given: a matrix, names, a caption.

The heights follow the style sheet; words are reckoned by their letters, so a line more
or less may be off. `tests/live/measure_heights.py` measures what depends on less.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

WIDTHS = (288, 320, 345, 370, 420, 480, 560, 645, 646, 700, 785, 786, 888)
LINE, SMALL, SERIF = (
    (21.75, 7.9),
    (18.85, 6.9),
    (23.2, 8.2),
)  # px of a line, of a letter


def alignment(
    source: Sequence[str],
    target: Sequence[str],
    caption: str = "",
    legend: str = "",
    titled: bool = False,
) -> list[list[int]]:
    """[container width, height, height for fingers] of a board of weights.

    Args:
        source: names of the columns; target: names of the rows.
        caption: the sentence under the widget; legend: that under the matrix.
        titled: whether a line above the matrix says what rows and columns are.
    """
    extra = 21 * titled
    return [
        [
            width,
            *(
                extra + _board(source, target, caption, legend, width, fingers)
                for fingers in (0, 1)
            ),
        ]
        for width in WIDTHS
    ]


def predict(question: str, caption: str = "") -> list[list[int]]:
    """[container width, height, height for fingers] of a question."""
    found = []
    for width in WIDTHS:
        words = _text(question, width - 26, LINE, 0) + _text(
            caption, width - 26, LINE, 10
        )
        found.append(
            [width, round(169 + words), round(191 + words + 50 * (width < 300))]
        )
    return found


def _board(
    source: Sequence[str],
    target: Sequence[str],
    caption: str,
    legend: str,
    width: int,
    fingers: int,
) -> int:
    inner = width - 26  # border and padding of the frame
    key = 32 + 12 * fingers  # px of a button
    row = inner >= (320, 340)[fingers]  # whether the frame's buttons fit into one
    parts = [
        4 + 32 + 84 + _chips(source, target, inner),
        20 + key,
        _matrix(len(target), len(source)),
        _text(legend, inner, SMALL, 4),
        _equation(source, target, inner - 95, fingers),
    ]
    frame = (
        26 + _text(caption, inner, LINE, 10) + 50 + 6 + (key if row else 2 * key + 12)
    )
    return round(sum(parts) + 12 * (sum(map(bool, parts)) - 1) + frame)


def _text(words: str, width: int, font: tuple[float, float], margin: float) -> float:
    """Height of a paragraph; Chinese letters are two wide."""
    if not words:
        return 0
    height, letter = font
    return margin + height * math.ceil(_letters(words) * letter / width)


def _letters(words: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in words)


def _chips(source: Sequence[str], target: Sequence[str], inner: float) -> float:
    """The strip of outputs: where it is narrow, long words stand upright in it."""
    longest = max((len(name) for name in target if len(name) > 3), default=0)
    if inner <= 620:
        return max(73, 9 + 7.25 * longest)
    if inner <= 760 and max(len(source), len(target)) > 12:
        return max(84, 9 + 8.4 * longest)
    return 32


def _matrix(rows: int, columns: int) -> float:
    return 19 + rows * (27 if rows * columns <= 1200 else 20)


def _equation(
    source: Sequence[str], target: Sequence[str], width: float, fingers: int
) -> float:
    """Two lines that wrap; the buttons in them are higher for fingers."""
    names = sum(map(_letters, source)) / len(source)
    weight = 25 + names + sum(map(_letters, target)) / len(target)
    context = 5 + 3 * (9 + names) + (25 if len(source) > 3 else 0)
    height = 20.0
    for letters, buttons in ((weight, 1), (context, 3)):
        lines = math.ceil(letters * SERIF[1] / width)
        pressed = min(lines, buttons)
        height += pressed * (26 + 18 * fingers) + (lines - pressed) * SERIF[0]
    return height
