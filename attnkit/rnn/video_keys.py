"""Keys of the frames of a clip: what a frame is among the others.

An RNN, a CNN over time or a Transformer, all with one interface: values (B, T, D) in,
keys (B, T, K) out. A frame that the mask leaves out is taken out as scissors would.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_float, check_positive, check_width


def cut(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Take the masked frames out of a clip, as scissors would.

    Args:
        x: something of each frame, (B, T, ...).
        mask: boolean (B, T), True = the frame is there; None: all are.

    Returns:
        x with the frames that are there in front and zeros behind, the mask of those,
        and the order (B, T) that `paste` takes to put them back.
    """
    if mask is None:
        return x, None, None
    order = mask.long().argsort(dim=1, descending=True, stable=True)  # (B, T)
    there = mask.gather(1, order)
    rows = torch.arange(len(x), device=x.device)[:, None]
    shape = (*there.shape, *[1] * (x.dim() - 2))
    return x[rows, order] * there.view(shape), there, order


def paste(x: Tensor, mask: Tensor | None, order: Tensor | None) -> Tensor:
    """Put frames (B, T, D) back to where `cut` took them from; zeros elsewhere."""
    if order is None:
        return x
    rows = torch.arange(len(x), device=x.device)[:, None]
    return (x * mask[..., None])[rows, order.argsort(1)]


def check_frames(mask: Tensor | None, shape: tuple[int, int]) -> None:
    """Raise unless the mask of frames is None or a boolean (B, T)."""
    if mask is None:
        return
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask: expected a tensor, got {type(mask).__name__}")
    if mask.dtype != torch.bool or mask.shape != shape:
        raise ValueError(
            f"mask: expected booleans of shape {tuple(shape)} (clips, frames), got "
            f"{mask.dtype} of shape {tuple(mask.shape)}"
        )


class _Keys(nn.Module):
    """Keys (B, T, K) of values (B, T, D); `encode` sees only frames that are there."""

    def __init__(self, dim: int, key_dim: int) -> None:
        super().__init__()
        check_positive("dim", dim)
        check_positive("key_dim", key_dim)
        self.dim, self.key_dim = dim, key_dim

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Keys (B, T, K), zero for a masked frame; the mask is that of `FrameCNN`."""
        check_float("values", values, 3)
        check_width("values", values, self.dim, "dim")
        check_frames(mask, values.shape[:2])
        x, there, order = cut(values, mask)
        return paste(self.encode(x, there), there, order)

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Keys of clips whose frames stand in front, padding behind."""
        raise NotImplementedError


class RNNKeys(_Keys):
    """A GRU in each direction: what came before, and what comes after.

    Args:
        dim: D, width of a value.
        key_dim: K, both directions together; an even number.

    Raises:
        ValueError: a width below 1, or an odd `key_dim`.
    """

    def __init__(self, dim: int = 48, key_dim: int = 64) -> None:
        super().__init__(dim, key_dim)
        if key_dim % 2:
            raise ValueError(f"key_dim: expected an even number, got {key_dim}")
        self.rnn = nn.GRU(dim, key_dim // 2, batch_first=True, bidirectional=True)

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return self.rnn(x)[0]
        lengths = mask.sum(1).clamp(min=1).cpu()  # an empty clip reads one zero
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.rnn(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        return states


class CNNKeys(_Keys):
    """Three convolutions over time, with holes of 1, 2 and 4 frames: 7 to each side.

    Args:
        dim: D, width of a value.
        key_dim: K.
        hidden_dim: width of the layers between.
    """

    def __init__(self, dim: int = 48, key_dim: int = 64, hidden_dim: int = 36) -> None:
        super().__init__(dim, key_dim)
        check_positive("hidden_dim", hidden_dim)
        sizes = (dim, hidden_dim, hidden_dim, key_dim)
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 3, padding=2**i, dilation=2**i)
            for i, (a, b) in enumerate(pairwise(sizes))
        )

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x.mT  # (B, D, T)
        for layer in self.layers:
            x = F.relu(layer(x))
            if mask is not None:
                x = x * mask[:, None]  # behind the end is nothing, as before the start
        return x.mT


class TransformerKeys(_Keys):
    """Self-attention over all frames, with waves that tell their number.

    Args:
        dim: D, width of a value.
        key_dim: K.
        hidden_dim: width between, a multiple of `num_heads` and even.
        num_heads: heads of each layer.
        num_layers: how many.
    """

    def __init__(
        self,
        dim: int = 48,
        key_dim: int = 64,
        hidden_dim: int = 32,
        num_heads: int = 4,
        num_layers: int = 2,
    ) -> None:
        super().__init__(dim, key_dim)
        check_positive("num_heads", num_heads)
        check_positive("hidden_dim", hidden_dim)
        if hidden_dim % num_heads or hidden_dim % 2:
            raise ValueError(
                f"hidden_dim: expected an even number and a multiple of {num_heads}, "
                f"got {hidden_dim}"
            )
        self.inner = nn.Sequential(nn.Linear(dim, hidden_dim), nn.LayerNorm(hidden_dim))
        layer = nn.TransformerEncoderLayer(
            hidden_dim,
            num_heads,
            dim_feedforward=2 * hidden_dim,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, num_layers, enable_nested_tensor=False
        )
        self.outer = nn.Linear(hidden_dim, key_dim)

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.inner(x)  # about as large as the waves
        x = x + waves(x.shape[1], x.shape[2]).to(x)
        hidden = None
        if mask is not None:  # frame 0 stays: softmax over nothing would be NaN
            hidden = ~mask & (torch.arange(x.shape[1], device=x.device) > 0)
        return self.outer(self.layers(x, src_key_padding_mask=hidden))


def waves(length: int, dim: int) -> Tensor:
    """Sines and cosines (length, dim) that tell positions apart.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.
    """
    place = torch.arange(length)[:, None]  # (T, 1)
    rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(1e4) / dim))  # (dim / 2,)
    return torch.stack([(place * rate).sin(), (place * rate).cos()], -1).flatten(1)


ENCODERS = {"rnn": RNNKeys, "cnn": CNNKeys, "transformer": TransformerKeys}
