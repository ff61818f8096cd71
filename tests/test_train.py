"""One loop: the same numbers however often it is interrupted or shared out."""

import json
import math
import os
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from attnkit import train
from attnkit.train import fit, seed_everything
from tests.training import data, loss, network, run, same, weights


def test_it_learns_and_tells_what_it_did():
    model = network(0.0)
    history = run(model, steps=300)
    assert history.steps == len(history.rates) == 300 and not history.stopped
    assert history.losses[-1] < 0.05 * history.losses[0]
    assert history.seconds > 0 and model.training


def test_the_seed_decides_everything():
    one, two, other = network(), network(), network()
    run(one), run(two), run(other, seed=6)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_one_cycle_goes_up_and_down_and_constant_stays():
    rates = run(network()).rates
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(1e-2, rel=0.02) and 4 <= peak <= 8
    assert rates[0] < 1e-3 and rates[-1] < 1e-4
    assert set(run(network(), schedule="constant").rates) == {1e-2}


def test_batches_may_be_a_list():
    one, two = network(), network()
    run(one)
    fit(
        two,
        lambda number: data(number),
        loss,
        steps=30,
        lr=1e-2,
        seed=5,
        every=5,
        progress=False,
    )
    assert same(weights(one), weights(two))
    three, four = network(), network()
    for model in (three, four):
        fit(model, data(), loss, steps=10, lr=1e-2, seed=5, progress=False)
    assert same(weights(three), weights(four))


def test_one_cycle_takes_any_number_of_steps():
    for steps in range(1, 12):
        rates = run(network(), steps=steps).rates
        assert len(rates) == steps and 0 < min(rates) <= max(rates) <= 1e-2


def test_a_step_left_out_in_float16_is_no_warning(recwarn):
    model = network(0.0)
    history = run(model, autocast=torch.float16, clip=None)
    assert history.steps == 30 and not recwarn.list


def test_stop_at_a_target():
    by_loss = run(network(0.0), steps=400, stop=0.05, every=10)
    assert by_loss.stopped and 10 < by_loss.steps < 400
    assert sum(by_loss.losses[-10:]) / 10 < 0.05
    seen = []

    def enough(model):
        seen.append(model.eval())
        return len(seen) == 3

    model = network()
    history = run(model, stop=enough, every=4)
    assert history.steps == 12 and history.stopped and model.training


def test_clipping_bounds_the_step():
    sizes = []

    class Seen(torch.optim.SGD):
        def step(self, closure=None):
            grads = [p.grad for group in self.param_groups for p in group["params"]]
            sizes.append(torch.cat([g.flatten() for g in grads]).norm().item())

    run(network(), clip=0.01, optimizer=Seen, schedule="constant")
    assert max(sizes) == pytest.approx(0.01, rel=1e-3)


def test_autocast_trains_and_keeps_float32_weights():
    model = network(0.0)
    history = run(model, steps=200, autocast=torch.bfloat16)
    assert history.losses[-1] < 0.1 * history.losses[0]
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps: expected a value above 0, got 0"),
        ({"lr": -1.0}, "lr: expected a value above 0, got -1.0"),
        ({"clip": -1.0}, "clip: expected a value above 0, got -1.0"),
        ({"clip": 0}, "clip: expected a value above 0, got 0"),
        ({"autocast": "bfloat16"}, "autocast: expected .*torch.bf.* got 'bfloat16'"),
        ({"autocast": torch.int8}, "autocast: .*got torch.int8"),
        ({"schedule": "cosine"}, "schedule: .*got 'cosine'"),
        ({"resume": True}, "checkpoint: expected a file to resume from"),
        ({"lr": math.inf}, "lr: expected a finite number, got inf"),
        ({"stop": math.nan}, "stop: expected a number, got nan"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        run(network(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2.5}, "steps: expected type int, got float"),
        ({"steps": "3"}, "steps: expected type int, got str"),
        ({"steps": None}, "steps: expected type int, got NoneType"),
        ({"every": True}, "every: expected type int, got bool"),
        ({"lr": "fast"}, "lr: expected type float, got str"),
        ({"clip": "1"}, "clip: expected type float, got str"),
        ({"seed": None}, "seed: expected type int, got NoneType"),
        ({"seed": 1.5}, "seed: expected type int, got float"),
        ({"stop": "a"}, "stop: expected a number or a function of the model, got str"),
        ({"optimizer": "adam"}, "optimizer: expected a function, got str"),
        ({"loss": "mse"}, "loss: expected a function, got str"),
    ],
)
def test_another_type_is_named(options, message):
    with pytest.raises(TypeError, match=message):
        run(network(), **options)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda value: value.item(), TypeError, "expected a tensor, got float"),
        (lambda value: None, TypeError, "expected a tensor, got NoneType"),
        (
            lambda value: value.expand(3),
            ValueError,
            r"expected a tensor of one element, got shape \(3,\)",
        ),
    ],
)
def test_a_loss_that_is_no_number_is_named(wrong, error, message):
    with pytest.raises(error, match=f"loss: {message}"):
        run(network(), loss=lambda model, batch: wrong(loss(model, batch)))


