"""What the theme and its extensions leave out for those who do not see the page.

- The button that unfolds a chapter's pages in the list on the left gets a name.
- Entries of the bibliography are items of their list; the role that Sphinx gives them
  is deprecated, and not allowed there.
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


def name_button(match: re.Match) -> str:
    """The same list entry, with a name on its button."""
    name = " ".join(TAG.sub("", match["name"]).split()).replace('"', "&quot;")
    return f'{match[1]}<summary aria-label="Pages of {name}">'


def mend(html: str) -> str:
    """The page with all that is mended."""
    html = UNFOLD.sub(name_button, html)
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
