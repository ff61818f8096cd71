"""Writing the target: a recurrent decoder with or without attention."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnkit.checks import check_alike, check_float, check_ids, check_shape

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive
from .encoder import Memory, look_up_cell

ATTENTION = (
    "additive",
    "bahdanau",
    "concat",
    "dot",
    "general",
    "local-m",
    "local-p",
)


Given = Tensor | Callable[[Tensor], Tensor] | None


class State(NamedTuple):
    """What a decoder carries from step to step; it goes in and comes out.

    `hidden` (B, D); `cell` (B, D) for an LSTM; `attended` (B, D), the last output
    vector, for input feeding; `step` (B,) the number of symbols written so far.
    """

    hidden: Tensor
    cell: Tensor | None
    attended: Tensor | None
    step: Tensor

    def select(self, rows: Tensor) -> "State":
        """The chosen rows of the batch."""
        return State(*(None if part is None else part[rows] for part in self))


def make_attention(
    name: str, query_dim: int, key_dim: int, window: int, hidden_dim: int
) -> nn.Module:
    """The attention of a decoder by its name in `ATTENTION`."""
    if name not in ATTENTION:
        known = ", ".join(ATTENTION)
        raise ValueError(f"attention: expected one of {known} or None; got {name!r}")
    local = {"local-m": LocalMonotonic, "local-p": LocalPredictive}.get(name)
    if local:
        return local(query_dim, key_dim, window, hidden_dim=hidden_dim)
    score = "additive" if name == "bahdanau" else name
    return GlobalAttention(query_dim, key_dim, score, hidden_dim)


def _check_rows(name: str, ids: Tensor, state: State, memory: Memory) -> None:
    """Raise unless symbols, state and memory are of one batch."""
    rows = state.hidden.shape[0]
    for part, value in ((name, ids), ("memory", memory.values)):
        if value.shape[0] != rows:
            raise ValueError(
                f"{part}: expected {rows} rows as in state, got shape "
                f"{tuple(value.shape)}"
            )


class Decoder(nn.Module):
    r"""A recurrent network that writes the target and looks back at the source.

    Luong's arrangement (all names but "bahdanau"; $y$ target, $s$ state, $c$ context):

    $$s_t = \mathrm{RNN}([y_{t-1}], s_{t-1}) \qquad c_t = \mathrm{attend}(s_t, h)
    \qquad \tilde s_t = \tanh(W_c [c_t; s_t]) \qquad
    p(y_t) = \mathrm{softmax}(W_o \tilde s_t)$$

    Its states do not depend on the contexts, so in training the whole target is one
    call of a fused RNN and one batched attention. With input feeding the RNN reads
    $[y_{t-1}; \tilde s_{t-1}]$. Bahdanau's arrangement asks with the state *before*
    the step and gives the context to the RNN, so it needs a loop as well:

    $$c_t = \mathrm{attend}(s_{t-1}, h) \qquad
    s_t = \mathrm{RNN}([y_{t-1}; c_t], s_{t-1})$$

    Without attention the RNN reads $[y_{t-1}; c]$ at every step, with the encoder's
    last states as the one context $c$ (Cho 2014). In all of them
    $s_0 = \tanh(W_b c)$. Deviation: Bahdanau's output layer is a maxout of
    $s_{t-1}$, $y_{t-1}$ and $c_t$; here all share $\tilde s_t$ above.

    Args:
        size: number of target symbols.
        memory_dim: width of an encoder state.
        embed_dim: width of a symbol's embedding.
        hidden_dim: width of the state.
        cell: "gru" or "lstm".
        attention: a name in `ATTENTION`, or None for one fixed vector.
        input_feeding: feed the last output vector into the next step (Luong).
        window: $D$ of local attention.
        attention_dim: hidden width of additive and concat scores and of local-p.
        dropout: of embeddings and output vectors.

    Raises:
        ValueError: an unknown cell or attention, or input feeding with "bahdanau",
            which feeds the context already.

    Source:
        Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473); Luong, Pham and Manning 2015
        (arXiv:1508.04025), equations 5 and 6 and section 3.3; Cho et al. 2014
        (arXiv:1406.1078), section 2.2.
    """

    def __init__(
        self,
        size: int,
        memory_dim: int = 64,
        embed_dim: int = 32,
        hidden_dim: int = 64,
        *,
        cell: str = "gru",
        attention: str | None = "additive",
        input_feeding: bool = False,
        window: int = 4,
        attention_dim: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if attention == "bahdanau" and input_feeding:
            raise ValueError("input_feeding: expected False with 'bahdanau', got True")
        self.size, self.kind, self.input_feeding = size, attention, input_feeding
        self.attention = None
        if attention is not None:
            self.attention = make_attention(
                attention, hidden_dim, memory_dim, window, attention_dim
            )
        reads_context = attention in (None, "bahdanau")
        extra = memory_dim * reads_context + hidden_dim * input_feeding
        rnn = look_up_cell(cell)
        self.embed = nn.Embedding(size, embed_dim)
        self.rnn = rnn(embed_dim + extra, hidden_dim, batch_first=True)
        self.bridge = nn.Linear(memory_dim, hidden_dim * (1 + (rnn is nn.LSTM)))
        self.combine = nn.Linear(memory_dim + hidden_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, size)
        self.dropout = nn.Dropout(dropout)

    @property
    def one_pass(self) -> bool:
        """Whether a known target can be read by one call of the RNN."""
        return self.kind != "bahdanau" and not self.input_feeding

    def start(self, memory: Memory) -> State:
        """The state before the first symbol, made from the encoder's last states."""
        start = torch.tanh(self.bridge(memory.summary))
        hidden, *cell = start.split(self.rnn.hidden_size, dim=-1)
        attended = torch.zeros_like(hidden) if self.input_feeding else None
        step = torch.zeros(len(hidden), dtype=torch.int64, device=hidden.device)
        return State(hidden, cell[0] if cell else None, attended, step)

    def forward(
        self,
        target: Tensor,
        state: State,
        memory: Memory,
        weights: Given = None,
    ) -> tuple[Tensor, State, Tensor]:
        """Read target symbols and give the logits of the symbol after each.

        Args:
            target: (B, T) numbers of symbols, the first of a sequence is BOS.
            state: from `start` or from an earlier call.
            memory: of the encoder.
            weights: (B, T, S) to use in place of the decoder's own attention, or a
                function that makes them from its own, step by step.

        Returns:
            logits (B, T, V), the state after the last symbol, and the weights
            (B, T, S); all zero without attention.

        Raises:
            ValueError: no symbol, a number outside the vocabulary, rows that are not
                as many as those of `state` and `memory`, or weights that do not fit or
                that a decoder without attention cannot spend.
        """
        check_ids("target", target, self.size)
        _check_rows("target", target, state, memory)
        if target.shape[1] == 0:
            raise ValueError("target: expected at least one symbol in a row, got none")
        if isinstance(weights, Tensor):
            check_float("weights", weights)
            check_shape("weights", weights, (*target.shape, memory.mask.shape[1]))
        return self._write(target, state, memory, weights)

    def step(
        self, token: Tensor, state: State, memory: Memory, weights: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor]:
        """One symbol in, one out; arguments and errors are those of `Seq2Seq.step`."""
        check_ids("token", token, self.size, ("batch",))
        _check_rows("token", token, state, memory)
        if weights is not None:
            check_float("weights", weights)
            check_shape("weights", weights, (*token.shape, memory.mask.shape[1]))
            weights = weights[:, None]
        logits, state, used = self._write(token[:, None], state, memory, weights)
        return logits[:, 0], state, used[:, 0]

    def _write(
        self, target: Tensor, state: State, memory: Memory, weights: Given
    ) -> tuple[Tensor, State, Tensor]:
        """In one pass, or symbol by symbol where a step needs the one before."""
        if weights is not None and self.attention is None:
            raise ValueError("weights: expected None without attention, got some")
        if isinstance(weights, Tensor):
            check_alike(memory=memory.values, weights=weights)
        embedded = self.dropout(self.embed(target))  # (B, T, E)
        if self.one_pass:
            return self._read(embedded, state, memory, weights)
        logits, used = [], []
        for t in range(target.shape[1]):
            given = weights[:, t : t + 1] if isinstance(weights, Tensor) else weights
            out, state, row = self._read(embedded[:, t : t + 1], state, memory, given)
            logits.append(out)
            used.append(row)
        return torch.cat(logits, 1), state, torch.cat(used, 1)

    def _read(
        self, embedded: Tensor, state: State, memory: Memory, weights: Given
    ) -> tuple[Tensor, State, Tensor]:
        steps = embedded.shape[1]
        if self.kind == "bahdanau":  # ask before the step
            context, weights = self._look(state.hidden[:, None], state, memory, weights)
            states, state = self._run(torch.cat([embedded, context], -1), state)
        else:
            states, new = self._run(self._inputs(embedded, state, memory), state)
            context, weights = self._look(states, state, memory, weights)
            state = new
        both = torch.cat([context, states], -1)  # (B, T, memory + D)
        attended = self.dropout(torch.tanh(self.combine(both)))  # (B, T, D)
        state = state._replace(step=state.step + steps)
        if self.input_feeding:
            state = state._replace(attended=attended[:, -1])
        return self.output(attended), state, weights

    def _inputs(self, embedded: Tensor, state: State, memory: Memory) -> Tensor:
        if self.input_feeding:
            embedded = torch.cat([embedded, state.attended[:, None]], -1)
        if self.kind is None:
            fixed = memory.summary[:, None].expand(-1, embedded.shape[1], -1)
            embedded = torch.cat([embedded, fixed], -1)
        return embedded

    def _run(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        if torch.compiler.is_compiling() and inputs.shape[1] == 1:
            return self._run_once(inputs[:, 0], state)
        if state.cell is None:
            states, last = self.rnn(inputs, state.hidden[None].contiguous())
            return states, state._replace(hidden=last[0])
        before = state.hidden[None].contiguous(), state.cell[None].contiguous()
        states, (last, cell) = self.rnn(inputs, before)
        return states, state._replace(hidden=last[0], cell=cell[0])

    def _run_once(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """One step by the cell alone: `torch.export` warns of a whole RNN's weights."""
        rnn = self.rnn
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(rnn, name) for name in names]
        if state.cell is None:
            hidden = torch.gru_cell(inputs, state.hidden, *weights)
            return hidden[:, None], state._replace(hidden=hidden)
        before = (state.hidden, state.cell)
        hidden, cell = torch.lstm_cell(inputs, before, *weights)
        return hidden[:, None], state._replace(hidden=hidden, cell=cell)

    def _look(
        self, query: Tensor, state: State, memory: Memory, weights: Given
    ) -> tuple[Tensor, Tensor]:
        """Context and weights; given weights are spent as they are."""
        values = memory.values
        if self.attention is None:
            context = memory.summary[:, None].expand(-1, query.shape[1], -1)
            return context, values.new_zeros(*query.shape[:2], values.shape[1])
        if isinstance(weights, Tensor):
            return self._spend(weights, values)
        context, own = self.attention(
            query,
            values,
            values,
            mask=memory.mask[:, None, :],
            start=state.step,
            need_weights=True,
        )
        return (context, own) if weights is None else self._spend(weights(own), values)

    @staticmethod
    def _spend(weights: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        return weights @ values, weights
