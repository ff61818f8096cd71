"""Where things are, and the few settings that every tool reads."""

from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "book" / "_build"
HTML = BUILD / "html"
EXECUTED = BUILD / "executed"


@cache
def config() -> dict:
    """The settings of the book, `_config.yml`."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def repository() -> str:
    """The address of the repository; `_config.yml` is its only home."""
    return config()["repository"]["url"].rstrip("/")


def branch() -> str:
    """The branch that setup cells and Colab links point to."""
    return config()["repository"]["branch"]


def chapters() -> list[Path]:
    """Every chapter notebook that `_toc.yml` lists, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [c.get("file", "") for part in toc["parts"] for c in part["chapters"]]
    return [ROOT / f"{name}.ipynb" for name in files if name.startswith("chapters/")]


def run_pages() -> list[Path]:
    """Every page with code to run: the chapters, and pages with code cells."""
    pages = [p for p in (ROOT / "book").glob("*.md") if "{code-cell}" in p.read_text()]
    return [*chapters(), *sorted(pages)]


def chapter_name(path: Path) -> str:
    """`chapters/rnn/alignment.ipynb` → `rnn/alignment`."""
    return f"{path.parent.name}/{path.stem}"


def chapter_key(path: Path) -> str:
    """`chapters/rnn/alignment.ipynb` → `rnn.alignment`, as exercises name it."""
    return f"{path.parent.name}.{path.stem}"
