"""Attention over a source sequence: global, local-m and local-p.

All three take queries (B, N, D), keys and values (B, M, D) and return a context per
query. What differs is which keys a query may see and how the weights are spent.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnkit.attend import Additive, Concat, General, aggregate, attend, dot, softmax
from attnkit.checks import check_positive

Output = Tensor | tuple[Tensor, Tensor]
Score = Callable[[Tensor, Tensor], Tensor]


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


class GlobalAttention(nn.Module):
    r"""Attention over all source positions.

    $$e_{ts} = \mathrm{score}(q_t, k_s) \qquad w_t = \mathrm{softmax}(e_t) \qquad
    c_t = \sum_s w_{ts} v_s$$

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
            start: number of the first query in its sequence (B,); not used here.
            need_weights: also return the weights.

        Returns:
            Context (B, N, D), or (context, weights) with weights (B, N, M).
        """
        return attend(
            query, key, value, score=self.score, mask=mask, need_weights=need_weights
        )


def _first(start: Tensor | None, query: Tensor) -> Tensor:
    """Numbers of the queries in their sequences, counted from 0: (B or 1, N, 1)."""
    steps = torch.arange(query.shape[-2], device=query.device)[:, None]  # (N, 1)
    return steps if start is None else steps + start[:, None, None]


class LocalMonotonic(nn.Module):
    r"""Local-m: step t sees only the source positions around t.

    $$p_t = t \qquad w_t = \mathrm{softmax}\big(\mathrm{score}(q_t, k_s) :
    |s - p_t| \le D\big) \qquad c_t = \sum_s w_{ts} v_s$$

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
        super().__init__()
        check_positive("window", window)
        self.window = window
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
        """Attend inside the window; arguments and result as in `GlobalAttention`.

        `start` (B,) is the number of the first query, 0 if None: a decoder that makes
        one step at a time passes the number of the step.
        """
        place = torch.arange(key.shape[-2], device=key.device)  # (M,)
        near = (place - _first(start, query)).abs() <= self.window  # (B or 1, N, M)
        mask = near if mask is None else mask & near
        return attend(
            query, key, value, score=self.score, mask=mask, need_weights=need_weights
        )


class LocalPredictive(nn.Module):
    r"""Local-p: each step predicts the place to look at, and prefers what is near it.

    $$p_t = S \, \sigma\big(v_p^\top \tanh(W_p q_t)\big) \qquad
    w_{ts} = \mathrm{softmax}_{|s - p_t| \le D}\big(\mathrm{score}(q_t, k_s)\big)
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
        super().__init__()
        check_positive("window", window)
        self.window = window
        self.score = make_score(score, query_dim, key_dim, hidden_dim)
        self.inner = nn.Linear(query_dim, hidden_dim, bias=False)
        self.place = nn.Linear(hidden_dim, 1, bias=False)

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
        """Attend near the predicted place; arguments and result as in
        `GlobalAttention` (`start` is not used)."""
        length = key.shape[-2] if mask is None else mask.sum(-1, keepdim=True)
        centre = length * torch.sigmoid(self.place(self.inner(query).tanh()))
        place = 1 + torch.arange(key.shape[-2], device=key.device)  # (M,)
        away = place.to(query.dtype) - centre  # (B, N, M)
        near = away.abs() <= self.window
        mask = near if mask is None else mask & near
        scores = self.score(query, key)  # (B, N, M)
        gauss = torch.exp(-away.square() / (2 * (self.window / 2) ** 2))
        weights = softmax(scores, mask) * gauss  # (B, N, M)
        context = aggregate(weights, value)  # (B, N, D)
        return (context, weights) if need_weights else context
