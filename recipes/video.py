"""Captioners of clips, each with seeds 1 to 5, trained as in the chapter on video.

    python recipes/video.py                   # seven models, about five minutes of CPU
    python recipes/video.py --steps 50        # shorter
    python recipes/video.py --folder out      # elsewhere than in the package

Writes what was measured in every run, and with it the weights of one of them.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from attnkit.data.clips import KINDS, Clips
from attnkit.rnn.video import FrameCNN, VideoCaptioner
from attnkit.rnn.video_page import ClipReader
from attnkit.rnn.video_recipe import (
    VIDEO,
    VideoRecipe,
    evaluate_clips,
    held_out_clips,
    right_words,
    train_captioner,
    train_eye,
    training_clips,
    without_look,
)
from attnkit.rnn.video_saved import FOLDER, READER, Run, clips_file
from attnkit.train import History

Trained = tuple[VideoCaptioner, History]
MODELS = {
    "rnn": {"encoder": "rnn"},
    "cnn": {"encoder": "cnn"},
    "transformer": {"encoder": "transformer"},
    "values as keys": {"encoder": None},
    "states": {"encoder": "rnn", "reads": "keys"},
    "mean of states": {"encoder": "rnn", "reads": "keys", "attention": "mean"},
    "mean of frames": {"encoder": None, "attention": "mean"},
}


def arguments() -> argparse.Namespace:
    """The settings of a run, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=VIDEO.steps, help="20, 40, …")
    parser.add_argument("--clips", type=int, default=VIDEO.clips)
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


def by_kind(right: Tensor, test: Clips) -> dict[str, float]:
    """The share of True (B, L) among colours, shapes and motions."""
    kinds = test.kinds()
    return {kind: round(right[kinds[kind]].float().mean().item(), 4) for kind in KINDS}


def measure(name: str, seed: int, trained: Trained, eye: FrameCNN, test: Clips) -> Run:
    """All that is kept of one run."""
    model, history = trained
    values, target = eye.watch(test.frames), test.captions[:, 1:]
    scores = evaluate_clips(model, values, test)
    written, _ = model.caption(values, max_len=target.shape[1])
    right, _ = right_words(written, test.captions)
    pointing, blind = {}, {}
    if model.decoder.attention == "soft":
        pointing = {kind: round(share, 4) for kind, share in scores.kinds.items()}
        for kind in KINDS:
            said = without_look(model, values, test, kind)
            blind[kind] = by_kind(said == target, test)[kind]
    losses = torch.tensor(history.losses).view(-1, 20).mean(1)
    shares = round(scores.words, 4), round(scores.exact, 4), by_kind(right, test)
    curve = [round(loss, 4) for loss in losses.tolist()]
    return Run(name, seed, *shares, pointing, blind, curve)


def train(seed: int, recipe: VideoRecipe) -> tuple[list[Run], ClipReader | None]:
    """All models with one seed, and the reader if it is one of them."""
    clips, test = training_clips(seed, recipe.clips), held_out_clips(seed)
    eye, _, _ = train_eye(clips, seed=seed, recipe=recipe)
    seen, runs, reader = eye.watch(clips.frames), [], None
    for name, options in MODELS.items():
        trained = train_captioner(
            seen, clips.captions, seed=seed, recipe=recipe, **options
        )
        runs.append(measure(name, seed, trained, eye, test))
        print(name, seed, f"{runs[-1].exact:.3f} of the captions right", flush=True)
        if (name, seed) == READER:
            reader = ClipReader(eye, trained[0])
    return runs, reader


def main() -> None:
    args = arguments()
    recipe = dataclasses.replace(VIDEO, clips=args.clips, steps=args.steps)
    runs, kept = [], None
    for seed in range(1, args.seeds + 1):
        some, reader = train(seed, recipe)
        runs, kept = runs + some, reader or kept
    if kept is None:
        raise SystemExit(f"--seeds: the weights that are kept are of run {READER}")
    args.folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half() for name, value in kept.state_dict().items()}
    notes = {"runs": json.dumps(runs), "recipe": "recipes/video.py"}
    save_file(weights, args.folder / clips_file().name, notes)


if __name__ == "__main__":
    main()
