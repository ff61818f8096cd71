"""Cards of what came before attention: gates that select, and one fixed vector."""

import math

import torch
from torch import Tensor, nn

from attnkit.card import Card, Sizes, Step, cells
from attnkit.catalog import register
from attnkit.loops import Inputs, function, seeded

from .attention_cards import enter
from .decoder import Decoder
from .encoder import Memory
from .feeding_cards import _affine, _gru
from .gates import gated_sum

# ------------------------------------------------------------------ gates as weights


def _gate_inputs(seed: int, sizes: Sizes) -> Inputs:
    b, s, d = (sizes[name] for name in "BMD")

    def draw() -> Inputs:
        parts = torch.randn(3, b, s, d, dtype=torch.float64)
        keep, write = parts[:2].sigmoid()
        return {"keep": keep, "write": write, "new": parts[2]}

    return seeded(seed, draw)


def _carried(_, keep: Tensor, write: Tensor, new: Tensor) -> Tensor:
    """The recurrence itself, number by number."""
    steps = zip(*(x.unbind(1) for x in (keep, write, new)), strict=True)
    state = [[0.0] * keep.shape[2] for _ in range(keep.shape[0])]
    for step in steps:
        f, i, g = (part.tolist() for part in step)
        state = [
            [f[b][d] * s + i[b][d] * g[b][d] for d, s in enumerate(row)]
            for b, row in enumerate(state)
        ]
    return torch.tensor(state, dtype=torch.float64).reshape(len(keep), keep.shape[2])


def _gate_field(inputs: Inputs) -> Inputs:
    """A unit depends on its own gates; before the first step there is nothing kept."""
    steps, units = inputs["new"].shape[1:]
    own = torch.eye(units, dtype=torch.bool).repeat(1, steps)  # (D, S D)
    later = torch.arange(steps * units) >= units
    return {"keep": own & later, "write": own, "new": own}


register(
    Card(
        key="gates",
        title="Gates as weights (LSTM, GRU)",
        summary="The state of an LSTM or a GRU is a weighted sum of what each step "
        "offered. Every unit has its own weights, and they are settled while reading.",
        year=2000,
        month=10,
        paper="Learning to Forget: Continual Prediction with LSTM",
        link="doi:10.1162/089976600300015015",
        cite="gers2000learning",
        attends_to=("time",),
        question="what",
        score=Step(
            "no query: a gate judges each step by the symbol and the state before it",
            r"i_j, f_j = \sigma(W x_j + U h_{j-1})",
        ),
        normalize=Step(
            "what is written, times all that is kept later; sums to nearly one in a "
            "GRU, to anything in an LSTM",
            r"a_j = i_j \odot \prod_{k > j} f_k",
        ),
        aggregate=Step(
            "sum of the candidates, unit by unit", r"s = \sum_j a_j \odot g_j"
        ),
        time="M*D",
        memory="M*D",
        symbols={"M": "source positions", "D": "units of the state"},
        usage="""
            from attnkit.rnn import gated_sum, gates

            seen = gates(encoder.rnn, embedded)
            state, weights = gated_sum(*seen[:3], need_weights=True)
        """,
        receptive="A unit of the state depends on its own gates and candidates at all "
        "steps. (How much of the state before the first step is kept has no effect.)",
        shapes=({"B": 2, "M": 5, "D": 3}, {"B": 1, "M": 4, "D": 6}),
        make=function(gated_sum),
        inputs=_gate_inputs,
        reference=_carried,
        field=_gate_field,
        input_places=cells,
        output_places=cells,
        controls={
            "nothing forgotten": lambda f, x: f(
                torch.ones_like(x["keep"]), x["write"], x["new"]
            ),
            "a step forgets itself": lambda f, x: (
                x["write"] * x["keep"].flip(1).cumprod(1).flip(1) * x["new"]
            ).sum(1),
            "kept before, not after": lambda f, x: (
                x["write"] * x["keep"].cumprod(1) * x["new"]
            ).sum(1),
            "all steps alike": lambda f, x: x["new"].mean(1),
        },
        may_be_empty=("B", "M", "D"),
        family="rnn",
        chapter="rnn/bottleneck",
    )
)(gated_sum)


