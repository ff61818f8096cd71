"""Exercises 1 to 3 of the chapter `rnn/alignment`: scores, padding, one matrix."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------------- 1 · the additive score


def additive_scores(query: Tensor, key: Tensor, W: Tensor, U: Tensor, v: Tensor):
    """Bahdanau's score of every key for every query.

    Args:
        query: decoder states (N, Dq).
        key: encoder states (M, Dk).
        W: (A, Dq), a row for each of A hidden units.
        U: (A, Dk).
        v: (A,).

    Returns:
        Scores (N, M); entry (i, j) is v · tanh(W query_i + U key_j).
    """
    asked = query @ W.T  # (N, A)
    offered = key @ U.T  # (M, A)
    return torch.tanh(asked[:, None] + offered) @ v  # (N, M)


def _additive_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for n, m, d, e, a in ((2, 3, 4, 5, 6), (1, 4, 3, 3, 2), (5, 1, 2, 6, 3)):
        yield tuple(draw(generator, (n, d), (m, e), (a, d), (a, e), (a,)))
    yield tuple(draw(generator, (30, 16), (20, 16), (8, 16), (8, 16), (8,)))


def _additive_by_loops(query, key, W, U, v):
    scores = torch.empty(len(query), len(key))
    for i, q in enumerate(query):
        for j, k in enumerate(key):
            scores[i, j] = torch.dot(v, torch.tanh(torch.mv(W, q) + torch.mv(U, k)))
    return scores


def _additive_by_einsum(query, key, W, U, v):
    asked = torch.einsum("nd,ad->na", query, W).unsqueeze(1)
    offered = torch.einsum("me,ae->ma", key, U).unsqueeze(0)
    return torch.einsum("nma,a->nm", torch.tanh(asked + offered), v)


ADDITIVE = Exercise(
    key="rnn.alignment.1",
    title="Bahdanau's score",
    minutes=10,
    dots=2,
    learn="a tiny network with one hidden layer can be a score",
    reference=additive_scores,
    inputs=_additive_inputs,
    alternatives=[_additive_by_loops, _additive_by_einsum],
    mistakes=[
        (
            lambda q, k, W, U, v: ((q @ W.T)[:, None] + k @ U.T) @ v,
            "The tanh is missing. Without it the query adds the same number to all "
            "scores of its row, and the softmax does not even see the query.",
        ),
        (
            lambda q, k, W, U, v: torch.tanh(((q @ W.T)[:, None] + k @ U.T) @ v),
            "You apply tanh to the score. It belongs inside: to the hidden vector, "
            "before v.",
        ),
        (
            lambda q, k, W, U, v: (
                (torch.tanh(q @ W.T)[:, None] + torch.tanh(k @ U.T)) @ v
            ),
            "You squash query and key each alone and add afterwards. Then they never "
            "meet: add first, then tanh.",
        ),
        (
            lambda q, k, W, U, v: _additive_by_loops(q, k, W, U, v).T,
            "Right numbers, turned round: one row per query, one column per key.",
        ),
        (
            lambda q, k, W, U, v: torch.tanh((q @ W.T)[:, None] + k @ U.T).sum(-1),
            "You add up the hidden units. v weighs them: a dot product with v.",
        ),
        (
            lambda q, k, W, U, v: _additive_by_loops(q, k, W, U, v).softmax(-1),
            "These are already weights. The score is asked for: the step before the "
            "softmax.",
        ),
        (
            lambda q, k, W, U, v: torch.tanh((q @ W.T)[:, None] * (k @ U.T)[None]) @ v,
            "You multiply the two projections. This score is called additive.",
        ),
        (
            lambda q, k, W, U, v: q @ W,
            "`query @ W` cannot be: W is (A, Dq), one row per hidden unit, and the "
            "queries are (N, Dq). Turn W round: `W.T`.",
        ),
        (
            lambda q, k, W, U, v: k @ U,
            "`key @ U` cannot be: U is (A, Dk), one row per hidden unit, and the "
            "keys are (M, Dk). Turn U round: `U.T`.",
        ),
        (
            lambda q, k, W, U, v: q @ W.T + k @ U.T,
            "Each query has to meet each key. (N, A) and (M, A) do not fit: put an "
            "axis in between.",
        ),
    ],
    hints=[
        "Project all queries with W and all keys with U first: (N, A) and (M, A).",
        "`asked[:, None]` has the shape (N, 1, A). Added to (M, A) it gives every "
        "pair: (N, M, A).",
        "tanh of that, then `@ v` takes the last axis away.",
    ],
)


# --------------------------------------------------------------- 2 · mind the padding


def padded_weights(scores: Tensor, lengths: Tensor) -> Tensor:
    """Softmax over the real source positions only.

    Args:
        scores: (B, M), some of them for padding.
        lengths: (B,) integers from 1 to M; row b has `lengths[b]` real positions,
            the first ones.

    Returns:
        Weights (B, M): exactly 0 at padding; each row adds up to one.
    """
    place = torch.arange(scores.shape[-1], device=scores.device)  # (M,)
    padding = place >= lengths[:, None]  # (B, M)
    return scores.masked_fill(padding, float("-inf")).softmax(dim=-1)


def _padded_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for b, m in ((3, 4), (2, 7), (1, 3), (16, 12)):
        lengths = torch.randint(1, m + 1, (b,), generator=generator)
        lengths[0] = max(1, m - 2)
        yield draw(generator, (b, m))[0] - 1, lengths
    # scores so low that no number a reader might fill in stays below them
    yield draw(generator, (4, 6))[0] - 2e4, torch.tensor([4, 1, 6, 3])
    yield torch.tensor([[5.0]]), torch.tensor([1])
    # padding may hold anything, and texts need not be on one level
    yield torch.tensor([[1.0, 2, 400], [-300, -301, 3]]), torch.tensor([2, 2])


def _padded_by_rows(scores, lengths):
    weights = torch.zeros_like(scores)
    for row, length in enumerate(lengths.tolist()):
        weights[row, :length] = torch.softmax(scores[row, :length], dim=0)
    return weights


def _padded_by_powers(scores, lengths):
    real = torch.arange(scores.shape[-1]) < lengths.unsqueeze(-1)
    top = torch.where(real, scores, -1e9).amax(-1, keepdim=True)
    powers = (scores - top).clamp_max(0).exp() * real
    return powers / powers.sum(-1, keepdim=True)


def _cut_powers(scores: Tensor, lengths: Tensor) -> Tensor:
    powers = scores.exp() * _real(scores, lengths)
    return powers / powers.sum(-1, keepdim=True)


def _real(scores: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(scores.shape[-1]) < lengths[:, None]


PADDED = Exercise(
    key="rnn.alignment.2",
    title="Mind the padding",
    minutes=8,
    dots=2,
    learn="a mask acts before the softmax, and with minus infinity, not with zero",
    reference=padded_weights,
    inputs=_padded_inputs,
    alternatives=[_padded_by_rows, _padded_by_powers],
    mistakes=[
        (
            lambda s, n: s.softmax(-1),
            "You weigh the padding too. `lengths` says how many positions are real.",
        ),
        (
            lambda s, n: s.softmax(-1) * _real(s, n),
            "You cut after the softmax, so the rows add up to less than one: part of "
            "the attention went to padding and is lost.",
        ),
        (
            lambda s, n: (s * _real(s, n)).softmax(-1),
            "A padded score of 0 is not nothing: exp(0) = 1. What score has the power "
            "zero?",
        ),
        (
            lambda s, n: s.masked_fill(_real(s, n), -torch.inf).softmax(-1),
            "Inside out: you keep the padding and mask the real positions.",
        ),
        (
            lambda s, n: s.masked_fill(~_real(s, n + 1), -torch.inf).softmax(-1),
            "One position too many. Positions count from 0, so the last real one is "
            "`length - 1`.",
        ),
        (
            lambda s, n: s.masked_fill(~_real(s, n), -torch.inf).softmax(0),
            "You normalize over the batch. Each source for itself: the last axis.",
        ),
        (
            lambda s, n: s.masked_fill(~_real(s, n), -torch.inf),
            "These are the masked scores. Now the softmax.",
        ),
        (
            lambda s, n: s.masked_fill(~_real(s, n), -20.0).softmax(-1),
            "A low number is not minus infinity: where the real scores are lower "
            "still, padding gets all the weight. Only minus infinity is always "
            "lowest.",
        ),
        (
            _cut_powers,
            "The powers of very low scores are all 0, and 0 / 0 is no number. Take the "
            "largest score of the row away first, or let `softmax` do it.",
        ),
        (
            lambda s, n: _cut_powers(s - s.amax(-1, keepdim=True), n),
            "You take the largest score of the row away, and it may be a padded one: "
            "then the powers of the real ones are all 0. Cut first.",
        ),
    ],
    hints=[
        "Number the positions 0 … M - 1 and compare them with the lengths: "
        "(M,) against (B, 1) gives (B, M).",
        "Set the scores of padding to minus infinity before the softmax: "
        "exp(-inf) = 0.",
        "`scores.masked_fill(padding, float('-inf'))`",
    ],
)


# ------------------------------------------------------- 3 · two papers, one score


def split_concat(weight: Tensor, query_dim: int) -> tuple[Tensor, Tensor]:
    """Turn Luong's concat score into Bahdanau's additive one.

    Args:
        weight: the one matrix of v · tanh(weight [query; key]), (A, Dq + Dk).
        query_dim: Dq.

    Returns:
        W (A, Dq) and U (A, Dk) with W q + U k = weight [q; k] for all q and k.
    """
    return weight[:, :query_dim], weight[:, query_dim:]


def _split_inputs(generator: Generator) -> Iterator[tuple[Tensor, int]]:
    for a, d, e in ((3, 2, 4), (5, 5, 1), (1, 1, 1), (4, 3, 3), (16, 32, 64)):
        yield draw(generator, (a, d + e))[0], d


def _split_by_name(weight, query_dim):
    return tuple(weight.split([query_dim, weight.shape[1] - query_dim], dim=1))


def _split_by_units(weight, query_dim):
    units = torch.eye(weight.shape[1])
    return weight @ units[:, :query_dim], weight @ units[:, query_dim:]


SPLIT = Exercise(
    key="rnn.alignment.3",
    title="Two papers, one score",
    minutes=8,
    dots=2,
    learn="concat and additive are the same function; only the bookkeeping differs",
    reference=split_concat,
    inputs=_split_inputs,
    alternatives=[_split_by_name, _split_by_units],
    mistakes=[
        (
            lambda w, d: (w[:, d:], w[:, :d]),
            "Turned round: in [query; key] the query comes first, and W belongs to it.",
        ),
        (
            lambda w, d: (w[:d], w[d:]),
            "You cut between rows. The rows are hidden units; query and key lie along "
            "the columns.",
        ),
        (
            lambda w, d: (w[:, : w.shape[1] // 2], w[:, w.shape[1] // 2 :]),
            "You cut in the middle. The query is `query_dim` wide, the key may differ.",
        ),
        (
            lambda w, d: (w[:, :d].T, w[:, d:].T),
            "Right parts, turned on their side: W is (A, Dq), as nn.Linear keeps it.",
        ),
        (
            lambda w, d: (w[:, : d - 1], w[:, d:]),
            "A column got lost: `[:k]` stops before k.",
        ),
    ],
    hints=[
        "Write weight [q; k] as a sum over the columns. Which columns meet q?",
        "The first `query_dim` columns meet the query, all others the key.",
    ],
)
