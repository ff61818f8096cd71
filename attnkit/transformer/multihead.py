r"""Multi-head attention: the three steps, several times side by side.

A query projection asks, a key projection answers, a value projection is handed out.
What the projections of keys and values give is a `KeyValue`: it can be kept (a cache),
or made once and asked many times (an encoder's memory). It comes in and goes out; the
module keeps nothing.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.attend import aggregate, scaled_dot, softmax
from attnkit.checks import (
    check_alike,
    check_float,
    check_like_weight,
    check_portion,
    check_positive,
    check_tokens,
    check_type,
)

from .masks import add_bias, join_masks
from .positions import ScorePosition


class KeyValue(NamedTuple):
    """Projected keys and values, split into heads: `key` (B, G, M, d), `value`
    (B, G, M, d). `G` heads of keys and values serve all heads of queries."""

    key: Tensor
    value: Tensor

    def append(self, new: "KeyValue") -> "KeyValue":
        """These and then the new ones.

        Raises:
            TypeError: the new ones are no `KeyValue`.
            ValueError: another number of samples or heads, another width or dtype.
        """
        check_type("new", new, KeyValue, "a KeyValue from project")
        self.check()
        new.check()
        mine, other = self.key.shape, new.key.shape
        if (mine[:2], mine[3]) != (other[:2], other[3]):
            raise ValueError(
                f"cache: expected keys (B, G, M, d) with B, G, d = "
                f"{other[0]}, {other[1]}, {other[3]}, got {tuple(mine)}; start a new "
                "cache for another batch"
            )
        check_alike(new=new.key, cache=self.key)
        pairs = zip(self, new, strict=True)
        return KeyValue(*(torch.cat(pair, dim=2) for pair in pairs))

    def select(self, rows: Tensor) -> "KeyValue":
        """The samples of these numbers; a sample may repeat."""
        return KeyValue(self.key[rows], self.value[rows])

    def check(self) -> None:
        """Raise unless there is one value for each key, in each head: the fused kernel
        does not look, and would read past the end."""
        for x in self:
            check_float("memory", x, 4)
        if self.key.shape[:3] != self.value.shape[:3]:
            raise ValueError(
                f"memory: expected a value for each key {tuple(self.key.shape)}, got "
                f"values of shape {tuple(self.value.shape)}"
            )


class MultiHeadAttention(nn.Module):
    r"""Attention with several heads, each with its own projections.

    $$e^h_{ij} = \frac{(W^h_q x_i)^\top (W^h_k y_j)}{\sqrt d} \qquad
    a^h_i = \mathrm{softmax}(e^h_i) \qquad
    c_i = W_o\,\bigl[\textstyle\sum_j a^h_{ij} W^h_v y_j\bigr]_{h=1}^H$$

    With fewer heads of keys and values than of queries it is grouped-query attention;
    with one, multi-query attention.

    Args:
        embed_dim: $D$, width of queries and of the output; $d = D / H$.
        num_heads: $H$.
        num_kv_heads: heads of keys and values, a divisor of `num_heads`; all if None.
        kdim: width of the keys' input; `embed_dim` if None.
        vdim: width of the values' input; `embed_dim` if None.
        bias: projections have a bias.
        dropout: share of weights that are dropped in training.
        position: a `ScorePosition` for self-attention.

    Raises:
        ValueError: heads that do not divide the width, or each other.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; Shazeer 2019
        (arXiv:1911.02150); Ainslie et al. 2023 (arXiv:2305.13245).
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        kdim: int | None = None,
        vdim: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        position: ScorePosition | None = None,
    ) -> None:
        super().__init__()
        groups = num_heads if num_kv_heads is None else num_kv_heads
        _check_heads(embed_dim, num_heads, groups)
        self.num_heads, self.num_kv_heads = num_heads, groups
        self.head_dim = embed_dim // num_heads
        width = groups * self.head_dim
        self.query_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.key_proj = nn.Linear(_width("kdim", kdim, embed_dim), width, bias=bias)
        self.value_proj = nn.Linear(_width("vdim", vdim, embed_dim), width, bias=bias)
        self.output_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        check_portion("dropout", dropout, below_one=True)
        _check_position(position, num_heads, self.head_dim)
        self.dropout, self.position = dropout, position

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from `query` to `key` and `value`; to itself without them.

        Args:
            query: (B, N, D).
            key: (B, M, kdim); the query if None.
            value: (B, M, vdim); the key if None.
            mask: boolean (True = may attend) or float (added to the scores), that
                broadcasts to (B, N, M), or with heads to (B, H, N, M).
            causal: each query sees the keys up to its own place.
            need_weights: also return the weights; without, a fused kernel works.

        Returns:
            (B, N, D), or with the weights (B, H, N, M). A query that may attend to
            nothing gets a context of zeros, and so the bias of the last projection.

        Raises:
            ValueError: a width, mask or dtype does not fit.
        """
        layer = self.query_proj
        check_tokens("query", query, layer.in_features, layer.weight)
        memory = self.project(query if key is None else key, value)
        return self.read(
            query, memory, mask=mask, causal=causal, need_weights=need_weights
        )

    def project(
        self, key: Tensor, value: Tensor | None = None, *, start: int = 0
    ) -> KeyValue:
        """Keys and values that later queries can read.

        Args:
            key: (B, M, kdim).
            value: (B, M, vdim); the key if None.
            start: position of the first, as the length of the cache before it.

        Returns:
            `KeyValue` of heads.
        """
        value = key if value is None else value
        for name, given, layer in (
            ("key", key, self.key_proj),
            ("value", value, self.value_proj),
        ):
            why = "the width of its projection"
            check_tokens(name, given, layer.in_features, layer.weight, why)
        if value.shape[:2] != key.shape[:2]:
            raise ValueError(
                f"value: expected {key.shape[0]} × {key.shape[1]} rows as in key, got "
                f"shape {tuple(value.shape)}"
            )
        heads = self._split(self.key_proj(key), self.num_kv_heads)  # (B, G, M, d)
        if self.position is not None:
            heads = self.position.turn_key(heads, start)
        return KeyValue(heads, self._split(self.value_proj(value), self.num_kv_heads))

    def read(
        self,
        query: Tensor,
        memory: KeyValue,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend to keys and values that were projected before.

        With `causal` or a position the queries are the last N of the M places.

        Args and returns are those of `forward`.

        Raises:
            TypeError: the memory is no `KeyValue`.
            ValueError: a width, mask or dtype does not fit, or the memory is of another
                batch, or of a module with other heads.
        """
        layer = self.query_proj
        check_tokens("query", query, layer.in_features, layer.weight)
        self._check_memory(query, memory)
        heads = self._split(self.query_proj(query), self.num_heads)  # (B, H, N, d)
        n, m = heads.shape[2], memory.key.shape[2]
        bias = None
        if self.position is not None:
            _check_last(n, m)
            bias = self.position.bias(heads, m)
        # Without a table of who sees whom, if the kernel knows it by itself.
        own = need_weights or self._spends
        plain = causal and n == m and mask is None and bias is None and not own
        mask = join_masks((*heads.shape[:3], m), mask, causal and not plain, heads)
        mask = add_bias(mask, bias)
        if self.position is not None:
            heads = self.position.turn_query(heads, m - n)
        context, weights = self._three_steps(heads, memory, mask, need_weights, plain)
        output = self.output_proj(context.transpose(1, 2).flatten(2))  # (B, N, D)
        return (output, weights) if need_weights else output

    def _three_steps(
        self,
        query: Tensor,
        memory: KeyValue,
        mask: Tensor | None,
        need_weights: bool,
        causal: bool,
    ) -> tuple[Tensor, Tensor | None]:
        share = self.num_heads // self.num_kv_heads
        key, value = (x.repeat_interleave(share, 1) if share > 1 else x for x in memory)
        drop = self.dropout if self.training else 0.0
        if not (need_weights or self._spends):
            return _fused(query, key, value, mask, drop, causal), None
        scores = scaled_dot(query, key)  # (B, H, N, M)
        weights = _normalize(scores, mask)  # (B, H, N, M)
        spent = F.dropout(weights, drop)
        context = aggregate(spent, value)  # (B, H, N, d)
        if self._spends:
            context = context + self.position.spend(spent)
        return context, weights

    def _check_memory(self, query: Tensor, memory: KeyValue) -> None:
        """Raise unless this module could have made the memory, for these samples."""
        check_type("memory", memory, KeyValue, "a KeyValue from project")
        memory.check()
        if memory.key.shape[0] != query.shape[0]:
            raise ValueError(
                f"key: expected {query.shape[0]} samples as in query, got "
                f"{memory.key.shape[0]}; project the keys of this batch"
            )
        heads, width, weight = self.num_kv_heads, self.head_dim, self.query_proj.weight
        for x in memory:
            if x.shape[1] != heads or x.shape[3] != width:
                raise ValueError(
                    f"memory: expected heads (B, G, M, d) with G, d = {heads}, "
                    f"{width}, got {tuple(x.shape)}; read it with the module that "
                    "projected it, or project anew with this one"
                )
            check_like_weight("memory", x, weight)

    @property
    def _spends(self) -> bool:
        """Whether the position needs the weights themselves."""
        return self.position is not None and self.position.spends

    @staticmethod
    def _split(x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, heads, N, d)


