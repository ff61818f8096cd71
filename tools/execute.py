"""Run a chapter in a kernel of its own, and know when it has to run again.

A run is kept as `book/_build/executed/<part>/<chapter>.ipynb`. Its metadata hold
what the run depended on: the code cells, the environment, and every file of
`attnkit` that the kernel had loaded at the end, with the data beside it (fonts,
weights, the widget bundle). A run is fresh while all of these are as they were, so
an edit of `attnkit/rnn` reruns the chapters that load it, and no other.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode

from tools.project import EXECUTED, ROOT, chapter_name

CELL_SECONDS = 300
PACKAGES = ("torch", "numpy", "matplotlib", "ipywidgets", "anywidget", "ipykernel")
SETTINGS = ("ATTNKIT_SEED", "ATTNKIT_DATA")
LOADED = (
    "import json, sys; print(json.dumps([f for m in list(sys.modules.values())"
    " if (f := getattr(m, '__file__', None))]))"
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ChapterError(Exception):
    """A chapter did not run through; the message says where and why."""


# ---------------------------------------------------------------- what a run needs


def digest(*parts: bytes) -> str:
    """A short hash of the parts, in order."""
    h = hashlib.sha256()
    for part in parts:
        h.update(len(part).to_bytes(8, "big") + part)
    return h.hexdigest()[:16]


def code_key(notebook: NotebookNode) -> str:
    """The hash of the code cells and of what they run in, prose left out."""
    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    settings = [f"{name}={os.environ.get(name, '')}" for name in SETTINGS]
    return digest(
        *(text.encode() for text in [sys.version, *versions, *settings, *cells])
    )


def _data_digest(folder: Path) -> str:
    """What lies beside the modules of a package: names of modules, data's bytes."""
    parts = []
    for path in sorted(folder.iterdir()):
        if path.name in ("__pycache__", "src"):
            continue
        # A new mechanism is found by looking, so the names count; a chapter's
        # exercises are loaded by name, so they do not.
        if path.suffix == ".py" and folder.name != "exercises":
            parts.append(path.name.encode())
        elif path.is_dir() and not (path / "__init__.py").exists():
            files = [p for p in sorted(path.rglob("*")) if p.is_file()]
            parts += [p.name.encode() + p.read_bytes() for p in files]
        elif path.is_file() and path.suffix != ".py":
            parts.append(path.name.encode() + path.read_bytes())
    return digest(*parts)


def file_digest(name: str) -> str | None:
    """The present hash of a file or of a folder (`…/`) under the project's root."""
    path = ROOT / name
    if not path.exists():
        return None
    return _data_digest(path) if name.endswith("/") else digest(path.read_bytes())


def needs(loaded: list[str]) -> dict[str, str | None]:
    """The files of `attnkit` among the loaded ones, and their folders, with hashes."""
    package = ROOT / "attnkit"
    files = {Path(name).resolve() for name in loaded}
    ours = {path for path in files if path.is_relative_to(package)}
    names = {path.relative_to(ROOT).as_posix() for path in ours}
    names |= {path.parent.relative_to(ROOT).as_posix() + "/" for path in ours}
    return {name: file_digest(name) for name in sorted(names)}


def needs_unchanged(known: dict[str, str | None]) -> bool:
    """Whether every file that a run depended on is as it was."""
    return all(file_digest(name) == value for name, value in known.items())


def read(path: Path) -> NotebookNode:
    """The cells of a notebook, or of a Markdown page with code cells."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    return read_myst_markdown_notebook(path.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------- the store


def executed_path(path: Path) -> Path:
    """Where the last run of a chapter is kept."""
    return EXECUTED / f"{chapter_name(path)}.ipynb"


def record(path: Path) -> dict:
    """What the kept run of a chapter depended on and took; empty where none is kept."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        text = executed_path(path).read_text(encoding="utf-8")
        return json.loads(text)["metadata"]["attnkit"]
    return {}


