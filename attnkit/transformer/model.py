"""The whole Transformer: a translator.

It writes symbol by symbol with a cache: what a step has computed comes out as a state
and goes into the next one. With `encode` and `step`, `attnkit.search` decodes with it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from attnkit.checks import check_float, check_ids, check_shape, check_tensor
from attnkit.data import PAD

from .embedding import Embedding, score_position
from .layers import Cache, DecoderLayer, Edit, Encoder
from .walk import Source, walk


def given(weights: Tensor, share: Tensor | float = 1.0) -> Edit:
    """Weights (B, S) in place of those of every head; in part, for a share below 1."""
    row = weights[:, None, None]  # (B, 1, 1, S)
    return lambda own: own + share * (row - own)


class Transformer(nn.Module):
    """Encoder and decoder: a translator.

    Args:
        source_size: number of source symbols; 0 is padding.
        target_size: number of target symbols.
        embed_dim: width of a token.
        num_heads: heads of every attention.
        num_layers: layers of the encoder, and of the decoder.
        ff_dim: hidden width of the network for each token; 4 `embed_dim` if None.
        dropout: see `EncoderLayer`; of the embeddings, too.
        norm_first: pre-norm; post-norm, as in the paper, if False.
        position: one of `POSITIONS`.
        max_len: positions in a learned table.

    The decoder's embedding is also its output layer (weight tying).

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762); tying as in Press and Wolf 2016
        (arXiv:1608.05859).
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        *,
        embed_dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        position: str = "sinusoidal",
        max_len: int = 512,
    ) -> None:
        super().__init__()
        layer: dict[str, Any] = {"ff_dim": ff_dim, "dropout": dropout}
        layer |= {"norm_first": norm_first}

        def make() -> Any:
            return score_position(position, embed_dim, num_heads)

        place = (position, max_len, dropout)
        self.source_embedding = Embedding(source_size, embed_dim, *place)
        self.target_embedding = Embedding(target_size, embed_dim, *place)
        self.encoder = Encoder(
            num_layers, embed_dim, num_heads, make_position=make, **layer
        )
        self.layers = nn.ModuleList(
            DecoderLayer(embed_dim, num_heads, position=make(), **layer)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        source_mask: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of each next symbol of a known target (teacher forcing).

        Args:
            source: (B, S) numbers of symbols.
            target: (B, T) numbers of symbols, beginning with BOS.
            source_mask: (B, S) boolean, True for symbols; `source != PAD` if None.
            need_weights: also return what the last layer looked at in the source.

        Returns:
            logits (B, T, V), or (logits, weights (B, T, S)), the mean over heads.

        Raises:
            ValueError: numbers or a mask that do not fit.
        """
        cache, memory = self.encode(source, source_mask)
        embed = self.target_embedding
        logits, _, weights = walk(self, embed, target, cache, memory, need_weights)
        return (logits, weights) if need_weights else logits

    def encode(
        self, source: Tensor, source_mask: Tensor | None = None
    ) -> tuple[Cache, Source]:
        """Read the source: an empty cache, and what the decoder looks at."""
        check_tensor("source", source)
        mask = source != PAD if source_mask is None else source_mask
        check_tensor("source_mask", mask)
        if mask.shape != source.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"source_mask: expected boolean of shape {tuple(source.shape)}, got "
                f"{mask.dtype} of shape {tuple(mask.shape)}"
            )
        mask = mask[:, None]  # (B, 1, S)
        tokens = self.encoder(self.source_embedding(source), mask=mask)
        layers = tuple(layer.cross_attention.project(tokens) for layer in self.layers)
        return Cache(()), Source(layers, mask)

    def step(
        self,
        token: Tensor,
        state: Cache,
        memory: Source,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Cache, Tensor]:
        """One decoder step with a cache.

        Args:
            token: (B,) the symbol written last, BOS at first.
            state: from `encode` or from the step before; it is not changed.
            memory: from `encode`.
            weights: (B, S) over the source, to use in every layer and head in place of
                the model's own.

        Returns:
            logits (B, V), the new cache, and the weights (B, S) of the last layer.

        Raises:
            ValueError: weights that do not fit, or a state or memory of another batch
                or model.
        """
        check_ids("token", token, len(self.target_embedding.table), ("batch",))
        edit = None
        if weights is not None:
            check_float("weights", weights)
            check_shape("weights", weights, (len(token), memory.mask.shape[-1]))
            edit = given(weights)
        ids, embed = token[:, None], self.target_embedding  # (B, 1)
        logits, state, weights = walk(self, embed, ids, state, memory, True, edit)
        return logits[:, 0], state, weights[:, 0]
