"""Exercises of the chapter `rnn/pooling`; the first three stand beside it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.rnn_pooling_steps import LAST, MAX, POOL

# ------------------------------------------------------- 4 · the block of the articles


def block(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Transpose, dense layer and softmax over the steps, transpose, multiply.

    Args:
        values: (B, T, D).
        weight, bias: (T, T) and (T,) of the dense layer: each new number is a row of
            the weight times a channel's course over time, plus its bias.

    Returns:
        The weighted values, (B, T, D), not summed.
    """
    scores = values.mT @ weight.mT + bias  # (B, D, T)
    weights = scores.softmax(-1).mT  # (B, T, D)
    return values * weights


def _block_inputs(generator: Generator) -> Iterator[tuple[Tensor, ...]]:
    for batch, steps, width in ((2, 3, 2), (1, 4, 4), (3, 2, 5), (4, 20, 6)):
        yield tuple(draw(generator, (batch, steps, width), (steps, steps), (steps,)))
    values, *layer = draw(generator, (2, 3, 2), (3, 3), (3,))
    yield 200 * values, *layer  # exponentials overflow


def _block_by_loop(values, weight, bias):
    out = torch.zeros_like(values)
    for b in range(values.shape[0]):
        for d in range(values.shape[2]):
            course = values[b, :, d]
            out[b, :, d] = (weight @ course + bias).softmax(0) * course
    return out


def _block_without_transpose(values, weight, bias):
    scores = torch.einsum("ts,bsd->btd", weight, values) + bias[:, None]
    return scores.softmax(1) * values


def _shares(powers):
    return powers / powers.sum(-1, keepdim=True)


def _block_scores(values, weight, bias):
    return values.mT @ weight.mT + bias


BLOCK = Exercise(
    key="rnn.pooling.4",
    title="The block of the articles",
    minutes=12,
    dots=3,
    learn="the two transposes only put the steps where the dense layer looks",
    reference=block,
    inputs=_block_inputs,
    alternatives=[_block_by_loop, _block_without_transpose],
    mistakes=[
        (
            lambda v, w, b: v * _block_scores(v, w, b).softmax(1).mT,
            "Your weights add up to 1 over the *channels*. Steps have to compete, each "
            "channel for itself.",
        ),
        (
            lambda v, w, b: v * (v.mT @ w + b).softmax(-1).mT,
            "The weight is turned round: each new number is a *row* of it times the "
            "course.",
        ),
        (
            lambda v, w, b: v * (v.mT @ w.mT).softmax(-1).mT,
            "The bias is missing: without it a place cannot be preferred whatever "
            "stands there.",
        ),
        (
            lambda v, w, b: block(v, w, b).sum(1),
            "You have summed over the steps. The block leaves that to the layer after "
            "it.",
        ),
        (
            lambda v, w, b: _block_scores(v, w, b).softmax(-1).mT,
            "These are the weights. They still have to be multiplied with the values.",
        ),
        (
            lambda v, w, b: (
                v * _block_scores(v, w, b).softmax(-1).mT.mean(-1, keepdim=True)
            ),
            "You share one row of weights among all channels. Here each channel has "
            "its own.",
        ),
        (
            lambda v, w, b: v * _shares(_block_scores(v, w, b).exp()).mT,
            "Right for small values. exp of a large score is infinite: take the "
            "largest of each row away first, or let `softmax` do it.",
        ),
    ],
    hints=[
        "`values.mT` has the steps last, (B, D, T): there a dense layer mixes them.",
        "Softmax over the last axis, then transpose back.",
        "Multiply number by number, and sum nothing.",
    ],
)

# ------------------------------------------------------------ 5 · what the block costs


def block_cost(steps: int, width: int, classes: int) -> int:
    """How many numbers the block and the layer after it have to learn.

    Args:
        steps: T; the block has a dense layer from T to T numbers, with biases.
        width: D, width of a state.
        classes: C; one linear layer with biases takes all T times D weighted numbers
            to C logits.

    Returns:
        The number of learned numbers, the LSTM left out.
    """
    dense = steps * steps + steps
    output = steps * width * classes + classes
    return dense + output


def _cost_inputs(generator: Generator) -> Iterator[tuple[int, int, int]]:
    yield from ((120, 48, 10), (1, 1, 1), (2, 3, 5), (10, 4, 2), (200, 64, 3))


def _cost_by_layers(steps, width, classes):
    layers = torch.nn.Linear(steps, steps), torch.nn.Linear(steps * width, classes)
    return sum(p.numel() for layer in layers for p in layer.parameters())


def _cost_by_factors(steps, width, classes):
    return steps * (steps + 1) + classes * (width * steps + 1)


