"""Exercises 1 to 3 of the chapter `transformer/self_attention`: heads and turns."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------- 1 · a sequence that reads itself


def self_attention(
    x: Tensor, w_query: Tensor, w_key: Tensor, w_value: Tensor
) -> tuple[Tensor, Tensor]:
    """Queries, keys and values of one sequence; score, normalize, aggregate.

    Args:
        x: (N, D), a row a token.
        w_query, w_key: (d, D); the query of a token is `w_query` times it.
        w_value: (u, D).

    Returns:
        context (N, u) and weights (N, N), a row a query.
    """
    query, key, value = x @ w_query.mT, x @ w_key.mT, x @ w_value.mT
    scores = query @ key.mT / key.shape[-1] ** 0.5  # (N, N)
    weights = scores.softmax(-1)
    return weights @ value, weights


def _self_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for n, width, d, u in ((3, 2, 2, 1), (5, 4, 3, 2), (1, 3, 2, 3), (12, 6, 8, 5)):
        yield tuple(draw(generator, (n, width), (d, width), (d, width), (u, width)))


def _self_by_loop(x, w_query, w_key, w_value):
    rows = []
    for token in x:
        scores = [(w_query @ token) @ (w_key @ other) for other in x]
        powers = (torch.stack(scores) / math.sqrt(len(w_key))).exp()
        rows.append(powers / powers.sum())
    weights = torch.stack(rows)
    return weights @ (x @ w_value.mT), weights


def _self_by_product(x, w_query, w_key, w_value):
    scores = x @ (w_query.mT @ w_key) @ x.mT / math.sqrt(len(w_key))
    weights = torch.softmax(scores, dim=1)
    return torch.einsum("nm,mD,uD->nu", weights, x, w_value), weights


def _mixed(weights, x, w_value):
    return weights @ (x @ w_value.mT), weights


def _scores(x, w_query, w_key):
    return (x @ w_query.mT) @ (x @ w_key.mT).mT


SELF = Exercise(
    key="transformer.self_attention.1",
    title="A sequence that reads itself",
    minutes=8,
    dots=2,
    learn="queries, keys and values are three views of the same tokens",
    reference=self_attention,
    inputs=_self_inputs,
    alternatives=[_self_by_loop, _self_by_product],
    mistakes=[
        (
            lambda x, q, k, v: _mixed(
                (_scores(x, q, k) / len(k) ** 0.5).softmax(0), x, v
            ),
            "Your weights add up to 1 over the *queries*. Each query shares out its "
            "own: softmax over the last axis.",
        ),
        (
            lambda x, q, k, v: _mixed(_scores(x, q, k).softmax(-1), x, v),
            "The scores are not scaled: divide them by the root of the keys' width.",
        ),
        (
            lambda x, q, k, v: _mixed(
                (_scores(x, q, k) / x.shape[1] ** 0.5).softmax(-1), x, v
            ),
            "You divide by the root of the *tokens'* width. The score is a sum of as "
            "many products as the *key* has numbers.",
        ),
        (
            lambda x, q, k, v: _mixed(
                (_scores(x, k, q) / len(k) ** 0.5).softmax(-1), x, v
            ),
            "Query and key have changed places: who asks whom?",
        ),
        (
            lambda x, q, k, v: _mixed(
                (_scores(x, q, q) / len(k) ** 0.5).softmax(-1), x, v
            ),
            "The keys are made with the queries' matrix; then *a* scores *b* as *b* "
            "scores *a*.",
        ),
    ],
    hints=[
        "`x @ w_query.mT` has the queries of all tokens as rows.",
        "All scores at once: queries times the transposed keys, (N, N).",
        "Divide by the root of the keys' width, softmax over the last axis, and sum "
        "the values.",
    ],
)

# ------------------------------------------------------------------ 2 · several heads


def many_heads(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention in several heads, side by side.

    Args:
        query, key, value: (N, D), already projected. The first D / heads columns
            belong to the first head, the next to the second, and so on.
        heads: how many; it divides D.

    Returns:
        (N, D): the contexts of the heads, one beside the other.
    """
    q, k, v = (x.unflatten(1, (heads, -1)).transpose(0, 1) for x in (query, key, value))
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)  # (H, N, N)
    return (weights @ v).transpose(0, 1).flatten(1)  # (N, D)


