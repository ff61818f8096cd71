r"""How a set learns its order: positions for self-attention.

Self-attention alone sees a set. An order enters in one of three places: as a vector
added to each token before the first layer (`Sinusoidal`, `Learned`), as a turn of
queries and keys (`Rotary`), or as a term that is added to the scores (`Shaw`,
`TransformerXL`, `Alibi`). The last two know only the distance between two tokens.
"""

import math

import torch
from torch import Tensor, nn

from attnkit.checks import check_at_least, check_float, check_positive, check_width


def sinusoidal(
    n: int, width: int, *, start: int = 0, like: Tensor | None = None
) -> Tensor:
    r"""Waves of many lengths, one row per position.

    $$p_{t,2i} = \sin(t\,\omega_i) \qquad p_{t,2i+1} = \cos(t\,\omega_i) \qquad
    \omega_i = 10000^{-2i/D}$$

    Args:
        n: number of positions, 0 or more.
        width: $D$, even.
        start: the first position; may be negative.
        like: a tensor with the device and dtype of the result; computed in float32 or
            better all the same.

    Returns:
        (n, width).

    Raises:
        ValueError: `n` is negative, or the width is odd or below 2.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.
    """
    check_at_least("n", n, 0)
    like = torch.empty(0) if like is None else like
    angles = _angles(n, width, start, 10000.0, like)  # (n, D/2)
    waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)  # (n, D)
    return waves.to(like.dtype)


def _angles(n: int, width: int, start: int, base: float, like: Tensor) -> Tensor:
    """Position times frequency, (n, width / 2), in float32 or better."""
    _check_even(width)
    exact = {"device": like.device}
    exact["dtype"] = torch.promote_types(like.dtype, torch.float32)
    rates = base ** (-torch.arange(0, width, 2, **exact) / width)  # (width/2,)
    return torch.arange(start, start + n, **exact)[:, None] * rates


def _check_even(width: int) -> None:
    if isinstance(width, bool) or not isinstance(width, int) or width < 2 or width % 2:
        raise ValueError(f"width: expected an even number from 2, got {width!r}")


class Sinusoidal(nn.Module):
    """Add the waves of `sinusoidal` to every token.

    Args:
        embed_dim: width of a token, even.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        _check_even(embed_dim)
        self.embed_dim = embed_dim

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Tokens (..., N, D), the first of them at position `start`; the same shape."""
        check_float("tokens", tokens)
        check_width("tokens", tokens, self.embed_dim, "embed_dim")
        n = tokens.shape[-2]
        return tokens + sinusoidal(n, self.embed_dim, start=start, like=tokens)


