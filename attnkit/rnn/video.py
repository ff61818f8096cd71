"""A clip as a sequence of frames that a caption reads word by word.

Three parts, one behind the other. `FrameCNN` makes a **value** of every frame; it is
local: it knows the frame and what moved since the one before. A key encoder (`RNNKeys`,
`CNNKeys` or `TransformerKeys`) makes a **key** of every frame, which knows what came
before and after. `CaptionDecoder` writes: it scores the keys and sums the values.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from attnkit.attend import Additive, attend
from attnkit.checks import check_float, check_positive
from attnkit.data.clips import BACKGROUND, SIDE, VOCABULARY, as_floats

from .captioner import CaptionDecoder
from .video_keys import ENCODERS, check_frames, cut, paste

READS = ("values", "keys")
GAIN = 4.0  # so that a picture is about as far from zero as noise of variance 1


class FrameCNN(nn.Module):
    r"""A value of every frame, from that frame and from what moved since the last.

    $$v_t = f\big([x_t;\ \ell_t - \ell_{t-1}]\big)$$

    One frame shows a colour and a shape, but not where it goes: that takes two. What
    became brighter or darker since the frame before (the light $\ell$ is the mean of
    the colours) is a fourth channel of the picture, zero in the first frame. So a value
    depends on frames t - 1 and t and on no other, and a weight on it means that the
    model looked there.

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


class TemporalAttention(nn.Module):
    r"""Attention over the frames of a clip: which frames matter for this word.

    $$e_{it} = w^\top \tanh(W_q z_{i-1} + W_k k_t) \qquad
    a_i = \mathrm{softmax}(e_i) \qquad c_i = \sum_t a_{it} v_t$$

    It is the additive attention of a translator; what is new is what it reads. In the
    paper a frame's value is its key. `CaptionDecoder.look` makes the same step.

    Args:
        query_dim: width of a decoder state.
        dim: D, width of a value.
        key_dim: K, width of a key; `dim` if None.
        hidden_dim: hidden width of the score.

    Source:
        Yao et al. 2015 (arXiv:1502.08029), on global temporal structure.
    """

    def __init__(
        self,
        query_dim: int,
        dim: int,
        key_dim: int | None = None,
        hidden_dim: int = 32,
    ) -> None:
        super().__init__()
        self.score = Additive(
            query_dim, dim if key_dim is None else key_dim, hidden_dim
        )

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Context (B, N, D) for states (B, N, ·), from values (B, T, D).

        Args:
            query: decoder states, one per word.
            value: one per frame.
            key: (B, T, K); the values if None.
            mask: boolean (B, T), True = the frame is there. A clip without any frame
                gives zeros.
            need_weights: also return the weights (B, N, T).

        Raises:
            ValueError: a shape, a dtype or the mask does not fit.
        """
        check_float("value", value, 3)
        check_frames(mask, value.shape[:2])
        return attend(
            query,
            value if key is None else key,
            value,
            score=self.score,
            mask=None if mask is None else mask[:, None],
            need_weights=need_weights,
        )


class VideoCaptioner(nn.Module):
    r"""Values of frames in, words out: one decoder, any encoder before its keys.

    $$k = \mathrm{encoder}(v) \qquad a_{it} = \mathrm{softmax}_t\big(
    \mathrm{score}(z_{i-1}, k_t)\big) \qquad c_i = \sum_t a_{it} v_t$$

    Args:
        encoder: "rnn", "cnn", "transformer", or None: a value is its own key.
        attention: "soft", or "mean": the mean of all frames, without attention.
        reads: "values": the decoder sums the local values; "keys": it sums what the
            encoder made of them.
        dim: D, width of a value.
        decoder: makes another decoder in place of `CaptionDecoder`: called as that
            class is, with the size of the vocabulary, `memory_dim` and `key_dim=`, it
            gives a module with its `forward` and `generate`. `attention` is then not
            used.
        options: further options of `CaptionDecoder`, such as `hidden_dim`; none beside
            `decoder`.

    Raises:
        ValueError: an unknown encoder, attention or `reads`.
        TypeError: options beside `decoder`.

    Source:
        Yao et al. 2015 (arXiv:1502.08029), with a choice of encoders.
    """

    def __init__(
        self,
        encoder: str | None = "rnn",
        *,
        attention: str = "soft",
        reads: str = "values",
        dim: int = 48,
        decoder: Callable[..., nn.Module] | None = None,
        **options: int,
    ) -> None:
        super().__init__()
        if encoder is not None and encoder not in ENCODERS:
            known = ", ".join(ENCODERS)
            raise ValueError(f"encoder: expected {known} or None; got {encoder!r}")
        if reads not in READS:
            raise ValueError(f"reads: expected values or keys; got {reads!r}")
        if decoder is not None and options:
            raise TypeError(
                f"options: expected none beside decoder, got {', '.join(options)}; use "
                "functools.partial"
            )
        self.reads = reads
        self.encoder = None if encoder is None else ENCODERS[encoder](dim)
        key_dim = dim if self.encoder is None else self.encoder.key_dim
        if decoder is None:
            decoder = partial(CaptionDecoder, attention=attention, **options)
        self.decoder = decoder(
            len(VOCABULARY), dim if reads == "values" else key_dim, key_dim=key_dim
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
