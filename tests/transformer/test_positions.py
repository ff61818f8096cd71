"""Positions against loops, and what each promises."""

from __future__ import annotations

import math

import pytest
import torch

from attnkit.transformer import (
    POSITIONS,
    Alibi,
    Learned,
    Rotary,
    Shaw,
    Sinusoidal,
    TransformerXL,
    distances,
    score_position,
    sinusoidal,
    warm_up,
)


def test_waves_are_those_of_the_formula() -> None:
    like = torch.empty(0, dtype=torch.float64)
    table = sinusoidal(7, 6, start=-2, like=like)
    for row, place in enumerate(range(-2, 5)):
        for i in range(3):
            angle = place * 10000 ** (-2 * i / 6)
            assert table[row, 2 * i].item() == pytest.approx(math.sin(angle))
            assert table[row, 2 * i + 1].item() == pytest.approx(math.cos(angle))


def test_products_of_waves_know_only_the_distance() -> None:
    like = torch.empty(0, dtype=torch.float64)
    products = sinusoidal(20, 16, like=like) @ sinusoidal(20, 16, like=like).mT
    for away in range(20):
        diagonal = products.diagonal(away)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))


def test_rotary_scores_know_only_the_distance_and_keep_lengths() -> None:
    torch.manual_seed(1)
    rotary, q, k = Rotary(8), torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    q, k = q.double().expand(1, 1, 12, 8), k.double().expand(1, 1, 12, 8)
    turned, other = rotary.turn_query(q, 0), rotary.turn_key(k, 0)
    scores = (turned @ other.mT)[0, 0]
    for away in range(-11, 12):
        diagonal = scores.diagonal(away)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    torch.testing.assert_close(turned.norm(dim=-1), q.norm(dim=-1))
    later = rotary.turn_query(q, 5)
    torch.testing.assert_close(later[:, :, :7], turned[:, :, 5:])


@pytest.mark.parametrize(
    ("heads", "slopes"),
    [
        (4, [2**-2, 2**-4, 2**-6, 2**-8]),
        (3, [2**-4, 2**-8, 2**-2]),
        (1, [2**-8]),
    ],
)
def test_alibi_slopes(heads: int, slopes: list[float]) -> None:
    bias = Alibi(heads).bias(torch.zeros(1, heads, 3, 4), 3)
    assert bias.shape == (heads, 3, 3)
    assert bias[:, 2, 0].tolist() == pytest.approx([-2 * s for s in slopes])
    assert not bias.diagonal(dim1=1, dim2=2).any()


def test_last_queries_of_a_longer_memory() -> None:
    assert distances(2, 4).tolist() == [[-2, -1, 0, 1], [-3, -2, -1, 0]]
    with pytest.raises(ValueError, match="at most 2 queries"):
        distances(3, 2)


@pytest.mark.parametrize("name", ["alibi", "shaw", "transformer_xl"])
def test_a_bias_of_the_last_queries_is_the_end_of_the_whole(name: str) -> None:
    torch.manual_seed(1)
    position = score_position(name, 12, 3).double()
    for weight in position.parameters():
        torch.nn.init.normal_(weight)
    query = torch.randn(2, 3, 6, 4).double()
    whole = position.bias(query, 6).expand(2, 3, 6, 6)
    last = position.bias(query[:, :, 4:], 6).expand(2, 3, 2, 6)
    torch.testing.assert_close(last, whole[:, :, 4:])


def test_tables_are_added_from_a_start() -> None:
    tokens = torch.zeros(2, 3, 4)
    learned = Learned(5, 4)
    assert torch.equal(learned(tokens, 2)[1], learned.table[2:5])
    assert torch.equal(Sinusoidal(4)(tokens, 2)[0], sinusoidal(3, 4, start=2))


def test_warm_up_rises_to_its_top_and_falls() -> None:
    rates = [warm_up(step, 64, 10) for step in range(40)]
    assert rates.index(max(rates)) == 10
    assert max(rates) == pytest.approx((64 * 10) ** -0.5)
    assert rates[20] == pytest.approx((64 * 20) ** -0.5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="larger max_len"):
        Learned(5, 4)(torch.zeros(1, 3, 4), 3)
    for make in (Rotary, Sinusoidal, lambda d: sinusoidal(2, d)):
        with pytest.raises(ValueError, match="even number from 2, got 5"):
            make(5)
    with pytest.raises(ValueError, match="n: expected at least 0"):
        sinusoidal(-1, 4)
    with pytest.raises(ValueError, match="max_distance"):
        Shaw(4, 0)
    with pytest.raises(ValueError, match="num_heads"):
        TransformerXL(8, 0)
    with pytest.raises(ValueError, match=f"one of {', '.join(POSITIONS)}"):
        score_position("rotery", 8, 2)
