"""The base of every widget: an ipywidget whose front end is plain text files.

A widget is three things. `data` says what it is about and does not change, `state`
is everything that a reader can change, `readout` is what the page computed from both.
The page computes by itself; with a kernel, `state` travels both ways.

The module imports neither torch nor matplotlib.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import sys
import warnings
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets as t

from attnkit.live.values import STATE, call, check_kinds, given, plain

STATIC = Path(__file__).parent / "static"
SHARED = "attnkit"


@functools.cache
def part(name: str) -> str:
    """The built text of the part that all widgets share, or of one kind of widget.

    Raises:
        ValueError: no widget is of this kind.
    """
    try:
        return (STATIC / f"{name}.js").read_text("utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in STATIC.glob("*.js")))
        raise ValueError(f"kind: expected one of {known}, got {name!r}") from None


def front_end(kind: str) -> str:
    """The ES module that draws widgets of this kind."""
    return part(SHARED) + part(kind)


class StateError(t.TraitError, ValueError):
    """A state that the widget cannot be in; the one before it stays."""


class LiveWidget(anywidget.AnyWidget):
    """A widget of the book; subclasses set `kind` and fill `data` and `state`.

    Args:
        data: what the widget is about; arrays and tensors may stand in it.
        state: the first state; `reset` leads back to it.
        caption: the sentence under the widget; it states the finding.
        alt: what the static picture shows, for those who do not see it.
        slug: the widget's name in links; the kind where it is left out.

    Traits (all JSON): `kind`, `data`, `state`, `initial`, `readout`, `caption`, `alt`,
    `slug`, `python` (template of "copy as Python"), `reserve` (see there).
    A dict given to `state` changes the settings that it names, the others stay;
    `widget.state = widget.initial` is the way back.
    Python methods named `rpc_<name>` may be called by the page.

    Raises:
        TypeError: an argument that the widget does not know.
        ValueError: a setting that is unknown, or whose value does not fit.
    """

    kind = t.Unicode("dial").tag(sync=True)
    data = t.Dict().tag(sync=True)
    state = t.Dict().tag(sync=True)
    initial = t.Dict().tag(sync=True)
    readout = t.Dict().tag(sync=True)
    caption = t.Unicode("").tag(sync=True)
    alt = t.Unicode("").tag(sync=True)
    slug = t.Unicode("").tag(sync=True)
    python = t.Unicode("").tag(sync=True)
    reserve = t.List().tag(sync=True)

    template: ClassVar[str] = ""
    """Code that makes the widget again: `{made}` stands for the call of the class with
    the same arguments, `{state}` for the state's literal."""

    spoken: ClassVar[dict[str, str]] = {}
    """The code for arguments that have no literal, as a model; "" leaves one out."""

    heights: ClassVar[list[tuple[int, ...]]] = []
    """(container width, height, height for fingers) in px, narrow to wide: the room
    that is kept while it loads. Without the third number, both are alike."""

    def __new__(cls, *args: Any, **kwargs: Any) -> LiveWidget:
        self = super().__new__(cls, *args, **kwargs)
        self._given = given(cls.__init__, self, *args, **kwargs)
        return self

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        **traits: Any,
    ) -> None:
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"{type(self).__name__} knows no argument {unknown[0]!r}")
        self._esm = front_end(traits.get("kind", self.kind))
        first = plain(state or {}, "state")
        traits.setdefault("python", self._template())
        traits.setdefault("reserve", [list(pair) for pair in self.heights])
        super().__init__(
            data=plain(data or {}, "data"),
            state=first,
            initial=copy.deepcopy(first),
            **traits,
        )
        self.on_msg(self._answer)

    @t.validate("state")
    def _check_state(self, proposal: dict[str, Any]) -> dict[str, Any]:
        try:
            state = plain(proposal["value"], "state")
            unknown = sorted(set(state) - set(self.initial)) if self.initial else []
            if unknown:
                known = ", ".join(self.initial)
                raise ValueError(f"expected only the settings {known}, got {unknown}")
            check_kinds(state, self.initial)
            state = {**self.initial, **self.state, **state}
            self.check_state(state)
        except ValueError as error:
            raise StateError(f"state: {error}") from error
        return state

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise `ValueError` where a value does not fit; for subclasses."""

    def _template(self) -> str:
        if "{made}" not in self.template:
            return self.template
        made = call(type(self), self._given, self.spoken)
        return self.template.replace("{made}", made)

    def to_python(self) -> str:
        """The code that makes this widget again in its present state; empty for a class
        without a template."""
        return self.python.replace(STATE, repr(self.state), 1)

    # ---- the static picture ----------------------------------------------------------

    def draw(self) -> Any:
        """The matplotlib figure that stands for the widget in print; override it."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 1.2), layout="constrained")
        figure.text(0.02, 0.5, self.caption or repr(self), va="center", wrap=True)
        return figure

    def picture(self) -> bytes:
        """The first state as a PNG: for print and for pages without scripts."""
        import io

        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure, file = self.draw(), io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(file, format="png", dpi=144, metadata={"Software": None})
        if "matplotlib.pyplot" in sys.modules:  # a figure left open shows a second time
            sys.modules["matplotlib.pyplot"].close(figure)
        return file.getvalue()

    def rpc_picture(self) -> str:
        """The picture as base64 text, for a page where the widget failed."""
        return base64.b64encode(self.picture()).decode("ascii")

    def __repr__(self) -> str:
        text = f"{type(self).__name__}({json.dumps(self.state, ensure_ascii=False)})"
        return text if len(text) <= 80 else f"{text[:76]}...)"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = {**data, "text/plain": repr(self)}
        try:
            data["image/png"] = self.rpc_picture()
        except Exception as error:  # the picture is a stand-in: the widget goes on
            warnings.warn(f"{type(self).__name__}: no picture ({error})", stacklevel=2)
        return data, metadata

    # ---- messages of the page --------------------------------------------------------

    def _answer(self, _: Any, message: Any, buffers: Any) -> None:
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "ping":
            self.send(
                {"kind": "pong", "id": message.get("id"), "versions": _versions()}
            )
        elif kind == "call":
            self.send(
                {"kind": "result", "id": message.get("id"), **self._call(message)}
            )

    def _call(self, message: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self, f"rpc_{message.get('op')}", None)
        if method is None:
            return {
                "error": f"{type(self).__name__} has no operation {message.get('op')!r}"
            }
        try:
            return {"value": plain(method(**(message.get("args") or {})), "result")}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}


def _versions() -> dict[str, str]:
    """What answers: shown by the page beside "linked to Python"."""
    names = ("torch", "ipywidgets", "anywidget")
    found = {name: sys.modules.get(name) for name in names}
    return {name: str(module.__version__) for name, module in found.items() if module}
