r"""Encoder and decoder: attention, a network for each token, and what holds them.

$$\text{post-norm: } y = \mathrm{norm}(x + f(x)) \qquad
\text{pre-norm: } y = x + f(\mathrm{norm}(x))$$

The paper's layers are post-norm; with pre-norm a deep stack trains without a warm-up.
A stack of pre-norm layers ends in one more norm, as its sum was never normed.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.attend import aggregate
from attnkit.checks import (
    check_float,
    check_like_weight,
    check_portion,
    check_positive,
    check_tokens,
    check_width,
)

from .multihead import KeyValue, MultiHeadAttention
from .positions import ScorePosition

MakePosition = Callable[[], ScorePosition | None]
Edit = Callable[[Tensor], Tensor]  # weights → those to spend in their place


class Cache(NamedTuple):
    """Keys and values of all symbols so far, one `KeyValue` for each layer."""

    layers: tuple[KeyValue, ...]

    def select(self, rows: Tensor) -> "Cache":
        """The samples of these numbers; a sample may repeat."""
        return Cache(tuple(layer.select(rows) for layer in self.layers))

    @property
    def size(self) -> int:
        """Symbols so far."""
        return self.layers[0].key.shape[2] if self.layers else 0

    @property
    def batch(self) -> int | None:
        """Samples, or None before the first symbol."""
        return self.layers[0].key.shape[0] if self.layers else None

    def check(self, layers: int) -> None:
        """Raise unless it is empty or made by so many layers."""
        if len(self.layers) not in (0, layers):
            raise ValueError(
                f"cache: expected {layers} layers, got {len(self.layers)}; it is of "
                "another model"
            )


class FeedForward(nn.Module):
    r"""The same small network for every token.

    $$f(x) = W_2\,\max(0, W_1 x + b_1) + b_2$$

    Args:
        embed_dim: $D$.
        hidden_dim: width inside; $4 D$ if None.
        dropout: of the hidden layer, in training.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.3.
    """

    def __init__(
        self, embed_dim: int, hidden_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        check_positive("hidden_dim", hidden_dim)
        check_portion("dropout", dropout, below_one=True)
        self.inner = nn.Linear(embed_dim, hidden_dim)
        self.outer = nn.Linear(hidden_dim, embed_dim)
        self.dropout = dropout

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (..., D); the same shape."""
        check_float("tokens", tokens, 1)
        check_width("tokens", tokens, self.inner.in_features, "embed_dim")
        check_like_weight("tokens", tokens, self.inner.weight)
        hidden = F.relu(self.inner(tokens))  # (..., hidden)
        return self.outer(F.dropout(hidden, self.dropout, self.training))


