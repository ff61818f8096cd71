"""Cheaper attention: exact where it says so, near where it says so, clear errors."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from attnkit.attend import attend, causal_mask
from attnkit.transformer import (
    LinformerAttention,
    RandomFeatures,
    clustered_attention,
    elu_plus_one,
    linear_attention,
    nystrom_attention,
    tiled_attention,
    window_attention,
)

N = 37


@pytest.fixture
def rows() -> list[Tensor]:
    """Query, key and value (2, 3, N, 8)."""
    draw = torch.Generator().manual_seed(1)
    return [
        torch.randn(2, 3, N, 8, generator=draw, dtype=torch.float64).requires_grad_()
        for _ in range(3)
    ]


def near(a: Tensor, b: Tensor, most: float = 1e-12) -> None:
    assert a.shape == b.shape
    assert (a - b).abs().max() <= most


# ---- tiles ---------------------------------------------------------------------------


@pytest.mark.parametrize("block", (1, 5, 37, 64))
@pytest.mark.parametrize("causal", (False, True))
@pytest.mark.parametrize("masked", (False, True))
def test_tiles_are_softmax_and_have_its_gradients(
    rows: list[Tensor], block: int, causal: bool, masked: bool
) -> None:
    mask = torch.rand(2, 1, N, N, generator=torch.Generator().manual_seed(2)) < 0.5
    mask[0, 0, 3] = False
    given = mask if masked else None
    found = tiled_attention(*rows, mask=given, causal=causal, block=block)
    allowed = mask if masked else torch.ones_like(mask)
    if causal:
        allowed = allowed & causal_mask(N)
    wanted, _ = attend(*rows, mask=allowed, need_weights=True)
    near(found, wanted)
    cotangent = torch.randn_like(wanted)
    pairs = [torch.autograd.grad(out, rows, cotangent) for out in (found, wanted)]
    for one, other in zip(*pairs, strict=True):
        near(one, other)


def test_tiles_survive_scores_that_overflow_an_exponential(rows: list[Tensor]) -> None:
    query, key, value = rows
    found = tiled_attention(300 * query, 300 * key, value, block=4)
    wanted, _ = attend(300 * query, 300 * key, value, need_weights=True)
    assert (query @ key.mT).abs().max() * 300**2 > 1000
    near(found, wanted)


def test_tiles_of_the_last_queries_see_the_whole_past(rows: list[Tensor]) -> None:
    query, key, value = rows
    whole = tiled_attention(query, key, value, causal=True)
    last = tiled_attention(query[..., -3:, :], key, value, causal=True, block=2)
    near(last, whole[..., -3:, :])


def test_tiles_keep_little_for_the_backward_pass() -> None:
    query = torch.randn(512, 8, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: kept.append(x.numel()) or x, lambda x: x
    ):
        tiled_attention(query, query, query, block=32)
    assert kept and max(kept) <= 512 * 8


# ---- windows -------------------------------------------------------------------------


def _band(window: int, gap: int, every: int, causal: bool) -> Tensor:
    place = torch.arange(N)
    away = place[:, None] - place
    allowed = (away.abs() <= window * gap) & (away % gap == 0)
    allowed |= (place < every) | (place < every)[:, None]
    return allowed & (away >= 0) if causal else allowed


@pytest.mark.parametrize(
    ("window", "gap", "every", "causal"),
    itertools.product((1, 2, 5, 40), (1, 2, 3), (0, 2), (False, True)),
)
def test_a_window_is_softmax_under_a_band(
    rows: list[Tensor], window: int, gap: int, every: int, causal: bool
) -> None:
    keep = torch.rand(2, 1, N, generator=torch.Generator().manual_seed(3)) < 0.8
    found = window_attention(
        *rows, window, dilation=gap, global_places=every, causal=causal, mask=keep
    )
    allowed = _band(window, gap, every, causal) & keep[..., None, :]
    wanted, _ = attend(*rows, mask=allowed, need_weights=True)
    near(found, wanted)
    pairs = [torch.autograd.grad(out.sin().sum(), rows) for out in (found, wanted)]
    for one, other in zip(*pairs, strict=True):
        near(one, other)


def test_the_past_does_not_hear_the_future(rows: list[Tensor]) -> None:
    ways = {
        "tiled": lambda *x: tiled_attention(*x, causal=True),
        "window": lambda *x: window_attention(*x, 3, causal=True, global_places=1),
        "linear": lambda *x: linear_attention(*x, causal=True, block=8),
    }
    for name, way in ways.items():
        changed = [x.detach().clone() for x in rows]
        for x in changed:
            x[..., 20:, :] += 1
        before, after = way(*rows)[..., :20, :], way(*changed)[..., :20, :]
        assert torch.equal(before, after), name
        assert not torch.equal(way(*rows)[..., 20:, :], way(*changed)[..., 20:, :])


# ---- features ------------------------------------------------------------------------


@pytest.mark.parametrize("block", (1, 8, 64))
@pytest.mark.parametrize("random", (False, True))
def test_running_sums_are_the_sums(
    rows: list[Tensor], block: int, random: bool
) -> None:
    features = RandomFeatures(8, 16).double() if random else elu_plus_one
    weights = (features(rows[0]) @ features(rows[1]).mT).tril()
    wanted = weights / weights.sum(-1, keepdim=True) @ rows[2]
    found = linear_attention(*rows, features=features, causal=True, block=block)
    near(found, wanted)


def test_more_random_features_come_nearer_to_softmax(rows: list[Tensor]) -> None:
    query, key, value = 0.7 * rows[0], 0.7 * rows[1], rows[2]
    exact = attend(query, key, value)
    errors = []
    for count in (8, 128, 4096):
        found = [
            linear_attention(
                query, key, value, features=RandomFeatures(8, count, seed=s).double()
            )
            for s in range(4)
        ]
        errors.append(sum((f - exact).square().mean().item() for f in found))
    assert errors[0] > 2 * errors[1] > 8 * errors[2]


def test_products_of_random_features_are_the_exponential_on_average() -> None:
    draw = torch.Generator().manual_seed(4)
    x, y = 0.6 * torch.randn(2, 6, generator=draw, dtype=torch.float64)
    products = []
    for seed in range(2000):
        features = RandomFeatures(6, 24, seed=seed).double()
        a, b, zero = features(torch.stack([x, y, torch.zeros(6)]))
        products.append((a @ b) / (zero @ zero))  # the common factor cancels
    expected = torch.exp(x @ y / 6**0.5).item()
    assert torch.stack(products).mean().item() == pytest.approx(expected, rel=0.08)


# ---- few in place of many ------------------------------------------------------------


@pytest.mark.parametrize("way", (nystrom_attention, clustered_attention))
def test_as_many_as_places_is_exact(rows: list[Tensor], way) -> None:
    near(way(*rows, N), attend(*rows), 1e-9)
    near(way(*rows, 1000), attend(*rows), 1e-9)
    assert (way(*rows, 4) - attend(*rows)).abs().max() > 1e-2


def test_queries_of_a_cluster_share_a_context(rows: list[Tensor]) -> None:
    context = clustered_attention(*rows, 5)
    for b, h in itertools.product(range(2), range(3)):
        assert len(torch.unique(context[b, h], dim=0)) <= 5


def test_equal_queries_are_clustered_without_loss(rows: list[Tensor]) -> None:
    query = rows[0][..., :4, :].repeat_interleave(6, -2)
    found = clustered_attention(query, *rows[1:], 4)
    near(found, attend(query, *rows[1:]))


def test_linformer_takes_shorter_sequences_than_its_length(rows: list[Tensor]) -> None:
    module = LinformerAttention(64, 4).double()
    query, key, value = rows
    padded = [torch.nn.functional.pad(x, (0, 0, 0, 64 - N)) for x in (key, value)]
    near(module(query, key, value), module(query, *padded))


# ---- what does not fit ---------------------------------------------------------------


def _rows(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.zeros(shape) for shape in shapes]


GOOD = _rows((2, 5, 4), (2, 5, 4), (2, 5, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: tiled_attention(*_rows((2, 5, 4), (2, 5, 3), (2, 5, 4))),
            r"key: expected shape \(2, 5, 4\), got \(2, 5, 3\)",
        ),
        (
            lambda: tiled_attention(*_rows((2, 5, 4), (2, 6, 4), (2, 5, 4))),
            r"value: expected shape \(2, 6, 4\), got \(2, 5, 4\)",
        ),
        (lambda: tiled_attention(*GOOD, block=0), "block: expected a value above 0"),
        (
            lambda: tiled_attention(*GOOD, mask=torch.ones(5, 6) > 0),
            r"mask: expected a shape that broadcasts to \(2, 5, 5\)",
        ),
        (
            lambda: tiled_attention(*(x.long() for x in GOOD)),
            "query: expected a floating-point dtype, got torch.int64",
        ),
        (
            lambda: window_attention(*_rows((2, 5, 4), (2, 6, 4), (2, 6, 4)), 2),
            "key: expected 5 rows as in query, got 6",
        ),
        (lambda: window_attention(*GOOD, 0), "window: expected a value above 0, got 0"),
        (lambda: window_attention(*GOOD, 1, dilation=0), "dilation: expected a value"),
        (
            lambda: window_attention(*GOOD, 1, global_places=-1),
            "global_places: expected at least 0, got -1",
        ),
        (
            lambda: linear_attention(*_rows((5, 4), (6, 4), (6, 4)), causal=True),
            "key: expected 5 rows as in query, got 6",
        ),
        (
            lambda: linear_attention(*GOOD, features=RandomFeatures(3, 8)),
            r"x: expected last dimension 3 \(dim\)",
        ),
        (
            lambda: linear_attention(*GOOD, mask=torch.ones(5, 5).bool()),
            r"mask: expected a shape that broadcasts to \(.*\) \(\.\.\., keys\)",
        ),
        (
            lambda: window_attention(*GOOD, 2, mask=torch.ones(5, device="meta") > 0),
            r"mask: expected device cpu as what it masks, got meta",
        ),
        (
            lambda: LinformerAttention(4, 2)(*GOOD),
            r"key: expected at most 4 rows \(length\), got 5",
        ),
        (lambda: nystrom_attention(*GOOD, 0), "landmarks: expected a value above 0"),
        (lambda: clustered_attention(*GOOD, 0), "clusters: expected a value above 0"),
        (lambda: clustered_attention(*GOOD, 2, rounds=-1), "rounds: expected at least"),
    ],
)
def test_what_does_not_fit_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_tiles_take_every_mask_that_broadcasts(rows: list[Tensor]) -> None:
    for shape in ((), (1,), (N,), (N, 1), (1, N), (3, 1, 1), (2, 1, N, N)):
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(5)) < 0.7
        wanted, _ = attend(*rows, mask=mask, need_weights=True)
        near(tiled_attention(*rows, mask=mask, block=8), wanted)


def test_tiles_have_second_derivatives(rows: list[Tensor]) -> None:
    small = [x[0, 0, :5, :3].detach().requires_grad_() for x in rows]
    mask = causal_mask(5)
    mask[2] = False
    assert torch.autograd.gradgradcheck(
        lambda *x: tiled_attention(*x, mask=mask, block=2), small
    )


def test_tiles_in_sixteen_bit_do_not_add_up_errors() -> None:
    draw = torch.Generator().manual_seed(6)
    query, key, value = torch.randn(3, 2048, 16, generator=draw).bfloat16()
    exact = attend(*(x.double() for x in (query, key, value)))
    errors = [
        (tiled_attention(query, key, value, block=b).double() - exact).abs().mean()
        for b in (16, 2048)
    ]
    assert errors[0] < 2 * errors[1]


def test_tiles_keep_to_one_precision_under_autocast(rows: list[Tensor]) -> None:
    single = [x.detach().float().requires_grad_() for x in rows]
    small = [x.detach().bfloat16().requires_grad_() for x in rows]
    with torch.autocast("cpu", torch.bfloat16):
        context = tiled_attention(*single, block=8)
    plain = tiled_attention(*small, block=8)
    assert context.dtype == torch.bfloat16 and torch.equal(context, plain)
    found = torch.autograd.grad(context.float().sin().sum(), single)
    wanted = torch.autograd.grad(plain.float().sin().sum(), small)
    assert all(torch.equal(f, w.float()) for f, w in zip(found, wanted, strict=True))


def test_tiles_can_be_mapped(rows: list[Tensor]) -> None:
    def one(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return tiled_attention(q, k, v, block=8)

    near(torch.func.vmap(one)(*rows), one(*rows))
    slope = torch.func.grad(lambda q: one(q, *rows[1:]).sin().sum())(rows[0].detach())
    near(slope, torch.autograd.grad(one(*rows).sin().sum(), rows[0])[0])


def test_a_long_query_among_short_ones_is_not_lost() -> None:
    draw = torch.Generator().manual_seed(7)
    query, key, value = torch.randn(3, 64, 64, generator=draw)
    query[1::2] *= 8
    features = RandomFeatures(64, 256)
    single = linear_attention(query, key, value, features=features)
    double = linear_attention(
        query.double(), key.double(), value.double(), features=features.double()
    )
    assert (single - double).abs().max() < 1e-3


def test_features_of_another_shape_are_refused(rows: list[Tensor]) -> None:
    with pytest.raises(ValueError, match="features: expected to return rows"):
        linear_attention(*rows, features=lambda x: x[..., :3, :])
    with pytest.raises(TypeError, match="features: expected a function of rows, got N"):
        linear_attention(*rows, features=None)
    with pytest.raises(TypeError, match="seed: expected type int, got NoneType"):
        RandomFeatures(8, 8, seed=None)
