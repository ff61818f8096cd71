"""An image as a sequence of regions, and the captioner that reads it."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_float, check_positive

from .captioner import CaptionDecoder, Out, Written
from .captioner_page import caption_entries


class RegionEncoder(nn.Module):
    r"""A convolutional network whose output is one vector per region.

    $$v_i = \mathrm{LayerNorm}(\mathrm{CNN}(x)_i) + p_i$$

    The last layer's kernel is as large as a region and steps by as much, so a region's
    vector sees its own pixels and a rim of three around them, no more: what is
    attended to is what is there. $p_i$ is learned and tells where region $i$ is.

    Args:
        rows, columns: of the lattice of regions; M = rows * columns.
        size: height and width of the images.
        width: D, of a region's vector.
        channels: of the two layers before.

    Raises:
        ValueError: `size` / 2 is not a multiple of `rows` and of `columns`.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), section 3.1.1, with a small network that is
        trained along in place of VGG; the learned places are added here.
    """

    def __init__(
        self,
        rows: int = 4,
        columns: int = 4,
        *,
        size: int = 48,
        width: int = 48,
        channels: tuple[int, int] = (12, 16),
    ) -> None:
        super().__init__()
        for name, value in (("rows", rows), ("columns", columns), ("size", size)):
            check_positive(name, value)
            if size % (2 * value) and name != "size":
                raise ValueError(
                    f"{name}: expected a divisor of {size // 2}, got {value}"
                )
        half, (first, second) = size // 2, channels
        self.size, self.rows, self.columns = size, rows, columns
        self.conv1 = nn.Conv2d(3, first, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        block = (half // rows, half // columns)
        self.conv3 = nn.Conv2d(second, width, block, stride=block)
        self.norm = nn.LayerNorm(width)
        self.place = nn.Parameter(0.02 * torch.randn(rows * columns, width))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, Y, X), numbers from 0 to 1 → regions (B, M, D), row by row.

        Raises:
            ValueError: an image of another size, or numbers that are not floating.
        """
        check_float("images", images, 4)
        if images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"images: expected shape (batch, 3, {self.size}, {self.size}), got "
                f"{tuple(images.shape)}; resize before"
            )
        x = F.relu(self.conv1(2 * images - 1))  # (B, C, Y/2, X/2)
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))  # (B, D, rows, columns)
        return self.norm(x.flatten(2).mT) + self.place  # (B, M, D)


class Captioner(nn.Module):
    """An encoder of regions and a decoder of captions.

    Args:
        vocab_size: V, number of words with the four special ones.
        attention: "soft", "hard" or "mean"; see `CaptionDecoder`.
        rows, columns: of the lattice of regions.
        width: D, of a region's vector.
        hidden_dim: of the decoder.
        decoder: makes another decoder in its place: called with `vocab_size` and
            `width`, it gives a module with the `forward` and `generate` of
            `CaptionDecoder`. `attention` and `hidden_dim` are then not used.
    """

    def __init__(
        self,
        vocab_size: int,
        attention: str = "soft",
        *,
        rows: int = 4,
        columns: int = 4,
        width: int = 48,
        hidden_dim: int = 64,
        decoder: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = RegionEncoder(rows, columns, width=width)
        if decoder is None:
            decoder = partial(
                CaptionDecoder, hidden_dim=hidden_dim, attention=attention
            )
        self.decoder = decoder(vocab_size, width)

    @classmethod
    def beside(
        cls, encoder: RegionEncoder, vocab_size: int, attention: str
    ) -> "Captioner":
        """A captioner with a new decoder on an encoder that both then share."""
        width = encoder.place.shape[1]
        size = {"rows": encoder.rows, "columns": encoder.columns, "width": width}
        model = cls(vocab_size, attention, **size)
        model.encoder = encoder
        return model

    def forward(
        self, images: Tensor, captions: Tensor, *, need_weights: bool = False
    ) -> Out:
        """Logits (B, T, V) of each next word, and the weights (B, T, M) if asked for;
        see `RegionEncoder.forward` and `CaptionDecoder.forward`."""
        memory = self.encoder(images)
        return self.decoder(memory, captions, need_weights=need_weights)

    def write(self, images: Tensor, captions: Tensor) -> Written:
        """As `forward`, with all that REINFORCE needs."""
        return self.decoder.write(self.encoder(images), captions)

    def generate(
        self, images: Tensor, *, max_len: int = 9, need_weights: bool = False
    ) -> Out:
        """Greedy captions (B, T), and the weights (B, T, M) if asked for."""
        with torch.no_grad():
            memory = self.encoder(images)
        return self.decoder.generate(memory, max_len=max_len, need_weights=need_weights)

    def page_entries(self) -> dict:
        """The graphs that run this model in a page; see `attnkit.live.WordToRegion`."""
        return caption_entries(self)
