"""What holds for the project as files."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.project import ROOT, branch, chapters, config, repository

TEXT = {".py", ".md", ".yml", ".toml", ".txt", ".cff", ".js", ".mjs", ".css", ".ipynb"}
TEXT |= {".json", ".cfg", ".ini", ""}


def tracked() -> list[Path]:
    """The files of the project that hold text."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    return [f for f in files if f.suffix in TEXT and f.is_file()]


def own_code() -> list[Path]:
    return [f for f in tracked() if f.suffix == ".py"]


def test_address_is_written_in_one_place() -> None:
    """Elsewhere it is stamped, so every address of the project is the same."""
    name = repository().rsplit("/", 1)[1]
    address = re.compile(rf"https?://[\w.-]+/[\w-]+/{re.escape(name)}\b")
    found = {}
    for file in tracked():
        for match in address.findall(file.read_text(encoding="utf-8")):
            found.setdefault(match, set()).add(file.relative_to(ROOT).as_posix())
    assert set(found) == {repository()}
    hands = {"_config.yml"} | {p.relative_to(ROOT).as_posix() for p in chapters()}
    assert found[repository()] <= hands, "write it in _config.yml and stamp it"


def test_book_lists_chapters_that_exist_and_every_chapter_is_listed() -> None:
    have = {p for p in (ROOT / "chapters").rglob("*.ipynb") if "." not in p.parts}
    have = {p for p in have if ".ipynb_checkpoints" not in p.parts}
    assert set(chapters()) == have
    assert branch() and config()["title"]


def functions(file: Path) -> list[tuple[str, int]]:
    """Name and length in lines of every function's body, docstring left out."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            words = ast.get_docstring(node, clean=False) is not None
            body = node.body[1:] if words else node.body
            last = node.end_lineno or 0
            found.append((node.name, last - body[0].lineno + 1 if body else 0))
    return found


@pytest.mark.parametrize("folder", ["attnkit", "tools", "book/_ext"])
def test_functions_and_files_are_short(folder: str) -> None:
    files = [f for f in own_code() if f.is_relative_to(ROOT / folder)]
    lengths = [(f.name, *found) for f in files for found in functions(f)]
    assert not [x for x in lengths if x[2] > 40]
    counts = sorted(length for *_, length in lengths)
    assert counts[len(counts) // 2] <= 10
    lines = {f.name: len(f.read_text(encoding="utf-8").splitlines()) for f in files}
    own = {n: c for n, c in lines.items() if c > 350}
    # A chapter's exercises keep right and wrong answers side by side.
    assert not {n for n in own if not (ROOT / "attnkit/exercises" / n).exists()}


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_code_is_linted_and_formatted(command: list[str]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    files = [f for f in own_code() if f.exists()]
    done = subprocess.run([ruff, *command, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_the_book_is_built_with_is_pinned() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    asked = [s for line in text.splitlines() if (s := line.split("#")[0].strip())]
    assert asked
    assert not [line for line in asked if not re.fullmatch(r"[\w-]+==[\w.]+", line)]


def test_the_package_asks_for_no_more_than_colab_has() -> None:
    """Loose bounds that Colab's versions meet, so that nothing there is replaced."""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (ROOT / "constraints-colab.txt").read_text(encoding="utf-8").splitlines()
    colab = dict(line.split("==") for line in lines if "==" in line)
    colab |= {"torch": "2.11.0", "safetensors": "0.6.2"}
    for text in project["project"]["dependencies"]:
        need = Requirement(text)
        assert need.name in colab, f"Colab does not bring {need.name}"
        assert colab[need.name] in need.specifier, f"{need} would replace Colab's"


def test_no_paper_stands_twice_in_the_bibliography() -> None:
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,\s]+)", text, re.MULTILINE)
    assert sorted({key for key in keys if keys.count(key) > 1}) == []
    assert all(re.fullmatch(r"[a-z]+(18|19|20)\d\d[a-z0-9]+", key) for key in keys)
