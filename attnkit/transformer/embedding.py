"""From symbols to tokens, and back; and the positions by their names."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.checks import check_ids, check_positive

from .positions import Alibi, Learned, Rotary, Shaw, Sinusoidal, TransformerXL

POSITIONS = (
    "sinusoidal",
    "learned",
    "rotary",
    "alibi",
    "shaw",
    "transformer_xl",
    "none",
)


class Embedding(nn.Module):
    r"""Symbols to tokens: a row of a table times $\sqrt D$, and a position.

    Args:
        size: symbols.
        embed_dim: $D$.
        position: "sinusoidal" or "learned"; others of `POSITIONS` add nothing here.
        max_len: positions in a learned table.
        dropout: of tokens, in training.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), sections 3.4 and 3.5.
    """

    def __init__(
        self, size: int, embed_dim: int, position: str, max_len: int, dropout: float
    ) -> None:
        super().__init__()
        check_positive("size", size)
        self.table = nn.Parameter(torch.randn(size, embed_dim) / math.sqrt(embed_dim))
        adds = {"sinusoidal": lambda: Sinusoidal(embed_dim)}
        adds |= {"learned": lambda: Learned(max_len, embed_dim)}
        self.position = adds[position]() if position in adds else None
        self.dropout = dropout

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """Numbers of symbols (B, N), the first at position `start` → (B, N, D).

        Raises:
            ValueError: not two axes of whole numbers of symbols.
        """
        check_ids("ids", ids, len(self.table), ("B", "N"))
        tokens = F.embedding(ids, self.table) * math.sqrt(self.table.shape[1])
        if self.position is not None:
            tokens = self.position(tokens, start)
        return F.dropout(tokens, self.dropout, self.training)

    def logits(self, tokens: Tensor) -> Tensor:
        """Scores of all symbols with this table's own rows: (B, N, V)."""
        return tokens @ self.table.mT


def score_position(name: str, embed_dim: int, num_heads: int) -> nn.Module | None:
    """A new position of one layer's scores; None for the names that are no such."""
    d = embed_dim // num_heads
    made = {
        "rotary": lambda: Rotary(d),
        "alibi": lambda: Alibi(num_heads),
        "shaw": lambda: Shaw(d),
        "transformer_xl": lambda: TransformerXL(embed_dim, num_heads),
    }
    if name not in POSITIONS:
        raise ValueError(
            f"position: expected one of {', '.join(POSITIONS)}; got {name!r}"
        )
    return made[name]() if name in made else None