def test_no_batches_and_no_number_are_named():
    with pytest.raises(ValueError, match="batches: expected at least one"):
        fit(network(), [], loss, steps=1, lr=1.0, seed=1, progress=False)
    wrong = lambda model, batch: loss(model, batch) * torch.nan  # noqa: E731
    with pytest.raises(ValueError, match="loss: expected a finite number, got nan"):
        fit(network(), data, wrong, steps=1, lr=1.0, seed=1, progress=False)


def test_a_frozen_model_is_named(tmp_path):
    model = network().requires_grad_(False)
    with pytest.raises(ValueError, match="model: expected at least one weight to tr"):
        run(model, checkpoint=tmp_path / "run.pt")
    assert not list(tmp_path.iterdir())


def train_on(batches, **options):
    settings = {"steps": 9, "lr": 1e-2, "seed": 5, "progress": False}
    return fit(network(), batches, loss, **(settings | options))


def test_batches_that_may_differ_when_asked_again_keep_no_checkpoint(tmp_path):
    loader = torch.utils.data.DataLoader(data(), batch_size=None, shuffle=True)
    assert train_on(loader).steps == 9
    file = tmp_path / "run.pt"
    for wrong, kind in ((loader, "DataLoader"), (iter(data()), "list_iterator")):
        with pytest.raises(TypeError, match=f"batches: expected a list .*got {kind}, "):
            train_on(wrong, checkpoint=file)
    assert not file.exists()
    for right in (data(), tuple(data()), data):
        train_on(right, checkpoint=file, resume=True)


def test_batches_that_are_none_or_can_be_read_only_once_are_named():
    with pytest.raises(TypeError, match=r"batches: expected a list .*, got int"):
        train_on(6)
    with pytest.raises(ValueError, match="none in pass 1: a generator may be read on"):
        train_on(batch for batch in data())
    assert train_on((batch for batch in data()), steps=6).steps == 6


def test_progress_is_shown_when_asked(capsys):
    run(network())
    assert capsys.readouterr().err == ""
    run(network(), progress=True)
    assert "training: 100%" in capsys.readouterr().err


def test_seed_everything_seeds_all_three():
    import random

    import numpy as np

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    seed_everything(3)
    one = draw()
    seed_everything(3)
    assert draw() == one


SCRIPT = """
    import json, os, sys
    import torch
    from torch import nn
    from attnkit.train import fit

    def data(number):
        draw = torch.Generator().manual_seed(number)
        return list(torch.randn(6, 8, 5, generator=draw))

    def loss(model, x):
        if next(calls) == limit:
            raise SystemExit(0)
        return nn.functional.mse_loss(model(x), x.sum(-1, keepdim=True))

    rank, folder, limit = int(os.environ["RANK"]), sys.argv[1], int(sys.argv[2])
    torch.manual_seed(rank)  # the first one's weights count
    model, calls = nn.Linear(5, 1), iter(range(99))
    history = fit(model, data, loss, steps=12, lr=0.1, seed=1, every=4,
                  checkpoint=f"{folder}/run.pt", resume=True)
    out = {"weight": model.weight.tolist(), "losses": history.losses}
    json.dump(out, open(f"{folder}/{rank}.json", "w"))
"""


def launch(folder, limit: int = 99) -> str:
    """Run the script in two processes; what they wrote to the screen."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*start, "--nproc-per-node=2", str(script), str(folder), str(limit)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def in_one_process() -> tuple[nn.Module, list[float]]:
    """What the script's two processes should learn together: both batches as one."""

    def pairs(number: int) -> list[torch.Tensor]:
        draw = torch.Generator().manual_seed(number)
        return list(torch.randn(3, 16, 5, generator=draw))

    def squares(model, x):
        return nn.functional.mse_loss(model(x), x.sum(-1, keepdim=True))

    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    history = fit(model, pairs, squares, steps=12, lr=0.1, seed=1, progress=False)
    return model, history.losses


@pytest.mark.slow
def test_two_processes_average_their_gradients_and_resume(tmp_path):
    model, losses = in_one_process()
    launch(tmp_path, limit=9)  # both leave in the tenth step
    shown = launch(tmp_path)
    first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in (0, 1))
    assert first == second
    assert first["losses"] == pytest.approx(losses, rel=1e-5)
    assert first["weight"][0] == pytest.approx(model.weight[0].tolist(), rel=1e-4)
    assert shown.count("[00:00<?, ?it/s]") == 1  # one bar, as it opens
    assert "100%" in shown  # a slow machine may draw its end twice
    assert [path.name for path in tmp_path.glob("*.pt")] == ["run.pt"]


def test_one_process_needs_no_launcher(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert run(network(), steps=3).steps == 3
    assert not train.Processes().mine
