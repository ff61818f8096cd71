"""The card of input feeding: a whole decoder, with plain loops to compare with."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from attnkit.card import Sizes, Step
from attnkit.loops import Inputs, Row, apply, exponentials, inner

from .attention_cards import GENERAL, LUONG, SOFTMAX, bilinear, enter
from .decoder import Decoder, State
from .encoder import Memory


class _Fed(nn.Module):
    """A decoder with input feeding as a function of the encoder's tensors."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        d = sizes["d"]
        self.decoder = Decoder(
            7, d, sizes["e"], d, attention="general", input_feeding=True
        )

    def forward(
        self, target: Tensor, value: Tensor, summary: Tensor, mask: Tensor
    ) -> Tensor:
        memory = Memory(value, mask, summary)
        return self.decoder(target, self.decoder.start(memory), memory)[0]

    def unfed(self, target: Tensor, value: Tensor, **rest: Tensor) -> Tensor:
        """The same with nothing fed: the mistake that a control makes."""
        memory = Memory(value, rest["mask"], rest["summary"])
        state: State = self.decoder.start(memory)
        logits = []
        for t in range(target.shape[1]):
            state = state._replace(attended=torch.zeros_like(state.attended))
            out, state, _ = self.decoder(target[:, t : t + 1], state, memory)
            logits.append(out)
        return torch.cat(logits, 1)


def _fed_inputs(seed: int, sizes: Sizes) -> Inputs:
    b, n, m, d = (sizes[name] for name in "BNMd")
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, max(m, 2) + 1, (b, 1), generator=draw)
    return {
        "target": torch.randint(0, 7, (b, n), generator=draw),
        "value": torch.randn(b, m, d, generator=draw, dtype=torch.float64),
        "summary": torch.randn(b, d, generator=draw, dtype=torch.float64),
        "mask": torch.arange(m) < lengths,
    }


def _affine(layer: nn.Linear, x: Row) -> Row:
    bias = layer.bias.tolist()
    moved = apply(layer.weight.tolist(), x)
    return [a + b for a, b in zip(moved, bias, strict=True)]


def _gru(rnn: nn.GRU, x: Row, h: Row) -> Row:
    """One step of a GRU, gate by gate."""
    size, sigmoid = len(h), lambda a: 1 / (1 + math.exp(-a))
    into = apply(rnn.weight_ih_l0.tolist(), x)
    back = apply(rnn.weight_hh_l0.tolist(), h)
    a = [u + v for u, v in zip(into, rnn.bias_ih_l0.tolist(), strict=True)]
    b = [u + v for u, v in zip(back, rnn.bias_hh_l0.tolist(), strict=True)]
    new = []
    for i in range(size):
        reset = sigmoid(a[i] + b[i])
        update = sigmoid(a[size + i] + b[size + i])
        candidate = math.tanh(a[2 * size + i] + reset * b[2 * size + i])
        new.append((1 - update) * candidate + update * h[i])
    return new


def _fed_loop(
    mechanism: _Fed, target: Tensor, value: Tensor, summary: Tensor, mask: Tensor
) -> Tensor:
    decoder = mechanism.decoder
    pair = partial(bilinear, decoder.attention.score)
    table, logits = decoder.embed.weight.tolist(), []
    for b in range(len(target)):
        hidden = [math.tanh(a) for a in _affine(decoder.bridge, summary[b].tolist())]
        fed, rows = [0.0] * len(hidden), []
        for token in target[b].tolist():
            hidden = _gru(decoder.rnn, table[token] + fed, hidden)
            keys = [
                k for k, real in zip(value[b].tolist(), mask[b], strict=True) if real
            ]
            weights = exponentials([pair(hidden, k) for k in keys]) if keys else []
            context = [inner(weights, [k[i] for k in keys]) for i in range(len(hidden))]
            fed = [math.tanh(a) for a in _affine(decoder.combine, context + hidden)]
            rows.append(_affine(decoder.output, fed))
        logits.append(rows)
    return torch.tensor(logits, dtype=torch.float64)


enter(
    _Fed,
    **LUONG,
    key="input-feeding",
    title="Input feeding",
    summary="The decoder's last output vector, made of context and state, is read by "
    "its next step: the decoder knows where it has looked.",
    score=GENERAL,
    normalize=SOFTMAX,
    aggregate=Step(
        "sum of the values by weight; joined with the state it goes to the output and "
        "into the next step",
        r"\tilde s_t = \tanh(W_c [c_t; s_t]), \quad "
        r"s_{t+1} = \mathrm{RNN}([y_t; \tilde s_t], s_t)",
    ),
    time="N*(M*d+d*d)",
    symbols={
        "N": "target steps, one after the other",
        "M": "source positions",
        "d": "width of states",
    },
    usage="""
        from attnkit.rnn import Decoder

        decoder = Decoder(5000, attention="general", input_feeding=True)
        logits, state, weights = decoder(target, decoder.start(memory), memory)
    """,
    receptive="An output depends on all source positions that the mask allows, and on "
    "the target symbols up to its own step.",
    shapes=(
        {"B": 2, "N": 3, "M": 5, "d": 4, "e": 3},
        {"B": 1, "N": 4, "M": 3, "d": 2, "e": 5},
    ),
    inputs=_fed_inputs,
    reference=_fed_loop,
    field=lambda x: {
        "value": x["mask"].expand(x["target"].shape[1], -1),
        "summary": torch.ones(
            x["target"].shape[1], x["summary"].shape[1], dtype=torch.bool
        ),
    },
    controls={
        "nothing fed": lambda f, x: f.unfed(**x),
        "mask left out": lambda f, x: f(**(x | {"mask": torch.ones_like(x["mask"])})),
        "one step late": lambda f, x: f(**x).roll(1, dims=1),
    },
    may_be_empty=("M",),
    excuses={
        "nothing": "a decoder writes on from its own state when there is no source",
        "compile": "torch.compile does not take nn.GRU and nn.LSTM (it exports)",
        "cost": "several products of unlike sizes per step; no single term leads",
    },
    source=Decoder,
)
