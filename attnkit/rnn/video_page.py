"""Eye and captioner together, as two modules that `torch.export` can write down.

"encode" watches the clip once, "step" writes one word; the page calls the second one
again and again and hands its outputs back under the same names.
"""

from typing import Any

import torch
from torch import Tensor, nn

from attnkit.data import BOS
from attnkit.data.clips import SIDE

from .page import _gru, _stacked
from .video import FrameCNN, VideoCaptioner
from .video_keys import RNNKeys


class ClipReader(nn.Module):
    """From the pixels of a clip to its caption: what a widget runs.

    Args:
        eye: makes the values.
        captioner: with attention.

    Raises:
        ValueError: a captioner without attention: it has nothing to show.
    """

    def __init__(self, eye: FrameCNN, captioner: VideoCaptioner) -> None:
        super().__init__()
        decoder = captioner.decoder
        attention = getattr(decoder, "attention", type(decoder).__name__)
        if attention != "soft":
            raise ValueError(f"captioner: expected soft attention, got {attention}")
        self.eye, self.captioner = eye, captioner

    def encode(self, frames: Tensor) -> dict[str, Tensor]:
        """State before the first word, memory and keys of frames (B, T, 3, 16, 16)."""
        memory, keys = self.captioner.encode(self.eye(frames))
        state = self.captioner.decoder.start(memory)
        return {"state": state, "memory": memory, "keys": keys}

    def step(
        self, token: Tensor, state: Tensor, memory: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, V) of the next word, the new state, weights (B, T)."""
        decoder = self.captioner.decoder
        logits, state, look = decoder.step(token, state, memory, keys)
        return logits, state, look.weights

    def page_entries(self, frames: int) -> dict[str, tuple[nn.Module, dict[str, Any]]]:
        """The entry points for the page: clips of exactly so many frames."""
        clip = torch.rand(1, frames, 3, SIDE, SIDE)
        with torch.no_grad():
            known = self.encode(clip) | {"token": torch.tensor([BOS])}
        return {
            "encode": (_Encode(self).eval(), {"frames": clip}),
            "step": (_Step(self).eval(), known),
        }


class _Encode(nn.Module):
    """frames (1, T, 3, Y, X) → state, memory, keys; a GRU is written out."""

    def __init__(self, reader: ClipReader) -> None:
        super().__init__()
        self.reader = reader
        self.output_names = ["state", "memory", "keys"]

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        model = self.reader.captioner
        values = self.reader.eye(frames)
        if isinstance(model.encoder, RNNKeys):
            keys = unrolled(model.encoder.rnn, values)
            memory = values if model.reads == "values" else keys
        else:
            memory, keys = model.encode(values)
        return model.decoder.start(memory), memory, keys


class _Step(nn.Module):
    """One word: token (1,), state (1, D), memory, keys (1, T, ·) → logits (1, V),
    state, weights (1, T)."""

    def __init__(self, reader: ClipReader) -> None:
        super().__init__()
        self.reader = reader
        self.output_names = ["logits", "state", "weights"]

    def forward(
        self, token: Tensor, state: Tensor, memory: Tensor, keys: Tensor
    ) -> tuple[Tensor, ...]:
        return self.reader.step(token, state, memory, keys)


def unrolled(rnn: nn.GRU, x: Tensor) -> Tensor:
    """What a GRU in both directions computes for one clip x (1, T, D), step by step."""
    size = rnn.hidden_size
    both = torch.cat([x, x.flip(1)])  # (2, T, D)
    into, bias_in = _stacked(rnn, "ih")
    back, bias_back = _stacked(rnn, "hh")
    inputs = torch.bmm(both, into) + bias_in  # (2, T, 3 d)
    parts = inputs.split([2 * size, size], -1)
    held, rows = (x.new_zeros(2, 1, size),), []
    for pair in zip(*(part.split(1, 1) for part in parts), strict=True):
        held = _gru(pair, torch.bmm(held[0], back) + bias_back, held)
        rows.append(held[0])
    states = torch.cat(rows, 1)  # (2, T, d)
    return torch.cat([states[:1], states[1:].flip(1)], -1)
