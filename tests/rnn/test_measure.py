"""The measures measure what they say; the recipe learns what it should."""

import pytest
import torch

from attnkit.data import EOS, PairSet, english, mixed
from attnkit.rnn import (
    Recipe,
    Seq2Seq,
    evaluate,
    pointing,
    token_accuracy,
    train_translator,
    training_pairs,
    translate,
)


def test_token_accuracy_counts_positions():
    target = torch.tensor([[5, 6, EOS, 0], [5, 6, 7, EOS]])
    mask = target != 0
    exact = token_accuracy(target, target, mask)
    assert exact.tolist() == [1, 1]
    tokens = torch.tensor([[5, EOS, 9], [5, 6, 7]])  # one left out; cut short
    assert token_accuracy(tokens, target, mask).tolist() == pytest.approx([1 / 3, 0.75])
    longer = torch.cat([target, target], 1)
    assert token_accuracy(longer, target, mask).tolist() == [1, 1]


def test_pointing_scores_only_symbols_with_a_source():
    alignment = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]]).bool()
    weights = torch.tensor(
        [[[0.1, 0.6, 0.3, 0.0], [1.0, 0.0, 0.0, 0.0], [0.5, 0.1, 0.1, 0.3]]]
    )
    hit, mass, chance = pointing(weights, alignment)
    assert (hit, chance) == (0.5, pytest.approx(0.375))
    assert mass == pytest.approx((0.7 + 0.3) / 2)
    assert pointing(alignment.float(), alignment)[0] == 1


@pytest.mark.parametrize("attention", ["additive", None])
def test_evaluation_does_not_depend_on_how_many_go_together(attention):
    torch.manual_seed(1)
    pairs = mixed(30, 1, lengths=(1, 12))
    sizes = {"embed_dim": 8, "hidden_dim": 8, "attention": attention}
    model = Seq2Seq(*map(len, pairs.vocabularies), **sizes)
    together = evaluate(model, pairs, size=200)
    for size in (1, 7):
        found = tuple(evaluate(model, pairs, size=size))
        assert found == pytest.approx(tuple(together), abs=1e-6, nan_ok=True)
    one = [evaluate(model, pairs[i]) for i in range(30)]
    assert together.token_accuracy == pytest.approx(
        sum(s.token_accuracy for s in one) / 30
    )
    assert model.training


def test_evaluation_weighs_every_known_symbol_alike():
    pairs = mixed(40, 2, lengths=(1, 12))
    model = Seq2Seq(*map(len, pairs.vocabularies), embed_dim=8, hidden_dim=8).eval()
    batch = pairs.tensors()
    weights = model(batch.source, batch.target_in, need_weights=True)[1].double()
    mass, chance = [], []
    for b, rows in enumerate(pairs.alignment):
        for t, places in enumerate(rows):
            if places:
                mass.append(sum(weights[b, t, s].item() for s in places))
                chance.append(len(places) / len(pairs.source[b]))
    found = evaluate(model, pairs, size=6)
    assert found.mass == pytest.approx(sum(mass) / len(mass), abs=1e-6)
    assert found.chance == pytest.approx(sum(chance) / len(chance), abs=1e-6)


def test_evaluation_puts_the_model_back_and_names_bad_input():
    pairs = mixed(3, 1)
    model = Seq2Seq(5, 5)  # too small for these pairs
    with pytest.raises(ValueError, match="source: expected numbers from 0 to 4"):
        evaluate(model, pairs)
    assert model.training
    with pytest.raises(ValueError, match="pairs: expected at least one pair"):
        evaluate(model, pairs[:0])
    with pytest.raises(ValueError, match="size: expected a value above 0, got 0"):
        evaluate(model, pairs, size=0)


@pytest.mark.slow
def test_training_uses_its_own_number_of_threads_and_gives_it_back():
    recipe, seen = Recipe(pairs=50, steps=1, size=8, threads=1), []
    torch.set_num_threads(2)

    class Watched(PairSet):
        def batches(self, *args, **options):
            seen.append(torch.get_num_threads())
            return super().batches(*args, **options)

    pairs = training_pairs(1, recipe)
    watched = Watched(pairs.source, pairs.target, pairs.alignment, pairs.vocabularies)
    train_translator(pairs=watched, recipe=recipe, progress=False)
    assert set(seen) == {1} and torch.get_num_threads() == 2


def test_attention_learns_the_true_alignment_and_beats_one_vector():
    recipe = Recipe(lengths=(1, 8), pairs=4000, steps=300, lr=8e-3)
    pairs, test = training_pairs(1, recipe), mixed(150, 9, lengths=(8, 8), split="test")
    scores = {}
    for attention in ("additive", None):
        model, history = train_translator(
            attention, pairs=pairs, recipe=recipe, progress=False
        )
        scores[attention] = evaluate(model, test)
        assert history.losses[-1] < history.losses[0] / 2
        if attention:
            shown = translate(model, "机器学习", pairs)
            assert english(shown.symbols) == "machine learning"
            assert shown.weights[0, :2].sum() > 0.5 < shown.weights[1, 2:].sum()
            odd = translate(model, "机器x学习", pairs)
            assert odd.unknown == [(2, "x")] and odd.weights.shape[1] == 5
    assert scores["additive"].token_accuracy > scores[None].token_accuracy + 0.15
    assert scores["additive"].pointing > 0.75 > 3 * scores["additive"].chance