def _heads_inputs(generator: Generator) -> Iterator[tuple]:
    for n, width, heads in ((3, 4, 2), (4, 6, 3), (5, 4, 1), (7, 16, 4)):
        yield (*draw(generator, (n, width), (n, width), (n, width)), heads)


def _heads_by_loop(query, key, value, heads):
    parts = []
    for q, k, v in zip(*(x.chunk(heads, 1) for x in (query, key, value)), strict=True):
        parts.append((q @ k.T / math.sqrt(q.shape[1])).softmax(1) @ v)
    return torch.cat(parts, 1)


def _heads_by_einsum(query, key, value, heads):
    d = query.shape[1] // heads
    q, k, v = (x.reshape(-1, heads, d) for x in (query, key, value))
    weights = (torch.einsum("nhd,mhd->hnm", q, k) / d**0.5).softmax(-1)
    return torch.einsum("hnm,mhd->nhd", weights, v).reshape(query.shape)


def _each(q, k, v, width):
    weights = (q @ k.mT / width**0.5).softmax(-1)
    return weights @ v


def _heads_cut(query, key, value, heads):
    n, width = query.shape
    q, k, v = (x.reshape(heads, n, -1) for x in (query, key, value))
    return _each(q, k, v, width // heads).reshape(n, width)


def _heads_split(x, heads):
    return x.unflatten(1, (heads, -1)).transpose(0, 1)


HEADS = Exercise(
    key="transformer.self_attention.2",
    title="Several heads",
    minutes=12,
    dots=3,
    learn="a head is a slice of the columns, with a softmax of its own",
    reference=many_heads,
    inputs=_heads_inputs,
    alternatives=[_heads_by_loop, _heads_by_einsum],
    mistakes=[
        (
            _heads_cut,
            "You cut the table into blocks of *rows*: a reshape to (H, N, d) mixes "
            "tokens. Split the columns, then move the axis of the heads to the front.",
        ),
        (
            lambda q, k, v, h: _each(q, k, v, q.shape[1]),
            "This is one head: all columns share one softmax.",
        ),
        (
            lambda q, k, v, h: (
                _each(*(_heads_split(x, h) for x in (q, k, v)), q.shape[1])
                .transpose(0, 1)
                .flatten(1)
            ),
            "You divide by the root of the whole width. A head's key has D / heads "
            "numbers.",
        ),
        (
            lambda q, k, v, h: (
                _each(
                    *(x.unflatten(1, (-1, h)).permute(2, 0, 1) for x in (q, k, v)),
                    q.shape[1] // h,
                )
                .permute(1, 2, 0)
                .flatten(1)
            ),
            "Your heads take every h-th column. The first head has the *first* D / "
            "heads columns.",
        ),
        (
            lambda q, k, v, h: _each(
                *(_heads_split(x, h) for x in (q, k, v)), q.shape[1] // h
            ).reshape(q.shape),
            "The heads are right, and are put together in the wrong order: move the "
            "axis of the heads back beside the columns before you flatten.",
        ),
        (
            lambda q, k, v, h: (
                _each(*(_heads_split(x, h) for x in (q, k, v)), q.shape[1] // h)
                .mean(0)
                .repeat(1, h)
            ),
            "You average the heads. Each keeps its own columns.",
        ),
    ],
    hints=[
        "`x.unflatten(1, (heads, -1))` is (N, H, d); `transpose(0, 1)` makes it "
        "(H, N, d).",
        "With the heads in front, the three steps are those of one head.",
        "The way back: transpose, then `flatten(1)`.",
    ],
)

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
    for n, d, start in ((3, 4, 0), (2, 2, 5), (4, 8, 3), (1, 6, 40), (10, 16, 1)):
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
    ],
    hints=[
        "`x.chunk(2, -1)` gives the first and the second entries of all pairs.",
        "Angles: places as a column times rates as a row, (N, d/2).",
        "Turning (a, b) by an angle gives (a cos − b sin, a sin + b cos).",
    ],
)
