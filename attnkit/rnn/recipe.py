"""The one place that holds the settings of chapter 4's translators."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from attnkit.data import PairSet
from attnkit.train import History
from attnkit.translation import Task, train

from .seq2seq import Seq2Seq


@dataclass(frozen=True)
class Recipe(Task):
    """Task, training and the widths of the model."""

    embed_dim: int = 32
    hidden_dim: int = 64


RECIPE = Recipe()


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
    make = partial(
        Seq2Seq,
        embed_dim=recipe.embed_dim,
        hidden_dim=recipe.hidden_dim,
        attention=attention,
        **options,
    )
    return train(make, pairs, recipe, seed=seed, progress=progress)
