"""No request to another host, and no dead weight.

MathJax comes from the package `sphinx-mathjax-offline`: the parts that the book needs,
joined to one script, and its fonts; its menu, the heaviest part, is left out.
sphinx-thebe and the theme's script of icons are left out of the pages; fonts keep the
icons and the characters that the pages use.
"""

import hashlib
import importlib.util
import logging
import re
import shutil
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SCRIPT = "mathjax.js"
NOTHING_MORE = "(window.MathJax ??= {}).loader = { load: [] };\n"
PARTS = {  # the script's parts, in this order, and their sha256
    "startup": "84f4ec49041b12a6dadc5d1689babc80f417435cfcbd890ec712e374152bbb88",
    "core": "44d9c29f77d89537e024d165e2c0d7e981a98d75ed53b6c236fac899ed631abb",
    "input/tex": "fa6524c5b16c20bed3f040c9833e88c7b8ab25ffe988af9cda8395016a0b643c",
    "output/chtml": "287022a5672cb02108104df6a0c4d1ae219cc9d9e53e06ccb8c023c47ff867ce",
    "output/chtml/fonts/tex": (
        "b525b71e41a7fdb124ef6a2b44d5250cb7fc2f56d7e73494ad03d090d0e4f28a"
    ),
    "a11y/assistive-mml": (
        "5b8414e36cd63d154b90beab67e5e3399c7439aff97f4b556761224f8176f657"
    ),
}
BLACKBOARD = "MathJax_AMS-Letters.woff2"  # ℝ and its like: all that most pages need
LETTERS = [*range(0x41, 0x5B), 0x6B]
AMS_FACE = re.compile(
    r"""("@font-face )(/\* \d+ \*/":\{"font-family":"MJXTEX-A",)"""
    r"""(src:'url\("%%URL%%/)MathJax_AMS-Regular\.woff2(.*?')\}"""
)
FONTS = Path("output") / "chtml" / "fonts" / "woff-v2"
SEARCH = re.compile(
    r'\s*<script src="[^"]*\b(?:searchtools|language_data|searchindex)\.js[^"]*">'
    r"</script>"
)
FROM_DISK = """
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
"""
UNUSED = ("sphinx-thebe", "fontawesome.js", "design-tabs.js")
TAG = re.compile(r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"></script>')
HINT = re.compile(r'\s*<link rel="preload"[^>]*href="[^"]*fontawesome\.js[^"]*"\s*/?>')
ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:+before,?)+)\{content:"\\([0-9a-f]+) ?"\}')
CODE_POINT = re.compile(r'"\\([ef][0-9a-f]{3})"')
CLASS = re.compile(r"\bfa-[a-z0-9-]+")
ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def drop_unused(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Leave scripts and styles out that would ask other hosts or serve nobody."""

    def wanted(item: object) -> bool:
        body = (getattr(item, "attributes", None) or {}).get("body") or ""
        name = str(getattr(item, "filename", item) or "")
        return "THEBE_JS_URL" not in body and not any(u in name for u in UNUSED)

    for kind in ("script_files", "css_files"):
        context[kind] = [item for item in context.get(kind, []) if wanted(item)]


def mathjax_folder() -> Path:
    """Where the installed MathJax lies, its parts checked against the known ones."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError("sphinx-mathjax-offline is not installed")
    folder = Path(spec.origin).parent / "static" / "mathjax"
    for name, known in PARTS.items():
        found = hashlib.sha256((folder / f"{name}.js").read_bytes()).hexdigest()
        if found != known:
            raise ExtensionError(f"{name}.js: expected sha256 {known}, got {found}")
    return folder


def mathjax_script(folder: Path) -> str:
    """The parts of MathJax as one script that loads no further part."""
    parts = [(folder / f"{name}.js").read_text("utf-8") for name in PARTS]
    text = NOTHING_MORE + "\n;\n".join(parts)
    text = text.replace('.woff") format("woff")', '.woff2") format("woff2")')
    text, found = AMS_FACE.subn(with_letters, text)
    if found != 1:
        raise ExtensionError(f"MathJax: expected one face of AMS, found {found}")
    return text


def with_letters(face: re.Match) -> str:
    """A face of MathJax, and after it one for its letters, in a file of their own."""
    points = ", ".join(f"U+{point:X}" for point in LETTERS)
    letters = f'{face[1]}/* letters */":{{"font-family":"MJXTEX-A",{face[3]}'
    return f'{face[0]},{letters}{BLACKBOARD}{face[4]},"unicode-range":"{points}"}}'


def copy_mathjax(static: Path) -> None:
    """Write the script and the fonts of MathJax, nothing else."""
    source, target = mathjax_folder(), static / "vendor" / "mathjax"
    (target / FONTS).mkdir(parents=True, exist_ok=True)
    (target / SCRIPT).write_text(mathjax_script(source), "utf-8")
    for file in (source / FONTS).glob("*.woff"):
        font = TTFont(file)
        font.flavor = "woff2"
        font.save(target / FONTS / f"{file.stem}.woff2")
    shutil.copy(
        target / FONTS / "MathJax_AMS-Regular.woff2", target / FONTS / BLACKBOARD
    )
    keep_glyphs(target / FONTS / BLACKBOARD, set(LETTERS))


def strip_pages(outdir: Path) -> str:
    """Take scripts that no page needs out of every page; the text of all pages.

    The index of the search, which grows with the book, is for the search page alone.
    """
    pages = []
    for file in outdir.rglob("*.html"):
        text = file.read_text("utf-8")
        clean = HINT.sub("", TAG.sub("", text))
        if file.name != "search.html":
            clean = SEARCH.sub("", clean)
        if clean != text:
            file.write_text(clean, "utf-8")
        pages.append(clean)
    return "\n".join(pages)


def icons(sheet: str, pages: str) -> set[int]:
    """Code points of the icons that pages name or the style sheet draws itself."""
    used = set(CLASS.findall(pages))
    rules = ICON_RULE.findall(sheet)
    named = {code for names, code in rules if used & set(CLASS.findall(names))}
    own = set(CODE_POINT.findall(ICON_RULE.sub("", sheet)))
    return {int(code, 16) for code in named | own}


def characters(pages: str) -> set[int]:
    """Code points of the text of all pages, widget data (escaped) with it."""
    escaped = {int(code, 16) for code in ESCAPED.findall(pages)}
    return {ord(character) for character in set(pages)} | escaped


def keep_glyphs(font: Path, points: set[int]) -> None:
    """Keep only these characters in a font."""
    options = subset.Options(flavor="woff2", notdef_outline=True, layout_features="*")
    loaded = subset.load_font(str(font), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=points)
    subsetter.subset(loaded)
    subset.save_font(loaded, str(font), options)


def shrink_fonts(static: Path, pages: str) -> None:
    """Keep what the pages use in every font, and in the theme's list of icons."""
    sheets = list(static.glob("styles/*.css"))
    points = icons("\n".join(p.read_text("utf-8") for p in sheets), pages)
    for font in static.glob("vendor/fontawesome/webfonts/*.woff2"):
        keep_glyphs(font, points)
        font.with_suffix(".ttf").unlink(missing_ok=True)
    for font in static.glob("*.woff2"):
        keep_glyphs(font, characters(pages))
    for sheet in sheets:
        drop_icon_rules(sheet, points)


def drop_icon_rules(sheet: Path, points: set[int]) -> None:
    """Take the rules of icons that no page uses out of a style sheet."""

    def kept(match: re.Match) -> str:
        return match[0] if int(match[2], 16) in points else ""

    sheet.write_text(ICON_RULE.sub(kept, sheet.read_text("utf-8")), "utf-8")


def drop_files(static: Path) -> None:
    """Remove what no page asks for: source maps, the icon script, sphinx-thebe."""
    names = ("*.map", "*webpack-macros.html", *(f"{name}*" for name in UNUSED))
    for file in {f for name in names for f in static.rglob(name) if f.is_file()}:
        file.unlink()


def search_from_disk(static: Path) -> None:
    """From disk no script may read another page, so results come without excerpts."""
    with open(static / "documentation_options.js", "a", encoding="utf-8") as script:
        script.write(FROM_DISK)


def finish(app: Sphinx, error: Exception | None) -> None:
    """The steps that need the finished pages."""
    if error is not None or app.builder.format != "html":
        return
    outdir = Path(app.outdir)
    static = outdir / "_static"
    copy_mathjax(static)
    drop_files(static)
    search_from_disk(static)
    shrink_fonts(static, strip_pages(outdir))


def setup(app: Sphinx) -> dict:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    app.connect("html-page-context", drop_unused, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