class Learned(nn.Module):
    """Add a learned vector to every token, one for each position of a table.

    Args:
        max_len: positions in the table.
        embed_dim: width of a token.

    Source:
        Gehring et al. 2017 (arXiv:1705.03122), section 3.1.
    """

    def __init__(self, max_len: int, embed_dim: int) -> None:
        super().__init__()
        check_positive("max_len", max_len)
        self.table = nn.Parameter(
            torch.randn(max_len, embed_dim) / math.sqrt(embed_dim)
        )

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Tokens (..., N, D), the first of them at position `start`; the same shape.

        Raises:
            ValueError: a position lies outside the table.
        """
        check_float("tokens", tokens)
        check_width("tokens", tokens, self.table.shape[1], "embed_dim")
        end = start + tokens.shape[-2]
        if start < 0 or end > len(self.table):
            raise ValueError(
                f"tokens: expected positions within the table of {len(self.table)}, "
                f"got {start} to {end - 1}; make it with a larger max_len"
            )
        return tokens + self.table[start:end]


class ScorePosition(nn.Module):
    """A position that enters in the scores; what a subclass leaves out does nothing.

    `MultiHeadAttention` calls `turn` for its scores' two factors, adds `bias` to the
    scaled scores, and adds `spend` to the context. The queries are the last N of the
    M places of the keys: that is how a cache or a memory lies before them.
    """

    spends = False
    num_heads: int | None = None
    head_dim: int | None = None

    def check(self, num_heads: int, head_dim: int) -> None:
        """Raise unless this position is made for so many heads of this width."""
        for name, mine, theirs in (
            ("num_heads", self.num_heads, num_heads),
            ("head_dim", self.head_dim, head_dim),
        ):
            if mine not in (None, theirs):
                raise ValueError(
                    f"position: expected {type(self).__name__} with {name} {theirs}, "
                    f"got {mine}"
                )

    def turn_query(self, query: Tensor, start: int) -> Tensor:
        """Queries (B, H, N, d), the first at position `start`."""
        return query

    def turn_key(self, key: Tensor, start: int) -> Tensor:
        """Keys (B, G, M, d), the first at position `start`."""
        return key

    def bias(self, query: Tensor, m: int) -> Tensor | None:
        """What is added to the scaled scores (B, H, N, M); from unturned queries."""
        return None

    def spend(self, weights: Tensor) -> Tensor:
        """What is added to the context (B, H, N, d); only asked if `spends`."""
        raise NotImplementedError


class Rotary(ScorePosition):
    r"""Turn pairs of entries of query and key by an angle that grows with position.

    $$q'_t = R(t\,\omega)\,q_t \qquad k'_s = R(s\,\omega)\,k_s \qquad
    q_t'^\top k_s' = q_t^\top R((s - t)\,\omega)\,k_s$$

    Entry $i$ is paired with entry $i + d/2$. The paper pairs neighbours: up to the
    order of the entries it is the same.

    Args:
        head_dim: $d$, even.
        base: the longest wave has a length of about $2\pi$ times this.

    Source:
        Su et al. 2021 (arXiv:2104.09864), section 3.2.
    """

    def __init__(self, head_dim: int, base: float = 10000.0) -> None:
        super().__init__()
        _check_even(head_dim)
        check_positive("base", base, float)
        self.head_dim, self.base = head_dim, base

    def turn_query(self, query: Tensor, start: int) -> Tensor:
        """Queries or keys turned by their positions; the length of each stays."""
        n = query.shape[-2]
        angles = _angles(n, self.head_dim, start, self.base, query)  # (N, d/2)
        cos, sin = angles.cos().to(query.dtype), angles.sin().to(query.dtype)
        first, second = query.chunk(2, -1)  # (B, H, N, d/2) twice
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    turn_key = turn_query


class Alibi(ScorePosition):
    r"""Take from each score what is proportional to the distance.

    $$e_{ij} = \frac{q_i^\top k_j}{\sqrt d} - m_h\,|i - j| \qquad m_h = 2^{-8h/H}$$

    The paper's language models look back only, where $|i - j| = i - j$. For a number
    of heads that is no power of two the slopes are those of the paper's own code: of
    the next smaller power, filled up from the next larger one.

    Args:
        num_heads: $H$.

    Source:
        Press, Smith and Lewis 2021 (arXiv:2108.12409), section 3.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        check_positive("num_heads", num_heads)
        self.num_heads = num_heads
        self.register_buffer("slopes", _slopes(num_heads), persistent=False)

    def bias(self, query: Tensor, m: int) -> Tensor:
        """Minus slope times distance, (H, N, M)."""
        away = distances(query.shape[-2], m, query.device).abs()  # (N, M)
        return -(self.slopes[:, None, None] * away).to(query.dtype)


def _slopes(heads: int) -> Tensor:
    power = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (h + 1) / power) for h in range(power)]
    between = [2 ** (-8 * (h + 1) / (2 * power)) for h in range(0, 2 * power, 2)]
    return torch.tensor(slopes + between[: heads - power])


def distances(n: int, m: int, device=None) -> Tensor:
    """Position of key minus position of query, for the last `n` of `m` places: (n, m).

    Raises:
        ValueError: more queries than keys.
    """
    if n > m:
        raise ValueError(f"n: expected at most {m} queries, one per key, got {n}")
    key = torch.arange(m, device=device)
    return key - key[m - n :, None]  # (n, m)


