"""Figures in one visual language.

    from attnkit import plot

    plot.use_style()
    ax = plot.heatmap(weights, rows=words, columns=symbols, title="Weights")
    plot.show(ax, alt="…what the figure shows…", caption="…")

The same colour always means the same thing (`COLOURS`); weights use one ramp whose
luminance falls steadily; series differ by marker, dash or hatch as well as by colour.
Figures are white cards with dark ink: they read the same on a light page, on a dark
page and in print. Every function draws into ``ax``, or a new figure, and returns it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from attnkit import palette, paper
from attnkit.palette import COLOURS
from attnkit.paper import CMAP, Figure, literal, png, show, use_style

__all__ = [
    "CMAP", "COLOURS", "Figure", "alignment", "bars", "curves", "heatmap", "links",
    "panels", "png", "show", "use_style", "vectors",
]  # fmt: skip

# --------------------------------------------------------------------- drawing


def heatmap(
    weights: Any,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    mask: Any = None,
    values: bool = False,
    title: str | None = None,
    row_title: str | None = None,
    column_title: str | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    bar: bool = False,
) -> Axes:
    """A matrix of weights (N, M): a row a query, a column a key, darker is more.

    Args:
        weights: (N, M).
        rows, columns: the labels.
        mask: (N, M), True where attending is allowed; the rest is crossed out.
        values: write the numbers into the cells.
        limits: the values of the lightest and the darkest colour.
        bar: draw the scale beside the matrix.
    """
    grid = paper.array(weights, 2, "weights")
    ax = ax or paper.new(paper.matrix_size(grid.shape))
    image = ax.imshow(grid, cmap=CMAP, vmin=limits[0], vmax=limits[1], aspect="auto")
    paper.label_axis(ax.xaxis, columns, grid.shape[1], "columns")
    paper.label_axis(ax.yaxis, rows, grid.shape[0], "rows")
    paper.cell_edges(ax, grid.shape)
    shown = _allowed(ax, mask, grid.shape)
    if values:
        paper.write_values(ax, grid, shown, image)
    if bar:
        scale = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
        scale.outline.set_visible(False)
    ax.set(xlabel=column_title, ylabel=row_title)
    return paper.titled(ax, title)


def alignment(
    source: Sequence[str],
    target: Sequence[str],
    weights: Any,
    truth: Sequence[Sequence[int]] | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    row_title: str = "written",
    column_title: str = "source",
) -> Axes:
    """What each target symbol (row) looked at in the source (column).

    Args:
        weights: (T, S).
        truth: for each target symbol, the source positions that it truly comes from;
            they are ringed.
        row_title, column_title: what a row and a column are.
    """
    rows, columns = ([literal(word) for word in words] for words in (target, source))
    ax = heatmap(
        weights, rows, columns, ax=ax, title=title,
        row_title=row_title, column_title=column_title,
    )  # fmt: skip
    ax.xaxis.set_label_position("top")
    ax.xaxis.tick_top()
    ax.tick_params(top=False)
    places = [(s, t) for t, ones in enumerate(truth or []) for s in ones]
    if places:
        x, y = zip(*places, strict=True)
        ring = {"s": 70, "facecolors": "none"}
        ax.scatter(x, y, edgecolors=palette.PAPER, linewidths=3, **ring)
        true = "true source" if column_title == "source" else "true place"
        ring |= {"edgecolors": COLOURS["key"], "label": true}
        ax.scatter(x, y, linewidths=1.6, **ring)
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2)
    return ax


def bars(
    values: Any,
    labels: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    ylabel: str | None = None,
    colour: str = "weight",
    numbers: bool = True,
    error: Any = None,
) -> Axes:
    """Bars over labels; a dict of several series stands side by side, hatched.

    Args:
        values: (N,), or a dict name -> (N,).
        colour: a meaning of `COLOURS`, for a single series.
        numbers: write the value on each bar.
        error: as ``values``, half the length of an error bar.
    """
    several = isinstance(values, Mapping)
    series = dict(values) if several else {"": values}
    spread = dict(error) if isinstance(error, Mapping) else {"": error}
    ax = ax or paper.new((paper.WIDTH, 2.8))
    for place, (name, heights) in enumerate(series.items()):
        tall = paper.array(heights, 1, "values")
        kind = palette.SERIES[place % 7] if several else colour
        drawn = _bars(ax, tall, place, len(series), name, kind, spread.get(name))
        if numbers:
            ax.bar_label(drawn, fmt=paper.figures, fontsize=9, padding=2)
    paper.label_axis(ax.xaxis, labels, len(tall), "labels")
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(ylabel)
    ax.margins(y=0.12)
    if several:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(series))
    return paper.titled(ax, title, pad=28 if several else 8)


def links(
    source: Sequence[str],
    target: Sequence[str],
    weights: Any,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    least: float = 0.03,
) -> Axes:
    """Two rows of symbols, joined by lines as thick and dark as the weights (T, S)."""
    grid = paper.array(weights, 2, "weights")
    if grid.shape != (len(target), len(source)):
        wanted = (len(target), len(source))
        raise ValueError(f"weights: expected shape {wanted}, got {grid.shape}")
    ax = ax or paper.new((paper.WIDTH, 2.4))
    top = np.linspace(0, 1, 2 * len(source) + 1)[1::2]
    low = np.linspace(0, 1, 2 * len(target) + 1)[1::2]
    for t, s in np.argwhere(grid >= least):
        weight = float(np.clip(grid[t, s], 0, 1))
        ax.plot(
            [top[s], low[t]], [1, 0], lw=0.5 + 6 * weight, zorder=weight,
            color=CMAP(0.2 + 0.8 * weight), solid_capstyle="round",
        )  # fmt: skip
    for places, words, y in ((top, source, 1.0), (low, target, 0.0)):
        for x, word in zip(places, words, strict=True):
            side = {"va": "bottom" if y else "top", "ha": "center"}
            ax.text(x, y + (0.07 if y else -0.07), literal(word), fontsize=11, **side)
    ax.set(xlim=(0, 1), ylim=(-0.3, 1.3))
    ax.axis("off")
    return paper.titled(ax, title)


def curves(
    x: Any,
    series: Mapping[str, Any],
    *,
    band: str | None = "range",
    ax: Axes | None = None,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    shade: tuple[float, float] | None = None,
    shade_label: str | None = None,
    colours: Mapping[str, str] | None = None,
) -> Axes:
    """Lines over x, told apart by colour, dash and marker.

    Args:
        x: (N,).
        series: name -> (N,), or (runs, N): the mean is drawn, with a band.
        band: ``"range"`` (least to most), ``"std"`` (one standard deviation), or None.
        shade: a stretch of x to mark, for instance the trained lengths.
        colours: name -> meaning in `COLOURS`, where a series has one.
    """
    places = paper.array(x, 1, "x")
    ax = ax or paper.new()
    if shade is not None:
        ax.axvspan(*shade, color=palette.EDGE, alpha=0.45, lw=0, label=shade_label)
    for place, (name, runs) in enumerate(series.items()):
        meaning = (colours or {}).get(name, palette.SERIES[place % 7])
        spread = _spread(runs, band, len(places), name)
        _curve(ax, places, spread, name, COLOURS[meaning], place % 7)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y")
    if len(series) > 1 or shade_label:
        crowded = len(series) > 4
        aside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if crowded else {}
        ax.legend(handlelength=3.2, **aside)
    return paper.titled(ax, title)


def vectors(
    points: Mapping[str, Any] | Any,
    *,
    kinds: Mapping[str, str] | str = "key",
    ax: Axes | None = None,
    title: str | None = None,
    from_origin: bool = True,
) -> Axes:
    """Named points of the plane, as arrows from the origin.

    Args:
        points: name -> (2,), or (N, 2).
        kinds: the meaning of each name (or of all): query, key, value, output, ….
    """
    if not isinstance(points, Mapping):
        points = {str(i): p for i, p in enumerate(paper.array(points, 2, "points"))}
    ax = ax or paper.new((4.4, 4.4))
    marks = dict(zip(COLOURS, ("D", "o", "s", "^", "P", "X", "v"), strict=True))
    reach = 0.1
    for name, point in points.items():
        kind = kinds if isinstance(kinds, str) else kinds.get(name, "key")
        spot = paper.array(point, 1, f"points[{name!r}]")
        _arrow(ax, spot, COLOURS[kind], marks[kind], from_origin)
        _name(ax, spot, name)
        reach = max(reach, float(np.abs(spot).max()))
    for line in (ax.axhline, ax.axvline):
        line(0, color=palette.EDGE, lw=1, zorder=0)
    ax.set(xlim=(-1.25 * reach, 1.25 * reach), ylim=(-1.25 * reach, 1.25 * reach))
    ax.set_aspect("equal")
    shown = dict.fromkeys([kinds] if isinstance(kinds, str) else kinds.values())
    if len(shown) > 1:
        ax.legend(handles=[_key(kind, marks[kind]) for kind in shown], loc="best")
    return paper.titled(ax, title)


def panels(rows: int = 1, columns: int = 2, *, height: float = 2.8) -> tuple:
    """A full-width figure of several axes; ``height`` inches a row."""
    return plt.subplots(rows, columns, figsize=(paper.WIDTH, height * rows))


# --------------------------------------------------------------------- details


def _allowed(ax: Axes, mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Where attending is allowed; the rest is crossed out."""
    if mask is None:
        return np.ones(shape, bool)
    shown = np.broadcast_to(paper.array(mask, 2, "mask").astype(bool), shape)
    paper.cross_out(ax, ~shown)
    return shown


