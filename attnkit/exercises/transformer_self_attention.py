"""Exercises of the chapter `transformer/self_attention`; three stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.transformer_self_attention_heads import HEADS, SELF
from attnkit.exercises.transformer_self_attention_turns import TURN

# ------------------------------------------------------------- 4 · a price for distance


def alibi(n: int, heads: int) -> Tensor:
    """What ALiBi adds to the scores of n tokens.

    Args:
        n: tokens.
        heads: H, a power of two. Head h, counted from 1, has the slope 2^(-8h/H).

    Returns:
        (H, n, n): minus the slope times the distance of query i and key j.
    """
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)  # (H,)
    place = torch.arange(n)
    away = (place - place[:, None]).abs()  # (n, n)
    return -slopes[:, None, None] * away


def _alibi_inputs(generator: Generator) -> Iterator[tuple[int, int]]:
    yield from ((3, 2), (1, 1), (5, 8), (4, 4), (20, 2), (3, 16))


def _alibi_by_loop(n, heads):
    out = torch.zeros(heads, n, n)
    for h in range(heads):
        for i in range(n):
            for j in range(n):
                out[h, i, j] = -abs(i - j) / 2 ** (8 * (h + 1) / heads)
    return out


def _alibi_by_powers(n, heads):
    base = 2 ** (-8 / heads)
    grid = torch.arange(n).float()
    away = torch.cdist(grid[:, None], grid[:, None], p=1)
    return torch.stack([-(base ** (h + 1)) * away for h in range(heads)])


def _alibi_signed(n, heads):
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
    place = torch.arange(n)
    return slopes[:, None, None] * (place - place[:, None])


def _alibi_by_halves(n, heads):
    place = torch.arange(n)
    slopes = 0.5 ** torch.arange(1.0, heads + 1)
    return -slopes[:, None, None] * (place - place[:, None]).abs()


def _alibi_masked(n, heads):
    after = torch.ones(n, n, dtype=torch.bool).triu(1)
    return alibi(n, heads).masked_fill(after, -torch.inf)


def _alibi_whole(n, heads):
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) // heads)
    place = torch.arange(n)
    return -slopes[:, None, None] * (place - place[:, None]).abs()


ALIBI = Exercise(
    key="transformer.self_attention.4",
    title="A price for distance",
    minutes=8,
    dots=2,
    learn="a position can be one number for each distance, and nothing to learn",
    reference=alibi,
    inputs=_alibi_inputs,
    alternatives=[_alibi_by_loop, _alibi_by_powers],
    mistakes=[
        (
            lambda n, heads: -alibi(n, heads),
            "You add for distance; far keys would win. It is a price: take it off.",
        ),
        (
            _alibi_signed,
            "Your distances have a sign, so keys after the query cost less than "
            "nothing. Take the absolute value.",
        ),
        (
            lambda n, heads: alibi(n, heads) * 2 ** (8 / heads),
            "Your first head has the slope 1: heads are counted from 1, not from 0.",
        ),
        (
            lambda n, heads: alibi(n, heads)[:1].repeat(heads, 1, 1),
            "All heads have the same slope. Each has its own, so that some look far.",
        ),
        (
            lambda n, heads: alibi(n, heads).flip(0),
            "The slopes run the wrong way: the first head has the steepest.",
        ),
        (
            lambda n, heads: alibi(n, heads).tril(),
            "Keys after the query in the text cost nothing. Distance counts both "
            "ways; a mask is another matter.",
        ),
        (
            lambda n, heads: -_alibi_signed(n, heads),
            "Your distances have a sign, so keys before the query get a bonus. Take "
            "the absolute value.",
        ),
        (
            _alibi_masked,
            "You mask what comes after the query. That is another matter: here is only "
            "the price of distance, both ways.",
        ),
        (
            _alibi_by_halves,
            "The slopes 1/2, 1/4, … are those of eight heads. For H heads the exponent "
            "of head h is -8h/H.",
        ),
        (
            _alibi_whole,
            "Right up to 8 heads. Beyond, the exponents are fractions: do not round "
            "them.",
        ),
    ],
    hints=[
        "Slopes: `2.0 ** (-8 * torch.arange(1, heads + 1) / heads)`.",
        "Distances: places as a row minus places as a column, without sign.",
        "`slopes[:, None, None]` lines the heads up before an (n, n) table.",
    ],
)

# ------------------------------------------------------------ 5 · count before you time


def layer_costs(n: int, d: int) -> tuple[int, int]:
    """Multiplications of a self-attention layer and of an LSTM layer.

    Args:
        n: tokens.
        d: width of everything.

    Returns:
        Two whole numbers. Self-attention: the four projections (queries, keys,
        values, output), the scores, and the sum of the values; softmax left out.
        LSTM: in each step three gates and the new content, each with a d × d matrix
        for the input and one for the state; the gating itself left out.
    """
    attention = 4 * n * d * d + 2 * n * n * d
    recurrent = 8 * n * d * d
    return attention, recurrent


def _costs_inputs(generator: Generator) -> Iterator[tuple[int, int]]:
    yield from ((10, 4), (1, 1), (3, 7), (64, 64), (100, 16), (128, 64))


def _costs_by_parts(n, d):
    projections = sum(n * d * d for _ in ("query", "key", "value", "output"))
    pairs = n * n
    step = 4 * (d * d + d * d)
    return projections + pairs * d + pairs * d, n * step


def _costs_by_factor(n, d):
    return 2 * n * d * (2 * d + n), n * (2 * d) * (4 * d)


COSTS = Exercise(
    key="transformer.self_attention.5",
    title="Count before you time",
    minutes=8,
    dots=2,
    learn="n²d against nd² leaves out factors, and they move the crossover",
    reference=layer_costs,
    inputs=_costs_inputs,
    alternatives=[_costs_by_parts, _costs_by_factor],
    mistakes=[
        (
            lambda n, d: (4 * n * d * d + n * n * d, 8 * n * d * d),
            "You counted n²d once. The scores cost n²d, and so does the sum.",
        ),
        (
            lambda n, d: (3 * n * d * d + 2 * n * n * d, 8 * n * d * d),
            "Three projections make queries, keys and values; the fourth makes the "
            "output.",
        ),
        (
            lambda n, d: (2 * n * n * d, 8 * n * d * d),
            "The projections are missing: four matrices, d² for each token.",
        ),
        (
            lambda n, d: (4 * n * d * d + 2 * n * n * d, 4 * n * d * d),
            "An LSTM's gate reads the input *and* the state: two matrices each.",
        ),
        (
            lambda n, d: (4 * n * d * d + 2 * n * n * d, 2 * n * d * d),
            "You counted one gate. An LSTM has four such sums in each step.",
        ),
        (
            lambda n, d: layer_costs(n, d)[::-1],
            "Both counts are right, in the other order: self-attention first.",
        ),
    ],
    hints=[
        "A d × d matrix costs d² multiplications for each token.",
        "A score is d multiplications, and there are n² scores; the sum is as much.",
        "Eight matrices in each step of the LSTM.",
    ],
)

# ---------------------------------------------------------------- 6 · a score for heads


def copy_score(weights: Tensor, period: int) -> Tensor:
    """How much a head looks where a repeated text goes on.

    Args:
        weights: (N, N) of one head, a row a query, for a text whose symbol at place t
            is that at t - period.
        period: from 1 to N - 1.

    Returns:
        The mean weight that the queries i = period, …, N - 1 put on place
        i - period + 1: the symbol that came next, one period ago.
    """
    return weights.diagonal(1 - period)[1:].mean()


def _copy_inputs(generator: Generator) -> Iterator[tuple[Tensor, int]]:
    for n, period in ((5, 2), (4, 3), (9, 4), (3, 2), (20, 7), (4, 1)):
        yield draw(generator, (n, n))[0].mul(2).softmax(-1), period


def _copy_by_loop(weights, period):
    found = [weights[i, i - period + 1] for i in range(period, len(weights))]
    return sum(found) / len(found)


def _copy_by_index(weights, period):
    query = torch.arange(period, len(weights))
    return weights[query, query - period + 1].mean()


COPY = Exercise(
    key="transformer.self_attention.6",
    title="A score for heads",
    minutes=10,
    dots=3,
    learn="what a head does is a number, if you say where it should look",
    reference=copy_score,
    inputs=_copy_inputs,
    alternatives=[_copy_by_loop, _copy_by_index],
    mistakes=[
        (
            lambda weights, period: weights.diagonal(-period).mean(),
            "You look at the *same* symbol one period ago. What a copy needs is the "
            "one behind it.",
        ),
        (
            lambda weights, period: weights.diagonal(1 - period).mean(),
            "One row too many: the query at place period - 1 has not yet seen anything "
            "repeat.",
        ),
        (
            lambda weights, period: weights.diagonal(1 - period)[1:].sum(),
            "This is the sum. Divide by the number of queries, or long texts always "
            "win.",
        ),
        (
            lambda weights, period: weights.mT.diagonal(1 - period)[1:].mean(),
            "You read the table by columns: a row is a query.",
        ),
        (
            lambda weights, period: (
                weights.diagonal(1 - period)[1:].sum() / len(weights)
            ),
            "You divide by all N queries; only N - period of them can copy.",
        ),
        (
            lambda weights, period: weights[period:, 1 : 1 - period].diagonal().mean(),
            "Right, except for a period of 1: a slice that ends at 0 is empty.",
        ),
    ],
    hints=[
        "In row i the interesting place is i - period + 1.",
        "These places lie on one diagonal: `weights.diagonal(1 - period)`.",
        "Its first entry belongs to the query period - 1, which is one too early.",
    ],
)

EXERCISES = [SELF, HEADS, TURN, ALIBI, COSTS, COPY]
