"""Training a small model in which heads learn to copy what the text has had."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.data.repeats import LETTERS, Repeats, repeats
from attnkit.processes import threads
from attnkit.train import History, fit, seed_everything

from .language_model import LanguageModel
from .multihead import MultiHeadAttention
from .positions import Rotary


@dataclass(frozen=True)
class CopierRecipe:
    """Settings of `train_copier`; see there for those from `start` on."""

    length: int = 32
    batches: int = 300
    size: int = 64
    steps: int = 360
    lr: float = 4e-3
    embed_dim: int = 64
    num_heads: int = 4
    num_layers: int = 2
    ff_dim: int = 64
    start: float = 0.15
    lean: float = 20.0
    price: float = 0.1


COPIER = CopierRecipe()


def train_copier(
    seed: int = 1, *, recipe: CopierRecipe = COPIER, progress: bool = False
) -> tuple[LanguageModel, History]:
    """Train a two-layer language model to copy; some eight seconds on one core.

    It learns only at places where the text itself says what comes next. Three settings
    decide what is found, and how soon:

    - `start` shrinks the first table of symbols. A model that reads and writes with one
      table begins by repeating its input; small rows make that easy to unlearn.
    - `lean`: head 0 of layer 0 begins with a leaning to the token one back, by its
      biases; nothing is fixed. Without it 400 steps do not leave the plateau (.15
      to .27 of the letters are right).
    - `price`: what heads pay for writing, see `priced_loss`. One head a layer is left
      that writes; others may still look at the same place. With a price of 0 heads of
      the last layer share the work, and most copying outlives any one of them.

    Args:
        seed: of texts and weights.
        recipe: the settings.
        progress: show a progress bar.

    Returns:
        The model in evaluation mode, and the history of its training.
    """
    texts = repeats(recipe.batches * recipe.size, recipe.length, 1000 * seed)
    batches = texts.batches(recipe.size)
    seed_everything(seed)
    model = LanguageModel(
        len(LETTERS),
        embed_dim=recipe.embed_dim,
        num_heads=recipe.num_heads,
        num_layers=recipe.num_layers,
        ff_dim=recipe.ff_dim,
        position="rotary",
    )
    with torch.no_grad():
        model.embedding.table.mul_(recipe.start)
        lean_back(model.layers[0].attention, recipe.lean)
    with threads(1):  # the matrices are small; the same numbers on any machine
        history = fit(
            model,
            batches,
            lambda net, some: priced_loss(net, some, recipe.price),
            steps=recipe.steps,
            lr=recipe.lr,
            seed=seed,
            progress=progress,
        )
    return model.eval(), history


def priced_loss(model: LanguageModel, texts: Repeats, price: float) -> Tensor:
    """`copy_loss`, and what heads pay for writing.

    A head pays for the length of its part of `output_proj`, from the start; and, as far
    as the model can copy by now, for its root. With roots one head that writes for two
    is cheaper than the two, so in the end one is left.
    """
    loss = copy_loss(model, texts)
    sure = (-loss.detach()).exp()  # the probability of the right letters, 0 to 1
    lengths = torch.cat([head_lengths(layer.attention) for layer in model.layers])
    return loss + price * (0.2 * lengths + sure * lengths.sqrt()).sum()


def copy_loss(model: LanguageModel, texts: Repeats) -> Tensor:
    """Cross-entropy of the next letter where the text tells it."""
    return F.cross_entropy(model(texts.ids)[texts.known], texts.target[texts.known])


def head_lengths(attention: MultiHeadAttention) -> Tensor:
    """Length (H,) of each head's part of `output_proj`: 0 writes nothing."""
    parts = attention.output_proj.weight.unflatten(1, (attention.num_heads, -1))
    return (parts.square().sum((0, 2)) + 1e-8).sqrt()


@torch.no_grad()
def lean_back(attention: MultiHeadAttention, strength: float, head: int = 0) -> None:
    """Give a head with rotary positions biases that prefer the token one back.

    The key's bias is the query's, turned on by one place: the two agree where the key
    stands one before the query, with a scaled score of `strength`.

    Raises:
        ValueError: positions that are not rotary, projections without biases, fewer
            heads of keys than of queries, or a head that there is not.
    """
    _check_leans(attention, head)
    d = attention.query_proj.out_features // attention.num_heads
    rows = slice(head * d, (head + 1) * d)
    even = torch.full((1, 1, 2, d), (strength / d**0.5) ** 0.5)
    turned = attention.position.turn_key(even, 0)[0, 0]  # (2, d)
    attention.query_proj.bias[rows] = turned[0]
    attention.key_proj.bias[rows] = turned[1]


def _check_leans(attention: MultiHeadAttention, head: int) -> None:
    count = attention.num_heads
    if not isinstance(attention.position, Rotary):
        got = type(attention.position).__name__
        raise ValueError(f"attention: expected rotary positions, got {got}")
    if attention.query_proj.bias is None or attention.key_proj.bias is None:
        raise ValueError("attention: expected projections with a bias, got bias=False")
    if attention.num_kv_heads != count:
        raise ValueError(
            f"attention: expected {count} heads of keys as of queries, got "
            f"{attention.num_kv_heads}"
        )
    if not 0 <= head < count:
        raise ValueError(f"head: expected 0 to {count - 1}, got {head}")


@torch.no_grad()
def copying(model: LanguageModel, texts: Repeats) -> float:
    """Share of right next letters where the text tells them; `texts.guess()` is what a
    guess among the letters so far would get."""
    right = model(texts.ids).argmax(-1) == texts.target
    return right[texts.known].float().mean().item()


def held_out_texts(count: int = 256, seed: int = 1, **options) -> Repeats:
    """Texts that no training has had; options are those of `repeats`."""
    return repeats(count, seed=1000 * seed + 999, **options)
