r"""Step 1, score: how well does each key answer each query?

Every score takes a query $(\ldots, N, d_q)$ and a key $(\ldots, M, d_k)$ and returns
scores $(\ldots, N, M)$; leading axes broadcast. Functions have no parameters, classes
are modules with the weights that the formula names.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from attnkit.checks import (
    check_alike,
    check_batch,
    check_float,
    check_positive,
    is_transformed,
)
from attnkit.checks import check_width as _check_width

# The additive score has a hidden layer of queries x keys x width numbers. It goes
# through in blocks of queries that fit a CPU's cache (a GPU gets larger ones). If all
# of it passes _KEEP (64 MB in float32), the backward pass computes it again.
_BLOCK = {"cpu": 2**19}
_KEEP = 2**24


def _check(query: Tensor, key: Tensor) -> None:
    check_float("query", query)
    check_float("key", key)
    check_alike(query=query, key=key)
    check_batch(query=query, key=key)


def _check_products(query: Tensor, key: Tensor) -> None:
    _check(query, key)
    _check_width("key", key, query.shape[-1], "the width of query")


def dot(query: Tensor, key: Tensor) -> Tensor:
    r"""Inner product of query and key.

    $$e_{ij} = q_i^\top k_j$$

    Args:
        query: $(\ldots, N, d)$.
        key: $(\ldots, M, d)$.

    Returns:
        Scores $(\ldots, N, M)$.

    Raises:
        ValueError: a width, a dtype or leading axes do not fit.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), section 3.1, "dot".
    """
    _check_products(query, key)
    return query @ key.mT  # (..., N, M)


def scaled_dot(query: Tensor, key: Tensor) -> Tensor:
    r"""Inner product divided by the square root of the width.

    $$e_{ij} = \frac{q_i^\top k_j}{\sqrt{d}}$$

    For entries of unit variance the score has unit variance at any width $d$.

    Args:
        query: $(\ldots, N, d)$.
        key: $(\ldots, M, d)$.

    Returns:
        Scores $(\ldots, N, M)$.

    Raises:
        ValueError: a width, a dtype or leading axes do not fit.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), equation 1.
    """
    _check_products(query, key)
    scale = 1 / math.sqrt(max(query.shape[-1], 1))
    return (query * scale) @ key.mT  # (..., N, M)


def cosine(query: Tensor, key: Tensor) -> Tensor:
    r"""Cosine of the angle between query and key: direction counts, length does not.

    $$e_{ij} = \frac{q_i^\top k_j}{\lVert q_i \rVert \, \lVert k_j \rVert}$$

    A norm below $10^{-6}$ counts as $10^{-6}$, so a zero vector scores 0, not NaN.

    Args:
        query: $(\ldots, N, d)$.
        key: $(\ldots, M, d)$.

    Returns:
        Scores $(\ldots, N, M)$ between -1 and 1.

    Raises:
        ValueError: a width, a dtype or leading axes do not fit.

    Source:
        Graves, Wayne and Danihelka 2014 (arXiv:1410.5401), equation 6.
    """
    _check_products(query, key)
    return _unit(query) @ _unit(key).mT  # (..., N, M)


def _unit(x: Tensor) -> Tensor:
    """Vectors of length 1, whose squares are summed only after scaling down."""
    if x.shape[-1] == 0:
        return x
    largest = x.detach().abs().amax(-1, keepdim=True)  # (..., 1)
    return F.normalize(x / largest.clamp_min(1), dim=-1, eps=1e-6)


class _Score(nn.Module):
    """A score with weights: checks its two inputs against the sizes it was made for."""

    def __init__(self, query_dim: int, key_dim: int) -> None:
        super().__init__()
        check_positive("query_dim", query_dim)
        check_positive("key_dim", key_dim)
        self.query_dim, self.key_dim = query_dim, key_dim

    def check(self, query: Tensor, key: Tensor) -> None:
        _check(query, key)
        check_alike(weights=next(self.parameters()), query=query)
        _check_width("query", query, self.query_dim, "query_dim")
        _check_width("key", key, self.key_dim, "key_dim")

    def reset_parameters(self) -> None:
        """Draw every weight uniformly within 1 / sqrt(width that it sums over)."""
        for weight in self.parameters():
            bound = 1 / math.sqrt(weight.shape[-1])
            nn.init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        return f"query_dim={self.query_dim}, key_dim={self.key_dim}"


class General(_Score):
    r"""Bilinear score: a learned matrix says which query parts ask for which key parts.

    $$e_{ij} = q_i^\top W k_j$$

    Args:
        query_dim: width of a query.
        key_dim: width of a key; may differ from `query_dim`.
        device: where the weights live.
        dtype: of the weights.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), section 3.1, "general".
    """

    def __init__(self, query_dim: int, key_dim: int, device=None, dtype=None) -> None:
        super().__init__(query_dim, key_dim)
        options = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(query_dim, key_dim, **options))
        self.reset_parameters()

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score query (..., N, query_dim) against key (..., M, key_dim): (..., N, M).

        Raises:
            ValueError: a width, a dtype or leading axes do not fit.
        """
        self.check(query, key)
        return (query @ self.weight) @ key.mT  # (..., N, M)


def _tanh_score(query: Tensor, key: Tensor, v: Tensor) -> Tensor:
    hidden = query[..., :, None, :] + key[..., None, :, :]  # (..., N, M, h)
    return hidden.tanh_() @ v  # in place: one such tensor lives, not two


