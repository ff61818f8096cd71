"""Attention over the regions of an image, soft and hard.

`CaptionDecoder.look` makes the same step inside the decoder; here it stands alone.
"""

import torch
from torch import Generator, Tensor, nn

from attnkit.attend import Additive, aggregate, hard, sample_reinforce, softmax
from attnkit.checks import check_float, check_mask


class RegionAttention(nn.Module):
    r"""Soft attention over regions: each word mixes all regions by weight.

    $$e_{ij} = w^\top \tanh(W_q z_{i-1} + W_k v_j) \qquad
    a_i = \mathrm{softmax}(e_i) \qquad c_i = \sum_j a_{ij} v_j$$

    Args:
        query_dim: width of a decoder state $z$.
        dim: D, width of a region's vector $v$, which is its key as well.
        hidden_dim: hidden width of the score.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), sections 3.1.2 and 4.2, equations 4, 5, 13.
    """

    def __init__(self, query_dim: int, dim: int, hidden_dim: int = 32) -> None:
        super().__init__()
        self.score = Additive(query_dim, dim, hidden_dim)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        *,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Context (B, N, D) for states (B, N, ·), from regions (B, M, D).

        Args:
            query: decoder states, one per word.
            value: one vector per region.
            mask: boolean (B, M), True = may be looked at. An image without such a
                region gives zeros.
            need_weights: also return the weights (B, N, M).

        Raises:
            ValueError: a shape, a dtype or the mask does not fit.
        """
        scores, allowed = self._scores(query, value, mask)  # (B, N, M)
        weights = softmax(scores, allowed)
        context = aggregate(weights, value)  # (B, N, D)
        return (context, weights) if need_weights else context

    def _scores(
        self, query: Tensor, value: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        check_float("value", value, 3)
        check_mask(mask, tuple(value.shape[:2]), value, "regions")
        return self.score(query, value), None if mask is None else mask[:, None]


class HardRegionAttention(RegionAttention):
    r"""Hard attention over regions: each word reads one region, the others not at all.

    $$J_i \sim \mathrm{softmax}(e_i) \qquad c_i = v_{J_i}$$

    The second of the three steps is a draw. It passes no gradient, so the logarithm of
    its chance comes along, and REINFORCE teaches the scores with it: see
    `attnkit.rnn.captioning.Reinforce`. In evaluation the best region is taken.
    """

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        *,
        mask: Tensor | None = None,
        generator: Generator | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, ...]:
        """Context (B, N, D) and log-probability (B, N) of what was looked at.

        Args:
            query, value, mask: as for soft attention.
            generator: source of the draws in training; the global one if None.
            need_weights: also return the weights (B, N, M), one 1 in each row.
        """
        scores, allowed = self._scores(query, value, mask)  # (B, N, M)
        if self.training:
            weights, log_prob = sample_reinforce(scores, allowed, generator)
        else:
            weights = hard(scores, allowed).detach()
            chance = (softmax(scores, allowed) * weights).sum(-1)  # (B, N)
            log_prob = torch.where(chance > 0, chance, 1).log()  # 0 for nothing
        context = aggregate(weights, value)  # (B, N, D)
        return (context, log_prob, weights) if need_weights else (context, log_prob)
