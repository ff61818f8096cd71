"""Exercises 1 to 3 of the chapter `rnn/pooling`: weights over steps."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------- 1 · the last step that counts


def last_weights(mask: Tensor) -> Tensor:
    """Last-state pooling as weights.

    Args:
        mask: boolean (B, T), True for the steps that count. It may have gaps.

    Returns:
        (B, T): one on the last step that counts, zero elsewhere. A sequence
        without such a step gets zeros.
    """
    after = mask.flip(-1).cumsum(-1).flip(-1)  # (B, T): True from here on
    return (mask & (after == 1)).float()


def _last_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for batch, steps in ((3, 4), (1, 1), (6, 7), (10, 30)):
        mask = torch.rand(batch, steps, generator=generator) < 0.6
        mask[0] = True
        yield (mask,)
    yield (torch.tensor([[0, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1]]).bool(),)


def _last_by_loop(mask):
    out = torch.zeros(mask.shape)
    for row, steps in zip(out, mask, strict=True):
        found = steps.nonzero()[:, 0]
        if len(found):
            row[found[-1]] = 1.0
    return out


def _last_by_number(mask):
    number = torch.arange(1, mask.shape[1] + 1) * mask
    top = number.max(-1, keepdim=True).values
    return ((number == top) & (top > 0)).float()


def _last_column(mask):
    out = torch.zeros(mask.shape)
    out[:, -1] = 1.0
    return out


def _last_by_count(mask):
    place = torch.arange(mask.shape[1]) == mask.sum(-1, keepdim=True) - 1
    return place.float()


def _last_or_any(mask):
    number = torch.arange(1, mask.shape[1] + 1) * mask
    out = torch.zeros(mask.shape)
    return out.scatter(1, number.argmax(-1, keepdim=True), 1.0)


LAST = Exercise(
    key="rnn.pooling.1",
    title="The last step that counts",
    minutes=8,
    dots=2,
    learn="taking the last state is a pooling whose weights are fixed beforehand",
    reference=last_weights,
    inputs=_last_inputs,
    alternatives=[_last_by_loop, _last_by_number],
    mistakes=[
        (
            _last_column,
            "You always take the last column, padding or not. Look at `mask`.",
        ),
        (
            _last_by_count,
            "You count the steps and go to that place. This is right without gaps "
            "only: with the mask 1 0 1 the last step is the third, not the second.",
        ),
        (
            _last_or_any,
            "Right, except for a sequence without any step: there you choose a step "
            "that does not count. All of its weights are zero.",
        ),
        (
            lambda mask: (mask & (mask.cumsum(-1) == 1)).float(),
            "This is the *first* step that counts.",
        ),
        (
            lambda mask: mask / mask.sum(-1, keepdim=True).clamp(min=1),
            "These are the weights of mean pooling: every step gets the same.",
        ),
        (
            lambda mask: mask.float(),
            "Every step that counts gets a one. Only the last of them should.",
        ),
    ],
    hints=[
        "Which step has exactly one True from itself to the end, itself counted?",
        "`mask.flip(-1).cumsum(-1).flip(-1)` counts from each step to the end.",
        "A step that does not count may have the same number as the last True after "
        "it: combine with `mask`.",
    ],
)

# --------------------------------------------------------------- 2 · max over the steps


def max_pool(values: Tensor, mask: Tensor) -> Tensor:
    """The largest number of each channel, over the steps that count.

    Args:
        values: (T, D), one row per step.
        mask: boolean (T,), True for the steps that count.

    Returns:
        (D,); zeros if no step counts.
    """
    if not mask.any():
        return torch.zeros(values.shape[1])
    return values[mask].max(0).values


def _max_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for steps, width in ((4, 3), (7, 2), (30, 8), (3, 5)):
        mask = torch.rand(steps, generator=generator) < 0.5
        mask[:2] = torch.tensor([True, False])
        yield draw(generator, (steps, width))[0] - 1, mask
    yield draw(generator, (3, 4))[0], torch.zeros(3, dtype=torch.bool)


def _max_by_loop(values, mask):
    steps = [row for row, counts in zip(values.tolist(), mask, strict=True) if counts]
    if not steps:
        return values.new_zeros(values.shape[1])
    return torch.tensor([max(channel) for channel in zip(*steps, strict=True)])


def _max_by_fill(values, mask):
    best = values.masked_fill(~mask[:, None], float("-inf")).amax(0)
    return best if bool(mask.any()) else torch.zeros_like(best)


def _max_strongest(values, mask):
    if not mask.any():
        return torch.zeros(values.shape[1])
    kept = values[mask]
    return kept[kept.norm(dim=-1).argmax()].clone()


MAX = Exercise(
    key="rnn.pooling.2",
    title="Each channel for itself",
    minutes=8,
    dots=2,
    learn="max pooling chooses a step for each channel, and padding must not win",
    reference=max_pool,
    inputs=_max_inputs,
    alternatives=[_max_by_loop, _max_by_fill],
    mistakes=[
        (
            lambda values, mask: values.max(0).values,
            "Steps that do not count take part. `mask` is not used.",
        ),
        (
            lambda values, mask: (values * mask[:, None]).max(0).values,
            "You set the other steps to zero, and zero is larger than any negative "
            "number: where a channel is negative at all steps, the padding wins.",
        ),
        (
            lambda values, mask: values.masked_fill(~mask[:, None], float("-inf")).amax(
                0
            ),
            "Right, except for a sequence without any step: there you give minus "
            "infinity. It should be zeros.",
        ),
        (
            _max_strongest,
            "You choose one step for all channels, the longest vector. Each channel "
            "chooses for itself.",
        ),
        (
            lambda values, mask: values[mask].sum(0) / max(1, int(mask.sum())),
            "This is the mean over the steps.",
        ),
        (
            lambda values, mask: _max_by_fill(values.abs(), mask),
            "You compare sizes without the sign: a strong *negative* number is small.",
        ),
    ],
    hints=[
        "`values[mask]` are the steps that count.",
        "The maximum runs over the steps, the first axis; `.values` leaves out the "
        "places.",
        "A maximum of nothing does not exist: look at this case first.",
    ],
)

# ------------------------------------------------------------------ 3 · the three steps


def attention_pool(
    values: Tensor, weight: Tensor, bias: Tensor, query: Tensor
) -> tuple[Tensor, Tensor]:
    """Score, normalize, aggregate, with one learned query.

    Args:
        values: (T, D), one row per step.
        weight, bias: (A, D) and (A,); the key of a step is tanh(W h + b).
        query: (A,), the same for every sequence.

    Returns:
        context (D,) and weights (T,).
    """
    keys = torch.tanh(values @ weight.mT + bias)  # (T, A)
    scores = keys @ query  # (T,)
    weights = scores.softmax(0)
    return weights @ values, weights


def _pool_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for steps, width, size in ((3, 2, 2), (5, 4, 4), (1, 3, 2), (20, 6, 6)):
        shapes = (steps, width), (size, width), (size,), (size,)
        values, weight, bias, query = draw(generator, *shapes)
        yield values, weight, bias, 2 * query
    values, weight, bias, query = draw(generator, (4, 2), (3, 2), (3,), (3,))
    yield values, 5 * weight, bias, 200 * query  # exponentials overflow


def _pool_by_loop(values, weight, bias, query):
    scores = []
    for row in values:
        scores.append(sum(query * (weight @ row + bias).tanh()))
    powers = (torch.stack(scores) - max(scores)).exp()
    weights = powers / powers.sum()
    return sum(w * row for w, row in zip(weights, values, strict=True)), weights


def _pool_by_layer(values, weight, bias, query):
    keys = torch.nn.functional.linear(values, weight, bias).tanh()
    weights = torch.softmax(torch.einsum("ta,a->t", keys, query), dim=0)
    return (values * weights[:, None]).sum(0), weights


def _read(values, scores):
    weights = scores.softmax(0)
    return weights @ values, weights


def _pool_by_powers(values, weight, bias, query):
    powers = ((values @ weight.mT + bias).tanh() @ query).exp()
    return powers @ values / powers.sum(), powers / powers.sum()


def _pool_sigmoid(values, weight, bias, query):
    weights = ((values @ weight.mT + bias).tanh() @ query).sigmoid()
    return weights @ values, weights


def _pool_hard(values, weight, bias, query):
    scores = (values @ weight.mT + bias).tanh() @ query
    weights = torch.nn.functional.one_hot(scores.argmax(), len(values)).float()
    return weights @ values, weights


POOL = Exercise(
    key="rnn.pooling.3",
    title="Three steps, one question",
    minutes=10,
    dots=3,
    learn="attention pooling is additive attention whose query never changes",
    reference=attention_pool,
    inputs=_pool_inputs,
    alternatives=[_pool_by_loop, _pool_by_layer],
    mistakes=[
        (
            lambda v, w, b, q: _read(v, (v @ w.mT + b) @ q),
            "The tanh is missing: the score of a step is not bounded.",
        ),
        (
            lambda v, w, b, q: _read(v, (v @ w.mT).tanh() @ q),
            "The bias is missing in the keys.",
        ),
        (
            lambda v, w, b, q: _read(v, ((v @ w.mT + b) @ q).tanh()),
            "You take the tanh of the *score*. It belongs to the key, number by "
            "number, before the product with the query.",
        ),
        (
            _pool_sigmoid,
            "Each step is weighted for itself and the weights do not add up to 1. "
            "Steps have to compete: softmax over the steps.",
        ),
        (
            lambda v, w, b, q: (
                v.sum(0) / len(v),
                torch.full((len(v),), 1 / len(v)),
            ),
            "All weights are equal: this is mean pooling.",
        ),
        (
            _pool_by_powers,
            "Right for a short query. exp of a large score is infinite: take the "
            "largest away first, or let `softmax` do it.",
        ),
        (
            _pool_hard,
            "You take the best step alone. Soft weights give each step its share.",
        ),
    ],
    hints=[
        "Keys first, for all steps at once: `values @ weight.mT + bias`, and a tanh.",
        "One number per step: the product of its key with the query.",
        "Softmax over the steps, and the sum of the *values*, not of the keys.",
    ],
)
