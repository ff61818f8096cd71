"""Exercise 3 of the chapter `idea/soft_addressing`: a mask."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------------- 3 · some are not yours


def masked_look_up(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
) -> Tensor:
    """Soft lookup among the keys that each query may see.

    The score is the plain dot product.

    Args:
        query: (N, d).
        key: (M, d).
        value: (M, d_v).
        mask: (N, M) of True and False; True = may attend.

    Returns:
        Context (N, d_v). A query that may see nothing gets zeros.
    """
    scores = query @ key.mT  # (N, M)
    scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1)  # a row of NaN if all is hidden
    return weights.masked_fill(~mask, 0) @ value


def _masked_inputs(generator: Generator) -> Iterator[tuple]:
    for n, m, d, width in ((3, 4, 2, 2), (1, 3, 1, 1), (4, 4, 3, 2), (20, 30, 4, 3)):
        mask = torch.rand(n, m, generator=generator) < 0.6
        mask[:, 0] |= ~mask.any(-1)
        yield (*draw(generator, (n, d), (m, d), (m, width)), mask)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    yield (*draw(generator, (2, 2), (3, 2), (3, 2)), mask)
    key = torch.tensor([[-300.0], [-301], [250]])  # the largest score is hidden
    mask = torch.tensor([[True, True, False], [True, False, True]])
    yield torch.ones(2, 1), key, draw(generator, (3, 2))[0], mask


def _masked_by_powers(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = (q @ k.mT).masked_fill(~mask, -1e9)
    powers = (scores - scores.max(-1, keepdim=True).values).exp() * mask
    return powers @ v / powers.sum(-1, keepdim=True).clamp_min(1e-30)


def _masked_late(scores: Tensor, mask: Tensor) -> Tensor:
    powers = scores.exp() * mask
    return powers / powers.sum(-1, keepdim=True).clamp_min(1e-30)


def _masked_by_loop(query: Tensor, key: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    context = torch.zeros(len(query), v.shape[1])
    for i, seen in enumerate(mask):
        if seen.any():
            context[i] = torch.softmax(key[seen] @ query[i], 0) @ v[seen]
    return context


MASKED = Exercise(
    key="idea.soft_addressing.3",
    title="Some keys are not for you",
    minutes=15,
    dots=3,
    learn="where a mask belongs, and what a query gets that may see nothing",
    reference=masked_look_up,
    inputs=_masked_inputs,
    alternatives=[_masked_by_powers, _masked_by_loop],
    mistakes=[
        (
            lambda q, k, v, mask: (
                (q @ k.mT).masked_fill(~mask, -torch.inf).softmax(-1) @ v
            ),
            "Right wherever there is something to see. A row in which all keys are "
            "hidden is NaN: it must give zeros.",
        ),
        (
            lambda q, k, v, mask: (q @ k.mT).masked_fill(~mask, -1e9).softmax(-1) @ v,
            "Right wherever there is something to see. A row in which all keys are "
            "hidden gets the mean of the values: with all scores at -1e9 the hidden "
            "keys are equal again. It must give zeros.",
        ),
        (
            lambda q, k, v, mask: (
                (q @ k.mT).masked_fill(mask, -torch.inf).softmax(-1) @ v
            ),
            "You hide the keys that may be seen. True means: may attend.",
        ),
        (
            lambda q, k, v, mask: ((q @ k.mT) * mask).softmax(-1) @ v,
            "You set hidden scores to 0, and exp(0) = 1 is a good share. Which score "
            "has the exponential 0?",
        ),
        (
            lambda q, k, v, mask: ((q @ k.mT).softmax(-1) * mask) @ v,
            "You mask after the softmax, so the weights that are left add up to less "
            "than one.",
        ),
        (
            lambda q, k, v, mask: (q @ k.mT).softmax(-1) @ v,
            "You do not use the mask.",
        ),
        (
            lambda q, k, v, mask: (
                (q @ k.mT / q.shape[-1] ** 0.5)
                .masked_fill(~mask, -torch.inf)
                .softmax(-1)
                .nan_to_num()
                @ v
            ),
            "You divide the dot product by √d. Here the score is the plain product.",
        ),
        (
            lambda q, k, v, mask: _masked_late(q @ k.mT, mask) @ v,
            "Right for small scores. The exponential of a large one overflows, and "
            "where all are very low every power is 0.",
        ),
        (
            lambda q, k, v, mask: (
                _masked_late(q @ k.mT - (q @ k.mT).amax(-1, keepdim=True), mask) @ v
            ),
            "You subtract the largest score of all keys. If that key is hidden, "
            "the others may all become 0: look at what is seen only.",
        ),
        (
            lambda q, k, v, mask: (
                ((q @ k.mT).masked_fill(~mask, -100.0).softmax(-1) * mask.any(-1, True))
                @ v
            ),
            "A low number is not minus infinity: where the scores that count are lower "
            "still, a hidden key gets all the weight.",
        ),
    ],
    hints=[
        "The mask belongs between step 1 and step 2: after the softmax the hidden keys "
        "have already taken their share.",
        "exp(-∞) = 0. `scores.masked_fill(~mask, -torch.inf)` puts it where the mask "
        "is False.",
        "A row with nothing but -∞ becomes 0 / 0. Fill the *weights* of the hidden "
        "keys with 0 afterwards: that changes nothing elsewhere.",
    ],
)