def _check_last(n: int, m: int) -> None:
    if n > m:
        raise ValueError(
            f"query: expected at most {m} queries, one for each key, as positions "
            f"count from the first key, got {n}"
        )


def _check_position(position: Any, num_heads: int, head_dim: int) -> None:
    if position is None:
        return
    check_type("position", position, ScorePosition, "a ScorePosition or None")
    position.check(num_heads, head_dim)


def _width(name: str, given: int | None, usual: int) -> int:
    """A width that was given, or the usual one."""
    if given is None:
        return usual
    check_positive(name, given)
    return given


def _check_heads(embed_dim: int, num_heads: int, groups: int) -> None:
    check_positive("embed_dim", embed_dim)
    check_positive("num_heads", num_heads)
    check_positive("num_kv_heads", groups)
    if embed_dim % num_heads:
        near = [h for h in range(1, embed_dim + 1) if embed_dim % h == 0]
        raise ValueError(
            f"num_heads: expected a divisor of embed_dim {embed_dim} "
            f"({', '.join(map(str, near))}), got {num_heads}"
        )
    if num_heads % groups:
        raise ValueError(
            f"num_kv_heads: expected a divisor of num_heads {num_heads}, got {groups}"
        )


def _fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout: float,
    causal: bool,
) -> Tensor:
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal
    )


def _normalize(scores: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None or mask.dtype == torch.bool:
        return softmax(scores, mask)
    allowed = mask != -torch.inf
    return softmax(scores + mask.where(allowed, 0.0), allowed)
