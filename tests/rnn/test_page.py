"""What the page runs equals what PyTorch runs, at every length that fits."""

import pytest
import torch

from attnkit.data import BOS, PAD
from attnkit.rnn import Seq2Seq
from attnkit.rnn.page import page_entries

PLACES = 9
KINDS = ["additive", "bahdanau", "dot", "local-m", "local-p", None]


def translator(**settings) -> Seq2Seq:
    torch.manual_seed(1)
    model = Seq2Seq(12, 15, embed_dim=6, hidden_dim=8, **settings)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5)
    return model.eval()


def padded(length: int) -> torch.Tensor:
    source = torch.full((1, PLACES), PAD)
    draw = torch.Generator().manual_seed(length)
    source[0, :length] = torch.randint(4, 12, (length,), generator=draw)
    return source


@torch.no_grad()
def page_steps(model, length: int, forced=None, steps: int = 4):
    """Run the page's modules as the page does: outputs go back in under their names."""
    (encode, _), (step, known) = page_entries(model, PLACES).values()
    source = padded(length)
    inputs = {"source": source, "source_mask": source != PAD}
    known = (
        known | inputs | dict(zip(encode.output_names, encode(**inputs), strict=True))
    )
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


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention", KINDS)
@torch.no_grad()
def test_page_equals_packed_path(attention, cell):
    model = translator(attention=attention, cell=cell)
    for length in (1, 5, PLACES):
        state, memory = model.encode(padded(length)[:, :length])
        token = torch.tensor([BOS])
        for logits, weights in page_steps(model, length):
            expected, state, own = model.step(token, state, memory)
            torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(weights[:, :length], own, atol=1e-6, rtol=0)
            assert not weights[:, length:].any()
            token = expected.argmax(-1)


def test_input_feeding_goes_through_the_page_too():
    model = translator(attention="general", input_feeding=True)
    state, memory = model.encode(padded(5)[:, :5])
    token = torch.tensor([BOS])
    for logits, _ in page_steps(model, 5):
        expected, state, _ = model.step(token, state, memory)
        torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)
        token = expected.argmax(-1)


def test_a_forced_row_is_used():
    model = translator()
    forced = torch.nn.functional.one_hot(torch.tensor([2]), PLACES).float()
    state, memory = model.encode(padded(5)[:, :5])
    expected, _, _ = model.step(torch.tensor([BOS]), state, memory, forced[:, :5])
    logits, weights = page_steps(model, 5, forced, steps=1)[0]
    torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights, forced)


@pytest.mark.parametrize("attention", ["additive", None])
def test_exported_graph_holds_at_other_lengths(attention):
    model = translator(attention=attention)
    encode, example = page_entries(model, PLACES)["encode"]
    program = torch.export.export(encode, (), example).run_decompositions()
    for length in (2, PLACES):
        source = padded(length)
        inputs = {"source": source, "source_mask": source != PAD}
        for one, two in zip(program.module()(**inputs), encode(**inputs), strict=True):
            torch.testing.assert_close(one, two)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="max_source: expected at least 1, got 0"):
        page_entries(translator(), 0)
    with pytest.raises(ValueError, match="model: expected evaluation mode"):
        page_entries(translator().train(), 5)


def test_packing_leaves_the_model_in_evaluation_mode():
    model = translator(dropout=0.5)
    for module, _ in page_entries(model, PLACES).values():
        module.train(module.training)  # what a packer puts back
    assert not any(part.training for part in model.modules())
