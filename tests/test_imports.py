"""Who may know whom: read from the source, and from a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import attnkit
from attnkit.catalog import TOOLS

ROOT = Path(attnkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
FRONT_ENDS = {"matplotlib", "ipywidgets", "anywidget", "IPython"}


def name_of(path: Path) -> str:
    parts = ("attnkit", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in FILES}


def imports(path: Path, top: bool = False) -> set[str]:
    """Modules of the package that a file imports, wherever the statement stands."""
    tree = ast.parse(path.read_text(encoding="utf8"))
    nodes = at_import_time(tree) if top else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, path)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name in NAMES} - {name_of(path)}


def at_import_time(tree: ast.AST):
    """Walk all nodes but the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import_time(node)


def absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = name_of(path).split(".")
    up = node.level - (path.name == "__init__.py")
    base = package[: len(package) - up]
    return ".".join([*base, *([node.module] if node.module else [])])


def needs(name: str) -> set[str]:
    """Modules that run before `name` can: its imports, less its own package's."""
    found = imports(NAMES[name], top=True)
    return {other for other in found if not name.startswith(f"{other}.")}


def test_no_circle_of_imports():
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(needs(name)):
                visit(other, (*way, name))
            done.add(name)

    for name in NAMES:
        visit(name, ())


def family_of(name: str) -> str | None:
    parts = name.split(".")
    is_family = len(parts) > 1 and (ROOT / parts[1]).is_dir() and parts[1] not in TOOLS
    return parts[1] if is_family else None


@pytest.mark.parametrize("name", [name for name in NAMES if family_of(name)])
def test_a_family_knows_no_other_family(name):
    foreign = {family_of(other) for other in imports(NAMES[name])}
    assert foreign <= {None, family_of(name)}


@pytest.mark.parametrize("name", [name for name in NAMES if family_of(name)])
def test_a_family_knows_no_front_end_and_no_exercise(name):
    tops = {".".join(other.split(".")[:2]) for other in imports(NAMES[name])}
    assert not tops & {"attnkit.live", "attnkit.plot", "attnkit.exercises"}


def test_live_and_catalog_know_no_family():
    known = {n for n in NAMES if n.startswith("attnkit.live") or n == "attnkit.catalog"}
    assert not {
        family_of(other) for name in known for other in imports(NAMES[name])
    } - {None}


def loaded_by(code: str) -> set[str]:
    """Modules in memory after `code` ran in a fresh interpreter."""
    run = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_package_loads_no_front_end_and_no_family():
    loaded = loaded_by("import attnkit")
    assert "attnkit.attend" in loaded
    assert not loaded & FRONT_ENDS
    assert not {name for name in loaded if name in NAMES and family_of(name)}


def test_catalog_loads_no_front_end():
    assert not loaded_by("from attnkit import catalog; catalog.cards()") & FRONT_ENDS
