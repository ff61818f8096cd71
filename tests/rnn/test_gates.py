"""Gates written down step by step, and the weights that they amount to."""

import pytest
import torch
from torch import Tensor, nn

from attnkit.rnn import gated_sum, gates

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}


def layer(kind: str, **options: bool) -> nn.RNNBase:
    torch.manual_seed(3)
    return LAYERS[kind](4, 6, batch_first=True, **options).double()


def drawn(*shape: int) -> Tensor:
    draw = torch.Generator().manual_seed(5)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bias", [True, False])
def test_the_states_are_those_of_torch(kind: str, bias: bool) -> None:
    rnn, inputs = layer(kind, bidirectional=True, bias=bias), drawn(3, 7, 4)
    outputs, last = rnn(inputs)
    for backward in (False, True):
        seen = gates(rnn, inputs, backward=backward)
        part = outputs[..., 6:] if backward else outputs[..., :6]
        assert torch.allclose(seen.hidden, part, atol=1e-12)
        end = 0 if backward else -1
        carried = last[1] if kind == "lstm" else last
        assert torch.allclose(seen.carried[:, end], carried[int(backward)], atol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_weighted_sum_is_the_carried_state(kind: str) -> None:
    rnn, inputs = layer(kind), drawn(2, 9, 4)
    seen = gates(rnn, inputs)
    for end in range(1, 10):
        state, weights = gated_sum(*(x[:, :end] for x in seen[:3]), need_weights=True)
        assert torch.allclose(state, seen.carried[:, end - 1], atol=1e-12)
        assert (weights >= 0).all()


def test_weights_of_a_gru_sum_to_what_was_not_kept_from_the_start() -> None:
    seen = gates(layer("gru"), drawn(2, 9, 4))
    _, weights = gated_sum(*seen[:3], need_weights=True)
    assert torch.allclose(weights.sum(1), 1 - seen.keep.prod(1), atol=1e-12)
    assert torch.allclose(seen.keep + seen.write, torch.ones_like(seen.keep))


def test_a_closed_gate_erases_everything_before_it() -> None:
    seen = gates(layer("lstm"), drawn(1, 6, 4))
    keep = seen.keep.clone()
    keep[:, 3] = 0
    _, weights = gated_sum(keep, seen.write, seen.new, need_weights=True)
    assert (weights[:, :3] == 0).all() and (weights[:, 3:] > 0).all()


def test_no_step_leaves_a_state_of_zero() -> None:
    nothing = torch.zeros(2, 0, 5)
    assert torch.equal(gated_sum(nothing, nothing, nothing), torch.zeros(2, 5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keep": torch.zeros(2, 5)}, "keep"),
        ({"write": torch.zeros(2, 3, 4)}, "write"),
        ({"new": torch.zeros(2, 3, 5, dtype=torch.float64)}, "new"),
        ({"new": torch.zeros(2, 3, 5, dtype=torch.int64)}, "new"),
    ],
)
def test_bad_parts_are_named(change: dict[str, Tensor], words: str) -> None:
    parts = dict.fromkeys(("keep", "write", "new"), torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match=f"^{words}: expected"):
        gated_sum(**(parts | change))


@pytest.mark.parametrize(
    ("rnn", "inputs", "backward", "error", "words"),
    [
        (nn.RNN(4, 6, batch_first=True), drawn(1, 3, 4), False, TypeError, "rnn"),
        (nn.LSTM(4, 6), drawn(1, 3, 4), False, ValueError, "rnn"),
        (nn.GRU(4, 6, 2, batch_first=True), drawn(1, 3, 4), False, ValueError, "rnn"),
        (layer("gru"), drawn(1, 3, 4), True, ValueError, "backward"),
        (layer("gru"), drawn(1, 3, 5), False, ValueError, "inputs"),
        (layer("gru"), drawn(3, 4), False, ValueError, "inputs"),
        (layer("gru"), drawn(1, 0, 4), False, ValueError, "inputs"),
    ],
)
def test_bad_layers_and_inputs_are_named(rnn, inputs, backward, error, words) -> None:
    with pytest.raises(error, match=f"^{words}: expected"):
        gates(rnn, inputs, backward=backward)
