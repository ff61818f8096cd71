"""The book's greedy and beam search, with single steps told what to attend to.

The twin of `src/core/decode.js`. `attnkit.search` finds the tokens; a second walk along
them gives the weights and the logits of every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attnkit.data import BOS
from attnkit.search import beam_decode, greedy_decode


class _Step(NamedTuple):
    """The model's state, and the number of symbols that it has written."""

    state: Any
    number: int

    def select(self, rows: Tensor) -> _Step:
        return _Step(self.state.select(rows), self.number)


class _Told:
    """A translator that counts its steps and takes the weights that are forced."""

    def __init__(self, model: nn.Module, forced: Mapping[int, Sequence[float]]) -> None:
        self.model = model
        self.forced = {t: torch.tensor([list(row)]) for t, row in forced.items()}

    def encode(self, source: Tensor, source_mask: Tensor | None) -> tuple[_Step, Any]:
        state, memory = self.model.encode(source)
        return _Step(state, 0), memory

    def step(self, token: Tensor, at: _Step, memory: Any) -> tuple[Tensor, _Step, Any]:
        row = self.forced.get(at.number)
        row = None if row is None else row.float().expand(len(token), -1)
        logits, state, weights = self.model.step(token, at.state, memory, row)
        return logits, _Step(state, at.number + 1), weights


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
        model: with `encode` and `step`, in evaluation mode; for a beam its state and
            memory need `select`.
        ids: S numbers of source symbols.
        forced: step -> S weights that take the place of the model's own.
        max_steps, beam_size, length_penalty: as in `attnkit.search`.

    Returns:
        tokens (T,), weights (T, S), logits (T, V).
    """
    told, source = _Told(model, forced), torch.tensor([list(ids)])
    if beam_size == 1:
        done = greedy_decode(told, source, max_steps=max_steps)
    else:
        done = beam_decode(
            told, source, max_steps=max_steps, beam_size=beam_size,
            length_penalty=length_penalty,
        )  # fmt: skip
    tokens = done.tokens[0]
    state, memory = told.encode(source, None)
    logits, weights = [], []
    for token in [BOS, *tokens[:-1].tolist()]:
        odds, state, row = told.step(torch.tensor([token]), state, memory)
        logits.append(odds[0])
        weights.append(row[0])
    return {
        "tokens": tokens,
        "weights": torch.stack(weights),
        "logits": torch.stack(logits),
    }
