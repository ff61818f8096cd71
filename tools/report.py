"""The figures of the built book: times and weights.

python -m tools.report
"""

import gzip
import json
import re
from pathlib import Path

from tools.execute import seconds
from tools.project import BUILD, HTML, chapter_name, run_pages

FRONT_END = HTML / "_static" / "attnkit"
LIMIT = 700 * 1024  # bytes of a page, compressed, math included, images not
FRONT_END_LIMIT = 60 * 1024
PACKED = {".woff", ".woff2"}  # already compressed
ASSET = re.compile(r'<(?:script|link)\b[^>]*?\b(?:src|href)="([^"#]+)"')
WIDGET_STATE = re.compile(r'widget-state\+json">(.*?)</script>', re.DOTALL)
FONT = re.compile(r"url\(['\"]?([^'\")]+\.woff2?)[^)]*\)")
WHOLE_FONT = "attnkit-cjk.woff2"  # asked for by what a reader types, not by a page
KIND = {".css", ".js", *PACKED}
# MathJax asks for a font when a formula needs it: the first for every page with
# formulas, the others for a page whose formulas hold such commands.
MATH_FONTS = ("Main-Regular", "Math-Italic", "Size1-Regular", "Size2-Regular", "Zero")
MORE_FONTS = {
    "AMS-Letters": re.compile(r"\\mathbb\b"),
    "AMS-Regular": re.compile(r"\\(?:gtrsim|lesssim|square|varnothing|checkmark)\b"),
    "Main-Bold": re.compile(r"\\(?:mathbf|boldsymbol|bm)\b"),
    "Calligraphic-Regular": re.compile(r"\\(?:mathcal|cal)\b"),
    "Size3-Regular": re.compile(r"\\(?:Bigg?|dfrac|begin|left|sum_)\b"),
    "Size4-Regular": re.compile(r"\\(?:Bigg|begin|left)\b"),
}


def gz(path: Path) -> int:
    """Bytes of a file as a server would send it."""
    data = path.read_bytes()
    return len(data) if path.suffix in PACKED else len(gzip.compress(data, 9))


def local(page: Path, address: str) -> Path | None:
    """The file that an address on a page or style sheet stands for."""
    if address.startswith(("http:", "https:", "data:", "//", "mailto:")):
        return None
    target = (page.parent / address.split("?")[0]).resolve()
    return target if target.is_file() and target.suffix in KIND else None


def assets(page: Path) -> set[Path]:
    """Scripts, style sheets and the fonts that a page loads, images left out."""
    text = page.read_text(encoding="utf-8")
    files = {f for a in ASSET.findall(text) if (f := local(page, a))}
    own = {f for url in FONT.findall(text) if (f := local(page, url))}
    for sheet in [f for f in files if f.suffix == ".css"]:
        urls = FONT.findall(sheet.read_text(encoding="utf-8"))
        fonts = {f for u in urls if u.endswith("2") and (f := local(sheet, u))}
        files |= {f for f in fonts if f.name != WHOLE_FONT}
    files |= own
    for script in [f for f in files if f.name == "mathjax.js"]:
        fonts = script.parent / "output/chtml/fonts/woff-v2"
        files |= {fonts / f"MathJax_{name}.woff2" for name in math_fonts(text)}
    return files


def math_fonts(text: str) -> list[str]:
    """The fonts that the formulas of a page need."""
    return [*MATH_FONTS, *(n for n, sign in MORE_FONTS.items() if sign.search(text))]


def page_weight(page: Path) -> int:
    """Bytes of a page and all that it loads, compressed, without images."""
    return gz(page) + sum(gz(file) for file in assets(page))


def model_weight(page: Path) -> int:
    """Bytes of what the page's widgets are about, trained models first, compressed."""
    states = WIDGET_STATE.findall(page.read_text(encoding="utf-8"))
    return len(gzip.compress("".join(states).encode(), 9))


def front_end_weight(page: Path) -> int:
    """Bytes of the widgets' scripts that a page loads, compressed."""
    return sum(gz(file) for file in assets(page) if file.parent == FRONT_END)


def text() -> str:
    """The report that a build prints."""
    lines = ["", "figures"]
    for path in run_pages():
        lines.append(f"  {chapter_name(path):34}{seconds(path) or 0:8.1f} s to run")
    stamp = BUILD / "build.json"
    if stamp.exists():
        lines.append(f"  {'build':34}{json.loads(stamp.read_text())['seconds']:8.1f} s")
    pages = sorted(HTML.rglob("*.html"), key=page_weight, reverse=True)
    for page in pages[:10]:
        name, widgets = page.relative_to(HTML).as_posix(), front_end_weight(page)
        line = f"  {name + ', gz':42}{page_weight(page) / 1024:8.1f} KB"
        data = f"their models {model_weight(page) / 1024:.1f} KB"
        lines.append(f"{line}, widgets' scripts {widgets / 1024:.1f} KB, {data}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(text())