def fresh(path: Path) -> bool:
    """Whether the kept run of the chapter still stands."""
    kept = record(path)
    return (
        bool(kept)
        and kept["code"] == code_key(read(path))
        and needs_unchanged(kept["needs"])
    )


def keep(path: Path, notebook: NotebookNode) -> None:
    """Keep a finished run; a reader of the store sees the old or the new, whole."""
    store = executed_path(path)
    store.parent.mkdir(parents=True, exist_ok=True)
    partial = store.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(nbformat.writes(notebook), encoding="utf-8")
    partial.replace(store)


# --------------------------------------------------------------------------- running


def kernel_environment(**extra: str) -> dict[str, str]:
    """The environment of a kernel: one thread, so that every machine agrees."""
    env = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", **os.environ, **extra}
    return {**env, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "CI": "1"}


def explain(path: Path, notebook: NotebookNode, error: Exception) -> str:
    """One readable message: the chapter, the cell, the line and the error."""
    index = notebook.metadata.pop("at", 0)
    cell = notebook.cells[index]
    source = "\n".join(f"    | {line}" for line in cell.source.splitlines())
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    if isinstance(error, CellExecutionError):
        what = f"{error.ename}: {ANSI.sub('', error.evalue)}"
    elif isinstance(error, CellTimeoutError):
        what = f"the cell ran longer than {CELL_SECONDS} s"
    else:
        what = f"the kernel died ({type(error).__name__}: {error})"
    return f"{name}, cell {index + 1} (id {cell.get('id', '?')}):\n{source}\n    {what}"


def execute(
    path: Path,
    notebook: NotebookNode | None = None,
    progress: Callable[[int, int], None] | None = None,
    **environment: str,
) -> NotebookNode:
    """Run every cell of a notebook, in the notebook's folder.

    Args:
        path: The notebook; also read when `notebook` is None.
        notebook: Cells to run instead of those in the file.
        progress: Called with (cell, cells) before each cell.
        environment: Additional environment variables of the kernel.

    Returns:
        The notebook with outputs, widget state and, in `metadata.attnkit`, the
        seconds that it took and what it depends on.

    Raises:
        ChapterError: A cell raised, ran too long, or killed the kernel.
    """
    notebook = notebook or read(path)
    code, count = code_key(notebook), len(notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(LOADED))

    def before(cell: NotebookNode, cell_index: int) -> None:
        notebook.metadata["at"] = min(cell_index, count - 1)
        if progress:
            progress(cell_index, count)

    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3")
    client.on_cell_start = before
    client.extra_arguments = ["--IPKernelApp.log_level=40"]
    start = time.perf_counter()
    try:
        env = kernel_environment(ATTNKIT_CHAPTER=chapter_name(path), **environment)
        client.execute(cwd=str(path.parent), env=env)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise ChapterError(explain(path, notebook, error)) from None
    took = time.perf_counter() - start
    loaded = json.loads(notebook.cells.pop().outputs[0].text)
    notebook.metadata.pop("at", None)
    facts = {"code": code, "seconds": round(took, 1), "needs": needs(loaded)}
    notebook.metadata["attnkit"] = facts
    return notebook


def run(path: Path, progress: Callable[[int, int], None] | None = None) -> NotebookNode:
    """The chapter with its outputs: the kept run where fresh, else a new one."""
    if not fresh(path):
        keep(path, execute(path, progress=progress))
    return nbformat.read(executed_path(path), as_version=4)


def seconds(path: Path) -> float | None:
    """How long the kept run of a chapter took, None where there is none."""
    return record(path).get("seconds")


def missed(path: Path) -> list[str]:
    """The lines of the kept run that tell of a claim, by the clock, that failed."""
    cells = nbformat.read(executed_path(path), as_version=4).cells
    said = "".join(out.get("text", "") for c in cells for out in c.get("outputs", []))
    return [line for line in said.splitlines() if line.startswith("✗ ")]
