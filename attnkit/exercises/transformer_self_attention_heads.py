"""Exercises 1 and 2 of the chapter `transformer/self_attention`: heads."""

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
    x, *weights = draw(generator, (4, 3), (2, 3), (2, 3), (3, 3))
    yield 15 * x, *weights  # exponentials overflow


def _self_by_loop(x, w_query, w_key, w_value):
    rows = []
    for token in x:
        scores = [(w_query @ token) @ (w_key @ other) for other in x]
        rows.append((torch.stack(scores) / math.sqrt(len(w_key))).softmax(0))
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


def _by_powers(scores):
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


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
                (_scores(x, q, k) / len(v) ** 0.5).softmax(-1), x, v
            ),
            "You divide by the root of the *values'* width. The score is a sum of as "
            "many products as the key has numbers.",
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
        (
            lambda x, q, k, v: _mixed(
                _by_powers(_scores(x, q, k) / len(k) ** 0.5), x, v
            ),
            "Right for small scores. Large ones overflow in exp and give nan: "
            "shift them first, or use a softmax that does.",
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
    for n in (1, 3):
        query, key, value = draw(generator, (n, 4), (n, 4), (n, 4))
        yield 150 * query, key, value, 2  # exponentials overflow


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


def _heads_cut_and_joined(query, key, value, heads):
    n, width = query.shape
    q, k, v = (x.reshape(heads, n, -1) for x in (query, key, value))
    return _each(q, k, v, width // heads).transpose(0, 1).flatten(1)


def _heads_over_queries(query, key, value, heads):
    q, k, v = (_heads_split(x, heads) for x in (query, key, value))
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2)
    return (weights @ v).transpose(0, 1).flatten(1)


def _heads_by_powers(query, key, value, heads):
    q, k, v = (_heads_split(x, heads) for x in (query, key, value))
    weights = _by_powers(q @ k.mT / q.shape[-1] ** 0.5)
    return (weights @ v).transpose(0, 1).flatten(1)


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
            _heads_cut_and_joined,
            "The way back is right, the way in is not: a reshape to (H, N, d) mixes "
            "tokens. Split the columns, then move the axis of the heads to the front.",
        ),
        (
            _heads_over_queries,
            "Your weights add up to 1 over the *queries*. Each query of each head "
            "shares out its own: softmax over the last axis.",
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
        (
            lambda q, k, v, h: (
                _each(*(_heads_split(x, h) for x in (q, k, v)), 1)
                .transpose(0, 1)
                .flatten(1)
            ),
            "The scores are not divided by the root of a head's width.",
        ),
        (
            _heads_by_powers,
            "Right for small scores. Large ones overflow in exp and give nan: "
            "shift them first, or use a softmax that does.",
        ),
        (
            lambda q, k, v, h: _heads_by_loop(q, k, v, h).squeeze(0),
            "The axis of the tokens is gone where there is only one of them.",
        ),
    ],
    hints=[
        "`x.unflatten(1, (heads, -1))` is (N, H, d); `transpose(0, 1)` makes it "
        "(H, N, d).",
        "With the heads in front, the three steps are those of one head.",
        "The way back: transpose, then `flatten(1)`.",
    ],
)
