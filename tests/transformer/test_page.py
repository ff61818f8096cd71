"""What the page runs equals what PyTorch runs, for every position, at every length."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from attnkit.data import BOS, PAD
from attnkit.transformer import POSITIONS, Transformer
from attnkit.transformer.page import page_entries

PLACES, STEPS = 7, 6
every_position = pytest.mark.parametrize("position", POSITIONS)


def translator(**settings) -> Transformer:
    torch.manual_seed(1)
    model = Transformer(12, 15, embed_dim=8, num_heads=2, max_len=9, **settings)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5)
    return model.eval()


def padded(length: int) -> Tensor:
    source = torch.full((1, PLACES), PAD)
    draw = torch.Generator().manual_seed(length)
    source[0, :length] = torch.randint(4, 12, (length,), generator=draw)
    return source


@torch.no_grad()
def page_steps(
    model: Transformer, length: int, forced: Tensor | None = None, steps: int = STEPS
) -> list[tuple[Tensor, Tensor]]:
    """Run the page's modules as the page does: outputs go back in under their names."""
    (encode, _), (step, known) = page_entries(model, PLACES, STEPS).values()
    source = padded(length)
    inputs = {"source": source, "source_mask": source != PAD}
    known |= inputs | dict(zip(encode.output_names, encode(**inputs), strict=True))
    known.pop("source")
    if forced is not None:
        known |= {"forced": forced, "use_forced": torch.ones(1)}
    rows = []
    for _ in range(steps):
        out = dict(zip(step.output_names, step(**known), strict=True))
        rows.append((out["logits"], out["weights"]))
        known |= {name: out[name] for name in known.keys() & out.keys()}
        known["token"] = out["logits"].argmax(-1)
    return rows


@pytest.mark.parametrize("norm_first", [True, False])
@every_position
@torch.no_grad()
def test_a_cache_of_fixed_length_equals_one_that_grows(position, norm_first):
    model = translator(position=position, norm_first=norm_first)
    for length in (1, 4, PLACES):
        state, memory = model.encode(padded(length)[:, :length])
        token = torch.tensor([BOS])
        for logits, weights in page_steps(model, length):
            expected, state, own = model.step(token, state, memory)
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(weights[:, :length], own, atol=1e-5, rtol=0)
            assert not weights[:, length:].any()
            token = expected.argmax(-1)


@torch.no_grad()
def test_a_forced_row_is_used_in_every_layer_and_head():
    model = translator(position="shaw")
    forced = torch.nn.functional.one_hot(torch.tensor([2]), PLACES).float()
    state, memory = model.encode(padded(5)[:, :5])
    token = torch.tensor([BOS])
    expected, _, used = model.step(token, state, memory, forced[:, :5])
    logits, weights = page_steps(model, 5, forced, steps=1)[0]
    torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights, forced)
    torch.testing.assert_close(used, forced[:, :5])
    one = memory.select(torch.tensor([0]))
    alone = [layer._replace(key=layer.key[:, :, 2:3], value=layer.value[:, :, 2:3])
             for layer in one.layers]  # fmt: skip
    only = one._replace(layers=tuple(alone), mask=one.mask[..., 2:3])
    torch.testing.assert_close(model.step(token, state, only)[0], expected)


@torch.no_grad()
def test_own_weights_given_back_change_nothing():
    model = translator(num_layers=1)
    state, memory = model.encode(padded(5))
    token = torch.tensor([BOS])
    logits, _, own = model.step(token, state, memory)
    assert not torch.allclose(model.step(token, state, memory, own.flip(-1))[0], logits)
    with pytest.raises(ValueError, match="weights: expected"):
        model.step(token, state, memory, own[:, :3])


@pytest.mark.parametrize("position", ["sinusoidal", "shaw"])
@torch.no_grad()
def test_exported_graphs_hold_at_other_inputs(position):
    entries = page_entries(translator(position=position), PLACES, STEPS)
    for module, example in entries.values():
        program = torch.export.export(module, (), example).run_decompositions()
        for turn in range(2):
            inputs = {
                name: torch.randn_like(value) if value.is_floating_point() else value
                for name, value in example.items()
            }
            if "step" in inputs:
                inputs["step"] = torch.tensor([turn])
            wanted = module(**inputs)
            for one, two in zip(program.module()(**inputs), wanted, strict=True):
                torch.testing.assert_close(one, two)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="max_source"):
        page_entries(translator(), 0)
    with pytest.raises(ValueError, match="max_steps"):
        page_entries(translator(), 5, 0)
    with pytest.raises(ValueError, match="model: expected evaluation mode"):
        page_entries(translator().train(), 5)
