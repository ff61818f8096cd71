"""Poolings: what is masked stays out, nothing gives zeros, the block is its formula."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.data.signals import Labelled, signals
from attnkit.rnn import (
    POOLINGS,
    AttentionPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    SequenceClassifier,
    TimeStepAttention,
    evaluate_classifier,
    train_classifier,
)

MASKED = ("last", "mean", "max", "attention")
every_pooling = pytest.mark.parametrize("name", MASKED)


def made(name: str, width: int = 6) -> nn.Module:
    torch.manual_seed(3)
    kinds = {"last": LastPooling, "mean": MeanPooling, "max": MaxPooling}
    if name != "attention":
        return kinds[name]()
    pool = AttentionPooling(width, 5)
    nn.init.normal_(pool.query, std=2.0)
    return pool


def values(batch: int = 4, steps: int = 7, width: int = 6) -> Tensor:
    torch.manual_seed(4)
    return torch.randn(batch, steps, width)


def some_steps(batch: int = 4, steps: int = 7) -> Tensor:
    torch.manual_seed(5)
    mask = torch.rand(batch, steps) < 0.6
    mask[:, 2], mask[:, 4] = True, False
    return mask


@every_pooling
def test_the_context_is_the_sum_by_the_weights(name: str) -> None:
    h, mask = values(), some_steps()
    context, weights = made(name)(h, mask, need_weights=True)
    rows = weights if weights.dim() == 3 else weights[..., None]  # (B, T, D or 1)
    torch.testing.assert_close((rows * h).sum(1), context)
    torch.testing.assert_close(rows.sum(1), torch.ones_like(rows[:, 0]))
    assert (rows >= 0).all() and not rows[~mask].any()
    torch.testing.assert_close(made(name)(h, mask), context)


@every_pooling
def test_steps_that_do_not_count_change_nothing(name: str) -> None:
    h, mask = values(), some_steps()
    other = torch.where(mask[..., None], h, 50 * torch.randn_like(h))
    torch.testing.assert_close(made(name)(other, mask), made(name)(h, mask))


@every_pooling
def test_nothing_to_pool_gives_zeros_and_finite_gradients(name: str) -> None:
    h = values().requires_grad_()
    mask = some_steps()
    mask[1] = False
    context, weights = made(name)(h, mask, need_weights=True)
    assert not context[1].any() and not weights[1].any()
    context.square().sum().backward()
    assert torch.isfinite(h.grad).all() and not h.grad[1].any()
    short, none = made(name)(values(steps=0), need_weights=True)
    assert short.shape == (4, 6) and not short.any() and none.shape[:2] == (4, 0)


@pytest.mark.parametrize("name", ["mean", "max", "attention"])
def test_the_order_of_the_steps_does_not_matter(name: str) -> None:
    h, order = values(), torch.randperm(7)
    one, weights = made(name)(h, need_weights=True)
    two, moved = made(name)(h[:, order], need_weights=True)
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(weights[:, order], moved)


def test_last_is_the_last_step_that_counts() -> None:
    h = values(batch=3, steps=4)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0]]).bool()
    expected = torch.stack([h[0, 3], h[1, 2], h[2, 0]])
    assert torch.equal(LastPooling()(h, mask), expected)


def test_a_large_query_makes_attention_a_choice() -> None:
    pool, h = made("attention"), values()
    with torch.no_grad():
        pool.query.mul_(1e4)
        scores = torch.tanh(pool.key(h)) @ pool.query
        chosen = h[torch.arange(4), scores.argmax(-1)]
        torch.testing.assert_close(pool(h), chosen)


# ------------------------------------------------------------------------- the block


def test_the_block_is_transpose_dense_softmax_transpose_multiply() -> None:
    block, h = TimeStepAttention(7), values()
    weights = block.dense(h.permute(0, 2, 1)).softmax(-1).permute(0, 2, 1)
    torch.testing.assert_close(block(h), h * weights)
    product, shared = TimeStepAttention(7, single=True)(h, need_weights=True)
    assert (shared == shared[..., :1]).all()
    torch.testing.assert_close(product, h * shared)


def test_a_weight_of_the_block_knows_the_future_and_no_other_channel() -> None:
    block, h = TimeStepAttention(7), values().requires_grad_()
    _, weights = block(h, need_weights=True)
    weights[0, 1, 2].backward()
    touched = h.grad.abs() > 0
    assert touched[0, :, 2].all() and touched.sum() == 7


def test_the_block_is_bound_to_positions() -> None:
    """Steps in another order get other weights, unlike with attention pooling."""
    block, h = TimeStepAttention(7), values()
    order = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    _, weights = block(h, need_weights=True)
    _, moved = block(h[:, order], need_weights=True)
    assert (weights[:, order] - moved).abs().max() > 0.01


# -------------------------------------------------------------------- the classifier


@every_pooling
def test_padding_does_not_change_an_answer(name: str) -> None:
    torch.manual_seed(6)
    model = SequenceClassifier(9, 3, name, embed_dim=4, hidden_dim=6).eval()
    short, longer = torch.randint(9, (2, 5)), torch.randint(9, (2, 8))
    longer[:, :5] = short
    mask = torch.arange(8).expand(2, -1) < 5
    with torch.no_grad():
        alone, a = model(short, need_weights=True)
        padded, b = model(longer, mask, need_weights=True)
    torch.testing.assert_close(alone, padded)
    torch.testing.assert_close(F.pad(a, (0, 3)), b)


def test_the_last_state_gets_no_gradient_from_afar_and_a_mean_does() -> None:
    reached = {}
    for name in ("last", "mean"):
        torch.manual_seed(1)
        model = SequenceClassifier(60, 10, name)
        inputs = torch.randn(4, 100, 32, requires_grad=True)
        model.output(model.pool(model.rnn(inputs)[0])).square().sum().backward()
        reached[name] = inputs.grad[:, 20].norm().item()
    assert reached["last"] < 1e-9 * reached["mean"]


def test_bad_input_is_named() -> None:
    tokens, model = torch.randint(9, (2, 4)), SequenceClassifier(9, 3)
    nothing = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    gap = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]]).bool()
    block = SequenceClassifier(9, 3, "block", steps=4)
    for call, words in (
        (lambda: model(tokens, nothing), r"at least one step .* rows \[1\]"),
        (lambda: model(tokens[:, :0]), r"at least one step .* rows \[0, 1\]"),
        (lambda: model(tokens, gap), "padding after the steps"),
        (lambda: model(tokens, torch.ones(2, 4)), "mask: expected torch.bool"),
        (lambda: model(tokens + 7), "tokens"),
        (lambda: block(tokens[:, :3]), "expected 4 steps"),
        (lambda: block(tokens, nothing | gap[1]), None),
        (lambda: block(tokens, torch.tensor([[True] * 3 + [False]] * 2)), "no mask"),
        (lambda: SequenceClassifier(9, 3, "sum"), f"one of {', '.join(POOLINGS)}"),
        (lambda: SequenceClassifier(9, 3, "block"), "steps: expected a number"),
        (lambda: SequenceClassifier(9, 3, "mean", steps=4), "steps: expected"),
        (lambda: MeanPooling()(values(), gap), r"mask: expected torch.bool of shape"),
        (lambda: MaxPooling()(values()[0]), "values: expected at least 3"),
        (lambda: TimeStepAttention(0), "steps"),
    ):
        if words is None:
            call()
        else:
            with pytest.raises(ValueError, match=words):
                call()
    with pytest.raises(TypeError, match="mask: expected a tensor"):
        LastPooling()(values(), [True])


# ------------------------------------------------------------------------ the recipe


def test_attention_learns_to_point_at_the_sign() -> None:
    data = signals(800, 12, classes=4, seed=1)
    model, history = train_classifier(
        data, size=54, classes=4, steps=250, batch=32, lr=1e-2
    )
    scores = evaluate_classifier(model, signals(300, 12, classes=4, seed=2))
    assert history.steps == 250 and not model.training
    assert scores.accuracy > 0.95 and min(scores[1:3]) > 0.4
    assert scores.chance == pytest.approx(1 / 12)


def test_the_same_seed_gives_the_same_model() -> None:
    data = signals(40, 6, classes=2)
    runs = [
        train_classifier(data, "block", size=52, classes=2, steps=20, seed=9)[0]
        for _ in range(2)
    ]
    for one, two in zip(*(m.parameters() for m in runs), strict=True):
        assert torch.equal(one, two)


def test_scores_of_known_weights() -> None:
    class Known(nn.Module):
        def forward(self, tokens, mask, need_weights):
            weights = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]])
            return F.one_hot(torch.tensor([1, 0]), 2).float(), weights

    wanted = torch.tensor([[0, 1, 1], [0, 1, 0]]).bool()
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()
    data = Labelled(torch.zeros(2, 3).long(), mask, torch.tensor([1, 1]), wanted)
    scores = evaluate_classifier(Known(), data)
    expected = (0.5, 0.5, (0.5 + 0.9) / 2, (2 / 3 + 1 / 2) / 2)
    assert scores == pytest.approx(expected)
