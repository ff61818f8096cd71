"""Every entry of the bibliography has its BibTeX key as an anchor.

A plain link `[Bahdanau and others, 2015](…/bibliography.md#bahdanau2014neural)` then
leads to the very entry; elsewhere than in the book it leads to the page. The key
of an entry that does not exist is a warning of the build, as any dead link is.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def offer(app: Sphinx, env: BuildEnvironment) -> None:
    """Let links lead to the keys, as they lead to headings."""
    for entry in env.get_domain("cite").citations:
        slugs = env.metadata[entry.bibliography_key.docname].setdefault(
            "myst_slugs", {}
        )
        slugs[entry.key] = (0, entry.key, entry.key)


def anchor(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Give each entry of a page its key as a further id."""
    keys = {c.citation_id: c.key for c in app.env.get_domain("cite").citations}
    for node in tree.findall(nodes.citation):
        node["ids"] += [keys[name] for name in node["ids"] if name in keys]


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", offer, priority=900)
    app.connect("doctree-resolved", anchor)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
