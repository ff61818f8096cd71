"""Texts of blocks that are written several times: what repeats can be foretold."""

from typing import NamedTuple

import torch
from torch import Tensor

from attnkit.checks import check_positive, check_seed


class Echoes(NamedTuple):
    """Streams of symbols. `B` streams of `T` symbols.

    Args:
        ids: (B, T) int64.
        known: (B, T) bool, True where the symbol stands for the second time or more,
            so that the symbol one period before it tells it.
    """

    ids: Tensor
    known: Tensor


def echoes(
    n: int,
    seed: int = 1,
    *,
    period: int = 24,
    repeats: int = 4,
    blocks: int = 1,
    size: int = 12,
) -> Echoes:
    """Random blocks, each of them written `repeats` times before the next begins.

    Args:
        n: number of streams, B.
        seed: the same seed gives the same streams.
        period: symbols of a block.
        repeats: how often a block is written.
        blocks: blocks in a stream; T is `blocks` × `repeats` × `period`.
        size: different symbols, numbered from 0.

    Returns:
        `Echoes`.

    Raises:
        ValueError: a number below 1.
    """
    given = {"n": n, "period": period, "repeats": repeats, "blocks": blocks}
    for name, value in (given | {"size": size}).items():
        check_positive(name, value)
    check_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    block = torch.randint(size, (n, blocks, 1, period), generator=draw)
    ids = block.expand(-1, -1, repeats, -1)  # (B, blocks, repeats, period)
    known = (torch.arange(repeats) > 0)[:, None].expand(ids.shape)
    return Echoes(ids.flatten(1), known.flatten(1))
