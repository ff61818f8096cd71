"""Scenes: what is painted is what the caption and the truth say."""

import pytest
import torch

from attnkit.data import EOS, PAD
from attnkit.data.scenes import (
    CELL,
    COLOURS,
    FUNCTION,
    LATTICE,
    PAPER,
    SHAPES,
    SIZE,
    Thing,
    describe,
    draw_scene,
    scene_vocabulary,
    scenes,
    stamps,
)


def test_captions_are_those_of_the_things():
    data = scenes(400, 3, split="all")
    for i in range(len(data)):
        assert data.words(i) == describe(data.things(i)[::-1])


def test_the_colour_of_a_thing_is_painted_in_its_cell_and_paper_elsewhere():
    data = scenes(200, 4, split="all", noise=0)
    cells = data.images.unfold(2, CELL, CELL).unfold(3, CELL, CELL)  # (n, 3, 4, 4, …)
    empty = round(255 * PAPER)
    for i in range(len(data)):
        things = data.things(i)
        for y in range(LATTICE):
            for x in range(LATTICE):
                here = [thing for thing in things if thing[2:] == (y, x)]
                if here:
                    paint = torch.tensor(COLOURS[here[0].colour])[:, None]
                    off = (cells[i, :, y, x].flatten(1) / 255 - paint).abs()
                    assert off.amax(0).min() < 0.01
                else:
                    assert (cells[i, :, y, x] == empty).all()


def test_truth_is_the_cell_of_the_thing_that_a_word_speaks_of():
    data = scenes(300, 5)
    truth = data.truth(LATTICE, LATTICE)
    symbols = scene_vocabulary().symbols
    for i in range(len(data)):
        things, meant = data.things(i), iter([0, 0, 1, 1])
        for t, word in enumerate(data.targets[i].tolist()):
            places = truth[i, t].nonzero().flatten().tolist()
            if symbols[word] in COLOURS or symbols[word] in SHAPES:
                thing = things[next(meant)]
                assert places == [thing.row * LATTICE + thing.column]
            else:
                assert places == []


@pytest.mark.parametrize(("rows", "columns", "most"), [(2, 3, 2), (8, 8, 4), (1, 1, 1)])
def test_a_coarser_or_finer_lattice_is_touched_by_the_cell(rows, columns, most):
    data = scenes(300, 6)
    truth = data.truth(rows, columns)
    counts = truth.sum(-1)[data.speaks >= 0]
    assert counts.min() >= 1 and counts.max() == most
    assert not truth[data.speaks < 0].any()


def test_each_seed_gives_its_own_scenes_and_the_same_ones_again():
    one, again, other = scenes(50, 7), scenes(50, 7), scenes(50, 8)
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.targets, other.targets)


def test_no_arrangement_of_the_test_side_is_met_in_training():
    def arrangements(split):
        data = scenes(5000, 9, split=split, noise=0)
        parts = (data.colour, data.shape, data.row, data.column)
        return set(map(tuple, torch.cat(parts, 1).tolist()))

    assert not arrangements("train") & arrangements("test")


def test_two_things_differ_and_the_left_or_upper_one_comes_first():
    data = scenes(2000, 10, split="all", noise=0)
    alike = (data.colour[:, 0] == data.colour[:, 1]) & (
        data.shape[:, 0] == data.shape[:, 1]
    )
    assert not alike.any()
    place = data.column * LATTICE + data.row
    assert (place[:, 0] < place[:, 1]).all()
    counts = data.colour.flatten().bincount() / (2 * len(data))
    assert (counts - 1 / len(COLOURS)).abs().max() < 0.03


def test_captions_are_the_targets_one_step_late():
    data = scenes(100, 11)
    moved = data.targets[:, :-1]
    assert torch.equal(data.captions[:, 1:], moved.where(moved != EOS, PAD))
    lengths = (data.targets != PAD).sum(1)
    assert set(lengths.tolist()) == {8, 9}


def test_shapes_are_told_apart_by_their_pixels_wherever_they_stand():
    cover = stamps()[:, 1, 1].flatten(1)
    apart = torch.cdist(cover, cover) + 99 * torch.eye(len(SHAPES))
    assert apart.min() > 2
    shifted = stamps()[:, 2, 2, 1:, 1:]
    torch.testing.assert_close(shifted, stamps()[:, 1, 1, :-1, :-1])


def test_a_scene_of_ones_own_holds_any_number_of_things():
    assert (draw_scene([]) == PAPER).all()
    things = [Thing("red", "circle", 0, k) for k in range(4)]
    image = draw_scene(things)
    assert image.shape == (3, SIZE, SIZE)
    assert (image[:, CELL:] == PAPER).all()
    assert not (image[:, :CELL] == PAPER).all()


def test_batches_hold_every_scene_once():
    data = scenes(64, 12)
    seen = torch.cat([batch.targets for batch in data.batches(16, seed=1)])
    assert sorted(seen.tolist()) == sorted(data.targets.tolist())
    image = next(data.batches(16, seed=1)).images
    assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scenes(-1), "n: .*-1"),
        (lambda: scenes(2, split="dev"), "split: .*dev"),
        (lambda: scenes(2, noise=-0.1), "noise: .*-0.1"),
        (lambda: next(scenes(2).batches(3, seed=1)), "size: .*at most 2.*3"),
        (lambda: scenes(2).truth(5, 4), "divisors of 48, got 5"),
        (lambda: describe([]), "things: .*two, got 0"),
        (lambda: draw_scene([Thing("pink", "circle", 0, 0)]), "things: .*pink"),
        (lambda: draw_scene([Thing("red", "circle", 0, 4)]), "things: .*4"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_seed_that_is_no_whole_number_is_named():
    for seed in (None, 1.5, "1"):
        with pytest.raises(TypeError, match="seed: expected type int, got "):
            scenes(2, seed)


def test_no_scene_is_a_set_without_scenes():
    assert scenes(0).images.shape == (0, 3, SIZE, SIZE)


def test_every_word_of_a_caption_is_in_the_vocabulary():
    words = {word for i in range(99) for word in scenes(99).words(i)}
    assert words <= {*FUNCTION, *COLOURS, *SHAPES}
