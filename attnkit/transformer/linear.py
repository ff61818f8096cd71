r"""Linear attention: a product of features in place of the exponential."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import (
    check_float,
    check_like_weight,
    check_mask,
    check_positive,
    check_seed,
    check_width,
)

from .tiling import check_rows, exactly, single


def elu_plus_one(x: Tensor) -> Tensor:
    r"""Features $\phi(x) = \mathrm{elu}(x) + 1$, all above zero."""
    return F.elu(x) + 1


class RandomFeatures(nn.Module):
    r"""Random features whose products are the exponential on average.

    $$\phi(x) = \frac{1}{\sqrt m} \exp\!\left(\Omega \frac{x}{d^{1/4}} -
    \frac{\lVert x \rVert^2}{2 \sqrt d}\right) \qquad
    \mathbb E\,[\phi(q)^\top \phi(k)] = \exp(q^\top k / \sqrt d)$$

    The rows of $\Omega$ are Gaussian and orthogonal in blocks of $d$. They are drawn
    once and kept; they learn nothing. Against overflow a factor is left out that
    cancels in attention: for a query the row's own, for keys one that all share.

    Args:
        dim: $d$, width per head.
        count: $m$, number of features.
        seed: of the draw.

    Source:
        Choromanski et al. 2020 (arXiv:2009.14794).
    """

    def __init__(self, dim: int, count: int, *, seed: int = 0) -> None:
        super().__init__()
        check_positive("dim", dim)
        check_positive("count", count)
        check_seed(seed)
        draw = torch.Generator().manual_seed(seed)
        blocks = []
        for _ in range(-(-count // dim)):
            square = torch.randn(dim, dim, generator=draw, dtype=torch.float64)
            long = torch.randn(dim, dim, generator=draw, dtype=torch.float64)
            turned, upper = torch.linalg.qr(square)
            # Without these signs the first numbers would all be of one sign.
            turned = turned * upper.diagonal().sign()
            blocks.append(turned.mT * long.norm(dim=1, keepdim=True))
        directions = torch.cat(blocks)[:count].to(torch.get_default_dtype())
        self.register_buffer("directions", directions)  # (m, d)

    def forward(self, x: Tensor) -> Tensor:
        """Keys (..., N, d) → features (..., N, m), in single precision at least; one
        factor left out for all rows."""
        return self._features(x, (-2, -1))

    def query(self, x: Tensor) -> Tensor:
        """Queries (..., N, d) → features (..., N, m), likewise; each row leaves out its
        own factor."""
        return self._features(x, -1)

    def _features(self, x: Tensor, axes: int | tuple[int, ...]) -> Tensor:
        check_float("x", x)
        count, dim = self.directions.shape
        check_width("x", x, dim, "dim")
        check_like_weight("x", x, self.directions)
        x = single(x) / dim**0.25  # in half precision the exponential would be 0
        with exactly(x):
            products = x @ single(self.directions).mT  # (..., N, m)
        power = products - x.square().sum(-1, keepdim=True) / 2
        if power.shape[-2]:
            power = power - power.detach().amax(axes, keepdim=True)
        return torch.exp(power) / math.sqrt(count)


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    features: Callable[[Tensor], Tensor] = elu_plus_one,
    causal: bool = False,
    mask: Tensor | None = None,
    block: int = 64,
) -> Tensor:
    r"""Attention whose weights are products of features, summed in another order.

    $$c_i =
    \frac{\sum_j \phi(q_i)^\top \phi(k_j)\, v_j}{\sum_j \phi(q_i)^\top \phi(k_j)} =
    \frac{\bigl(\sum_j v_j \phi(k_j)^\top\bigr) \phi(q_i)}
    {\bigl(\sum_j \phi(k_j)\bigr)^\top \phi(q_i)}$$

    The sums on the right do not depend on the query: time and memory grow with $N$.
    With `causal` they are running sums: a recurrent network in disguise.

    Args:
        query: (..., N, d).
        key: (..., M, d); M = N if causal.
        value: (..., M, d_v).
        features: $\phi$, rows (..., d) → numbers not below zero (..., f); if it has a
            method `query`, this makes those of the queries.
        causal: nothing that comes later is seen.
        mask: boolean (..., M), True = this key may be attended to.
        block: places between two stored running sums.

    Returns:
        Context (..., N, d_v); zeros for a query that may attend to nothing. Sums are
        kept in single precision at least: over thousands of places they would leave
        the range of float16. Where features have other signs and the weights of a
        query add up to 0 or less, its sum is not divided.

    Raises:
        TypeError: the features are no function.
        ValueError: a shape, dtype or mask does not fit.

    Source:
        Katharopoulos et al. 2020 (arXiv:2006.16236).
    """
    check_rows(query, key, value)
    check_positive("block", block)
    check_mask(mask, key.shape[:-1], key, "keys")
    if causal and key.shape[-2] != query.shape[-2]:
        raise ValueError(
            f"key: expected {query.shape[-2]} rows as in query, got {key.shape[-2]}"
        )
    if not callable(features):
        got = type(features).__name__
        raise TypeError(f"features: expected a function of rows, got {got}")
    of_query = getattr(features, "query", features)
    seen = key if mask is None else _seen(key, mask)
    q, k = of_query(query), features(seen)  # (..., N, f), (..., M, f)
    _check_features(q, query, k)
    if mask is not None:
        k = k * mask[..., None]
    ones = torch.ones_like(value[..., :1])
    joined = torch.cat([value, ones], -1)  # the last column sums the weights
    q, k, joined = single(q), single(k), single(joined)
    with exactly(q):
        whole = _running(q, k, joined, block) if causal else q @ (k.mT @ joined)
    total = whole[..., -1:]
    return (whole[..., :-1] / total.where(total > 0, 1.0)).to(value.dtype)


def _seen(key: Tensor, mask: Tensor) -> Tensor:
    """In place of each hidden key the first that is not: features leave out a factor
    that all keys share, and a hidden one shall have no part in it."""
    mask = mask.expand(key.shape[:-1])[..., None]  # (..., M, 1)
    if not key.shape[-2]:
        return key
    first = mask.byte().argmax(-2, keepdim=True)  # (..., 1, 1)
    return key.where(mask, key.gather(-2, first.expand_as(key[..., :1, :])))


def _check_features(q: Tensor, query: Tensor, k: Tensor) -> None:
    if q.shape[:-1] != query.shape[:-1] or q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"features: expected to return rows {tuple(query.shape[:-1])} of one width "
            f"for queries and keys, got {tuple(q.shape)} and {tuple(k.shape)}"
        )


def _running(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    """Sums over the places up to each query: a stored sum for the blocks before, the
    products themselves within a block."""
    n = q.shape[-2]
    q, k, v = (
        F.pad(x, (0, 0, 0, -n % block)).unflatten(-2, (-1, block)) for x in (q, k, v)
    )  # (..., C, b, ·)
    sums = k.mT @ v  # (..., C, f, d_v + 1)
    before = F.pad(sums, (0, 0, 0, 0, 1, 0))[..., :-1, :, :].cumsum(-3)
    within = (q @ k.mT).tril() @ v
    return (within + q @ before).flatten(-3, -2)[..., :n, :]
