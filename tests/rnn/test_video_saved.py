"""The runs of the chapter on video that a recipe has left here, and the recipe."""

import sys

import pytest
import torch

from attnkit.data.clips import KINDS
from attnkit.rnn import (
    evaluate_clips,
    held_out_clips,
    saved_reader,
    saved_runs,
    without_look,
)
from attnkit.rnn import video_saved as saved


def test_every_model_has_run_with_five_seeds():
    runs = saved_runs()
    assert len({(run.model, run.seed) for run in runs}) == len(runs) == 35
    assert {run.seed for run in runs} == {1, 2, 3, 4, 5}
    for run in runs:
        assert set(run.right) == set(KINDS) and len(run.losses) == 20
        means = run.model.startswith("mean")
        assert set(run.pointing) == set(run.blind) == (set() if means else set(KINDS))


def test_the_reader_is_the_run_that_its_notes_say():
    reader, clips = saved_reader(), held_out_clips(2)
    (run,) = [r for r in saved_runs() if (r.model, r.seed) == saved.READER]
    values = reader.eye.watch(clips.frames)
    scores = evaluate_clips(reader.captioner, values, clips)
    assert abs(scores.exact - run.exact) < 0.01  # its weights were rounded
    for kind in KINDS:
        assert abs(scores.kinds[kind] - run.pointing[kind]) < 0.02
        said = without_look(reader.captioner, values, clips, kind)
        right = (said == clips.captions[:, 1:])[clips.kinds()[kind]].float().mean()
        assert abs(right - run.blind[kind]) < 0.02


def test_without_a_look_the_other_words_are_written_as_before():
    reader, clips = saved_reader(), held_out_clips(4, 30)
    values = reader.eye.watch(clips.frames)
    with torch.no_grad():
        free = reader.captioner(values, clips.captions[:, :-1]).argmax(-1)
    said = without_look(reader.captioner, values, clips, "colour")
    colour = clips.kinds()["colour"]
    first = torch.zeros_like(colour)
    first[:, 0] = True
    assert (said != free)[first & colour].any()
    nothing = clips._replace(truth=torch.zeros_like(clips.truth))
    same = without_look(reader.captioner, values, nothing, "colour")
    assert torch.equal(same, free)


def test_the_recipe_writes_what_is_read(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    from recipes import video as recipe

    models = {name: recipe.MODELS[name] for name in ("rnn", "mean of frames")}
    monkeypatch.setattr(recipe, "MODELS", models)
    command = f"video --steps 20 --clips 128 --seeds 2 --folder {tmp_path}"
    monkeypatch.setattr(sys, "argv", command.split())
    recipe.main()
    monkeypatch.setattr(saved, "FOLDER", tmp_path)
    runs = saved_runs()
    assert [(r.model, r.seed) for r in runs[::2]] == [("rnn", 1), ("rnn", 2)]
    assert len(runs) == 4 and len(runs[0].losses) == 1
    assert not saved_reader().training
