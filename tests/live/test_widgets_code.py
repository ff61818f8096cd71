"""Copied code makes the same widget again, whatever it was made with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from attnkit.data import vocabularies
from attnkit.data.pairs import PairSet
from attnkit.live import AddressingPlane, LiveWidget, Predict, ScoreLab, TypeToAlign
from tests.live.test_widgets_align import TEXT, TRUTH, WORDS, model
from tests.live.widget_bench import Bench

THREE = [[1.0, 0.5], [-1, 2], [0.25, -3.5]]
PLANE = {
    "keys": THREE,
    "values": torch.tensor(THREE).flip(0),
    "key_axes": ("west", "east", "south", "north"),
    "value_axes": ["a", "b", 'c"', "d'"],
    "query_name": "you",
    "output_name": "it",
    "goals": False,
}
MADE = [
    (AddressingPlane, {}),
    (AddressingPlane, PLANE),
    (AddressingPlane, {"names": ["{state}", "{made}", "\\{state}", "$&"]}),
    (AddressingPlane, {"query": np.float32([0.1, 7]), "temperature": 2, "hard": True}),
    (ScoreLab, {"dimension": 16, "seeds": 5, "seed": 3, "temperature": 0.5}),
    (ScoreLab, {"seeds": np.int64(50), "caption": "Many", "alt": "A", "slug": "lab"}),
]


def again(widget: LiveWidget, **names: Any) -> LiveWidget:
    """What the copied code makes: its last line, like the value of a cell."""
    *lines, last = widget.to_python().splitlines()
    exec("\n".join(lines), names)
    return names[last]


def assert_same(one: LiveWidget, other: LiveWidget) -> None:
    for trait in ("kind", "data", "state", "initial", "caption", "alt", "slug"):
        assert getattr(other, trait) == getattr(one, trait), trait
    for name, value in one.forward().items():
        found = other.forward()[name]
        same = torch.equal(found, value) if torch.is_tensor(value) else found == value
        assert same, name


@pytest.mark.parametrize(("kind", "options"), MADE)
def test_copied_code_makes_the_same_widget(kind: Any, options: dict) -> None:
    widget = kind(**options)
    assert_same(widget, again(widget))


def test_copied_code_brings_the_state_along() -> None:
    lab = ScoreLab(seeds=50)
    lab.state = {"seed": 45, "dimension": 4}
    assert_same(lab, again(lab))
    plane = AddressingPlane(**PLANE)
    plane.state = {"temperature": 0.3, "values": THREE}
    assert_same(plane, again(plane))


def test_copied_code_of_a_trained_model_names_what_it_needs() -> None:
    both = vocabularies()
    known = PairSet([TEXT], [WORDS], TRUTH, both)
    widget = TypeToAlign(
        model(), both, "三 月", examples=known, max_source=10, max_steps=5,
        split="words", search="beam", beam_size=3, length_penalty=0.5, lang="en",
        prompt="Write", precision="float16",
    )  # fmt: skip
    widget.state = {"step": 1, "forced": {"0": [1.0, 0.0]}}
    pairs = SimpleNamespace(vocabularies=both)
    other = again(widget, model=model(), pairs=pairs, known=known)
    assert_same(widget, other)


def test_short_code_stays_short() -> None:
    assert "\nplane = AddressingPlane()\n" in AddressingPlane().to_python()
    lines = AddressingPlane(**PLANE).to_python().splitlines()
    assert "    goals=False," in lines


def test_the_page_copies_the_same_code(bench: Bench) -> None:
    """A `$` in a state is no pattern, a "{state}" in a name is no place."""
    plane = AddressingPlane(names=["{state}", "$&", "c", "d"], goals=False)
    dollars = TypeToAlign(model(), vocabularies(), "三$&$`月")
    page = bench.show(plane, dollars)
    bench.page.evaluate(
        "() => Object.defineProperty(navigator, 'clipboard', {value: {writeText:"
        " (text) => { (window.copied ??= []).push(text); }}})"
    )
    for i in range(2):
        page.get_by_role("button", name="Copy as Python").nth(i).click()
    first, second = page.evaluate("() => window.copied")
    names: dict[str, Any] = {}
    exec(first.rpartition("\n")[0], names)
    assert_same(plane, names["plane"])
    assert '"text": "三$&$`月"' in second


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ScoreLab, {"temprature": 3}),
        (AddressingPlane, {"score": "dot"}),
        (Predict, {"question": "?", "answer": 1, "digit": 3}),
    ],
)
def test_a_misspelt_argument_is_refused(kind: Any, options: dict) -> None:
    with pytest.raises(TypeError, match=f"no argument '{list(options)[-1]}'"):
        kind(**options)


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (ScoreLab, {"dimension": 3}, "state: dimension: expected one of"),
        (ScoreLab, {"seed": 40}, "state: seed: expected 0 to 39, got 40"),
        (ScoreLab, {"score": 5}, "state: score: expected 0 to 4"),
        (ScoreLab, {"temperature": "1"}, "state: temperature: expected a number"),
        (ScoreLab, {"temperature": 0}, "state: temperature: expected 0.1 to 100"),
        (AddressingPlane, {"query": [1]}, "state: query: expected 2 columns"),
        (AddressingPlane, {"keys": THREE, "values": THREE}, "expected 4 rows, got 3"),
        (AddressingPlane, {"values": THREE}, "values: expected 4 rows, got 3"),
        (AddressingPlane, {"temperature": 11}, "expected 0.05 to 10, got 11"),
        (AddressingPlane, {"hard": 1}, "hard: expected True or False, got 1"),
    ],
)
def test_a_state_is_checked(kind: Any, state: dict, words: str) -> None:
    widget = kind()
    before = widget.state
    with pytest.raises(ValueError, match=words):
        widget.state = state
    with pytest.raises(ValueError, match=words):  # as from the page
        widget.set_state({"state": before | state})
    assert widget.state == before


def test_a_partial_state_leaves_the_rest_as_it_is_now() -> None:
    plane = AddressingPlane()
    plane.state = {"query": [2.0, 2.0]}
    plane.state = {"hard": True}
    assert plane.state["query"] == [2.0, 2.0]
    plane.state = plane.initial
    assert plane.state["query"] == [1.15, 0.9] and not plane.state["hard"]


def test_a_lab_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    ScoreLab(seeds=2)
    assert torch.equal(before, torch.get_rng_state())
