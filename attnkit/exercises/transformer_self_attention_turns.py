"""Exercise 3 of the chapter `transformer/self_attention`: rotary positions."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# --------------------------------------------------------------------- 3 · turn it


def turn(x: Tensor, start: int) -> Tensor:
    """Rotary positions: turn pairs of entries by an angle that grows with place.

    Args:
        x: (N, d), d even, queries or keys; the first stands at place `start`.
        start: a whole number.

    Returns:
        (N, d). Entry i and entry i + d/2 are a pair; at place t it is turned by the
        angle t · 10000^(-2i/d), from the first entry towards the second.
    """
    n, d = x.shape
    rates = 10000 ** (-torch.arange(0, d, 2) / d)  # (d/2,)
    angles = torch.arange(start, start + n)[:, None] * rates  # (N, d/2)
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _turn_inputs(generator: Generator) -> Iterator[tuple[Tensor, int]]:
    for n, d, start in (
        (3, 4, 0), (2, 2, 5), (4, 8, 3), (1, 6, 40), (10, 16, 1), (3, 4, -5),
    ):  # fmt: skip
        yield draw(generator, (n, d))[0], start


def _turn_by_complex(x, start):
    n, d = x.shape
    z = torch.complex(x[:, : d // 2], x[:, d // 2 :])
    angles = torch.outer(
        torch.arange(start, start + n).float(),
        10000.0 ** (-2 * torch.arange(d // 2) / d),
    )
    z = z * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([z.real, z.imag], 1)


def _turn_by_loop(x, start):
    n, d = x.shape
    out = torch.zeros_like(x)
    for t in range(n):
        for i in range(d // 2):
            angle = (start + t) * 10000 ** (-2 * i / d)
            a, b = x[t, i], x[t, i + d // 2]
            out[t, i] = a * math.cos(angle) - b * math.sin(angle)
            out[t, i + d // 2] = a * math.sin(angle) + b * math.cos(angle)
    return out


def _turned(x, start, step=2, sign=1.0):
    n, d = x.shape
    rates = 10000.0 ** (-step * torch.arange(d // 2) / d)
    angles = sign * torch.arange(start, start + n)[:, None] * rates
    a, b = x.chunk(2, -1)
    return torch.cat(
        [a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1
    )


def _turn_neighbours(x, start):
    order = torch.cat([torch.arange(0, x.shape[1], 2), torch.arange(1, x.shape[1], 2)])
    return _turned(x[:, order], start)[:, order.argsort()]


TURN = Exercise(
    key="transformer.self_attention.3",
    title="Turn it",
    minutes=12,
    dots=3,
    learn="two turns differ by the difference of their places, and nothing else",
    reference=turn,
    inputs=_turn_inputs,
    alternatives=[_turn_by_complex, _turn_by_loop],
    mistakes=[
        (
            lambda x, start: _turned(x, 0),
            "You count from 0. The first row stands at place `start`.",
        ),
        (
            lambda x, start: _turned(x, start + 1),
            "You are one place too far: the first row stands at `start` itself.",
        ),
        (
            lambda x, start: _turned(x, start, sign=-1.0),
            "You turn the other way. The new first entry is a cos − b sin.",
        ),
        (
            _turn_neighbours,
            "You pair neighbours, entry 2i with 2i + 1. That is a rotary turn too, but "
            "here entry i goes with i + d/2.",
        ),
        (
            lambda x, start: _turned(x, start, step=1),
            "Your waves slow down too little: the exponent is −2i/d, with i from 0 to "
            "d/2 − 1.",
        ),
        (
            lambda x, start: _turned(x, abs(start)),
            "Wrong where `start` is below 0: the sign of a place counts.",
        ),
    ],
    hints=[
        "`x.chunk(2, -1)` gives the first and the second entries of all pairs.",
        "Angles: places as a column times rates as a row, (N, d/2).",
        "Turning (a, b) by an angle gives (a cos − b sin, a sin + b cos).",
    ],
)
