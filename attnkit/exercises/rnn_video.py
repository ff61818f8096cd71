"""Exercises of the chapter `rnn/video`; three of them stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.rnn_video_clips import CUT, MOVED, SIGHT

# ------------------------------------------------------------- 2 · reading the frames


def read_frames(scores: Tensor, values: Tensor, there: Tensor) -> Tensor:
    """Normalize and aggregate over the frames that are there.

    Args:
        scores: (N, T), one row per word.
        values: (T, D), one row per frame.
        there: boolean (T,), True where there is a frame.

    Returns:
        Contexts (N, D); zeros if no frame is there.
    """
    if not there.any():
        return torch.zeros(len(scores), values.shape[1])
    weights = scores.masked_fill(~there, float("-inf")).softmax(-1)  # (N, T)
    return weights @ values


def _read_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for n, t, d in ((2, 4, 3), (5, 6, 2), (1, 3, 4), (12, 16, 8)):
        scores, values = draw(generator, (n, t), (t, d))
        there = torch.rand(t, generator=generator) < 0.6
        there[:2] = torch.tensor([True, False])
        yield 2 * scores, values, there
    yield *draw(generator, (2, 3), (3, 2)), torch.zeros(3, dtype=torch.bool)
    scores = torch.tensor([[-300.0, 200, -301], [90, 0, 91]])  # the largest is missing
    yield scores, draw(generator, (3, 2))[0], torch.tensor([True, False, True])


def _read_by_parts(scores, values, there):
    kept = scores[:, there]
    if kept.shape[1] == 0:
        return values.new_zeros(scores.shape[0], values.shape[1])
    return torch.softmax(kept, 1) @ values[there]


def _read_by_powers(scores, values, there):
    known = torch.where(there, scores, -1e9)
    return _by_powers(known - known.amax(1, keepdim=True), values, there)


def _by_powers(scores, values, there):
    powers = scores.exp() * there
    return powers @ values / powers.sum(1, keepdim=True).clamp_min(1e-30)


def _read_top_of_all(scores, values, there):
    return _by_powers(scores - scores.amax(1, keepdim=True), values, there)


def _read_all(scores, values, there):
    return scores.softmax(-1) @ values


def _read_after(scores, values, there):
    return (scores.softmax(-1) * there) @ values


def _read_empty(scores, values, there):
    return scores.masked_fill(~there, -1e9).softmax(-1) @ values


def _read_inside_out(scores, values, there):
    return _read_by_parts(scores, values, ~there)


def _read_down(scores, values, there):
    return (scores.softmax(0) * there) @ values


def _read_mean(scores, values, there):
    mean = (values * there[:, None]).sum(0) / max(1, int(there.sum()))
    return mean.expand(len(scores), -1).clone()


READ = Exercise(
    key="rnn.video.2",
    title="Reading the frames",
    minutes=10,
    dots=2,
    learn="frames are masked before the softmax, and no frame at all gives zeros",
    reference=read_frames,
    inputs=_read_inputs,
    alternatives=[_read_by_parts, _read_by_powers],
    mistakes=[
        (_read_all, "Frames that are not there are read. `there` is not used."),
        (
            _read_after,
            "You mask after the softmax: the frames that are not there took their "
            "share, and a row of weights no longer adds up to 1.",
        ),
        (
            _read_empty,
            "Right, except for a clip without any frame: there your weights are even, "
            "and a context is read out of nothing. It should be zero.",
        ),
        (
            _by_powers,
            "Right for small scores. exp of a large one is infinite, and where all are "
            "very low every power is 0.",
        ),
        (
            _read_top_of_all,
            "You take away the largest score of all frames. If that frame is not "
            "there, the powers of the others may all be 0.",
        ),
        (
            _read_inside_out,
            "Inside out: you read the frames that are *not* there.",
        ),
        (
            _read_down,
            "Softmax runs over the words. The shares of one *word* over the frames add "
            "up to 1.",
        ),
        (
            _read_mean,
            "This is the mean of the frames, the same for every word: the scores are "
            "not used.",
        ),
    ],
    hints=[
        "A score of minus infinity becomes a weight of zero.",
        "Softmax of a row that is minus infinity everywhere is NaN: look at this case "
        "first.",
    ],
)


# ------------------------------------------------------------ 4 · mass on the truth


def truth_mass(weights: Tensor, truth: Tensor) -> float:
    """How much of a look goes to the frames that show the word.

    Args:
        weights: (L, T), one row per word.
        truth: boolean (L, T), True for the frames that show the word. A row without
            any True ("then", the end) has no right answer and is left out.

    Returns:
        The mean over the words that have one, from 0 to 1.
    """
    counted = truth.any(-1)  # (L,)
    mass = (weights * truth).sum(-1)  # (L,)
    return mass[counted].mean().item()


def _mass_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for length, t, share in ((6, 5, 0.3), (4, 8, 0.4), (12, 16, 0.15)):
        truth = torch.rand(length, t, generator=generator) < share
        truth[0], truth[1, :2], truth[2, 1:3] = False, True, True
        scores = draw(generator, (length, t))[0]
        yield (scores + 1.5 * truth).softmax(-1), truth
    yield torch.tensor([[0.25, 0.75]]), torch.tensor([[True, False]])


def _mass_by_loop(weights, truth):
    rows = [
        float(row[frames].sum())
        for row, frames in zip(weights, truth, strict=True)
        if frames.any()
    ]
    return sum(rows) / len(rows)


def _mass_by_total(weights, truth):
    return (weights.masked_fill(~truth, 0).sum() / truth.any(1).sum()).item()


MASS = Exercise(
    key="rnn.video.4",
    title="Mass on the truth",
    minutes=8,
    dots=2,
    learn="pointing looks at the largest weight only; mass counts the whole look",
    reference=truth_mass,
    inputs=_mass_inputs,
    alternatives=[_mass_by_loop, _mass_by_total],
    mistakes=[
        (
            lambda w, t: (w * t).sum(-1).mean().item(),
            "You divide by all words. A word without true frames can have no mass on "
            "them: leave it out.",
        ),
        (
            lambda w, t: (w * t).amax(-1)[t.any(-1)].mean().item(),
            "This takes the best true frame only. A word may be shown by several: add "
            "up their weights.",
        ),
        (
            lambda w, t: (
                t.gather(-1, w.argmax(-1)[:, None])[t.any(-1)].float().mean().item()
            ),
            "This is the pointing accuracy: it asks where the largest weight lies. "
            "Asked is how much weight lies on the true frames.",
        ),
        (
            lambda w, t: (
                ((w * t).sum(-1) / t.sum(-1).clamp(min=1))[t.any(-1)].mean().item()
            ),
            "You divide by the number of true frames. Two frames that share a weight "
            "of 1 hold all of it.",
        ),
        (
            lambda w, t: t.float().mean(-1)[t.any(-1)].mean().item(),
            "This is what even weights would get: the chance level. Your weights are "
            "not used.",
        ),
        (
            lambda w, t: float((w * t).sum()),
            "This is a sum over the words. Divide by the number of words that count.",
        ),
    ],
    hints=[
        "`weights * truth` keeps the weights on true frames and makes the others zero.",
        "Add up each row, and take the mean over the rows with `truth.any(-1)`.",
    ],
)


# ------------------------------------------------------------- 6 · hide the answer


def look_away(weights: Tensor, hidden: Tensor) -> Tensor:
    """The same look, if some frames could not be seen.

    Args:
        weights: (L, T), rows that add up to 1, no weight is zero.
        hidden: boolean (L, T), True for the frames that a word must not look at.

    Returns:
        (L, T): zero on the hidden frames; the others keep their proportions and add
        up to 1. A row with all frames hidden is zero.
    """
    rest = weights * ~hidden
    total = rest.sum(-1, keepdim=True)  # (L, 1)
    return rest / total.where(total > 0, 1.0)


def _away_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for length, t in ((3, 4), (6, 5), (12, 16)):
        hidden = torch.rand(length, t, generator=generator) < 0.4
        hidden[0], hidden[1], hidden[2, :2] = False, True, torch.tensor([True, False])
        yield (2 * draw(generator, (length, t))[0]).softmax(-1), hidden


def _away_by_loop(weights, hidden):
    out = torch.zeros_like(weights)
    for row, (look, closed) in enumerate(zip(weights, hidden, strict=True)):
        if not closed.all():
            out[row, ~closed] = look[~closed] / look[~closed].sum()
    return out


def _away_by_scores(weights, hidden):
    scores = weights.log().masked_fill(hidden, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0)


AWAY = Exercise(
    key="rnn.video.6",
    title="Hide the answer",
    minutes=12,
    dots=3,
    learn="whether a look is needed shows when it is taken away",
    reference=look_away,
    inputs=_away_inputs,
    alternatives=[_away_by_loop, _away_by_scores],
    mistakes=[
        (
            lambda w, h: w * ~h,
            "The rows no longer add up to 1: the model would see a *dimmer* clip. That "
            "is another change than a hidden frame.",
        ),
        (
            lambda w, h: (w * ~h) / (w * ~h).sum(-1, keepdim=True),
            "Right, except where all frames are hidden: zero divided by zero.",
        ),
        (
            lambda w, h: _away_by_loop(w, ~h),
            "Inside out: you kept the hidden frames.",
        ),
        (
            lambda w, h: (~h).float() / (~h).sum(-1, keepdim=True).clamp(min=1),
            "The frames that are left are read evenly. They should keep their "
            "proportions.",
        ),
        (
            lambda w, h: (w * ~h).softmax(-1) * ~h,
            "A second softmax over weights flattens them. Divide by the sum instead.",
        ),
        (
            lambda w, h: (w * ~h) / (w * ~h).sum().clamp(min=1e-30),
            "You divide by the sum of the whole table. Each *row* adds up to 1.",
        ),
    ],
    hints=[
        "Set the hidden weights to zero first.",
        "What is left of a row is too small by one factor, the same for all its "
        "frames.",
        "Where nothing is left the factor would be 1 / 0: take 1 there.",
    ],
)

EXERCISES = [MOVED, READ, SIGHT, MASS, CUT, AWAY]
