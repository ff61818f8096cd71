"""Exercises of `transformer/longer_contexts`; the first three stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.transformer_longer_contexts_segments import (
    FIRST,
    MEMORY,
    SHIFT,
)

# -------------------------------------------------------------- 4 · scores with u and v


def xl_scores(
    query: Tensor, key: Tensor, place: Tensor, u: Tensor, v: Tensor
) -> Tensor:
    """Scores out of content and distance.

    Args:
        query: (N, d).
        key: (M, d).
        place: (N, M, d), the projected wave of the distance from query i to key j.
        u, v: (d,), what every query asks of contents, and of places.

    Returns:
        (N, M), divided by the root of d.
    """
    content = (query + u) @ key.mT  # (N, M)
    away = torch.einsum("nd,nmd->nm", query + v, place)
    return (content + away) / query.shape[-1] ** 0.5


def _score_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for n, m, d in ((2, 3, 4), (1, 1, 2), (3, 3, 3), (4, 9, 8)):
        yield tuple(draw(generator, (n, d), (m, d), (n, m, d), (d,), (d,)))


def _scores_by_loop(query, key, place, u, v):
    out = query.new_zeros(len(query), len(key))
    for i, q in enumerate(query):
        for j, k in enumerate(key):
            out[i, j] = (q + u) @ k + (q + v) @ place[i, j]
    return out / query.shape[1] ** 0.5


def _scores_by_four(query, key, place, u, v):
    four = query @ key.mT, (place @ query[..., None])[..., 0], u @ key.mT, place @ v
    return sum(four) / query.shape[1] ** 0.5


SCORES = Exercise(
    key="transformer.longer_contexts.4",
    title="Scores with u and v",
    minutes=12,
    dots=3,
    learn="a relative score has a content half and a place half, each with a bias",
    reference=xl_scores,
    inputs=_score_inputs,
    alternatives=[_scores_by_loop, _scores_by_four],
    mistakes=[
        (
            lambda q, k, p, u, v: xl_scores(q, k, p, v, u),
            "u and v have changed places: u goes with the keys, v with the places.",
        ),
        (
            lambda q, k, p, u, v: xl_scores(q, k, p, u, v) * q.shape[1] ** 0.5,
            "Divide by the root of d.",
        ),
        (
            lambda q, k, p, u, v: (q + u) @ k.mT / q.shape[1] ** 0.5,
            "The place half is missing: these scores do not know any distance.",
        ),
        (
            lambda q, k, p, u, v: xl_scores(q, k, p, 0 * u, 0 * v),
            "u and v are missing. They are what is asked whatever the query says.",
        ),
        (
            lambda q, k, p, u, v: ((q + u) @ k.mT + p @ v) / q.shape[1] ** 0.5,
            "The place half asks with v alone. The query asks for a distance, too.",
        ),
        (
            lambda q, k, p, u, v: (
                (q + u) @ k.mT / q.shape[1] ** 0.5
                + torch.einsum("nd,nmd->nm", q + v, p)
            ),
            "Only the content half is divided. The root of d goes under both.",
        ),
    ],
    hints=[
        "The content half is `(query + u) @ key.mT`.",
        "The place half has another vector for each pair: "
        '`torch.einsum("nd,nmd->nm", …)`.',
        "Add both, and divide by the root of d.",
    ],
)

# ------------------------------------------------------------- 5 · an order, two masks


def order_masks(order: Tensor) -> tuple[Tensor, Tensor]:
    """Who may see whom, if places are predicted in this order.

    Args:
        order: (N,), the places from the first predicted to the last.

    Returns:
        content and query masks, boolean (N, N), True = may be seen; rows look, columns
        are seen, both in the order of the text.
    """
    rank = order.argsort()  # (N,): when each place comes
    return rank <= rank[:, None], rank < rank[:, None]


def _mask_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for order in ([2, 1, 3, 0], [0, 1, 2], [3, 2, 1, 0], [1, 2, 0], [0]):
        yield (torch.tensor(order),)
    yield (torch.randperm(8, generator=generator),)


def _masks_by_loop(order):
    content = torch.zeros(len(order), len(order), dtype=torch.bool)
    for t, place in enumerate(order):
        content[place, order[: t + 1]] = True
    return content, content & ~torch.eye(len(order)).bool()


def _masks_by_scatter(order):
    n = len(order)
    content = torch.empty(n, n, dtype=torch.bool)
    content[order[:, None], order] = torch.ones(n, n).tril().bool()
    query = torch.empty_like(content)
    query[order[:, None], order] = torch.ones(n, n).tril(-1).bool()
    return content, query


MASKS = Exercise(
    key="transformer.longer_contexts.5",
    title="An order, two masks",
    minutes=10,
    dots=3,
    learn="the text keeps its order; only who may see whom follows the other one",
    reference=order_masks,
    inputs=_mask_inputs,
    alternatives=[_masks_by_loop, _masks_by_scatter],
    mistakes=[
        (
            lambda order: (order <= order[:, None], order < order[:, None]),
            "You compare the *places* in the order. Compare when each place comes: "
            "its rank.",
        ),
        (
            lambda order: order_masks(order)[::-1],
            "Content and query have changed places: the content stream sees itself.",
        ),
        (
            lambda order: tuple(m.mT for m in order_masks(order)),
            "Turned round: rows look, columns are seen.",
        ),
        (
            lambda order: tuple(~m for m in order_masks(order)),
            "Turned over: here True means *may be seen*. (In PyTorch's "
            "`nn.MultiheadAttention` it is the other way round.)",
        ),
        (
            lambda order: (order_masks(order)[0],) * 2,
            "Your query stream sees its own symbol, the one that it is to predict.",
        ),
        (
            lambda order: tuple(
                torch.ones(len(order), len(order)).tril(k).bool() for k in (0, -1)
            ),
            "These are the masks from left to right, whatever the order.",
        ),
        (
            lambda order: (order_masks(order)[1],) * 2,
            "Your content stream does not see its own symbol. It may: it predicts "
            "nothing.",
        ),
    ],
    hints=[
        "You need the rank of each place: when it comes.",
        "`order.argsort()` turns an order into ranks.",
        "Content: a rank that is no later. Query: one that is earlier.",
    ],
)

# ---------------------------------------------------------------- 6 · the two streams


def two_streams(place: Tensor, content: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """One step of both streams, without learned matrices.

    Args:
        place: (N, d), the query stream.
        content: (N, d), the content stream; keys and values of both.
        order: (N,), the places from the first predicted to the last.

    Returns:
        What the query stream and the content stream read, (N, d) each: dot products
        divided by the root of d, softmax over what may be seen. What may see nothing
        reads zeros.
    """
    rank = order.argsort()
    found = []
    for asking, seen in (
        (place, rank < rank[:, None]),
        (content, rank <= rank[:, None]),
    ):
        scores = asking @ content.mT / content.shape[1] ** 0.5  # (N, N)
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        found.append(weights.nan_to_num() @ content)
    return found[0], found[1]


def _stream_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    # None is its own inverse (but for one place): order and rank are two things.
    orders = [2, 0, 3, 1], [1, 2, 0], [0], [3, 0, 1, 5, 2, 4]
    for order, d in zip(orders, (3, 2, 2, 5), strict=True):
        shape = len(order), d
        yield *draw(generator, shape, shape), torch.tensor(order)
    place, content = draw(generator, (3, 2), (3, 2))
    yield 200 * place, 15 * content, torch.tensor([2, 0, 1])  # exponentials overflow


def _streams_by_loop(place, content, order):
    g, h = torch.zeros_like(place), torch.zeros_like(content)
    for t, i in enumerate(order.tolist()):
        for out, asking, seen in ((g, place, order[:t]), (h, content, order[: t + 1])):
            if len(seen):
                scores = content[seen] @ asking[i] / content.shape[1] ** 0.5
                out[i] = scores.softmax(0) @ content[seen]
    return g, h


def _streams_by_attend(place, content, order):
    from attnkit.attend import attend

    rank = order.argsort()
    x = content[None]
    g = attend(place[None], x, x, mask=(rank < rank[:, None])[None])
    return g[0], attend(x, x, x, mask=(rank <= rank[:, None])[None])[0]


def _streams_own(place, content, order, *, asks=None, reads=None, itself=False):
    """Variants: what the query stream asks with and reads, and whether itself."""
    rank, asks = order.argsort(), place if asks is None else asks
    reads = content if reads is None else reads
    seen = rank <= rank[:, None] if itself else rank < rank[:, None]
    scores = (asks @ reads.mT / reads.shape[1] ** 0.5).masked_fill(~seen, -torch.inf)
    g = scores.softmax(-1).nan_to_num() @ reads
    return g, two_streams(place, content, order)[1]


def _streams_filled(
    place, content, order, low=-torch.inf, cure=torch.nan_to_num, scale=True, axis=-1,
    turned=False,
):  # fmt: skip
    """Variants: what hides a score, what is done to weights, the root of d, the axis of
    the softmax, and masks turned round."""
    rank, found = order.argsort(), []
    root = content.shape[1] ** 0.5 if scale else 1
    for asking, seen in (
        (place, rank < rank[:, None]),
        (content, rank <= rank[:, None]),
    ):
        hidden = ~(seen.mT if turned else seen)
        scores = (asking @ content.mT / root).masked_fill(hidden, low)
        found.append(cure(scores.softmax(axis)) @ content)
    return tuple(found)


def _streams_by_powers(place, content, order):
    rank, found = order.argsort(), []
    for asking, last in ((place, rank[:, None] - 1), (content, rank[:, None])):
        powers = (asking @ content.mT / content.shape[1] ** 0.5).exp() * (rank <= last)
        found.append(powers / powers.sum(-1, keepdim=True).clamp_min(1e-9) @ content)
    return tuple(found)


STREAMS = Exercise(
    key="transformer.longer_contexts.6",
    title="The two streams",
    minutes=15,
    dots=4,
    learn="both streams read the contents; they differ in who asks and in one diagonal",
    reference=two_streams,
    inputs=_stream_inputs,
    alternatives=[_streams_by_loop, _streams_by_attend],
    mistakes=[
        (
            lambda g, h, o: _streams_own(g, h, o, itself=True),
            "Your query stream reads the content of its own place: the answer leaks.",
        ),
        (
            lambda g, h, o: _streams_own(g, h, o, reads=g),
            "The query stream reads itself. Keys and values are always the contents.",
        ),
        (
            lambda g, h, o: _streams_own(g, h, o, asks=h),
            "Your query stream asks with the content of the place. It must not know "
            "it.",
        ),
        (
            lambda g, h, o: two_streams(g, h, o)[::-1],
            "The two results have changed places: query stream first.",
        ),
        (
            lambda g, h, o: two_streams(g, h, o.argsort()),
            "You compare the places in the order. Compare when each place comes: its "
            "rank, `order.argsort()`.",
        ),
        (
            lambda g, h, o: _streams_filled(g, h, o, turned=True),
            "Your masks are turned round: rows look, columns are seen.",
        ),
        (
            lambda g, h, o: _streams_filled(g, h, o, axis=0),
            "Your weights add up to 1 over those that *look*. Each place shares out "
            "its own: softmax over the last axis.",
        ),
        (
            lambda g, h, o: (
                two_streams(g, h, o)[0],
                _streams_own(g, h, o, asks=g, itself=True)[0],
            ),
            "Your content stream asks with the query stream. It asks with contents.",
        ),
        (
            lambda g, h, o: two_streams(g, h, torch.arange(len(o))),
            "You read from left to right, whatever the order.",
        ),
        (
            _streams_by_powers,
            "Right for small scores. Large ones overflow in exp and give nan: "
            "shift them first, or use a softmax that does.",
        ),
        (
            lambda g, h, o: _streams_filled(g, h, o, -1e9, cure=lambda w: w),
            "What is predicted first may see nothing, and reads the mean of all: "
            "where every score is the same low number, softmax is even.",
        ),
        (
            lambda g, h, o: _streams_filled(g, h, o, cure=lambda w: w),
            "What is predicted first may see nothing: softmax over nothing is nan. "
            "Make it zeros.",
        ),
        (
            lambda g, h, o: _streams_filled(g, h, o, scale=False),
            "The products are not divided by the root of d.",
        ),
    ],
    hints=[
        "Two masks from the ranks: `rank < rank[:, None]`, and with `<=`.",
        "Query stream: `place` asks, `content` is key and value. Content stream: "
        "`content` is all three.",
        "A row of minus infinities becomes nan under softmax: `.nan_to_num()`.",
    ],
)

EXERCISES = [FIRST, MEMORY, SHIFT, SCORES, MASKS, STREAMS]
