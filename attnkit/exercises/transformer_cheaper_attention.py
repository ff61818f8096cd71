"""Exercises of `transformer/cheaper_attention`; the first three stand beside it."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.transformer_cheaper_attention_steps import (
    MERGE,
    PATTERN,
    RECURRENT,
)

# ---------------------------------------------------------------- 4 · bytes of a cache


def cache_bytes(
    layers: int, kv_heads: int, head_dim: int, places: int, bits: int
) -> int:
    """Bytes of keys and values that a decoder keeps for one text.

    Args:
        layers: of the decoder.
        kv_heads: heads of keys and values.
        head_dim: width of each.
        places: symbols so far.
        bits: of one number, such as 16.

    Returns:
        The number of bytes.
    """
    numbers = 2 * layers * kv_heads * head_dim * places
    return numbers * bits // 8


def _cache_inputs(generator: Generator) -> Iterator[tuple[int, ...]]:
    yield from ((2, 3, 16, 10, 32), (1, 1, 8, 3, 16), (32, 8, 128, 4096, 16))
    yield from ((3, 2, 5, 7, 8), (2, 3, 5, 7, 4))


def _cache_by_layers(layers, kv_heads, head_dim, places, bits):
    one = torch.zeros(kv_heads, places, head_dim).numel()
    return sum(2 * one for _ in range(layers)) * bits // 8


CACHE = Exercise(
    key="transformer.cheaper_attention.4",
    title="Bytes of a cache",
    minutes=5,
    dots=1,
    learn="what a decoder keeps grows with heads of keys, not with heads of queries",
    reference=cache_bytes,
    inputs=_cache_inputs,
    alternatives=[
        _cache_by_layers,
        lambda layers, g, d, n, bits: layers * (g * d) * n * bits // 4,
    ],
    mistakes=[
        (
            lambda layers, g, d, n, bits: layers * g * d * n * bits // 8,
            "Keys *and* values are kept: twice as much.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * d * n * bits,
            "These are bits. A byte has eight.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * g * d * n * bits // 8,
            "Every layer has keys and values of its own.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * n * n * bits // 8,
            "You have counted tables of weights. They are not kept, only their rows' "
            "keys and values.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * d * n,
            "These are numbers. How many bytes has one?",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * d * n * (bits // 8),
            "A number of 4 bits is not nothing: do not round the bytes of *one*.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * (d * n * bits // 8),
            "You round the bytes of each head. Count the bits of all, then divide.",
        ),
        (
            lambda layers, g, d, n, bits: 4 * layers * g * d * n,
            "Two bytes a number, whatever `bits` says.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * d * n * bits // 8,
            "Every head of keys and values counts.",
        ),
        (
            lambda layers, g, d, n, bits: 2 * layers * g * d * n * -(-bits // 8),
            "Two numbers of 4 bits share a byte. You give each a byte of its own.",
        ),
    ],
    hints=[
        "How many numbers has the key of one symbol, in all heads of one layer?",
        "Twice that for the value; times layers, times symbols; times bits over 8.",
    ],
)

# ---------------------------------------------------------------- 5 · how many layers


def layers_needed(distance: int, window: int, everyone: bool) -> int:
    """Layers until what stands at one place can be known at another.

    Args:
        distance: how many places apart they stand, 0 or more (1: neighbours);
            neither is global.
        window: places that a layer sees on either side.
        everyone: there is one global place, that sees all and is seen by all.

    Returns:
        The least number of layers; 0 if the distance is 0.
    """
    steps = -(-distance // window)
    return min(steps, 2) if everyone else steps


def _layers_inputs(generator: Generator) -> Iterator[tuple[int, int, bool]]:
    for distance, window in ((10, 3), (9, 3), (0, 2), (1, 5), (100, 8), (3, 3)):
        yield distance, window, False
        yield distance, window, True


def _layers_by_walk(distance, window, everyone):
    count = 0
    while distance > 0:
        if everyone and distance > window:
            return count + 2
        distance, count = distance - window, count + 1
    return count


LAYERS = Exercise(
    key="transformer.cheaper_attention.5",
    title="How many layers",
    minutes=6,
    dots=2,
    learn="a window passes news on layer by layer; one global place makes it two",
    reference=layers_needed,
    inputs=_layers_inputs,
    alternatives=[
        _layers_by_walk,
        lambda n, w, g: min(math.ceil(n / w), 2) if g else math.ceil(n / w),
    ],
    mistakes=[
        (
            lambda n, w, g: min(n // w, 2) if g else n // w,
            "A rest that is smaller than a window needs one more layer: round up.",
        ),
        (
            lambda n, w, g: min(n // w + 1, 2) if g else n // w + 1,
            "One too many where the distance is a whole number of windows, or 0.",
        ),
        (
            lambda n, w, g: max(1, layers_needed(n, w, g)),
            "What stands at the place itself is known without any layer.",
        ),
        (
            lambda n, w, g: -(-n // w),
            "With a global place two layers are enough: there, and back.",
        ),
        (
            lambda n, w, g: min(-(-n // w), 1) if g else -(-n // w),
            "The way over the global place has two steps: to it, and from it.",
        ),
        (
            lambda n, w, g: 2 if g else -(-n // w),
            "Near places do not need the detour over the global place.",
        ),
        (
            lambda n, w, g: min(-(-n // (2 * w + 1)), 2) if g else -(-n // (2 * w + 1)),
            "A layer sees 2w + 1 places, but only w of them lie in the direction that "
            "you walk.",
        ),
    ],
    hints=[
        "In one layer news moves by at most `window` places.",
        "With a global place: at most two steps, whatever the distance.",
    ],
)

# -------------------------------------------------------------------- 6 · shared keys


def shared(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of many heads of queries over few heads of keys and values.

    Args:
        query: (H, N, d).
        key, value: (G, M, d), with H a multiple of G. Neighbouring heads of
            queries share: the first H / G use the first head of keys.

    Returns:
        (H, N, d): softmax of scaled dot products, per head.
    """
    share = query.shape[0] // key.shape[0]
    keys, values = (x.repeat_interleave(share, 0) for x in (key, value))
    scores = query @ keys.mT / query.shape[-1] ** 0.5  # (H, N, M)
    return scores.softmax(-1) @ values