class _Layer(nn.Module):
    """What encoder and decoder layers share: how a part is added to the stream."""

    def __init__(self, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.dropout, self.norm_first = dropout, norm_first

    def _before(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        if norm is self.attention_norm:  # the layer's first part: what it was given
            asks = self.attention.query_proj
            check_tokens("tokens", x, asks.in_features, asks.weight)
        return norm(x) if self.norm_first else x

    def _after(self, x: Tensor, change: Tensor, norm: nn.LayerNorm) -> Tensor:
        y = x + F.dropout(change, self.dropout, self.training)
        return y if self.norm_first else norm(y)

    def think(self, tokens: Tensor) -> Tensor:
        """The last part alone: the network for each token."""
        change = self.feed_forward(self._before(tokens, self.feed_forward_norm))
        return self._after(tokens, change, self.feed_forward_norm)

    def remember(self, states: Tensor) -> KeyValue:
        """Keys and values of tokens (B, M, D) as this layer gets them."""
        return self.attention.project(self._before(states, self.attention_norm))


class EncoderLayer(_Layer):
    """Self-attention, then the network for each token.

    Args:
        embed_dim: width of a token.
        num_heads: heads.
        ff_dim: hidden width of the network; 4 `embed_dim` if None.
        dropout: of weights, hidden layer and each part's result.
        norm_first: pre-norm; post-norm, as in the paper, if False.
        position: a `ScorePosition` of the self-attention.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.1; pre-norm as in Xiong et
        al. 2020 (arXiv:2002.04745).
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        position: ScorePosition | None = None,
    ) -> None:
        super().__init__(dropout, norm_first)
        self.attention = MultiHeadAttention(
            embed_dim, num_heads, dropout=dropout, position=position
        )
        self.feed_forward = FeedForward(embed_dim, ff_dim, dropout)
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.feed_forward_norm = nn.LayerNorm(embed_dim)

    def forward(
        self, tokens: Tensor, *, mask: Tensor | None = None, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens (B, N, D); returns tokens, and weights (B, H, N, N) or None."""
        return self.read(
            tokens, self.remember(tokens), mask=mask, need_weights=need_weights
        )

    def read(
        self,
        tokens: Tensor,
        memory: KeyValue,
        *,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The layer over tokens (B, N, D) that read keys and values of `remember`."""
        asked = self._before(tokens, self.attention_norm)
        found = self.attention.read(asked, memory, mask=mask, need_weights=need_weights)
        change, weights = found if need_weights else (found, None)
        return self.think(self._after(tokens, change, self.attention_norm)), weights


class Decoded(NamedTuple):
    """What a decoder layer gives: `tokens` (B, N, D), `present` (keys and values of
    all tokens so far), and the weights (B, H, N, M) of its two attentions, or None."""

    tokens: Tensor
    present: KeyValue
    self_weights: Tensor | None
    cross_weights: Tensor | None


class DecoderLayer(_Layer):
    """Causal self-attention, attention to a source, the network for each token.

    Without a source (`cross=False`) it is the layer of a language model.

    Args:
        cross: attend to a source.
        others: see `EncoderLayer`.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.1.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        position: ScorePosition | None = None,
        num_kv_heads: int | None = None,
        cross: bool = True,
    ) -> None:
        super().__init__(dropout, norm_first)
        heads = {"num_kv_heads": num_kv_heads, "dropout": dropout}
        self.attention = MultiHeadAttention(
            embed_dim, num_heads, position=position, **heads
        )
        self.attention_norm = nn.LayerNorm(embed_dim)
        if cross:
            self.cross_attention = MultiHeadAttention(embed_dim, num_heads, **heads)
            self.cross_norm = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim, ff_dim, dropout)
        self.feed_forward_norm = nn.LayerNorm(embed_dim)

    def forward(
        self,
        tokens: Tensor,
        source: KeyValue | None = None,
        *,
        past: KeyValue | None = None,
        mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        need_weights: bool = False,
        edit: Edit | None = None,
    ) -> Decoded:
        """One layer over new tokens, after those whose keys and values are `past`.

        Args:
            tokens: (B, N, D), the new ones.
            source: the source's keys and values, from `cross_attention.project`.
            past: keys and values of the tokens before; not changed.
            mask: over all tokens so far, (B, N, M); causality comes on top.
            source_mask: (B, N or 1, S).
            need_weights: also return the weights.
            edit: makes of the weights over the source those that are spent, and
                returned, in their place.
        """
        asked = self._before(tokens, self.attention_norm)
        start = 0 if past is None else past.key.shape[2]
        present = self.attention.project(asked, start=start)
        present = present if past is None else past.append(present)
        found = self.attention.read(
            asked, present, mask=mask, causal=True, need_weights=need_weights
        )
        change, weights = found if need_weights else (found, None)
        tokens = self._after(tokens, change, self.attention_norm)
        tokens, cross = self.look(tokens, source, source_mask, need_weights, edit)
        return Decoded(self.think(tokens), present, weights, cross)

    def look(
        self,
        tokens: Tensor,
        source: KeyValue | None,
        mask: Tensor | None = None,
        need_weights: bool = False,
        edit: Edit | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """The second part alone: tokens that have looked at the source, and weights."""
        if source is None:
            return tokens, None
        if not hasattr(self, "cross_attention"):
            raise ValueError("source: expected None in a layer with cross=False")
        asked = self._before(tokens, self.cross_norm)
        need = need_weights or edit is not None
        found = self.cross_attention.read(asked, source, mask=mask, need_weights=need)
        change, weights = found if need else (found, None)
        if edit is not None:
            weights = edit(weights)  # (B, H, N, M)
            share = weights.shape[1] // source.value.shape[1]
            value = source.value.repeat_interleave(share, 1)
            context = aggregate(weights, value).transpose(1, 2).flatten(2)
            change = self.cross_attention.output_proj(context)
        return self._after(tokens, change, self.cross_norm), weights


class Encoder(nn.Module):
    """A stack of encoder layers.

    Args:
        num_layers: layers.
        embed_dim: width of a token.
        num_heads: heads.
        make_position: called once for each layer; see `EncoderLayer.position`.
        norm_first: see `EncoderLayer`; a pre-norm stack ends in a norm.
        options: `ff_dim` and `dropout` of `EncoderLayer`.
    """

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        *,
        make_position: MakePosition = lambda: None,
        norm_first: bool = True,
        **options,
    ) -> None:
        super().__init__()
        check_positive("num_layers", num_layers)
        self.layers = nn.ModuleList(
            EncoderLayer(
                embed_dim,
                num_heads,
                norm_first=norm_first,
                position=make_position(),
                **options,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self, tokens: Tensor, *, mask: Tensor | None = None, need_weights: bool = False
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Tokens (B, N, D) → the same, or with the weights (B, H, N, N) per layer.

        Args:
            tokens: (B, N, D).
            mask: boolean or float, broadcasting to (B, N, N).
            need_weights: also return the weights of every layer.
        """
        maps = []
        for layer in self.layers:
            tokens, weights = layer(tokens, mask=mask, need_weights=need_weights)
            maps.append(weights)
        tokens = self.norm(tokens)
        return (tokens, maps) if need_weights else tokens
