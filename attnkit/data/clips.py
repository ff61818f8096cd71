"""Short clips of coloured shapes that move, one after another, and their captions.

Every clip has a caption, "red circle left then blue square up", and for every word that
names something the frames that show it: where a reader should look is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from attnkit.checks import (
    check_at_least,
    check_portion,
    check_positive,
    is_transformed,
)
from attnkit.progress import progress_bar

from .vocabulary import BOS, EOS, PAD, Vocabulary

COLOURS = {
    "red": (0.90, 0.25, 0.20),
    "green": (0.10, 0.70, 0.45),
    "blue": (0.25, 0.50, 0.95),
    "yellow": (0.95, 0.88, 0.30),
}
SHAPES = {
    "circle": ".###. #...# #...# #...# .###.",
    "square": "##### ##### ##### ##### #####",
    "cross": "..#.. ..#.. ##### ..#.. ..#..",
}
MOTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
VOCABULARY = Vocabulary([*COLOURS, *SHAPES, *MOTIONS, "then"])
KINDS = ("colour", "shape", "motion")
"""What a word may name; a frame has a label of each kind, 0 where it shows nothing."""

BACKGROUND = 0.12
SMEAR = 0.65  # the grey of what moves
SIDE, STRIDE, WIDE = 16, 3, 5  # pixels of a frame, of one step, of a shape
SPLITS = ("train", "test", None)
POOL = 256  # clips that are drawn at once


class Clips(NamedTuple):
    """A batch of clips with captions and with the truth about them.

    `B` clips, `T` frames, `L` words of the longest caption, its end included.

    Args:
        frames: (B, T, 3, Y, X) uint8, 0 to 255; see `as_floats`.
        captions: (B, L + 1) numbers of words; `BOS` first, then the words, `EOS`, and
            `PAD` behind it.
        truth: (B, L, T), True where a frame shows what the word at `captions[:, 1:]`
            names. Rows of "then" and the end are all False.
        labels: (B, T, 3), for each frame the number of its colour, shape and motion,
            counted from 1; 0 for what it does not show.
    """

    frames: Tensor
    captions: Tensor
    truth: Tensor
    labels: Tensor

    def __getitem__(self, chosen: slice | Tensor) -> "Clips":  # type: ignore[override]
        """The chosen clips; a part by its name."""
        return Clips(*(part[chosen] for part in self))

    @property
    def count(self) -> int:
        """Number of clips."""
        return len(self.frames)

    def words(self, i: int) -> list[str]:
        """The caption of clip i, without its end."""
        return VOCABULARY.decode(self.captions[i])

    def kinds(self) -> dict[str, Tensor]:
        """(B, L) booleans: which words name a colour, a shape, a motion, or nothing.

        The last, "function", are "then" and the end.
        """
        words = self.captions[:, 1:]
        found = {kind: torch.isin(words, _numbers(kind)) for kind in KINDS}
        content = torch.stack(list(found.values())).any(0)
        return found | {"function": ~content & (words != PAD)}


def as_floats(frames: Tensor) -> Tensor:
    """Frames as numbers from 0 to 1: bytes are divided by 255, floats stay.

    Raises:
        ValueError: floats far above 1, as of bytes that were only converted.
    """
    if not frames.is_floating_point():
        return frames.float() / 255
    unseen = torch.compiler.is_compiling() or is_transformed(frames)
    if not unseen and frames.numel() and (most := frames.max()) > 2:  # room for noise
        raise ValueError(
            "frames: expected bytes from 0 to 255 or floats from 0 to 1, got floats up "
            f"to {most.item():g}; divide them by 255"
        )
    return frames


def tell(caption: Tensor) -> str:
    """A caption (L,) of numbers as one line of text."""
    return " ".join(VOCABULARY.decode(caption))


@dataclass(frozen=True)
class MovingShapes:
    """Draws clips in which one thing after another moves through an empty frame.

    A thing has one of 4 colours and 3 shapes. First it stands still, then it goes in
    one of 4 directions, three pixels per frame. The camera is slow: what stands still
    is sharp, what moves is a grey smear. So colour and shape are seen in the one part
    of an event and the direction in the other. Between two events there is at least
    one empty frame. Captions are split by a checksum of what happens: one in ten is
    for tests only.

    Args:
        frames: T, frames of a clip.
        events: fewest and most events.
        still: fewest and most frames in which a thing stands.
        moving: fewest and most frames in which it moves.
        noise: standard deviation of what is added to each pixel, from 0 to 1.

    Raises:
        ValueError: the events may not fit into the frames, or a number is out of range.
    """

    frames: int = 16
    events: tuple[int, int] = (2, 3)
    still: tuple[int, int] = (1, 2)
    moving: tuple[int, int] = (1, 2)
    noise: float = 0.03

    def __post_init__(self) -> None:
        check_positive("frames", self.frames)
        for name in ("events", "still", "moving"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(
                    f"{name}: expected 1 <= fewest <= most, got {(low, high)}"
                )
        most = (SIDE - WIDE) // STRIDE
        if self.moving[1] > most:
            raise ValueError(f"moving: expected at most {most}, got {self.moving}")
        longest = self.still[1] + self.moving[1]
        room = self.events[1] * (longest + 1) - 1
        if self.frames < room:
            raise ValueError(
                f"frames: expected at least {room} for {self.events[1]} events of "
                f"{longest} frames with gaps, got {self.frames}"
            )
        check_portion("noise", self.noise)

    def draw(
        self,
        n: int,
        generator: Generator | None = None,
        *,
        split: str | None = None,
        progress: bool = True,
    ) -> Clips:
        """n clips, from the given generator or the global one.

        Args:
            n: how many, at least 1.
            generator: of the random numbers; the global one if None.
            split: "train" or "test": captions of that side alone; None: of both.
            progress: show a bar where it takes longer than a second.

        Raises:
            ValueError: n is below 1, or another split.
        """
        check_at_least("n", n, 1)
        if split not in SPLITS:
            raise ValueError(f"split: expected one of {SPLITS}, got {split!r}")
        with progress_bar(total=n, desc="clips", delay=1, disable=not progress) as bar:
            parts = []
            for script in self._scripts(n, generator, split):
                parts.append(self._film(script, generator))
                bar.update(len(script.things))
        return Clips(*map(torch.cat, zip(*parts, strict=True)))

    def _scripts(
        self, n: int, generator: Generator | None, split: str | None
    ) -> Iterator["_Script"]:
        """What happens, in pools whose clips add up to n."""
        while n > 0:
            script = _Script.draw(self, generator)
            if split is not None:
                held_out = script.checksum() % 10 == 0
                script = script[held_out == (split == "test")]
            script = script[slice(n)]
            n -= len(script.things)
            yield script

    def _film(self, script: "_Script", generator: Generator | None) -> Clips:
        event, step = script.timing(self.frames)  # (B, T) each
        shown, moves = event >= 0, step > 0
        at = event.clamp(min=0)
        colour, shape, motion = script.things.gather(
            1, at[..., None].expand(-1, -1, 3)
        ).unbind(-1)  # (B, T) each
        corner = script.corners.gather(1, at[..., None].expand(-1, -1, 2))
        corner = corner + STRIDE * step[..., None] * _WAYS[motion]  # (B, T, 2)
        stamp = torch.where(moves, len(SHAPES), shape)  # the last is the smear
        paint = torch.where(moves, len(COLOURS), colour)
        pixels = _picture(corner, stamp) * shown[..., None, None]  # (B, T, Y, X)
        paint = (_PAINTS[paint] - BACKGROUND)[..., None, None]  # (B, T, 3, 1, 1)
        frames = BACKGROUND + pixels[:, :, None] * paint
        frames += self.noise * torch.randn(frames.shape, generator=generator)
        bytes_ = (255 * frames).round_().clamp_(0, 255).to(torch.uint8)
        labels = torch.stack([colour, shape, motion], -1) + 1
        seen = torch.stack([shown & ~moves, shown & ~moves, shown & moves], -1)
        told = script.told(event, moves, self.events[1])
        return Clips(bytes_, *told, labels * seen)


class _Script(NamedTuple):
    """What happens in B clips of up to E events.

    `things` (B, E, 3) colour, shape and motion; `corners` (B, E, 2) where an event
    begins; `starts` (B, E) its first frame, `still` its frames before it moves,
    `lengths` all of them; `counts` (B,) events of the clip.
    """

    things: Tensor
    corners: Tensor
    starts: Tensor
    still: Tensor
    lengths: Tensor
    counts: Tensor

    def __getitem__(self, chosen: slice | Tensor) -> "_Script":  # type: ignore[override]
        return _Script(*(part[chosen] for part in self))

    @classmethod
    def draw(cls, task: MovingShapes, generator: Generator | None) -> "_Script":
        def whole(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(low, high + 1, (POOL, *shape), generator=generator)

        most = task.events[1]
        sizes = len(COLOURS), len(SHAPES), len(MOTIONS)
        things = torch.stack([whole(0, size - 1, most) for size in sizes], -1)
        counts = whole(*task.events)
        still, moving = whole(*task.still, most), whole(*task.moving, most)
        lengths = (still + moving) * (torch.arange(most) < counts[:, None])
        free = torch.rand(POOL, most, 2, generator=generator)
        reach = STRIDE * moving[..., None]  # (B, E, 1)
        way = _WAYS[things[..., 2]]  # (B, E, 2)
        span = SIDE - WIDE - reach * way.abs()
        corners = (free * (span + 1)).long() + reach * (way < 0)
        starts = _starts(task.frames, lengths, counts, generator)
        return cls(things, corners, starts, still, lengths, counts)

    def checksum(self) -> Tensor:
        """A number (B,) of what happens, whatever the places and frames."""
        code = self.things @ torch.tensor([12, 4, 1]) + 1  # (B, E)
        code = code * (self.lengths > 0)
        total = torch.zeros(len(code), dtype=torch.int64)
        for one in code.unbind(1):
            total = (total * 61 + one) * 2654435761 % 4294967291
        return total

    def timing(self, frames: int) -> tuple[Tensor, Tensor]:
        """The event of each frame, or -1, and the steps that the thing has gone: (B, T)
        each."""
        time = torch.arange(frames)[:, None]  # (T, 1)
        since = time - self.starts[:, None]  # (B, T, E)
        inside = (since >= 0) & (since < self.lengths[:, None])
        event = torch.where(inside.any(-1), inside.int().argmax(-1), -1)
        gone = (since - self.still[:, None] + 1).clamp(min=0)
        return event, (gone * inside).sum(-1)

    def told(self, event: Tensor, moves: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Captions (B, 4 E + 1) and true frames (B, 4 E, T)."""
        rows = len(self.things)
        words = torch.full((rows, most, 4), VOCABULARY.index["then"])
        for i, kind in enumerate(KINDS):
            words[..., i] = _numbers(kind)[self.things[..., i]]
        slot = torch.arange(4 * most)
        end = 4 * self.counts[:, None] - 1
        words = words.flatten(1).masked_fill(slot > end, PAD)
        words = words.masked_fill(slot == end, EOS)
        here = event[:, None] == torch.arange(most)[:, None]  # (B, E, T)
        stands, goes = here & ~moves[:, None], here & moves[:, None]
        sees = torch.stack([stands, stands, goes, torch.zeros_like(here)], 2)
        begin = torch.full((rows, 1), BOS)
        return torch.cat([begin, words], 1), sees.flatten(1, 2)


