"""A trained translator as two modules that `torch.export` can write down.

"encode" reads the source once, "step" writes one symbol; the page calls the second one
again and again and hands its outputs back under the same names. What the reader may
override, one row of attention, is an input. The packed recurrent network of the
encoder cannot be exported, so it is unrolled here over a fixed number of places: where
the mask is False the state is held, which gives the same numbers.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attnkit import translation

from .decoder import State
from .encoder import Encoder, Memory
from .seq2seq import Seq2Seq

Cells = tuple[Tensor, ...]


def _gru(x: Cells, h: Tensor, held: Cells) -> Cells:
    """One GRU step; x and h hold the gates reset and update together, then new."""
    (before,) = held
    size = before.shape[-1]
    gates, new = h.split([2 * size, size], -1)
    reset, update = torch.sigmoid(x[0] + gates).split(size, -1)
    new = torch.tanh(x[1] + reset * new)
    return (new + update * (before - new),)


def _lstm(x: Cells, h: Tensor, held: Cells) -> Cells:
    """One LSTM step; gates in the order input and forget, cell, output."""
    size = held[0].shape[-1]
    gates, new, leave = h.split([2 * size, size, size], -1)
    enter, keep = torch.sigmoid(x[0] + gates).split(size, -1)
    cell = keep * held[1] + enter * torch.tanh(x[1] + new)
    return torch.sigmoid(x[2] + leave) * torch.tanh(cell), cell


class _Encode(nn.Module):
    """(source (1, S), source_mask (1, S)) → values (1, S, D), summary (1, D), and the
    first state of the decoder: hidden, and for some models cell and attended."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model
        self.names = _state_names(model)
        self.output_names = ["values", "summary", *self.names]

    def forward(self, source: Tensor, source_mask: Tensor) -> tuple[Tensor, ...]:
        values, summary = unrolled(self.model.encoder, source, source_mask)
        memory = Memory(values, source_mask, summary)
        state = self.model.decoder.start(memory)
        return (values, summary, *(getattr(state, name) for name in self.names))


def unrolled(encoder: Encoder, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What the packed encoder computes, written out step by step for one source.

    Both directions go side by side: at turn t one reads place t, the other the t-th
    place from the end.

    Args:
        encoder: bidirectional.
        source: (1, S) numbers of symbols.
        mask: (1, S) boolean.

    Returns:
        values (1, S, D), summary (1, D).
    """
    rnn, size = encoder.rnn, encoder.rnn.hidden_size
    turn, parts = (_gru, [2, 1]) if isinstance(rnn, nn.GRU) else (_lstm, [2, 1, 1])
    embedded = encoder.embed(source)  # (1, S, E)
    both = torch.cat([embedded, embedded.flip(1)])  # (2, S, E)
    seen = torch.cat([mask, mask.flip(1)])[..., None]  # (2, S, 1)
    into, bias_in = _stacked(rnn, "ih")  # (2, E, G), (2, 1, G)
    back, bias_back = _stacked(rnn, "hh")  # (2, d, G), (2, 1, G)
    inputs = torch.bmm(both, into) + bias_in  # (2, S, G)
    turns = zip(  # per place: the inputs of the gates, and whether there is a symbol
        *(part.split(1, 1) for part in inputs.split([n * size for n in parts], -1)),
        seen.split(1, 1),
        strict=True,
    )
    held: Cells = (embedded.new_zeros(2, 1, size),) * (len(parts) - 1)
    rows = []
    for *x, real in turns:
        new = turn(x, torch.bmm(held[0], back) + bias_back, held)
        held = tuple(torch.where(real, *pair) for pair in zip(new, held, strict=True))
        rows.append(held[0])
    states = torch.cat(rows, 1)  # (2, S, d)
    values = torch.cat([states[:1], states[1:].flip(1)], -1) * mask[..., None]
    return values, held[0].transpose(0, 1).flatten(1)


def _stacked(rnn: nn.RNNBase, kind: str) -> tuple[Tensor, Tensor]:
    """Weights (2, in, gates) and biases (2, 1, gates) of the two directions."""
    names = (f"{kind}_l0", f"{kind}_l0_reverse")
    weight = torch.stack([getattr(rnn, f"weight_{name}") for name in names])
    bias = torch.stack([getattr(rnn, f"bias_{name}") for name in names])
    return weight.mT, bias[:, None]


class _Step(nn.Module):
    """One decoder step for one source.

    Inputs: token (1,), step (1,), hidden (1, D) and where the model has them cell and
    attended (1, D), values (1, S, D), summary (1, D), source_mask (1, S), forced (1, S)
    a row of weights, use_forced (1,) from 0 (the model's own weights) to 1 (forced).
    Outputs: logits (1, V), weights (1, S) as used, step, hidden, cell, attended.
    """

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model
        self.names = _state_names(model)
        self.output_names = ["logits", "weights", "step", *self.names]

    def forward(
        self,
        token: Tensor,
        step: Tensor,
        hidden: Tensor,
        values: Tensor,
        summary: Tensor,
        source_mask: Tensor,
        forced: Tensor,
        use_forced: Tensor,
        cell: Tensor | None = None,
        attended: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        state = State(hidden, cell, attended, step)
        memory = Memory(values, source_mask, summary)
        mix = None
        if self.model.decoder.attention is not None:
            mix = _mix(forced[:, None], use_forced)
        logits, state, weights = self.model.decoder(token[:, None], state, memory, mix)
        rest = (getattr(state, name) for name in self.names)
        return (logits[:, 0], weights[:, 0], state.step, *rest)


def _mix(forced: Tensor, use: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda own: own + use[:, None, None] * (forced - own)


def _state_names(model: Seq2Seq) -> list[str]:
    cell = isinstance(model.decoder.rnn, nn.LSTM)
    return ["hidden", *["cell"] * cell, *["attended"] * model.decoder.input_feeding]


def page_entries(
    model: Seq2Seq, max_source: int, max_steps: int | None = None
) -> dict[str, tuple[nn.Module, dict[str, Any]]]:
    """The entry points of a translator for the page.

    Args:
        model: a trained translator, in evaluation mode, on the CPU.
        max_source: places of a source; a shorter one is padded with 0 and masked.
        max_steps: of no effect, as a recurrent state does not grow.

    Returns:
        "encode" and "step", each a module with example inputs by name. Their outputs
        are named by the module's `output_names`; outputs of one are inputs of the next
        under the same name.

    Raises:
        ValueError: `max_source` below 1, or a model in training mode.
    """
    if max_source < 1:
        raise ValueError(f"max_source: expected at least 1, got {max_source}")
    if model.training:
        raise ValueError("model: expected evaluation mode; call model.eval()")
    encode, step = _Encode(model).eval(), _Step(model).eval()
    symbols = len(model.encoder.embed.weight)
    return translation.page_entries(encode, step, symbols, max_source)
