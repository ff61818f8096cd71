"""What the theme and its extensions leave out for those who do not see the page.

- The button that unfolds a chapter's pages in the list on the left gets a name.
- Entries of the bibliography are items of their list; the role that Sphinx gives them
  is deprecated, and not allowed there.
- A figure stands in a box of its own, in which it scrolls where the screen is narrow.
- Without scripts formulas stay as TeX; a page with formulas says so.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

WORDS = r"[^<]*(?:<span[^>]*>[^<]*</span>[^<]*)*"
UNFOLD = re.compile(
    rf'(<a class="(?:current )?reference internal" href="[^"]*">(?P<name>{WORDS})</a>'
    r'<details[^>]*>)<summary>(?=<span class="toctree-toggle")'
)
TAG = re.compile(r"<[^>]*>")
FIGURE = re.compile(
    r'(<figure class="attnkit-figure">)(<img\b[^>]*?\bwidth="(?P<width>\d+)"[^>]*>)'
)
ARTICLE = re.compile(r'<article class="bd-article"[^>]*>')
FORMULA = re.compile(r'class="math\b')
NOSCRIPT = """
<noscript><p class="book-noscript">Scripts are off. Formulas stand here as TeX, the \
language that they are written in, and widgets as pictures.</p></noscript>"""


def name_button(match: re.Match) -> str:
    """The same list entry, with a name on its button."""
    name = " ".join(TAG.sub("", match["name"]).split()).replace('"', "&quot;")
    return f'{match[1]}<summary aria-label="Pages of {name}">'


def box(match: re.Match) -> str:
    """The figure with its picture in a box that knows how wide it was drawn."""
    wide = f'<div class="figure-box" style="--wide: {match["width"]}px">'
    return f"{match[1]}{wide}{match[2]}</div>"


def mend(html: str) -> str:
    """The page with all that is mended."""
    html = UNFOLD.sub(name_button, html)
    html = FIGURE.sub(box, html)
    if FORMULA.search(html) and "book-noscript" not in html:
        html = ARTICLE.sub(lambda match: match[0] + NOSCRIPT, html, count=1)
    return html.replace('role="doc-biblioentry"', 'role="listitem"')


def finish(app: Sphinx, error: Exception | None) -> None:
    """Mend every page once all are written."""
    if error is None and app.builder.format == "html":
        for file in Path(app.outdir).rglob("*.html"):
            text = file.read_text("utf-8")
            if (mended := mend(text)) != text:
                file.write_text(mended, "utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
