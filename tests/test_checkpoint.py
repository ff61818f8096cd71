"""Checkpoints: exact, never lost to a disk, and refused if damaged or another run's."""

import os
import re

import pytest
import torch
from torch import nn

from tests.training import breaking, loss, network, run, same, weights

resource = pytest.importorskip("resource")


@pytest.mark.parametrize("at", [7, 12, 29])
@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, at, schedule):
    whole = network()
    expected = run(whole, schedule=schedule)
    broken, path = network(), tmp_path / "run.pt"
    options = {"checkpoint": path, "resume": True, "schedule": schedule}
    with pytest.raises(KeyboardInterrupt):
        run(broken, breaking(at), **options)
    torch.manual_seed(999)
    fresh = nn.Sequential(*network())
    with torch.no_grad():
        fresh[0].weight.normal_()
    history = run(fresh, **options)
    assert history.losses == expected.losses and history.rates == expected.rates
    assert same(weights(fresh), weights(whole))


def test_a_finished_run_is_taken_as_it_is(tmp_path):
    path, model = tmp_path / "run.pt", network()
    losses = run(model, checkpoint=path).losses
    again = network()
    history = run(again, checkpoint=path, resume=True)
    assert history.losses == losses and same(weights(model), weights(again))


@pytest.fixture
def small_disk():
    """From the call on, no file of this process can grow past 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_the_old_checkpoint_and_the_run(tmp_path, small_disk):
    path, model, whole = tmp_path / "run.pt", network(), network()
    run(network(), checkpoint=path, steps=10)
    old, expected = path.read_bytes(), run(whole)
    small_disk()
    with pytest.warns(UserWarning, match="the old one stays: .*too large") as warned:
        history = run(model, checkpoint=path)
    assert len(warned) == 6 and history.losses == expected.losses
    assert same(weights(model), weights(whole))
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["run.pt"]


@pytest.mark.parametrize("name", ["", "file/run.pt", "/proc/attnkit/run.pt"])
def test_a_place_that_cannot_be_written_is_told_before_the_first_step(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    model = network()
    before = weights(model)
    with pytest.raises(OSError):
        run(model, checkpoint=tmp_path / name)
    assert same(weights(model), before)
    assert os.listdir(tmp_path) == ["file"]


def test_a_run_that_was_stopped_goes_on_when_asked_to(tmp_path):
    path, whole = tmp_path / "run.pt", network()
    expected = run(whole, steps=100)
    first = run(network(), steps=100, stop=1.0, checkpoint=path)
    assert first.stopped and first.steps < 100
    again = run(network(), steps=100, stop=1.0, checkpoint=path, resume=True)
    assert again.stopped and again.losses == first.losses
    model = network()
    history = run(model, steps=100, checkpoint=path, resume=True)
    assert not history.stopped and history.losses == expected.losses
    assert same(weights(model), weights(whole))


def test_a_stop_is_not_reached_by_fewer_losses_than_it_looks_at(tmp_path):
    def flat(model, batch):
        return loss(model, batch) * 0 + 0.4

    path = tmp_path / "run.pt"
    first = run(network(), flat, stop=0.5, every=5, checkpoint=path)
    assert first.stopped and first.steps == 5
    options = {"stop": 0.2, "every": 20, "checkpoint": path, "resume": True}
    again = run(network(), flat, **options)
    assert again.steps == 30 and not again.stopped  # 5 x 0.4 / 20 is below 0.2


# --- what is no checkpoint of this run --------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """The checkpoint of a finished run."""
    path = tmp_path / "run.pt"
    run(network(), checkpoint=path)
    return path


def refused(path, model: nn.Module | None = None, **options) -> str:
    """The message of the `ValueError`; nothing of the model may have changed."""
    model = network() if model is None else model
    with torch.no_grad():
        next(model.parameters()).fill_(0.125)
    before = weights(model)
    with pytest.raises(ValueError, match="checkpoint: expected") as told:
        run(model, checkpoint=path, resume=True, **options)
    assert same(weights(model), before)
    return str(told.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"steps": 31}, "'steps': 31"),
        ({"clip": 2.0}, "'clip': 2.0"),
        ({"autocast": torch.bfloat16}, "'autocast': 'torch.bfloat16'"),
        ({"optimizer": torch.optim.SGD}, "'optimizer': 'SGD'"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(saved, options, told):
    message = refused(saved, **options)
    assert re.search(f"expected a run of .*{told}.*, got .*'steps': 30", message)
    assert "delete" not in message


@pytest.mark.parametrize(
    "model", [nn.Linear(5, 1), nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 1))]
)
def test_the_checkpoint_of_another_model_is_refused(saved, model):
    message = refused(saved, model)
    assert "expected the weights of this model" in message
    assert "weight" in message and "delete" not in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "lacks history, model, optimizer, random, scaler, schedule, setup"),
        ([1, 2], "lacks history"),
        ({"model": {}, "setup": {}}, "lacks history, optimizer"),
        (nn.Linear(1, 1), "a file of another kind"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, told):
    path = tmp_path / "run.pt"
    torch.save(content, path)
    message = refused(path)
    assert told in message and "delete" not in message


def test_a_broken_file_is_refused(saved):
    whole = saved.read_bytes()
    for broken in (b"", whole[:200], whole[:-40], b"notes of mine"):
        saved.write_bytes(broken)
        assert "a broken file" in refused(saved)


def test_a_flipped_bit_is_never_taken_for_a_weight(saved):
    whole, expected = saved.read_bytes(), network()
    run(expected, checkpoint=saved, resume=True)
    for place in torch.randint(8 * len(whole), (60,)).tolist():
        broken = bytearray(whole)
        broken[place // 8] ^= 1 << place % 8
        saved.write_bytes(broken)
        model = network()
        try:
            run(model, checkpoint=saved, resume=True)
        except ValueError:
            continue
        assert same(weights(model), weights(expected))


def test_a_file_that_cannot_be_read_is_no_broken_one(saved, monkeypatch):
    def forbidden(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("attnkit.checkpoint.Path.read_bytes", forbidden)
    with pytest.raises(PermissionError):
        run(network(), checkpoint=saved, resume=True)
