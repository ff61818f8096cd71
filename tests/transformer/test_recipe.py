"""The recipe learns what it should; a translator of either kind is measured alike."""

import pytest

from attnkit.data import mixed
from attnkit.rnn import Seq2Seq
from attnkit.transformer import RECIPE, Recipe, Transformer, train_transformer
from attnkit.translation import Task, evaluate, training_pairs, translate


def test_both_kinds_get_the_same_task_and_as_many_parameters():
    shared = {name: getattr(RECIPE, name) for name in Task.__dataclass_fields__}
    assert {k: v for k, v in shared.items() if k != "lr"} == {
        k: v for k, v in vars(Task()).items() if k != "lr"
    }
    sizes = (63, 73)
    mine = Transformer(*sizes, embed_dim=32, ff_dim=96, position="shaw")
    counts = [sum(p.numel() for p in m.parameters()) for m in (mine, Seq2Seq(*sizes))]
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_it_learns_to_translate_and_to_point():
    recipe = Recipe(lengths=(1, 6), pairs=4000, steps=300)
    pairs, test = training_pairs(1, recipe), mixed(100, 9, lengths=(4, 6), split="test")
    model, history = train_transformer(pairs=pairs, recipe=recipe, progress=False)
    assert history.losses[-1] < history.losses[0] / 2 and not model.training
    scores = evaluate(model, test)
    assert scores.token_accuracy > 0.75
    assert scores.pointing > 0.6 > 2 * scores.chance
    shown = translate(model, "机器学习", pairs)
    assert shown.weights.shape[1] == 4 and shown.symbols


def test_an_option_takes_the_place_of_the_recipes():
    recipe = Recipe(lengths=(1, 3), pairs=20, steps=1, size=4)
    model, _ = train_transformer(recipe=recipe, progress=False, position="none")
    assert model.target_embedding.position is None
    assert model.layers[0].attention.position is None
