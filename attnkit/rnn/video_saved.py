"""What became of the same trainings with five seeds, and one reader of these runs."""

import json
from pathlib import Path
from typing import NamedTuple

from attnkit.weights import read_weights

from .video import FrameCNN, VideoCaptioner
from .video_page import ClipReader

FOLDER = Path(__file__).parent / "weights"
READER = ("rnn", 2)  # the run whose weights are kept


class Run(NamedTuple):
    """One training of a captioner, measured on held-out clips.

    `model` names it, as in `MODELS` of the recipe; `words` and `exact` are those of
    `ClipScores`. For "colour", "shape" and "motion": `right` is the share of words that
    are right when the model writes alone, `pointing` is that of `ClipScores`, and
    `blind` the share of words that are right `without_look`. The last two are empty for
    a model without attention. `losses` are means over 20 steps each.
    """

    model: str
    seed: int
    words: float
    exact: float
    right: dict[str, float]
    pointing: dict[str, float]
    blind: dict[str, float]
    losses: list[float]


def clips_file() -> Path:
    """Where the weights of the reader are kept, and with them what was measured."""
    return FOLDER / "clips.safetensors"


def saved_runs() -> list[Run]:
    """What `recipes/video.py` measured: each of its models with seeds 1 to 5."""
    _, notes = read_weights(clips_file())
    return [Run(*row) for row in json.loads(notes["runs"])]


def saved_reader() -> ClipReader:
    """Eye and captioner with recurrent keys, of the run `READER`.

    Its captions are as good as those of other runs, but it finds its shapes without a
    look at them.
    """
    weights, _ = read_weights(clips_file())
    model = ClipReader(FrameCNN(), VideoCaptioner(READER[0], hidden_dim=64))
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
