"""Exercise 3 of the chapter `rnn/bottleneck`: the gates."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------- 3 · what the gates leave over


def gate_weights(keep: Tensor, write: Tensor) -> Tensor:
    """How much of what each step wrote is left in the state after the last step.

    Args:
        keep: (S, D), the share of the old state that step j keeps.
        write: (S, D), how strongly step j writes its candidate.

    Returns:
        Weights (S, D): a_j = write_j times keep of all *later* steps, so that the
        state is the sum of a_j times candidate_j.
    """
    survives = torch.ones_like(write)
    for j in range(len(keep) - 2, -1, -1):
        survives[j] = survives[j + 1] * keep[j + 1]
    return write * survives


def _keep_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for shape in ((4, 3), (1, 2), (2, 1), (9, 5)):
        keep, write = draw(generator, shape, shape)
        yield keep.sigmoid(), write.sigmoid()
    shut = torch.full((3, 2), 0.5)
    shut[1, 0] = 0.0
    yield shut, torch.ones(3, 2)


def _keep_by_cumprod(keep, write):
    later = torch.cat([keep[1:], torch.ones_like(keep[:1])])
    return write * later.flip(0).cumprod(0).flip(0)


def _keep_by_products(keep, write):
    rows = [write[j] * keep[j + 1 :].prod(0) for j in range(len(keep))]
    return torch.stack(rows)


def _keep_own(keep, write):
    return write * keep.flip(0).cumprod(0).flip(0)


def _keep_earlier(keep, write):
    before = torch.cat([torch.ones_like(keep[:1]), keep[:-1]])
    return write * before.cumprod(0)


def _keep_next_only(keep, write):
    return write * torch.cat([keep[1:], torch.ones_like(keep[:1])])


def _keep_divided(keep, write):
    return write * keep.prod(0) / keep.cumprod(0)


def _keep_normalized(keep, write):
    weights = _keep_by_cumprod(keep, write)
    return weights / weights.sum(0, keepdim=True)


KEEP = Exercise(
    key="rnn.bottleneck.3",
    title="What the gates leave over",
    minutes=12,
    dots=3,
    learn="a gated state is a weighted sum; later gates decide about earlier symbols",
    reference=gate_weights,
    inputs=_keep_inputs,
    alternatives=[_keep_by_cumprod, _keep_by_products],
    mistakes=[
        (
            _keep_own,
            "Step j forgets before it writes, so its own keep does not touch what it "
            "writes. Begin the product at j + 1.",
        ),
        (
            _keep_earlier,
            "You multiply what was kept *before* step j. What is written at j is worn "
            "down by the steps after it.",
        ),
        (
            _keep_next_only,
            "You count the next step only. All later steps wear it down: a product.",
        ),
        (
            lambda keep, write: _keep_by_cumprod(keep, torch.ones_like(write)),
            "This is what survives. How strongly step j wrote is missing: multiply by "
            "`write`.",
        ),
        (
            _keep_divided,
            "Right, except where a gate is shut: the product of all, divided by the "
            "product of the first, is then 0 / 0.",
        ),
        (
            _keep_normalized,
            "Nobody normalizes these weights. In an LSTM they may sum to 3, or to 0.1.",
        ),
    ],
    hints=[
        "Walk backwards: after the last step nothing wears down what it wrote.",
        "What step j wrote meets the same gates as what step j + 1 wrote, and one "
        "more. Which?",
        "Multiply by `write` at the end.",
    ],
)