def _additive(query: Tensor, key: Tensor, v: Tensor) -> Tensor:
    r"""Sum $v \cdot \tanh(q_i + k_j)$ over the width, block of queries by block."""
    if torch.compiler.is_compiling():
        return _tanh_score(query, key, v)  # the compiler fuses it
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    per_query = max(1, math.prod(batch) * key.shape[-2] * key.shape[-1])
    rows = max(1, _BLOCK.get(query.device.type, _KEEP) // per_query)
    if rows >= query.shape[-2]:
        return _tanh_score(query, key, v)
    parts = query.split(rows, dim=-2)
    large = torch.is_grad_enabled() and per_query * query.shape[-2] > _KEEP
    if large and not is_transformed(query, key, v):
        blocks = [_recomputed(part, key, v) for part in parts]
    else:
        blocks = [_tanh_score(part, key, v) for part in parts]
    return torch.cat(blocks, dim=-2)  # (..., N, M)


def _recomputed(query: Tensor, key: Tensor, v: Tensor) -> Tensor:
    return checkpoint(
        _tanh_score, query, key, v, use_reentrant=False, preserve_rng_state=False
    )


class Additive(_Score):
    r"""Additive score: a small network with one hidden layer compares query and key.

    $$e_{ij} = v^\top \tanh(W_q q_i + W_k k_j)$$

    The hidden layer has a number for every query, key and hidden unit. It is computed
    in blocks of queries, and past 16 million numbers again in the backward pass, so
    that memory stays bounded (not under `torch.func`, which cannot compute again).

    Args:
        query_dim: width of a query.
        key_dim: width of a key.
        hidden_dim: width of the hidden layer.
        device: where the weights live.
        dtype: of the weights.

    Source:
        Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473), section 3.1 and appendix A.1.2.
    """

    def __init__(
        self, query_dim: int, key_dim: int, hidden_dim: int, device=None, dtype=None
    ) -> None:
        super().__init__(query_dim, key_dim)
        check_positive("hidden_dim", hidden_dim)
        options = {"device": device, "dtype": dtype}
        self.query_weight = nn.Parameter(torch.empty(hidden_dim, query_dim, **options))
        self.key_weight = nn.Parameter(torch.empty(hidden_dim, key_dim, **options))
        self.v = nn.Parameter(torch.empty(hidden_dim, **options))
        self.reset_parameters()

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score query (..., N, query_dim) against key (..., M, key_dim): (..., N, M).

        Raises:
            ValueError: a width, a dtype or leading axes do not fit.
        """
        self.check(query, key)
        projected = query @ self.query_weight.mT  # (..., N, h)
        return _additive(projected, key @ self.key_weight.mT, self.v)


class Concat(_Score):
    r"""Concatenation score: one matrix sees query and key side by side.

    $$e_{ij} = v^\top \tanh(W [q_i ; k_j])$$

    The pair is never built: the left columns of $W$ multiply the query and the right
    ones the key, $W [q ; k] = W_{left} q + W_{right} k$. It is the additive score with
    both matrices kept as one.

    Args:
        query_dim: width of a query.
        key_dim: width of a key.
        hidden_dim: width of the hidden layer.
        device: where the weights live.
        dtype: of the weights.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), section 3.1, "concat".
    """

    def __init__(
        self, query_dim: int, key_dim: int, hidden_dim: int, device=None, dtype=None
    ) -> None:
        super().__init__(query_dim, key_dim)
        check_positive("hidden_dim", hidden_dim)
        options = {"device": device, "dtype": dtype}
        width = query_dim + key_dim
        self.weight = nn.Parameter(torch.empty(hidden_dim, width, **options))
        self.v = nn.Parameter(torch.empty(hidden_dim, **options))
        self.reset_parameters()

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score query (..., N, query_dim) against key (..., M, key_dim): (..., N, M).

        Raises:
            ValueError: a width, a dtype or leading axes do not fit.
        """
        self.check(query, key)
        left, right = self.weight.split([self.query_dim, self.key_dim], dim=-1)
        return _additive(query @ left.mT, key @ right.mT, self.v)


class Location(nn.Module):
    r"""Location score: the query alone says where to look, keys are not read.

    $$e_{ij} = (W q_i)_j$$

    Args:
        query_dim: width of a query.
        max_keys: the most keys that can be addressed; fewer use the first rows of $W$.
        device: where the weights live.
        dtype: of the weights.

    Source:
        Luong, Pham and Manning 2015 (arXiv:1508.04025), equation 8.
    """

    def __init__(self, query_dim: int, max_keys: int, device=None, dtype=None) -> None:
        super().__init__()
        check_positive("query_dim", query_dim)
        check_positive("max_keys", max_keys)
        self.query_dim, self.max_keys = query_dim, max_keys
        options = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(max_keys, query_dim, **options))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly within 1 / sqrt(query_dim)."""
        bound = 1 / math.sqrt(self.query_dim)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score query (..., N, query_dim); key (..., M, any width) only counts keys.

        Returns:
            Scores (..., N, M).

        Raises:
            ValueError: the key has more than `max_keys` rows, or sizes do not fit.
        """
        _check(query, key)
        check_alike(weights=self.weight, query=query)
        _check_width("query", query, self.query_dim, "query_dim")
        if key.shape[-2] > self.max_keys:
            raise ValueError(
                f"key: expected at most {self.max_keys} keys (max_keys), got shape "
                f"{tuple(key.shape)}; make Location with a larger max_keys"
            )
        scores = query @ self.weight[: key.shape[-2]].mT  # (..., N, M)
        batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        return scores.expand(*batch, *scores.shape[-2:])

    def extra_repr(self) -> str:
        return f"query_dim={self.query_dim}, max_keys={self.max_keys}"