class Shaw(ScorePosition):
    r"""A learned vector for every distance, in the key and in the value.

    $$e_{ij} = \frac{q_i^\top (k_j + a^K_{j-i})}{\sqrt d} \qquad
    c_i = \sum_j a_{ij}\,(v_j + a^V_{j-i})$$

    Distances are clipped at `max_distance`; heads share the vectors.

    Args:
        head_dim: $d$.
        max_distance: distances beyond it count as it.

    Source:
        Shaw, Uszkoreit and Vaswani 2018 (arXiv:1803.02155), section 3.
    """

    spends = True

    def __init__(self, head_dim: int, max_distance: int = 16) -> None:
        super().__init__()
        check_positive("max_distance", max_distance)
        self.head_dim, self.max_distance = head_dim, max_distance
        shape = (2 * max_distance + 1, head_dim)
        self.key = nn.Parameter(torch.randn(shape) / math.sqrt(head_dim))
        self.value = nn.Parameter(torch.randn(shape) / math.sqrt(head_dim))

    def bias(self, query: Tensor, m: int) -> Tensor:
        """Each query times the vector of each distance, (B, H, N, M)."""
        d, near = query.shape[-1], self._rows(query.shape[-2], m, query.device)
        scores = query @ self.key.mT / math.sqrt(d)  # (B, H, N, 2 max + 1)
        return scores.gather(-1, near.expand(*scores.shape[:-1], m))

    def spend(self, weights: Tensor) -> Tensor:
        """The weight of each distance times its vector, (B, H, N, d)."""
        near = self._rows(*weights.shape[-2:], weights.device)  # (N, M)
        if torch.compiler.is_compiling():  # a page adds no scattered numbers
            spent = weights.flatten(0, 1).transpose(0, 1) @ self.value[near]
            return spent.transpose(0, 1).unflatten(0, weights.shape[:2])
        by_distance = weights.new_zeros(*weights.shape[:-1], len(self.value))
        near = near.expand_as(weights)
        return by_distance.scatter_add(-1, near, weights) @ self.value

    def _rows(self, n: int, m: int, device) -> Tensor:
        reach = self.max_distance
        return distances(n, m, device).clamp(-reach, reach) + reach  # (N, M)


class TransformerXL(ScorePosition):
    r"""Relative positions with a content and a place term, and a bias for each.

    $$e_{ij} = \frac{(q_i + u)^\top k_j + (q_i + v)^\top W_r\,p_{i-j}}{\sqrt d}$$

    $p$ are the waves of `sinusoidal`; $u$ asks for content and $v$ for places,
    whatever the query.

    Args:
        embed_dim: width of the waves, even.
        num_heads: $H$.
        head_dim: $d$; `embed_dim / num_heads` if None.

    Raises:
        ValueError: an odd width, or heads that do not divide it.

    Source:
        Dai et al. 2019 (arXiv:1901.02860), section 3.3 and appendix B.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, head_dim: int | None = None
    ) -> None:
        super().__init__()
        check_positive("num_heads", num_heads)
        _check_even(embed_dim)
        if head_dim is None and embed_dim % num_heads:
            raise ValueError(
                f"num_heads: expected a divisor of embed_dim {embed_dim}, got "
                f"{num_heads}; or give head_dim"
            )
        width = embed_dim // num_heads if head_dim is None else head_dim
        check_positive("head_dim", width)
        self.embed_dim = embed_dim
        self.num_heads, self.head_dim = num_heads, width
        self.place = nn.Linear(embed_dim, num_heads * width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(num_heads, 1, width))  # u
        self.place_bias = nn.Parameter(torch.zeros(num_heads, 1, width))  # v

    def turn_query(self, query: Tensor, start: int) -> Tensor:
        """The content's query, q + u."""
        return query + self.content_bias

    def bias(self, query: Tensor, m: int) -> Tensor:
        """The place term of every pair, (B, H, N, M)."""
        n, d = query.shape[-2:]
        span = sinusoidal(m + n, self.embed_dim, start=-n, like=query)
        rows = self.place(span)  # (M + N, H d), by i - j from -N
        rows = rows.unflatten(-1, (self.num_heads, d)).transpose(0, 1)  # (H, M + N, d)
        scores = (query + self.place_bias) @ rows.mT / math.sqrt(d)  # (B, H, N, M + N)
        back = n - distances(n, m, query.device)  # (N, M): column of i - j
        return scores.gather(-1, back.expand(*scores.shape[:-1], m))
