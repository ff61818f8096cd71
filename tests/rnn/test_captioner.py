"""The caption decoder: three ways to spend the weights, one interface."""

import pytest
import torch

from attnkit.data import BOS, EOS, PAD
from attnkit.rnn.caption_attention import HardRegionAttention, RegionAttention
from attnkit.rnn.captioner import ATTENTION, CaptionDecoder, word_mask

B, M, D, K, V, T = 3, 6, 8, 5, 12, 4
each = pytest.mark.parametrize("attention", ATTENTION)


def decoder(attention="soft", **options):
    torch.manual_seed(1)
    return CaptionDecoder(V, D, attention=attention, **options).eval()


def example(seed=2):
    draw = torch.Generator().manual_seed(seed)
    memory = torch.randn(B, M, D, generator=draw)
    captions = torch.randint(4, V, (B, T), generator=draw)
    captions[:, 0] = BOS
    return memory, captions


@each
def test_the_logits_of_a_step_depend_on_no_later_word(attention):
    memory, captions = example()
    model = decoder(attention)
    changed = captions.clone()
    changed[:, 2] = (captions[:, 2] - 3) % 8 + 4
    one, two = model(memory, captions), model(memory, changed)
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert not torch.allclose(one[:, 2], two[:, 2])


@each
def test_weights_sum_to_one_over_the_places_that_the_mask_allows(attention):
    memory, captions = example()
    mask = torch.arange(M) < torch.tensor([[2], [6], [1]])
    _, weights = decoder(attention)(memory, captions, mask=mask, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, T))
    assert (weights[~mask[:, None].expand_as(weights)] == 0).all()


@each
def test_a_row_without_a_place_is_written_from_zeros(attention):
    memory, captions = example()
    mask = torch.tensor([[False], [True], [True]]).expand(B, M)
    model = decoder(attention)
    logits, weights = model(memory, captions, mask=mask, need_weights=True)
    assert (weights[0] == 0).all()
    nothing, _ = model(torch.zeros_like(memory), captions, need_weights=True)
    torch.testing.assert_close(logits[0], nothing[0])


def test_mean_looks_at_all_places_alike_and_hard_at_one():
    memory, captions = example()
    _, even = decoder("mean")(memory, captions, need_weights=True)
    torch.testing.assert_close(even, torch.full((B, T, M), 1 / M))
    _, one = decoder("hard")(memory, captions, need_weights=True)
    assert ((one == 0) | (one == 1)).all()
    assert (one.sum(-1) == 1).all()


@each
def test_the_order_of_the_places_does_not_matter(attention):
    memory, captions = example()
    order = torch.randperm(M, generator=torch.Generator().manual_seed(3))
    model = decoder(attention)
    logits, weights = model(memory, captions, need_weights=True)
    moved, moved_weights = model(memory[:, order], captions, need_weights=True)
    torch.testing.assert_close(moved, logits)
    torch.testing.assert_close(moved_weights, weights[..., order])


def test_keys_decide_where_and_values_decide_what():
    memory, captions = example()
    model = decoder(key_dim=K)
    keys = torch.randn(B, M, K, generator=torch.Generator().manual_seed(4))
    captions = captions[:, :1]  # later states have read the values
    start = model.start(memory)
    look = model.look(start, memory, keys, None)
    other = model.look(start, 2 * memory, keys, None)
    torch.testing.assert_close(other.weights, look.weights)
    torch.testing.assert_close(other.context, 2 * look.context)
    moved = model.look(start, memory, keys.flip(1), None)
    torch.testing.assert_close(moved.weights, look.weights.flip(1))


def test_hard_attention_draws_by_its_chances_in_training_only():
    memory, captions = example()
    model = decoder("hard").train()
    torch.manual_seed(5)
    many = [model.write(memory, captions[:, :1]) for _ in range(3000)]
    drawn = torch.stack([out.weights for out in many]).mean(0)
    assert (drawn - many[0].chances).abs().max() < 0.04
    chosen = many[0].weights.argmax(-1, keepdim=True)
    log = many[0].chances.gather(-1, chosen)[..., 0].log()
    torch.testing.assert_close(many[0].log_prob, log)
    model.eval()
    best = model.write(memory, captions).weights
    assert (best.argmax(-1) == model.write(memory, captions).chances.argmax(-1)).all()


