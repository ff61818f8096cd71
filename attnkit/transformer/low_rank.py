r"""Few in place of many: projected keys, landmarks, clusters of queries."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.attend import attend, scaled_dot
from attnkit.checks import check_at_least, check_like_weight, check_positive

from .tiling import check_rows, exactly, single


class LinformerAttention(nn.Module):
    r"""Keys and values shortened to `rank` rows by learned matrices.

    $$C = \mathrm{softmax}\!\left(\frac{Q\,(E K)^\top}{\sqrt d}\right) F V, \qquad
    E, F \in \mathbb R^{k \times M}$$

    A column of $E$ belongs to a place, so the length has a limit, and every row sees
    the future: it cannot be causal.

    Args:
        length: most keys.
        rank: $k$, rows that are left of them.

    Raises:
        ValueError: more keys than `length`.

    Source:
        Wang et al. 2020 (arXiv:2006.04768).
    """

    def __init__(self, length: int, rank: int) -> None:
        super().__init__()
        check_positive("length", length)
        check_positive("rank", rank)
        self.key_proj = nn.Parameter(torch.randn(rank, length) / length**0.5)
        self.value_proj = nn.Parameter(torch.randn(rank, length) / length**0.5)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Query (..., N, d), key (..., M, d), value (..., M, d_v) → (..., N, d_v)."""
        check_rows(query, key, value)
        check_like_weight("key", key, self.key_proj)
        m, most = key.shape[-2], self.key_proj.shape[1]
        if m > most:
            raise ValueError(
                f"key: expected at most {most} rows (length), got {m}; make the module "
                "with a larger length"
            )
        few_keys = self.key_proj[:, :m] @ key  # (..., k, d)
        few_values = self.value_proj[:, :m] @ value  # (..., k, d_v)
        return attend(query, few_keys, few_values)


def nystrom_attention(
    query: Tensor, key: Tensor, value: Tensor, landmarks: int
) -> Tensor:
    r"""The table of weights from few of its rows and columns.

    $$C = \mathrm{softmax}\!\left(\frac{Q \tilde K^\top}{\sqrt d}\right)
    \mathrm{softmax}\!\left(\frac{\tilde Q \tilde K^\top}{\sqrt d}\right)^{\!+}
    \mathrm{softmax}\!\left(\frac{\tilde Q K^\top}{\sqrt d}\right) V$$

    Landmarks $\tilde Q, \tilde K$ are the means of segments of queries and of keys;
    $^+$ is the pseudo-inverse. With as many landmarks as places it is exact.

    Args:
        query: (..., N, d).
        key: (..., M, d).
        value: (..., M, d_v).
        landmarks: number of segments, at most N and M are used.

    Returns:
        Context (..., N, d_v). It is computed in single precision at least: the inverse
        makes small errors large.

    Raises:
        ValueError: a shape, dtype or number does not fit.

    Source:
        Xiong et al. 2021 (arXiv:2102.03902), who iterate to the inverse.
    """
    check_rows(query, key, value)
    check_positive("landmarks", landmarks)
    count = min(landmarks, query.shape[-2], key.shape[-2])
    if not count:
        return query.new_zeros(*query.shape[:-1], value.shape[-1])
    dtype = value.dtype
    query, key, value = single(query), single(key), single(value)
    few_queries, few_keys = (_segment_means(x, count) for x in (query, key))
    with exactly(query):
        core = scaled_dot(few_queries, few_keys).softmax(-1)  # (..., L, L)
        read = attend(few_queries, key, value)  # (..., L, d_v)
        left = scaled_dot(query, few_keys).softmax(-1)  # (..., N, L)
        return (left @ (torch.linalg.pinv(core) @ read)).to(dtype)


def _segment_means(x: Tensor, count: int) -> Tensor:
    """(..., N, d) → (..., count, d): means of neighbouring rows."""
    flat = x.reshape(-1, *x.shape[-2:]).mT  # (B, d, N)
    means = F.adaptive_avg_pool1d(flat, count).mT  # (B, count, d)
    return means.reshape(*x.shape[:-2], count, x.shape[-1])


def clustered_attention(
    query: Tensor, key: Tensor, value: Tensor, clusters: int, *, rounds: int = 5
) -> Tensor:
    r"""Queries that are alike ask once: one row of weights for each cluster.

    $$\bar q_c = \mathrm{mean}\{q_i : i \in c\} \qquad
    c_i = \sum_j \mathrm{softmax}_j\!\left(\frac{\bar q_{c(i)}^\top k_j}{\sqrt d}\right)
    v_j$$

    Clusters are found by Lloyd's algorithm from queries at equal distances in the
    sequence. With as many clusters as queries it is exact.

    Args:
        query: (..., N, d).
        key: (..., M, d).
        value: (..., M, d_v).
        clusters: number of clusters, at most N are used.
        rounds: of Lloyd's algorithm.

    Returns:
        Context (..., N, d_v).

    Raises:
        ValueError: a shape, dtype or number does not fit.

    Source:
        Vyas, Katharopoulos and Fleuret 2020 (arXiv:2007.04825), without their second
        step; they hash queries before they cluster.
    """
    check_rows(query, key, value)
    check_positive("clusters", clusters)
    check_at_least("rounds", rounds, 0)
    n = query.shape[-2]
    count = min(clusters, n)
    if not count:
        return query.new_zeros(*query.shape[:-1], value.shape[-1])
    exact = single(query)
    member = _assign(exact.detach(), count, rounds)  # (..., N, C), one 1 in each row
    asked = _centres(exact, member).to(query.dtype)  # (..., C, d)
    context = attend(asked, key, value)  # (..., C, d_v)
    return member.to(context.dtype) @ context


def _centres(query: Tensor, member: Tensor) -> Tensor:
    """Mean query of each cluster; zeros for one without members."""
    size = member.sum(-2)[..., None]  # (..., C, 1)
    with exactly(query):  # a sum of thousands would leave the range of float16
        return member.mT @ query / size.clamp_min(1)


def _assign(query: Tensor, count: int, rounds: int) -> Tensor:
    n = query.shape[-2]
    start = torch.arange(count, device=query.device) * n // count
    centres = query[..., start, :]
    for step in range(rounds + 1):
        far = torch.cdist(query, centres)  # (..., N, C)
        member = F.one_hot(far.argmin(-1), count).to(query.dtype)
        if step < rounds:
            empty = member.sum(-2)[..., None] == 0
            centres = torch.where(empty, centres, _centres(query, member))
    return member
