"""Callouts that read well everywhere: `> **Note.** …` becomes a box in the book.

GitHub, Colab and JupyterLab show a plain quotation that begins with a bold word. Here
it turns into an admonition; `> **Warning — Title.** …` gives the box its own title. It
works on the document tree, so on pages and notebooks alike.
"""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform

KINDS = {
    "note": nodes.note,
    "tip": nodes.tip,
    "important": nodes.important,
    "warning": nodes.warning,
    "caution": nodes.caution,
}
WORDS = {**{k: k for k in KINDS}, "pitfall": "warning"}
WORDS |= {"注意": "note", "提示": "tip", "警告": "warning"}
LABEL = re.compile(r"^(?P<word>[^\W\d_]+)(?:\s*[—:：-]\s*(?P<title>.*?))?[.。:：]?$")


def label(paragraph: nodes.paragraph) -> tuple[str, str | None] | None:
    """The kind and title that the leading bold words name, None where they do not."""
    first = next((c for c in paragraph.children if c.astext()), None)
    if not isinstance(first, nodes.strong):
        return None
    match = LABEL.match(first.astext().strip())
    if not match or match["word"].lower() not in WORDS:
        return None
    return WORDS[match["word"].lower()], match["title"]


def drop_label(paragraph: nodes.paragraph) -> None:
    """Take the bold words, and the punctuation after them, out of the paragraph."""
    while not isinstance(paragraph[0], nodes.strong):
        paragraph.remove(
            paragraph[0]
        )  # the parser leaves an empty text before **bold**
    paragraph.remove(paragraph[0])
    if paragraph.children and isinstance(paragraph[0], nodes.Text):
        rest = str(paragraph[0]).lstrip(" \n\t.:：。—-")
        paragraph.replace(paragraph[0], nodes.Text(rest))


def box(quote: nodes.block_quote, kind: str, title: str | None) -> nodes.Element:
    """The admonition that takes the place of the quotation."""
    if title:
        made = nodes.admonition(classes=[kind, "callout"])
        made += nodes.title(title, title)
    else:
        made = KINDS[kind](classes=["callout"])
    made.source, made.line = quote.source, quote.line
    made += [child for child in quote.children if len(child.children)]
    return made


class Callouts(SphinxTransform):
    """Turns marked quotations into admonitions; other quotations stay."""

    default_priority = 210

    def apply(self, **kwargs) -> None:
        for quote in list(self.document.findall(nodes.block_quote)):
            first = quote[0] if quote.children else None
            found = label(first) if isinstance(first, nodes.paragraph) else None
            if found:
                drop_label(first)
                quote.replace_self(box(quote, *found))


def setup(app) -> dict:
    app.add_transform(Callouts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
