"""What heads look at, measured; and heads silenced, to see what they are for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .multihead import MultiHeadAttention

KINDS = ("previous", "induction", "same")


class HeadScores(NamedTuple):
    """Share of a head's weight that lies where its kind says, (L, H) for each kind.

    Args:
        previous: on the token one back.
        induction: on the tokens that followed earlier copies of the present one.
        same: on earlier copies of the present one.
        chance: the same three shares, had every token that may be seen even weights.

    Each is a mean over the tokens for which there is such a place.
    """

    previous: Tensor
    induction: Tensor
    same: Tensor
    chance: dict[str, float]

    def best(self, kind: str) -> tuple[int, int]:
        """Layer and head with the largest share, counted from 0.

        Raises:
            ValueError: no token of the texts has such a place.
        """
        shares = getattr(self, kind)
        if shares.isnan().all():
            raise ValueError(f"kind: these texts have no place for {kind!r}")
        index = int(shares.nan_to_num(-1.0).argmax())
        return index // shares.shape[1], index % shares.shape[1]

    def roles(self, least: float = 0.5) -> list[list[str]]:
        """The kind of each head, "" where no share reaches `least`; a kind that has no
        place in the texts is nobody's."""
        shares = torch.stack([getattr(self, kind) for kind in KINDS])  # (3, L, H)
        top, kind = shares.nan_to_num(-1.0).max(0)
        return [
            [KINDS[k] if t >= least else "" for k, t in zip(*rows, strict=True)]
            for rows in zip(kind.tolist(), top.tolist(), strict=True)
        ]


def head_scores(maps: Sequence[Tensor], ids: Tensor) -> HeadScores:
    """Measure every head against three places that are known beforehand.

    Args:
        maps: weights (B, H, N, N) of each layer, causal.
        ids: (B, N) the tokens.

    Returns:
        `HeadScores`; NaN for a kind that has no place in these texts.

    Raises:
        ValueError: weights that do not fit the tokens.
    """
    _check_maps(maps, ids)
    wanted = {kind: _places(kind, ids) for kind in KINDS}
    seen = torch.arange(1, ids.shape[1] + 1, device=ids.device)[:, None]
    chance = {}
    for kind, places in wanted.items():
        even = (places / seen).sum(-1)[places.any(-1)]
        chance[kind] = even.mean().item()
    shares = [torch.stack([_share(w, p) for w in maps]) for p in wanted.values()]
    return HeadScores(*shares, chance)


def _check_maps(maps: Sequence[Tensor], ids: Tensor) -> None:
    if ids.dim() != 2:
        raise ValueError(f"ids: expected shape (B, N), got {tuple(ids.shape)}")
    b, n = ids.shape
    for weights in maps:
        shape = tuple(weights.shape)
        if len(shape) != 4 or (shape[0], *shape[2:]) != (b, n, n):
            raise ValueError(f"maps: expected weights ({b}, H, {n}, {n}), got {shape}")
    if not len(maps) or len({len(weights[0]) for weights in maps}) > 1:
        raise ValueError("maps: expected layers with the same number of heads")


def _places(kind: str, ids: Tensor) -> Tensor:
    """Where a head of this kind looks, (B, N, N) bool."""
    b, n = ids.shape
    if kind == "previous":
        rows = torch.arange(n, device=ids.device)
        return (rows[:, None] - 1 == rows).expand(b, n, n)
    same = (ids[:, :, None] == ids[:, None]).tril(-1)  # (B, N, N)
    return same if kind == "same" else same.roll(1, -1)  # the last column is empty


def _share(weights: Tensor, places: Tensor) -> Tensor:
    """Mean weight (H,) on the places (B, N, N), over the tokens that have one."""
    found = (weights * places[:, None]).sum(-1)  # (B, H, N)
    return found.transpose(1, 2)[places.any(-1)].mean(0)


@contextmanager
def ablated(model: nn.Module, heads: Iterable[tuple[int, int]]) -> Iterator[nn.Module]:
    """Inside, these heads write nothing: their contexts are zeros; no weight changes.

    This is what zeros in their columns of `output_proj` would do. Weights of attention
    are still computed and returned.

    Args:
        model: with `MultiHeadAttention` layers, which count in the order of
            `model.modules()`; those of a `LanguageModel` are its layers.
        heads: pairs (layer, head), from 0.

    Raises:
        ValueError: a layer or head that there is not.
    """
    layers = [m for m in model.modules() if isinstance(m, MultiHeadAttention)]
    silent: dict[int, set[int]] = {}
    for layer, head in heads:
        _check_head(layers, layer, head)
        silent.setdefault(layer, set()).add(head)
    hooks = [
        layers[i].output_proj.register_forward_pre_hook(
            _silencer(layers[i].num_heads, sorted(which))
        )
        for i, which in silent.items()
    ]
    try:
        yield model
    finally:
        for hook in hooks:
            hook.remove()


def _check_head(layers: list[MultiHeadAttention], layer: int, head: int) -> None:
    if not 0 <= layer < len(layers):
        raise ValueError(f"heads: expected layers 0 to {len(layers) - 1}, got {layer}")
    count = layers[layer].num_heads
    if not 0 <= head < count:
        raise ValueError(f"heads: expected heads 0 to {count - 1}, got {head}")


def _silencer(num_heads: int, heads: list[int]) -> Callable:
    def silence(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        parts = inputs[0].unflatten(-1, (num_heads, -1)).clone()  # (B, N, H, d)
        parts[..., heads, :] = 0
        return (parts.flatten(-2),)

    return silence


def each_ablated(
    model: nn.Module, measure: Callable[[nn.Module], float], shape: tuple[int, int]
) -> Tensor:
    """What `measure(model)` says when one head after the other is silent, (L, H)."""
    rows = torch.zeros(shape)
    for layer in range(shape[0]):
        for head in range(shape[1]):
            with ablated(model, [(layer, head)]):
                rows[layer, head] = measure(model)
    return rows
