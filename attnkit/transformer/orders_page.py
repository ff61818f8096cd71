"""A model of all orders as a module that can be exported: its two masks are inputs."""

from typing import Any

import torch
from torch import Tensor, nn

from attnkit.checks import check_positive

from .permutation import PermutationLanguageModel, permutation_masks


class OpenOrders(nn.Module):
    """Inputs: ids (1, N), and who may see whom, content and query (N, N), True = may
    attend. Output: logits (N, V), for each place from what its query stream sees.

    Args:
        model: a `PermutationLanguageModel` in evaluation mode.

    Raises:
        ValueError: another model, or one in training mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, PermutationLanguageModel):
            got = type(model).__name__
            raise ValueError(f"model: expected a model of all orders, got a {got}")
        if model.training:
            raise ValueError("model: expected evaluation mode; call model.eval()")
        self.model = model

    def forward(self, ids: Tensor, content: Tensor, query: Tensor) -> Tensor:
        known = self.model.embedding(ids)  # (1, N, D)
        asked = self.model.unknown.expand_as(known)
        for layer in self.model.encoder.layers:
            memory = layer.remember(known)
            asked, _ = layer.read(asked, memory, mask=query[None], need_weights=True)
            known, _ = layer.read(known, memory, mask=content[None], need_weights=True)
        return self.model.embedding.logits(self.model.encoder.norm(asked))[0]  # (N, V)


def page_entries(model: nn.Module, size: int) -> dict[str, Any]:
    """The graph that `OrderMask` runs in the page.

    Args:
        model: see `OpenOrders`.
        size: N, places of a text.

    Returns:
        What `attnkit.live.pack` takes: "run" with its module and example inputs.
    """
    check_positive("size", size)
    masks = permutation_masks(torch.arange(size))
    inputs = {"ids": torch.zeros(1, size, dtype=torch.int64), **masks._asdict()}
    return {"run": (OpenOrders(model), inputs)}
