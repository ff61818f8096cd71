"""The Python side of every widget; runs under ipywidgets 7.7.1 and 8 alike."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from attnkit.live.widget import LiveWidget, front_end, plain


class Pair(LiveWidget):
    """A widget to test with."""

    template = "Pair(state={state})"

    def rpc_total(self, scale: float = 1.0) -> Any:
        return np.float32(scale * sum(self.state["values"]))

    def rpc_broken(self) -> None:
        raise ValueError("no such thing")


@pytest.fixture
def pair() -> Pair:
    return Pair(data={"names": ["a", "b"]}, state={"values": [1, 2], "hard": False})


def ask(widget: LiveWidget, message: Any) -> list[Any]:
    """What the widget sends back for a message of the page."""
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)  # type: ignore
    widget._answer(widget, message, [])
    return sent


def test_arrays_and_tensors_become_json() -> None:
    torch = pytest.importorskip("torch")
    value = {
        "a": np.eye(2),
        "b": (1, np.int64(2)),
        3: torch.ones(2, requires_grad=True),
    }
    assert plain(value) == {"a": [[1, 0], [0, 1]], "b": [1, 2], "3": [1, 1]}


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (
            {"a": [1.0, float("nan")]},
            ValueError,
            r"\[1\]: expected a finite",
        ),
        ({"a": np.array([np.inf])}, ValueError, "finite"),
        ({"a": object()}, TypeError, r"data\['a'\]: .* JSON .*object"),
    ],
)
def test_what_json_cannot_hold_is_named(value: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        plain(value, "data")


def test_the_front_end_is_that_of_its_kind_as_text(pair: Pair) -> None:
    assert pair.get_state()["_esm"] == front_end(pair.kind)


def test_all_traits_are_json(pair: Pair) -> None:
    state = pair.get_state()
    names = ["kind", "data", "state", "initial", "readout", "caption", "alt", "slug"]
    json.dumps({n: state[n] for n in [*names, "python", "reserve"]}, allow_nan=False)


def test_a_partial_state_keeps_the_other_settings(pair: Pair) -> None:
    pair.state = {"hard": True}
    assert pair.state == {"values": [1, 2], "hard": True}
    assert pair.initial == {"values": [1, 2], "hard": False}


def test_a_state_may_hold_arrays(pair: Pair) -> None:
    pair.state = {"values": np.array([3.0, 4.0])}
    assert pair.state["values"] == [3.0, 4.0]


def test_an_unknown_setting_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"settings values, hard, got \['soft'\]"):
        pair.state = {"soft": 1}
    assert pair.state["values"] == [1, 2]


def test_what_the_page_sends_can_be_observed(pair: Pair) -> None:
    heard: list[Any] = []
    pair.observe(lambda change: heard.append(change["new"]), "readout")
    pair.set_state({"readout": {"weights": [0.25, 0.75]}})
    assert heard == [{"weights": [0.25, 0.75]}]


def test_copied_python_makes_the_same_widget(pair: Pair) -> None:
    pair.state = {"values": [0.1, -3], "hard": True}
    again = eval(pair.to_python(), {"Pair": Pair})
    assert again.state == pair.state


def test_bundle_holds_view_picture_and_text(pair: Pair) -> None:
    data, _ = pair._repr_mimebundle_()
    assert base64.b64decode(data["image/png"])[:8] == b"\x89PNG\r\n\x1a\n"
    assert data["text/plain"] == 'Pair({"values": [1, 2], "hard": false})'
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == pair.model_id


def test_text_is_short_and_without_addresses() -> None:
    widget = Pair(state={"values": list(range(100))})
    assert len(repr(widget)) <= 80
    assert "0x" not in repr(widget)


def test_picture_is_the_same_every_time(pair: Pair) -> None:
    assert pair.picture() == pair.picture()


def test_ping_is_answered(pair: Pair) -> None:
    (pong,) = ask(pair, {"kind": "ping", "id": "7"})
    assert pong["kind"] == "pong"
    assert pong["id"] == "7"
    assert pong["versions"]["anywidget"]


def test_calls_are_answered_in_json(pair: Pair) -> None:
    (result,) = ask(
        pair, {"kind": "call", "id": "8", "op": "total", "args": {"scale": 2}}
    )
    assert result == {"kind": "result", "id": "8", "value": 6.0}


@pytest.mark.parametrize(
    ("op", "words"),
    [("broken", "ValueError: no such thing"), ("close", "has no operation 'close'")],
)
def test_calls_that_fail_are_answered_too(pair: Pair, op: str, words: str) -> None:
    (result,) = ask(pair, {"kind": "call", "id": "9", "op": op})
    assert words in result["error"]


@pytest.mark.parametrize("message", [None, "ping", {}, {"kind": "other"}])
def test_foreign_messages_are_let_go(pair: Pair, message: Any) -> None:
    assert ask(pair, message) == []


def test_every_widget_has_its_own_state() -> None:
    one, two = Pair(state={"values": [1]}), Pair(state={"values": [1]})
    one.state = {"values": [2]}
    assert two.state == {"values": [1]}