def _bars(ax, tall, place, count, name, kind, error) -> Any:
    """One series, in its place among `count` that stand side by side."""
    width = 0.8 / count
    return ax.bar(
        np.arange(len(tall)) + (place - (count - 1) / 2) * width, tall, width * 0.94,
        label=name or None, color=COLOURS[kind], edgecolor=palette.PAPER,
        hatch=palette.HATCHES[place % 7] if name else "", ecolor=palette.INK,
        yerr=None if error is None else paper.array(error, 1, "error"), capsize=3,
    )  # fmt: skip


def _spread(
    runs: Any, band: str | None, count: int, name: str
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Mean, lower and upper edge of one series, or of several runs of it."""
    if band not in ("range", "std", None):
        raise ValueError(f"band: expected 'range', 'std' or None, got {band!r}")
    dims = np.ndim(runs.detach().cpu() if hasattr(runs, "detach") else runs)
    values = paper.array(runs, max(1, min(dims, 2)), f"series[{name!r}]").astype(float)
    if values.shape[-1] != count:
        raise ValueError(
            f"series[{name!r}]: expected {count} values, got {values.shape}"
        )
    if values.ndim == 1 or band is None:
        return (values if values.ndim == 1 else values.mean(0)), None, None
    mean, std = values.mean(0), values.std(0)
    if band == "std":
        return mean, mean - std, mean + std
    return mean, values.min(0), values.max(0)


def _curve(
    ax: Axes, x: np.ndarray, spread: tuple, name: str, colour: str, look: int
) -> None:
    """One line with its dash and some markers, over its band."""
    mean, low, high = spread
    ax.plot(
        x, mean, color=colour, label=name, ls=palette.DASHES[look],
        marker=palette.MARKERS[look], markeredgecolor=palette.PAPER,
        markevery=max(1, len(x) // 12),
    )  # fmt: skip
    if low is not None:
        ax.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)


def _arrow(
    ax: Axes, spot: np.ndarray, colour: str, mark: str, from_origin: bool
) -> None:
    ax.plot(
        *spot, mark, color=colour, markersize=8, markeredgecolor=palette.PAPER, zorder=3
    )
    if from_origin:
        line = {"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0}
        ax.annotate("", spot, (0, 0), arrowprops=line)


def _name(ax: Axes, spot: np.ndarray, name: str) -> None:
    """The name beyond the tip, as far out as the arrow points, clear of its marker."""
    way = spot / np.hypot(*spot) if np.any(spot) else np.array([0.0, 1.0])
    sides = [int(np.sign(part)) if abs(part) > 0.38 else 0 for part in way]
    halo = patheffects.withStroke(linewidth=3, foreground=palette.PAPER)
    ax.annotate(
        name, spot, 8 * way, textcoords="offset points", fontsize=10,
        path_effects=[halo], ha=("center", "left", "right")[sides[0]],
        va=("center", "bottom", "top")[sides[1]],
    )  # fmt: skip


def _key(kind: str, mark: str) -> Line2D:
    style = {"ls": "", "markersize": 8, "markeredgecolor": palette.PAPER}
    return Line2D([], [], color=COLOURS[kind], marker=mark, label=kind, **style)
