"""Scenes of coloured shapes with captions, and the true place of every word.

A scene is an image of 48 x 48 pixels with a lattice of 4 x 4 cells. Objects stand in
cells; each has a colour and a shape. The caption names the left object first, or the
upper one if they share a column:

    a red circle left of a blue square
    a green cross above a red triangle

A colour or a shape speaks of one object, so its true place is known. The other words
speak of none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from attnkit.checks import check_at_least, check_positive, check_seed

from .vocabulary import BOS, EOS, PAD, Vocabulary

COLOURS = {
    "red": (0.84, 0.15, 0.16),
    "green": (0.10, 0.60, 0.22),
    "blue": (0.12, 0.30, 0.80),
    "yellow": (0.95, 0.80, 0.10),
    "black": (0.10, 0.10, 0.12),
}
SHAPES = ("circle", "square", "triangle", "cross")
FUNCTION = ("a", "left", "of", "above")
SIZE, LATTICE = 48, 4
CELL = SIZE // LATTICE
PAPER = 0.9
LONGEST = 9  # "a red circle left of a blue square" and its end
SPLITS = ("train", "test", "all")


class Thing(NamedTuple):
    """One object of a scene: names of colour and shape, and its cell from 0."""

    colour: str
    shape: str
    row: int
    column: int


class SceneBatch(NamedTuple):
    """Images (B, 3, 48, 48) from 0 to 1, captions (B, T) with BOS, targets (B, T)."""

    images: Tensor
    captions: Tensor
    targets: Tensor


def scene_vocabulary() -> Vocabulary:
    """The words of the captions."""
    return Vocabulary((*FUNCTION, *COLOURS, *SHAPES))


@cache
def stamps() -> Tensor:
    """How much of each pixel of a cell a shape covers: (shapes, 3, 3, 12, 12).

    The second and third axes shift it by -1, 0 or 1 pixel, down and to the right.
    """
    fine = 4  # samples per pixel and direction
    place = (torch.arange(CELL * fine) + 0.5) / fine - CELL / 2
    found = [
        _inside(shape, place[:, None] - down, place - right)
        for shape in SHAPES
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    cover = torch.stack(found).float().reshape(-1, CELL, fine, CELL, fine).mean((2, 4))
    return cover.reshape(len(SHAPES), 3, 3, CELL, CELL)


def _inside(shape: str, y: Tensor, x: Tensor) -> Tensor:
    """Whether points, counted from the middle, belong to a shape some 9 pixels wide."""
    if shape == "circle":
        return y**2 + x**2 <= 4.6**2
    if shape == "square":
        return (y.abs() <= 4.1) & (x.abs() <= 4.1)
    if shape == "triangle":
        return (y <= 4.2) & (y + 4.8 >= 1.9 * x.abs())
    arms = (y.abs() <= 1.5) | (x.abs() <= 1.5)
    return arms & (y.abs() <= 4.8) & (x.abs() <= 4.8)


def describe(things: Sequence[Thing]) -> list[str]:
    """The right caption of two things, in whatever order they are given.

    Raises:
        ValueError: not two things, or both in one cell.
    """
    if len(things) != 2:
        raise ValueError(f"things: expected two, got {len(things)}")
    first, second = sorted(things, key=lambda thing: (thing.column, thing.row))
    if first[2:] == second[2:]:
        raise ValueError(f"things: expected two cells, got {first[2:]} twice")
    relation = ["above"] if first.column == second.column else ["left", "of"]
    return ["a", *first[:2], *relation, "a", *second[:2]]


def draw_scene(things: Sequence[Thing]) -> Tensor:
    """A scene of any number of things: clean, nothing shifted; (3, 48, 48), 0 to 1.

    Raises:
        ValueError: an unknown colour or shape, or a cell outside the lattice.
    """
    for thing in things:
        known = thing.colour in COLOURS and thing.shape in SHAPES
        if not (
            known and thing.row in range(LATTICE) and thing.column in range(LATTICE)
        ):
            raise ValueError(
                f"things: expected colours {', '.join(COLOURS)}, shapes "
                f"{', '.join(SHAPES)} and cells 0 to {LATTICE - 1}; got {tuple(thing)}"
            )
    palette, shapes = list(COLOURS), list(SHAPES)
    cells = torch.full((1, LATTICE, LATTICE, 3, CELL, CELL), PAPER)
    for thing in things:
        colour = torch.tensor([palette.index(thing.colour)])
        shape = torch.tensor([shapes.index(thing.shape)])
        at = (0, thing.row, thing.column)
        cells[at] = _stamped(cells[at], colour, shape, torch.ones(1, 2).long())[0]
    return _joined(cells)[0]


def _stamped(cells: Tensor, colour: Tensor, shape: Tensor, shift: Tensor) -> Tensor:
    """Cells (n, 3, 12, 12) with a shape on each."""
    cover = stamps()[shape, shift[:, 0], shift[:, 1]][:, None]  # (n, 1, 12, 12)
    paint = torch.tensor(list(COLOURS.values()))[colour][
        ..., None, None
    ]  # (n, 3, 1, 1)
    return cells + cover * (paint - cells)


def _joined(cells: Tensor) -> Tensor:
    """Cells (n, 4, 4, 3, 12, 12) put together to images (n, 3, 48, 48)."""
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, SIZE, SIZE)


@dataclass(frozen=True)
class SceneSet:
    """Scenes of two things each; the first thing is the one that is named first.

    `images` (n, 3, 48, 48) whole numbers from 0 to 255; `captions` (n, T) numbers of
    words beginning with BOS; `targets` (n, T) the same one step on, with EOS; `speaks`
    (n, T) the thing that a target word speaks of, 0 or 1, or -1 for no thing; `colour`,
    `shape`, `row`, `column` (n, 2) of the things.
    """

    images: Tensor
    captions: Tensor
    targets: Tensor
    speaks: Tensor
    colour: Tensor
    shape: Tensor
    row: Tensor
    column: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | Tensor) -> "SceneSet":
        return SceneSet(*(getattr(self, name)[rows] for name in self.__annotations__))

    def things(self, i: int) -> list[Thing]:
        """The two things of scene i."""
        colours, parts = list(COLOURS), (self.colour, self.shape, self.row, self.column)
        numbers = zip(*(part[i].tolist() for part in parts), strict=True)
        return [Thing(colours[c], SHAPES[s], y, x) for c, s, y, x in numbers]

    def words(self, i: int) -> list[str]:
        """The caption of scene i."""
        return scene_vocabulary().decode(self.targets[i])

    def batches(self, size: int, *, seed: int) -> Iterator[SceneBatch]:
        """All scenes in a random order, in batches of one size.

        Raises:
            ValueError: a size below 1 or beyond the number of scenes.
        """
        check_positive("size", size)
        if size > len(self):
            raise ValueError(f"size: expected at most {len(self)} scenes, got {size}")
        order = torch.randperm(len(self), generator=_generator(seed))
        for rows in order.split(size):
            if len(rows) == size:
                images = self.images[rows].float() / 255
                yield SceneBatch(images, self.captions[rows], self.targets[rows])

    def truth(self, rows: int, columns: int) -> Tensor:
        """Where each target word should point: True for every region of a lattice of
        rows x columns that holds a part of the cell of its thing.

        Returns:
            boolean (n, T, rows * columns); all False for words that speak of no thing.
        """
        down, across = _touched(rows), _touched(columns)  # (4, rows), (4, columns)
        each = down[self.row][..., None] & across[self.column][..., None, :]
        each = each.flatten(2)  # (n, 2, M)
        named = self.speaks.clamp_min(0)[..., None].expand(-1, -1, each.shape[-1])
        return each.gather(1, named) & (self.speaks >= 0)[..., None]


def _touched(parts: int) -> Tensor:
    """(4, parts): whether a cell of the lattice and a part of the edge share pixels."""
    if parts < 1 or SIZE % parts:
        raise ValueError(f"rows, columns: expected divisors of {SIZE}, got {parts}")
    cell, part = torch.arange(LATTICE)[:, None] * CELL, torch.arange(parts)
    width = SIZE // parts
    return (part * width < cell + CELL) & (cell < (part + 1) * width)


def _generator(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def scenes(
    n: int, seed: int = 1, *, split: str = "train", noise: float = 0.12
) -> SceneSet:
    """n scenes of two different things; 6000 take about a second.

    Args:
        n: how many.
        seed: of all that is random.
        split: "train", "test" (one arrangement in ten, never met in "train") or "all".
        noise: standard deviation of what is added to each pixel.

    Raises:
        ValueError: n below 0, an unknown split, or a negative noise.
    """
    check_at_least("n", n, 0)
    check_seed(seed)
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}; got {split!r}")
    if not noise >= 0:
        raise ValueError(f"noise: expected 0 or more, got {noise}")
    draw = _generator(seed)
    colour, shape, cell = _arrangements(n, draw, split)
    row, column = cell // LATTICE, cell % LATTICE
    images = _paint(colour, shape, row, column, noise, draw)
    captions, targets, speaks = _captions(colour, shape, column)
    return SceneSet(images, captions, targets, speaks, colour, shape, row, column)


def _arrangements(n: int, draw: Generator, split: str) -> tuple[Tensor, ...]:
    """Colours, shapes and cells (n, 2), the thing that is named first in front."""
    kept: list[Tensor] = [torch.zeros(0, 6, dtype=torch.int64)]
    while sum(map(len, kept)) < n:
        size = (20 * n + 100 if split == "test" else 2 * n + 100, 2)
        colour = torch.randint(len(COLOURS), size, generator=draw)
        shape = torch.randint(len(SHAPES), size, generator=draw)
        cell = torch.randint(LATTICE**2, size, generator=draw)
        place = cell % LATTICE * LATTICE + cell // LATTICE  # column first, then row
        order = place.argsort(1)
        found = torch.cat([part.gather(1, order) for part in (colour, shape, cell)], 1)
        alike = (found[:, 0] == found[:, 1]) & (found[:, 2] == found[:, 3])
        kept.append(found[~alike & (found[:, 4] != found[:, 5]) & _side(found, split)])
    return torch.cat(kept)[:n].split(2, 1)


def _side(found: Tensor, split: str) -> Tensor:
    """Which arrangements belong to a split: a fixed tenth of them is for testing."""
    code = (found * torch.tensor([1, 5, 25, 100, 400, 6400])).sum(1)
    test = code * 2654435761 % 2**32 // 7 % 10 == 0
    return {"test": test, "train": ~test, "all": torch.ones_like(test)}[split]


def _paint(
    colour: Tensor,
    shape: Tensor,
    row: Tensor,
    column: Tensor,
    noise: float,
    draw: Generator,
) -> Tensor:
    """Images as whole numbers, in pieces that fit a cache."""
    shift = torch.randint(3, (*colour.shape, 2), generator=draw)
    pieces = [torch.zeros(0, 3, SIZE, SIZE, dtype=torch.uint8)]
    for rows in torch.arange(len(colour)).split(256):
        cells = torch.full((len(rows), LATTICE, LATTICE, 3, CELL, CELL), PAPER)
        place = torch.arange(len(rows))
        for k in range(colour.shape[1]):
            at = (place, row[rows, k], column[rows, k])
            given = colour[rows, k], shape[rows, k], shift[rows, k]
            cells[at] = _stamped(cells[at], *given)
        image = _joined(cells)
        image += noise * torch.randn(image.shape, generator=draw)
        pieces.append((255 * image.clamp(0, 1)).round().to(torch.uint8))
    return torch.cat(pieces)


def _captions(
    colour: Tensor, shape: Tensor, column: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of words with BOS, the same one step on with EOS, and who is meant."""
    word = scene_vocabulary().index
    colours = torch.tensor([word[name] for name in COLOURS])[colour]  # (n, 2)
    shapes = torch.tensor([word[name] for name in SHAPES])[shape]
    a, left, of, above = (torch.full_like(shapes[:, 0], word[w]) for w in FUNCTION)
    end, pad = torch.full_like(a, EOS), torch.full_like(a, PAD)
    one, two = ((a, colours[:, k], shapes[:, k]) for k in (0, 1))
    beside = torch.stack([*one, left, of, *two, end], 1)
    upon = torch.stack([*one, above, *two, end, pad], 1)
    same = (column[:, 0] == column[:, 1])[:, None]
    targets = torch.where(same, upon, beside)
    speaks = torch.where(
        same,
        torch.tensor([-1, 0, 0, -1, -1, 1, 1, -1, -1]),
        torch.tensor([-1, 0, 0, -1, -1, -1, 1, 1, -1]),
    )
    begin = torch.full_like(targets[:, :1], BOS)
    captions = torch.cat([begin, targets[:, :-1]], 1)
    return captions.where(captions != EOS, PAD), targets, speaks
