"""What a chapter uses for teaching: measured claims, the seed, shown sources.

from attnkit.lesson import measured, seed, show_source

measured("attention beats the fixed vector at length 20", gap > 0.3, gap)
show_source(Additive, only="forward")
"""

from __future__ import annotations

import ast
import html
import inspect
import json
import math
import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

__all__ = ["Source", "chapter", "measured", "seed", "show_source"]

# -------------------------------------------------------------------- claims


def measured(claim: str, holds: Any, value: Any, *, clock: bool = False) -> None:
    """State a claim of the text, together with the number that it rests on.

    Prints one quiet line, ``✓ claim (0.43)``. A reader whose numbers come out
    otherwise, on another machine or after a change, gets ``✗ claim (0.43)`` and a
    sentence, and the notebook goes on; where the book is built or tested (``CI`` is
    set) a claim that does not hold stops the run. When the environment variable
    ``ATTNKIT_CLAIMS`` names a file, the claim is recorded there as one line of
    JSON (chapter, claim, seed, holds, value) and a claim that does not hold is
    recorded like any other, so that a run over several seeds shows them all.

    Args:
        claim: the claim in words, unique in its chapter.
        holds: whether it holds: a bool, or anything with one truth value.
        value: what was measured: a number, a tensor, a text, or a tuple of those.
        clock: the claim rests on times. Whatever else the machine does can spoil
            those, so such a claim never stops a run.

    Raises:
        AssertionError: the claim does not hold, ``CI`` is set, nothing is being
            recorded, and it does not rest on times.
        ValueError: the claim is empty, or is recorded for the second time.
    """
    if not isinstance(claim, str) or not claim.strip():
        raise ValueError(f"claim: expected a sentence, got {claim!r}")
    held, plain = bool(holds), _plain(value)
    record = os.environ.get("ATTNKIT_CLAIMS")
    if record:
        _record(Path(record), claim, held, plain)
    elif not (held or clock) and os.environ.get("CI"):
        raise AssertionError(f"The claim “{claim}” does not hold: {_brief(plain)}")
    print(f"{'✓' if held else '✗'} {claim} ({_brief(plain)})")
    if not (held or record):
        print(f"  {_SLOW if clock else _OTHERWISE}")


_SLOW = "Other work on this machine disturbs a clock. Run the cells that measure again."
_OTHERWISE = (
    "It held where the book was built. Another machine rounds otherwise, and training "
    "makes small differences large; or you have changed something."
)


def _record(path: Path, claim: str, holds: bool, value: Any) -> None:
    """Append one line to the record; a claim counts once a chapter and seed."""
    name, start = chapter(), seed()
    line = {
        "chapter": name,
        "claim": claim,
        "seed": start,
        "holds": holds,
        "value": value,
    }
    key = (str(path), name, start, claim)
    if key in _recorded:
        raise ValueError(f"claim: expected a text unique in its chapter, got {claim!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    _recorded.add(key)


_recorded: set[tuple[str, str, int, str]] = set()


def _plain(value: Any) -> Any:
    """The value as JSON knows it: tensors become numbers or nested lists."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else str(value)


def _brief(value: Any) -> str:
    """The value for a reader: three figures, commas between several."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_brief(item)}" for name, item in value.items())
    if isinstance(value, list):
        shown = [_brief(item) for item in value[:6]]
        return ", ".join(shown + ["…"] * (len(value) > 6))
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if type(value) is int else str(value)


def seed() -> int:
    """The one seed of the whole book: ``ATTNKIT_SEED``, or 1."""
    text = os.environ.get("ATTNKIT_SEED", "1")
    try:
        return int(text)
    except ValueError:
        message = f"ATTNKIT_SEED: expected a whole number, got {text!r}"
        raise ValueError(message) from None


def chapter() -> str:
    """The name of the running chapter, ``part/name``, or ``"unknown"``.

    ``ATTNKIT_CHAPTER`` decides; without it, the notebook's path as the front end
    tells it (JupyterLab, VS Code), or the path of the running script.
    """
    main = sys.modules.get("__main__")
    for told in (
        os.environ.get("ATTNKIT_CHAPTER"),
        os.environ.get("JPY_SESSION_NAME"),
        getattr(main, "__vsc_ipynb_file__", None),
        os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[0],
        getattr(main, "__file__", None),
    ):
        parts = PurePath(told).with_suffix("").parts[-2:] if told else ()
        if len(parts) == 2:
            return "/".join(parts)
    return "unknown"


# ------------------------------------------------------------------- sources


class Source:
    """Python source that a notebook shows highlighted and a console as text."""

    def __init__(self, text: str, label: str = "") -> None:
        self.text, self.label = text.rstrip() + "\n", label

    def __repr__(self) -> str:
        return f"# {self.label}\n{self.text}" if self.label else self.text

    def _repr_html_(self) -> str:
        label = f'<div class="attnkit-label">{html.escape(self.label)}</div>'
        code = f'<pre tabindex="0"><code>{_highlight(self.text)}</code></pre>'
        return (
            f'{STYLE}<div class="attnkit-source">{label * bool(self.label)}{code}</div>'
        )


