"""The one place that holds the settings of the Transformer that is compared with the
recurrent translators: their task, their number of parameters, their steps."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from attnkit.data import PairSet
from attnkit.train import History
from attnkit.translation import Task, train, translation_loss

from .model import Transformer

SIZES = ("embed_dim", "num_heads", "num_layers", "ff_dim", "position")


@dataclass(frozen=True)
class Recipe(Task):
    """Task, training and the sizes of the model; `smoothing` of the labels."""

    lr: float = 1e-2
    embed_dim: int = 32
    num_heads: int = 4
    num_layers: int = 2
    ff_dim: int = 96
    position: str = "shaw"
    smoothing: float = 0.0


RECIPE = Recipe()


def train_transformer(
    *,
    seed: int = 1,
    pairs: PairSet | None = None,
    recipe: Recipe = RECIPE,
    progress: bool = True,
    **options: Any,
) -> tuple[Transformer, History]:
    """Train a Transformer on dates, numbers and phrases; half a minute on one core.

    Training uses one thread, so that the result is the same on every number of cores.

    Args:
        seed: of pairs, weights and order.
        pairs: `training_pairs(seed)` if None; make them once for several models.
        recipe: the settings.
        progress: show a progress bar.
        options: of `Transformer`; one that the recipe has as well takes its place.

    Returns:
        The model in evaluation mode, and the history of its training.
    """
    sizes = {name: getattr(recipe, name) for name in SIZES} | options
    make = partial(Transformer, **sizes)
    loss = partial(translation_loss, label_smoothing=recipe.smoothing)
    return train(make, pairs, recipe, seed=seed, loss=loss, progress=progress)
