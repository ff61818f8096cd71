"""Attention over a source sequence: global, local-m and local-p.

All three take queries (B, N, D), keys and values (B, M, D) and return a context per
query. What differs is which keys a query may see and how the weights are spent.
"""

import torch
from torch import Tensor, nn

from attnkit.attend import (
    Additive,
    Concat,
    General,
    Normalizer,
    Score,
    attend,
    dot,
    softmax,
)
from attnkit.checks import (
    check_alike,
    check_batch,
    check_float,
    check_mask,
    check_positive,
    check_width,
)

Output = Tensor | tuple[Tensor, Tensor]


def make_score(name: str, query_dim: int, key_dim: int, hidden_dim: int) -> Score:
    """A score of this package by its name: additive, concat, general or dot."""
    if name == "additive":
        return Additive(query_dim, key_dim, hidden_dim)
    if name == "concat":
        return Concat(query_dim, key_dim, hidden_dim)
    if name == "general":
        return General(query_dim, key_dim)
    if name == "dot" and query_dim == key_dim:
        return dot
    if name == "dot":
        raise ValueError(
            f"key_dim: expected {query_dim} as query_dim for dot, got {key_dim}"
        )
    raise ValueError(f"score: expected additive, concat, dot or general; got {name!r}")


class _Attention(nn.Module):
    """What global and local attention share: a score and the three steps."""

    def __init__(
        self, query_dim: int, key_dim: int, score: str, hidden_dim: int
    ) -> None:
        super().__init__()
        self.score = make_score(score, query_dim, key_dim, hidden_dim)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        mask: Tensor | None = None,
        start: Tensor | None = None,
        need_weights: bool = False,
    ) -> Output:
        """Attend from queries (B, N, D) to keys and values (B, M, D).

        Args:
            query: decoder states (B, N, query_dim).
            key: encoder states (B, M, key_dim).
            value: what is summed, (B, M, D).
            mask: boolean, broadcastable to (B, N, M); True = may attend.
            start: number of the first query in its sequence (B,), 0 if None: a decoder
                that makes one step at a time passes the number of the step. Only
                local-m uses it.
            need_weights: also return the weights.

        Returns:
            Context (B, N, D), or (context, weights) with weights (B, N, M).

        Raises:
            ValueError: a shape, a dtype or the mask does not fit.
        """
        check_float("query", query)
        check_float("key", key)
        check_batch(query=query, key=key)
        batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        check_mask(mask, (*batch, query.shape[-2], key.shape[-2]), query)
        mask, normalize = self.focus(query, key, mask, start)
        return attend(
            query,
            key,
            value,
            score=self.score,
            normalize=normalize,
            mask=mask,
            need_weights=need_weights,
        )

    def focus(
        self, query: Tensor, key: Tensor, mask: Tensor | None, start: Tensor | None
    ) -> tuple[Tensor | None, Normalizer]:
        """The mask of what each query sees, and what makes weights of its scores."""
        return mask, softmax


