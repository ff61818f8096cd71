"""Hands the outputs of the kept runs (tools/execute.py) to myst-nb.

myst-nb would run notebooks one after the other and remember them by their code alone,
so that an edit of `attnkit` left stale pages. Here the reader of a notebook is wrapped:
it returns the notebook as it stands now, with the outputs of a run that is fresh. A
plain `jupyter-book build .` works too; it then runs here what has to be run.

On the way widgets are made ready for a page without a kernel: their state no longer
carries the front end (it is in `_static/attnkit/`, once), and beside the place of the
live view stands the static picture, for paper and for pages without scripts.
"""

import base64
import dataclasses
import hashlib
import html
import json
import os
import re
import struct
import sys
from pathlib import Path

from nbformat import NotebookNode, from_dict
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools import execute  # noqa: E402

logger = logging.getLogger(__name__)

EMBEDDED = re.compile(r'src="data:image/png;base64,([^"]*)"')
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
LIVE = """\
<div class="attnkit-output attnkit-live">
<script type="{mime}">{view}</script>{room}
<figure class="attnkit-still"><img class="attnkit-picture" src="{src}" alt="{alt}" \
width="{width}" height="{height}" loading="lazy"><figcaption>{caption}</figcaption>
</figure><noscript><style>.attnkit-still {{ display: block }}</style></noscript>
</div>"""
STYLE = """\
@media screen { .attnkit-still { display: none } }
@media print { .attnkit-view { display: none } }
.attnkit-still img { max-width: 100%; height: auto }
"""


def merge(page: NotebookNode, done: NotebookNode) -> NotebookNode:
    """The page's cells with the outputs of its run; prose may have changed since."""
    ran = (cell for cell in done.cells if cell.cell_type == "code")
    for cell in page.cells:
        if cell.cell_type == "code":
            cell.outputs = next(ran).outputs
    for key in ("widgets", "language_info"):
        if key in done.metadata:
            page.metadata[key] = done.metadata[key]
    return page


def models(page: NotebookNode) -> dict:
    """Widget models of the page, by id."""
    return page.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a PNG."""
    return struct.unpack(">II", data[16:24])


def save_image(app: Sphinx, docname: str, data: bytes) -> str:
    """Write a PNG beside the pages; its address as seen from the page."""
    name = f"_images/{hashlib.sha256(data).hexdigest()[:16]}.png"
    target = Path(app.outdir) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return "../" * docname.count("/") + name


def still(app: Sphinx, docname: str, output: NotebookNode, model: dict) -> str:
    """The live view's place in the page, with the static picture in it."""
    from attnkit.live import static_site

    view, data = output["data"][VIEW], base64.b64decode(output["data"]["image/png"])
    width, height = png_size(data)
    return LIVE.format(
        mime=VIEW,
        room=static_site.room(view["model_id"], model.get("reserve", [])),
        view=json.dumps(view).replace("</", "<\\/"),
        src=save_image(app, docname, data),
        alt=html.escape(model.get("alt") or model.get("caption") or "widget"),
        caption=html.escape(model.get("caption") or model.get("alt") or ""),
        width=width // 2,
        height=height // 2,
    )


def move_images(app: Sphinx, docname: str, text: str | list[str]) -> str:
    """HTML of an output with its embedded pictures moved to files."""

    def moved(match: re.Match) -> str:
        return f'src="{save_image(app, docname, base64.b64decode(match[1]))}"'

    return EMBEDDED.sub(moved, text if isinstance(text, str) else "".join(text))


def place_outputs(app: Sphinx, docname: str, page: NotebookNode) -> None:
    """Replace widgets by their places in the page, embedded pictures by files."""
    for cell in page.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VIEW in data and "image/png" in data:
                model = models(page).get(data[VIEW]["model_id"], {}).get("state", {})
                output["data"] = {"text/html": still(app, docname, output, model)}
            elif "text/html" in data:
                data["text/html"] = move_images(app, docname, data["text/html"])


def complain(docname: str, page: NotebookNode) -> None:
    """Warn of what cells wrote to stderr; it is a warning, and no output of a page."""
    for number, cell in enumerate(page.cells, 1):
        loud = [o for o in cell.get("outputs", []) if o.get("name") == "stderr"]
        for output in loud:
            cell.outputs.remove(output)
            text = "".join(output.text).strip()
            logger.warning("cell %s warned:\n%s", number, text, location=docname)


def slim(app: Sphinx, docname: str, page: NotebookNode) -> None:
    """Take the front end out of the state of the page's widgets; note their kinds."""
    from attnkit.live import static_site

    if models(page):
        text = static_site.slim_state(json.dumps(page.metadata["widgets"][STATE]))
        state = json.loads(text.replace("<\\/", "</"))
        page.metadata["widgets"] = from_dict({STATE: state})
        kinds = static_site.kinds(state["state"])
        app.env.metadata[docname]["attnkit_kinds"] = ",".join(kinds)


def present(app: Sphinx, path: Path, page: NotebookNode) -> NotebookNode:
    """The page with outputs, ready for myst-nb; in a draft, without if it fails."""
    try:
        page = merge(page, execute.run(path))
    except execute.ChapterError as error:
        if os.environ.get("ATTNKIT_DRAFT"):
            return page
        raise ExtensionError(f"a chapter failed:\n{error}") from None
    complain(app.env.docname, page)
    if app.builder.format == "html":
        place_outputs(app, app.env.docname, page)
        slim(app, app.env.docname, page)
    return page


def wrap_reader(app: Sphinx) -> None:
    """Let myst-nb read executed notebooks, from `.ipynb` and from `.md` alike."""
    from myst_nb import sphinx_

    original = sphinx_.create_nb_reader

    def create(path, md_config, nb_config, content):
        reader = original(path, md_config, nb_config, content)
        if reader is None:
            return None

        def read(text: str) -> NotebookNode:
            return present(app, Path(path), reader.read(text))

        return dataclasses.replace(reader, read=read)

    sphinx_.create_nb_reader = create


def load_widgets(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Let a page load the front end of its own widgets."""
    kinds = app.env.metadata.get(pagename, {}).get("attnkit_kinds")
    for name in ["attnkit", *kinds.split(",")] if kinds else []:
        app.add_js_file(f"attnkit/{name}.js")


def write_front_end(app: Sphinx, error: Exception | None) -> None:
    """Put the widgets' front end beside the pages."""
    if error is None and app.builder.format == "html":
        from attnkit.live import static_site

        static = Path(app.outdir) / "_static"
        (static / "attnkit").mkdir(exist_ok=True)
        for name, script in static_site.scripts().items():
            (static / "attnkit" / f"{name}.js").write_text(script, encoding="utf-8")
        (static / "attnkit-still.css").write_text(STYLE, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    wrap_reader(app)
    app.add_css_file("attnkit-still.css")
    app.connect("html-page-context", load_widgets)
    app.connect("build-finished", write_front_end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
