"""Training and measuring the poolings of one chapter, all in the same way."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from attnkit.checks import check_positive
from attnkit.data.signals import Labelled
from attnkit.train import History, fit, seed_everything

from .pooling import SequenceClassifier


class PoolScores(NamedTuple):
    """How a classifier did on a set of sequences.

    Args:
        accuracy: share of right answers.
        pointing: share of sequences whose largest weight lies on a deciding step.
        mass: mean share of the weight that lies on deciding steps.
        chance: what even weights would have for `mass`.
    """

    accuracy: float
    pointing: float
    mass: float
    chance: float


def classification_loss(model: nn.Module, batch: Labelled) -> torch.Tensor:
    """Cross-entropy of the labels, the mean over the batch."""
    return F.cross_entropy(model(batch.tokens, batch.mask), batch.label)


def train_classifier(
    data: Labelled,
    pooling: str = "attention",
    *,
    size: int,
    classes: int,
    seed: int = 1,
    steps: int = 400,
    batch: int = 32,
    lr: float = 1e-2,
    kind: type[SequenceClassifier] = SequenceClassifier,
) -> tuple[SequenceClassifier, History]:
    """Train a classifier with one pooling; poolings differ in nothing else.

    Args:
        data: what it learns from; "block" is made for the length of these.
        pooling: one of `POOLINGS`.
        size: number of different tokens.
        classes: number of classes.
        seed: of the first weights and of the order of the data.
        steps, batch, lr: optimizer steps, sequences a step (all of `data` if it has
            fewer), peak of the learning rate.
        kind: the class to make, for variants of `SequenceClassifier`.

    Returns:
        (model in evaluation mode, history).

    Raises:
        ValueError: an unknown pooling, or a number below 1.
    """
    check_positive("batch", batch)
    seed_everything(seed)
    length = data.tokens.shape[1] if pooling == "block" else None
    model = kind(size, classes, pooling, steps=length)
    batch = min(batch, len(data.label))
    history = fit(
        model,
        lambda turn: data.batches(batch, 1000 * seed + turn),
        classification_loss,
        steps=steps,
        lr=lr,
        seed=seed,
        progress=False,
    )
    return model.eval(), history


@torch.no_grad()
def evaluate_classifier(
    model: SequenceClassifier, data: Labelled, size: int = 250
) -> PoolScores:
    """Accuracy, and where the weights lie against the known truth.

    Args:
        model: as trained; where it has a weight per channel, their mean is measured.
        data: sequences with the steps that decide.
        size: sequences at a time.
    """
    parts = []
    for rows in torch.arange(len(data.label)).split(size):
        some = data.select(rows)
        logits, weights = model(some.tokens, some.mask, need_weights=True)  # (b, T)
        top = weights.argmax(-1, keepdim=True)
        right = logits.argmax(-1) == some.label
        pointed = some.wanted.gather(1, top)[:, 0]
        mass = (weights * some.wanted).sum(-1)
        even = some.wanted.sum(-1) / some.mask.sum(-1)
        parts.append(torch.stack([right, pointed, mass, even], 1))
    return PoolScores(*torch.cat(parts).mean(0).tolist())
