"""The paper that figures are drawn on: style, fonts, and how a figure is shown."""

from __future__ import annotations

import base64
import html
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from PIL import Image

from attnkit.palette import COLOURS, EDGE, INK, PAPER, RAMP, SERIES, SOFT, ink_on

WIDTH = 7.0
"""Inches of a full-width figure; the text column shows it at about 100 dpi."""
DPI = 200
FONT = Path(__file__).with_name("fonts") / "attnkit-cjk.otf"
FAMILIES = ["DejaVu Sans", "Attnkit CJK"]
CMAP = LinearSegmentedColormap.from_list("attnkit", RAMP)

_STYLE = {
    "font.family": FAMILIES,
    "font.size": 10.0,
    "axes.titlesize": 12.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "figure.figsize": (WIDTH, 3.4),
    "figure.dpi": DPI / 2,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.1,
    "savefig.dpi": DPI,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": EDGE,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "hatch.linewidth": 0.8,
    "image.cmap": "attnkit",
    "svg.fonttype": "path",
}


def use_style() -> None:
    """Make matplotlib draw as the book does; Chinese text included."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    if str(FONT) not in known:
        font_manager.fontManager.addfont(FONT)
    if "attnkit" not in mpl.colormaps:
        mpl.colormaps.register(CMAP)
    cycle = [COLOURS[name] for name in SERIES]
    mpl.rcParams.update(_STYLE)
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=cycle)


# --------------------------------------------------------------------- showing


class Figure:
    """A finished figure: a picture, what it shows in words, and its caption."""

    def __init__(self, canvas: Canvas, alt: str, caption: str = "") -> None:
        if not isinstance(alt, str) or len(alt.split()) < 3:
            raise ValueError(f"alt: expected a sentence on what is seen, got {alt!r}")
        self.alt, self.caption = alt, caption
        self.png = png(canvas)
        self.size = tuple(round(100 * inches) for inches in canvas.get_size_inches())

    def __repr__(self) -> str:
        return f"[figure: {self.alt}]"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple:
        data = base64.b64encode(self.png).decode()
        text = "\n".join(x for x in (repr(self), self.caption) if x)
        width, height = self.size
        plain = {"width": width, "height": height, "alt": self.alt}
        bundle = {"text/html": self._html(data), "image/png": data, "text/plain": text}
        return bundle, {"image/png": plain}

    def _html(self, data: str) -> str:
        width, height = self.size
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>"
        return (
            f'{_CSS}<figure class="attnkit-figure"><img class="dark-light" '
            f'src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            f'width="{width}" height="{height}">{caption * bool(self.caption)}</figure>'
        )


_CSS = (
    "<style>.text_html:has(> .attnkit-figure){background:none!important;"
    "color:inherit!important;padding:0!important}"
    ".attnkit-figure{margin:1em 0}"
    ".attnkit-figure img{max-width:100%;height:auto;background:#fff!important;"
    "padding:0!important;border-radius:8px;filter:none!important}"
    ".attnkit-figure figcaption{color:var(--pst-color-text-base,inherit);opacity:1;"
    "font-size:.92em;font-weight:400;margin-top:.4em}</style>"
)


def show(drawn: Axes | Canvas, alt: str, caption: str = "") -> None:
    """Show a figure with its alternative text, and close it.

    Args:
        drawn: a figure, or any of its axes.
        alt: what is to be seen, for who does not see it: the kind of figure, then
            what it shows. Required.
        caption: what the reader should notice.
    """
    canvas = drawn.get_figure() if isinstance(drawn, Axes) else drawn
    figure = Figure(canvas, alt, caption)
    plt.close(canvas)
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        sys.modules["IPython"].display.display(figure)


def png(drawn: Axes | Canvas) -> bytes:
    """A figure as PNG, sharp on a screen of double density, with few colours."""
    canvas = drawn.get_figure() if isinstance(drawn, Axes) else drawn
    full, small = io.BytesIO(), io.BytesIO()
    canvas.savefig(full, format="png", dpi=DPI, facecolor=PAPER)
    picture = Image.open(full).convert("RGB")
    few = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=0)
    few.save(small, format="png", optimize=True)
    return small.getvalue()


# --------------------------------------------------------------------- helpers


def array(value: Any, dims: int, name: str) -> np.ndarray:
    """A tensor, array or list as an array of a known number of dimensions."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    found = np.asarray(value)
    if found.ndim != dims:
        raise ValueError(f"{name}: expected {dims} dimensions, got shape {found.shape}")
    return found


def new(size: tuple[float, float] = (WIDTH, 3.4)) -> Axes:
    """The axes of a new figure, sizes in inches."""
    return plt.subplots(figsize=size)[1]


def titled(ax: Axes, title: str | None, pad: float = 8) -> Axes:
    """Set a title, and give the axes back."""
    if title:
        ax.set_title(title, pad=pad)
    return ax


def label_axis(axis: Axis, labels: Sequence[str] | None, count: int, name: str) -> None:
    """One tick a label; long labels on a horizontal axis stand slanted."""
    if labels is None:
        axis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        return
    if len(labels) != count:
        raise ValueError(f"{name}: expected {count} labels, got {len(labels)}")
    slanted = axis.axis_name == "x" and sum(map(len, labels)) > 70
    turn = {"rotation": 40, "ha": "right"} if slanted else {}
    axis.set_ticks(range(count), [str(x) for x in labels], **turn)


def literal(word: Any) -> str:
    """A word of data: a `$` in it begins no formula."""
    return str(word).replace("$", r"\$")


def figures(value: float) -> str:
    """A number in as few figures as a bar or cell has room for."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"


def matrix_size(shape: tuple[int, int]) -> tuple[float, float]:
    """Inches for a matrix: square cells, within the width of a page."""
    cell = min(0.5, (WIDTH - 1.5) / shape[1])
    return max(2.6, min(WIDTH, 1.5 + cell * shape[1])), max(1.6, 1.1 + cell * shape[0])


def cell_edges(ax: Axes, shape: tuple[int, int]) -> None:
    """Thin white lines between cells, while there is room for them."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if max(shape) <= 40:
        ax.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
        ax.grid(which="minor", color=PAPER, linewidth=1.2)
        ax.tick_params(which="minor", length=0)


def cross_out(ax: Axes, hidden: np.ndarray) -> None:
    """Hatch the cells that may not be attended to."""
    for row, column in np.argwhere(hidden):
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(
            plt.Rectangle(
                corner,
                1,
                1,
                fc=PAPER,
                ec=SOFT,
                hatch="////",
                lw=0,
                zorder=2,
            )
        )


def write_values(ax: Axes, grid: np.ndarray, shown: np.ndarray, image: Any) -> None:
    """The numbers of the cells shown, each in the ink that reads better on its cell."""
    for row, column in np.argwhere(shown):
        value = grid[row, column]
        ink = ink_on(image.cmap(image.norm(value))) if np.isfinite(value) else INK
        ax.text(
            column,
            row,
            figures(value),
            ha="center",
            va="center",
            color=ink,
            size=9,
        )
