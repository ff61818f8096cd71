"""Properties of the normalizers: what the cards do not already prove."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnkit import normalizers
from attnkit.attend import (
    NORMALIZERS,
    entmax15,
    hard,
    sample_reinforce,
    sampled,
    softmax,
    sparsemax,
    top_k,
)
from attnkit.loops import bisect, project

SUMS_TO_ONE = [name for name in NORMALIZERS if name != "sigmoid"]

rows = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, database=None)
@given(rows)
def test_sparse_normalizers_on_any_row(row):
    scores_ = torch.tensor([row], dtype=torch.float64)
    for function, reference in ((sparsemax, project), (entmax15, bisect)):
        expected = torch.tensor([reference(row)], dtype=torch.float64)
        torch.testing.assert_close(function(scores_), expected, rtol=0, atol=1e-9)
        assert function(scores_).sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", sorted({*SUMS_TO_ONE} - {"sampled"}))
def test_adding_a_number_to_all_scores_changes_nothing(name):
    scores_ = torch.randn(4, 9, dtype=torch.float64)
    moved = NORMALIZERS[name](scores_ + 8)
    torch.testing.assert_close(NORMALIZERS[name](scores_), moved)


@pytest.mark.parametrize("name", sorted({*NORMALIZERS} - {"sampled"}))
def test_renaming_keys_renames_weights(name):
    scores_, order = torch.randn(4, 9, dtype=torch.float64), torch.randperm(9)
    weights = NORMALIZERS[name](scores_)
    renamed = NORMALIZERS[name](scores_[:, order])
    torch.testing.assert_close(renamed, weights[:, order])


def test_temperature_goes_from_the_best_key_to_all_alike():
    scores_ = torch.randn(4, 9, dtype=torch.float64)
    cold, warm = softmax(scores_, temperature=1e-3), softmax(scores_, temperature=1e4)
    torch.testing.assert_close(cold, hard(scores_), rtol=0, atol=1e-3)
    torch.testing.assert_close(warm, torch.full_like(warm, 1 / 9), rtol=0, atol=1e-3)
    learned = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda t: softmax(scores_, temperature=t), learned)


@pytest.mark.parametrize("function", [sparsemax, entmax15])
def test_second_derivatives(function):
    scores_ = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(function, scores_)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1e-30, 1e-40, 1e-60])
def test_the_coldest_temperatures_choose_the_best(temperature, dtype):
    scores_, mask = torch.randn(4, 9, dtype=dtype), torch.rand(4, 9) < 0.7
    mask[0] = False
    cold = softmax(scores_, mask, temperature=temperature)
    assert torch.equal(cold, hard(scores_, mask))


@pytest.mark.parametrize("name", sorted({*NORMALIZERS} - {"sampled"}))
def test_vmap_goes_row_by_row(name):
    scores_, mask = torch.randn(4, 3, 9, dtype=torch.float64), torch.rand(3, 9) < 0.7
    mapped = torch.vmap(lambda row: NORMALIZERS[name](row, mask))(scores_)
    torch.testing.assert_close(mapped, NORMALIZERS[name](scores_, mask))
    jacobian = torch.func.jacrev(NORMALIZERS[name])(scores_[0, 0])
    expected = torch.autograd.functional.jacobian(NORMALIZERS[name], scores_[0, 0])
    torch.testing.assert_close(jacobian, expected)


@pytest.mark.parametrize("power", [1, 2])
def test_newton_ends_within_its_proven_number_of_steps(power):
    levels = -torch.arange(1, 4097, dtype=torch.float64).log2() / 12  # falls slowly
    for row in (levels, torch.zeros(4096).double(), torch.rand(4096).double()):
        shifted = (row - row.max())[None]
        tau = normalizers._threshold(shifted, power)
        total = (shifted - tau).clamp_min(0).pow(power).sum().item()
        assert total == pytest.approx(1, abs=1e-12)


def test_top_k_counts_allowed_keys_only():
    scores_ = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    mask = torch.tensor([[False, True, False, True, True]])
    share = torch.softmax(torch.tensor([4.0, 2.0]), 0)
    expected = torch.tensor([[0, share[0], 0, share[1], 0]])
    torch.testing.assert_close(top_k(scores_, mask, k=2), expected)
    assert torch.equal(top_k(scores_, k=9), softmax(scores_))


@pytest.mark.parametrize("function", [hard, sampled])
def test_straight_through_gradient_is_that_of_softmax(function):
    scores_ = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    mask, cotangent = torch.rand(3, 7) < 0.7, torch.randn(3, 7).double()
    (gradient,) = torch.autograd.grad(function(scores_, mask), scores_, cotangent)
    (soft,) = torch.autograd.grad(softmax(scores_, mask), scores_, cotangent)
    assert torch.equal(gradient, soft)


def reinforced(*inputs, **options):
    return sample_reinforce(*inputs, **options)[0]


@pytest.mark.parametrize("draw", [sampled, reinforced])
def test_draws_come_as_often_as_softmax_says(draw):
    row, count = torch.tensor([0.5, -1.0, 1.5, 0.0]), 40_000
    mask = torch.tensor([True, True, True, False])
    drawn = draw(row.expand(count, 4), mask, generator=torch.Generator().manual_seed(0))
    chance = softmax(row, mask)
    error = (chance * (1 - chance) / count).sqrt()
    assert ((drawn.mean(0) - chance).abs() <= 4 * error).all()
    assert torch.equal(drawn.sum(-1), torch.ones(count))


def test_reinforce_estimates_the_gradient_of_the_expected_loss():
    row = torch.tensor([0.3, -0.4, 0.9], dtype=torch.float64, requires_grad=True)
    losses, count = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 40_000
    (exact,) = torch.autograd.grad((softmax(row) * losses).sum(), row)
    dice = torch.Generator().manual_seed(0)
    weights, log_prob = sample_reinforce(row.expand(count, 3), generator=dice)
    assert not weights.requires_grad
    surrogate = ((weights @ losses + 0.5) * log_prob).mean()  # baseline -0.5
    (estimate,) = torch.autograd.grad(surrogate, row)
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.03)


def test_sampled_can_be_compiled_without_a_generator():
    torch._dynamo.reset()
    compiled = torch.compile(sampled, fullgraph=True, backend="eager")
    row = torch.tensor([0.0, math.log(3.0)]).expand(20_000, 2)
    assert compiled(row).mean(0)[1].item() == pytest.approx(0.75, abs=0.015)


def test_a_temperature_for_each_row_fits_and_another_shape_is_named():
    scores_, warmth = torch.randn(4, 9), torch.tensor([[0.5], [1.0], [2.0], [4.0]])
    for row, one, t in zip(
        scores_, softmax(scores_, temperature=warmth), warmth, strict=True
    ):
        torch.testing.assert_close(one, softmax(row, temperature=t.item()))
    for shape in ((5,), (2, 4, 9), (3, 9)):
        with pytest.raises(ValueError, match=r"temperature: .* to \(4, 9\), got"):
            softmax(scores_, temperature=torch.ones(shape))
