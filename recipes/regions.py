"""Captioners with 6, 16 and 64 regions, trained alike for longer than a chapter can.

    python recipes/regions.py                # all three, about two minutes of CPU
    python recipes/regions.py --steps 300    # shorter
    python recipes/regions.py --folder out   # elsewhere than in the package

Writes the weights of 6 and 64 regions, and with them how often captions of held-out
scenes were right after every 100 steps, for all three.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from attnkit.data.scenes import SceneBatch, SceneSet, scene_vocabulary, scenes
from attnkit.rnn.captioner_saved import FOLDER, GRIDS, weights_file
from attnkit.rnn.captioning import CAPTION_RECIPE, caption_loss, report
from attnkit.rnn.regions import Captioner
from attnkit.train import fit, seed_everything


def arguments() -> argparse.Namespace:
    """The settings of a run, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


class Watched:
    """The loss of the words; now and then it looks how many captions are right."""

    def __init__(self, held_out: SceneSet, every: int) -> None:
        self.held_out, self.every, self.done = held_out, every, 0
        self.steps: list[int] = []
        self.exact: list[float] = []

    def __call__(self, model: Captioner, batch: SceneBatch) -> torch.Tensor:
        if self.done % self.every == 0:
            self.look(model)
            model.train()
        self.done += 1
        return caption_loss(model, batch)

    def look(self, model: Captioner) -> None:
        """Write captions for the held-out scenes and count."""
        found = report(model.eval(), self.held_out)
        self.steps.append(self.done)
        self.exact.append(round(found.exact.float().mean().item(), 4))


def train(regions: int, data: SceneSet, watched: Watched, args: argparse.Namespace):
    """A captioner of one grid, in evaluation mode."""
    seed_everything(args.seed)
    rows, columns = GRIDS[regions]
    model = Captioner(len(scene_vocabulary()), rows=rows, columns=columns)
    batches = partial(data.batches, CAPTION_RECIPE.size)
    fit(
        model,
        lambda number: batches(seed=1000 * args.seed + number),
        watched,
        steps=args.steps,
        lr=CAPTION_RECIPE.lr,
        seed=args.seed,
    )
    watched.look(model)
    return model.eval()


def main() -> None:
    args = arguments()
    data = scenes(args.scenes, args.seed)
    held_out = scenes(500, args.seed + 1000, split="test")
    models, curves = {}, {}
    for regions in GRIDS:
        watched = Watched(held_out, args.every)
        models[regions] = train(regions, data, watched, args)
        curves[regions] = (watched.steps, watched.exact)
        print(f"{regions} regions: {watched.exact[-1]:.3f} of the captions right")
    args.folder.mkdir(parents=True, exist_ok=True)
    notes = {"curves": json.dumps(curves), "recipe": "recipes/regions.py"}
    for regions in (6, 64):
        weights = {k: v.half() for k, v in models[regions].state_dict().items()}
        save_file(weights, args.folder / weights_file(regions).name, notes)


if __name__ == "__main__":
    main()
