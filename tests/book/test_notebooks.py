"""The notebooks as files, and the tool that keeps them canonical."""

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from tools import citations, notebooks, project

every_notebook = pytest.mark.parametrize(
    "path", notebooks.notebooks(), ids=project.chapter_name
)


@every_notebook
def test_notebook_is_canonical_and_reads_well_everywhere(path: Path) -> None:
    assert notebooks.review(path, write=False, pictures=False) == []


@every_notebook
def test_notebook_is_valid_and_unchanged_by_nbformat(path: Path) -> None:
    raw = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(raw, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(notebook).rstrip("\n") == raw.rstrip("\n")


@every_notebook
def test_no_line_of_code_is_lint(path: Path) -> None:
    ruff = Path(os.sys.executable).with_name("ruff")
    done = subprocess.run([ruff, "check", "-q", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@every_notebook
def test_exercises_come_with_stub_check_hint_and_solution(path: Path) -> None:
    from attnkit.exercises import engine

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    numbers = [int(n) for n in notebooks.EXERCISE.findall(text)]
    known = engine.exercises(project.chapter_key(path))
    assert numbers == [exercise.number for exercise in known]
    count = {"exercise": 0, "solution": 0}
    for cell in cells:
        for tag in notebooks.tags_of(cell):
            if tag in count:
                count[tag] += 1
    assert count == {"exercise": len(numbers), "solution": len(numbers)}
    for exercise in known:
        assert f'check("{exercise.key}"' in text or f'use("{exercise.key}"' in text


@every_notebook
def test_a_link_to_a_paper_leads_to_its_entry(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    words = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    assert [link for text in words for link in citations.wrong(text)] == []


def cell(
    source: str, kind: str = "markdown", tags: tuple[str, ...] = (), **more
) -> dict:
    """A cell as a file holds it."""
    made = {"cell_type": kind, "id": "a", "metadata": {"tags": list(tags)}}
    made |= {"source": source.splitlines(keepends=True)}
    if kind == "code":
        made |= {"execution_count": 7, "outputs": []}
    return made | more


def canonical(*cells: dict) -> dict:
    return notebooks.canonical({"cells": list(cells), "metadata": {}}, "name")


@pytest.mark.parametrize(
    "source",
    [
        "```{note}\nhello\n```",
        ":::{tip}\nhello\n:::",
        "see {ref}`there`",
        "(label)=\n# Title",
        "% a comment",
        "![a plot](images/a.png)",
        "![a plot](../images/a.png)",
        "![a plot](https://x.org/a.png){width=50%}",
        "$$ a = b\n$$ (label)",
        "![x](attachment:x.png)",
        "<details><summary>B. $c$ stays</summary>",
        "[^1]: a footnote",
    ],
)
def test_syntax_of_one_reader_is_told(source: str) -> None:
    assert notebooks.faults(canonical(cell(source)))


@pytest.mark.parametrize(
    "source",
    [
        "> **Note.** A *callout* with $x^{2}_{i}$ and `code`.",
        "$$\n\\alpha_{ij} = \\frac{e^{s_{ij}}}{\\sum_k e^{s_{ik}}}\n$$",
        "```python\n% no comment here\n{x}`y`\n```",
        "<details><summary>Hint 1</summary>\n\nUse `x[:, None]`.\n\n</details>",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "A set `{a, b}` and `{c}`; 50 % of it; [a link](https://x.org).",
    ],
)
def test_common_markdown_is_left_alone(source: str) -> None:
    assert notebooks.faults(canonical(cell(source))) == []


def test_code_that_does_not_fit_is_told() -> None:
    wide, long = "x = " + "1" * 69, "\n".join(["x = 1"] * 26)
    assert "73 columns" in notebooks.faults(canonical(cell(wide, "code")))[0]
    assert "26 lines" in notebooks.faults(canonical(cell(long, "code")))[0]
    assert notebooks.faults(canonical(cell(wide[:-1], "code"))) == []


def test_unknown_tags_and_double_ids_are_told() -> None:
    found = notebooks.faults(canonical(cell("a", tags=("mine",)), cell("b")))
    assert len(found) == 2
    assert "mine" in found[0] and "twice" in found[1]


def output(**data: str) -> dict:
    names = {"png": "image/png", "plain": "text/plain", "html": "text/html"}
    kept = {names[name]: value for name, value in data.items()}
    return {"output_type": "display_data", "data": kept, "metadata": {"x": 1}}


def test_only_compared_text_and_widget_pictures_stay() -> None:
    everything = [output(png="AAAA", plain="5", html="<b>")]
    plain = cell("1", "code", outputs=everything)
    compared = cell("1", "code", tags=("nbval-check-output",), outputs=everything)
    widget = cell("1", "code", tags=("widget",), outputs=everything)
    kept = [c["outputs"] for c in canonical(plain, compared, widget)["cells"]]
    assert kept[0] == []
    assert [o["data"] for o in kept[1]] == [{"text/plain": ["5"]}]
    assert [o["data"] for o in kept[2]] == [{"image/png": "AAAA"}]
    counts = [c["execution_count"] for c in canonical(plain, compared)["cells"]]
    assert counts == [None, 1]


def test_canonical_form_is_a_fixed_point_and_keeps_ids_that_colab_moved() -> None:
    moved = cell("x  \n\n")
    moved["metadata"]["id"] = moved.pop("id")
    once = canonical(moved, cell("y", "code", id="b"))
    assert once["cells"][0]["id"] == "a"
    assert once["cells"][0]["source"] == ["x"]
    again = notebooks.canonical(json.loads(notebooks.dump(once)), "other")
    assert notebooks.dump(again) == notebooks.dump(once)


def test_links_to_papers_get_their_anchors() -> None:
    page = "../../book/bibliography.md"
    made = canonical(cell(f"By [Vaswani and\nothers, 2017]({page})."))
    notebooks.stamp_citations(made)
    (line,) = made["cells"][0]["source"][1:]
    assert line == f"others, 2017]({page}#vaswani2017attention)."
    assert notebooks.faults(made) == []


def test_setup_cell_comes_first_and_names_the_one_address() -> None:
    notebook = canonical(cell("# Title"))
    notebooks.stamp_setup(notebook)
    notebooks.stamp_setup(notebook)
    first, *rest = notebook["cells"]
    assert len(rest) == 1
    assert len(first["source"]) == 1
    assert project.repository() in first["source"][0]


def run_setup(folder: Path, **environment: str) -> str:
    """Run the setup line in a plain shell kernel; what a stand-in for pip heard."""
    heard = folder / "heard"
    pip = folder / "pip"
    pip.write_text(f'#!/bin/sh\necho "$@" > {heard}\n')
    pip.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    env = {**os.environ, **environment, "PATH": path, "IPYTHONDIR": str(folder)}
    script = folder / "cell.ipy"
    script.write_text(notebooks.setup_line() + "\nprint('went on')\n")
    command = [os.sys.executable, "-m", "IPython", "--no-banner", str(script)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "went on", done.stdout + done.stderr
    return heard.read_text() if heard.exists() else ""


def test_setup_cell_installs_in_colab(tmp_path: Path) -> None:
    heard = run_setup(tmp_path, COLAB_RELEASE_TAG="release-colab-20260904")
    address = f"{project.repository()}@{project.branch()}"
    assert heard.strip() == f"install -q attnkit @ git+{address}"


def test_setup_cell_does_nothing_elsewhere(tmp_path: Path) -> None:
    assert run_setup(tmp_path, COLAB_RELEASE_TAG="") == ""
