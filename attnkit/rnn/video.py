"""A clip as a sequence of frames that a caption reads word by word.

Three parts, one behind the other. `FrameCNN` makes a **value** of every frame; it is
local: it knows the frame and what moved since the one before. A key encoder (`RNNKeys`,
`CNNKeys` or `TransformerKeys`) makes a **key** of every frame, which knows what came
before and after. `CaptionDecoder` writes: it scores the keys and sums the values.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_float, check_positive, check_width
from attnkit.data.clips import BACKGROUND, SIDE, VOCABULARY, as_floats

from .captioner import CaptionDecoder

READS = ("values", "keys")
GAIN = 4.0  # so that a picture is about as far from zero as noise of variance 1


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


class FrameCNN(nn.Module):
    r"""A value of every frame, from that frame and from what moved since the last.

    $$v_t = f\big([x_t;\ \bar x_t - \bar x_{t-1}]\big)$$

    One frame shows a colour and a shape, but not where it goes: that takes two. What
    became brighter or darker since the frame before ($\bar x$: mean of the colours) is
    a fourth channel of the picture, zero in the first frame. So a value depends on
    frames t - 1 and t and on no other, and a weight on it means that the model looked
    there.

    Args:
        dim: D, width of a value.
        channels: of the two layers of the network.
    """

    def __init__(self, dim: int = 48, channels: tuple[int, int] = (12, 24)) -> None:
        super().__init__()
        check_positive("dim", dim)
        first, second = channels
        self.dim = dim
        self.layers = nn.Sequential(
            nn.Conv2d(4, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(second * (SIDE // 4) ** 2, dim),
            nn.ReLU(),
        )

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Values (B, T, D) of frames (B, T, 3, 16, 16).

        Args:
            frames: bytes from 0 to 255 or floats from 0 to 1. T may be 1: then nothing
                is known of motion.
            mask: boolean (B, T), True = the frame is there. A masked frame is taken
                out: its neighbours become neighbours of each other.

        Returns:
            (B, T, D), zero for a masked frame.

        Raises:
            ValueError: frames of another size, no frame, or a mask that does not fit.
        """
        x, there, order = cut(_checked(frames, mask), mask)
        light = x.mean(2, keepdim=True)  # (B, T, 1, Y, X)
        moved = light - torch.cat([light[:, :1], light[:, :-1]], 1)
        both = torch.cat([x - BACKGROUND, moved], 2) * GAIN  # (B, T, 4, Y, X)
        values = self.layers(both.flatten(0, 1)).unflatten(0, both.shape[:2])
        return paste(values, there, order)

    @torch.no_grad()
    def watch(self, frames: Tensor, size: int = 256) -> Tensor:
        """Values of many clips, `size` at a time, without gradients."""
        parts = [self(part) for part in frames.split(size)]
        return torch.cat(parts)


def _checked(frames: Tensor, mask: Tensor | None) -> Tensor:
    """The frames as numbers from 0 to 1."""
    if not isinstance(frames, Tensor):
        raise TypeError(f"frames: expected a tensor, got {type(frames).__name__}")
    wanted = (3, SIDE, SIDE)
    if frames.dim() != 5 or frames.shape[2:] != wanted or not frames.shape[1]:
        raise ValueError(
            f"frames: expected (clips, frames, 3, {SIDE}, {SIDE}) with at least one "
            f"frame, got shape {tuple(frames.shape)}"
        )
    check_frames(mask, frames.shape[:2])
    return as_floats(frames)


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
        key_dim: K, both directions together.
    """

    def __init__(self, dim: int = 48, key_dim: int = 64) -> None:
        super().__init__(dim, key_dim)
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


class VideoCaptioner(nn.Module):
    r"""Values of frames in, words out: one decoder, any encoder before its keys.

    $$k = \mathrm{encoder}(v) \qquad a_{it} = \mathrm{softmax}_t\big(
    \mathrm{score}(s_{i-1}, k_t)\big) \qquad c_i = \sum_t a_{it} v_t$$

    Args:
        encoder: "rnn", "cnn", "transformer", or None: a value is its own key.
        attention: "soft", or "mean": the mean of all frames, without attention.
        reads: "values": the decoder sums the local values; "keys": it sums what the
            encoder made of them.
        dim: D, width of a value.
        options: further options of `CaptionDecoder`, such as `hidden_dim`.

    Raises:
        ValueError: an unknown encoder, attention or `reads`.

    Source:
        Yao et al. 2015 (arXiv:1502.08029), section 3, with a choice of encoders.
    """

    def __init__(
        self,
        encoder: str | None = "rnn",
        *,
        attention: str = "soft",
        reads: str = "values",
        dim: int = 48,
        **options: int,
    ) -> None:
        super().__init__()
        if encoder is not None and encoder not in ENCODERS:
            known = ", ".join(ENCODERS)
            raise ValueError(f"encoder: expected {known} or None; got {encoder!r}")
        if reads not in READS:
            raise ValueError(f"reads: expected values or keys; got {reads!r}")
        self.reads = reads
        self.encoder = None if encoder is None else ENCODERS[encoder](dim)
        key_dim = dim if self.encoder is None else self.encoder.key_dim
        self.decoder = CaptionDecoder(
            len(VOCABULARY),
            dim if reads == "values" else key_dim,
            key_dim=key_dim,
            attention=attention,
            **options,
        )

    def encode(self, values: Tensor, mask: Tensor | None = None) -> tuple:
        """What the decoder sums, and what it scores: memory and keys (B, T, ·)."""
        keys = values if self.encoder is None else self.encoder(values, mask)
        return (values if self.reads == "values" else keys), keys

    def forward(
        self,
        values: Tensor,
        captions: Tensor,
        mask: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of each next word of a known caption.

        Args:
            values: (B, T, D), from `FrameCNN`.
            captions: (B, L) numbers of words, beginning with BOS.
            mask: boolean (B, T), True = the frame is there. A clip without any frame
                is written about from a zero context.
            need_weights: also return the weights (B, L, T).

        Raises:
            ValueError: shapes that do not fit.
        """
        memory, keys = self.encode(values, mask)
        return self.decoder(
            memory, captions, keys=keys, mask=mask, need_weights=need_weights
        )

    def caption(
        self, values: Tensor, mask: Tensor | None = None, *, max_len: int = 30
    ) -> tuple[Tensor, Tensor]:
        """Write captions greedily: ids (B, L) and weights (B, L, T)."""
        with torch.no_grad():
            memory, keys = self.encode(values, mask)
        return self.decoder.generate(
            memory, keys=keys, mask=mask, max_len=max_len, need_weights=True
        )