class GlobalAttention(_Attention):
    r"""Attention over all source positions.

    $$e_{ts} = \mathrm{score}(q_t, k_s) \qquad a_t = \mathrm{softmax}(e_t) \qquad
    c_t = \sum_s a_{ts} v_s$$

    With `score="additive"` this is the alignment model of Bahdanau, otherwise the
    global attention of Luong with its three scores.

    Args:
        query_dim: width of a decoder state.
        key_dim: width of an encoder state.
        score: "additive", "concat", "dot" or "general".
        hidden_dim: hidden width of an additive or concat score.

    Source:
        Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473), equations 5 and 6; Luong,
        Pham and Manning 2015 (arXiv:1508.04025), section 3.1.
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        score: str = "additive",
        hidden_dim: int = 32,
    ) -> None:
        super().__init__(query_dim, key_dim, score, hidden_dim)


def _first(start: Tensor | None, query: Tensor) -> Tensor:
    """Numbers of the queries in their sequences, counted from 0: (B or 1, N, 1)."""
    steps = torch.arange(query.shape[-2], device=query.device)[:, None]  # (N, 1)
    return steps if start is None else steps + start[:, None, None]


class LocalMonotonic(_Attention):
    r"""Local-m: step t sees only the source positions around t.

    $$p_t = t \qquad a_t = \mathrm{softmax}\big(\mathrm{score}(q_t, k_s) :
    |s - p_t| \le D\big) \qquad c_t = \sum_s a_{ts} v_s$$

    A step whose window lies behind the end of the source gets a zero context. All
    scores are computed and the window is a mask, so the cost is that of global
    attention; a loop over windows would need only $2 D + 1$ scores per step.

    Args:
        query_dim: width of a decoder state.
        key_dim: width of an encoder state.
        window: $D$, positions seen on each side.
        score: "dot", "general", "concat" or "additive".
        hidden_dim: hidden width of an additive or concat score.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), section 3.2, local-m.
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        window: int = 4,
        score: str = "general",
        hidden_dim: int = 32,
    ) -> None:
        super().__init__(query_dim, key_dim, score, hidden_dim)
        check_positive("window", window)
        self.window = window

    def focus(
        self, query: Tensor, key: Tensor, mask: Tensor | None, start: Tensor | None
    ) -> tuple[Tensor, Normalizer]:
        """The window around the number of each query."""
        place = torch.arange(key.shape[-2], device=key.device)  # (M,)
        near = (place - _first(start, query)).abs() <= self.window  # (B or 1, N, M)
        return near if mask is None else mask & near, softmax


class LocalPredictive(_Attention):
    r"""Local-p: each step predicts the place to look at, and prefers what is near it.

    $$p_t = S \, \sigma\big(v_p^\top \tanh(W_p q_t)\big) \qquad
    a_{ts} = \mathrm{softmax}_{|s - p_t| \le D}\big(\mathrm{score}(q_t, k_s)\big)
    \exp\Big(-\frac{(s - p_t)^2}{2 \sigma_D^2}\Big), \quad \sigma_D = D / 2$$

    Source positions are counted from 1 to the source length $S$ (the symbols that the
    mask allows), as in the paper. As there, the weights are not normalized again
    after the Gaussian, so a row sums to less than 1. The place is trained through the
    Gaussian alone; the edge of the window has no gradient. As in local-m the window is
    a mask.

    Args:
        query_dim: width of a decoder state.
        key_dim: width of an encoder state.
        window: $D$, positions seen on each side.
        score: "general", "dot", "concat" or "additive".
        hidden_dim: width of $W_p q_t$, and of an additive or concat score.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), equations 9 and 10.
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        window: int = 4,
        score: str = "general",
        hidden_dim: int = 32,
    ) -> None:
        super().__init__(query_dim, key_dim, score, hidden_dim)
        check_positive("window", window)
        self.window = window
        self.inner = nn.Linear(query_dim, hidden_dim, bias=False)
        self.place = nn.Linear(hidden_dim, 1, bias=False)

    def focus(
        self, query: Tensor, key: Tensor, mask: Tensor | None, start: Tensor | None
    ) -> tuple[Tensor, Normalizer]:
        """The window around the predicted place, and the Gaussian in it."""
        check_width("query", query, self.inner.in_features, "query_dim")
        check_alike(weights=self.inner.weight, query=query)
        away = self._away(query, key.shape[-2], mask)  # (B, N, M)
        near = away.abs() <= self.window
        gauss = torch.exp(-away.square() / (2 * (self.window / 2) ** 2)).to(query.dtype)
        mask = near if mask is None else mask & near
        return mask, lambda scores, mask: softmax(scores, mask) * gauss

    def _away(self, query: Tensor, size: int, mask: Tensor | None) -> Tensor:
        """How far each place is from the predicted one; bfloat16 cannot count to it."""
        wide = torch.promote_types(query.dtype, torch.float32)
        length = size
        if mask is not None:
            whole = torch.broadcast_shapes(mask.shape, (size,))
            length = mask.expand(whole).sum(-1, keepdim=True)
        centre = length * torch.sigmoid(self.place(self.inner(query).tanh()).to(wide))
        place = 1 + torch.arange(size, device=query.device)  # (M,)
        return place.to(wide) - centre
