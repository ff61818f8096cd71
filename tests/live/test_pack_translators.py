"""Translators of every kind: the page's graphs against the packed PyTorch path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from attnkit.live.pack import pack
from attnkit.rnn import Seq2Seq
from attnkit.rnn.page import page_entries
from tests.live.live_graphs import in_node, numbers, to_json

PLACES = 9
KINDS = ["additive", "dot", "general", "concat", "local-m", "local-p", None]


def translator(**settings: Any) -> Seq2Seq:
    model = Seq2Seq(12, 15, embed_dim=6, hidden_dim=8, **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.4)
    return model


def outputs(module: Any, inputs: dict[str, Any]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return dict(zip(module.output_names, module(**inputs), strict=True))


def cases(entries: dict[str, Any]) -> Iterator[tuple[str, dict, dict]]:
    """(entry, inputs, expected outputs): sources of three lengths, own and forced."""
    (encode, _), (step, example) = entries["encode"], entries["step"]
    for length in (1, 5, PLACES):
        mask = torch.arange(PLACES)[None] < length
        source = torch.randint(3, 12, (1, PLACES)) * mask
        inputs = {"source": source, "source_mask": mask}
        memory = outputs(encode, inputs)
        yield "encode", inputs, memory
        forced = torch.zeros(1, PLACES)
        forced[0, length - 1] = 1
        given = {**example, **memory, "source_mask": mask, "forced": forced}
        for token, use in ((4, 0.0), (5, 1.0)):
            given = {**given, "token": torch.tensor([token])}
            given["use_forced"] = torch.tensor([use])
            state = outputs(step, given)
            yield "step", given, state
            given = {**given, **{k: v for k, v in state.items() if k in given}}


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention", KINDS)
def test_the_page_translates_as_pytorch_does(cell: str, attention: str | None) -> None:
    torch.manual_seed(7)
    feeding = attention == "general"
    model = translator(cell=cell, attention=attention, input_feeding=feeding)
    entries = page_entries(model, PLACES)
    steps = list(cases(entries))
    calls = [
        [name, {k: to_json(v) for k, v in given.items()}] for name, given, _ in steps
    ]
    results = in_node(pack(entries), calls)["results"]
    for (_, _, expected), result in zip(steps, results, strict=True):
        assert "error" not in result, result
        assert [output["name"] for output in result["outputs"]] == list(expected)
        for output in result["outputs"]:
            want = expected[output["name"]].double()
            torch.testing.assert_close(numbers(output), want, atol=1e-5, rtol=1e-5)
