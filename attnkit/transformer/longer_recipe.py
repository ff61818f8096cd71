"""Training and measuring the two models of one chapter: memories and orders."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_at_least, check_positive
from attnkit.data.echoes import Echoes
from attnkit.train import fit, seed_everything

from .permutation import PermutationLanguageModel
from .segments import Memory, SegmentLanguageModel


def segments(ids: Tensor, length: int) -> list[tuple[Tensor, Tensor]]:
    """Streams (B, T) as segments of input and, one place on, of what comes next.

    Raises:
        ValueError: `length` is below 1.
    """
    check_positive("length", length)
    pieces = ids[:, :-1].split(length, 1), ids[:, 1:].split(length, 1)
    return list(zip(*pieces, strict=True))


class SegmentLoss:
    """Cross-entropy of a segment; hands the memory on to the next one."""

    def __init__(self) -> None:
        self.memory: Memory | None = None

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The mean over all symbols of the segment."""
        logits, self.memory = model(batch[0], self.memory)
        return F.cross_entropy(logits.flatten(0, 1), batch[1].flatten())


def train_segments(
    model: SegmentLanguageModel,
    data: Echoes,
    *,
    length: int = 16,
    steps: int = 400,
    lr: float = 3e-3,
    seed: int = 1,
) -> list[float]:
    """Train on streams, one segment a step, all streams side by side.

    Args:
        model: trained in place; in evaluation mode afterwards.
        data: streams of at least `steps` × `length` + 1 symbols.
        length: symbols in a segment.
        steps, lr, seed: see `fit`.

    Returns:
        The loss of every step.

    Raises:
        ValueError: streams that are too short.
    """
    need = steps * length + 1
    if data.ids.shape[1] < need:
        raise ValueError(
            f"data: expected streams of at least {need} symbols, got "
            f"{data.ids.shape[1]}"
        )
    parts = segments(data.ids[:, :need], length)
    history = fit(
        model, parts, SegmentLoss(), steps=steps, lr=lr, seed=seed, progress=False
    )
    model.eval()
    return history.losses


@torch.no_grad()
def hits(
    model: SegmentLanguageModel,
    data: Echoes,
    *,
    length: int = 16,
    memory_len: int | None = None,
) -> Tensor:
    """Where the next symbol is told rightly, segment after segment.

    Args:
        model: as trained.
        data: streams (B, T).
        length: symbols in a segment.
        memory_len: another memory than the one of training; the model's if None.

    Returns:
        (B, T - 1) bool, place t for symbol t + 1.

    Raises:
        ValueError: `memory_len` is below 0, or `length` below 1.
    """
    if memory_len is not None:
        check_at_least("memory_len", memory_len, 0)
    own, memory, found = model.memory_len, None, []
    try:
        model.memory_len = own if memory_len is None else memory_len
        for ids, wanted in segments(data.ids, length):
            logits, memory = model(ids, memory)
            found.append(logits.argmax(-1) == wanted)
    finally:
        model.memory_len = own
    return torch.cat(found, 1)


def recall(model: SegmentLanguageModel, data: Echoes, **options) -> float:
    """Share of the symbols that can be foretold that are; options as in `hits`."""
    return hits(model, data, **options)[data.known[:, 1:]].float().mean().item()


def random_orders(batch: int, n: int, generator: torch.Generator | None) -> Tensor:
    """Permutations of n places, one for each sample: (B, N)."""
    return torch.rand(batch, n, generator=generator).argsort(-1)


def train_orders(
    ids: Tensor,
    *,
    size: int,
    order: Tensor | None = None,
    skip: int = 0,
    steps: int = 400,
    batch: int = 32,
    lr: float = 3e-3,
    seed: int = 1,
) -> PermutationLanguageModel:
    """Train XLNet's model: every time a new order, or always the same one.

    Args:
        ids: (n, N), texts.
        size: number of symbols.
        order: (N,), the order of all predictions; a random one for each text if None.
        skip: of every order so many of the first symbols are given, not predicted.
        steps, batch, lr, seed: optimizer steps, texts a step, peak of the learning
            rate, and of the weights, texts and orders.

    Returns:
        The model in evaluation mode.

    Raises:
        ValueError: `skip` leaves nothing to predict, or `order` is not each place once.
    """
    n = ids.shape[1]
    _check_order(order, n)
    if not 0 <= skip < n:
        raise ValueError(f"skip: expected 0 to {n - 1}, got {skip}")
    seed_everything(seed)
    model = PermutationLanguageModel(size, norm_first=True)
    draw = torch.Generator().manual_seed(seed)

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        turn = random_orders(batch, n, draw) if order is None else order
        turn = turn.expand(batch, n)
        each = F.cross_entropy(model(ids[rows], turn).mT, ids[rows], reduction="none")
        return each.gather(1, turn)[:, skip:].mean()

    chosen = torch.randint(len(ids), (steps, batch), generator=draw)
    fit(model, [*chosen], loss, steps=steps, lr=lr, seed=seed, progress=False)
    return model.eval()


def _check_order(order: Tensor | None, n: int) -> None:
    if order is not None and sorted(order.tolist()) != list(range(n)):
        raise ValueError(
            f"order: expected each of 0 to {n - 1} once, got {order.tolist()}"
        )


@torch.no_grad()
def right_by_rank(
    model: PermutationLanguageModel, ids: Tensor, order: Tensor
) -> Tensor:
    """Share of right symbols by the number of symbols known before: (N,).

    Args:
        model: as trained.
        ids: (n, N), texts.
        order: (n, N) or (N,), in which they are asked for.
    """
    right = model(ids, order).argmax(-1) == ids  # (n, N)
    return right.gather(1, order.expand_as(ids)).float().mean(0)
