"""Exercises 1, 3 and 5 of the chapter `rnn/video`: what is in a clip."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------------------- 1 · what moved


def moved(frames: Tensor) -> Tensor:
    """What became brighter (positive) or darker (negative) since the frame before.

    Args:
        frames: (T, 3, Y, X), three colours. The light of a pixel is their mean.

    Returns:
        (T, Y, X); zero for the first frame, which has none before it.
    """
    light = frames.mean(1)  # (T, Y, X)
    before = torch.cat([light[:1], light[:-1]])
    return light - before


def _moved_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for t, y, x in ((3, 2, 2), (5, 4, 3), (1, 2, 2), (16, 8, 8)):
        yield (torch.rand(t, 3, y, x, generator=generator),)


def _moved_by_loop(frames):
    out = torch.zeros(len(frames), *frames.shape[2:])
    for t in range(1, len(frames)):
        out[t] = (frames[t] - frames[t - 1]).sum(0) / 3
    return out


def _moved_by_diff(frames):
    light = frames.sum(1) / 3
    return light.diff(dim=0, prepend=light[:1])


def _moved_to_next(frames):
    light = frames.mean(1)
    return torch.cat([light[1:], light[-1:]]) - light


def _moved_round(frames):
    light = frames.mean(1)
    return light - light.roll(1, 0)


def _moved_from_dark(frames):
    light = frames.mean(1)
    return light - torch.cat([torch.zeros_like(light[:1]), light[:-1]])


MOVED = Exercise(
    key="rnn.video.1",
    title="What moved",
    minutes=8,
    dots=2,
    learn="one frame does not show motion; a difference of two does",
    reference=moved,
    inputs=_moved_inputs,
    alternatives=[_moved_by_loop, _moved_by_diff],
    mistakes=[
        (
            _moved_to_next,
            "You compare with the frame *after*. A frame may know what came before it, "
            "not what comes next.",
        ),
        (
            _moved_round,
            "The first frame is compared with the last one: `roll` goes round. It has "
            "no frame before it.",
        ),
        (
            _moved_from_dark,
            "Your first frame is compared with darkness: all that is in it seems to "
            "have just appeared. Asked is zero.",
        ),
        (
            lambda frames: _moved_by_diff(frames).abs(),
            "Without the sign it cannot be told where a thing was from where it is: "
            "left and right look the same.",
        ),
        (
            lambda frames: -_moved_by_loop(frames),
            "Turned round: positive should mean that a pixel became brighter.",
        ),
        (
            lambda frames: 3 * _moved_by_diff(frames),
            "This is the sum of the three colours. The light is their mean.",
        ),
    ],
    hints=[
        "`frames.mean(1)` is the light of each pixel, (T, Y, X).",
        "Put the first frame before itself and leave out the last: that is the list of "
        "the frames before.",
    ],
)


# ------------------------------------------------------------------ 3 · how far it sees


def sight(kernel: int, holes: list[int]) -> int:
    """How many frames to each side a stack of convolutions over time can see.

    Args:
        kernel: odd number of frames that each layer reads.
        holes: for each layer the step between the frames that it reads: 1 reads
            neighbours, 2 every other frame, and so on.

    Returns:
        The frames to each side that the last layer depends on.
    """
    return sum((kernel - 1) // 2 * step for step in holes)


def _sight_inputs(generator: Generator) -> Iterator[tuple[int, list[int]]]:
    yield from (
        (3, [1, 2, 4]),
        (3, [1]),
        (5, [1, 1]),
        (7, [1, 3]),
        (1, [1, 2, 4]),
        (3, [1, 2, 4, 8, 16]),
        (5, [2, 5, 3]),
    )


def _sight_by_loop(kernel, holes):
    seen = {0}
    for step in holes:
        reach = range(-(kernel // 2), kernel // 2 + 1)
        seen = {place + step * i for place in seen for i in reach}
    return max(seen)


def _sight_by_product(kernel, holes):
    return (kernel // 2) * sum(holes)


SIGHT = Exercise(
    key="rnn.video.3",
    title="How far it sees",
    minutes=6,
    dots=2,
    learn="a CNN over time has a horizon, and holes push it out fast",
    reference=sight,
    inputs=_sight_inputs,
    alternatives=[_sight_by_loop, _sight_by_product],
    mistakes=[
        (
            lambda kernel, holes: (kernel - 1) * sum(holes),
            "This counts both sides together. Asked is one side.",
        ),
        (
            lambda kernel, holes: (kernel - 1) // 2 * len(holes),
            "You left out the holes: with a step of 4 a layer reaches four times as "
            "far.",
        ),
        (
            lambda kernel, holes: (kernel - 1) // 2 * max(holes),
            "This is the reach of the widest layer alone. A layer reads what the one "
            "below has gathered: the reaches add up.",
        ),
        (
            lambda kernel, holes: kernel * sum(holes),
            "A kernel of 3 reads one frame to each side, not three.",
        ),
        (
            lambda kernel, holes: 1 + (kernel - 1) * sum(holes),
            "This is the whole width that is seen, the frame itself included. Asked is "
            "one side.",
        ),
    ],
    hints=[
        "One layer with a kernel of 3 and a step of 1 sees one frame to each side. And "
        "with a step of 4?",
        "The second layer starts from frames that the first has already looked around: "
        "add the reaches.",
    ],
)


# --------------------------------------------------------------- 5 · scissors


def cut_frames(values: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Take out the frames that are not there, as scissors would.

    Args:
        values: (T, D).
        there: boolean (T,), True where there is a frame.

    Returns:
        The values of the frames that are there, in their order, in front and zeros
        behind, (T, D); and a boolean (T,), True for the frames in front.
    """
    order = (~there).long().argsort(stable=True)  # True first, each in its order
    kept = there[order]
    return values[order] * kept[:, None], kept


