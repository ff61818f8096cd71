"""The widgets' Python side: defaults, errors, pictures, captions."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import torch

from attnkit.data import vocabularies
from attnkit.live import AddressingPlane, Alignment, Predict, ScoreLab, TypeToAlign
from attnkit.live.lab import draw_scores

BAD = [
    (AddressingPlane, {"keys": [[1, 2, 3]] * 4}, "keys: expected 2 columns, got 3"),
    (AddressingPlane, {"keys": [[1, 2]] * 9}, "keys: expected 2 to 8 items, got 9"),
    (AddressingPlane, {"values": [[1, 2]] * 3}, "values: expected 4 rows, got 3"),
    (AddressingPlane, {"temperature": 0.0}, "temperature: expected 0.05 to 10"),
    (AddressingPlane, {"names": ["a"]}, "names: expected 4 words, got 1"),
    (AddressingPlane, {"query": [1, float("nan")]}, "query: expected finite numbers"),
    (AddressingPlane, {"query": "here"}, "query: expected rows of numbers"),
    (AddressingPlane, {"key_axes": "abcd"}, "key_axes: expected a list"),
    (AddressingPlane, {"names": 5}, "names: expected a list of non-empty words"),
    (AddressingPlane, {"temperature": "1"}, "temperature: expected 0.05 to 10, got '1"),
    (ScoreLab, {"seeds": 0}, "seeds: expected at least 1, got 0"),
    (ScoreLab, {"seeds": 2.5}, "seeds: expected a whole number, at least 1, got 2.5"),
    (ScoreLab, {"temperature": "1"}, "temperature: expected 0.1 to 100, got '1'"),
    (Predict, {"question": "?", "answer": "abc"}, "answer: expected a finite number"),
    (Predict, {"question": "?", "answer": None}, "answer: expected a finite number"),
    (Predict, {"question": "?", "answer": 1, "digits": -1}, "digits: expected 0 to 20"),
    (Predict, {"question": "?", "answer": 1, "digits": 500}, "digits: expected 0 to"),
    (Predict, {"question": "?", "answer": 1, "tolerance": "x"}, "tolerance: expected"),
    (ScoreLab, {"dimension": 100}, "dimension: expected one of"),
    (ScoreLab, {"temperature": 1000}, "temperature: expected 0.1 to 100"),
    (Predict, {"question": "?", "answer": float("inf")}, "answer: expected a finite"),
    (Predict, {"question": "?", "answer": 1, "tolerance": 0}, "tolerance: expected"),
]


@pytest.mark.parametrize(("kind", "options", "words"), BAD)
def test_bad_input_names_the_argument(kind: Any, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**options)


@pytest.mark.parametrize(
    ("weights", "truth", "step", "words"),
    [
        ([[0.5, 0.5]], None, 0, "weights: expected 3 columns, got 2"),
        ([[0.5, 0.5, 0]] * 2, None, 0, "target: expected 2 words, got 1"),
        ([[1.5, -0.5, 0]], None, 0, "weights: expected numbers from 0 to 1"),
        ([[0.5, 0.5, 0]], [[3]], 0, "truth: expected positions 0 to 2"),
        ([[0.5, 0.5, 0]], [[0], [1]], 0, "truth: expected 1 rows, got 2"),
        ([[0.5, 0.5, 0]], None, 1, "step: expected 0 to 0, got 1"),
        ([[0.5, 0.5, 0]], None, 0.5, "step: expected a whole number"),
        ([[0.5, 0.5, 0]], [[0.7]], 0, "truth: expected a list of positions per row"),
        ([[0.5, 0.5, 0]], [0], 0, "truth: expected a list of positions per row"),
    ],
)
def test_alignment_checks_its_arrays(weights, truth, step, words) -> None:
    with pytest.raises(ValueError, match=words):
        Alignment(["a", "b", "c"], ["x"], weights, truth, step=step)


def test_an_alignment_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="source: expected at least one word, got 0"):
        Alignment([], ["x"], [[]])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (" ", {}, "text: expected at least one symbol"),
        ("7", {"search": "wide"}, "search: expected greedy or beam, got 'wide'"),
        ("7", {"split": "lines"}, "split: expected characters or words"),
        ("7", {"max_source": 0}, "max_source: expected at least 1, got 0"),
        ("7", {"beam_size": 2.5}, "beam_size: expected a whole number"),
        ("7", {"length_penalty": None}, "length_penalty: expected a finite number"),
        ("7", {"precision": "int8"}, "precision: expected float32 or float16, got 'in"),
        ("7", {"entries": {"format": "x"}}, "entries: expected encode and step"),
        ("7", {"entries": {"encode": ()}}, "entries: expected encode and step"),
    ],
)
def test_type_to_align_checks_its_settings(text, options, words) -> None:
    with pytest.raises(ValueError, match=words):
        TypeToAlign(torch.nn.Identity(), vocabularies(), text, **options)


@pytest.mark.parametrize(
    "make",
    [
        AddressingPlane,
        ScoreLab,
        lambda: Predict("How large?", 2.0),
        lambda: Alignment(["三", "月"], ["march"], [[0.9, 0.1]], [[0]]),
    ],
)
def test_every_widget_has_a_picture_and_words_for_it(make) -> None:
    widget = make()
    png = widget.picture()
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG") and width >= 300 and height >= 100
    assert len(widget.alt) > 20
    compile(widget.to_python(), widget.kind, "exec")
    assert widget.reserve, "room is kept while it loads"


def test_signs_of_mathematics_are_words_like_any_other() -> None:
    """Two dollars in a word once made matplotlib read a formula, and fail."""
    widget = Alignment(["$y_$", "a$"], ["$x^$"], [[1.0, 0.0]])
    data, _ = widget._repr_mimebundle_()
    assert data["image/png"]
    films = AddressingPlane(names=["$_$", "$^$", "c", "d"], query_name="$_$")
    assert films.picture() and Predict("From $_ to $^?", 1).picture()


def test_a_widget_without_a_picture_is_still_a_widget() -> None:
    class Broken(Predict):
        def draw(self) -> Any:
            raise RuntimeError("no ink")

    with pytest.warns(UserWarning, match=r"Broken: no picture \(no ink\)"):
        data, _ = Broken("How large?", 1)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "image/png" not in data


def test_state_of_the_plane_is_what_python_computes_with() -> None:
    plane = AddressingPlane()
    sharp = plane.forward()["weights"].max()
    plane.state = {**plane.state, "temperature": 0.1}
    assert plane.forward()["weights"].max() > sharp
    plane.state = {**plane.state, "hard": True}
    assert plane.forward()["weights"].tolist() == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="state"):
        plane.state = {"colour": 1}


def test_scores_of_the_lab_have_the_spread_that_the_text_states() -> None:
    drawn = draw_scores(seeds=20)
    spread = drawn.flatten(2).std(dim=-1)  # (5, 10)
    dimensions = torch.tensor([2.0**i for i in range(10)])
    wide = slice(4, None)
    for score, wanted in ((0, dimensions.sqrt()), (1, torch.ones(10))):
        ratio = spread[score, wide] / wanted[wide]
        assert ((ratio > 0.75) & (ratio < 1.25)).all()
    assert (spread[2, wide] < 0.4).all(), "cosines shrink"
    assert torch.equal(drawn, draw_scores(seeds=20)), "one seed, one draw"
