"""The printed solutions, put into the exercise cells, solve the exercises."""

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from tools import execute, project
from tools.notebooks import tags_of

CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def filled_in(path: Path) -> NotebookNode:
    """The chapter with each exercise cell replaced by the solution that follows."""
    notebook = execute.read(path)
    waiting = None
    for cell in notebook.cells:
        if "exercise" in tags_of(cell):
            assert waiting is None, f"no solution before cell {cell.id}"
            waiting = cell
        elif "solution" in tags_of(cell):
            assert waiting is not None, f"no exercise before cell {cell.id}"
            (waiting.source,) = CODE.findall(cell.source)
            waiting = None
    assert waiting is None
    return notebook


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.parametrize("path", project.chapters(), ids=project.chapter_name)
def test_solutions_solve_the_exercises(path: Path) -> None:
    """A strict check raises for everything but a pass, so a run through is proof."""
    execute.execute(path, filled_in(path), ATTNKIT_STRICT="1")
