"""Cards of attention that asks or answers with few rows in place of many."""

import math

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from attnkit.card import Step
from attnkit.loops import Inputs, Row, apply, exponentials, inner, seeded

from .cheaper_cards import (
    SHAPES,
    SYMBOLS,
    Weigh,
    allowed_field,
    by_rows,
    draw_rows,
    enter,
    scaled_scores,
    softmax_table,
)
from .low_rank import LinformerAttention, clustered_attention, nystrom_attention

# ---- loops and receptive fields ------------------------------------------------------


def _means(rows: list[Row], count: int) -> list[Row]:
    """Means of `count` segments that cover all rows and may share one at their ends."""
    found = []
    for i in range(count):
        start, stop = i * len(rows) // count, -(-(i + 1) * len(rows) // count)
        part = rows[start:stop]
        found.append(
            [math.fsum(column) / len(part) for column in zip(*part, strict=True)]
        )
    return found


def _solve(matrix: list[Row], right: list[Row]) -> list[Row]:
    """Gauss and Jordan with the largest pivot: matrix⁻¹ times right."""
    rows = [[*a, *b] for a, b in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        best = max(range(i, len(rows)), key=lambda k: abs(rows[k][i]))
        rows[i], rows[best] = rows[best], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in range(len(rows)):
            if k != i:
                factor = rows[k][i]
                rows[k] = [
                    x - factor * y for x, y in zip(rows[k], rows[i], strict=True)
                ]
    return [row[len(matrix) :] for row in rows]


def _nystrom_table(landmarks: int, invert: bool = True) -> Weigh:
    def table(queries: list, keys: list, allowed: list) -> list[Row]:
        count = min(landmarks, len(queries), len(keys))
        few_q, few_k = _means(queries, count), _means(keys, count)
        core = [exponentials(scaled_scores(q, few_k)) for q in few_q]
        read = [exponentials(scaled_scores(q, keys)) for q in few_q]
        inside = _solve(core, read) if invert else read
        left = [exponentials(scaled_scores(q, few_k)) for q in queries]
        columns = [*zip(*inside, strict=True)]
        return [apply(columns, row) for row in left]

    return table


def _nearest(row: Row, centres: list[Row]) -> int:
    far = [
        math.fsum((a - b) ** 2 for a, b in zip(row, c, strict=True)) for c in centres
    ]
    return far.index(min(far))


def _clusters(queries: list[Row], count: int, rounds: int) -> list[int]:
    centres = [queries[c * len(queries) // count] for c in range(count)]
    for step in range(rounds + 1):
        own = [_nearest(query, centres) for query in queries]
        for c in range(count if step < rounds else 0):
            part = [q for q, o in zip(queries, own, strict=True) if o == c]
            centres[c] = _means(part, 1)[0] if part else centres[c]
    return own


def _cluster_table(count: int, rounds: int = 5) -> Weigh:
    def table(queries: list, keys: list, allowed: list) -> list[Row]:
        own = _clusters(queries, min(count, len(queries)), rounds) if queries else []
        groups = {
            c: [q for q, o in zip(queries, own, strict=True) if o == c] for c in own
        }
        means = [_means(groups[c], 1)[0] for c in own]
        return softmax_table(means, keys, allowed)

    return table


def _linformer(
    f: LinformerAttention, query: Tensor, key: Tensor, value: Tensor, swap: bool = False
) -> Tensor:
    keys, values = f.key_proj.tolist(), f.value_proj.tolist()
    if swap:
        keys, values = values, keys
    m, output = key.shape[1], torch.zeros_like(query)
    for b in range(len(query)):
        few_keys = [apply(key[b].mT.tolist(), row[:m]) for row in keys]
        few_values = [apply(value[b].mT.tolist(), row[:m]) for row in values]
        for n, q in enumerate(query[b].tolist()):
            weights = exponentials(scaled_scores(q, few_keys))
            columns = zip(*few_values, strict=True)
            found = [inner(weights, column) for column in columns]
            output[b, n] = torch.tensor(found, dtype=output.dtype)
    return output


def _full_field(inputs: Inputs) -> Inputs:
    shape = inputs["query"].shape[1], inputs["key"].shape[1]
    return allowed_field(torch.ones(shape, dtype=torch.bool))


def _shared_field(inputs: Inputs) -> Inputs:
    everything = torch.ones_like(_full_field(inputs)["query"])
    return _full_field(inputs) | {"query": everything}


def _cluster_field(inputs: Inputs) -> Inputs:
    queries = inputs["query"][0].tolist()
    own = torch.tensor(_clusters(queries, min(2, len(queries)), 5))
    return _full_field(inputs) | {"query": own[:, None] == own}


# ---- the cards -----------------------------------------------------------------------


class _OpenLinformer(LinformerAttention):
    """With PyTorch's open products in place of the fused ones: they can be counted."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return super().forward(query, key, value)


enter(
    LinformerAttention,
    key="linformer",
    title="Linformer: projected keys",
    summary="Keys and values are shortened to a fixed number of rows by learned "
    "matrices before attention.",
    year=2020,
    month=6,
    paper="Linformer: Self-Attention with Linear Complexity",
    link="arXiv:2006.04768",
    cite="wang2020linformer",
    score=Step(
        "scaled dot product with projected keys",
        r"e_{ir} = \frac{q_i^\top (E K)_r}{\sqrt d}",
    ),
    aggregate=Step("sum of projected values", r"c_i = \textstyle\sum_r a_{ir} (F V)_r"),
    time="4*N*k*d+4*k*M*d+5*N*k",
    memory="N*max(k, d)",
    symbols=SYMBOLS | {"k": "rows that are left"},
    usage="""
        from attnkit.transformer import LinformerAttention

        attention = LinformerAttention(length=512, rank=32)
        context = attention(query, key, value)
    """,
    receptive="Output $i$ depends on query $i$ and on every key and value.",
    shapes=tuple(shape | {"k": 3} for shape in SHAPES),
    make=lambda seed, sizes: seeded(
        seed, lambda: _OpenLinformer(max(sizes["M"], 8), sizes["k"]).double()
    ),
    inputs=draw_rows,
    reference=_linformer,
    field=_full_field,
    controls={
        "matrices swapped": lambda f, x: _linformer(f, **x, swap=True),
        "not shortened": lambda f, x: by_rows(softmax_table)(f, **x),
    },
    cost_sizes={"N": 256, "M": 256, "d": 64, "k": 64},
)


def _by_landmarks(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.MATH):
        return nystrom_attention(query, key, value, 3)


enter(
    nystrom_attention,
    key="nystrom",
    title="Nyström attention",
    summary="The table of weights is rebuilt from some rows and columns: those of "
    "landmarks, which are means of segments.",
    year=2021,
    month=2,
    paper="Nyströmformer: A Nyström-Based Algorithm for Approximating Self-Attention",
    link="arXiv:2102.03902",
    cite="xiong2021nystromformer",
    score=Step(
        "scaled dot products with landmarks, three times",
        r"Q \tilde K^\top, \quad \tilde Q \tilde K^\top, \quad \tilde Q K^\top",
    ),
    normalize=Step("softmax of each, row by row", r"F, A, B = \mathrm{softmax}(\cdot)"),
    aggregate=Step("three products", r"C = F\, A^{+} (B V)"),
    time="N*d+M*d+6*3*(N+M)*d",
    memory="max(N, M)*d",
    symbols={"N": "queries", "M": "keys", "d": "width"},
    usage="""
        from attnkit.transformer import nystrom_attention

        context = nystrom_attention(query, key, value, landmarks=32)
    """,
    receptive="Output $i$ depends on all queries (through the landmarks), keys and "
    "values.",
    make=lambda seed, sizes: _by_landmarks,
    inputs=draw_rows,
    reference=by_rows(_nystrom_table(3)),
    field=_shared_field,
    controls={
        "without the inverse": lambda f, x: by_rows(_nystrom_table(3, invert=False))(
            f, **x
        ),
        "exact softmax": lambda f, x: by_rows(softmax_table)(f, **x),
    },
    cost_sizes={"N": 512, "M": 512, "d": 64},
    excuses={
        "bfloat16": "the inverse of rounded weights is far from that of the weights"
    },
)


def _by_clusters(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.MATH):
        return clustered_attention(query, key, value, 2)


enter(
    clustered_attention,
    key="clustered",
    title="Clustered attention",
    summary="Queries that are alike form a cluster and ask as one, with their mean.",
    year=2020,
    month=7,
    paper="Fast Transformers with Clustered Attention",
    link="arXiv:2007.04825",
    cite="vyas2020fast",
    score=Step(
        "scaled dot product of a cluster's mean query",
        r"e_{cj} = \frac{\bar q_c^\top k_j}{\sqrt d}, \quad "
        r"\bar q_c = \mathrm{mean}\{q_i : i \in c\}",
    ),
    normalize=Step("softmax over the keys", r"a_{cj} = \mathrm{softmax}_j(e_{cj})"),
    aggregate=Step(
        "one context for all members of a cluster",
        r"c_i = \textstyle\sum_j a_{c(i) j} v_j",
    ),
    time="50*N*d+11*M*d",
    memory="max(N, M)*d",
    usage="""
        from attnkit.transformer import clustered_attention

        context = clustered_attention(query, key, value, clusters=32)
    """,
    receptive="Output $i$ depends on the queries of its cluster and on every key and "
    "value.",
    make=lambda seed, sizes: _by_clusters,
    inputs=draw_rows,
    reference=by_rows(_cluster_table(2)),
    field=_cluster_field,
    controls={
        "no cluster": lambda f, x: by_rows(softmax_table)(f, **x),
        "three clusters": lambda f, x: clustered_attention(**x, clusters=3),
    },
    cost_sizes={"N": 512, "M": 512, "d": 64},
)