# ------------------------------------------------------------------- one fixed vector


class _Fixed(nn.Module):
    """A decoder without attention as a function of the encoder's tensors."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.decoder = Decoder(7, sizes["d"], sizes["e"], sizes["d"], attention=None)

    def forward(self, target: Tensor, summary: Tensor) -> Tensor:
        mask = torch.ones(len(summary), 1, dtype=torch.bool)
        memory = Memory(summary[:, None], mask, summary)
        return self.decoder(target, self.decoder.start(memory), memory)[0]

    def first_only(self, target: Tensor, summary: Tensor) -> Tensor:
        """The vector starts the state and is then forgotten."""
        mask = torch.ones(len(summary), 1, dtype=torch.bool)
        memory = Memory(summary[:, None], mask, summary)
        blind = memory._replace(summary=torch.zeros_like(summary))
        return self.decoder(target, self.decoder.start(memory), blind)[0]


def _fixed_inputs(seed: int, sizes: Sizes) -> Inputs:
    b, n, d = (sizes[name] for name in "BNd")
    draw = torch.Generator().manual_seed(seed)
    return {
        "target": torch.randint(0, 7, (b, n), generator=draw),
        "summary": torch.randn(b, d, generator=draw, dtype=torch.float64),
    }


def _fixed_loop(mechanism: _Fixed, target: Tensor, summary: Tensor) -> Tensor:
    decoder, logits = mechanism.decoder, []
    table = decoder.embed.weight.tolist()
    for row, context in zip(target.tolist(), summary.tolist(), strict=True):
        hidden = [math.tanh(a) for a in _affine(decoder.bridge, context)]
        steps = []
        for token in row:
            hidden = _gru(decoder.rnn, table[token] + context, hidden)
            mixed = [math.tanh(a) for a in _affine(decoder.combine, context + hidden)]
            steps.append(_affine(decoder.output, mixed))
        logits.append(steps)
    return torch.tensor(logits, dtype=torch.float64)


enter(
    _Fixed,
    key="fixed-vector",
    title="Encoder–decoder with one fixed vector",
    summary="The encoder's last state is all that the decoder ever sees of the source: "
    "the same context at every step. The bottleneck that attention removed.",
    year=2014,
    month=6,
    paper="Learning Phrase Representations using RNN Encoder-Decoder for Statistical "
    "Machine Translation",
    link="arXiv:1406.1078",
    cite="cho2014learning",
    score=Step("none: no key is compared with the query", r"e_{ts} = \text{none}"),
    normalize=Step(
        "all weight on the last state, whatever the step",
        r"a_{ts} = \begin{cases} 1 & s = S \\ 0 & s < S \end{cases}",
    ),
    aggregate=Step(
        "the last state; it starts the decoder and is read at every step",
        r"c_t = h_S, \quad s_t = \mathrm{RNN}([y_{t-1}; c], s_{t-1})",
    ),
    time="N*d*d",
    memory="N*d",
    symbols={"N": "target steps, one after the other", "d": "width of states"},
    usage="""
        from attnkit.rnn import Decoder

        decoder = Decoder(5000, attention=None)
        logits, state, _ = decoder(target, decoder.start(memory), memory)
    """,
    receptive="An output depends on all of the one vector, and on the target symbols "
    "up to its own step.",
    shapes=({"B": 2, "N": 3, "d": 4, "e": 3}, {"B": 1, "N": 4, "d": 2, "e": 5}),
    inputs=_fixed_inputs,
    reference=_fixed_loop,
    field=lambda x: {
        "summary": torch.ones(
            x["target"].shape[1], x["summary"].shape[1], dtype=torch.bool
        )
    },
    input_places=cells,
    controls={
        "read at the start only": lambda f, x: f.first_only(**x),
        "one step late": lambda f, x: f(**x).roll(1, dims=1),
        "no vector": lambda f, x: f(x["target"], torch.zeros_like(x["summary"])),
    },
    may_be_empty=(),
    excuses={
        "compile": "torch.compile does not take nn.GRU and nn.LSTM (it exports)",
        "cost": "several products of unlike sizes per step; no single term leads",
    },
    source=Decoder,
    chapter="rnn/bottleneck",
)
