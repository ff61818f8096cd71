"""Exercises of the chapter `idea/soft_addressing`; the first three stand beside it."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_masks import MASKED
from attnkit.exercises.idea_soft_addressing_steps import NEAR_MEAN, SOFTMAX, draw

# ---------------------------------------------------------------- 4 · how cold is it?


def temperature_for(scores: Tensor, wanted: float) -> float:
    """The temperature at which the largest weight is `wanted`.

    It lies between 1e-4 and 1e4.

    Args:
        scores: (M,) with one largest score.
        wanted: a weight above 1 / M and below 1.

    Returns:
        The temperature, right to one part in a thousand.
    """
    low, high = 1e-4, 1e4
    for _ in range(100):
        middle = math.sqrt(low * high)
        if (scores / middle).softmax(-1).max() > wanted:
            low = middle  # too sharp: warmer
        else:
            high = middle
    return middle


def _temperature_inputs(generator: Generator) -> Iterator[tuple[Tensor, float]]:
    for m, wanted in ((4, 0.9), (3, 0.5), (8, 0.99), (6, 0.3), (2, 0.8), (50, 0.6)):
        scores = torch.randn(m, generator=generator, dtype=torch.float64)
        scores[0] = scores.max() + 0.5
        yield scores, wanted
    yield torch.tensor([3.0, 1, 1, 1, 1], dtype=torch.float64), 0.7
    yield torch.tensor([2000.0, -900, 300], dtype=torch.float64), 0.6


def _temperature_by_inverse(scores: Tensor, wanted: float) -> float:
    gaps = scores.double() - scores.max().double()
    low, high = -12.0, 12.0  # the logarithm of 1 / temperature
    while high - low > 1e-9:
        middle = (low + high) / 2
        top = 1 / (gaps * math.exp(middle)).exp().sum()
        low, high = (middle, high) if top < wanted else (low, middle)
    return math.exp(-low)


def _temperature_by_grid(scores: Tensor, wanted: float) -> Tensor:
    low, high = -9.0, 9.0
    for _ in range(8):
        warm = torch.linspace(low, high, 101, dtype=torch.float64).exp()
        top = (scores.double() / warm[:, None]).softmax(-1).amax(-1)
        best = warm[(top - wanted).abs().argmin()].log().item()
        reach = (high - low) / 50
        low, high = best - reach, best + reach
    return torch.tensor(best).exp()


def _two(scores: Tensor, wanted: float, others: int = 1) -> float:
    """Right if all others tie with the second; `others` = how many count."""
    first, second = scores.topk(2).values.tolist()
    return (first - second) / math.log(others * wanted / (1 - wanted))


TEMPERATURE = Exercise(
    key="idea.soft_addressing.4",
    title="How cold must it be?",
    minutes=15,
    dots=3,
    learn="the temperature sets the largest weight, and a search finds it",
    reference=temperature_for,
    inputs=_temperature_inputs,
    alternatives=[_temperature_by_inverse, _temperature_by_grid],
    tolerance=1e-3,
    mistakes=[
        (
            lambda scores, wanted: 1 / temperature_for(scores, wanted),
            "This is one over the temperature. Scores are *divided* by it.",
        ),
        (
            lambda scores, wanted: 1e-4,
            "Your search always ends at the cold end. If the largest weight is above "
            "`wanted`, the memory is too cold: raise the lower bound.",
        ),
        (
            lambda scores, wanted: 1e4,
            "Your search always ends at the hot end. If the largest weight is below "
            "`wanted`, the memory is too hot: lower the upper bound.",
        ),
        (
            lambda scores, wanted: min(100.0, temperature_for(scores, wanted)),
            "Right where the temperature is moderate. It may be as high as 1e4: your "
            "hot bound is not hot enough.",
        ),
        (
            lambda scores, wanted: _two(scores, wanted),
            "This formula is right for two keys. Here the others take a share too.",
        ),
        (
            lambda scores, wanted: _two(scores, wanted, len(scores) - 1),
            "This formula is right if all other scores are equal. Here they differ.",
        ),
        (
            lambda scores, wanted: 1 / math.log(9 * (len(scores) - 1)),
            "This is the formula for a lead of 1 and a weight of 0.9. Here leads and "
            "weights differ.",
        ),
    ],
    hints=[
        "The largest weight falls when the temperature rises, all the way from 1 to "
        "1 / M. So you can search by halving.",
        "Begin with a very cold and a very hot bound. Try the middle; if the largest "
        "weight is too large, the middle is too cold and becomes the lower bound.",
        "Temperatures differ by factors, so take the geometric middle: "
        "`math.sqrt(low * high)`. A hundred halvings are more than enough.",
    ],
)


# ------------------------------------------------------------ 5 · the slope, by hand


def slopes(scores: Tensor, value: Tensor) -> Tensor:
    """How the context moves when each score moves.

    Args:
        scores: (M,) of one query.
        value: (M, d_v).

    Returns:
        (M, d_v); row j is the derivative of the context by score j.
    """
    weights = scores.softmax(dim=-1)  # (M,)
    context = weights @ value  # (d_v,)
    return weights[:, None] * (value - context)


def _slopes_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for m, width in ((3, 2), (5, 1), (4, 4), (1, 1), (30, 3)):
        yield tuple(draw(generator, (m,), (m, width)))


def _slopes_by_matrix(scores: Tensor, value: Tensor) -> Tensor:
    a = scores.softmax(-1)
    return (torch.diag(a) - torch.outer(a, a)) @ value


def _slopes_by_autograd(scores: Tensor, value: Tensor) -> Tensor:
    def context(e: Tensor) -> Tensor:
        return e.softmax(-1) @ value

    return torch.autograd.functional.jacobian(context, scores).mT


SLOPES = Exercise(
    key="idea.soft_addressing.5",
    title="The slope, by hand",
    minutes=20,
    dots=4,
    learn="what a gradient tells a query, and when it says nothing",
    reference=slopes,
    inputs=_slopes_inputs,
    alternatives=[_slopes_by_matrix, _slopes_by_autograd],
    mistakes=[
        (
            lambda scores, value: scores.softmax(-1)[:, None] * value,
            "You let each weight grow for free. The weights add up to one: what one "
            "gains, all the others lose.",
        ),
        (
            lambda scores, value: value - scores.softmax(-1) @ value,
            "The direction is right. How far does it go for a key with weight near 0?",
        ),
        (
            lambda scores, value: (
                (scores.softmax(-1) * (1 - scores.softmax(-1)))[:, None] * value
            ),
            "You count only what key j itself gains. The other keys lose at the same "
            "time: their values count too.",
        ),
        (
            lambda scores, value: (
                scores.softmax(-1)[:, None] * (value + scores.softmax(-1) @ value)
            ),
            "You add the context. The other keys *lose* what key j gains.",
        ),
        (
            lambda scores, value: -slopes(scores, value),
            "The sign is turned: a higher score pulls the context towards its value.",
        ),
        (
            lambda scores, value: scores.softmax(-1)[:, None] * (value - value.mean(0)),
            "You compare each value with the plain mean. Compare it with the context, "
            "the weighted one.",
        ),
        (
            lambda scores, value: slopes(scores, value).mT.contiguous(),
            "The numbers are right, but rows and columns are swapped: row j belongs "
            "to score j.",
        ),
    ],
    hints=[
        "First the weights alone: if score j grows, weight j grows at the rate "
        "a_j (1 - a_j), and every other weight m falls at the rate a_m a_j.",
        "Add up (change of weight m) · v_m over all m, take a_j out as a factor, and "
        "look at what is left.",
        "What is left is v_j minus the context: the context is pulled towards v_j, "
        "and a_j says how hard.",
    ],
)


# ----------------------------------------------------------- 6 · two matrices are one


def merge(ask: Tensor, label: Tensor) -> Tensor:
    """One matrix W that scores like two projections and a scaled dot.

    Args:
        ask: (d, d_q), the weight of `nn.Linear(d_q, d)` for queries.
        label: (d, d_k), the weight of `nn.Linear(d_k, d)` for keys.

    Returns:
        W (d_q, d_k): q·(W k) = (ask q)·(label k) / √d for all q, k.
    """
    return ask.mT @ label / len(ask) ** 0.5


def _merge_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for d, d_q, d_k in ((4, 4, 4), (3, 3, 3), (2, 5, 3), (6, 1, 4), (16, 32, 24)):
        yield tuple(draw(generator, (d, d_q), (d, d_k)))


def _merge_by_einsum(ask: Tensor, label: Tensor) -> Tensor:
    return torch.einsum("iq,ik->qk", ask, label) / math.sqrt(ask.shape[0])


def _merge_by_probing(ask: Tensor, label: Tensor) -> Tensor:
    """Put unit vectors in: the score of unit q and unit k is entry (q, k)."""
    asked, labelled = torch.eye(ask.shape[1]) @ ask.mT, torch.eye(label.shape[1])
    return asked @ (labelled @ label.mT).mT / ask.shape[0] ** 0.5


MERGE = Exercise(
    key="idea.soft_addressing.6",
    title="Two matrices are one",
    minutes=10,
    dots=2,
    learn="queries and keys are never seen apart, only their product is",
    reference=merge,
    inputs=_merge_inputs,
    alternatives=[_merge_by_einsum, _merge_by_probing],
    tolerance=1e-4,
    mistakes=[
        (lambda ask, label: ask.mT @ label, "The division by √d is missing."),
        (
            lambda ask, label: ask.mT @ label / len(ask),
            "You divide by d. The scaled dot product divides by its square root.",
        ),
        (
            lambda ask, label: ask.mT @ label / ask.shape[1] ** 0.5,
            "d is the width *after* the projection, where the dot product is taken.",
        ),
        (
            lambda ask, label: ask.mT @ label / label.shape[1] ** 0.5,
            "d is the width after the projection, not that of the key before it.",
        ),
        (
            lambda ask, label: label.mT @ ask / len(ask) ** 0.5,
            "Rows and columns are swapped: rows belong to the query.",
        ),
        (
            lambda ask, label: ask @ label.mT / len(ask) ** 0.5,
            "You multiply over the inputs. The dot product is taken over the axis that "
            "both projections share, the first one.",
        ),
    ],
    hints=[
        "Write the dot product as a matrix product: (A q)·(B k) = (A q)ᵀ (B k).",
        "(A q)ᵀ = qᵀ Aᵀ. Now put the brackets elsewhere: qᵀ (Aᵀ B) k.",
        "Do not forget √d; d is the number of rows of `ask`.",
    ],
)

EXERCISES = [SOFTMAX, NEAR_MEAN, MASKED, TEMPERATURE, SLOPES, MERGE]
