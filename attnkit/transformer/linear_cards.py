"""Cards of attention through features: sums over the keys before any query comes."""

import math
from collections.abc import Callable

from torch import Tensor

from attnkit.card import Step
from attnkit.loops import Row, function, inner

from .cheaper_cards import (
    SHAPES,
    SYMBOLS,
    Weigh,
    by_rows,
    draw_rows,
    enter,
    mask_field,
    softmax_table,
)
from .linear import RandomFeatures, elu_plus_one, linear_attention

# ---- loops ---------------------------------------------------------------------------


def _shares(products: Row, allowed: list[bool]) -> Row:
    kept = [x if may else 0.0 for x, may in zip(products, allowed, strict=True)]
    total = math.fsum(kept)
    return [x / total if total > 0 else 0.0 for x in kept]


def _feature_table(features: Callable[[Row], Row]) -> Weigh:
    def table(queries: list, keys: list, allowed: list) -> list[Row]:
        shown = [features(key) for key in keys]
        return [
            _shares([inner(features(query), k) for k in shown], may)
            for query, may in zip(queries, allowed, strict=True)
        ]

    return table


def _elu(row: Row) -> Row:
    return [x + 1 if x > 0 else math.exp(x) for x in row]


def _random(directions: list[Row], half: float = 0.5) -> Callable[[Row], Row]:
    def features(row: Row) -> Row:
        small = [x / len(row) ** 0.25 for x in row]
        length = half * inner(small, small)
        return [math.exp(inner(w, small) - length) for w in directions]

    return features


# ---- the cards -----------------------------------------------------------------------

enter(
    linear_attention,
    key="linear",
    title="Linear attention",
    summary="The exponential of a dot product is replaced by a dot product of "
    "features, so that values can be summed before any query comes.",
    year=2020,
    month=6,
    paper="Transformers are RNNs: Fast Autoregressive Transformers with Linear "
    "Attention",
    link="arXiv:2006.16236",
    cite="katharopoulos2020transformers",
    score=Step(
        "product of features that are above zero",
        r"e_{ij} = \phi(q_i)^\top \phi(k_j), \quad \phi(x) = \mathrm{elu}(x) + 1",
    ),
    normalize=Step("divide by their sum", r"a_{ij} = e_{ij} / \textstyle\sum_l e_{il}"),
    aggregate=Step(
        "sums over the keys first, then one product with the query",
        r"c_i = \frac{(\sum_j v_j \phi(k_j)^\top)\, \phi(q_i)}"
        r"{(\sum_j \phi(k_j))^\top \phi(q_i)}",
    ),
    time="(N+M)*(2*d*(d+1)+6*d)",
    memory="max(N, M)*d",
    usage="""
        from attnkit.transformer import linear_attention

        context = linear_attention(query, key, value, causal=True)
    """,
    make=function(linear_attention),
    inputs=lambda seed, sizes: draw_rows(seed, sizes, "M"),
    reference=by_rows(_feature_table(_elu)),
    field=mask_field,
    controls={
        "softmax": lambda f, x: by_rows(softmax_table)(f, **x),
        "not divided": lambda f, x: (
            (elu_plus_one(x["query"]) @ elu_plus_one(x["key"]).mT * x["mask"][:, None])
            @ x["value"]
        ),
    },
    cost_sizes={"N": 256, "M": 256, "d": 64},
)


class _Performer:
    """Linear attention with random features drawn under a seed; nothing is learned."""

    def __init__(self, dim: int, count: int, seed: int) -> None:
        self.features = RandomFeatures(dim, count, seed=seed).double()

    def __call__(self, **inputs: Tensor) -> Tensor:
        features = self.features.to(inputs["query"])
        return linear_attention(**inputs, features=features)


enter(
    RandomFeatures,
    key="performer",
    title="Performer: random features",
    summary="Linear attention whose features are random and whose products equal the "
    "exponential on average: the more features, the nearer to softmax.",
    year=2020,
    month=9,
    paper="Rethinking Attention with Performers",
    link="arXiv:2009.14794",
    cite="choromanski2020rethinking",
    score=Step(
        "product of random features, on average the exponential",
        r"e_{ij} = \phi(q_i)^\top \phi(k_j), \quad \phi(x) = \frac{1}{\sqrt m} "
        r"\exp(\Omega x / d^{1/4} - \lVert x \rVert^2 / 2 \sqrt d)",
    ),
    normalize=Step("divide by their sum", r"a_{ij} = e_{ij} / \textstyle\sum_l e_{il}"),
    aggregate=Step(
        "sums over the keys first, then one product with the query",
        r"c_i = \frac{(\sum_j v_j \phi(k_j)^\top)\, \phi(q_i)}"
        r"{(\sum_j \phi(k_j))^\top \phi(q_i)}",
    ),
    time="(N+M)*(4*d*m+8*m)",
    memory="max(N, M)*m",
    symbols=SYMBOLS | {"m": "features"},
    usage="""
        from attnkit.transformer import RandomFeatures, linear_attention

        features = RandomFeatures(dim=16, count=64)
        context = linear_attention(query, key, value, features=features)
    """,
    shapes=tuple(shape | {"m": 5} for shape in SHAPES),
    make=lambda seed, sizes: _Performer(sizes["d"], sizes["m"], seed),
    inputs=lambda seed, sizes: draw_rows(seed, sizes, "M"),
    reference=lambda f, **x: by_rows(
        _feature_table(_random(f.features.directions.tolist()))
    )(f, **x),
    field=mask_field,
    controls={
        "lengths left out": lambda f, x: by_rows(
            _feature_table(_random(f.features.directions.tolist(), half=0.0))
        )(f, **x),
        "softmax itself": lambda f, x: by_rows(softmax_table)(f, **x),
    },
    cost_sizes={"N": 256, "M": 256, "d": 64, "m": 128},
)
