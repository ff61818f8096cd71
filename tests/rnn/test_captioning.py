"""Regions of an image, the losses of a captioner, and what its report says."""

import pytest
import torch
import torch.nn.functional as F

from attnkit.data.scenes import SceneBatch, scenes
from attnkit.rnn.captioner import CaptionDecoder, word_mask
from attnkit.rnn.captioning import (
    Reinforce,
    caption_loss,
    doubly_stochastic,
    entropy,
    read_regions,
    report,
    train_hard,
    train_image_captioner,
)
from attnkit.rnn.regions import Captioner, RegionEncoder


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (4, 4), (8, 8)])
def test_a_region_sees_its_own_pixels_and_a_rim_of_three(rows, columns):
    torch.manual_seed(1)
    encoder = RegionEncoder(rows, columns)
    image = torch.rand(1, 3, 48, 48, requires_grad=True)
    for region in range(rows * columns):
        probe = encoder(image)[0, region] @ torch.arange(48.0)
        (grad,) = torch.autograd.grad(probe, image)
        ys, xs = grad.abs().sum((0, 1)).nonzero().unbind(1)
        high, wide = 48 // rows, 48 // columns
        y, x = region // columns * high, region % columns * wide
        assert ys.min() >= max(0, y - 3) and ys.max() < y + high + 3
        assert xs.min() >= max(0, x - 3) and xs.max() < x + wide + 3


@pytest.mark.parametrize("size", [(3, 40, 40), (1, 48, 48), (3, 48, 50)])
def test_an_image_of_another_size_is_an_error_that_says_so(size):
    with pytest.raises(
        ValueError, match=r"images: expected shape \(batch, 3, 48, 48\)"
    ):
        RegionEncoder()(torch.zeros(1, *size))


def test_a_lattice_that_does_not_divide_the_image_is_an_error():
    with pytest.raises(ValueError, match="rows: expected a divisor of 24, got 5"):
        RegionEncoder(5, 4)


def test_doubly_stochastic_is_the_sum_over_places_by_hand():
    weights = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.3, 0.7]]])
    real = torch.tensor([[True, True, False]])
    wanted = (1 - 1.5) ** 2 + (1 - 0.5) ** 2
    assert doubly_stochastic(weights, real).item() == pytest.approx(wanted)
    once = torch.eye(4)[None]
    assert doubly_stochastic(once, torch.ones(1, 4, dtype=torch.bool)) == 0


def test_entropy_is_zero_for_one_place_and_largest_for_all_alike():
    assert entropy(torch.eye(3)).tolist() == [0, 0, 0]
    torch.testing.assert_close(entropy(torch.full((5,), 0.2)), torch.tensor(5.0).log())


def test_coverage_adds_the_penalty_to_the_loss_of_the_words():
    torch.manual_seed(2)
    data = scenes(8, 1)
    (batch,) = data.batches(8, seed=1)
    model = Captioner(17)
    out, real = model.write(batch.images, batch.captions), word_mask(batch.targets)
    words = F.cross_entropy(out.logits[real], batch.targets[real])
    both = caption_loss(model, batch, coverage=0.5)
    penalty = doubly_stochastic(out.weights, real)
    torch.testing.assert_close(caption_loss(model, batch), words)
    torch.testing.assert_close(both, words + 0.5 * penalty)


def decoder_batch():
    torch.manual_seed(3)
    model = CaptionDecoder(7, 5, hidden_dim=6, attention="hard").double()
    memory = torch.randn(1, 3, 5, dtype=torch.float64)
    caption, target = torch.tensor([[1, 4]]), torch.tensor([[4, 5]])
    return model, SceneBatch(memory, caption, target)


def expected_gradient(model, batch):
    """Of the mean reward over all nine pairs of glimpses, by a sum over them."""
    total = 0.0
    for first in range(3):
        for second in range(3):
            state = model.start(batch.images)
            prob, reward = 1.0, 0.0
            for t, place in enumerate((first, second)):
                glimpse = F.one_hot(torch.tensor([place]), 3).double()
                logits, state, look = model.step(
                    batch.captions[:, t], state, batch.images, weights=glimpse
                )
                prob = prob * look.chances[0, place]
                reward = reward + logits.log_softmax(-1)[0, batch.targets[0, t]]
            total = total + prob * reward
    return torch.autograd.grad(total / 2, model.score.v)[0]


def test_reinforce_is_right_on_average_and_the_baseline_takes_the_spread():
    model, batch = decoder_batch()
    wanted = -expected_gradient(model, batch)
    spreads = []
    for momentum in (None, 0.9):
        loss = Reinforce(10**9, factor=1.0, entropy=0.0, momentum=momentum or 0.0)
        found = []
        for _ in range(3000):
            if momentum is None:
                loss.baseline = torch.zeros(2, dtype=torch.float64)
            value = loss(model, batch)
            found.append(torch.autograd.grad(value, model.score.v)[0])
        found = torch.stack(found[100:])
        error = found.std(0) / len(found) ** 0.5
        assert ((found.mean(0) - wanted).abs() < 5 * error + 2e-3).all()
        spreads.append(found.std(0).mean())
    assert spreads[1] < 0.5 * spreads[0]


def test_the_baseline_is_a_moving_mean_of_the_reward():
    model, batch = decoder_batch()
    loss = Reinforce(100, momentum=0.5)
    loss(model, batch)
    first = loss.baseline.clone()
    assert (first < 0).all() and first[0] < first[1]
    loss(model, batch)
    assert not torch.equal(loss.baseline, first)


def test_a_short_training_tells_colours_and_hard_attention_begins_from_it():
    data = scenes(512, 1)
    model, history = train_image_captioner(data, seed=1, steps=40, progress=False)
    assert sum(history.losses[-5:]) / 5 < 0.7 * history.losses[0]
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    read = read_regions(model.encoder, data)
    hard, _ = train_hard(model.encoder, read, seed=1, steps=3, progress=False)
    assert hard.encoder is model.encoder
    assert all(torch.equal(v, before[k]) for k, v in model.encoder.state_dict().items())


def test_a_report_points_where_the_weights_are_largest():
    data = scenes(40, 2)
    torch.manual_seed(4)
    found = report(Captioner(17).eval(), data)
    truth = data.truth(4, 4)
    for i in range(40):
        for t in range(9):
            place = found.weights[i, t].argmax()
            assert found.points[i, t] == truth[i, t, place]
    assert found.exact.tolist() == found.right.all(1).tolist()