def _shared_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for h, g, n, m, d in ((4, 2, 3, 5, 2), (6, 3, 2, 4, 3), (4, 1, 3, 3, 2)):
        yield tuple(draw(generator, (h, n, d), (g, m, d), (g, m, d)))
    for h, n in ((6, 1), (2, 3)):
        query, key, value = draw(generator, (h, n, 2), (2, 4, 2), (2, 4, 2))
        yield 200 * query, key, value  # exponentials overflow


def _shared_by_loop(query, key, value):
    share = query.shape[0] // key.shape[0]
    found = []
    for h, q in enumerate(query):
        k, v = key[h // share], value[h // share]
        found.append((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v)
    return torch.stack(found)


def _shared_by_view(query, key, value):
    groups = query.unflatten(0, (key.shape[0], -1))  # (G, H / G, N, d)
    scores = groups @ key[:, None].mT / query.shape[-1] ** 0.5
    return (scores.softmax(-1) @ value[:, None]).flatten(0, 1)


def _shared_with(query, key, value, spread, scale=True):
    share = query.shape[0] // key.shape[0]
    keys, values = spread(key, share), spread(value, share)
    scores = query @ keys.mT / (query.shape[-1] ** 0.5 if scale else 1)
    return scores.softmax(-1) @ values


def _shared_by_powers(query, key, value):
    share = query.shape[0] // key.shape[0]
    keys, values = (x.repeat_interleave(share, 0) for x in (key, value))
    powers = (query @ keys.mT / query.shape[-1] ** 0.5).exp()
    return powers / powers.sum(-1, keepdim=True) @ values


SHARED = Exercise(
    key="transformer.cheaper_attention.6",
    title="Many queries, few keys",
    minutes=10,
    dots=3,
    learn="grouped heads ask different questions of the same keys",
    reference=shared,
    inputs=_shared_inputs,
    alternatives=[_shared_by_loop, _shared_by_view],
    mistakes=[
        (
            lambda q, k, v: _shared_with(q, k, v, lambda x, s: x.repeat(s, 1, 1)),
            "Your heads take turns: 0, 1, 0, 1. *Neighbours* share: 0, 0, 1, 1.",
        ),
        (
            lambda q, k, v: _shared_with(
                q, k, v, lambda x, s: x.repeat_interleave(s, 0), scale=False
            ),
            "The scores are not divided by the square root of the width.",
        ),
        (
            lambda q, k, v: _shared_with(q, k, v, lambda x, s: x.mean(0, keepdim=True)),
            "You have averaged all heads of keys. Each group has its own.",
        ),
        (
            lambda q, k, v: _shared_with(q, k, v, lambda x, s: x[:1]),
            "All heads read the first head of keys. That is multi-query attention; "
            "here there are several groups.",
        ),
        (
            lambda q, k, v: (
                (
                    q
                    @ k.repeat_interleave(q.shape[0] // k.shape[0], 0).mT
                    / q.shape[-1] ** 0.5
                ).softmax(0)
                @ v.repeat_interleave(q.shape[0] // k.shape[0], 0)
            ),
            "Your weights sum to 1 over the heads. They belong to the keys: the last "
            "axis.",
        ),
        (
            _shared_by_powers,
            "Right for small scores. Large ones overflow in exp and give nan: "
            "shift them first, or use a softmax that does.",
        ),
        (
            lambda q, k, v: _shared_by_loop(q, k, v).squeeze(),
            "The axis of the queries is gone where there is only one of them.",
        ),
    ],
    hints=[
        "How many heads of queries share one head of keys? H divided by G.",
        "`x.repeat_interleave(share, 0)` gives 0, 0, 1, 1; `repeat` gives 0, 1, 0, 1.",
        "From there on it is attention, head by head.",
    ],
)

EXERCISES = [MERGE, PATTERN, RECURRENT, CACHE, LAYERS, SHARED]