def _starts(
    frames: int, lengths: Tensor, counts: Tensor, generator: Generator | None
) -> Tensor:
    """First frames (B, E): an empty frame between events, the rest spread by chance."""
    rows, most = lengths.shape
    spare = frames - lengths.sum(1) - (counts - 1)  # (B,)
    place = torch.rand(rows, frames, generator=generator) * (counts[:, None] + 1)
    used = torch.arange(frames) < spare[:, None]
    before = place.long()[:, None] <= torch.arange(most)[:, None]  # (B, E, T)
    gaps = (before & used[:, None]).sum(-1)  # spare frames before each event
    return gaps + lengths.cumsum(1) - lengths + torch.arange(most)


def _picture(corner: Tensor, shape: Tensor) -> Tensor:
    """Shapes (B, T) at their corners (B, T, 2) as masks (B, T, Y, X)."""
    inside = torch.arange(SIDE) - corner[..., None] + 1  # (B, T, 2, 16)
    rows, columns = inside.clamp(0, WIDE + 1).unbind(-2)
    stamp = _STAMPS[shape]  # (B, T, 7, 7), with an empty edge
    rows = rows[..., None].expand(*rows.shape, WIDE + 2)
    stamp = stamp.gather(-2, rows)  # (B, T, Y, 7)
    columns = columns[..., None, :].expand(*columns.shape[:-1], SIDE, SIDE)
    return stamp.gather(-1, columns)


def _stamps() -> Tensor:
    """The shapes and the smear, (4, 7, 7), from 0 to 1."""
    stamps = torch.zeros(len(SHAPES) + 1, WIDE + 2, WIDE + 2)
    away = torch.arange(WIDE) - WIDE // 2
    stamps[-1, 1:-1, 1:-1] = torch.exp(-(away**2 + away[:, None] ** 2) / 5)
    for stamp, picture in zip(stamps, SHAPES.values(), strict=False):
        for y, row in enumerate(picture.split(), 1):
            stamp[y, 1:-1] = torch.tensor([float(mark == "#") for mark in row])
    return stamps


def _numbers(kind: str) -> Tensor:
    """Numbers of the words of one kind."""
    words = {"colour": COLOURS, "shape": SHAPES, "motion": MOTIONS}[kind]
    return torch.tensor([VOCABULARY.index[word] for word in words])


_PAINTS = torch.tensor([*COLOURS.values(), (SMEAR,) * 3])
_WAYS = torch.tensor(list(MOTIONS.values()))
_STAMPS = _stamps()
