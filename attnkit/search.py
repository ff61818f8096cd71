"""Greedy and beam search over the steps of a decoder, recurrent or not."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from attnkit.checks import check_at_least
from attnkit.data import BOS, EOS, PAD


class Selectable(Protocol):
    """What a decoder keeps for each sample: `select` takes samples by number."""

    def select(self, rows: Tensor) -> Any: ...


class Translator(Protocol):
    """What is searched: `encode` the source, then `step` symbol by symbol.

    `encode(source, source_mask)` returns a state and a memory, `step(token, state,
    memory)` the logits (B, V), the next state and the weights (B, S) over the source.
    """

    def encode(
        self, source: Tensor, source_mask: Tensor | None
    ) -> tuple[Selectable, Selectable]: ...

    def step(
        self, token: Tensor, state: Any, memory: Any
    ) -> tuple[Tensor, Any, Tensor]: ...


class Decoded(NamedTuple):
    """A decoded batch: `tokens` (B, T) with EOS and then PAD, `weights` (B, T, S) zero
    after the end, `log_prob` (B,) of the tokens up to and with EOS."""

    tokens: Tensor
    weights: Tensor
    log_prob: Tensor


def _next_log_probs(logits: Tensor) -> Tensor:
    """Log-probabilities in which padding and begin are never chosen."""
    logs = torch.log_softmax(logits.float(), -1)  # (B, V)
    if logs.isnan().any():
        raise ValueError("model: expected finite logits, got NaN or infinity")
    logs[:, PAD] = logs[:, BOS] = -torch.inf
    return logs


@torch.no_grad()
def greedy_decode(
    model: Translator,
    source: Tensor,
    *,
    max_steps: int,
    source_mask: Tensor | None = None,
) -> Decoded:
    """Take the most probable symbol at every step, until EOS or `max_steps`.

    Args:
        model: a trained model; decode in `eval()`.
        source: (B, S) numbers of symbols.
        max_steps: most symbols that are written, EOS included.
        source_mask: (B, S) boolean; `source != PAD` if None.

    Returns:
        `Decoded`; a row that did not end has no EOS.

    Raises:
        ValueError: `max_steps` below 1, a source that does not fit, or a model whose
            logits are not finite.
    """
    check_at_least("max_steps", max_steps, 1)
    state, memory = model.encode(source, source_mask)
    begin = source.new_full((len(source),), BOS)
    return write_greedily(
        lambda token, state: model.step(token, state, memory), begin, state, max_steps
    )


def write_greedily(
    step: Callable[[Tensor, Any], tuple[Tensor, Any, Tensor]],
    begin: Tensor,
    state: Any,
    max_steps: int,
) -> Decoded:
    """The loop of `greedy_decode`, for any decoder that writes step by step.

    Args:
        step: (token (B,), state) → logits (B, V), the next state, weights (B, S).
        begin: (B,) the symbols before the first, `BOS`.
        state: before the first step.
        max_steps: most symbols that are written, EOS included.

    Raises:
        ValueError: logits that are not finite.
    """
    token, ended = begin, torch.zeros_like(begin, dtype=torch.bool)
    total = torch.zeros(len(begin), device=begin.device)
    tokens, rows = [], []
    for _ in range(max_steps):
        logits, state, weights = step(token, state)
        best, token = _next_log_probs(logits).max(-1)  # (B,), (B,)
        token = token.masked_fill(ended, PAD)
        total += best.masked_fill(ended, 0.0)
        tokens.append(token)
        rows.append(weights.masked_fill(ended[:, None], 0.0))
        ended = ended | (token == EOS)
        if ended.all():
            break
    return Decoded(torch.stack(tokens, 1), torch.stack(rows, 1), total)


@torch.no_grad()
def beam_decode(
    model: Translator,
    source: Tensor,
    *,
    max_steps: int,
    beam_size: int = 4,
    length_penalty: float = 0.0,
    source_mask: Tensor | None = None,
) -> Decoded:
    r"""Keep the `beam_size` best beginnings at every step.

    A beginning of length $n$ is ranked by $\log p / n^\alpha$; one that has ended
    stays in the beam with its score. With a beam of 1 this is greedy decoding.

    Args:
        model: a trained model; decode in `eval()`.
        source: (B, S) numbers of symbols.
        max_steps: most symbols that are written, EOS included.
        beam_size: beginnings kept per source.
        length_penalty: $\alpha$; 0 ranks by probability, 1 by the mean per symbol.
        source_mask: (B, S) boolean; `source != PAD` if None.

    Returns:
        `Decoded` with the best beginning of each source; `log_prob` is not divided.

    Raises:
        ValueError: `max_steps` or `beam_size` below 1, a source that does not fit, a
            penalty that is not finite, or a model whose logits are not.

    Source:
        Sutskever, Vinyals and Le 2014 (arXiv:1409.3215), section 3.2; the power of the
        length as in Wu et al. 2016 (arXiv:1609.08144), simplified.
    """
    check_at_least("max_steps", max_steps, 1)
    check_at_least("beam_size", beam_size, 1)
    if not math.isfinite(length_penalty):
        raise ValueError(
            f"length_penalty: expected a finite number, got {length_penalty}"
        )
    state, memory = model.encode(source, source_mask)
    beam = _Beam(source, beam_size, max_steps)
    repeat = beam.offset.flatten().repeat_interleave(beam_size)
    state, memory = state.select(repeat), memory.select(repeat)
    for t in range(max_steps):
        logits, state, weights = model.step(beam.last(t), state, memory)
        rows = beam.advance(t, _next_log_probs(logits), weights, length_penalty)
        state = state.select(rows)
        if beam.ended.all():
            break
    return beam.best(length_penalty)


class _Beam:
    """K beginnings for each of B sources; flat row b K + k is beginning k of b."""

    def __init__(self, source: Tensor, width: int, steps: int) -> None:
        (rows, size), device = source.shape, source.device
        self.width = width
        self.offset = torch.arange(rows, device=device)[:, None]  # (B, 1)
        self.tokens = source.new_full((rows, width, steps), PAD)
        self.shape = (rows, width, steps, size)
        self.weights: Tensor | None = None  # made when their dtype is known
        self.length = torch.zeros(rows, width, device=device)
        self.ended = torch.zeros(rows, width, dtype=torch.bool, device=device)
        # at first all beginnings are the same: let only one of them grow
        self.score = torch.full((rows, width), -torch.inf, device=device)
        self.score[:, 0] = 0.0

    def last(self, t: int) -> Tensor:
        if t == 0:
            return self.tokens.new_full((self.tokens.shape[:2].numel(),), BOS)
        return self.tokens[:, :, t - 1].flatten()

    def advance(self, t: int, logs: Tensor, weights: Tensor, penalty: float) -> Tensor:
        """Grow by one symbol, keep the best; return the flat rows they grew from."""
        if self.weights is None:
            self.weights = weights.new_zeros(self.shape)
        logs = logs.view(*self.score.shape, -1)  # (B, K, V)
        stay = torch.full_like(logs[0, 0], -torch.inf)
        stay[PAD] = 0.0  # what has ended goes on with padding, at no cost
        logs = torch.where(self.ended[..., None], stay, logs)
        total = (self.score[..., None] + logs).flatten(1)  # (B, K V)
        length = self.length + ~self.ended  # (B, K)
        ranked = total / length.repeat_interleave(logs.shape[-1], 1) ** penalty
        chosen = ranked.topk(self.width, dim=1).indices  # (B, K)
        parent, token = chosen // logs.shape[-1], chosen % logs.shape[-1]
        self._keep(parent, length)
        self.score = total.gather(1, chosen)
        self.tokens[:, :, t] = token
        weights = weights.view(*parent.shape, -1)[self.offset, parent]
        self.weights[:, :, t] = weights.masked_fill(self.ended[..., None], 0.0)
        self.ended = self.ended | (token == EOS)
        return (self.offset * self.width + parent).flatten()

    def _keep(self, parent: Tensor, length: Tensor) -> None:
        self.tokens = self.tokens[self.offset, parent]
        self.weights = self.weights[self.offset, parent]
        self.ended = self.ended.gather(1, parent)
        self.length = length.gather(1, parent)

    def best(self, penalty: float) -> Decoded:
        first = (self.score / self.length**penalty).argmax(1)  # (B,)
        rows = self.offset[:, 0]
        longest = int(self.length[rows, first].max())
        return Decoded(
            self.tokens[rows, first, :longest],
            self.weights[rows, first, :longest],
            self.score[rows, first],
        )
