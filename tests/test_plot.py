"""Figures: their colours, Chinese text, what they draw, and their words."""

import base64
import importlib.util
import inspect
import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image

from attnkit import palette, paper, plot

ROOT = Path(__file__).resolve().parent.parent
WORDS = "机器学习 二〇二一年"


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with mpl.rc_context():
        plot.use_style()
        yield
    plt.close("all")


# ---------------------------------------------------------------------- colours


def test_widgets_use_the_same_colours() -> None:
    css = (ROOT / "attnkit/live/src/style.css").read_text(encoding="utf-8")
    light = css[css.index(":host {") : css.index("}")]
    found = dict(re.findall(r"--at-(\w+): (#[0-9a-f]{6})", light))
    assert {name: found.get(name) for name in palette.COLOURS} == palette.COLOURS
    assert (found["cell"], found["weight"]) == palette.RAMP


def test_colours_stand_out_from_paper_and_ink_is_read() -> None:
    for name, colour in palette.COLOURS.items():
        assert palette.contrast(colour, palette.PAPER) >= 4, name
    for ink in (palette.INK, palette.SOFT):
        assert palette.contrast(ink, palette.PAPER) >= 7 - (ink == palette.SOFT)
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert palette.luminance("#808080") == pytest.approx(0.2159, abs=1e-4)


def test_the_ramp_falls_steadily_in_luminance() -> None:
    seen = [palette.luminance(plot.CMAP(x)) for x in np.linspace(0, 1, 64)]
    assert max(np.diff(seen)) < 0
    half = [(a + b) / 2 for a, b in zip(*map(palette.rgb, palette.RAMP), strict=True)]
    assert plot.CMAP(0.5)[:3] == pytest.approx(half, abs=0.01)


def test_numbers_in_cells_are_read() -> None:
    for x in np.linspace(0, 1, 32):
        ground = plot.CMAP(x)
        assert palette.contrast(palette.ink_on(ground), ground) >= 4.5


# Machado, Oliveira, Fernandes (2009), severity 1.0, in linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def oklab(colour: str, eye: np.ndarray) -> np.ndarray:
    """A colour as an eye sees it, in OKLab times 100."""
    part = np.array(palette.rgb(colour))
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return 100 * to_lab @ np.cbrt(to_lms @ np.clip(eye @ linear, 0, 1))


@pytest.mark.parametrize("eye", ["usual", *BLINDNESS])
def test_the_first_series_differ_for_every_eye(eye: str) -> None:
    matrix = np.array(BLINDNESS.get(eye, np.eye(3)))
    seen = [oklab(palette.COLOURS[x], matrix) for x in palette.SERIES[:3]]
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 7.5


def test_series_differ_without_colour() -> None:
    ax = plot.curves(range(3), {str(i): [i, i, i] for i in range(7)})
    assert len({str((x.get_linestyle(), x._dash_pattern)) for x in ax.lines}) == 7
    assert len({line.get_marker() for line in ax.lines}) == 7
    ax = plot.bars({str(i): [1.0] for i in range(7)})
    hatches = {patch.get_hatch() for patch in ax.patches}
    assert len(hatches) == 7


# ----------------------------------------------------------------- Chinese text


