"""The task on which translators are compared: its data, its training, its measures.

A translator is called with source, target and mask and gives logits; `need_weights`
adds the weights over the source. `attnkit.search` decodes with it. Which kind it is,
recurrent or not, stands in its family.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_positive
from attnkit.data import BOS, PAD, Batch, PairSet, mixed
from attnkit.processes import threads
from attnkit.search import greedy_decode
from attnkit.train import History, fit, seed_everything

Model = TypeVar("Model", bound=nn.Module)

# ------------------------------------------------------------------- task and training


@dataclass(frozen=True)
class Task:
    """Sources of 1 to 24 characters, 700 steps of 64 pairs."""

    lengths: tuple[int, int] = (1, 24)
    pairs: int = 20_000
    size: int = 64
    steps: int = 700
    lr: float = 5e-3
    threads: int = 1  # the matrices are small: a second thread only waits for the first


TASK = Task()


def training_pairs(seed: int = 1, task: Task = TASK) -> PairSet:
    """Dates, numbers and phrases of the training side of the split."""
    return mixed(task.pairs, seed, lengths=task.lengths, split="train")


def held_out_pairs(n: int, length: int, seed: int = 1) -> PairSet:
    """Sources of one length from the other side of the split."""
    return mixed(n, seed, lengths=(length, length), split="test")


def translation_loss(
    model: nn.Module, batch: Batch, label_smoothing: float = 0.0
) -> Tensor:
    """Mean negative log-probability of the target symbols, given those before."""
    logits = model(batch.source, batch.target_in, batch.source_mask)
    return F.cross_entropy(
        logits[batch.target_mask],
        batch.target_out[batch.target_mask],
        label_smoothing=label_smoothing,
    )


def train(
    make: Callable[[int, int], Model],
    pairs: PairSet | None,
    task: Task,
    *,
    seed: int,
    loss: Callable[[nn.Module, Batch], Tensor] = translation_loss,
    progress: bool = True,
) -> tuple[Model, History]:
    """Make a translator and train it on the task's threads, so that the result is the
    same on every number of cores.

    Args:
        make: numbers of source and of target symbols → the model.
        pairs: `training_pairs(seed, task)` if None.
        task: the settings.
        seed: of pairs, weights and order.
        loss: (model, batch) → the number to minimize.
        progress: show a progress bar.

    Returns:
        The model in evaluation mode, and the history of its training.
    """
    pairs = training_pairs(seed, task) if pairs is None else pairs
    seed_everything(seed)
    source, target = pairs.vocabularies
    model = make(len(source), len(target))
    with threads(task.threads):
        history = fit(
            model,
            lambda number: pairs.batches(task.size, seed=1000 * seed + number),
            loss,
            steps=task.steps,
            lr=task.lr,
            seed=seed,
            progress=progress,
        )
    return model.eval(), history


# ---------------------------------------------------------------------------- measures


class Scores(NamedTuple):
    """Means over the pairs of a set; each between 0 and 1.

    `token_accuracy` of greedy decoding; `exact` share of sources without any error;
    `pointing` share of target symbols whose largest weight is on a true source
    position, `mass` the weight on the true positions, and `chance` what uniform
    weights would get for both. The last three are NaN without attention.
    """

    token_accuracy: float
    exact: float
    pointing: float
    mass: float
    chance: float


def token_accuracy(tokens: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Share of the positions of each reference that hold the right symbol.

    Position by position: a symbol that is left out makes all later ones wrong. The end
    symbol counts as one.

    Args:
        tokens: (B, T') what was decoded.
        target: (B, T) the reference, with EOS.
        mask: (B, T) boolean, True for the symbols of the reference.

    Returns:
        (B,) numbers between 0 and 1.
    """
    return _right(tokens, target, mask).sum(1) / mask.sum(1)