def _cut_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for t, d, share in ((5, 2, 0.5), (8, 3, 0.3), (3, 4, 1.0), (20, 2, 0.6)):
        there = torch.rand(t, generator=generator) < share
        there[0] = t == 3
        yield draw(generator, (t, d))[0], there
    yield draw(generator, (4, 2))[0], torch.zeros(4, dtype=torch.bool)


def _cut_by_list(values, there):
    kept = [row for row, here in zip(values, there, strict=True) if here]
    empty = [torch.zeros_like(values[0])] * (len(values) - len(kept))
    mask = [True] * len(kept) + [False] * len(empty)
    return torch.stack(kept + empty), torch.tensor(mask)


def _cut_by_index(values, there):
    out, count = torch.zeros_like(values), int(there.sum())
    out[:count] = values[there]
    return out, torch.arange(len(values)) < count


def _cut_in_place(values, there):
    return values * there[:, None], there


def _cut_short(values, there):
    return values[there], there[there]


def _cut_to_the_end(values, there):
    front, mask = _cut_by_index(values, there)
    by = len(values) - int(there.sum())
    return front.roll(by, 0), mask.roll(by, 0)


def _cut_backwards(values, there):
    return _cut_by_index(values.flip(0), there.flip(0))


CUT = Exercise(
    key="rnn.video.5",
    title="Scissors",
    minutes=12,
    dots=3,
    learn="a frame that is not there must not stand between its neighbours",
    reference=cut_frames,
    inputs=_cut_inputs,
    alternatives=[_cut_by_list, _cut_by_index],
    mistakes=[
        (
            _cut_in_place,
            "The frames are blanked, not taken out: a recurrent network would still "
            "step over the gaps.",
        ),
        (
            _cut_short,
            "What is left is shorter. In a batch all clips must stay as long as they "
            "were: put zeros behind.",
        ),
        (
            _cut_to_the_end,
            "The zeros stand in front. They belong behind the frames.",
        ),
        (
            _cut_backwards,
            "The frames are in reverse order. What happened first must stay first.",
        ),
        (
            lambda values, there: (_cut_by_index(values, there)[0], there),
            "The values are right, but the mask still tells where the frames *were*.",
        ),
        (
            lambda values, there: _cut_by_index(values, ~there),
            "You kept the frames that are not there. True means that there is one.",
        ),
    ],
    hints=[
        "`values[there]` are the frames that are there, in their order.",
        "Write them into the front of a tensor of zeros of the old length.",
        "The mask is True for as many places as there are True values in `there`.",
    ],
)
