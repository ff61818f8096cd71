"""Shelves whose right weights are known: the answer is what the weights would read."""

import pytest
import torch

from attnkit.attend import aggregate, dot, hard
from attnkit.data.retrieval import LOUDEST, QUESTIONS, TASKS, Shelf, Shelves


def drawn(n: int = 200, seed: int = 3, **settings) -> tuple[Shelves, Shelf]:
    shelves = Shelves(**settings)
    return shelves, shelves.draw(n, torch.Generator().manual_seed(seed))


def test_the_answer_is_read_by_the_true_weights() -> None:
    _, shelf = drawn(copies=(1, 5))
    weights = shelf.wanted[:, None].float()  # (B, 1, M)
    total = aggregate(weights, shelf.value)
    torch.testing.assert_close(shelf.answer("sum"), total)
    share = weights / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(shelf.answer("mean"), aggregate(share, shelf.value))
    torch.testing.assert_close(shelf.answer("each").sum(-2, keepdim=True), total)
    for b in range(20):
        largest = shelf.value[b, shelf.wanted[b]].amax(0)
        assert torch.equal(shelf.answer("max")[b, 0], largest)
    assert shelf.found(weights).all() and not shelf.found(1 - weights).any()


def test_copies_are_as_many_as_asked_for_and_lie_anywhere() -> None:
    _, shelf = drawn(4000, copies=(2, 4))
    counts = shelf.wanted.sum(-1).bincount(minlength=9)
    assert counts[[2, 3, 4]].sum() == 4000 and counts.min() == 0
    assert counts[2:5].min() > 1200
    share = shelf.wanted.float().mean(0)
    assert (share - 3 / 8).abs().max() < 0.04


def test_wanted_keys_carry_the_word_of_the_query_and_no_other_key_does() -> None:
    shelves, shelf = drawn(task="same", copies=(1, 4), noise=0.0)
    alike = (shelf.key - shelf.query).abs().amax(-1) < 1e-6
    assert torch.equal(alike, shelf.wanted)
    assert shelves.vectors.norm(dim=-1).sub(8**0.5).abs().max() < 1e-5


def test_the_rotation_leads_from_one_language_to_the_other() -> None:
    shelves, shelf = drawn(task="turned", noise=0.0)
    key = shelf.key[shelf.wanted]  # (B, d), one copy
    torch.testing.assert_close(shelf.query[:, 0], key @ shelves.rotation.mT)
    eye = shelves.rotation @ shelves.rotation.mT
    torch.testing.assert_close(eye, torch.eye(8), atol=1e-5, rtol=0)


def test_rotations_are_rotations_and_prefer_no_direction() -> None:
    turns = torch.stack([Shelves(seed=s).rotation for s in range(300)])
    assert (torch.linalg.det(turns) - 1).abs().max() < 1e-4
    along = turns.diagonal(dim1=-2, dim2=-1).mean(0)  # of 300; std 1 / sqrt(8 · 300)
    assert along.abs().max() < 5 / 2400**0.5


def test_loud_keys_keep_their_direction_and_mislead_the_dot_product() -> None:
    _, plain = drawn(task="same", noise=0.0)
    _, shelf = drawn(task="loud", noise=0.0)
    size = shelf.key.norm(dim=-1).log()
    assert size.max() - size.min() > 1.8 * LOUDEST
    cosine = torch.cosine_similarity(shelf.query, shelf.key, dim=-1)
    assert (cosine.argmax(-1) == shelf.wanted.int().argmax(-1)).all()
    assert plain.found(hard(dot(plain.query, plain.key))).all()
    assert shelf.found(hard(dot(shelf.query, shelf.key))).float().mean() < 0.9


def test_a_place_says_nothing_about_the_word() -> None:
    _, shelf = drawn(task="place", noise=0.0)
    assert torch.equal(shelf.query[:, 0] > 0, shelf.wanted)


@pytest.mark.parametrize("task", TASKS)
def test_one_seed_one_set_and_entries_of_unit_size(task: str) -> None:
    one, other = (drawn(task=task)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one.key, drawn(task=task, seed=4)[1].key)
    assert not torch.equal(one.key, drawn(task=task)[0].draw(200).key)
    if task != "loud":
        for part in one[:2]:
            assert part.square().mean() == pytest.approx(1.04, abs=0.1)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"task": "louder"}, "task"),
        ({"copies": (0, 2)}, "copies"),
        ({"copies": (3, 2)}, "copies"),
        ({"copies": (1, 9)}, "copies"),
        ({"words": 8}, "words"),
        ({"keys": 0}, "keys"),
        ({"width": -1}, "width"),
        ({"noise": -0.1}, "noise"),
        ({"noise": float("nan")}, "noise"),
        ({"task": "place", "width": 4}, "width"),
        ({"task": "place", "copies": (1, 2)}, "copies"),
    ],
)
def test_what_does_not_fit_is_told(settings: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Shelves(**settings)


def test_an_unknown_question_is_told() -> None:
    with pytest.raises(ValueError, match="question"):
        drawn(2)[1].answer("median")
    assert len(QUESTIONS) == 4


def test_weights_of_another_shelf_and_empty_batches_are_told() -> None:
    with pytest.raises(ValueError, match="weights"):
        drawn(2)[1].found(torch.ones(2, 1, 7))
    with pytest.raises(ValueError, match="n:"):
        drawn(0)


@pytest.mark.parametrize("seed", [1, 100, 503])
def test_words_are_not_the_first_weights_of_a_model_with_that_seed(seed: int) -> None:
    shelves = Shelves(width=256, words=100, seed=seed)
    torch.manual_seed(seed)
    start = torch.randn(256, 256) / 16  # a learned matrix before training
    shelf = shelves.draw(1000)
    scores = shelf.query @ start @ shelf.key.mT
    assert 15 < scores.std() < 18, "√256, and a little for the noise"
    other = torch.randn(256, 256, generator=torch.Generator().manual_seed(seed))
    assert abs((other[:100] * shelves.vectors).mean()) < 0.05
    assert abs((other * shelves.rotation * 16).mean()) < 0.05
