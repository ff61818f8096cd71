"""Captioners with 6 and 64 regions that a recipe has trained for longer."""

import json
from pathlib import Path
from typing import NamedTuple

from attnkit.data.scenes import scene_vocabulary
from attnkit.weights import read_weights

from .regions import Captioner

FOLDER = Path(__file__).parent / "weights"
GRIDS = {6: (2, 3), 16: (4, 4), 64: (8, 8)}


class Curve(NamedTuple):
    """How a training went: after `steps`, the share of captions that were right."""

    steps: list[int]
    exact: list[float]


def weights_file(regions: int) -> Path:
    """Where the weights of a captioner with so many regions are kept."""
    return FOLDER / f"captioner{regions}.safetensors"


def saved_captioner(regions: int) -> tuple[Captioner, dict[int, Curve]]:
    """A captioner with soft attention over 6 or 64 regions, trained beforehand.

    Made by `recipes/regions.py`, which trains all three grids in the same way.

    Args:
        regions: 6 or 64. With 16, the chapter trains its own.

    Returns:
        The model in evaluation mode, and for 6, 16 and 64 regions how their training
        went.

    Raises:
        ValueError: another number of regions.
    """
    if regions not in GRIDS or not weights_file(regions).exists():
        raise ValueError(f"regions: expected 6 or 64, got {regions!r}")
    weights, notes = read_weights(weights_file(regions))
    rows, columns = GRIDS[regions]
    model = Captioner(len(scene_vocabulary()), rows=rows, columns=columns)
    model.load_state_dict(weights)
    curves = json.loads(notes["curves"])
    return model.eval(), {int(n): Curve(*curve) for n, curve in curves.items()}
