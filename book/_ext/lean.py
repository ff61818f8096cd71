"""Style sheets of the theme without the rules that no page uses.

The theme and its extensions bring some four thousand rules for things that a book may
have. A selector is kept unless it names a class that stands nowhere: in no page, and
as a word in no script that might add it. What it says inside `:not(…)` and its like
does not count. Rules of elements, and all that is not a style rule, stay.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

SHEETS = ("styles/*.css", "sphinx-design*.css", "mystnb*.css", "togglebutton.css")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
STRING = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'"
TOKEN = re.compile(rf"{STRING}|\\.|[{{}};(),]|[^\"'\\{{}};(),]+", re.DOTALL)
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
WORD = re.compile(r"[\w-]+")
GROUPS = ("@media", "@supports", "@layer", "@container")
MADE = ("bs-",)  # classes that a script puts together


def statements(sheet: str) -> Iterator[tuple[str, str | None]]:
    """Head and body of each statement at the top of a sheet; body None for `…;`."""
    head, body, depth, round_ = "", "", 0, 0
    for token in TOKEN.findall(sheet):
        round_ += (token == "(") - (token == ")")
        if token == "}" and not round_:
            depth -= 1
            if depth == 0:
                yield head.strip(), body
                head, body = "", ""
                continue
        if depth:
            body += token
        elif token == ";" and not round_:
            yield head.strip(), None
            head = ""
        elif token != "{":
            head += token
        depth += token == "{" and not round_


def outside(selector: str) -> str:
    """A selector without what stands in brackets or strings."""
    text, depth = "", 0
    for token in TOKEN.findall(re.sub(r"\[[^]]*\]", "", selector)):
        depth += (token == "(") - (token == ")")
        if depth == 0 and token[0] not in "\"'":
            text += token
    return text


def selectors(head: str) -> list[str]:
    """The selectors of a rule: split at commas that stand in no brackets."""
    parts, depth = [""], 0
    for token in TOKEN.findall(head):
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts]


def used(selector: str, words: set[str]) -> bool:
    """Whether every class of a selector may stand on a page; escapes are not read."""
    if "\\" in selector:
        return True
    names = CLASS.findall(outside(selector))
    return all(name in words or name.startswith(MADE) for name in names)


def lean(sheet: str, words: set[str]) -> str:
    """The sheet without comments and without rules for classes not in `words`."""
    return "".join(rules(COMMENT.sub("", sheet), words))


def rules(sheet: str, words: set[str]) -> Iterator[str]:
    """The statements of a sheet that are kept."""
    for head, body in statements(sheet):
        if body is None:
            yield f"{head};"
        elif head.startswith(GROUPS):
            if inner := "".join(rules(body, words)):
                yield f"{head}{{{inner}}}"
        elif head.startswith("@"):
            yield f"{head}{{{body}}}"
        elif kept := [s for s in selectors(head) if used(s, words)]:
            yield f"{','.join(kept)}{{{body.strip()}}}"


def words_of(outdir: Path) -> set[str]:
    """Every word of the pages and of the scripts, class names among them."""
    files = [*outdir.rglob("*.html"), *(outdir / "_static").rglob("*.js")]
    texts = (f.read_text("utf-8") for f in files if "mathjax" not in f.parts)
    return set().union(*(WORD.findall(text) for text in texts))


def finish(app: Sphinx, error: Exception | None) -> None:
    """Thin the style sheets once all pages and scripts are written."""
    if error is not None or app.builder.format != "html":
        return
    outdir = Path(app.outdir)
    words = words_of(outdir)
    for file in {f for name in SHEETS for f in (outdir / "_static").glob(name)}:
        file.write_text(lean(file.read_text("utf-8"), words), "utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
