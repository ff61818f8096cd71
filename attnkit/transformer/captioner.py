"""Writing a caption without recurrence: a Transformer's decoder over places.

As its recurrent sibling it reads a memory of places (B, M, D), the regions of an
image or the frames of a clip, and has the same `forward` and `generate`.
"""

import torch
from torch import Tensor, nn

from attnkit.checks import check_ids, check_places, check_positive, check_shape
from attnkit.data.vocabulary import BOS
from attnkit.search import write_greedily

from .embedding import Embedding, score_position
from .layers import Cache, DecoderLayer
from .multihead import MultiHeadAttention
from .walk import Source, walk


class CaptionTransformer(nn.Module):
    r"""Words that look at each other and at the places of a memory.

    Each layer is causal self-attention over the words so far, attention to the places,
    and the network for each word. The places have no order here: what is to be known
    of where they are must stand in their keys.

    Args:
        vocab_size: V, number of words with the four special ones.
        memory_dim: width of a place's values.
        key_dim: width of its keys; that of the values if None.
        embed_dim: width of a word's token.
        num_heads: heads of every attention.
        num_layers: layers.
        position: of words, one of `POSITIONS`.
        max_len: positions in a learned table.
        ff_dim, dropout, norm_first: see `DecoderLayer`.

    Raises:
        ValueError: an unknown position, or a size below 1.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.1, the decoder; reading
        regions in place of words.
    """

    def __init__(
        self,
        vocab_size: int,
        memory_dim: int,
        *,
        key_dim: int | None = None,
        embed_dim: int = 48,
        num_heads: int = 4,
        num_layers: int = 1,
        position: str = "sinusoidal",
        max_len: int = 64,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        check_positive("num_layers", num_layers)
        self.size, self.memory_dim = vocab_size, memory_dim
        widths = {"kdim": memory_dim if key_dim is None else key_dim}
        widths |= {"vdim": memory_dim}
        self.embed = Embedding(vocab_size, embed_dim, position, max_len, dropout)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            place = score_position(position, embed_dim, num_heads)
            layer = DecoderLayer(
                embed_dim,
                num_heads,
                ff_dim=ff_dim,
                dropout=dropout,
                norm_first=norm_first,
                position=place,
            )
            layer.cross_attention = MultiHeadAttention(
                embed_dim, num_heads, dropout=dropout, **widths
            )
            self.layers.append(layer)
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self,
        memory: Tensor,
        captions: Tensor,
        *,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of each next word of a known caption (teacher forcing).

        Args:
            memory: values of the places (B, M, D).
            captions: (B, T) numbers of words, beginning with BOS.
            keys: what the scores see of each place (B, M, K); the memory if None.
            mask: boolean (B, M), True = may be looked at. A row without a place is
                written from its words alone.
            need_weights: also return the weights.

        Returns:
            logits (B, T, V), or (logits, weights (B, T, M)): those of the last layer,
            the mean over heads.

        Raises:
            ValueError: an empty caption, a word outside the vocabulary, or shapes that
                do not fit.
        """
        check_ids("captions", captions, self.size)
        if captions.shape[1] == 0:
            raise ValueError("captions: expected at least one word in a row, got none")
        cache, source = self.encode(memory, keys, mask)
        check_shape("captions", captions, (len(memory), captions.shape[1]))
        logits, _, weights = walk(
            self, self.embed, captions, cache, source, need_weights
        )
        return (logits, weights) if need_weights else logits

    @torch.no_grad()
    def generate(
        self,
        memory: Tensor,
        *,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
        max_len: int,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Write captions, each time the most probable word (greedy search).

        A word's keys and values are computed once and kept.

        Args:
            memory, keys, mask: as in `forward`.
            max_len: most words of a caption, EOS included.
            need_weights: also return the weights.

        Returns:
            ids (B, T) with T at most `max_len`: words, EOS, then PAD to the longest
            caption; or (ids, weights (B, T, M)), zero where PAD stands.
        """
        check_positive("max_len", max_len)
        cache, source = self.encode(memory, keys, mask)
        begin = torch.full((len(memory),), BOS, device=memory.device)
        done = write_greedily(
            lambda token, state: self.step(token, state, source), begin, cache, max_len
        )
        return (done.tokens, done.weights) if need_weights else done.tokens

    def encode(
        self, memory: Tensor, keys: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Cache, Source]:
        """An empty cache, and the places as each layer projects them."""
        weight = self.layers[0].cross_attention.value_proj.weight
        check_places(memory, keys, mask, self.memory_dim, weight)
        if mask is None:
            mask = memory.new_ones(memory.shape[:2], dtype=torch.bool)
        keys = memory if keys is None else keys
        layers = (layer.cross_attention.project(keys, memory) for layer in self.layers)
        mask = mask.expand(memory.shape[:2])[:, None]  # (B, 1, M)
        return Cache(()), Source(tuple(layers), mask)

    def step(
        self, token: Tensor, state: Cache, memory: Source
    ) -> tuple[Tensor, Cache, Tensor]:
        """One word: token (B,) → logits (B, V), the new cache, and weights (B, M)."""
        check_ids("token", token, self.size, ("batch",))
        ids = token[:, None]  # (B, 1)
        logits, state, weights = walk(self, self.embed, ids, state, memory, True)
        return logits[:, 0], state, weights[:, 0]
