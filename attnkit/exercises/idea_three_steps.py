"""Exercises of the chapter `idea/three_steps`; the first three stand beside it."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw
from attnkit.exercises.idea_three_steps_parts import KEEP, SPARSEMAX, SPREAD

# ------------------------------------------------------ 4 · four ways to spend weights


def spend(weights: Tensor, value: Tensor, how: str) -> Tensor:
    """Step 3 in four forms.

    Args:
        weights: (N, M), none negative; a row need not add up to one.
        value: (M, d_v).
        how: "sum", "mean", "max" or "none".

    Returns:
        (N, d_v), for "none" (N, M, d_v). The mean of a row whose
        weights are all 0 is 0.
    """
    each = weights[..., None] * value  # (N, M, d_v)
    if how == "none":
        return each
    if how == "max":
        return each.amax(dim=1)
    total = each.sum(dim=1)
    if how == "sum":
        return total
    return total / weights.sum(-1, keepdim=True).clamp_min(1e-12)


def _spend_inputs(generator: Generator) -> Iterator[tuple]:
    for n, m, width in ((2, 3, 2), (1, 1, 1), (4, 4, 4), (6, 20, 3)):
        weights = torch.rand(n, m, generator=generator)
        weights[:, 1:] *= torch.rand(n, m - 1, generator=generator) > 0.3
        for how in ("sum", "mean", "max", "none"):
            yield (weights, *draw(generator, (m, width)), how)
    yield (torch.tensor([[0.0, 0], [1, 3]]), torch.tensor([[1.0], [2]]), "mean")


def _spend_by_einsum(weights: Tensor, value: Tensor, how: str) -> Tensor:
    if how in ("sum", "mean"):
        rows = weights if how == "sum" else F.normalize(weights, p=1.0, dim=-1)
        return torch.einsum("nm,mv->nv", rows, value)
    each = torch.einsum("nm,mv->nmv", weights, value)
    return each if how == "none" else each.max(dim=1).values


def _spend_by_loop(weights: Tensor, value: Tensor, how: str) -> Tensor:
    rows = []
    for row in weights:
        each = torch.stack([w * v for w, v in zip(row, value, strict=True)])
        share = row.sum() if row.any() else torch.ones(())
        ways = {"sum": each.sum(0), "mean": each.sum(0) / share, "none": each}
        rows.append(ways.get(how, each.max(0).values))
    return torch.stack(rows)


def _one_wrong(how: str, wrong):
    """Like `spend`, but for one of the four ways."""
    return lambda weights, value, given: (
        wrong(weights, value) if given == how else spend(weights, value, given)
    )


SPEND = Exercise(
    key="idea.three_steps.4",
    title="Four ways to spend weights",
    minutes=10,
    dots=2,
    learn="sum, mean, max and none answer four different questions",
    reference=spend,
    inputs=_spend_inputs,
    alternatives=[_spend_by_einsum, _spend_by_loop],
    mistakes=[
        (
            _one_wrong("mean", lambda w, v: w @ v / w.shape[-1]),
            "Your mean divides by the number of keys. Divide by what the weights add "
            "up to, so that keys without weight do not count.",
        ),
        (
            _one_wrong("mean", lambda w, v: w @ v / w.sum(-1, keepdim=True)),
            "Right but for a row whose weights are all 0: 0 / 0 is NaN.",
        ),
        (
            _one_wrong("mean", lambda w, v: w @ v),
            "Your mean is the sum. They are the same only where a row adds up to one.",
        ),
        (
            _one_wrong("max", lambda w, v: v.amax(0).expand(len(w), -1)),
            "Your maximum does not use the weights: multiply each value first.",
        ),
        (
            _one_wrong("max", lambda w, v: v[w.argmax(-1)]),
            "You take the value of the best key. The maximum goes over the weighted "
            "values, for each number of a value by itself.",
        ),
        (
            _one_wrong("max", lambda w, v: (w[..., None] * v).amax(-1)),
            "Your maximum runs over the numbers of a value. It runs over the keys.",
        ),
        (
            _one_wrong("none", lambda w, v: v.expand(len(w), *v.shape)),
            "Without aggregation the weights still count: each value is scaled by its "
            "own weight.",
        ),
    ],
    hints=[
        "Make the weighted values first, (N, M, d_v): `weights[..., None] * value`.",
        "The keys lie along axis 1 of it. Three of the four ways take that axis away.",
        "For the mean, divide the sum by `weights.sum(-1, keepdim=True)`, and keep "
        "that from being 0 with `clamp_min`.",
    ],
)


# --------------------------------------------------------- 5 · the slope of a gamble


def nudge(scores: Tensor, drawn: Tensor, loss: Tensor) -> Tensor:
    """The REINFORCE gradient by hand, with a baseline.

    Args:
        scores: (B, M); one key of each row was drawn from softmax.
        drawn: (B,) whole numbers, the keys that were drawn.
        loss: (B,) what each draw cost.

    Returns:
        (B, M), the gradient by the scores of the mean over the batch
        of (loss - baseline) · log p(drawn). The baseline of a sample
        is the mean loss of all *other* samples.
    """
    others = (loss.sum() - loss) / (len(loss) - 1)  # (B,)
    hit = F.one_hot(drawn, scores.shape[-1])  # (B, M)
    slope = hit - scores.softmax(-1)  # of log p
    return (loss - others)[:, None] * slope / len(loss)


def _nudge_inputs(generator: Generator) -> Iterator[tuple]:
    for batch, keys in ((2, 3), (5, 4), (3, 1), (64, 10)):
        drawn = torch.randint(keys, (batch,), generator=generator)
        loss = torch.rand(batch, generator=generator)
        yield (*draw(generator, (batch, keys)), drawn, loss)


def _nudge_by_autograd(scores: Tensor, drawn: Tensor, loss: Tensor) -> Tensor:
    leaf = scores.detach().clone().requires_grad_()
    picked = leaf.log_softmax(-1)[torch.arange(len(drawn)), drawn]
    others = torch.stack([torch.cat([loss[:i], loss[i + 1 :]]).mean()
                          for i in range(len(loss))])  # fmt: skip
    return torch.autograd.grad((picked * (loss - others)).mean(), leaf)[0]


def _nudge_by_loop(scores: Tensor, drawn: Tensor, loss: Tensor) -> Tensor:
    rows, batch = [], len(loss)
    for i, row in enumerate(scores):
        slope = -torch.softmax(row, 0)
        slope[drawn[i]] += 1
        rows.append(slope * (loss[i] - loss.mean()) / (batch - 1))
    return torch.stack(rows)


def _slope(scores: Tensor, drawn: Tensor) -> Tensor:
    return F.one_hot(drawn, scores.shape[-1]) - scores.softmax(-1)


NUDGE = Exercise(
    key="idea.three_steps.5",
    title="The slope of a gamble",
    minutes=20,
    dots=4,
    learn="what REINFORCE does to each score, and what a baseline is",
    reference=nudge,
    inputs=_nudge_inputs,
    alternatives=[_nudge_by_autograd, _nudge_by_loop],
    mistakes=[
        (
            lambda scores, drawn, loss: -nudge(scores, drawn, loss),
            "The sign is turned. This is a gradient of a loss: where the draw cost "
            "more than usual, its own entry is positive.",
        ),
        (
            lambda scores, drawn, loss: (
                loss[:, None] * _slope(scores, drawn) / len(loss)
            ),
            "The baseline is missing.",
        ),
        (
            lambda scores, drawn, loss: (
                (loss - loss.mean())[:, None] * _slope(scores, drawn) / len(loss)
            ),
            "Your baseline includes the sample's own loss, so it depends on the draw. "
            "Take the mean of the others.",
        ),
        (
            lambda scores, drawn, loss: nudge(scores, drawn, loss) * len(loss),
            "You add up over the batch. The mean is asked for.",
        ),
        (
            lambda scores, drawn, loss: (
                nudge(scores, drawn, loss)
                * scores.softmax(-1).gather(-1, drawn[:, None])
            ),
            "You differentiate the probability of the draw. Differentiate its "
            "logarithm.",
        ),
        (
            lambda scores, drawn, loss: (
                (loss - (loss.sum() - loss) / (len(loss) - 1))[:, None]
                * F.one_hot(drawn, scores.shape[-1])
                / len(loss)
            ),
            "You move only the score that was drawn. If its probability rises, those "
            "of the other keys must fall.",
        ),
    ],
    hints=[
        "log softmax(e)_r = e_r - log Σ exp(e), where r was drawn. Differentiate by "
        "e_m: it is 1 for m = r, minus softmax(e)_m for every m.",
        "The mean of the others: take the sample's own loss away from the sum, and "
        "divide by one less than the batch.",
        "One factor for each row: `(loss - others)[:, None]`. And the mean over the "
        "batch divides by B.",
    ],
)


# ---------------------------------------------------------- 6 · what does a score cost?


def products(score: str, n: int, m: int, d: int, u: int) -> int:
    """How many multiplications a score takes.

    Args:
        score: "dot", "general", "additive" or "location".
        n, m: numbers of queries and of keys.
        d: their width.
        u: units in the hidden layer of the additive score.

    Returns:
        The multiplications, each step done as seldom as it can be;
        for "general", W multiplies the queries.
    """
    if score == "dot":
        return n * m * d
    if score == "general":
        return n * d * d + n * m * d
    if score == "additive":
        return n * d * u + m * d * u + n * m * u
    return n * d * m


def _products_inputs(generator: Generator) -> Iterator[tuple]:
    for n, m, d, u in ((2, 3, 4, 5), (256, 256, 64, 64), (1, 7, 16, 2), (9, 2, 5, 3)):
        for score in ("dot", "general", "additive", "location"):
            yield (score, n, m, d, u)


def _products_from_table(score: str, n: int, m: int, d: int, u: int) -> int:
    pairs = n * m
    table = {"dot": pairs * d, "general": n * (d + m) * d, "location": pairs * d}
    return table.get(score, (n + m) * d * u + pairs * u)


def _products_by_shapes(score: str, n: int, m: int, d: int, u: int) -> int:
    steps = {
        "dot": [(n, d, m)],
        "general": [(n, d, d), (n, d, m)],
        "additive": [(n, d, u), (m, d, u), (n * m, u, 1)],
        "location": [(n, d, m)],
    }
    return sum(rows * inner * columns for rows, inner, columns in steps[score])


def _but(name: str, wrong):
    """Like `products`, but for one score."""
    return lambda score, n, m, d, u: (
        wrong(n, m, d, u) if score == name else products(score, n, m, d, u)
    )


PRODUCTS = Exercise(
    key="idea.three_steps.6",
    title="What does a score cost?",
    minutes=10,
    dots=3,
    learn="project each query and each key once, not once for each pair",
    reference=products,
    inputs=_products_inputs,
    alternatives=[_products_from_table, _products_by_shapes],
    mistakes=[
        (
            _but("general", lambda n, m, d, u: n * m * (d * d + d)),
            "You multiply by W for every pair. A query meets all keys: multiply it by "
            "W once.",
        ),
        (
            _but("general", lambda n, m, d, u: n * d * d),
            "After W the queries still have to meet the keys.",
        ),
        (
            _but("general", lambda n, m, d, u: min(n, m) * d * d + n * m * d),
            "Where keys are fewer you let W meet the keys. Here it meets the queries, "
            "however many there are.",
        ),
        (
            _but("additive", lambda n, m, d, u: n * m * (2 * d * u + u)),
            "You project for every pair. Each query and each key is projected once; "
            "only what follows is done for every pair.",
        ),
        (
            _but("additive", lambda n, m, d, u: (n + m) * d * u),
            "The product with w is missing: u multiplications for every pair.",
        ),
        (
            _but("dot", lambda n, m, d, u: n * m),
            "One pair takes d multiplications, not one.",
        ),
        (
            _but("location", lambda n, m, d, u: n * d * d),
            "The matrix of the location score has a row for each key.",
        ),
    ],
    hints=[
        "A product of an (a, b) and a (b, c) matrix takes a · b · c multiplications.",
        "general: (n, d) by (d, d), then (n, d) by (d, m).",
        "additive: W_q meets n queries, W_k meets m keys. Then w meets the hidden "
        "layer of every pair.",
    ],
)

EXERCISES = [SPREAD, SPARSEMAX, KEEP, SPEND, NUDGE, PRODUCTS]
