"""Writing a caption: a recurrent decoder that looks at regions, softly or hard.

It knows nothing of images: what it reads is a memory of places (B, M, D), be they the
regions of an image or the frames of a clip.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnkit.attend import (
    Additive,
    aggregate,
    hard,
    padding_mask,
    sample_reinforce,
    softmax,
)
from attnkit.checks import check_ids, check_places, check_positive, check_shape
from attnkit.data.vocabulary import BOS, PAD
from attnkit.search import write_greedily

ATTENTION = ("soft", "hard", "mean")
Out = Tensor | tuple[Tensor, Tensor]


class Look(NamedTuple):
    """One look at the memory: what was seen, and how it was chosen.

    `context` (B, D); `weights` (B, M) as spent; `chances` (B, M), the softmax of the
    scores; `log_prob` (B,) of the draw, 0 where nothing was drawn.
    """

    context: Tensor
    weights: Tensor
    chances: Tensor
    log_prob: Tensor


class Written(NamedTuple):
    """All steps of a caption: `logits` (B, T, V), `weights` and `chances` (B, T, M),
    `log_prob` (B, T); see `Look`."""

    logits: Tensor
    weights: Tensor
    chances: Tensor
    log_prob: Tensor


class CaptionDecoder(nn.Module):
    r"""A recurrent network that looks at the memory before each word.

    $$e_{ti} = v^\top \tanh(W_q s_{t-1} + W_k k_i) \qquad
    c_t = \sum_i a_{ti} v_i \qquad s_t = \mathrm{GRU}([y_{t-1}; c_t], s_{t-1})$$

    What differs is the second of the three steps, normalize:

    - "soft": $a_t = \mathrm{softmax}(e_t)$;
    - "hard": one place has all the weight. In training it is drawn from
      $\mathrm{softmax}(e_t)$, in evaluation it is the best one. The weights carry no
      gradient; see `attnkit.rnn.captioning.Reinforce`.
    - "mean": every place the same; there is nothing to score. It is the model
      *without* attention, which reads the mean at each step.

    $s_0 = \tanh(W_0 \bar v)$ with the mean $\bar v$ of the memory, and the word comes
    from $W_o \tanh(W_c [c_t; s_t])$. Deviations from the paper: a GRU for the LSTM, no
    gate $\beta_t$ on the context, and no word embedding in the output layer.

    Args:
        vocab_size: V, number of words with the four special ones.
        memory_dim: width of a place's values.
        key_dim: width of its keys; that of the values if None.
        embed_dim: width of a word's embedding.
        hidden_dim: width of the state.
        attention: "soft", "hard" or "mean".

    Raises:
        ValueError: an unknown attention, or a size below 1.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), sections 3 and 4.
    """

    def __init__(
        self,
        vocab_size: int,
        memory_dim: int,
        *,
        key_dim: int | None = None,
        embed_dim: int = 32,
        hidden_dim: int = 96,
        attention: str = "soft",
    ) -> None:
        super().__init__()
        if attention not in ATTENTION:
            known = ", ".join(ATTENTION)
            raise ValueError(f"attention: expected one of {known}; got {attention!r}")
        key_dim = memory_dim if key_dim is None else key_dim
        sizes = {"vocab_size": vocab_size, "memory_dim": memory_dim, "key_dim": key_dim}
        sizes |= {"embed_dim": embed_dim, "hidden_dim": hidden_dim}
        for name, size in sizes.items():
            check_positive(name, size)
        self.size, self.memory_dim, self.attention = vocab_size, memory_dim, attention
        self.score = None
        if attention != "mean":
            self.score = Additive(hidden_dim, key_dim, 32)
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.first = nn.Linear(memory_dim, hidden_dim)
        self.cell = nn.GRUCell(embed_dim + memory_dim, hidden_dim)
        self.combine = nn.Linear(memory_dim + hidden_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, vocab_size)

    def forward(
        self,
        memory: Tensor,
        captions: Tensor,
        *,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Out:
        """Logits of each next word of a known caption (teacher forcing).

        Args:
            memory: values of the places (B, M, D).
            captions: (B, T) numbers of words, beginning with BOS.
            keys: what the scores see of each place (B, M, K); the memory if None.
            mask: boolean (B, M), True = may be looked at. A row without a place gives
                a zero context: the decoder then writes from its state alone.
            need_weights: also return the weights.

        Returns:
            logits (B, T, V), or (logits, weights (B, T, M)).

        Raises:
            ValueError: an empty caption, a word outside the vocabulary, or shapes that
                do not fit.
        """
        out = self.write(memory, captions, keys=keys, mask=mask)
        return (out.logits, out.weights) if need_weights else out.logits

    def write(
        self,
        memory: Tensor,
        captions: Tensor,
        *,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Written:
        """As `forward`, with all that REINFORCE needs; same arguments and errors."""
        check_ids("captions", captions, self.size)
        if captions.shape[1] == 0:
            raise ValueError("captions: expected at least one word in a row, got none")
        keys, mask = self._checked(memory, keys, mask)
        check_shape("captions", captions, (len(memory), captions.shape[1]))
        state, steps = self.start(memory, mask), []
        for token in captions.unbind(1):
            logits, state, look = self.step(token, state, memory, keys, mask)
            steps.append((logits, *look[1:]))
        return Written(*(torch.stack(part, 1) for part in zip(*steps, strict=True)))

    @torch.no_grad()
    def generate(
        self,
        memory: Tensor,
        *,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
        max_len: int,
        need_weights: bool = False,
    ) -> Out:
        """Write captions, each time the most probable word (greedy search).

        Hard attention draws its places in training mode, and takes the best ones in
        evaluation mode.

        Args:
            memory, keys, mask: as in `forward`.
            max_len: most words of a caption, EOS included.
            need_weights: also return the weights.

        Returns:
            ids (B, T) with T at most `max_len`: words, EOS, then PAD to the longest
            caption; or (ids, weights (B, T, M)), zero where PAD stands.
        """
        check_positive("max_len", max_len)
        keys, mask = self._checked(memory, keys, mask)

        def step(token: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            logits, state, look = self.step(token, state, memory, keys, mask)
            return logits, state, look.weights

        begin = torch.full((len(memory),), BOS, device=memory.device)
        done = write_greedily(step, begin, self.start(memory, mask), max_len)
        return (done.tokens, done.weights) if need_weights else done.tokens

    def start(self, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """The state (B, hidden_dim) before the first word: it knows the mean alone."""
        return torch.tanh(self.first(_mean(memory, mask)))

    def step(
        self,
        token: Tensor,
        state: Tensor,
        memory: Tensor,
        keys: Tensor | None = None,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Look]:
        """One word: look, move on, and give the logits of the next word.

        Args:
            token: (B,) the word written last, BOS at first.
            state: (B, hidden_dim).
            memory, keys, mask: as in `forward`; they are not checked again.
            weights: (B, M) to spend in place of the decoder's own.

        Returns:
            logits (B, V), the new state, and the look.
        """
        look = self.look(state, memory, memory if keys is None else keys, mask)
        if weights is not None:
            context = aggregate(weights[:, None], memory)[:, 0]  # (B, D)
            look = look._replace(context=context, weights=weights)
        inputs = torch.cat([self.embed(token), look.context], -1)
        state = self.cell(inputs, state)  # (B, hidden)
        both = torch.cat([look.context, state], -1)
        return self.output(torch.tanh(self.combine(both))), state, look

    def look(
        self, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor | None
    ) -> Look:
        """The three steps, asked with the state before the word."""
        allowed = None if mask is None else mask[:, None]  # (B, 1, M)
        if self.score is None:
            scores = memory.new_zeros(len(memory), 1, memory.shape[1])
        else:
            scores = self.score(state[:, None], keys)  # (B, 1, M)
        chances = softmax(scores, allowed)
        log_prob = scores.new_zeros(len(memory), 1)
        weights = chances
        if self.attention == "hard" and self.training:
            weights, log_prob = sample_reinforce(scores, allowed)
        elif self.attention == "hard":
            weights = hard(scores, allowed).detach()
        context = aggregate(weights, memory)  # (B, 1, D)
        return Look(context[:, 0], weights[:, 0], chances[:, 0], log_prob[:, 0])

    def _checked(
        self, memory: Tensor, keys: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Keys and mask, once they are known to fit the memory."""
        check_places(memory, keys, mask, self.memory_dim, self.first.weight)
        mask = None if mask is None else mask.expand(memory.shape[:2])
        return memory if keys is None else keys, mask


def _mean(memory: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of the places that may be looked at, zero if there is none."""
    if mask is None:
        return memory.sum(1) / max(1, memory.shape[1])
    total = (memory * mask[..., None]).sum(1)
    return total / mask.sum(1, keepdim=True).clamp_min(1)


def word_mask(targets: Tensor) -> Tensor:
    """True for the words of targets (B, T) and their EOS, False for what is padded."""
    lengths = (targets != PAD).sum(1)
    return padding_mask(lengths, targets.shape[1])
