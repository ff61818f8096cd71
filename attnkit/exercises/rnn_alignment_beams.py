"""Exercise 6 of the chapter `rnn/alignment`: one step of beam search."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# --------------------------------------------------------------- 6 · one step of beams


def beam_step(totals: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Grow K unfinished translations by one symbol and keep the K best.

    Args:
        totals: (K,) log-probability of each translation so far.
        log_probs: (K, V) log-probability of each next symbol.

    Returns:
        Three tensors (K,), best first: the row that each survivor grew from, its new
        symbol, and its new total.
    """
    grown = totals[:, None] + log_probs  # (K, V)
    best = grown.flatten().topk(len(totals))
    size = log_probs.shape[-1]
    return best.indices // size, best.indices % size, best.values


def _beam_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for k, v in ((2, 5), (4, 3), (1, 6), (3, 3), (8, 40)):
        totals, scores = draw(generator, (k,), (k, v))
        yield -totals.exp().sort().values, (2 * scores).log_softmax(-1)
    sure = torch.tensor([[0.4, 0.32, 0.28], [0.35, 0.34, 0.31]])
    yield torch.tensor([-0.1, -3.0]), sure.log()


def _beam_by_list(totals, log_probs):
    grown = [
        (total + p, row, symbol)
        for row, total in enumerate(totals.tolist())
        for symbol, p in enumerate(log_probs[row].tolist())
    ]
    best = sorted(grown, reverse=True)[: len(totals)]
    values, rows, symbols = zip(*best, strict=True)
    return torch.tensor(rows), torch.tensor(symbols), torch.tensor(values)


def _beam_by_sort(totals, log_probs):
    order = (totals.unsqueeze(1) + log_probs).reshape(-1).argsort(descending=True)
    order = order[: totals.shape[0]]
    rows = torch.div(order, log_probs.shape[1], rounding_mode="floor")
    symbols = order - rows * log_probs.shape[1]
    return rows, symbols, totals[rows] + log_probs[rows, symbols]


def _beam_apart(totals, log_probs):
    best = log_probs.max(-1)
    order = (totals + best.values).argsort(descending=True)
    return order, best.indices[order], (totals + best.values)[order]


def _beam_forgetful(totals, log_probs):
    return beam_step(torch.zeros_like(totals), log_probs)


def _beam_swapped(totals, log_probs):
    rows, symbols, values = beam_step(totals, log_probs)
    return symbols, rows, values


def _beam_worst_first(totals, log_probs):
    return tuple(part.flip(0) for part in beam_step(totals, log_probs))


def _beam_by_width(totals, log_probs):
    best = (totals[:, None] + log_probs).flatten().topk(len(totals))
    return best.indices // len(totals), best.indices % len(totals), best.values


def _beam_by_true_division(totals, log_probs):
    best = (totals[:, None] + log_probs).flatten().topk(len(totals))
    size = log_probs.shape[-1]
    return best.indices / size, best.indices % size, best.values


def _beam_without_log(totals, log_probs):
    return beam_step(totals, log_probs.exp())


def _beam_by_product(totals, log_probs):
    best = (totals[:, None] * log_probs).flatten().topk(len(totals))
    size = log_probs.shape[-1]
    return best.indices // size, best.indices % size, best.values


def _beam_as_probability(totals, log_probs):
    rows, symbols, values = beam_step(totals, log_probs)
    return rows, symbols, values.exp()


BEAM = Exercise(
    key="rnn.alignment.6",
    title="One step of beam search",
    minutes=15,
    dots=3,
    learn="beams compete with each other; the second best of one may beat the best of "
    "another",
    reference=beam_step,
    inputs=_beam_inputs,
    alternatives=[_beam_by_list, _beam_by_sort],
    mistakes=[
        (
            _beam_apart,
            "You let every translation grow once. They compete: a strong one may have "
            "two children among the best, a weak one none.",
        ),
        (
            _beam_forgetful,
            "You compare the next symbols alone. The total so far counts too: "
            "log-probabilities add up.",
        ),
        (
            _beam_swapped,
            "Rows and symbols are swapped: first where it grew from, then the symbol.",
        ),
        (_beam_worst_first, "The right survivors, worst first. Best first is asked."),
        (
            _beam_by_width,
            "The flat place of (row, symbol) is row · V + symbol. You divide by the "
            "number of beams; divide by the number of symbols V.",
        ),
        (
            _beam_by_true_division,
            "The rows are fractions. A row is a whole number: divide by `//`, which "
            "rounds down.",
        ),
        (
            _beam_without_log,
            "You add probabilities to log-probabilities. `log_probs` are logarithms "
            "already: no exp.",
        ),
        (
            _beam_by_product,
            "You multiply logarithms. Probabilities are multiplied, their logarithms "
            "are added.",
        ),
        (
            _beam_as_probability,
            "The right survivors, but their totals are probabilities. The next step "
            "adds to them: keep the logarithm.",
        ),
    ],
    hints=[
        "Add each row's total to all its log-probabilities: (K, 1) + (K, V).",
        "Flatten this table and take the K largest: `.flatten().topk(K)`.",
        "A flat place p lies in row `p // V` and column `p % V`.",
    ],
)
