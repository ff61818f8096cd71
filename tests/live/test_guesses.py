"""Order → mask with a trained model, without the page: picture, code, bad settings."""

from __future__ import annotations

from typing import Any

import pytest

from attnkit.live.orders import OrderMask
from attnkit.transformer import PermutationLanguageModel
from tests.live.live_orders import guess, untrained


def test_the_picture_and_its_words() -> None:
    made = guess(token=9)
    assert made.picture()[:4] == b"\x89PNG"
    assert "Place 10, A, sees 7 letters; a copy stands at 6" in made.alt
    order, line = (
        f"{total:.1f}".replace("-", "−") for total in made.forward()["total"]
    )
    assert made.alt.endswith(f"The logarithms sum to {order}, left to right {line}.")


def test_copied_code_makes_the_widget_again() -> None:
    made = guess(token=3)
    made.state = {"text": "CAFE", "stream": "content"}
    code = made.to_python()
    names: dict[str, Any] = {"every": untrained()}
    exec(code.rsplit("\n", 1)[0], names)
    assert names["widget"].state == made.state
    assert names["widget"].kind == "order_guess"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tokens": "AB"}, "tokens: expected 3 to 16, got 2"),
        ({"tokens": "1234"}, "text: expected a symbol as ABC…"),
        ({"symbols": "abc"}, "symbols: expected 12 words, got 3"),
        ({"symbols": "abcdefghijkl"}, "symbols: expected different capital letters"),
        ({"examples": ["?"]}, "text: expected a symbol"),
        ({"period": 0}, "period: expected 1 to 12, got 0"),
        ({"order": [0, 1]}, "order: expected each of 0 to 11 once"),
        ({"token": 12}, "token: expected 0 to 11, got 12"),
        ({"precision": "int8"}, "precision"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        guess(**options)


@pytest.mark.parametrize(
    "state", [{"text": "1"}, {"stream": "both"}, {"order": [0]}, {"token": -1}]
)
def test_a_state_that_cannot_be_leaves_the_old_one(state: dict[str, Any]) -> None:
    made = guess()
    before = dict(made.state)
    with pytest.raises(ValueError, match=f"state: {next(iter(state))}"):
        made.state = state
    assert made.state == before


def test_other_lengths_and_letters_are_taken() -> None:
    model = PermutationLanguageModel(3, embed_dim=8, num_heads=2).eval()
    made = OrderMask("XYXY", model=model, symbols="XYZ", period=2, examples=())
    assert made.forward()["odds"].shape == (4, 3)
    assert made.state["order"] == [0, 1, 2, 3]
