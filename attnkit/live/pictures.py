"""Static pictures that `attnkit.plot` has no drawing for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Point = Sequence[float]


def addressing(data: dict[str, Any], state: dict[str, Any], arrays: dict) -> Any:
    """Score, normalize, aggregate: three panels from left to right."""
    from attnkit import plot

    plot.use_style()
    figure, axes = plot.panels(1, 3, height=2.6)
    figure.set_size_inches(9.6, 3.2)
    names, weights = data["names"], arrays["weights"].tolist()
    plane(axes[0], "1  Score", data["range"], data["key_axes"])
    for name, key in zip(names, state["keys"], strict=True):
        arrow(axes[0], key, "key", width=1.2)
        mark(axes[0], key, "key", "o", name)
    arrow(axes[0], state["query"], "query", width=3.0)
    mark(axes[0], state["query"], "query", "D", data["query_name"])
    share(axes[1], names, weights)
    blend(axes[2], data, state["values"], weights, arrays["output"].tolist())
    return figure


def blend(ax, data, values, weights, output) -> None:
    """The values, their hull, and the weighted sum inside it."""
    from attnkit.palette import COLOURS

    plane(ax, "3  Aggregate", data["range"], data["value_axes"])
    ax.fill(*zip(*hull(values), strict=True), color=COLOURS["value"], alpha=0.1, lw=0)
    for value, weight in zip(values, weights, strict=True):
        line = zip(value, output, strict=True)
        ax.plot(*line, color=COLOURS["output"], lw=6 * weight, alpha=0.7, zorder=1)
    for name, value in zip(data["names"], values, strict=True):
        mark(ax, value, "value", "s", name)
    mark(ax, output, "output", "*", data["output_name"])


def plane(ax, title: str, reach: float, words: dict[str, list[str]]) -> None:
    """An empty plane with words at the ends of its axes."""
    from attnkit.palette import EDGE, SOFT
    from attnkit.paper import literal

    x, y = ([literal(word) for word in words[axis]] for axis in "xy")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
    ax.set_title(title)
    ax.set_aspect("equal")
    for side in ax.spines.values():
        side.set(visible=True, color=EDGE)
    ax.axhline(0, color=EDGE, lw=0.8, zorder=0)
    ax.axvline(0, color=EDGE, lw=0.8, zorder=0)
    ax.set_xlabel("  ←   →  ".join(x), color=SOFT)
    ax.set_ylabel("  ←   →  ".join(y), color=SOFT)


def arrow(ax, place: Point, kind: str, width: float) -> None:
    from attnkit.palette import COLOURS

    ax.plot([0, place[0]], [0, place[1]], color=COLOURS[kind], lw=width, zorder=1)


def mark(ax, place: Point, kind: str, shape: str, name: str) -> None:
    """A mark with its name, kept inside the plane."""
    from attnkit.palette import COLOURS, INK, PAPER
    from attnkit.paper import literal

    size = 150 if shape == "*" else 60
    ax.scatter(
        *place, s=size, marker=shape, color=COLOURS[kind], edgecolors=PAPER, zorder=3
    )
    right = kind == "output" or place[0] > 0.5 * ax.get_xlim()[1]
    above = kind != "output" and place[1] > 0.25 * ax.get_ylim()[1]
    text = ax.annotate(
        literal(name), place, (6 if right else -4, 7 if above else -15), zorder=4,
        textcoords="offset points", ha="right" if right else "left", fontsize=8.5,
        color=COLOURS[kind] if kind in ("query", "output") else INK,
    )  # fmt: skip
    text.set_bbox({"facecolor": PAPER, "alpha": 0.7, "lw": 0, "pad": 0.6})


def share(ax, names: Sequence[str], weights: Sequence[float]) -> None:
    """The weights as lying bars with their names above them."""
    from attnkit.palette import COLOURS, RAMP
    from attnkit.paper import literal

    places = range(len(names))
    ax.barh(places, [1] * len(names), 0.34, color=RAMP[0])
    ax.barh(places, weights, 0.34, color=COLOURS["weight"])
    for i, (name, weight) in enumerate(zip(names, weights, strict=True)):
        ax.text(0, i - 0.28, literal(name), va="bottom", fontsize=9)
        ax.text(1, i - 0.28, f"{weight:.2f}", va="bottom", ha="right", fontsize=9)
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.75), title="2  Normalize")
    ax.axis("off")


def hull(points: Sequence[Point]) -> list[tuple[float, ...]]:
    """Corners of the convex hull, in order."""
    ordered = sorted({tuple(point) for point in points})
    if len(ordered) < 3:
        return ordered
    return _chain(ordered)[:-1] + _chain(ordered[::-1])[:-1]


def _chain(points: Sequence[Point]) -> list:
    corners: list = []
    for p in points:
        while len(corners) > 1 and _turn(corners[-2], corners[-1], p) <= 0:
            corners.pop()
        corners.append(p)
    return corners


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
