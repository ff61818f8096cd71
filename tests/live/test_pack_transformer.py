"""A Transformer's graphs in the page against PyTorch, for every position."""

from __future__ import annotations

import pytest
import torch

from attnkit.data import BOS
from attnkit.live.pack import pack
from attnkit.transformer import POSITIONS, Transformer
from attnkit.transformer.page import page_entries
from tests.live.live_graphs import in_node, numbers, to_json

PLACES, STEPS = 7, 6


def translator(position: str) -> Transformer:
    torch.manual_seed(2)
    model = Transformer(12, 15, embed_dim=8, num_heads=2, position=position).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("position", POSITIONS)
@torch.no_grad()
def test_the_page_translates_as_pytorch_does(position: str) -> None:
    entries = page_entries(translator(position), PLACES, STEPS)
    (encode, _), (step, example) = entries["encode"], entries["step"]
    calls, wanted = [], []
    for length in (1, 4, PLACES):
        mask = torch.arange(PLACES)[None] < length
        inputs = {"source": torch.randint(3, 12, (1, PLACES)) * mask}
        inputs["source_mask"] = mask
        memory = dict(zip(encode.output_names, encode(**inputs), strict=True))
        calls.append(["encode", inputs])
        wanted.append(memory)
        given = {**example, **memory, "source_mask": mask}
        given["forced"] = torch.eye(PLACES)[length - 1 : length]
        for token, use in ((BOS, 0.0), (5, 0.5), (6, 0.0)):
            given |= {"token": torch.tensor([token]), "use_forced": torch.tensor([use])}
            calls.append(["step", dict(given)])
            wanted.append(dict(zip(step.output_names, step(**given), strict=True)))
            given |= {k: v for k, v in wanted[-1].items() if k in given}
    json = [[name, {k: to_json(v) for k, v in args.items()}] for name, args in calls]
    results = in_node(pack(entries), json)["results"]
    for expected, result in zip(wanted, results, strict=True):
        assert "error" not in result, result
        for output in result["outputs"]:
            want = expected[output["name"]].double()
            torch.testing.assert_close(numbers(output), want, atol=1e-4, rtol=1e-4)
