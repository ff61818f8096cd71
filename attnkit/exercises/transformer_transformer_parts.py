"""Two exercises of the chapter `transformer/transformer`: a norm and a loss."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise

# ----------------------------------------------------------------- 2 · layer norm


def layer_norm(x: Tensor, gain: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """Bring every token to mean 0 and variance 1, then stretch and move it.

    Args:
        x: tokens (..., D).
        gain: (D,), what each number is multiplied with.
        shift: (D,), what is added then.
        eps: added to the variance, inside the root.

    Returns:
        gain (x - mean) / sqrt(variance + eps) + shift; mean and variance (divided
        by D) are those of each token alone.
    """
    mean = x.mean(-1, keepdim=True)  # (..., 1)
    variance = x.var(-1, keepdim=True, unbiased=False)  # (..., 1)
    return gain * (x - mean) / torch.sqrt(variance + eps) + shift


def _norm_inputs(generator: Generator) -> Iterator[tuple]:
    for shape in ((3, 4), (2, 5, 6), (1, 2), (4, 3, 16), (6,), (2, 2, 3, 4)):
        x = 0.5 + 2 * torch.randn(shape, generator=generator)
        parts = (torch.randn(shape[-1], generator=generator) for _ in range(2))
        yield (x, *parts)
    small = 0.01 * torch.randn(3, 8, generator=generator)
    yield small, torch.ones(8), torch.zeros(8)
    yield 100 * small, torch.ones(8), torch.zeros(8), 0.5
    far = 200 + torch.randn(3, 16, generator=generator)  # squares lose the rest
    yield far, torch.ones(16), torch.zeros(16)


def _norm_by_library(x, gain, shift, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], gain, shift, eps)


def _norm_by_squares(x, gain, shift, eps=1e-5):
    moved = x - x.sum(-1, keepdim=True) / x.shape[-1]
    return moved * (moved.square().mean(-1, keepdim=True) + eps).rsqrt() * gain + shift


def _norm_over(x, gain, shift, axes):
    mean, var = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, unbiased=False)
    return gain * (x - mean) / torch.sqrt(var + 1e-5) + shift


def _spread_by_squares(x):
    return x.square().mean(-1, keepdim=True) - x.mean(-1, keepdim=True).square()


NORM = Exercise(
    key="transformer.transformer.2",
    title="A norm for every token",
    minutes=10,
    dots=2,
    learn="layer norm looks at one token, never at its neighbours",
    reference=layer_norm,
    inputs=_norm_inputs,
    alternatives=[_norm_by_library, _norm_by_squares],
    mistakes=[
        (
            lambda x, g, s, e=1e-5: _norm_over(x, g, s, 0),
            "Mean and variance run over the first axis. Each token has its own: the "
            "last axis.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_over(x, g, s, tuple(range(x.dim()))),
            "One mean for all tokens together. Each token has its own.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                g
                * (x - x.mean(-1, keepdim=True))
                / (x.var(-1, keepdim=True) + e).sqrt()
                + s
            ),
            "The variance is divided by D - 1. Here it is divided by D.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                g
                * (x - x.mean(-1, keepdim=True))
                / (x.var(-1, keepdim=True, unbiased=False) + e)
                + s
            ),
            "You divide by the variance, not by its root.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                g * x / (x.var(-1, keepdim=True, unbiased=False) + e).sqrt() + s
            ),
            "The mean is not taken away.",
        ),
        (
            lambda x, g, s, e=1e-5: layer_norm(
                x, torch.ones_like(g), torch.zeros_like(s), e
            ),
            "Mean 0 and variance 1 are there. Gain and shift are not used.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_over(x, g, s, min(1, x.dim() - 1)),
            "Right for a table of tokens. x may have any axes before D: count yours "
            "from the end.",
        ),
        (
            lambda x, g, s, e=1e-5: g * x * (x.square().mean(-1, True) + e).rsqrt() + s,
            "This is RMS norm: the mean stays, in the numbers and in their squares.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                _norm_by_library(x, g, s - s, e)
                + s / (x.var(-1, keepdim=True, unbiased=False) + e).sqrt()
            ),
            "The shift is divided by the root as well. It comes last.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_by_library(x, g, s - s, e),
            "The shift is missing.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_by_library(x, g - g + 1, s, e),
            "The gain is missing.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_by_library(x, g, s),
            "eps is 1e-5 whatever was asked for. Use the argument.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                g
                * (x - x.mean(-1, keepdim=True))
                / (x.std(-1, keepdim=True, unbiased=False) + e)
                + s
            ),
            "eps is added to the root. It belongs inside, to the variance.",
        ),
        (
            lambda x, g, s, e=1e-5: (
                g * (x - x.mean(-1, keepdim=True)) / (_spread_by_squares(x) + e).sqrt()
                + s
            ),
            "Right on paper. Far from 0 two large, nearly equal numbers are taken "
            "from each other, and the variance is lost: move x first.",
        ),
        (
            lambda x, g, s, e=1e-5: _norm_by_library(x, g, s, 0.0),
            "eps is missing: a token of equal numbers would be divided by zero.",
        ),
    ],
    hints=[
        "`x.mean(-1, keepdim=True)` has the shape (..., 1) and can be taken from x.",
        "`x.var(-1, keepdim=True, unbiased=False)` divides by D.",
        "eps is added before the root is taken.",
    ],
)


# ------------------------------------------------------------- 4 · a little doubt


def smoothed_loss(logits: Tensor, target: Tensor, eps: float) -> Tensor:
    """Cross-entropy against a target with a little doubt.

    Args:
        logits: (N, V).
        target: (N,) numbers of the right symbols.
        eps: share of the target that is spread evenly over all V symbols, the right
            one included.

    Returns:
        The mean over the N rows of - sum_v q_v log p_v, a tensor without axes.
    """
    logs = logits.log_softmax(-1)  # (N, V)
    right = logs.gather(-1, target[:, None])[:, 0]  # (N,)
    return -((1 - eps) * right + eps * logs.mean(-1)).mean()


def _loss_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor, float]]:
    for n, v, eps in ((3, 4, 0.1), (6, 9, 0.3), (1, 2, 0.5), (20, 30, 0.1)):
        logits = 2 * torch.randn(n, v, generator=generator)
        yield logits, torch.randint(v, (n,), generator=generator), eps
    far = 300 * torch.randn(4, 6, generator=generator)  # exponentials underflow
    yield far, torch.randint(6, (4,), generator=generator), 0.1


def _loss_by_library(logits, target, eps):
    return F.cross_entropy(logits, target, label_smoothing=eps)


def _loss_by_target(logits, target, eps):
    size = logits.shape[-1]
    wanted = (1 - eps) * F.one_hot(target, size) + eps / size
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def _floored(logits):
    return (logits.softmax(-1) + 1e-9).log()


def _loss_to_others(logits, target, eps):
    size = logits.shape[-1]
    hot = F.one_hot(target, size)
    wanted = (1 - eps) * hot + eps * (1 - hot) / (size - 1)
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def _loss_overwritten(logits, target, eps):
    wanted = torch.full_like(logits, eps / logits.shape[-1])
    wanted[torch.arange(len(target)), target] = 1 - eps
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


LOSS = Exercise(
    key="transformer.transformer.4",
    title="A little doubt",
    minutes=10,
    dots=2,
    learn="label smoothing is cross-entropy against a target that is never quite sure",
    reference=smoothed_loss,
    inputs=_loss_inputs,
    alternatives=[_loss_by_library, _loss_by_target],
    mistakes=[
        (
            lambda logits, target, eps: F.cross_entropy(logits, target),
            "There is no doubt in it: eps is not used.",
        ),
        (
            lambda x, t, eps: (
                -(1 - eps) * x.softmax(-1).log().gather(-1, t[:, None]).mean()
                - eps * x.softmax(-1).log().mean()
            ),
            "Right for small logits. For large ones a probability becomes 0, and its "
            "log minus infinity: take the log and the softmax in one step.",
        ),
        (
            lambda x, t, eps: (
                -(1 - eps) * _floored(x).gather(-1, t[:, None]).mean()
                - eps * _floored(x).mean()
            ),
            "A small number inside the log hides what is small: large logits come to "
            "the log of that number. Take the log and the softmax in one step.",
        ),
        (
            lambda x, t, eps: _loss_by_library(x, t, eps) / x.shape[-1],
            "You take the mean over the symbols, too. It is a sum over V, and a mean "
            "over N.",
        ),
        (
            _loss_to_others,
            "The share goes to the other symbols alone. Here all V get it, the right "
            "one included.",
        ),
        (
            _loss_overwritten,
            "The right symbol has lost its share: its target is 1 - eps *and* eps / V, "
            "so that all add up to 1.",
        ),
        (
            lambda x, t, eps: F.cross_entropy(x, t) - eps * x.log_softmax(-1).mean(),
            "The right symbol still has the whole 1. The target shall add up to 1: "
            "take eps away from it.",
        ),
        (
            lambda x, t, eps: -_loss_by_library(x, t, eps),
            "The sign is wrong: a loss is larger where the probability is smaller.",
        ),
        (
            lambda x, t, eps: _loss_by_library(x, t, eps) * len(x),
            "This is the sum over the rows. Asked is the mean.",
        ),
        (
            lambda x, t, eps: _loss_by_library(x, t, 1 - eps),
            "eps and 1 - eps have changed places.",
        ),
        (
            lambda x, t, eps: (
                -((1 - eps) * x.log_softmax(-1).gather(-1, t[:, None])[:, 0]).mean()
                - eps * x.log_softmax(-1).sum(-1).mean()
            ),
            "Every symbol gets eps. It is eps together, so eps / V each.",
        ),
    ],
    hints=[
        "The target of a row: eps / V everywhere, 1 - eps more at the right symbol.",
        "`logits.log_softmax(-1)` is log p.",
        "eps / V times the sum of the logs is eps times their mean.",
    ],
)
