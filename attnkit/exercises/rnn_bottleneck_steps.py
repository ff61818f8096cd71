"""Exercises 1 and 2 of the chapter `rnn/bottleneck`: one step, all steps."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ---------------------------------------------------------------- 1 · one step of a GRU


def gru_step(x: Tensor, h: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """One step of a gated recurrent unit.

    Args:
        x: the symbol that is read, (E,).
        h: the state before the step, (D,).
        W: (3 D, E), for reset, update and candidate, in this order.
        U: (3 D, D), in the same order.
        b: (3 D,), in the same order; added to W x.

    Returns:
        The state after the step, (D,).
    """
    into = (W @ x + b).chunk(3)
    back = (U @ h).chunk(3)
    reset = torch.sigmoid(into[0] + back[0])
    update = torch.sigmoid(into[1] + back[1])
    candidate = torch.tanh(into[2] + reset * back[2])
    return (1 - update) * candidate + update * h


def _gru_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for e, d in ((3, 4), (5, 2), (1, 1), (8, 16)):
        yield tuple(draw(generator, (e,), (d,), (3 * d, e), (3 * d, d), (3 * d,)))


def _gru_by_cell(x, h, W, U, b):
    return torch.gru_cell(x[None], h[None], W, U, b, torch.zeros_like(b))[0]


def _gru_by_units(x, h, W, U, b):
    d, new = len(h), []
    for i in range(d):
        r, z, n = i, d + i, 2 * d + i
        reset = torch.sigmoid(W[r] @ x + b[r] + U[r] @ h)
        update = torch.sigmoid(W[z] @ x + b[z] + U[z] @ h)
        candidate = torch.tanh(W[n] @ x + b[n] + reset * (U[n] @ h))
        new.append(candidate + update * (h[i] - candidate))
    return torch.stack(new)


def _gates(x, h, W, U, b):
    into, back = (W @ x + b).chunk(3), (U @ h).chunk(3)
    r, z = torch.sigmoid(into[0] + back[0]), torch.sigmoid(into[1] + back[1])
    return r, z, torch.tanh(into[2] + r * back[2])


def _gru_turned(x, h, W, U, b):
    _, z, n = _gates(x, h, W, U, b)
    return z * n + (1 - z) * h


def _gru_swapped(x, h, W, U, b):
    r, z, _ = _gates(x, h, W, U, b)
    into, back = (W @ x + b).chunk(3), (U @ h).chunk(3)
    return (1 - r) * torch.tanh(into[2] + z * back[2]) + r * h


def _gru_without_reset(x, h, W, U, b):
    _, z, _ = _gates(x, h, W, U, b)
    into, back = (W @ x + b).chunk(3), (U @ h).chunk(3)
    return (1 - z) * torch.tanh(into[2] + back[2]) + z * h


def _gru_reset_first(x, h, W, U, b):
    r, z, _ = _gates(x, h, W, U, b)
    d = len(h)
    n = torch.tanh((W @ x + b)[2 * d :] + U[2 * d :] @ (r * h))
    return (1 - z) * n + z * h


def _gru_straight(x, h, W, U, b):
    r, z, _ = _gates(x, h, W, U, b)
    into, back = (W @ x + b).chunk(3), (U @ h).chunk(3)
    return (1 - z) * (into[2] + r * back[2]) + z * h


GRU = Exercise(
    key="rnn.bottleneck.1",
    title="One step of a GRU",
    minutes=12,
    dots=2,
    learn="a gate is a number from 0 to 1 for each unit, made of symbol and state",
    reference=gru_step,
    inputs=_gru_inputs,
    alternatives=[_gru_by_cell, _gru_by_units],
    mistakes=[
        (
            _gru_turned,
            "The update gate is the wrong way round: where it is 1, the *old* state "
            "stays. (Some papers turn it; this book follows torch.)",
        ),
        (
            _gru_swapped,
            "Reset and update are swapped. The first third of the rows is the reset "
            "gate, the second the update gate.",
        ),
        (
            _gru_without_reset,
            "The reset gate is missing: it multiplies U h in the candidate.",
        ),
        (
            _gru_reset_first,
            "You reset h before U. Here the reset gate acts after the product, on U h. "
            "(Cho and others did it your way; torch does not.)",
        ),
        (_gru_straight, "The candidate has lost its tanh."),
    ],
    hints=[
        "Compute `W @ x + b` and `U @ h` once and cut each with `.chunk(3)`.",
        "reset and update are sigmoids of a sum: one block of `W @ x + b` plus the "
        "same block of `U @ h`.",
        "candidate = tanh(into[2] + reset * back[2]); then mix it with h by the "
        "update gate.",
    ],
)


# ---------------------------------------------------------- 2 · unrolled until the end


def write_out(scores: Tensor, begin: int, end: int, most: int) -> list[int]:
    """Write symbol by symbol, always the likeliest, until the end sign.

    A toy decoder: the scores of the next symbol depend on the last one alone.

    Args:
        scores: (V, V); row i scores what may follow symbol i.
        begin: the symbol that stands before the first; it is not written.
        end: the end sign; when it comes, stop. It is not part of the text.
        most: stop after so many symbols, if the end sign has not come.

    Returns:
        The numbers of the written symbols.
    """
    written: list[int] = []
    last = begin
    while len(written) < most:
        last = int(scores[last].argmax())
        if last == end:
            break
        written.append(last)
    return written


def _write_inputs(generator: Generator) -> Iterator[tuple[Tensor, int, int, int]]:
    chain = torch.zeros(8, 8)
    for a, b in ((0, 3), (3, 5), (5, 4), (4, 6), (6, 1), (1, 7), (2, 2), (7, 7)):
        chain[a, b] = 2.0
    yield chain, 0, 1, 10
    yield chain, 0, 1, 3
    yield chain, 6, 1, 5
    yield chain, 2, 1, 4
    yield chain, 3, 6, 9
    yield chain, 3, 1, 0
    for size, most in ((6, 9), (12, 5), (30, 20)):
        yield torch.randn(size, size, generator=generator), 0, 1, most


def _write_by_for(scores, begin, end, most):
    text = [begin]
    for _ in range(most):
        text.append(scores[text[-1]].max(-1).indices.item())
        if text[-1] == end:
            return text[1:-1]
    return text[1:]


def _write_by_table(scores, begin, end, most):
    follows, text = scores.argmax(1).tolist(), []
    symbol = follows[begin]
    while symbol != end and len(text) < most:
        text.append(symbol)
        symbol = follows[symbol]
    return text


def _write_with_end(scores, begin, end, most):
    text = _write_by_for(scores, begin, end, most)
    follows = int(scores[text[-1] if text else begin].argmax())
    return [*text, end] if follows == end and len(text) < most else text


def _write_one_less(scores, begin, end, most):
    return _write_by_for(scores, begin, end, most - 1)


def _write_from_begin(scores, begin, end, most):
    first = int(scores[begin].argmax())
    return [] if first == end else [first] * most


def _write_at_least_one(scores, begin, end, most):
    return _write_by_for(scores, begin, end, max(1, most))


def _write_past_end(scores, begin, end, most):
    return _write_by_for(scores, begin, -1, most)


WRITE = Exercise(
    key="rnn.bottleneck.2",
    title="Unrolled until ⟨eos⟩",
    minutes=10,
    dots=2,
    learn="a decoder is a loop: what it writes is what it reads next",
    reference=write_out,
    inputs=_write_inputs,
    alternatives=[_write_by_for, _write_by_table],
    mistakes=[
        (
            _write_with_end,
            "The end sign stops the loop, but it is no part of the text: leave it out.",
        ),
        (
            _write_one_less,
            "You stop one symbol early. Up to `most` symbols may be written.",
        ),
        (
            _write_from_begin,
            "Every step reads `begin` again, so it writes the same symbol for ever. "
            "Feed back the symbol that was just written.",
        ),
        (
            _write_past_end,
            "You write on behind the end sign. Stop as soon as it comes.",
        ),
        (
            lambda s, b, e, m: _write_by_for(s, b, 1, m),
            "You stop at symbol 1. The end sign is whatever `end` says.",
        ),
        (
            lambda s, b, e, m: _write_by_for(s, 0, e, m),
            "You begin with symbol 0. The begin sign is whatever `begin` says.",
        ),
        (
            _write_at_least_one,
            "If `most` is 0, nothing is written: ask before you write.",
        ),
        (
            lambda s, b, e, m: [b, *_write_by_for(s, b, e, m)],
            "The begin sign is given, not written: leave it out of the text.",
        ),
    ],
    hints=[
        "`int(scores[last].argmax())` is the next symbol.",
        "First look whether it is the end sign, then append it.",
        "Keep it as `last`: the next step reads it.",
    ],
)
