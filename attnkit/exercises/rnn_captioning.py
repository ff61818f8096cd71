"""Exercises of the chapter `rnn/captioning`; numbers 3 to 5 stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.rnn_captioning_losses import BASELINE, COVERAGE, REWARD

# ---------------------------------------------------- 1 · an image becomes a sequence


def cut(image: Tensor, rows: int, columns: int) -> Tensor:
    """An image as a sequence of regions.

    Args:
        image: (C, Y, X); Y is a multiple of rows, X one of columns.
        rows: how many regions one below the other.
        columns: how many side by side.

    Returns:
        (M, C, Y / rows, X / columns) with M = rows * columns; the regions come row
        by row, from left to right.
    """
    channels, y, x = image.shape
    high, wide = y // rows, x // columns
    parts = image.reshape(channels, rows, high, columns, wide)
    return parts.permute(1, 3, 0, 2, 4).reshape(-1, channels, high, wide)


def _cut_inputs(generator: Generator) -> Iterator[tuple[Tensor, int, int]]:
    for c, y, x, rows, columns in (
        (3, 4, 6, 2, 3), (1, 6, 4, 3, 2), (2, 8, 8, 2, 2), (3, 6, 12, 1, 4)
    ):  # fmt: skip
        yield draw(generator, (c, y, x))[0], rows, columns


def _cut_by_loops(image, rows, columns):
    high, wide = image.shape[1] // rows, image.shape[2] // columns
    return torch.stack(
        [
            image[:, r * high : (r + 1) * high, c * wide : (c + 1) * wide]
            for r in range(rows)
            for c in range(columns)
        ]
    )


def _cut_by_unfold(image, rows, columns):
    high, wide = image.shape[1] // rows, image.shape[2] // columns
    parts = image.unfold(1, high, high).unfold(2, wide, wide)  # (C, r, c, high, wide)
    return parts.flatten(1, 2).transpose(0, 1)


def _cut_down_first(image, rows, columns):
    whole = _cut_by_loops(image, rows, columns)
    turned = whole.reshape(rows, columns, *whole.shape[1:]).transpose(0, 1)
    return turned.reshape(whole.shape)


CUT = Exercise(
    key="rnn.captioning.1",
    title="An image becomes a sequence",
    minutes=10,
    dots=2,
    learn="a grid read row by row is a sequence, and attention asks for no more",
    reference=cut,
    inputs=_cut_inputs,
    alternatives=[_cut_by_loops, _cut_by_unfold],
    mistakes=[
        (
            _cut_down_first,
            "Your regions come column by column. They come row by row: first all of "
            "the top row, from left to right.",
        ),
        (
            lambda i, r, c: i.reshape(
                r * c, i.shape[0], i.shape[1] // r, i.shape[2] // c
            ),
            "`reshape` alone keeps the order of the numbers in memory, and a region "
            "is not one stretch of memory. Split both axes, permute, then join.",
        ),
        (
            lambda i, r, c: _cut_by_loops(i, r, c).transpose(0, 1),
            "Right pieces, but the channels come first. One entry per region: the "
            "axis of the regions goes to the front.",
        ),
        (
            lambda i, r, c: _cut_by_loops(i, r, c).flip(0),
            "From the last region to the first. Begin at the top left.",
        ),
        (
            lambda i, r, c: _cut_by_loops(i, r, c).mean((2, 3)),
            "You average the pixels of a region. Keep them all.",
        ),
        (
            lambda i, r, c: _cut_by_loops(i, r, c).transpose(2, 3),
            "The pixels of each region are turned: its rows stand where its columns "
            "should.",
        ),
    ],
    hints=[
        "With loops: region (r, c) is "
        "`image[:, r*high:(r+1)*high, c*wide:(c+1)*wide]`.",
        "Without: `image.reshape(C, rows, high, columns, wide)` has an axis for each "
        "part.",
        "Bring rows and columns to the front with `permute(1, 3, 0, 2, 4)`, then "
        "join them.",
    ],
)

# -------------------------------------------------------- 2 · how spread is a look


def mean_entropy(weights: Tensor, chosen: Tensor) -> float:
    """The mean entropy of the looks of some words.

    Args:
        weights: (T, M); rows sum to 1, and some weights may be exactly 0.
        chosen: boolean (T,), the words to look at, at least one.

    Returns:
        The mean over the chosen rows of -sum of a ln a, in nats; 0 ln 0 is 0.
    """
    logs = weights.clamp_min(1e-30).log()  # finite, and 0 times finite is 0
    each = -(weights * logs).sum(-1)  # (T,)
    return each[chosen].mean().item()


def _entropy_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for t, m in ((4, 3), (6, 16), (9, 5)):
        weights = (2 * draw(generator, (t, m))[0]).softmax(-1)
        weights[0] = torch.eye(m)[0]
        chosen = torch.rand(t, generator=generator) < 0.5
        chosen[0], chosen[1], chosen[2] = True, False, True
        yield weights, chosen


def _entropy_by_loops(weights, chosen):
    found = []
    for row, wanted in zip(weights, chosen, strict=True):
        if wanted:
            seen = row[row > 0]
            found.append(-(seen * seen.log()).sum())
    return float(sum(found) / len(found))


def _entropy_by_entr(weights, chosen):
    return torch.special.entr(weights[chosen]).sum(-1).mean().item()


ENTROPY = Exercise(
    key="rnn.captioning.2",
    title="How spread is a look?",
    minutes=8,
    dots=2,
    learn="entropy tells a sharp look from a look at everything; mind the zeros",
    reference=mean_entropy,
    inputs=_entropy_inputs,
    alternatives=[_entropy_by_loops, _entropy_by_entr],
    mistakes=[
        (
            lambda w, c: (-(w * w.log()).sum(-1))[c].mean().item(),
            "A weight of exactly 0 gives 0 times minus infinity, and that is nan. "
            "Keep the logarithm finite, or leave the zeros out.",
        ),
        (
            lambda w, c: torch.special.entr(w).sum(-1).mean().item(),
            "You average over all words. Only the chosen ones are asked for.",
        ),
        (
            lambda w, c: -torch.special.entr(w[c]).sum(-1).mean().item(),
            "The sign is turned: an entropy is never negative.",
        ),
        (
            lambda w, c: torch.special.entr(w[c]).mean().item(),
            "You average over the regions as well. An entropy is a *sum* over them.",
        ),
        (
            lambda w, c: (
                (torch.special.entr(w[c]).sum(-1) / torch.tensor(2.0).log())
                .mean()
                .item()
            ),
            "These are bits: the logarithm is to base 2. Asked are nats, the natural "
            "logarithm.",
        ),
        (
            lambda w, c: torch.special.entr(w[c].mean(0)).sum().item(),
            "You average the looks and take the entropy of that. Two sharp looks at "
            "two places would count as spread. First the entropy, then the mean.",
        ),
    ],
    hints=[
        "One number per row: `-(weights * log).sum(-1)`.",
        "`clamp_min(1e-30)` before the logarithm keeps it finite where the weight is "
        "0.",
        "Then take the rows that are chosen, and their mean.",
    ],
)

# ------------------------------------------------------------ 6 · a verdict on mistakes


def verdict(right: Tensor, content: Tensor, points: Tensor) -> Tensor:
    """Sort captions by their first wrong word.

    Args:
        right: boolean (n, T), whether each word is right.
        content: boolean (n, T), whether it names a colour or a shape.
        points: boolean (n, T), whether the largest weight lay on its true region.

    Returns:
        Four whole numbers: captions without a mistake; captions whose first wrong
        word is no colour or shape; those whose first wrong word is one and the model
        looked elsewhere; those where it looked at the true region and misread it.
    """
    first = (~right).float().argmax(1, keepdim=True)  # (n, 1)
    wrong = ~right.all(1)  # (n,)
    named = content.gather(1, first)[:, 0] & wrong
    looked = points.gather(1, first)[:, 0] & named
    counts = (~wrong, wrong & ~named, named & ~looked, looked)
    return torch.stack([part.sum() for part in counts])


def _verdict_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for n, t in ((60, 5), (300, 9), (40, 3)):
        right = torch.rand(n, t, generator=generator) < 0.75
        right[:5] = True
        content = torch.rand(n, t, generator=generator) < 0.6
        points = (torch.rand(n, t, generator=generator) < 0.7) & content
        points[-4:] = True  # the weights of other words may lie anywhere
        yield right, content, points


def _verdict_by_loops(right, content, points):
    counts = [0, 0, 0, 0]
    for r, c, p in zip(right.tolist(), content.tolist(), points.tolist(), strict=True):
        if all(r):
            counts[0] += 1
            continue
        t = r.index(False)
        counts[3 if c[t] and p[t] else 2 if c[t] else 1] += 1
    return torch.tensor(counts)


def _verdict_by_counting(right, content, points):
    first = (~right) & ((~right).long().cumsum(1) == 1)  # one True per wrong caption
    other = (first & ~content).sum()
    away = (first & content & ~points).sum()
    misread = (first & content & points).sum()
    return torch.stack([right.all(1).sum(), other, away, misread])


def _verdict_any_word(right, content, points):
    wrong = ~right
    named = (wrong & content).any(1)
    away = (wrong & content & ~points).any(1)
    counts = (right.all(1), wrong.any(1) & ~named, away, named & ~away)
    return torch.stack([part.sum() for part in counts])


VERDICT = Exercise(
    key="rnn.captioning.6",
    title="A verdict on mistakes",
    minutes=15,
    dots=3,
    learn="a map tells two kinds of mistakes apart: not looked, and looked but misread",
    reference=verdict,
    inputs=_verdict_inputs,
    alternatives=[_verdict_by_loops, _verdict_by_counting],
    mistakes=[
        (
            _verdict_any_word,
            "You use any wrong word of a caption. Later mistakes may follow from the "
            "first one: judge by the first alone.",
        ),
        (
            lambda r, c, p: _verdict_by_loops(r.flip(1), c.flip(1), p.flip(1)),
            "You judge by the *last* wrong word. The first one comes before all its "
            "consequences.",
        ),
        (
            lambda r, c, p: _verdict_by_loops(r, c, p)[[0, 1, 3, 2]],
            "The last two are swapped: first those that looked elsewhere, then those "
            "that looked right and misread.",
        ),
        (
            lambda r, c, p: _verdict_by_loops(r, torch.ones_like(c), p),
            "Words like *a* and *of* have no true region, so nobody can say that the "
            "model looked elsewhere. They are a class of their own.",
        ),
        (
            lambda r, c, p: torch.stack(
                [r.all(1).sum(), (~r & ~c).sum(), (~r & c & ~p).sum(), (~r & p).sum()]
            ),
            "You count words. Count captions: each once, by its first wrong word.",
        ),
        (
            lambda r, c, p: _verdict_by_loops(r, c, p) / len(r),
            "These are shares. Asked are counts, as whole numbers.",
        ),
    ],
    hints=[
        "With loops: `row.index(False)` is the place of the first wrong word.",
        "Without: `(~right).float().argmax(1)` finds the first True of `~right`, and 0 "
        "where there is none, so keep `right.all(1)` beside it.",
        "`content.gather(1, first[:, None])` reads one entry per caption.",
    ],
)

EXERCISES = [CUT, ENTROPY, COVERAGE, REWARD, BASELINE, VERDICT]
