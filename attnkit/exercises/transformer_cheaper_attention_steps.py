"""Exercises 1 to 3 of `transformer/cheaper_attention`: pieces, places, running sums."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------------- 1 · two halves, one sum

Part = tuple[Tensor, Tensor, Tensor]


def merge(one: tuple, two: tuple) -> tuple:
    """Join what two workers found about one query, each from keys of its own.

    Args:
        one, two: each (top, total, context): the largest score, the sum of
            exp(score - top), and the sum of exp(score - top) * value, not divided;
            shapes (), () and (d,).

    Returns:
        The same three for all keys together.
    """
    top = torch.maximum(one[0], two[0])
    a, b = (one[0] - top).exp(), (two[0] - top).exp()
    return top, a * one[1] + b * two[1], a * one[2] + b * two[2]


def part(scores: Tensor, values: Tensor) -> Part:
    """What one worker finds from its scores (M,) and values (M, d)."""
    powers = (scores - scores.max()).exp()
    return scores.max(), powers.sum(), powers @ values


def _merge_inputs(generator: Generator) -> Iterator[tuple[Part, Part]]:
    for left, right, size, scale in ((2, 3, 2, 1), (4, 1, 3, 3), (3, 3, 1, 2)):
        yield tuple(
            part(*(scale * x for x in draw(generator, (count,), (count, size))))
            for count in (left, right)
        )
    low, high = torch.tensor([-900.0, -901.0]), torch.tensor([500.0, 499.0])
    yield part(low, torch.ones(2, 2)), part(high, 3 * torch.ones(2, 2))
    yield part(high, torch.ones(2, 2)), part(low, 3 * torch.ones(2, 2))


def _merge_by_order(one, two):
    if one[0] < two[0]:
        one, two = two, one
    shrink = (two[0] - one[0]).exp()
    return one[0], one[1] + shrink * two[1], one[2] + shrink * two[2]


def _merge_stacked(one, two):
    tops, totals, contexts = (torch.stack(x) for x in zip(one, two, strict=True))
    factor = (tops - tops.max()).exp()
    return tops.max(), factor @ totals, factor @ contexts


def _merge_scaled(one, two, factor):
    top = torch.maximum(one[0], two[0])
    a, b = factor(one[0], top), factor(two[0], top)
    return top, a * one[1] + b * two[1], a * one[2] + b * two[2]


def _merge_plain_powers(one, two):
    top, (a, b) = torch.maximum(one[0], two[0]), (one[0].exp(), two[0].exp())
    return top, *((a * one[i] + b * two[i]) / top.exp() for i in (1, 2))


def _merge_into_second(one, two):
    top, factor = torch.maximum(one[0], two[0]), (one[0] - two[0]).exp()
    back = (two[0] - top).exp()
    return top, *(back * (factor * one[i] + two[i]) for i in (1, 2))


def _merge_totals_only(one, two):
    top, total, _ = merge(one, two)
    return top, total, one[2] + two[2]


def _merge_divided(one, two):
    top, total, context = merge(one, two)
    return top, total, context / total


MERGE = Exercise(
    key="transformer.cheaper_attention.1",
    title="Two halves, one sum",
    minutes=10,
    dots=3,
    learn="a softmax can be made in pieces, by anyone, in any order",
    reference=merge,
    inputs=_merge_inputs,
    alternatives=[_merge_by_order, _merge_stacked],
    mistakes=[
        (
            lambda one, two: _merge_scaled(one, two, lambda own, top: 1.0),
            "You add sums that were made with different maxima. Bring both to the "
            "common one first: multiply by exp(own maximum - common maximum).",
        ),
        (
            lambda one, two: _merge_scaled(
                one, two, lambda own, top: (top - own).exp()
            ),
            "The factor is upside down. The common maximum is the larger one, so each "
            "sum can only shrink: exp(own - common).",
        ),
        (
            _merge_plain_powers,
            "Right for small scores. Large ones overflow: take exp only of differences "
            "that are 0 or less.",
        ),
        (
            _merge_into_second,
            "Right while the first maximum is not much larger. If it is, your factor "
            "overflows: no exponent should be above 0.",
        ),
        (
            _merge_totals_only,
            "The totals are right. The contexts need the same factors.",
        ),
        (
            _merge_divided,
            "You have divided already. Divided contexts can no longer be joined with a "
            "third part: hand out the sum.",
        ),
        (
            lambda one, two: (one[0] + two[0], *merge(one, two)[1:]),
            "The top of all is the larger of the two tops, not their sum.",
        ),
    ],
    hints=[
        "The new top is the larger one. What becomes of exp(score - top) then?",
        "exp(s - new) = exp(s - old) * exp(old - new): one factor for a whole part.",
        "The same two factors for the totals and for the contexts.",
    ],
)

# ------------------------------------------------------------------- 2 · who sees whom


def pattern(places: int, window: int, dilation: int, everyone: int) -> Tensor:
    """The mask of a window with gaps and some global places.

    Args:
        places: N.
        window: steps on either side.
        dilation: the length of a step; 1 leaves no gaps.
        everyone: the first so many places see all and are seen by all.

    Returns:
        boolean (N, N), True where row i may look at column j.
    """
    place = torch.arange(places)
    away = (place[:, None] - place).abs()
    near = (away <= window * dilation) & (away % dilation == 0)
    known = place < everyone
    return near | known | known[:, None]


def _pattern_inputs(generator: Generator) -> Iterator[tuple[int, ...]]:
    yield from ((7, 1, 1, 0), (9, 2, 2, 1), (12, 1, 3, 2), (5, 9, 1, 0), (1, 1, 1, 1))
    yield (4, 0, 2, 1)


def _pattern_by_loop(places, window, dilation, everyone):
    out = torch.zeros(places, places, dtype=torch.bool)
    for i in range(places):
        seen = {i + dilation * s for s in range(-window, window + 1)}
        seen |= set(range(everyone)) if i >= everyone else set(range(places))
        out[i, [j for j in seen if 0 <= j < places]] = True
    return out


def _pattern_by_diagonals(places, window, dilation, everyone):
    out = torch.zeros(places, places)
    for s in range(window + 1):
        if s * dilation < places:
            line = torch.ones(places - s * dilation)
            out += torch.diag(line, s * dilation) + torch.diag(line, -s * dilation)
    out[:everyone] = 1
    out[:, :everyone] = 1
    return out > 0


def _near(places, reach, dilation):
    place = torch.arange(places)
    away = (place[:, None] - place).abs()
    return (away <= reach) & (away % dilation == 0)


PATTERN = Exercise(
    key="transformer.cheaper_attention.2",
    title="Who sees whom",
    minutes=8,
    dots=2,
    learn="a cheap pattern is a table of ones and zeros: a graph",
    reference=pattern,
    inputs=_pattern_inputs,
    alternatives=[_pattern_by_loop, _pattern_by_diagonals],
    mistakes=[
        (
            lambda n, w, r, g: _near(n, w * r, r),
            "The global places are missing: their rows and their columns are all True.",
        ),
        (
            lambda n, w, r, g: (
                _near(n, w * r, r)
                | (torch.arange(n) < g) & (torch.arange(n) < g)[:, None]
            ),
            "You let only global places see each other. Their rows *and* their columns "
            "are all True: join them with or.",
        ),
        (
            lambda n, w, r, g: _near(n, w * r, r) | (torch.arange(n) < g),
            "All see the global places. These should see all, too: their rows.",
        ),
        (
            lambda n, w, r, g: _near(n, w * r, r) | (torch.arange(n) < g)[:, None],
            "The global places see all. All should see them as well: their columns.",
        ),
        (
            lambda n, w, r, g: pattern(n, w * r, 1, g),
            "There are no gaps: only every so many-th place within reach is seen.",
        ),
        (
            lambda n, w, r, g: _near(n, w, r) | pattern(n, 1, n, g),
            "The window counts *steps*. With gaps it reaches window times dilation.",
        ),
        (
            lambda n, w, r, g: pattern(n, w, r, g).tril(),
            "You let nobody look ahead. Here a window has two sides.",
        ),
        (
            lambda n, w, r, g: pattern(n, max(1, w), r, g),
            "With a window of 0 there are no steps: each sees itself, and the global "
            "places.",
        ),
        (
            lambda n, w, r, g: _near(n, w * r - 1, r) | pattern(n, 0, 1, g),
            "The last step of the window is missing: within reach includes its end.",
        ),
        (
            lambda n, w, r, g: pattern(n, w, r, 0).triu() | pattern(n, 0, 1, g),
            "You let nobody look back. Here a window has two sides.",
        ),
    ],
    hints=[
        "`place[:, None] - place` is the table of distances.",
        "Within reach, and a multiple of the dilation.",
        "`place < everyone` as a row and as a column, joined with or.",
    ],
)

# ------------------------------------------------------------------ 3 · a running sum


def recurrent(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal linear attention, one place after the other.

    Args:
        query, key: (N, f), features, above zero.
        value: (N, d).

    Returns:
        (N, d): place i gets the values up to its own, weighted by the products
        of its query with their keys, divided by the sum of these.
    """
    state = torch.zeros(key.shape[1], value.shape[1])
    norm = torch.zeros(key.shape[1])
    found = []
    for q, k, v in zip(query, key, value, strict=True):
        state = state + torch.outer(k, v)
        norm = norm + k
        found.append(q @ state / (q @ norm))
    return torch.stack(found)


