"""Transformer-XL: a text in segments, with the states of those before at hand."""

import torch
from torch import Tensor, nn

from attnkit.checks import (
    check_alike,
    check_at_least,
    check_float,
    check_positive,
    check_type,
)

from .embedding import Embedding
from .layers import DecoderLayer
from .positions import TransformerXL

Memory = tuple[Tensor, ...]


class SegmentLanguageModel(nn.Module):
    r"""A language model that reads segment after segment and remembers states.

    $$\tilde h^{l-1} = [\,\mathrm{SG}(m^{l-1});\ h^{l-1}\,] \qquad
    q = W_q h^{l-1} \qquad k, v = W_k \tilde h^{l-1},\ W_v \tilde h^{l-1}$$

    $m^{l-1}$ are what layer $l$ got in the segments before, the last `memory_len` of
    them; no gradient goes back into them (SG). Positions are relative, so that a state
    means the same wherever its segment began. Each layer looks one memory further back:
    from the first place of a segment, what is at hand reaches `num_layers` ×
    `memory_len` symbols back (the memory being a multiple of the segment).

    The memory comes in and goes out; the module keeps nothing.

    Args:
        size: number of symbols.
        memory_len: states that are remembered, 0 or more.
        others: see `LanguageModel`; the layers are post-norm, as in the paper, unless
            `norm_first`.

    Source:
        Dai et al. 2019 (arXiv:1901.02860), section 3.
    """

    def __init__(
        self,
        size: int,
        *,
        memory_len: int = 32,
        embed_dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        check_positive("num_layers", num_layers)
        check_at_least("memory_len", memory_len, 0)
        self.memory_len = memory_len
        self.embedding = Embedding(size, embed_dim, "none", 0, dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(
                embed_dim,
                num_heads,
                ff_dim=ff_dim,
                dropout=dropout,
                norm_first=norm_first,
                position=TransformerXL(embed_dim, num_heads),
                cross=False,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self, ids: Tensor, memory: Memory | None = None, *, need_weights: bool = False
    ) -> tuple:
        """Logits of each next symbol of a segment, and the memory for the next one.

        Args:
            ids: (B, N) numbers of symbols.
            memory: from the segment before; None for the first. Not changed.
            need_weights: also return the weights (B, H, N, M + N) of every layer, the
                M remembered places first.

        Returns:
            logits (B, N, V) and memory, a tensor (B, M, D) for each layer; or these
            two and the list of weights.

        Raises:
            TypeError: the memory is no tuple.
            ValueError: numbers that do not fit, or a memory of another batch, width or
                number of layers.
        """
        tokens = self.embedding(ids)
        memory = self.empty(len(ids)) if memory is None else memory
        self._check(memory, tokens)
        kept, maps = [], []
        for layer, old in zip(self.layers, memory, strict=True):
            kept.append(self._keep(old, tokens))
            done = layer(tokens, past=layer.remember(old), need_weights=need_weights)
            tokens = done.tokens
            maps.append(done.self_weights)
        logits = self.embedding.logits(self.norm(tokens))  # (B, N, V)
        found = (logits, tuple(kept))
        return (*found, maps) if need_weights else found

    def empty(self, batch: int) -> Memory:
        """A memory of nothing, for `batch` texts."""
        table = self.embedding.table
        return tuple(table.new_zeros(batch, 0, table.shape[1]) for _ in self.layers)

    def _keep(self, old: Tensor, tokens: Tensor) -> Tensor:
        """The last states of both, without their history."""
        both = torch.cat([old, tokens], 1)
        return both[:, max(0, both.shape[1] - self.memory_len) :].detach()

    def _check(self, memory: Memory, tokens: Tensor) -> None:
        what = "the tuple of tensors of the call before"
        check_type("memory", memory, tuple | list, what)
        if len(memory) != len(self.layers):
            raise ValueError(
                f"memory: expected {len(self.layers)} tensors, one per layer, got "
                f"{len(memory)}"
            )
        b, _, d = tokens.shape
        for old in memory:
            check_float("memory", old, 3)
            if old.dim() != 3 or (old.shape[0], old.shape[2]) != (b, d):
                raise ValueError(
                    f"memory: expected tensors ({b}, M, {d}), got {tuple(old.shape)}; "
                    "start without a memory for another batch"
                )
            check_alike(tokens=tokens, memory=old)