def _right(tokens: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    found = torch.zeros_like(target)  # (B, T)
    size = min(tokens.shape[1], target.shape[1])
    found[:, :size] = tokens[:, :size]
    return (found == target) & mask


def pointing(weights: Tensor, alignment: Tensor) -> tuple[float, float, float]:
    """How well the weights agree with the true alignment.

    Target symbols without a true source position (a comma, the end) do not count.

    Args:
        weights: (B, T, S).
        alignment: (B, T, S) boolean.

    Returns:
        (share of largest weights that are on a true position, mean weight on the true
        positions, what uniform weights over S would get).
    """
    chance = alignment.float().mean(-1)  # (B, T)
    return tuple(_looks(weights, alignment, chance).mean(0).tolist())


def _looks(weights: Tensor, alignment: Tensor, chance: Tensor) -> Tensor:
    """Hit, mass and chance of each symbol with a true position: (symbols, 3)."""
    best = weights.argmax(-1, keepdim=True)  # (B, T, 1)
    hit = alignment.gather(-1, best)[..., 0]
    mass = (weights * alignment).sum(-1)
    return torch.stack([hit, mass, chance], -1)[alignment.any(-1)]


@torch.no_grad()
def evaluate(model: nn.Module, pairs: PairSet, *, size: int = 200) -> Scores:
    """Decode every source greedily and compare with the reference.

    Weights are those of teacher forcing, so that each row belongs to a known symbol.

    Args:
        model: a translator, as `attnkit.search` and `translation_loss` call it; it is
            put into evaluation mode and back. Without attention its `attends` is False.
        pairs: with the true alignment.
        size: pairs decoded at once; sources of one length go together. It changes
            the speed, not the result.

    Raises:
        ValueError: there is no pair, or `size` is below 1.
    """
    check_positive("size", size)
    if not len(pairs):
        raise ValueError("pairs: expected at least one pair, got an empty set")
    order = sorted(range(len(pairs)), key=pairs.lengths.__getitem__)
    parts = [order[i : i + size] for i in range(0, len(order), size)]
    training = model.training
    model.eval()
    try:
        rows = [_evaluate(model, pairs[part]) for part in parts]
    finally:
        model.train(training)
    right, looks = (torch.cat(part).cpu().double() for part in zip(*rows, strict=True))
    return Scores(*right.mean(0).tolist(), *looks.mean(0).tolist())


def _evaluate(model: nn.Module, pairs: PairSet) -> tuple[Tensor, Tensor]:
    """Accuracy and exactness of each pair (B, 2), and looks (symbols, 3)."""
    batch = pairs.tensors().to(next(model.parameters()).device)
    steps = batch.target_out.shape[1] + 2
    tokens = greedy_decode(model, batch.source, max_steps=steps).tokens
    accuracy = token_accuracy(tokens, batch.target_out, batch.target_mask)
    right = torch.stack([accuracy, accuracy == 1], -1)
    if not getattr(model, "attends", True):
        return right, right.new_zeros(0, 3)  # a mean over no symbols is NaN
    _, weights = model(batch.source, batch.target_in, need_weights=True)
    lengths = batch.source_mask.sum(-1)[:, None, None]
    chance = (batch.alignment / lengths).sum(-1)  # (B, T)
    return right, _looks(weights, batch.alignment, chance)


def page_entries(
    encode: nn.Module, step: nn.Module, symbols: int, max_source: int
) -> dict[str, tuple[nn.Module, dict[str, Any]]]:
    """A translator's two modules for the page, with example inputs by name.

    Args:
        encode: (source (1, S), source_mask (1, S)) → what `step` starts from, named by
            its `output_names`.
        step: takes all of that, and token, step, forced and use_forced.
        symbols: number of source symbols; the example has the last one.
        max_source: places of a source.
    """
    source = torch.full((1, max_source), PAD)
    source[0, 0] = symbols - 1
    inputs = {"source": source, "source_mask": source != PAD}
    with torch.no_grad():
        known = dict(zip(encode.output_names, encode(**inputs), strict=True))
    known |= {
        "token": torch.tensor([BOS]),
        "step": torch.zeros(1, dtype=torch.int64),
        "source_mask": inputs["source_mask"],
        "forced": torch.zeros(1, max_source),
        "use_forced": torch.zeros(1),
    }
    return {"encode": (encode, inputs), "step": (step, known)}


class Translation(NamedTuple):
    """`symbols` written, `weights` (T, S) of the step that wrote each (the end symbol's
    row is the last), `unknown` places and characters that the model does not know."""

    symbols: list[str]
    weights: Tensor
    unknown: list[tuple[int, str]]


def translate(
    model: nn.Module, text: str, pairs: PairSet, *, max_steps: int = 60
) -> Translation:
    """Translate one text, greedily; unknown characters are reported, not fatal.

    Args:
        model: a translator in evaluation mode.
        text: characters of the source language.
        pairs: the set whose vocabularies the model was trained with.
        max_steps: most symbols that are written.

    Raises:
        ValueError: `text` is empty.
    """
    first, second = pairs.vocabularies
    device = next(model.parameters()).device
    source = torch.tensor([first.encode(text, warn=False)], device=device)
    decoded = greedy_decode(model, source, max_steps=max_steps)
    symbols = second.decode(decoded.tokens[0])
    return Translation(symbols, decoded.weights[0], first.unknown(text))
