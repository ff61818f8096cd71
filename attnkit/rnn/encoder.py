"""Reading the source: a recurrent encoder that never sees the padding."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnkit.checks import check_ids

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class Memory(NamedTuple):
    """What the encoder hands to the decoder; it is read, never changed.

    `values` (B, S, D) one vector per source position, zero where padded; `mask`
    (B, S) True where there is a symbol; `summary` (B, D) the last state of each
    direction, the "one vector" of an encoder–decoder without attention.
    """

    values: Tensor
    mask: Tensor
    summary: Tensor

    def select(self, rows: Tensor) -> "Memory":
        """The chosen rows of the batch."""
        return Memory(*(part[rows] for part in self))


def look_up_cell(cell: str) -> type[nn.RNNBase]:
    """`nn.GRU` or `nn.LSTM` for its name."""
    if cell not in CELLS:
        raise ValueError(f"cell: expected one of {', '.join(CELLS)}; got {cell!r}")
    return CELLS[cell]


def check_source_mask(mask: Tensor, source: Tensor) -> None:
    """Raise unless `mask` is True for the first symbols of each row, at least one."""
    if mask.dtype != torch.bool or mask.shape != source.shape:
        raise ValueError(
            f"source_mask: expected torch.bool of shape {tuple(source.shape)} "
            f"(True = a symbol), got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    if mask.shape[0] == 0:
        raise ValueError("source: expected at least one row, got none")
    if torch.compiler.is_compiling():
        return
    if mask.shape[1] == 0 or not mask[:, 0].all():
        empty = [] if mask.shape[1] == 0 else (~mask[:, 0]).nonzero()[:, 0].tolist()
        raise ValueError(
            "source: expected at least one symbol in every row, got none in "
            f"{f'rows {empty}' if empty else 'any'}"
        )
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError("source_mask: expected padding after the symbols only")


class Encoder(nn.Module):
    r"""A recurrent network over the source, in both directions.

    $$\overrightarrow{h}_j = \mathrm{RNN}(x_j, \overrightarrow{h}_{j-1}) \qquad
    \overleftarrow{h}_j = \mathrm{RNN}(x_j, \overleftarrow{h}_{j+1}) \qquad
    h_j = [\overrightarrow{h}_j; \overleftarrow{h}_j]$$

    The sequences are packed, so that padding is never read: without packing the
    backward direction starts in the padding, learns to use it, and fails on sources
    of another padded length.

    Args:
        size: number of source symbols.
        embed_dim: width of a symbol's embedding.
        hidden_dim: width of $h_j$, both directions together.
        cell: "gru" or "lstm".
        bidirectional: False reads from left to right only.

    Raises:
        ValueError: an unknown cell, or an odd `hidden_dim` for two directions.

    Source:
        Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473), section 3.2.
    """

    def __init__(
        self,
        size: int,
        embed_dim: int = 32,
        hidden_dim: int = 64,
        *,
        cell: str = "gru",
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        if hidden_dim % directions:
            raise ValueError(f"hidden_dim: expected an even number, got {hidden_dim}")
        self.size, self.hidden_dim = size, hidden_dim
        self.embed = nn.Embedding(size, embed_dim)
        self.rnn = look_up_cell(cell)(
            embed_dim,
            hidden_dim // directions,
            batch_first=True,
            bidirectional=bidirectional,
        )

    def forward(self, source: Tensor, source_mask: Tensor) -> Memory:
        """Read a batch of sources.

        Args:
            source: (B, S) numbers of symbols.
            source_mask: (B, S) boolean, True for the symbols, which come first.

        Returns:
            `Memory` with values (B, S, hidden_dim).

        Raises:
            ValueError: no row, a row without a symbol, a number outside the
                vocabulary, or a mask of another shape or with gaps.
        """
        check_ids("source", source, self.size)
        check_source_mask(source_mask, source)
        lengths = source_mask.sum(1).cpu()
        packed = pack_padded_sequence(
            self.embed(source), lengths, batch_first=True, enforce_sorted=False
        )
        values, last = self.rnn(packed)
        values, _ = pad_packed_sequence(
            values, batch_first=True, total_length=source.shape[1]
        )  # (B, S, D)
        last = last[0] if isinstance(last, tuple) else last  # (directions, B, D')
        return Memory(values, source_mask, last.transpose(0, 1).flatten(1))
