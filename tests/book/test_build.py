"""How the book builds: what runs again, what a failure says, what a stop leaves."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.project import ROOT

pytestmark = pytest.mark.slow

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: One
    chapters: [{file: chapters/one/a}, {file: chapters/two/b}]
"""
STATIC_SITE = "def scripts():\n    return {}\n"
CATALOG = "def cards():\n    return []\n"


def chapter(root: Path, name: str, *cells: str, prose: str = "Prose.") -> Path:
    """Write a chapter of a heading and code cells."""
    path = root / "chapters" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [new_markdown_cell(f"# {name}\n\n{prose}", id="head")]
    made += [new_code_cell(code, id=f"code{i}") for i, code in enumerate(cells)]
    nbformat.write(new_notebook(cells=made), path)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tiny project of two chapters with the real tools, extension and settings."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copytree(ROOT / "book" / "_ext", tmp_path / "book" / "_ext")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "book" / "_static").mkdir()
    for name in ("book.css", "book.js", "host.js", "logo.svg", "favicon.svg"):
        (tmp_path / "book" / "_static" / name).write_text("")
    (tmp_path / "book" / "references.bib").write_text("")
    (tmp_path / "book" / "index.md").write_text("# Start\n")
    package = tmp_path / "attnkit"
    (package / "live").mkdir(parents=True)
    files = {"__init__": "", "live/__init__": "", "live/static_site": STATIC_SITE}
    files |= {"catalog": CATALOG, "one": "number = 111\n", "two": "number = 222\n"}
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    chapter(tmp_path, "one/a", "from attnkit.one import number", "print(number)")
    chapter(tmp_path, "two/b", "from attnkit.two import number", "print(number)")
    return tmp_path


def start(project: Path, *options: str) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tools.build", "--jobs", "1", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        command, cwd=project, env=env, start_new_session=True, **pipes
    )


def build(project: Path, *options: str) -> tuple[int, str]:
    """Build; exit status and all that was printed."""
    process = start(project, *options)
    text, _ = process.communicate(timeout=300)
    return process.returncode, text


def ran(text: str) -> set[str]:
    """The chapters that a build says it ran."""
    return set(re.findall(r"^  (\S+): running", text, re.MULTILINE))


def shown(project: Path, name: str) -> str:
    html = project / "book" / "_build" / "html" / "chapters" / f"{name}.html"
    return html.read_text(encoding="utf-8")


def test_only_what_changed_runs_again(project: Path) -> None:
    run = "--run"
    assert ran(build(project, run)[1]) == {"one/a", "two/b"}
    assert ran(build(project, run)[1]) == set()
    chapter(project, "one/a", "from attnkit.one import number", "print(number + 1)")
    assert ran(build(project, run)[1]) == {"one/a"}
    (project / "attnkit" / "two.py").write_text("number = 333\n")
    assert ran(build(project, run)[1]) == {"two/b"}
    (project / "attnkit" / "__init__.py").write_text("shared = 1\n")
    assert ran(build(project, run)[1]) == {"one/a", "two/b"}
    (project / "attnkit" / "fonts").mkdir()
    (project / "attnkit" / "fonts" / "a.ttf").write_bytes(b"font")
    assert ran(build(project, run)[1]) == {"one/a", "two/b"}
    kept = project / "book" / "_build" / "executed" / "one" / "a.ipynb"
    kept.write_text(kept.read_text()[:100])  # damaged
    assert ran(build(project, run)[1]) == {"one/a"}
    assert ran(build(project, run)[1]) == set()


def test_a_clock_that_was_disturbed_is_told_of(project: Path) -> None:
    chapter(project, "one/a", "print('✓ it is right (1)')\nprint('✗ it is fast (2)')")
    status, text = build(project, "--run")
    assert status == 0 and "one/a: a clock says ✗ it is fast (2)" in text
    assert "right" not in text


def test_pages_show_the_present_state(project: Path) -> None:
    status, text = build(project)
    assert status == 0, text
    assert "111" in shown(project, "one/a") and "222" in shown(project, "two/b")
    assert "book/_build/html/index.html" in text
    (project / "attnkit" / "two.py").write_text("number = 333\n")
    code = ("from attnkit.one import number", "print(number)")
    chapter(project, "one/a", *code, prose="New prose.")
    toc = TOC.replace(", {file: chapters/two/b}", "")
    status, text = build(project)
    assert status == 0 and ran(text) == {"two/b"}
    assert "New prose." in shown(project, "one/a")
    assert "333" in shown(project, "two/b") and "222" not in shown(project, "two/b")
    (project / "_toc.yml").write_text(toc)
    assert build(project)[0] == 0
    left = project / "book" / "_build" / "html" / "chapters" / "two" / "b.html"
    assert not left.exists(), "a page that left the book must not stay"


def test_raising_chapter_fails_the_build_and_leaves_the_last_book(
    project: Path,
) -> None:
    assert build(project)[0] == 0
    chapter(project, "two/b", "x = 1", "y = x / 0  # the culprit")
    for _ in range(2):  # the second build must not forget the failure
        status, text = build(project)
        assert status != 0
        assert "chapters/two/b.ipynb, cell 3 (id code1)" in text
        assert "y = x / 0  # the culprit" in text
        assert "ZeroDivisionError: division by zero" in text
        assert "Traceback" not in text
    assert "222" in shown(project, "two/b"), "the last whole book stays"


def test_killed_kernel_fails_the_build_with_its_cell(project: Path) -> None:
    chapter(project, "two/b", "import os", "os._exit(1)")
    status, text = build(project, "--run")
    assert status != 0
    assert "chapters/two/b.ipynb, cell 3 (id code1)" in text
    assert "kernel died" in text


@pytest.mark.parametrize(
    "code, prose",
    [
        ("x = 1", "A [dead link](nowhere.md)."),
        ("import warnings\nwarnings.warn('on the page')", "Prose."),
    ],
    ids=["dead link", "warning in a cell"],
)
def test_warning_fails_the_build(project: Path, code: str, prose: str) -> None:
    chapter(project, "one/a", code, prose=prose)
    for _ in range(2):
        status, text = build(project)
        assert status != 0
        assert "one/a" in text
    assert not (project / "book" / "_build" / "html").exists()


def test_stopped_build_loses_nothing_and_shows_nothing_half(project: Path) -> None:
    assert build(project)[0] == 0
    chapter(project, "one/a", "print(444)")
    chapter(project, "two/b", "import time", "time.sleep(60)")
    process = start(project)
    for line in process.stdout:
        if "two/b: running" in line:
            break
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "111" in shown(project, "one/a"), "no page of the stopped build"
    chapter(project, "two/b", "print(555)")
    status, text = build(project)
    assert status == 0
    assert ran(text) == {"two/b"}, "the finished chapter is not run again"
    assert "444" in shown(project, "one/a") and "555" in shown(project, "two/b")
