"""A small run of training that the tests of the loop and of its checkpoints share."""

import torch
from torch import nn

from attnkit.train import History, fit


def data(seed: int = 0, batches: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(batches, 8, 5, generator=draw)
    return [(part, part.sum(-1, keepdim=True)) for part in x]


def network(dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(3)
    layers = nn.Linear(5, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1)
    return nn.Sequential(*layers)


def loss(model: nn.Module, batch) -> torch.Tensor:
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def run(model: nn.Module, loss=loss, **options) -> History:
    settings = {"steps": 30, "lr": 1e-2, "seed": 5, "progress": False, "every": 5}
    return fit(model, data, loss, **(settings | options))


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


def same(one, two) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def breaking(at: int):
    """The loss, with an interruption at its `at`-th call."""
    calls = iter(range(at + 1))

    def broken(model, batch):
        if next(calls) == at:
            raise KeyboardInterrupt
        return loss(model, batch)

    return broken
