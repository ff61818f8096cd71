"""Exercises of the chapter `rnn/alignment`; four of them stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.rnn_alignment_beams import BEAM
from attnkit.exercises.rnn_alignment_scores import ADDITIVE, PADDED, SPLIT

# ------------------------------------------------------------- 4 · a window that moves


def window_mask(steps: int, places: int, reach: int) -> Tensor:
    """The mask of local-m attention.

    Args:
        steps: number of target steps, N.
        places: number of source positions, M.
        reach: step t sees the positions at a distance of at most `reach` from t.

    Returns:
        Boolean (N, M); True = may attend. Steps and positions count from 0.
    """
    step = torch.arange(steps)[:, None]  # (N, 1)
    place = torch.arange(places)  # (M,)
    return (step - place).abs() <= reach


def _window_inputs(generator: Generator) -> Iterator[tuple[int, int, int]]:
    yield from ((5, 7, 1), (3, 3, 2), (8, 4, 2), (1, 1, 1), (6, 6, 3), (20, 30, 4))
    yield (4, 5, 0)


def _window_by_loops(steps, places, reach):
    mask = torch.zeros(steps, places, dtype=torch.bool)
    for t in range(steps):
        mask[t, max(0, t - reach) : t + reach + 1] = True
    return mask


def _window_by_triangles(steps, places, reach):
    full = torch.ones(steps, places, dtype=torch.bool)
    return full.triu(-reach) & full.tril(reach)


WINDOW = Exercise(
    key="rnn.alignment.4",
    title="A window that moves",
    minutes=8,
    dots=2,
    learn="local attention is global attention under a band mask",
    reference=window_mask,
    inputs=_window_inputs,
    alternatives=[_window_by_loops, _window_by_triangles],
    mistakes=[
        (
            lambda n, m, r: _window_by_loops(n, m, r - 1),
            "The window is one too small on each side: a distance of exactly `reach` "
            "is still seen.",
        ),
        (
            lambda n, m, r: ~_window_by_loops(n, m, r),
            "Inside out. In this book True means may attend.",
        ),
        (
            lambda n, m, r: _window_by_loops(n, m, r).tril(),
            "You look back only. The window reaches to both sides of t.",
        ),
        (
            lambda n, m, r: _window_by_loops(n, m, r).triu(),
            "You look ahead only. The window reaches to both sides of t.",
        ),
        (
            lambda n, m, r: _window_by_loops(m, n, r),
            "Turned on its side: one row per target step, one column per position.",
        ),
        (
            lambda n, m, r: _window_by_loops(n, m, r).float(),
            "Right places, but numbers. A mask is boolean: True and False.",
        ),
        (
            lambda n, m, r: _window_by_loops(n, m, max(1, r)),
            "With a reach of 0 a step sees the position of its own number, no more.",
        ),
        (
            lambda n, m, r: torch.ones(n, m, dtype=torch.bool).triu(-r),
            "Everything ahead of t is seen: t minus a later place is negative, and so "
            "below `reach`. A distance has no sign.",
        ),
        (
            lambda n, m, r: torch.ones(n, m, dtype=torch.bool).tril(r),
            "Everything behind t is seen: an earlier place minus t is negative, and so "
            "below `reach`. A distance has no sign.",
        ),
        (
            lambda n, m, r: _window_by_loops(n + 1, m, r)[1:],
            "The steps begin at 1 and the positions at 0. Both count from 0.",
        ),
        (
            lambda n, m, r: _window_by_loops(n, m + 1, r)[:, 1:],
            "The positions begin at 1 and the steps at 0. Both count from 0.",
        ),
    ],
    hints=[
        "Number the steps down and the positions across: (N, 1) and (M,).",
        "Their difference is an (N, M) table of distances. Which are small enough?",
    ],
)


# ---------------------------------------------------- 5 · does it point at the truth?


def pointing_accuracy(weights: Tensor, truth: Tensor) -> float:
    """How often the largest weight sits on a true source position.

    Args:
        weights: (T, S), one row per target symbol.
        truth: boolean (T, S); True where the symbol comes from. A row without any
            True (punctuation, the end sign) has no right answer and is left out.

    Returns:
        The share, from 0 to 1, of the rows that have a right answer.
    """
    counted = truth.any(dim=-1)  # (T,)
    top = weights.argmax(dim=-1)  # (T,)
    hit = truth.gather(-1, top[:, None]).squeeze(-1)  # (T,)
    return hit[counted].float().mean().item()


def _pointing_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for t, s, p in ((6, 5, 0.3), (9, 4, 0.25), (4, 8, 0.4), (40, 12, 0.2)):
        truth = torch.rand(t, s, generator=generator) < p
        truth[0], truth[1] = False, False
        truth[2] = True
        scores = draw(generator, (t, s))[0]
        yield (scores + 1.2 * truth).softmax(-1), truth
    yield torch.tensor([[1.0]]), torch.tensor([[True]])


def _pointing_by_loop(weights, truth):
    hits = [
        bool(wanted[row.argmax()])
        for row, wanted in zip(weights, truth, strict=True)
        if wanted.any()
    ]
    return sum(hits) / len(hits)


def _pointing_by_best(weights, truth):
    inside = weights.masked_fill(~truth, -1).amax(-1)
    rows = truth.sum(-1) > 0
    return ((inside == weights.amax(-1)) & rows).sum().item() / rows.sum().item()


POINTING = Exercise(
    key="rnn.alignment.5",
    title="Does it point at the truth?",
    minutes=10,
    dots=3,
    learn="a heat map is a picture; a share of hits against a known truth is a result",
    reference=pointing_accuracy,
    inputs=_pointing_inputs,
    alternatives=[_pointing_by_loop, _pointing_by_best],
    mistakes=[
        (
            lambda w, t: t.gather(-1, w.argmax(-1)[:, None]).float().mean().item(),
            "You divide by all rows. A row without a right answer can never hit: "
            "leave it out.",
        ),
        (
            lambda w, t: (w * t).sum(-1)[t.any(-1)].mean().item(),
            "This is the mean weight on the truth, a good number too. Asked is how "
            "often the largest weight sits there.",
        ),
        (
            lambda w, t: (
                (w.argmax(-1) == t.float().argmax(-1))[t.any(-1)].float().mean().item()
            ),
            "You compare with the first true position only. A symbol may come from "
            "several: any of them is a hit.",
        ),
        (
            lambda w, t: (
                t.gather(0, w.argmax(0)[None])[0][t.any(0)].float().mean().item()
            ),
            "You look along the wrong axis: a row is a target symbol, and its largest "
            "weight is searched among the columns.",
        ),
        (
            lambda w, t: float(
                t.gather(-1, w.argmax(-1)[:, None])[:, 0][t.any(-1)].sum()
            ),
            "This is the number of hits. Divide by the number of rows that count.",
        ),
        (
            lambda w, t: 100 * _pointing_by_loop(w, t),
            "This is in percent. Asked is the share, from 0 to 1.",
        ),
    ],
    hints=[
        "`weights.argmax(dim=-1)` gives one position per row. Is `truth` True there?",
        "`truth.gather(-1, top[:, None])` reads one entry per row; a loop over rows "
        "is fine as well.",
        "`truth.any(dim=-1)` says which rows count.",
    ],
)


EXERCISES = [ADDITIVE, PADDED, SPLIT, WINDOW, POINTING, BEAM]
