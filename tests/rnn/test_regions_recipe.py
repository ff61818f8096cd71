"""The recipe of the three grids, short, and the captioners that it has left here."""

import json
import sys

import pytest
import torch

from attnkit.data.scenes import scenes
from attnkit.rnn import captioner_saved
from attnkit.rnn.captioner_saved import saved_captioner
from attnkit.rnn.captioning import report
from attnkit.weights import read_weights


@pytest.mark.parametrize("regions", (6, 64))
def test_a_saved_captioner_is_as_good_as_its_curve_says(regions):
    model, curves = saved_captioner(regions)
    assert set(curves) == {6, 16, 64} and not model.training
    assert model.encoder.rows * model.encoder.columns == regions
    exact = report(model, scenes(300, 77, split="test")).exact.float().mean()
    assert abs(exact - curves[regions].exact[-1]) < 0.05
    assert all(curve.steps[-1] == 1500 for curve in curves.values())


@pytest.mark.parametrize("regions", (16, 0, -6, 7.5, "six"))
def test_another_number_of_regions_is_named(regions):
    with pytest.raises(ValueError, match="regions: expected 6 or 64"):
        saved_captioner(regions)


@pytest.mark.slow
def test_the_recipe_writes_what_is_read(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    from recipes import regions as recipe

    command = f"regions --steps 20 --every 10 --scenes 128 --folder {tmp_path}"
    monkeypatch.setattr(sys, "argv", command.split())
    recipe.main()
    monkeypatch.setattr(captioner_saved, "FOLDER", tmp_path)
    for number in (6, 64):
        model, curves = saved_captioner(number)
        assert [curve.steps for curve in curves.values()] == [[0, 10, 20]] * 3
        weights, notes = read_weights(tmp_path / f"captioner{number}.safetensors")
        assert json.loads(notes["curves"]).keys() == {"6", "16", "64"}
        for name, value in model.state_dict().items():
            assert torch.equal(value, weights[name])