def show_source(*objects: Any, only: str | Iterable[str] | None = None) -> None:
    """Show the source of functions and classes as it stands in the package.

    A chapter shows the code that it runs, so it never holds a second copy.

    Args:
        objects: functions, methods, classes or modules.
        only: for classes: the name of one member, or several, to show alone.

    Raises:
        TypeError: something has no Python source, or `only` stands beside no class.
        ValueError: a class does not define what `only` names.
    """
    for item in objects:
        _display(source(item, only))


def source(item: Any, only: str | Iterable[str] | None = None) -> Source:
    """The source of one function, class or module; arguments as ``show_source``."""
    item = inspect.unwrap(item) if inspect.isroutine(item) else item
    if not (inspect.isroutine(item) or inspect.isclass(item) or inspect.ismodule(item)):
        item = type(item)
    name = getattr(item, "__qualname__", getattr(item, "__name__", repr(item)))
    try:
        text = textwrap.dedent(inspect.getsource(item))
    except (TypeError, OSError) as error:
        raise TypeError(
            f"objects: expected Python with a source, got {name}"
        ) from error
    wanted = [only] if isinstance(only, str) else list(only or ())
    text = _members(item, text, wanted) if wanted else text
    return Source(text, f"{_place(item)} · {name}")


def _members(item: Any, text: str, names: list[str]) -> str:
    """The class statement, then the named members, an ellipsis for what is left out."""
    if not inspect.isclass(item):
        raise TypeError(f"only: expected a class beside it, got {item!r}")
    lines = text.splitlines()
    whole = next(x for x in ast.parse(text).body if isinstance(x, ast.ClassDef))
    parts = {name: [] for name in names}
    for node in whole.body:
        for name in parts.keys() & _defines(node):
            parts[name].append("\n".join(lines[_first(node) - 1 : node.end_lineno]))
    missing = [name for name, found in parts.items() if not found]
    if missing:
        raise ValueError(f"only: {item.__name__} defines no {', '.join(missing)}")
    head = lines[whole.lineno - 1 : max(_first(whole.body[0]) - 1, whole.lineno)]
    while not head[-1].strip() or head[-1].lstrip().startswith("#"):
        head.pop()
    bodies = [body for found in parts.values() for body in found]
    return "\n\n".join(["\n".join([*head, "    ..."]), *bodies])


def _defines(node: ast.stmt) -> set[str]:
    """The names that one statement of a class gives."""
    if hasattr(node, "name"):
        return {node.name}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _first(node: ast.AST) -> int:
    """The first line of a statement, decorators included."""
    return min([node.lineno, *(x.lineno for x in getattr(node, "decorator_list", []))])


def _place(item: Any) -> str:
    """The file of an object, as a path inside its package."""
    module = item if inspect.ismodule(item) else inspect.getmodule(item)
    name = getattr(module, "__name__", "__main__")
    return "this notebook" if name == "__main__" else name.replace(".", "/") + ".py"


def _display(item: Source) -> None:
    """Show in a notebook; print elsewhere."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        sys.modules["IPython"].display.display(item)
    else:
        print(item)


def _highlight(text: str) -> str:
    """Source as HTML; without pygments, as plain escaped text."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        return html.escape(text)
    return highlight(text, PythonLexer(), HtmlFormatter(nowrap=True, classprefix="ak-"))


# One style for everything that the book's Python shows as HTML. The dark values
# follow the host page, not the system: the book, JupyterLab, Colab, VS Code.
_LIGHT = {
    "ink": "#1f2328", "paper": "#f6f8fa", "edge": "#d0d7de", "soft": "#57606a",
    "word": "#6741d9", "text": "#2b6e2f", "note": "#5c5f66",
    "name": "#0b5c8a", "digit": "#a61e4d",
    "good": "#2b6e2f", "bad": "#a8480a", "wrong": "#a61e4d", "open": "#57606a",
}  # fmt: skip
_DARK = {
    "ink": "#e6edf3", "paper": "#1b2028", "edge": "#3d444d", "soft": "#a5adb8",
    "word": "#b9a3ff", "text": "#8ce99a", "note": "#a5adb8",
    "name": "#74c0fc", "digit": "#faa2c1",
    "good": "#8ce99a", "bad": "#ffb077", "wrong": "#faa2c1", "open": "#a5adb8",
}  # fmt: skip


def _style() -> str:
    """The ``<style>`` element: both themes as custom properties, print as light."""
    shape = Path(__file__).with_name("lesson.css").read_text(encoding="utf-8")
    hosts = (
        "html[data-theme=dark]", "body[data-jp-theme-light=false]",
        "html[theme=dark]", "body.vscode-dark",
    )  # fmt: skip
    light = "".join(f"--ak-{name}:{value};" for name, value in _LIGHT.items())
    dark = "".join(f"--ak-{name}:{value};" for name, value in _DARK.items())
    boxes = ":is(.attnkit-source,.attnkit-card)"
    night = ",".join(f"{host} {boxes}" for host in hosts)
    themes = f"{boxes}{{{light}}}@media screen{{{night}{{{dark}}}}}"
    return f"<style>{themes}{' '.join(shape.split())}</style>"


STYLE = _style()
