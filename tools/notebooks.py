"""Keep the chapter notebooks canonical, and stamp what has its source elsewhere.

    python -m tools.notebooks --check       # says what is not as it should be
    python -m tools.notebooks --write       # canonical form, stamps
    python -m tools.notebooks --pictures    # and the widgets' static pictures

Each takes files; all notebooks where none is named.

Canonical: sorted keys, stable ids, tags from a fixed vocabulary, no outputs but those
that nbval compares and the pictures of widgets. The setup cell is made from the
repository's address in `_config.yml`, solutions from `attnkit.exercises`, anchors of
citations from the bibliography, pictures from the last run of the book. What a tool
cannot mend (an unknown tag, a line too long, syntax that only the book understands) is
told and makes `--check` and `--write` fail.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

from tools.citations import stamp
from tools.project import ROOT, branch, chapter_key, repository

COLUMNS, LINES = 72, 25
CHECKED, WIDGET = "nbval-check-output", "widget"
TAGS = {"setup", "exercise", "solution", "hide-input", "remove-input", "remove-cell"}
TAGS |= {"raises-exception", CHECKED, WIDGET}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
EXERCISE = re.compile(r"^### Exercise (\d+)\b", re.MULTILINE)
FORBIDDEN = {  # what only the book would understand, or Colab would not find
    r"^\s*```+\{": "a MyST directive (```{…})",
    r"^\s*:::": "a MyST directive (:::)",
    r"(?<![\w$\\}`])\{[a-z][\w:-]*\}`": "a MyST role ({…}`…`)",
    r"^\([\w-]+\)=\s*$": "a MyST target ((…)=)",
    r"^%\s": "a MyST comment (%)",
    r"\]\([^)]*\)\{": "attributes after a link or image ({…})",
    r"^\$\$\s*\([\w-]+\)": "an equation label ($$ (…))",
    r"<summary>[^\n]*\$": "a formula in a <summary> (the page shows it as it stands)",
    r"attachment:": "an attached image",
    r"!\[[^\]]*\]\((?!https?:|data:)": "an image by path (draw it by code)",
    r"^\[\^[^\]]+\]:": "a footnote",
}
MESSAGE = "cell {0} ({1}): {2}"


def setup_line() -> str:
    """The one line that brings `attnkit` to Colab and does nothing elsewhere."""
    source = f"attnkit @ git+{repository()}@{branch()}"
    return f'!test -z "$COLAB_RELEASE_TAG" || pip install -q "{source}"'


def solution(key: str) -> str:
    """The folded solution of an exercise, from the code that the tests run."""
    from attnkit.exercises import engine

    code = engine.solution_source(key).rstrip()
    return (
        f"<details><summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>"
    )


# -------------------------------------------------------------------- canonical form


def text(source: str | list[str]) -> str:
    """The source of a cell without trailing white space."""
    whole = source if isinstance(source, str) else "".join(source)
    return "\n".join(line.rstrip() for line in whole.split("\n")).strip("\n")


def kept_outputs(cell: dict, tags: set[str]) -> list[dict]:
    """The outputs that stay in the file: compared text, and pictures of widgets."""
    outputs = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        kind = output["output_type"]
        if WIDGET in tags and "image/png" in data:
            picture = {"image/png": text(data["image/png"])}
            outputs.append(
                {"data": picture, "metadata": {}, "output_type": "display_data"}
            )
        elif CHECKED in tags and kind == "stream" and output["name"] == "stdout":
            lines = "".join(output["text"]).splitlines(keepends=True)
            outputs.append({"name": "stdout", "output_type": kind, "text": lines})
        elif CHECKED in tags and "text/plain" in data:
            lines = "".join(data["text/plain"]).splitlines(keepends=True)
            plain = {"data": {"text/plain": lines}, "metadata": {}, "output_type": kind}
            number = {"execution_count": 1} if kind == "execute_result" else {}
            outputs.append(plain | number)
    return outputs


def canonical_cell(cell: dict, fallback: str) -> dict:
    """A cell with sorted tags, an id and only the outputs that stay."""
    metadata = cell.get("metadata", {})
    tags = sorted(set(metadata.get("tags", [])))
    meta: dict = {"tags": tags} if tags else {}
    if "hide-input" in tags:
        meta["cellView"] = "form"  # Colab's way of hiding code
    # Colab drops ids of the format and keeps its own in the metadata.
    name = cell.get("id") or metadata.get("id") or fallback
    source = text(cell["source"]).splitlines(keepends=True)
    made = {"cell_type": cell["cell_type"], "id": name, "metadata": meta}
    made["source"] = source
    if cell["cell_type"] == "code":
        outputs = kept_outputs(cell, set(tags))
        made |= {"execution_count": 1 if outputs else None, "outputs": outputs}
    return made


def canonical(notebook: dict, name: str) -> dict:
    """The notebook in canonical form, stamps not yet renewed."""
    ids = (hashlib.sha1(f"{name}{i}".encode()).hexdigest()[:8] for i in range(10**6))
    cells = [canonical_cell(cell, next(ids)) for cell in notebook["cells"]]
    meta: dict = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    meta["colab"] = {"provenance": [], "toc_visible": True}
    if notebook["metadata"].get("accelerator") == "GPU":
        meta["accelerator"] = "GPU"
    return {"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}


def dump(notebook: dict) -> str:
    """The text of the file, as nbformat and ruff would leave it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


