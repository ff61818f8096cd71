"""The one place that holds the settings of chapter 4's translators."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.data import Batch, PairSet, mixed
from attnkit.train import History, fit, seed_everything

from .seq2seq import Seq2Seq


@dataclass(frozen=True)
class Recipe:
    """Task and training: sources of 1 to 24 characters, 700 steps of 64 pairs."""

    lengths: tuple[int, int] = (1, 24)
    pairs: int = 20_000
    size: int = 64
    steps: int = 700
    lr: float = 5e-3
    embed_dim: int = 32
    hidden_dim: int = 64
    threads: int = 1  # the matrices are small: a second thread only waits for the first


RECIPE = Recipe()


def translation_loss(model: Seq2Seq, batch: Batch) -> Tensor:
    """Mean negative log-probability of the target symbols, given those before."""
    logits = model(batch.source, batch.target_in, batch.source_mask)
    return F.cross_entropy(
        logits[batch.target_mask], batch.target_out[batch.target_mask]
    )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads inside, as many as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def training_pairs(seed: int = 1, recipe: Recipe = RECIPE) -> PairSet:
    """Dates, numbers and phrases of the training side of the split."""
    return mixed(recipe.pairs, seed, lengths=recipe.lengths, split="train")


def held_out_pairs(n: int, length: int, seed: int = 1) -> PairSet:
    """Sources of one length from the other side of the split."""
    return mixed(n, seed, lengths=(length, length), split="test")


def train_translator(
    attention: str | None = "additive",
    *,
    seed: int = 1,
    pairs: PairSet | None = None,
    recipe: Recipe = RECIPE,
    progress: bool = True,
    **options: Any,
) -> tuple[Seq2Seq, History]:
    """Train a translator of dates, numbers and phrases; a minute or less on one core.

    Training uses one thread, so that the result is the same on every number of cores.

    Args:
        attention: as in `Seq2Seq`; None for one fixed vector.
        seed: of pairs, weights and order.
        pairs: `training_pairs(seed)` if None; make them once for several models.
        recipe: the settings.
        progress: show a progress bar.
        options: further options of `Seq2Seq`, such as `input_feeding` or `window`.

    Returns:
        The model in evaluation mode, and the history of its training.
    """
    pairs = training_pairs(seed, recipe) if pairs is None else pairs
    seed_everything(seed)
    model = Seq2Seq(
        *(len(vocabulary) for vocabulary in pairs.vocabularies),
        embed_dim=recipe.embed_dim,
        hidden_dim=recipe.hidden_dim,
        attention=attention,
        **options,
    )
    with _threads(recipe.threads):
        history = fit(
            model,
            lambda number: pairs.batches(recipe.size, seed=1000 * seed + number),
            translation_loss,
            steps=recipe.steps,
            lr=recipe.lr,
            seed=seed,
            progress=progress,
        )
    return model.eval(), history
