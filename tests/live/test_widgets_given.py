"""Widgets that are given None, or another kind of thing, name the argument."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from attnkit import live

WORDS = SimpleNamespace(symbols=["a", "b"])
CLIPS = SimpleNamespace(frames=torch.zeros(1, 4, 3, 16, 16), words=None, truth=None)
PAIR = (WORDS, WORDS)
TWO = {"one": nn.Linear(1, 1), "two": nn.Linear(1, 1)}
RACED = (TWO, PAIR, [2, 4], {"one": [[1, 1]], "two": [[1, 1]]}, None)
MANY = {"length": 2, "trained": (1, 2)}


@pytest.mark.parametrize(
    ("kind", "given", "options", "words"),
    [
        ("BottleneckRace", (None, *RACED[1:]), MANY, "models: expected two, .* None"),
        ("BottleneckRace", RACED, MANY, "examples: expected"),
        ("OrderMask", (None,), {}, "tokens: expected a list of .* words, got None"),
        ("PositionLab", (), {"seed": None}, "seed: expected a whole number"),
        ("PoolingOverTime", (TWO, None, "a"), {}, "vocabulary: .* symbols, got None"),
        ("TypeToAlign", (None, PAIR, "a"), {}, "model: .* forward .* got None"),
        ("TypeToAlign", (TWO["one"], None, "a"), {}, "vocabularies: .* pair, got None"),
        (
            "TypeToAlign",
            (TWO["one"], (None, WORDS), "a"),
            {},
            "vocabularies: expected something with symbols, got None",
        ),
        ("WordToFrame", (TWO["one"], None), {}, "clips: .* frames and .* got None"),
        ("WordToFrame", (None, CLIPS), {}, "model: .* got None"),
        ("WordToRegion", (None, [[]]), {}, "models: .* encoder and .* got None"),
        ("WordToRegion", ({"soft": 3}, [[]]), {}, "models: .* got a int"),
        ("Alignment", (["a"], ["b"], None), {}, "weights: .*got None"),
        ("Predict", ("How many?", None), {}, "answer: .*got None"),
        ("AddressingPlane", (None,), {}, "query: .*None"),
        ("AttentionCost", (None,), {}, "length: .*got None"),
    ],
)
def test_what_is_missing_is_named(
    kind: str, given: tuple, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(live, kind)(*given, **options)
