"""XLNet: every order of prediction, in the order of the text."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnkit.checks import check_tensor

from .embedding import Embedding
from .layers import Encoder
from .positions import TransformerXL


class Streams(NamedTuple):
    """Masks of the two streams, (B, N, N); True = may attend."""

    content: Tensor
    query: Tensor


def permutation_masks(order: Tensor) -> Streams:
    r"""Who may see whom, if symbols are predicted in this order.

    With $z_t$ the place that comes $t$-th: the content of $z_t$ sees
    $z_1, \dots, z_t$, the query of $z_t$ sees $z_1, \dots, z_{t-1}$, not itself.

    Args:
        order: (B, N) or (N,), a permutation of the places 0 … N - 1.

    Returns:
        `Streams` of masks (B, N, N), or (N, N).

    Raises:
        ValueError: rows that are no permutation.
    """
    rank = _ranks(order)
    return Streams(
        rank[..., None, :] <= rank[..., :, None],
        rank[..., None, :] < rank[..., :, None],
    )


def _ranks(order: Tensor) -> Tensor:
    """When each place comes."""
    check_tensor("order", order)
    n = order.shape[-1] if order.dim() else 0
    places = torch.arange(n, device=order.device)
    whole = not (order.is_floating_point() or order.dtype == torch.bool)
    if order.dim() not in (1, 2) or not whole or (order.sort(-1)[0] != places).any():
        raise ValueError(
            f"order: expected permutations of 0 … {n - 1}, (B, N) or (N,), got "
            f"{order.dtype} of shape {tuple(order.shape)}"
        )
    return order.argsort(-1)


class PermutationLanguageModel(nn.Module):
    r"""Each symbol from any others: two-stream attention.

    $$g_i \leftarrow \mathrm{layer}(q = g_i,\ kv = h_{z_{<t}}) \qquad
    h_i \leftarrow \mathrm{layer}(q = h_i,\ kv = h_{z_{\le t}}), \qquad z_t = i$$

    $h$ begins as the symbol; $g$ begins as the same learned vector everywhere: it knows
    its place (positions are relative) and not its symbol, so it can predict it. Both go
    through the same layers. The text keeps its order; only who sees whom changes.

    Args:
        size: number of symbols.
        others: see `LanguageModel`; post-norm, as in the paper, unless `norm_first`.

    Source:
        Yang et al. 2019 (arXiv:1906.08237), sections 2.2 and 2.3.
    """

    def __init__(
        self,
        size: int,
        *,
        embed_dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(size, embed_dim, "none", 0, dropout)
        self.unknown = nn.Parameter(torch.randn(embed_dim))
        self.encoder = Encoder(
            num_layers,
            embed_dim,
            num_heads,
            make_position=lambda: TransformerXL(embed_dim, num_heads),
            norm_first=norm_first,
            ff_dim=ff_dim,
            dropout=dropout,
        )

    def forward(
        self, ids: Tensor, order: Tensor, *, need_weights: bool = False
    ) -> Tensor | tuple[Tensor, list[Streams]]:
        """Logits of every symbol, from those that come before it in `order`.

        Args:
            ids: (B, N) numbers of symbols.
            order: (B, N) or (N,), permutations of the places; see `permutation_masks`.
            need_weights: also return the weights of both streams.

        Returns:
            logits (B, N, V) in the order of the text, where the first of an order
            is predicted from nothing; or with a list of `Streams` of
            weights (B, H, N, N), one for each layer.

        Raises:
            ValueError: numbers or an order that do not fit.
        """
        content = self.embedding(ids)  # (B, N, D)
        b, n = ids.shape
        check_tensor("order", order)
        if tuple(order.shape) not in ((n,), (1, n), (b, n)):
            raise ValueError(
                f"order: expected {n} places as ids has symbols, ({b}, {n}) or ({n},), "
                f"got shape {tuple(order.shape)}"
            )
        masks = Streams(*(m.expand(b, -1, -1) for m in permutation_masks(order)))
        query, maps = self.unknown.expand_as(content), []
        for layer in self.encoder.layers:
            memory = layer.remember(content)
            asked, seen = layer.read(
                query, memory, mask=masks.query, need_weights=need_weights
            )
            content, own = layer.read(
                content, memory, mask=masks.content, need_weights=need_weights
            )
            query = asked
            maps.append(Streams(own, seen))
        logits = self.embedding.logits(self.encoder.norm(query))  # (B, N, V)
        return (logits, maps) if need_weights else logits
