"""What cannot be packed is told as such; what the caller got wrong is raised."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attnkit.data import vocabularies
from attnkit.live import TypeToAlign, pack, rounded
from attnkit.live.pack import Unpackable
from attnkit.rnn import Seq2Seq
from tests.live.test_widgets_align import model


class Says(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def branching(x: Tensor) -> Tensor:
    return x + 1 if x.sum() > 0 else x - 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.to(torch.int16), "no numbers of torch.int16"),
        (lambda x: torch.fft.fft(x).real, "the page cannot compute"),
        (branching, r"entries\['a'\]: torch.export cannot write it down"),
    ],
)
def test_what_the_page_cannot_run_is_told(function: Any, words: str) -> None:
    with pytest.raises(Unpackable, match=words):
        pack({"a": (Says(function), (torch.ones(3),))})


@pytest.mark.parametrize("dtype", [torch.int16, torch.complex64])
def test_numbers_that_the_page_does_not_have(dtype: torch.dtype) -> None:
    held = torch.ones(2).to(dtype)
    with pytest.raises(Unpackable, match=f"no numbers of {dtype}"):
        pack({"a": (Says(lambda x: x + x), (held,))})


def test_weights_too_large_for_half_the_size() -> None:
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, -1e6)
    with pytest.raises(Unpackable, match=r"a weight of 1e\+06 is too large"):
        pack({"a": (layer, (torch.ones(2),))}, "float16")
    layer.bias.data[0] = torch.inf  # not made infinite by packing
    layer.weight.data /= 1e3
    assert pack({"a": (layer, (torch.ones(2),))}, "float16")["tensors"]


def test_float64_weights_are_rounded_neither_here_nor_there() -> None:
    layer = nn.Linear(2, 2).double()
    assert torch.equal(rounded(layer).weight, layer.weight)
    packed = pack({"a": (layer, (torch.ones(2).double(),))}, "float16")
    assert {kind for kind, *_ in packed["tensors"]} == {"f64"}
    assert not torch.equal(rounded(layer.float()).weight, layer.weight)


def test_a_model_without_graphs_computes_in_python() -> None:
    class Own(Seq2Seq):
        __module__ = "__main__"

    made = model()
    made.__class__ = Own
    widget = TypeToAlign(made, vocabularies(), "7", max_steps=2)
    assert widget.data["model"] is None
    assert widget.data["reason"] == (
        "The page cannot run this model by itself (there are no graphs for a Own)."
    )
    assert len(widget.forward()["tokens"]) == 2


def test_an_error_of_the_callers_is_not_taken_for_a_limit() -> None:
    with pytest.raises(TypeError):
        TypeToAlign(
            nn.Identity(), vocabularies(), "7", entries={"encode": 0, "step": 0}
        )