COST = Exercise(
    key="rnn.pooling.5",
    title="What the block costs",
    minutes=6,
    dots=2,
    learn="a layer that has a weight for every position grows with the length",
    reference=block_cost,
    inputs=_cost_inputs,
    alternatives=[_cost_by_layers, _cost_by_factors],
    mistakes=[
        (
            lambda t, d, c: t * t + t + d * c + c,
            "Your last layer reads one vector of D numbers. After the block nothing is "
            "summed: it reads T times D.",
        ),
        (
            lambda t, d, c: t * t + t * d * c,
            "The biases are missing, those of both layers.",
        ),
        (
            lambda t, d, c: d * (t * t + t) + t * d * c + c,
            "All channels share one dense layer: it is counted once, not D times.",
        ),
        (
            lambda t, d, c: t * d + d + t * d * c + c,
            "The dense layer mixes steps with steps: it goes from T numbers to T.",
        ),
        (
            lambda t, d, c: t * t + t,
            "This is the block alone. The layer after it is larger for its sake: count "
            "it too.",
        ),
    ],
    hints=[
        "A linear layer from n to m numbers has n times m weights and m biases.",
        "The block: from T to T. The layer after it: from T times D to C.",
    ],
)

# --------------------------------------------------------------- 6 · without each word


def without_each(tokens: Tensor, pad: int) -> Tensor:
    """The text without its first word, without its second, and so on.

    Args:
        tokens: (T,) numbers of words.
        pad: the number of the padding.

    Returns:
        (T, T): row i is the text without word i; the words behind it move up, and
        one padding stands at the end.
    """
    steps = len(tokens)
    rows = [torch.cat([tokens[:i], tokens[i + 1 :]]) for i in range(steps)]
    return torch.nn.functional.pad(torch.stack(rows), (0, 1), value=pad)


def _each_inputs(generator: Generator) -> Iterator[tuple[Tensor, int]]:
    for steps, pad in ((3, 0), (5, 9), (1, 0), (12, 0)):
        yield torch.randperm(steps + 5, generator=generator)[:steps] + 10, pad
    yield torch.tensor([7, 3, 7, 7, 2, 0]), 0  # words come again; one is the padding


def _each_by_index(tokens, pad):
    place = torch.arange(len(tokens))
    longer = torch.cat([tokens, tokens.new_tensor([pad])])
    return longer[place + (place >= place[:, None])]


def _each_by_mask(tokens, pad):
    steps = len(tokens)
    out = torch.full((steps, steps), pad, dtype=tokens.dtype)
    out[:, :-1] = tokens.expand(steps, -1)[~torch.eye(steps).bool()].view(steps, -1)
    return out


def _each_by_value(tokens, pad):
    out = torch.full((len(tokens), len(tokens)), pad)
    for row, token in zip(out, tokens, strict=True):
        rest = tokens[tokens != token]
        row[: len(rest)] = rest
    return out


def _each_in_place(tokens, pad):
    return torch.where(torch.eye(len(tokens)).bool(), pad, tokens)


EACH = Exercise(
    key="rnn.pooling.6",
    title="Without each word",
    minutes=12,
    dots=3,
    learn="what a word is worth shows when it is not there",
    reference=without_each,
    inputs=_each_inputs,
    alternatives=[_each_by_index, _each_by_mask],
    mistakes=[
        (
            _each_in_place,
            "You put padding in the word's place, so there is a gap. The words behind "
            "it should move up.",
        ),
        (
            lambda tokens, pad: _each_by_index(tokens, pad)[:, :-1],
            "The rows are one shorter than the text. Fill them up: one padding at the "
            "end.",
        ),
        (
            lambda tokens, pad: _each_by_index(tokens, pad).roll(1, 1),
            "The padding stands in front. An LSTM that reads from left to right would "
            "read it first; it belongs at the end.",
        ),
        (
            lambda tokens, pad: torch.where(torch.eye(len(tokens)).bool(), tokens, pad),
            "Inside out: you keep word i and erase all others.",
        ),
        (
            lambda tokens, pad: torch.where(
                torch.arange(len(tokens)) < torch.arange(len(tokens))[:, None],
                tokens,
                pad,
            ),
            "You erase word i and everything behind it.",
        ),
        (
            _each_by_value,
            "A word may come twice. You take out every word that is like word i; only "
            "place i should go.",
        ),
        (
            lambda tokens, pad: _each_by_index(tokens, pad).flip(0),
            "The rows are in reverse order: row 0 is the text without its *first* "
            "word.",
        ),
    ],
    hints=[
        "`torch.cat([tokens[:i], tokens[i + 1:]])` is the text without word i.",
        "Stack these for all i and put one padding behind each.",
    ],
)

EXERCISES = [LAST, MAX, POOL, BLOCK, COST, EACH]
