"""A trained captioner as two modules that `torch.export` can write down.

"encode" reads the image once, "step" writes one word; the page calls the second again
and again and hands its outputs back under the same names.
"""

from typing import Any

import torch
from torch import Tensor, nn

from attnkit.data.vocabulary import BOS

from .captioner import CaptionDecoder


class _Encode(nn.Module):
    """image (1, 3, Y, X) → memory (1, M, D), keys (1, M, D), hidden (1, H)."""

    output_names = ("memory", "keys", "hidden")

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        memory = self.model.encoder(image)
        return memory, memory.clone(), self.model.decoder.start(memory)


class _Step(nn.Module):
    """One word. Inputs: token (1,), hidden (1, H), memory (1, M, D), keys (1, M, K),
    mask (1, M) boolean. Outputs: logits (1, V), weights (1, M) as spent, chances (1, M)
    before a hard choice, hidden (1, H)."""

    output_names = ("logits", "weights", "chances", "hidden")

    def __init__(self, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, token: Tensor, hidden: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, ...]:
        logits, hidden, look = self.decoder.step(token, hidden, memory, keys, mask)
        return logits, look.weights, look.chances, hidden


def step_entry(
    decoder: CaptionDecoder, places: int, key_dim: int | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """The module of one word, with example inputs, for a memory of so many places."""
    width = decoder.memory_dim
    inputs = {
        "token": torch.tensor([BOS]),
        "hidden": torch.zeros(1, decoder.cell.hidden_size),
        "memory": torch.zeros(1, places, width),
        "keys": torch.zeros(1, places, width if key_dim is None else key_dim),
        "mask": torch.ones(1, places, dtype=torch.bool),
    }
    return _Step(decoder).eval(), inputs


def caption_entries(model: nn.Module) -> dict[str, tuple[nn.Module, dict[str, Any]]]:
    """The entry points of a `Captioner` for the page: "encode" and "step".

    Raises:
        TypeError: a decoder that is not recurrent.
        ValueError: a model in training mode: hard attention would draw.
    """
    if not isinstance(model.decoder, CaptionDecoder):
        name = type(model.decoder).__name__
        raise TypeError(f"model: expected a recurrent decoder, got {name}")
    if model.training:
        raise ValueError("model: expected evaluation mode; call model.eval()")
    encoder = model.encoder
    image = torch.zeros(1, 3, encoder.size, encoder.size)
    return {
        "encode": (_Encode(model).eval(), {"image": image}),
        "step": step_entry(model.decoder, encoder.rows * encoder.columns),
    }
