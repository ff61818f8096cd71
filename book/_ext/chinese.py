"""A page loads the Chinese characters that stand on it, and no others.

The font of the whole book grows with every chapter. So each page brings a face of the
same family with its own characters, for machines that have no Chinese font. The whole
font stays behind it, for what a reader types: `unicode-range` lets a browser fetch it
only then. Pages with the same characters share one file.
"""

import hashlib
import shutil
from pathlib import Path

from fontTools.ttLib import TTFont
from offline import characters, keep_glyphs
from sphinx.application import Sphinx

FAMILY = "attnkit-cjk"
FOLDER = "cjk"
RANGES = ((0x3000, 0x303F), (0x3400, 0x9FFF), (0xFF00, 0xFFEF))  # as in book.css
FACE = """\
<style>@font-face {{ font-family: "{family}"; src: url("{address}") format("woff2"); \
unicode-range: {points}; font-display: swap }}</style>
"""


def chinese(page: str) -> set[int]:
    """The Chinese characters of a page, as code points."""
    found = characters(page)
    return {p for p in found if any(low <= p <= high for low, high in RANGES)}


def cut(font: Path, points: set[int]) -> str:
    """Write a font of these characters into the folder beside; its name there."""
    text = "".join(map(chr, sorted(points)))
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.woff2"
    target = font.parent / FOLDER / name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        shutil.copy(font, target)
        keep_glyphs(target, points)
    return name


def dress(page: str, address: str, points: set[int]) -> str:
    """The page with the face of its own characters."""
    listed = ", ".join(f"U+{point:X}" for point in sorted(points))
    face = FACE.format(family=FAMILY, address=address, points=listed)
    return page.replace("</head>", face + "</head>", 1)


def finish(app: Sphinx, error: Exception | None) -> None:
    """Give every page its face, once the font holds what the pages use."""
    font = Path(app.outdir) / "_static" / f"{FAMILY}.woff2"
    if error is not None or app.builder.format != "html" or not font.exists():
        return
    drawn = set(TTFont(font).getBestCmap())
    for file in Path(app.outdir).rglob("*.html"):
        text = file.read_text("utf-8")
        if points := chinese(text) & drawn:
            up = "../" * len(file.relative_to(app.outdir).parts[1:])
            address = f"{up}_static/{FOLDER}/{cut(font, points)}"
            file.write_text(dress(text, address, points), "utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", finish, priority=700)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
