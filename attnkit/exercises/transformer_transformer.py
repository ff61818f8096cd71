"""Exercises of the chapter `transformer/transformer`; three stand beside it."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.transformer_transformer_cache import CACHE
from attnkit.exercises.transformer_transformer_parts import LOSS, NORM

# ------------------------------------------------------- 1 · who may see whom


def decoder_mask(real: Tensor) -> Tensor:
    """What each place of a decoder's text may read.

    Args:
        real: boolean (B, T); True for symbols, False for filler.

    Returns:
        Boolean (B, T, T); entry (b, i, j) is True if place i may read place j:
        j is a symbol, and not after i.
    """
    n = real.shape[-1]
    past = torch.ones(n, n, dtype=torch.bool, device=real.device).tril()  # (T, T)
    return past & real[:, None]  # (B, T, T)


def _mask_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for lengths, n in (([1], 1), ([3, 5, 1], 5), ([4, 2], 4), ([9] * 3 + [2], 9)):
        yield (torch.arange(n) < torch.tensor(lengths)[:, None],)
    yield (torch.tensor([[False, True, True], [True, False, True]]),)


def _mask_by_places(real):
    place = torch.arange(real.shape[1])
    return (place <= place[:, None])[None] * real.unsqueeze(1)


def _mask_by_loops(real):
    mask = torch.zeros(*real.shape, real.shape[1], dtype=torch.bool)
    for i in range(real.shape[1]):
        mask[:, i, : i + 1] = real[:, : i + 1]
    return mask


MASK = Exercise(
    key="transformer.transformer.1",
    title="Who may see whom",
    minutes=8,
    dots=2,
    learn="two masks are joined by *and*: not the future, and not the filler",
    reference=decoder_mask,
    inputs=_mask_inputs,
    alternatives=[_mask_by_places, _mask_by_loops],
    mistakes=[
        (
            lambda real: real[:, None].expand(-1, real.shape[1], -1).clone(),
            "The filler is hidden, the future is not: place i reads what it shall "
            "write next.",
        ),
        (
            lambda real: (
                torch.ones(real.shape[1], real.shape[1])
                .tril()
                .bool()
                .expand(len(real), -1, -1)
                .clone()
            ),
            "The future is hidden, the filler is not.",
        ),
        (
            lambda real: (
                torch.ones(real.shape[1], real.shape[1]).triu().bool() & real[:, None]
            ),
            "You keep the wrong triangle: so a place reads itself and the future only.",
        ),
        (
            lambda real: _mask_by_loops(real) & ~torch.eye(real.shape[1]).bool(),
            "A place may read itself. Without its own place, the first symbol would "
            "have nothing to read.",
        ),
        (
            lambda real: _mask_by_places(real).mT.contiguous(),
            "On its side: rows are the places that ask, columns those that are read.",
        ),
        (
            lambda real: ~_mask_by_loops(real),
            "Inside out. In this book True means may attend.",
        ),
        (
            lambda real: _mask_by_loops(torch.ones_like(real)) & real[:, :, None],
            "You hide the rows of filler. It is the *columns* of filler that nobody "
            "may read.",
        ),
        (
            lambda real: _mask_by_loops(torch.ones_like(real)) | real[:, None],
            "You join them by *or*. Both have to allow it.",
        ),
        (
            lambda real: _mask_by_loops(real).float(),
            "Right places, but numbers. A mask is boolean: True and False.",
        ),
        (
            lambda real: _mask_by_loops(real) & real[:, :, None],
            "The columns of filler are hidden, as they should be. You hide its rows "
            "as well: who asks does not matter.",
        ),
        (
            lambda real: _mask_by_loops(
                torch.arange(real.shape[1]) < real.sum(1, keepdim=True)
            ),
            "You count the symbols and take so many from the front. Filler may stand "
            "anywhere.",
        ),
    ],
    hints=[
        "`torch.ones(T, T).tril()` has ones at and below the diagonal.",
        "`real[:, None]` has the shape (B, 1, T): one row of columns for all rows.",
    ],
)


# -------------------------------------------- 3 · the same network for every token


def feed_forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> Tensor:
    """The network that works on each token alone.

    Args:
        x: tokens (..., D).
        W1: (hidden, D), with b1 (hidden,).
        W2: (D, hidden), with b2 (D,).

    Returns:
        W2 max(0, W1 x + b1) + b2 for every token x; shape (..., D).
    """
    hidden = torch.relu(x @ W1.T + b1)  # (..., hidden)
    return hidden @ W2.T + b2  # (..., D)


def _ff_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for shape, hidden in (((4, 3), 5), ((2, 6, 4), 16), ((1, 2), 2), ((5, 8), 8)):
        d = shape[-1]
        sizes = (shape, (hidden, d), (hidden,), (d, hidden), (d,))
        yield tuple(torch.randn(size, generator=generator) for size in sizes)
    sizes = ((3,), (4, 3), (4,), (3, 4), (3,))  # one token, large numbers
    x, *weights = (torch.randn(size, generator=generator) for size in sizes)
    yield 20 * x, *weights


def _ff_by_library(x, W1, b1, W2, b2):
    return F.linear(F.linear(x, W1, b1).clamp_min(0), W2, b2)


def _ff_by_einsum(x, W1, b1, W2, b2):
    hidden = torch.einsum("...d,hd->...h", x, W1) + b1
    return torch.einsum("...h,dh->...d", hidden * (hidden > 0), W2) + b2


FEED = Exercise(
    key="transformer.transformer.3",
    title="The same network for every token",
    minutes=6,
    dots=1,
    learn="attention mixes tokens, this network does not; it works on each alone",
    reference=feed_forward,
    inputs=_ff_inputs,
    alternatives=[_ff_by_library, _ff_by_einsum],
    mistakes=[
        (
            lambda x, W1, b1, W2, b2: (x @ W1.T + b1) @ W2.T + b2,
            "There is no bend: without max(0, ·) the two matrices are one.",
        ),
        (
            lambda x, W1, b1, W2, b2: torch.relu(_ff_by_library(x, W1, b1, W2, b2)),
            "The output is cut at zero as well. A change may be negative.",
        ),
        (
            lambda x, W1, b1, W2, b2: torch.relu(x @ W1.T) @ W2.T + b2,
            "b1 is missing.",
        ),
        (
            lambda x, W1, b1, W2, b2: torch.relu(x @ W1.T + b1) @ W2.T,
            "b2 is missing.",
        ),
        (
            lambda x, W1, b1, W2, b2: x + _ff_by_library(x, W1, b1, W2, b2),
            "You added x already. The residual belongs to the layer, not to this "
            "network.",
        ),
        (
            lambda x, W1, b1, W2, b2: torch.relu(x @ W1.T) @ W2.T + b1 @ W2.T + b2,
            "b1 comes after the cut. It belongs inside max(0, ·).",
        ),
        (
            lambda x, W1, b1, W2, b2: F.linear(F.linear(x, W1, b1).clamp(0, 6), W2, b2),
            "Large hidden numbers are cut as well. max(0, ·) has no upper end.",
        ),
        (
            lambda x, W1, b1, W2, b2: (
                (W2 @ torch.relu(W1 @ x.mT + b1[:, None]) + b2[:, None]).mT
            ),
            "Right for a table of tokens. x may have any axes before D, or none: one "
            "token.",
        ),
    ],
    hints=[
        "W1 has a row for each hidden unit: `x @ W1.T` gives (..., hidden).",
        "`torch.relu` is max(0, ·).",
    ],
)


# ------------------------------------------------------- 5 · up, and down as a root


def learning_rate(step: int, width: int, warm: int) -> float:
    """The learning rate of the paper.

    Args:
        step: from 1.
        width: D, the width of a token.
        warm: steps until the top.

    Returns:
        D^(-1/2) times the smaller of step^(-1/2) and step * warm^(-3/2).
    """
    return width**-0.5 * min(step**-0.5, step * warm**-1.5)


def _rate_inputs(generator: Generator) -> Iterator[tuple[int, int, int]]:
    yield from ((50, 32, 100), (900, 64, 100), (7, 16, 7), (1, 1, 1))
    yield from ((250, 128, 30), (1, 512, 4000), (4000, 512, 4000))


def _rate_by_branch(step, width, warm):
    top = 1 / math.sqrt(width * warm)
    return top * step / warm if step < warm else top * math.sqrt(warm / step)


def _rate_by_logs(step, width, warm):
    low = min(-0.5 * math.log(step), math.log(step) - 1.5 * math.log(warm))
    return math.exp(low - 0.5 * math.log(width))


RATE = Exercise(
    key="transformer.transformer.5",
    title="Up, and down as one over a root",
    minutes=6,
    dots=1,
    learn="warm-up is a line, cool-down a root, and they meet at the top",
    reference=learning_rate,
    inputs=_rate_inputs,
    alternatives=[_rate_by_branch, _rate_by_logs],
    tolerance=1e-6,
    mistakes=[
        (
            lambda t, d, w: d**-0.5 * max(t**-0.5, t * w**-1.5),
            "The larger of the two grows without end. Take the smaller.",
        ),
        (
            lambda t, d, w: min(t**-0.5, t * w**-1.5),
            "The width is missing: wide models take smaller steps.",
        ),
        (
            lambda t, d, w: d**-0.5 * t**-0.5,
            "This only falls: the first steps are the largest. The line up is missing.",
        ),
        (
            lambda t, d, w: d**-0.5 * t * w**-1.5,
            "This only rises. After `warm` steps it shall fall as a root.",
        ),
        (
            lambda t, d, w: d**-0.5 * min(t**-0.5, t * w**-0.5),
            "The line does not meet the root at `warm`: look at its power.",
        ),
        (
            lambda t, d, w: d**0.5 * min(t**-0.5, t * w**-1.5),
            "The width has the wrong sign in its power.",
        ),
        (
            lambda t, d, w: d**-0.5 * (t * w**-1.5 + t**-0.5),
            "You add line and root. Only the smaller of the two counts.",
        ),
    ],
    hints=[
        "`a**-0.5` is one over the root of a.",
        "Before `warm` the line is the smaller one, after it the root.",
    ],
)


EXERCISES = [MASK, NORM, FEED, LOSS, RATE, CACHE]
