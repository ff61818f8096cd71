"""Clips whose captions, frames and truth must tell the same story."""

import pytest
import torch

from attnkit.data import BOS, EOS, PAD
from attnkit.data.clips import (
    BACKGROUND,
    COLOURS,
    KINDS,
    MOTIONS,
    SHAPES,
    VOCABULARY,
    Clips,
    MovingShapes,
    as_floats,
    tell,
)


def drawn(n: int = 300, seed: int = 3, split: str | None = None, **options) -> Clips:
    draw = torch.Generator().manual_seed(seed)
    return MovingShapes(**options).draw(n, draw, split=split, progress=False)


def test_the_same_seed_draws_the_same_clips() -> None:
    for one, other in zip(drawn(), drawn(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(drawn().frames, drawn(seed=4).frames)


def test_captions_are_events_joined_by_then() -> None:
    clips = drawn()
    for i in range(clips.count):
        words = clips.words(i)
        events = " ".join(words).split(" then ")
        assert len(events) in (2, 3)
        for colour, shape, motion in map(str.split, events):
            assert colour in COLOURS and shape in SHAPES and motion in MOTIONS
        ids = clips.captions[i]
        assert ids[0] == BOS and ids[1 + len(words)] == EOS
        assert (ids[2 + len(words) :] == PAD).all()


def test_the_truth_names_the_frames_that_show_the_word() -> None:
    clips = drawn()
    for kind, (name, words) in enumerate(
        zip(KINDS, (COLOURS, SHAPES, MOTIONS), strict=True)
    ):
        b, place = clips.kinds()[name].nonzero().T
        word = clips.captions[b, place + 1]
        number = word - VOCABULARY.index[next(iter(words))] + 1
        shows = clips.labels[b, :, kind] == number[:, None]
        truth = clips.truth[b, place]
        assert truth.any(-1).all()
        assert (shows | ~truth).all()  # every true frame carries the label
    silent = clips.kinds()["function"]
    assert not clips.truth[silent].any()
    assert silent.sum(1).tolist() == [len(clips.words(i)) // 4 + 1 for i in range(300)]


def test_events_come_in_the_order_of_the_caption_with_gaps_between() -> None:
    clips = drawn()
    colour = clips.truth[:, ::4].float().argmax(-1)  # first frame of each event
    there = clips.truth[:, ::4].any(-1)
    later = colour.diff(dim=1)[there[:, 1:]]
    assert (later >= 3).all()  # one still, one moving, one empty at least
    empty = (clips.labels == 0).all(-1)
    ends = (~empty[:, :-1]) & empty[:, 1:]
    assert (ends.sum(1) >= there.sum(1) - 1).all()


def test_pixels_show_what_the_labels_say() -> None:
    clips = drawn(noise=0.0)
    frames = as_floats(clips.frames)
    away = (frames - BACKGROUND).abs().amax(2)  # (B, T, Y, X)
    shown = clips.labels.any(-1)
    assert torch.equal((away > 0.02).flatten(2).any(-1), shown)
    still = clips.labels[..., 0] > 0
    strongest = frames.permute(0, 1, 3, 4, 2)[still].flatten(1, 2)
    spot = away[still].flatten(1).argmax(-1)
    paint = torch.tensor(list(COLOURS.values()))[clips.labels[..., 0][still] - 1]
    found = strongest[torch.arange(len(spot)), spot]
    assert (found - paint).abs().max() < 0.003
    smear = frames[clips.labels[..., 2] > 0]
    assert (smear.amax(1) - smear.amin(1)).max() < 0.003  # it is grey
    area = torch.tensor([rows.count("#") for rows in SHAPES.values()])
    wanted = area[clips.labels[..., 1][still] - 1]
    assert torch.equal((away[still] > 0.02).flatten(1).sum(1), wanted)


def test_things_move_three_pixels_a_frame_in_the_told_direction() -> None:
    clips = drawn(noise=0.0)
    dark = round(255 * BACKGROUND) / 255
    light = (as_floats(clips.frames) - dark).abs().mean(2)
    grid = torch.stack(torch.meshgrid(*[torch.arange(16.0)] * 2, indexing="ij"), -1)
    mass = light[..., None] * grid
    centre = mass.sum((2, 3)) / light.sum((2, 3)).clamp(min=1e-9)[..., None]
    b, t = (clips.labels[..., 2] > 0).nonzero().T
    way = torch.tensor(list(MOTIONS.values()))[clips.labels[b, t, 2] - 1]
    gone = centre[b, t] - centre[b, t - 1]
    assert (gone - 3 * way).abs().max() < 0.05


def test_no_caption_is_on_both_sides_of_the_split() -> None:
    train, test = drawn(2000, split="train"), drawn(300, seed=9, split="test")
    known = {tell(row) for row in train.captions}
    assert not known & {tell(row) for row in test.captions}
    assert train.count == 2000 and test.count == 300


def test_all_colours_are_as_frequent_on_both_sides() -> None:
    for split in ("train", "test"):
        clips = drawn(2000, split=split)
        counts = clips.captions.flatten().bincount(minlength=len(VOCABULARY))
        share = counts[4:8] / counts[4:8].sum()
        assert (share - 0.25).abs().max() < 0.03


def test_longer_clips_with_more_events() -> None:
    clips = drawn(50, frames=32, events=(6, 6))
    assert clips.frames.shape == (50, 32, 3, 16, 16)
    assert all(len(clips.words(i)) == 23 for i in range(50))
    single = drawn(20, frames=2, events=(1, 1), still=(1, 1), moving=(1, 1))
    assert single.truth.shape == (20, 4, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frames": 13}, "frames: expected at least 14 .* got 13"),
        ({"frames": 0}, "frames: expected a value above 0, got 0"),
        ({"events": (3, 2)}, r"events: expected 1 <= .* got \(3, 2\)"),
        ({"still": (0, 1)}, r"still: expected 1 <= .* got \(0, 1\)"),
        ({"moving": (1, 4)}, r"moving: expected at most 3, got \(1, 4\)"),
        ({"noise": -1.0}, "noise: expected 0 to 1, got -1.0"),
        ({"noise": float("nan")}, "noise: expected 0 to 1, got nan"),
        ({"noise": 2}, "noise: expected 0 to 1, got 2"),
    ],
)
def test_settings_that_do_not_fit_are_named(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MovingShapes(**options)


def test_wrong_numbers_and_splits_are_named() -> None:
    with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
        MovingShapes().draw(0)
    with pytest.raises(ValueError, match=r"split: expected one of .* 'dev'"):
        MovingShapes().draw(3, split="dev")


def test_floats_that_are_bytes_are_refused():
    frames = torch.tensor([0, 128, 255], dtype=torch.uint8)
    assert torch.equal(as_floats(frames), frames.float() / 255)
    assert torch.equal(as_floats(frames / 255), frames / 255)
    with pytest.raises(ValueError, match=r"frames: expected .* floats up to 255"):
        as_floats(frames.float())
