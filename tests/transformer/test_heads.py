"""Heads: measured, silenced, and trained until one of them copies."""

import dataclasses

import pytest
import torch

from attnkit.data.repeats import encode, repeats
from attnkit.transformer import Encoder, LanguageModel, Transformer
from attnkit.transformer.heads import ablated, each_ablated, head_scores
from attnkit.transformer.heads_recipe import (
    COPIER,
    copying,
    head_lengths,
    held_out_texts,
    lean_back,
    train_copier,
)
from attnkit.transformer.multihead import MultiHeadAttention
from attnkit.transformer.positions import Rotary


def small(**options):
    torch.manual_seed(0)
    return LanguageModel(26, embed_dim=16, num_heads=4, **options).eval()


def test_scores_find_heads_that_were_put_there():
    ids = encode("abcabdabc")
    n = ids.shape[1]
    previous, behind, same = torch.zeros(3, n, n)
    previous[0, 0] = behind[:, 0] = same[:, 0] = 1
    for i in range(1, n):
        previous[i, i - 1] = 1
    for i, copies in {3: [0], 4: [1], 6: [0, 3], 7: [1, 4], 8: [2]}.items():
        behind[i], same[i] = 0, 0
        for j in copies:
            behind[i, j + 1] = same[i, j] = 1 / len(copies)
    even = torch.ones(n, n).tril()
    maps = [torch.stack([previous, behind, same, even / even.sum(-1, keepdim=True)])]
    scores = head_scores([maps[0][None]], ids)
    torch.testing.assert_close(scores.previous[0, 0], torch.tensor(1.0))
    torch.testing.assert_close(scores.induction[0, 1], torch.tensor(1.0))
    torch.testing.assert_close(scores.same[0, 2], torch.tensor(1.0))
    for kind, chance in scores.chance.items():
        assert getattr(scores, kind)[0, 3].item() == pytest.approx(chance)
    assert scores.roles() == [["previous", "induction", "same", ""]]
    assert scores.best("same") == (0, 2)


def test_scores_refuse_weights_of_other_texts():
    ids = encode("abc")
    with pytest.raises(ValueError, match="maps: expected weights"):
        head_scores([torch.ones(1, 2, 4, 4)], ids)
    with pytest.raises(ValueError, match="same number of heads"):
        head_scores([torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3)], ids)


def test_a_kind_without_a_place_takes_no_head_from_the_others():
    ids = encode("abcdef")  # nothing comes twice
    back = torch.eye(6).roll(1, 0)[None, None]
    scores = head_scores([back], ids)
    assert scores.induction.isnan().all()
    assert scores.roles() == [["previous"]] and scores.best("previous") == (0, 0)
    with pytest.raises(ValueError, match="these texts have no place for 'induction'"):
        scores.best("induction")


def test_scores_refuse_ids_of_other_axes():
    with pytest.raises(ValueError, match=r"ids: expected shape \(B, N\), got \(3,\)"):
        head_scores([torch.ones(1, 2, 3, 3)], torch.arange(3))


@pytest.mark.parametrize("heads", [[(0, 2)], [(0, 0), (1, 3), (1, 1)], []])
@pytest.mark.parametrize("position", ["rotary", "shaw"])
def test_silenced_heads_are_zero_columns(heads, position):
    model = small(position=position)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    ids = torch.randint(26, (3, 9))
    with ablated(model, heads):
        silent = model(ids)
        mapped, maps = model(ids, need_weights=True)
    torch.testing.assert_close(mapped, silent, atol=1e-5, rtol=1e-4)
    free = model(ids)
    assert heads == [] or not torch.allclose(free, silent)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    with torch.no_grad():
        for layer, head in heads:
            proj = model.layers[layer].attention.output_proj
            proj.weight[:, 4 * head : 4 * head + 4] = 0
    torch.testing.assert_close(model(ids), silent, atol=1e-5, rtol=1e-4)
    assert all(torch.isfinite(weights).all() for weights in maps)


def test_heads_of_other_models_are_counted_in_their_order():
    encoder = Encoder(2, 16, 4).eval()
    x = torch.randn(2, 5, 16)
    with ablated(encoder, [(1, 0)]):
        silent = encoder(x)
    with torch.no_grad():
        encoder.layers[1].attention.output_proj.weight[:, :4] = 0
    torch.testing.assert_close(encoder(x), silent)
    translator = Transformer(9, 9, embed_dim=16, num_heads=4, num_layers=1).eval()
    ids = torch.arange(6)[None]
    free = translator(ids, ids)
    for layer in range(3):  # the encoder's, the decoder's, its look at the source
        with ablated(translator, [(layer, 3)]):
            assert not torch.allclose(translator(ids, ids), free)


@pytest.mark.parametrize("head", [(2, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_head_that_is_not_there_is_named(head):
    with pytest.raises(ValueError, match="heads: expected"), ablated(small(), [head]):
        pass


def test_the_lean_prefers_the_token_before():
    attention = small(position="rotary").layers[0].attention
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
    lean_back(attention, 20.0)
    _, weights = attention(torch.zeros(1, 12, 16), causal=True, need_weights=True)
    rows = weights[0, :, 1:]
    assert (rows[0].argmax(-1) == torch.arange(11)).all() and rows[0, 5, 5] > 0.4
    torch.testing.assert_close(
        rows[1, 5], torch.ones(12).div(7) * (torch.arange(12) < 7)
    )


@pytest.mark.parametrize(
    "options,words",
    [
        ({"position": None}, "rotary positions, got NoneType"),
        ({"bias": False}, "a bias, got bias=False"),
        ({"num_kv_heads": 2}, "4 heads of keys as of queries, got 2"),
    ],
)
def test_the_lean_refuses_what_it_cannot_turn(options, words):
    attention = MultiHeadAttention(16, 4, **{"position": Rotary(4), **options})
    with pytest.raises(ValueError, match=f"attention: expected .*{words}"):
        lean_back(attention, 20.0)
    with pytest.raises(ValueError, match="head: expected 0 to 3, got 4"):
        lean_back(MultiHeadAttention(16, 4, position=Rotary(4)), 20.0, 4)


def test_an_untrained_model_guesses():
    texts = repeats(64, 24)
    assert copying(small(), texts) < 0.2


def test_a_short_training_is_the_same_twice():
    recipe = dataclasses.replace(COPIER, steps=3, batches=3, size=4)
    one, two = (train_copier(2, recipe=recipe)[0] for _ in range(2))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture(scope="module")
def copier():
    return train_copier(1)[0]


def test_a_circuit_of_two_heads_forms(copier):
    texts = held_out_texts(128, seed=1)
    with torch.no_grad():
        _, maps = copier(texts.ids, need_weights=True)
    scores = head_scores(maps, texts.ids)
    back, induction = scores.best("previous"), scores.best("induction")
    assert back[0] == 0 and scores.previous[back] > 0.8
    assert induction[0] == 1 and scores.induction[induction] > 0.9
    assert copying(copier, texts) > 0.98
    block = held_out_texts(64, 1, length=28, pieces=(1, 1), sizes=(14, 14))
    assert copying(copier, block) > 0.95
    alone = each_ablated(copier, lambda model: copying(model, texts), (2, 4))
    for head in (back, induction):
        assert alone[head] < 0.25
        alone[head] = 1
    assert alone.min() > 0.95


def test_one_head_a_layer_is_left_that_writes(copier):
    for layer in copier.layers:
        lengths = head_lengths(layer.attention).sort(descending=True).values
        assert lengths[0] > 0.05 and lengths[1] < 0.02