def _recurrent_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for n, f, d in ((4, 2, 3), (1, 3, 2), (9, 5, 4), (3, 1, 1)):
        query, key, value = draw(generator, (n, f), (n, f), (n, d))
        yield query.abs() + 0.1, key.abs() + 0.1, value


def _weighted(query, key, value, shift=0, least=1e-9):
    weights = (query @ key.mT).tril(shift)
    return weights @ value / weights.sum(-1, keepdim=True).clamp_min(least)


def _recurrent_by_sums(query, key, value):
    states = (key[:, :, None] * value[:, None]).cumsum(0)  # (N, f, d)
    total = (query * key.cumsum(0)).sum(-1, keepdim=True)
    return torch.einsum("nf,nfd->nd", query, states) / total


def _divided_by_all(query, key, value):
    weights = query @ key.mT
    return weights.tril() @ value / weights.sum(-1, keepdim=True)


def _by_softmax(query, key, value):
    past = torch.ones(len(query), len(query), dtype=torch.bool).tril()
    scores = (query @ key.mT).masked_fill(~past, -torch.inf)
    return scores.softmax(-1) @ value


RECURRENT = Exercise(
    key="transformer.cheaper_attention.3",
    title="Attention as a recurrent network",
    minutes=12,
    dots=3,
    learn="without softmax, all of the past fits into one table of fixed size",
    reference=recurrent,
    inputs=_recurrent_inputs,
    alternatives=[_weighted, _recurrent_by_sums],
    mistakes=[
        (
            lambda q, k, v: (q @ k.mT).tril() @ v,
            "You did not divide by the sum of the weights.",
        ),
        (
            lambda q, k, v: _weighted(q, k, v, shift=-1),
            "A place sees its own value as well: add to the state before you ask it.",
        ),
        (
            lambda q, k, v: _weighted(q, k, v, shift=-1, least=0.0),
            "NaN at the first place: you ask before anything was added. A place sees "
            "its own value, so add to the state first.",
        ),
        (
            lambda q, k, v: q @ (k.mT @ v) / (q @ k.sum(0))[:, None],
            "Every place gets the sum over all places, those that come later too.",
        ),
        (
            lambda q, k, v: (
                (q @ k.mT).tril() @ v / torch.arange(1, len(q) + 1)[:, None]
            ),
            "You divide by the number of places. Divide by the sum of their weights.",
        ),
        (
            _divided_by_all,
            "The values are those up to the place; the divisor counts later places, "
            "too.",
        ),
        (
            _by_softmax,
            "There is no softmax here: the products themselves are the weights.",
        ),
    ],
    hints=[
        "Keep two sums while you walk: of `torch.outer(k, v)`, and of `k`.",
        "Add the place's own key and value first, then ask.",
        "`q @ state` is the sum of weighted values, `q @ norm` the sum of the weights.",
    ],
)