# ---------------------------------------------------------------------------- stamps


def tags_of(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def stamp_setup(notebook: dict) -> None:
    """Make the first cell the setup line; put one there where none is."""
    cells = notebook["cells"]
    if not cells or "setup" not in tags_of(cells[0]):
        first = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.insert(0, first | {"id": "setup", "metadata": {"tags": ["setup"]}})
    cells[0]["source"] = [setup_line()]
    cells[0]["metadata"] = {"tags": ["remove-cell", "setup"]}


def stamp_solutions(notebook: dict, chapter: str) -> None:
    """Fill every cell tagged `solution` from the exercise that it stands under."""
    number = None
    for cell in notebook["cells"]:
        if found := EXERCISE.findall("".join(cell["source"])):
            number = found[-1]
        if "solution" in tags_of(cell) and number is not None:
            words = solution(f"{chapter}.{number}")
            cell["source"] = words.splitlines(keepends=True)


def stamp_citations(notebook: dict) -> None:
    """Let links to the bibliography lead to the entries that their words name."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = stamp("".join(cell["source"]))
            cell["source"] = source.splitlines(keepends=True)


def stamp_pictures(notebook: dict, path: Path) -> None:
    """Take the static pictures of widgets from the chapter's last run."""
    from tools.execute import executed_path

    done = json.loads(executed_path(path).read_text(encoding="utf-8"))
    outputs = {cell["id"]: cell.get("outputs", []) for cell in done["cells"]}
    for cell in notebook["cells"]:
        if WIDGET in tags_of(cell):
            cell["outputs"] = kept_outputs({"outputs": outputs[cell["id"]]}, {WIDGET})
            cell["execution_count"] = 1 if cell["outputs"] else None


# ------------------------------------------------------------------------ complaints


def markdown_faults(source: str) -> list[str]:
    """What a Markdown cell holds that not every reader understands."""
    prose = re.sub(r"^```(?!\{).*?^```", "", source, flags=re.MULTILINE | re.DOTALL)
    flags = re.MULTILINE
    return [why for bad, why in FORBIDDEN.items() if re.search(bad, prose, flags)]


def code_faults(cell: dict) -> list[str]:
    """Lines too long, cells too long, a checked cell or widget without output."""
    lines, tags = "".join(cell["source"]).splitlines(), tags_of(cell)
    if "setup" in tags:
        return []
    faults = [f"a line of {len(s)} columns" for s in lines if len(s) > COLUMNS]
    if len(lines) > LINES:
        faults.append(f"{len(lines)} lines of code, at most {LINES} read well")
    if CHECKED in tags and not cell["outputs"]:
        faults.append("its output is to be compared, but none is stored")
    if WIDGET in tags and not cell["outputs"]:
        faults.append("no static picture of the widget (make pictures)")
    return faults


def faults(notebook: dict) -> list[str]:
    """Everything in a canonical notebook that its author has to mend."""
    found, seen = [], set()
    for number, cell in enumerate(notebook["cells"], 1):
        unknown = sorted(set(tags_of(cell)) - TAGS)
        wrong = [f"unknown tags {unknown}"] if unknown else []
        wrong += ["an id used twice"] if cell["id"] in seen else []
        seen.add(cell["id"])
        if cell["cell_type"] == "markdown":
            wrong += markdown_faults("".join(cell["source"]))
        elif cell["cell_type"] == "code":
            wrong += code_faults(cell)
        found += [MESSAGE.format(number, cell["id"], what) for what in wrong]
    return found


# ------------------------------------------------------------------------------ main


def renewed(path: Path, pictures: bool = False, citations: bool = False) -> dict:
    """What the file should hold."""
    notebook = canonical(json.loads(path.read_text(encoding="utf-8")), path.stem)
    stamp_setup(notebook)
    stamp_solutions(notebook, chapter_key(path))
    if citations:
        stamp_citations(notebook)
    if pictures:
        stamp_pictures(notebook, path)
    return notebook


def review(path: Path, write: bool, pictures: bool) -> list[str]:
    """Renew one file (or only compare it); what is wrong with it."""
    notebook = renewed(path, pictures, citations=write)
    new, wrong = dump(notebook), faults(notebook)
    if path.read_text(encoding="utf-8") != new:
        if write:
            path.write_text(new, encoding="utf-8")
        else:
            wrong.append("not in canonical form (make notebooks)")
    return wrong


def notebooks() -> list[Path]:
    """Every notebook under `chapters/`, listed in the book or not."""
    found = sorted((ROOT / "chapters").rglob("*.ipynb"))
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("--check", "--write", "--pictures"):
        mode.add_argument(name, action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()
    bad = 0
    for path in [p.resolve() for p in args.files] or notebooks():
        for fault in review(path, not args.check, args.pictures):
            print(f"{path.relative_to(ROOT)}: {fault}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