@each
def test_generate_is_forward_with_its_own_words(attention):
    memory, _ = example()
    model = decoder(attention)
    ids, weights = model.generate(memory, max_len=7, need_weights=True)
    fed = torch.cat([torch.full((B, 1), BOS), ids[:, :-1]], 1)
    logits, again = model(memory, fed, need_weights=True)
    logits[..., [PAD, BOS]] = -torch.inf
    real = word_mask(ids)
    assert (logits.argmax(-1)[real] == ids[real]).all()
    torch.testing.assert_close(weights[real], again[real])
    assert (weights[~real] == 0).all()


def test_generate_ends_with_the_end_symbol_and_pads():
    memory, _ = example()
    model = decoder()
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.zero_()
        model.output.bias[EOS] = 1
    assert model.generate(memory, max_len=7).tolist() == [[EOS]] * B


def test_gradients_reach_the_scores_only_where_weights_are_soft():
    memory, captions = example()
    for attention, reached in (("soft", True), ("hard", False)):
        model = decoder(attention).train()
        model(memory, captions).sum().backward()
        assert (model.score.v.grad is not None) == reached


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": torch.zeros(B, 0, dtype=torch.int64)}, "captions: .*none"),
        ({"captions": torch.full((B, T), V)}, f"captions: .*{V - 1}.*{V}"),
        ({"captions": torch.ones(B + 1, T, dtype=torch.int64)}, "captions: .*shape"),
        ({"memory": torch.zeros(B, M, D + 1)}, f"memory: .*{D}.*memory_dim"),
        ({"memory": torch.zeros(M, D)}, "memory: .*3 dimensions"),
        ({"keys": torch.zeros(B, M - 1, D)}, "keys: .*as in memory"),
        ({"mask": torch.ones(B, M)}, "mask: .*bool"),
        ({"mask": torch.ones(B, M + 1, dtype=torch.bool)}, "mask: .*broadcast"),
    ],
)
def test_bad_input_is_named(change, message):
    memory, captions = example()
    given = {"memory": memory, "captions": captions} | change
    with pytest.raises(ValueError, match=message):
        decoder()(**given)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"attention: .*soft, hard, mean.*'sharp'"):
        CaptionDecoder(V, D, attention="sharp")
    with pytest.raises(ValueError, match="max_len: "):
        decoder().generate(example()[0], max_len=0)


@pytest.mark.parametrize("masked", (False, True))
@pytest.mark.parametrize("attention", ("soft", "hard"))
def test_a_look_is_attention_over_regions_with_the_same_score(attention, masked):
    memory, _ = example()
    mask = torch.arange(M) < torch.tensor([[2], [6], [1]]) if masked else None
    model = decoder(attention)
    alone = {"soft": RegionAttention, "hard": HardRegionAttention}[attention](96, D)
    alone.score = model.score
    state = model.start(memory, mask)
    look = model.look(state, memory, memory, mask)
    found = alone.eval()(state[:, None], memory, mask=mask, need_weights=True)
    torch.testing.assert_close(found[0][:, 0], look.context)
    torch.testing.assert_close(found[-1][:, 0], look.weights)


def test_a_hard_look_in_training_is_drawn_and_tells_its_chance():
    torch.manual_seed(1)
    alone = HardRegionAttention(7, D).train()
    query, memory = torch.randn(1, 1, 7), torch.randn(1, M, D)
    chances = alone.score(query, memory).softmax(-1)[0, 0]
    draw = torch.Generator().manual_seed(3)
    counts = torch.zeros(M)
    for _ in range(2000):
        context, log_prob, weights = alone(
            query, memory, generator=draw, need_weights=True
        )
        (j,) = weights[0, 0].nonzero()[:, 0]
        counts[j] += 1
        torch.testing.assert_close(context[0, 0], memory[0, j])
        torch.testing.assert_close(log_prob[0, 0], chances[j].log())
    assert (counts / 2000 - chances).abs().max() < 0.04


def test_regions_that_do_not_fit_are_named():
    alone = RegionAttention(7, D)
    query, memory = torch.randn(2, 3, 7), torch.randn(2, M, D)
    with pytest.raises(ValueError, match="mask"):
        alone(query, memory, mask=torch.ones(2, M + 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="value"):
        alone(query, memory[0])
