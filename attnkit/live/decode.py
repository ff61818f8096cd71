"""Greedy and beam search in which single steps may be told what to attend to.

The twin of `src/core/decode.js`. A family's own search keeps no logits and takes no
weights from outside, and this package imports no family; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attnkit.data import BOS, EOS, PAD

FORBIDDEN = [PAD, BOS]


class Beginning(NamedTuple):
    """What has been written so far, with the numbers of each step."""

    state: Any
    tokens: tuple[int, ...] = ()
    score: float = 0.0
    logits: tuple[Tensor, ...] = ()
    weights: tuple[Tensor, ...] = ()

    @property
    def ended(self) -> bool:
        return self.tokens[-1:] == (EOS,)

    def grown(self, model: nn.Module, memory: Any, row: Any, size: int) -> list:
        """The `size` best ways to go on; more could never stay."""
        if self.ended:
            return [self]
        last = torch.tensor([self.tokens[-1] if self.tokens else BOS])
        logits, state, weights = model.step(last, self.state, memory, row)
        logs = torch.log_softmax(logits[0].float(), -1)
        logs[FORBIDDEN] = -torch.inf
        best = logs.topk(min(size, len(logs) - len(FORBIDDEN)))
        seen = (*self.logits, logits[0]), (*self.weights, weights[0])
        return [
            Beginning(state, (*self.tokens, token), self.score + log, *seen)
            for log, token in zip(*map(Tensor.tolist, best), strict=True)
        ]


@torch.no_grad()
def decode(
    model: nn.Module,
    ids: Sequence[int],
    forced: Mapping[int, Sequence[float]],
    *,
    max_steps: int,
    beam_size: int = 1,
    length_penalty: float = 0.0,
) -> dict[str, Tensor]:
    """The best sequence for one source; a beam of 1 is greedy.

    Args:
        model: with `encode` and `step`, in evaluation mode.
        ids: S numbers of source symbols.
        forced: step -> S weights that take the place of the model's own.
        max_steps, beam_size, length_penalty: as in a family's search.

    Returns:
        tokens (T,), weights (T, S), logits (T, V).
    """
    state, memory = model.encode(torch.tensor([list(ids)]))
    rows = {t: torch.tensor([list(row)]).float() for t, row in forced.items()}

    def rank(beam: Beginning) -> float:
        return beam.score / len(beam.tokens) ** length_penalty

    beams = [Beginning(state)]
    for t in range(max_steps):
        grown = [
            x for b in beams for x in b.grown(model, memory, rows.get(t), beam_size)
        ]
        beams = sorted(grown, key=rank, reverse=True)[:beam_size]
        if all(beam.ended for beam in beams):
            break
    best = beams[0]
    return {
        "tokens": torch.tensor(best.tokens),
        "weights": torch.stack(best.weights),
        "logits": torch.stack(best.logits),
    }
