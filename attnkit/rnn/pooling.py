"""Reading one answer out of a sequence: last, mean, max, attention, and the block.

All poolings take values (B, T, D), one vector per time step, and a mask (B, T) of the
steps that count. `TimeStepAttention` is the block of the articles on attention over an
LSTM; it weights the steps and leaves the sum to the layer after it.
"""

import torch
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.checks import (
    check_alike,
    check_float,
    check_ids,
    check_positive,
    check_width,
)

Output = Tensor | tuple[Tensor, Tensor]
POOLINGS = ("last", "mean", "max", "attention", "block")


def _checked(values: Tensor, mask: Tensor | None) -> Tensor:
    """The mask of the steps that count, all of them if None."""
    check_float("values", values, 3)
    if values.dim() != 3:
        raise ValueError(f"values: expected (B, T, D), got {tuple(values.shape)}")
    if mask is None:
        return torch.ones_like(values[..., 0], dtype=torch.bool)
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask: expected a tensor, got {type(mask).__name__}")
    if mask.dtype != torch.bool or mask.shape != values.shape[:2]:
        raise ValueError(
            f"mask: expected torch.bool of shape {tuple(values.shape[:2])} (True = the "
            f"step counts), got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    return mask


class _Weighted(nn.Module):
    """A pooling whose weights do not depend on the values: (B, T) from the mask."""

    def weigh(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        raise NotImplementedError

    def forward(
        self, values: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> Output:
        """Pool values (B, T, D) over the steps.

        Args:
            values: (B, T, D).
            mask: boolean (B, T), True for the steps that count; all if None.
            need_weights: also return the weights.

        Returns:
            (B, D), or (that, weights (B, T)). A sequence without any step that counts
            gives zeros.

        Raises:
            ValueError: a shape or the mask does not fit.
        """
        weights = self.weigh(_checked(values, mask), values.dtype)  # (B, T)
        context = (weights[:, None] @ values)[:, 0]  # (B, D)
        return (context, weights) if need_weights else context


class LastPooling(_Weighted):
    r"""The state of the last step that counts.

    $$a_t = [\,t = T\,] \qquad c = \sum_t a_t h_t = h_T$$

    Source:
        Sutskever, Vinyals and Le 2014 (arXiv:1409.3215), section 2.
    """

    def weigh(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """One on the last step that counts, zero elsewhere: (B, T)."""
        after = mask.flip(-1).cumsum(-1).flip(-1)  # (B, T): from here on
        return (mask & (after == 1)).to(dtype)


class MeanPooling(_Weighted):
    r"""The mean of all steps that count.

    $$a_t = \frac{1}{T} \qquad c = \sum_t a_t h_t$$

    Source:
        Yue-Hei Ng et al. 2015 (arXiv:1503.08909), section 3.2.
    """

    def weigh(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """The same weight for every step that counts: (B, T)."""
        return mask.to(dtype) / mask.sum(-1, keepdim=True).clamp(min=1)


class MaxPooling(nn.Module):
    r"""The largest number of each channel.

    $$c_d = \max_t h_{td}, \qquad a_{td} = [\,t = \arg\max_s h_{sd}\,]$$

    Each channel chooses a step of its own, so there is a weight per step and channel.

    Source:
        Collobert et al. 2011 (arXiv:1103.0398), section 3.3.2.
    """

    def forward(
        self, values: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> Output:
        """As `MeanPooling.forward`, with weights (B, T, D) of zeros and ones."""
        mask = _checked(values, mask)[..., None]  # (B, T, 1)
        if not values.shape[1]:
            context, best = values.sum(1), values.new_zeros(values.shape[::2]).long()
        else:
            context, best = values.masked_fill(~mask, -torch.inf).max(1)  # (B, D)
            context = torch.where(mask.any(1), context, 0.0)
        if not need_weights:
            return context
        places = torch.arange(values.shape[1], device=values.device)[:, None]  # (T, 1)
        return context, ((places == best[:, None]) & mask).to(values.dtype)


class AttentionPooling(nn.Module):
    r"""Attention with one learned query: the question is always the same.

    $$e_t = q^\top \tanh(W h_t + b) \qquad a = \mathrm{softmax}(e) \qquad
    c = \sum_t a_t h_t$$

    Bahdanau's additive score, with the projected query as the constant $b$.

    Args:
        embed_dim: D, width of a step's vector.
        hidden_dim: width of a key.

    Source:
        Yang et al. 2016 (doi:10.18653/v1/N16-1174), equations 5 to 7; Raffel and Ellis
        2015 (arXiv:1512.08756), equation 1.
    """

    def __init__(self, embed_dim: int, hidden_dim: int = 32) -> None:
        super().__init__()
        check_positive("embed_dim", embed_dim)
        check_positive("hidden_dim", hidden_dim)
        self.key = nn.Linear(embed_dim, hidden_dim)
        self.query = nn.Parameter(torch.empty(hidden_dim).uniform_(-0.1, 0.1))

    def forward(
        self, values: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> Output:
        """As `MeanPooling.forward`, with weights (B, T)."""
        mask = _checked(values, mask)
        check_width("values", values, self.key.in_features, "embed_dim")
        check_alike(values=values, key=self.key.weight)
        keys = torch.tanh(self.key(values))  # (B, T, A)
        query = self.query.expand(len(values), 1, -1)  # (B, 1, A)
        context, weights = attend(
            query, keys, values, score="dot", mask=mask[:, None], need_weights=True
        )  # (B, 1, D), (B, 1, T)
        return (context[:, 0], weights[:, 0]) if need_weights else context[:, 0]


class TimeStepAttention(nn.Module):
    r"""The articles' block: transpose, dense softmax over steps, transpose, multiply.

    $$e_{td} = \sum_s W_{ts} h_{sd} + b_t \qquad
    a_{td} = \mathrm{softmax}_t(e_{td}) \qquad y_{td} = a_{td}\, h_{td}$$

    In the three steps: the score is Luong's location score. Each channel asks, its
    query is its own course over time $h_{\cdot d}$, and $W$ holds one row per
    *position*; no key is read. Softmax as always. The third step is half done: the
    products are not summed, the layer after the block takes all $T \cdot D$ of them.

    $W$ has $T \times T$ numbers, so the block is made for sequences of exactly `steps`
    steps and takes no mask.

    Args:
        steps: T.
        single: average the weights over the channels, so that all share one row.

    Source:
        Rémy 2017, "Keras Attention Mechanism", a repository rather than a paper; the
        score is that of Luong, Pham and Manning 2015 (arXiv:1508.04025), equation 8.
    """

    def __init__(self, steps: int, *, single: bool = False) -> None:
        super().__init__()
        check_positive("steps", steps)
        self.dense, self.single = nn.Linear(steps, steps), single

    def forward(self, values: Tensor, *, need_weights: bool = False) -> Output:
        """Weight values (B, T, D) step by step and channel by channel.

        Returns:
            (B, T, D), or (that, weights (B, T, D)); weights sum to one over T.

        Raises:
            ValueError: another number of steps than the block was made for.
        """
        _checked(values, None)
        steps = self.dense.in_features
        if values.shape[1] != steps:
            raise ValueError(
                f"values: expected {steps} steps, the number that the block was made "
                f"for, got shape {tuple(values.shape)}"
            )
        check_alike(values=values, dense=self.dense.weight)
        scores = self.dense(values.mT)  # (B, D, T): transpose, dense
        weights = scores.softmax(-1).mT  # (B, T, D): softmax over steps, transpose
        if self.single:
            weights = weights.mean(-1, keepdim=True).expand_as(values)
        weighted = values * weights  # (B, T, D): multiply
        return (weighted, weights) if need_weights else weighted


class SequenceClassifier(nn.Module):
    r"""An LSTM over tokens, a pooling over its states, a linear layer on top.

    $$h_t = \mathrm{LSTM}(x_t, h_{t-1}) \qquad c = \mathrm{pool}(h_1 \dots h_T) \qquad
    \mathrm{logits} = W c + b$$

    Args:
        size: number of different tokens.
        classes: number of classes.
        pooling: "last", "mean", "max", "attention", or "block": the block of the
            articles, after which all weighted states go into the linear layer.
        steps: T, for "block" alone, which takes sequences of this length only.
        embed_dim, hidden_dim: widths of a token and of a state.

    Raises:
        ValueError: an unknown pooling, or "block" without `steps`.
    """

    def __init__(
        self,
        size: int,
        classes: int,
        pooling: str = "attention",
        *,
        steps: int | None = None,
        embed_dim: int = 32,
        hidden_dim: int = 48,
    ) -> None:
        super().__init__()
        if (pooling == "block") != (steps is not None):
            raise ValueError(
                f"steps: expected a number for 'block' and None for any other pooling, "
                f"got {steps} for {pooling!r}"
            )
        self.size, self.pooling = size, pooling
        self.embed = nn.Embedding(size, embed_dim)
        self.rnn = nn.LSTM(embed_dim, hidden_dim, batch_first=True)
        self.pool = make_pooling(pooling, hidden_dim, steps)
        self.output = nn.Linear(hidden_dim * (steps or 1), classes)

    def states(self, tokens: Tensor) -> Tensor:
        """The LSTM's state at every step: (B, T) → (B, T, hidden_dim)."""
        return self.rnn(self.embed(tokens))[0]

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> Output:
        """Classify a batch of sequences.

        Args:
            tokens: (B, T) numbers of tokens.
            mask: boolean (B, T), True for the steps, which come before the padding; the
                LSTM reads from left to right and has not seen the padding then.
            need_weights: also return a weight per step. Where the pooling has one per
                channel, it is their mean.

        Returns:
            logits (B, classes), or (logits, weights (B, T)).

        Raises:
            ValueError: a token outside the vocabulary, a sequence without a step (it
                has no answer), a mask with gaps, or any mask but None or all True for
                "block".
        """
        check_ids("tokens", tokens, self.size)
        mask = _check_steps(tokens, mask)
        states = self.states(tokens)  # (B, T, D)
        if self.pooling == "block":
            _check_full(mask)
            context, weights = self.pool(states, need_weights=True)
            context = context.flatten(1)  # (B, T D)
        else:
            context, weights = self.pool(states, mask, need_weights=True)  # (B, D)
        logits = self.output(context)
        if not need_weights:
            return logits
        return logits, weights.mean(-1) if weights.dim() == 3 else weights


def make_pooling(name: str, embed_dim: int, steps: int | None = None) -> nn.Module:
    """A pooling of this module by its name, one of `POOLINGS`."""
    made = {
        "last": LastPooling,
        "mean": MeanPooling,
        "max": MaxPooling,
        "attention": lambda: AttentionPooling(embed_dim),
        "block": lambda: TimeStepAttention(steps),
    }
    if name not in made:
        raise ValueError(f"pooling: expected one of {', '.join(made)}; got {name!r}")
    return made[name]()


def _check_steps(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """The mask, if every sequence has a step and padding comes last."""
    if mask is None:
        mask = torch.ones_like(tokens, dtype=torch.bool)
    if mask.dtype != torch.bool or mask.shape != tokens.shape:
        raise ValueError(
            f"mask: expected torch.bool of shape {tuple(tokens.shape)}, got "
            f"{mask.dtype} of shape {tuple(mask.shape)}"
        )
    if torch.compiler.is_compiling():
        return mask
    empty = (~mask.any(-1)).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(
            f"tokens: expected at least one step in every sequence, got none in rows "
            f"{empty}"
        )
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError("mask: expected padding after the steps only")
    return mask


def _check_full(mask: Tensor) -> None:
    if not torch.compiler.is_compiling() and not mask.all():
        raise ValueError(
            "mask: expected all True, the block of the articles has a weight for every "
            f"position and takes no mask; got {int((~mask).sum())} masked steps"
        )