def test_chinese_is_drawn_without_any_font_of_the_system(tmp_path: Path) -> None:
    """In a fresh process that knows matplotlib's own fonts and ours alone."""
    script = f"""
import warnings, matplotlib, sys
matplotlib.use("Agg")
from matplotlib import font_manager
from pathlib import Path
inside = Path(matplotlib.get_data_path())
fonts = font_manager.fontManager
fonts.ttflist = [x for x in fonts.ttflist if inside in Path(x.fname).parents]
warnings.simplefilter("error")
from attnkit import plot
plot.use_style()
ax = plot.heatmap([[0.5, 0.5]], rows=["{WORDS}"], columns=["学", "习"], title="机器")
Path(sys.argv[1]).write_bytes(plot.png(ax))
"""
    target = tmp_path / "figure.png"
    run = subprocess.run(
        [sys.executable, "-c", script, str(target)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "missing" not in run.stderr and "findfont" not in run.stderr
    assert target.stat().st_size > 2000


def drawn(text: str) -> np.ndarray:
    figure = plt.figure(figsize=(0.6, 0.6), dpi=100, layout="none")
    figure.text(0.5, 0.5, text, ha="center", va="center", size=24)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., 0].copy()
    plt.close(figure)
    return pixels


def test_each_character_has_its_own_shape() -> None:
    with warnings.catch_warnings(action="ignore"):
        box = drawn("\U0010fffd")
    shapes = [drawn(character) for character in WORDS.replace(" ", "")]
    assert all((shape != box).any() for shape in shapes)
    differ = {shape.tobytes() for shape in shapes}
    assert len(differ) == len(set(WORDS)) - 1
    assert all((shape < 128).sum() > 20 for shape in shapes)


def recipe():
    spec = importlib.util.spec_from_file_location("font", ROOT / "recipes" / "font.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_chinese_character_of_the_book_is_in_the_font() -> None:
    font = font_manager.get_font(str(paper.FONT))
    have = {chr(code) for code in font.get_charmap()}
    missing = sorted(recipe().used() - have)
    assert not missing, f"{''.join(missing)}: run `python recipes/font.py`"
    assert set(WORDS) - {" "} <= have
    assert paper.FONT.stat().st_size < 400 * 1024
    licence = (paper.FONT.parent / "OFL.txt").read_text("utf-8")
    beside = ROOT / "book" / "_static" / "attnkit-cjk-OFL.txt"
    assert len(licence) > 4000 and beside.read_text("utf-8") == licence


# ---------------------------------------------------------------------- drawing


def test_a_heatmap_draws_the_weights() -> None:
    weights = torch.tensor([[0.1, 0.9], [0.75, 0.25]], requires_grad=True)
    allowed = torch.tensor([[True, True], [True, False]])
    ax = plot.heatmap(weights, ["a", "b"], ["x", "y"], mask=allowed, values=True)
    assert np.allclose(ax.images[0].get_array(), weights.detach())
    assert ax.images[0].get_clim() == (0, 1)
    assert [t.get_text() for t in ax.texts] == ["0.10", "0.90", "0.75"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert [p.get_xy() for p in ax.patches] == [(0.5, 0.5)]


def test_an_alignment_rings_the_truth() -> None:
    ax = plot.alignment("机器", ["m", "l", "⟨eos⟩"], np.eye(3)[:, :2], [[0], [1], []])
    assert ax.collections[-1].get_offsets().tolist() == [[0, 0], [1, 1]]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["机", "器"]


def test_bars_stand_at_their_values() -> None:
    ax = plot.bars([0.25, 0.5], ["a", "b"], colour="key")
    assert [patch.get_height() for patch in ax.patches] == [0.25, 0.5]
    assert mpl.colors.to_hex(ax.patches[0].get_facecolor()) == palette.COLOURS["key"]
    assert [t.get_text() for t in ax.texts] == ["0.25", "0.50"]


def test_bands_span_the_runs() -> None:
    runs = np.array([[0.0, 1.0], [2.0, 5.0]])
    for band in ("range", "std"):
        ax = plot.curves([1, 2], {"a": runs}, band=band)
        corners = ax.collections[0].get_paths()[0].vertices
        assert ax.lines[0].get_ydata().tolist() == [1.0, 3.0]
        assert {tuple(x) for x in corners} >= {(1, 0), (1, 2), (2, 1), (2, 5)}
    assert not plot.curves([1, 2], {"a": runs}, band=None).collections


def test_links_are_as_thick_as_their_weights() -> None:
    ax = plot.links(["a", "b"], ["x"], [[0.75, 0.01]])
    assert [line.get_linewidth() for line in ax.lines] == [5.0]
    assert list(ax.lines[0].get_xdata()) == [0.25, 0.5]


def test_vectors_keep_their_meaning() -> None:
    ax = plot.vectors({"q": [1, 2], "k": [0, 0]}, kinds={"q": "query", "k": "key"})
    assert ax.lines[0].get_color() == palette.COLOURS["query"]
    assert [x.get_data()[1][0] for x in ax.lines[:2]] == [2, 0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["query", "key"]


def test_names_of_vectors_stand_clear_of_their_markers() -> None:
    turns = np.arange(0, 360, 15)
    tips = [[2 * np.cos(t), 2 * np.sin(t)] for t in np.deg2rad(turns)]
    ax = plot.vectors({f"vector {t}": p for t, p in zip(turns, tips, strict=True)})
    ax.figure.canvas.draw()
    names = [x for x in ax.texts if x.get_text()]
    assert len(names) == len(tips)
    for name, tip in zip(names, tips, strict=True):
        box = name.get_window_extent().padded(3 * ax.figure.dpi / 72)
        assert not box.contains(*ax.transData.transform(tip)), name.get_text()


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda: plot.heatmap([1, 2]), "weights"),
        (lambda: plot.heatmap([[1, 2]], rows=["a", "b"]), "rows"),
        (lambda: plot.links(["a"], ["b"], [[1, 2]]), "weights"),
        (lambda: plot.curves([1, 2], {"a": [1, 2, 3]}), "series"),
        (lambda: plot.curves([1, 2], {"a": [1, 2]}, band="wide"), "band"),
        (lambda: plot.show(plt.figure(), alt=""), "alt"),
    ],
)
def test_bad_input_is_named(draw, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        draw()


def test_text_is_large_enough() -> None:
    axes = [
        plot.heatmap(np.eye(3), values=True),
        plot.bars({"a": [1, 2], "b": [3, 4]}, ["x", "y"], title="t"),
        plot.curves([1, 2], {"a": [1, 2], "b": [2, 3]}, xlabel="x", ylabel="y"),
        plot.vectors({"q": [1, 2]}),
        plot.links(["a"], ["b"], [[1]]),
    ]
    for ax in axes:
        sizes = [text.get_fontsize() for text in ax.findobj(mpl.text.Text)]
        assert min(sizes) >= 9


# ---------------------------------------------------------------------- showing


def test_a_shown_figure_has_words_and_a_sharp_picture() -> None:
    ax = plot.bars([1.0, 2.0])
    figure = plot.Figure(ax.get_figure(), 'Bars <of> "two" values', "Two & bars")
    bundle, metadata = figure._repr_mimebundle_()
    page = bundle["text/html"]
    assert 'alt="Bars &lt;of&gt; &quot;two&quot; values"' in page
    assert "<figcaption>Two &amp; bars</figcaption>" in page
    assert bundle["image/png"] in page and "Bars <of>" in bundle["text/plain"]
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    width, height = metadata["image/png"]["width"], metadata["image/png"]["height"]
    assert picture.size == (2 * width, 2 * height) == (1400, 560)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_pictures_are_the_same_each_time_and_small() -> None:
    one, two = (plot.png(plot.heatmap(np.eye(8), title=WORDS)) for _ in range(2))
    assert one == two and len(one) < 40_000


def test_the_colours_survive_the_small_picture() -> None:
    ax = plot.heatmap(np.linspace(0, 1, 64)[None])
    ax.set_axis_off()
    picture = Image.open(io.BytesIO(plot.png(ax))).convert("RGB")
    seen = {pixel for _, pixel in picture.getcolors(1 << 20)}
    for x in (0.0, 0.25, 0.5, 0.75, 1.0):
        want = np.array(plot.CMAP(x)[:3]) * 255
        assert min(np.abs(np.array(pixel) - want).max() for pixel in seen) <= 6


def test_showing_closes_the_figure() -> None:
    plot.show(plot.bars([1.0]), alt="One bar of height one.")
    assert plt.get_fignums() == []


def test_a_style_is_set_twice_without_harm() -> None:
    plot.use_style()
    ours = [x for x in font_manager.fontManager.ttflist if x.name == "Attnkit CJK"]
    assert len(ours) == 1


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("chapters/*/*.ipynb")), ids=lambda path: path.stem
)
def test_chapters_show_figures_with_words(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert not [x for x in code if "plt.show()" in x], "plot.show takes words along"


def test_words_are_no_formulas_but_titles_may_be() -> None:
    words, even = ["$y_$", "a$b", "$$"], np.full((3, 3), 0.25)
    ax = plot.alignment(words, words, even, title="$W^q$")
    ax.figure.canvas.draw()
    assert [x.get_text().replace(r"\$", "$") for x in ax.get_xticklabels()] == words
    plot.links(words, words, even).figure.canvas.draw()


def test_no_drawing_is_longer_than_a_screen() -> None:
    drawings = filter(inspect.isfunction, (getattr(plot, x) for x in plot.__all__))
    assert max(len(inspect.getsourcelines(x)[0]) for x in drawings) <= 40
