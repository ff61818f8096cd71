"""Exercises of the chapter `rnn/bottleneck`; the first three stand beside it."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.rnn_bottleneck_gates import KEEP
from attnkit.exercises.rnn_bottleneck_steps import GRU, WRITE

# ------------------------------------------------------- 4 · which characters get lost


def recall_by_place(right: Tensor, alignment: Tensor) -> Tensor:
    """For each source position, how many of the symbols it gives rise to are right.

    Args:
        right: boolean (B, T); whether target symbol t of text b was written right.
        alignment: boolean (B, T, S); True where it comes from source position s. A
            symbol may come from several positions, or (a comma) from none.

    Returns:
        Shares (S,), from 0 to 1; 0 for a position that no symbol comes from.
    """
    hits = (alignment & right[..., None]).sum(dim=(0, 1))  # (S,)
    count = alignment.sum(dim=(0, 1))  # (S,)
    return hits / count.clamp(min=1)


def _recall_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for b, t, s in ((3, 4, 5), (1, 6, 2), (8, 5, 7)):
        right = torch.rand(b, t, generator=generator) < 0.6
        alignment = torch.rand(b, t, s, generator=generator) < 0.4
        alignment[..., -1] = False
        alignment[:, -1] = False
        alignment[0, 0] = True
        yield right, alignment
    yield torch.tensor([[True]]), torch.tensor([[[True, False]]])


def _recall_by_loops(right, alignment):
    found = []
    for s in range(alignment.shape[2]):
        mine = right[alignment[:, :, s]]
        found.append(mine.float().mean() if len(mine) else torch.tensor(0.0))
    return torch.stack(found)


def _recall_by_einsum(right, alignment):
    hits = torch.einsum("bt,bts->s", right.float(), alignment.float())
    return torch.nan_to_num(hits / alignment.float().flatten(0, 1).sum(0))


def _recall_of_all(right, alignment):
    return (alignment & right[..., None]).float().mean((0, 1))


def _recall_share_of_right(right, alignment):
    hits = (alignment & right[..., None]).sum((0, 1))
    return hits / right.sum().clamp(min=1)


def _recall_any(right, alignment):
    count = alignment.any(1).sum(0)
    return (alignment & right[..., None]).any(1).sum(0) / count.clamp(min=1)


def _recall_by_step(right, alignment):
    known = alignment.any(-1)
    return (right & known).sum(0) / known.sum(0).clamp(min=1)


def _recall_wrong(right, alignment):
    hits = (alignment & ~right[..., None]).sum((0, 1))
    return hits / alignment.sum((0, 1)).clamp(min=1)


RECALL = Exercise(
    key="rnn.bottleneck.4",
    title="Which characters get lost?",
    minutes=12,
    dots=3,
    learn="an alignment turns errors of the target into losses of the source",
    reference=recall_by_place,
    inputs=_recall_inputs,
    alternatives=[_recall_by_loops, _recall_by_einsum],
    mistakes=[
        (
            _recall_of_all,
            "You divide by all target symbols. Only those that come from position s "
            "count for it.",
        ),
        (
            _recall_share_of_right,
            "You divide by the number of right symbols. Divide by the symbols that "
            "come from position s.",
        ),
        (
            _recall_any,
            "You ask whether *any* symbol of a text is right. Count every symbol "
            "that comes from the position.",
        ),
        (
            _recall_by_step,
            "This is the share by target step. Asked is one number for each *source* "
            "position.",
        ),
        (_recall_wrong, "You count what is wrong. Asked is the share that is right."),
    ],
    hints=[
        "`alignment & right[..., None]` is True where a right symbol comes from s.",
        "Sum it over texts and steps, and divide by the same sum of `alignment`.",
        "`.clamp(min=1)` keeps a position without symbols from dividing by zero.",
    ],
)


# --------------------------------------------------------------- 5 · is the gap real?


def parted(one: Tensor, other: Tensor) -> Tensor:
    """Where two bands over several runs do not touch.

    Args:
        one: (R, N), accuracy of R runs at N lengths.
        other: (Q, N), the same for another model; perhaps another number of runs.

    Returns:
        Boolean (N,): True where *every* run of `one` lies above *every* run of
        `other`.
    """
    return one.min(dim=0).values > other.max(dim=0).values


def _parted_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for r, q, n in ((3, 3, 12), (2, 5, 9), (1, 1, 6), (5, 3, 30)):
        fall = torch.linspace(1, 0.2, n)
        noise = 0.15 * torch.randn(r + q, n, generator=generator)
        yield 0.75 + 0.3 * noise[:r], fall + noise[r:]
    runs = torch.tensor([[1.0, 0.9, 0.5], [1.0, 0.8, 0.2]])
    yield runs, torch.tensor([[1.0, 0.7, 0.1], [0.9, 0.6, 0.4]])


def _parted_by_pairs(one, other):
    return (one[:, None] > other[None]).all(0).all(0)


def _parted_by_sort(one, other):
    return one.sort(0).values[0].gt(other.sort(0, descending=True).values[0])


def _parted_by_runs(one, other):
    size = min(len(one), len(other))
    return (one[:size] > other[:size]).all(0)


PARTED = Exercise(
    key="rnn.bottleneck.5",
    title="Is the gap real?",
    minutes=8,
    dots=2,
    learn="two means always differ; a gap is worth naming where the bands part",
    reference=parted,
    inputs=_parted_inputs,
    alternatives=[_parted_by_pairs, _parted_by_sort],
    mistakes=[
        (
            lambda a, b: a.mean(0) > b.mean(0),
            "You compare the means. They nearly always differ: compare the edges of "
            "the bands.",
        ),
        (
            lambda a, b: a.max(0).values > b.max(0).values,
            "You compare the best run with the best run. The *worst* of `one` must "
            "lie above the best of `other`.",
        ),
        (
            lambda a, b: a.max(0).values > b.min(0).values,
            "Too easy: the best of one against the worst of the other. The bands may "
            "still lie over each other.",
        ),
        (
            _parted_by_runs,
            "You compare run with run. The runs are no pairs: every one must lie "
            "above every one.",
        ),
        (
            lambda a, b: b.min(0).values > a.max(0).values,
            "The wrong way round: `one` is asked to lie above `other`.",
        ),
    ],
    hints=[
        "The lower edge of a band is the minimum over the runs, axis 0.",
        "The upper edge of the other band is a maximum. Compare edge with edge; "
        "`.values` of `min` and `max` are the numbers.",
    ],
)


# ------------------------------------------------------- 6 · where it falls below half


def falls_below(lengths: Tensor, accuracy: Tensor, limit: float) -> float:
    """The length at which a curve first crosses a limit, between measured points.

    Args:
        lengths: (N,), rising.
        accuracy: (N,); above the limit at first, below it somewhere later.
        limit: the height to cross.

    Returns:
        The length at which the straight line between the last point above and the
        first point below the limit has exactly this height.
    """
    after = int((accuracy < limit).nonzero()[0])
    before = after - 1
    share = (accuracy[before] - limit) / (accuracy[before] - accuracy[after])
    return float(lengths[before] + share * (lengths[after] - lengths[before]))


def _fall_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor, float]]:
    for n, limit in ((6, 0.5), (12, 0.4), (9, 0.7)):
        lengths = torch.arange(2.0, 2 * n + 1, 2)
        wave = 0.04 * torch.rand(n, generator=generator)
        yield lengths, torch.linspace(1, 0.15, n) + wave, limit
    lengths = torch.tensor([1.0, 4, 10, 12, 20])
    yield lengths, torch.tensor([0.9, 0.7, 0.3, 0.6, 0.2]), 0.5


def _fall_by_loop(lengths, accuracy, limit):
    points = list(zip(lengths.tolist(), accuracy.tolist(), strict=True))
    for (x0, y0), (x1, y1) in pairwise(points):
        if y1 < limit:
            return x0 + (y0 - limit) * (x1 - x0) / (y0 - y1)
    raise AssertionError


def _fall_by_lerp(lengths, accuracy, limit):
    i = int((accuracy < limit).int().argmax())
    rise = (limit - accuracy[i]) / (accuracy[i - 1] - accuracy[i])
    return torch.lerp(lengths[i], lengths[i - 1], rise).item()


def _fall_last(lengths, accuracy, limit):
    i = int((accuracy >= limit).nonzero()[-1])
    share = (accuracy[i] - limit) / (accuracy[i] - accuracy[i + 1])
    return float(lengths[i] + share * (lengths[i + 1] - lengths[i]))


def _fall_mirrored(lengths, accuracy, limit):
    i = int((accuracy < limit).nonzero()[0])
    share = (accuracy[i - 1] - limit) / (accuracy[i - 1] - accuracy[i])
    return float(lengths[i] - share * (lengths[i] - lengths[i - 1]))


FALL = Exercise(
    key="rnn.bottleneck.6",
    title="Where it falls below half",
    minutes=10,
    dots=3,
    learn="one honest number says how long a text a vector can carry",
    reference=falls_below,
    inputs=_fall_inputs,
    alternatives=[_fall_by_loop, _fall_by_lerp],
    mistakes=[
        (
            lambda x, y, limit: float(x[(y < limit).nonzero()[0, 0]]),
            "This is the first measured point below the limit. The line crosses it "
            "before: go between the two points.",
        ),
        (
            lambda x, y, limit: float(x[(y < limit).nonzero()[0, 0] - 1]),
            "This is the last measured point above the limit. The line crosses it "
            "later: go between the two points.",
        ),
        (
            _fall_mirrored,
            "The share is taken from the wrong end: start at the point above the "
            "limit.",
        ),
        (
            _fall_last,
            "The curve may come up once more. Asked is the *first* crossing.",
        ),
        (
            lambda x, y, limit: float((y < limit).nonzero()[0, 0]),
            "This is the number of the point, not its length.",
        ),
    ],
    hints=[
        "`(accuracy < limit).nonzero()[0]` is the first point below.",
        "How far down from the point before it to this point is the limit? A share "
        "from 0 to 1.",
        "The same share of the way between the two lengths.",
    ],
)

EXERCISES = [GRU, WRITE, KEEP, RECALL, PARTED, FALL]
