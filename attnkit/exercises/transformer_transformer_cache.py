"""Exercise 6 of the chapter `transformer/transformer`: a cache."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise

# ------------------------------------------------------------------- 6 · a cache


def cached_step(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of a decoder's self-attention that keeps what was computed.

    Args:
        query, key, value: (d,) of the new token.
        keys, values: (n, d) of the tokens before it; n may be 0.

    Returns:
        The context (d,) of the new token, which reads all before it and itself with
        scaled dot products, and the new keys and values (n + 1, d).
    """
    keys = torch.cat([keys, key[None]])  # (n + 1, d)
    values = torch.cat([values, value[None]])  # (n + 1, d)
    weights = (keys @ query / query.shape[0] ** 0.5).softmax(-1)  # (n + 1,)
    return weights @ values, keys, values


def _cache_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for n, d in ((3, 4), (0, 2), (1, 5), (9, 8)):
        sizes = ((d,), (d,), (d,), (n, d), (n, d))
        yield tuple(2 * torch.randn(size, generator=generator) for size in sizes)
    sizes = ((3,), (3,), (3,), (4, 3), (4, 3))
    query, *rest = (torch.randn(size, generator=generator) for size in sizes)
    yield 200 * query, *rest  # exponentials overflow


def _cache_by_library(query, key, value, keys, values):
    keys, values = torch.vstack([keys, key]), torch.vstack([values, value])
    found = F.scaled_dot_product_attention(query[None], keys, values)
    return found[0], keys, values


def _cache_by_loop(query, key, value, keys, values):
    keys, values = torch.cat([keys, key[None]]), torch.cat([values, value[None]])
    scores = torch.stack([k @ query / len(query) ** 0.5 for k in keys])
    rows = zip(scores.softmax(0), values, strict=True)
    return sum(a * v for a, v in rows), keys, values


def _cache_without_itself(query, key, value, keys, values):
    _, new_keys, new_values = _cache_by_loop(query, key, value, keys, values)
    weights = (keys @ query / len(query) ** 0.5).softmax(-1)
    return weights @ values, new_keys, new_values


def _cache_in_front(query, key, value, keys, values):
    context, _, _ = _cache_by_loop(query, key, value, keys, values)
    return context, torch.cat([key[None], keys]), torch.cat([value[None], values])


def _cache_unscaled(query, key, value, keys, values):
    return _cache_by_library(query * len(query) ** 0.5, key, value, keys, values)


def _cache_by_powers(query, key, value, keys, values):
    _, keys, values = _cache_by_loop(query, key, value, keys, values)
    powers = (keys @ query / len(query) ** 0.5).exp()
    return powers / powers.sum() @ values, keys, values


CACHE = Exercise(
    key="transformer.transformer.6",
    title="Keep what you have computed",
    minutes=12,
    dots=3,
    learn="a cache holds keys and values; old queries are never needed again",
    reference=cached_step,
    inputs=_cache_inputs,
    alternatives=[_cache_by_library, _cache_by_loop],
    mistakes=[
        (
            _cache_without_itself,
            "The new token does not read itself. Put its key and value in first.",
        ),
        (
            _cache_in_front,
            "The new token comes in front. Later positions count on the order: put it "
            "at the end.",
        ),
        (
            _cache_by_powers,
            "Right for small scores. Large ones overflow in exp and give nan: "
            "shift them first, or use a softmax that does.",
        ),
        (
            _cache_unscaled,
            "The products are not divided by the root of d.",
        ),
        (
            lambda q, k, v, ks, vs: _cache_by_loop(
                q * (len(q) / (len(ks) + 1)) ** 0.5, k, v, ks, vs
            ),
            "You divide by the root of the number of keys. It is the width d of a key "
            "that makes products large.",
        ),
        (
            lambda q, k, v, ks, vs: (_cache_by_loop(q, k, v, ks, vs)[0], ks, vs),
            "The context is right, but the new key and value are not kept for the "
            "next step.",
        ),
        (
            lambda q, k, v, ks, vs: _cache_by_loop(k, q, v, ks, vs),
            "The cache keeps the query. Nobody will ask for it: keep the key.",
        ),
        (
            lambda q, k, v, ks, vs: (
                _cache_by_loop(q, k, k, ks, ks)[0],
                torch.cat([ks, k[None]]),
                torch.cat([vs, v[None]]),
            ),
            "The weighted sum is made of keys. The values are handed out.",
        ),
        (
            lambda *a: tuple(_cache_by_loop(*a)[i] for i in (0, 2, 1)),
            "New keys and new values have changed places in what you return.",
        ),
    ],
    hints=[
        "First append: `torch.cat([keys, key[None]])`.",
        "Then one query reads n + 1 keys: `keys @ query` gives n + 1 scores.",
        "Divide by the root of d, softmax, and sum the values.",
    ],
)
