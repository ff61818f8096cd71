"""Scores: what the cards do not already prove."""

import pytest
import torch

from attnkit import scores
from attnkit.attend import (
    Additive,
    Concat,
    General,
    Location,
    cosine,
    dot,
    scaled_dot,
)


def pair(n=3, m=5, dtype=torch.float64):
    """A query (2, n, 4) and a key (2, m, 4)."""
    shapes = ((2, n, 4), (2, m, 4))
    return [torch.randn(s, dtype=dtype, requires_grad=True) for s in shapes]


def loss_gradients(output, inputs):
    return torch.autograd.grad(output.square().sum(), inputs)


@pytest.mark.parametrize("keep", [2**24, 1], ids=["kept", "computed again"])
def test_additive_score_in_blocks_equals_the_whole(monkeypatch, keep):
    score = Additive(4, 4, 8, dtype=torch.float64)
    query, key = pair(n=7)
    inputs = (query, key, *score.parameters())
    whole = score(query, key)
    expected = loss_gradients(whole, inputs)
    monkeypatch.setattr(scores, "_BLOCK", {"cpu": 200})
    monkeypatch.setattr(scores, "_KEEP", keep)
    blocks = score(query, key)
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(loss_gradients(blocks, inputs), expected)


def test_large_additive_scores_have_functional_gradients(monkeypatch):
    monkeypatch.setattr(scores, "_BLOCK", {"cpu": 200})
    monkeypatch.setattr(scores, "_KEEP", 1)
    score = Additive(4, 4, 8, dtype=torch.float64)
    query, key = pair(n=7)

    def total(query):
        return score(query, key).square().sum()

    (expected,) = torch.autograd.grad(total(query), query)
    torch.testing.assert_close(torch.func.grad(total)(query), expected)


def test_cosine_of_vectors_of_any_length():
    query, key = pair(dtype=torch.float32)
    expected = cosine(query, key)
    for scale in (1e-3, 1e8, 1e30):
        torch.testing.assert_close(cosine(scale * query, key), expected)
        torch.testing.assert_close(cosine(query, scale * key), expected)


def test_concat_is_additive_with_one_matrix():
    concat, additive = Concat(4, 6, 5), Additive(4, 6, 5)
    with torch.no_grad():
        additive.query_weight.copy_(concat.weight[:, :4])
        additive.key_weight.copy_(concat.weight[:, 4:])
        additive.v.copy_(concat.v)
    query, key = torch.randn(2, 3, 4), torch.randn(2, 5, 6)
    torch.testing.assert_close(concat(query, key), additive(query, key))


def test_scaling_keeps_the_variance_at_any_width():
    for d in (4, 64, 1024):
        query, key = torch.randn(200, d), torch.randn(200, d)
        assert scaled_dot(query, key).var().item() == pytest.approx(1, abs=0.15)
        assert dot(query, key).var().item() == pytest.approx(d, rel=0.15)


@pytest.mark.parametrize(
    "score", [General(4, 4), Additive(4, 4, 8), Concat(4, 4, 8), Location(4, 9)]
)
def test_inputs_of_another_dtype_than_the_weights_are_named(score):
    with pytest.raises(ValueError, match=r"query: .*float32 as in weights, got .*64"):
        score(*pair())
