"""Encoder and decoder together: a translator."""

from torch import Tensor, nn

from attnkit.checks import check_positive
from attnkit.data import PAD

from .decoder import Decoder, State
from .encoder import Encoder, Memory


class Seq2Seq(nn.Module):
    """An encoder–decoder, with attention or with one fixed vector.

    Args:
        source_size: number of source symbols; 0 is padding.
        target_size: number of target symbols.
        embed_dim: width of the embeddings.
        hidden_dim: width of encoder states (both directions together) and of decoder
            states.
        cell: "gru" or "lstm".
        attention: "additive", "bahdanau", "dot", "general", "concat", "local-m",
            "local-p", or None for one fixed vector; see `Decoder`.
        input_feeding: feed the last output vector into the next step (Luong).
        dropout: of embeddings and output vectors.
        window: positions on each side that local attention sees.
        attention_dim: hidden width of additive and concat scores and of local-p.

    Raises:
        ValueError: a size that is not above 0, an odd `hidden_dim`, an unknown cell or
            attention.
        TypeError: a size that is no whole number.

    Source:
        Sutskever, Vinyals and Le 2014 (arXiv:1409.3215); Bahdanau, Cho and Bengio 2014
        (arXiv:1409.0473); Luong, Pham and Manning 2015 (arXiv:1508.04025).
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        *,
        embed_dim: int = 32,
        hidden_dim: int = 64,
        cell: str = "gru",
        attention: str | None = "additive",
        input_feeding: bool = False,
        dropout: float = 0.0,
        window: int = 4,
        attention_dim: int = 32,
    ) -> None:
        super().__init__()
        check_positive("source_size", source_size)
        check_positive("target_size", target_size)
        check_positive("embed_dim", embed_dim)
        check_positive("hidden_dim", hidden_dim)
        self.encoder = Encoder(source_size, embed_dim, hidden_dim, cell=cell)
        self.decoder = Decoder(
            target_size,
            hidden_dim,
            embed_dim,
            hidden_dim,
            cell=cell,
            attention=attention,
            input_feeding=input_feeding,
            window=window,
            attention_dim=attention_dim,
            dropout=dropout,
        )

    @property
    def attends(self) -> bool:
        """Whether it has weights over the source."""
        return self.decoder.attention is not None

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        source_mask: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of each next symbol of a known target (teacher forcing).

        Args:
            source: (B, S) numbers of symbols.
            target: (B, T) numbers of symbols, beginning with BOS.
            source_mask: (B, S) boolean, True for symbols; `source != PAD` if None.
            need_weights: also return the attention weights.

        Returns:
            logits (B, T, V), or (logits, weights (B, T, S)).

        Raises:
            ValueError: a row without a symbol, a number outside the vocabulary, a mask
                that does not fit, or weights of a model without attention.
        """
        if need_weights and not self.attends:
            raise ValueError("need_weights: expected False without attention, got True")
        state, memory = self.encode(source, source_mask)
        logits, _, weights = self.decoder(target, state, memory)
        return (logits, weights) if need_weights else logits

    def encode(
        self, source: Tensor, source_mask: Tensor | None = None
    ) -> tuple[State, Memory]:
        """Read the source: the decoder's first state, and the memory it looks at.

        Args and errors are those of `forward`.
        """
        mask = source != PAD if source_mask is None else source_mask
        memory = self.encoder(source, mask)
        return self.decoder.start(memory), memory

    def step(
        self,
        token: Tensor,
        state: State,
        memory: Memory,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, State, Tensor]:
        """One decoder step.

        Args:
            token: (B,) the symbol written last, BOS at first.
            state: from `encode` or from the step before; it is not changed.
            memory: from `encode`.
            weights: (B, S) to use in place of the model's own attention.

        Returns:
            logits (B, V), the new state, and the weights used (B, S).

        Raises:
            ValueError: a token outside the vocabulary, rows that are not as many as
                those of `state` and `memory`, or weights that do not fit or that a
                model without attention cannot spend.
        """
        return self.decoder.step(token, state, memory, weights)
