"""A language model: the decoder alone, and how it writes on."""

import math

import torch
from torch import Tensor, nn

from attnkit.checks import check_at_least, check_positive, check_tensor, check_type

from .embedding import Embedding, score_position
from .layers import Cache, DecoderLayer


class LanguageModel(nn.Module):
    """A decoder alone: the next symbol from those before it.

    Args:
        size: number of symbols.
        num_kv_heads: heads of keys and values; all heads if None.
        others: see `Transformer`.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), decoder without source; Radford et al.
        2018, "Improving Language Understanding by Generative Pre-Training".
    """

    def __init__(
        self,
        size: int,
        *,
        embed_dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        num_kv_heads: int | None = None,
        ff_dim: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        position: str = "sinusoidal",
        max_len: int = 512,
    ) -> None:
        super().__init__()
        check_positive("num_layers", num_layers)
        self.embedding = Embedding(size, embed_dim, position, max_len, dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(
                embed_dim,
                num_heads,
                ff_dim=ff_dim,
                dropout=dropout,
                norm_first=norm_first,
                position=score_position(position, embed_dim, num_heads),
                num_kv_heads=num_kv_heads,
                cross=False,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self, ids: Tensor, *, mask: Tensor | None = None, need_weights: bool = False
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Logits of each next symbol.

        Args:
            ids: (B, N) numbers of symbols.
            mask: broadcasting to (B, N, N); causality comes on top.
            need_weights: also return the weights (B, H, N, N) of every layer.

        Returns:
            logits (B, N, V), or (logits, list of weights).

        Raises:
            ValueError: numbers or a mask that do not fit.
        """
        logits, _, maps = self._run(ids, Cache(()), mask, need_weights)
        return (logits, maps) if need_weights else logits

    def step(self, ids: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits (B, N, V) of new symbols (B, N) after those of the cache, and the
        new cache; the old one is not changed."""
        cache = Cache(()) if cache is None else cache
        check_type("cache", cache, Cache, "the Cache of the step before")
        cache.check(len(self.layers))
        logits, cache, _ = self._run(ids, cache, None, False)
        return logits, cache

    def _run(
        self, ids: Tensor, cache: Cache, mask: Tensor | None, need_weights: bool
    ) -> tuple[Tensor, Cache, list[Tensor | None]]:
        tokens, present, maps = self.embedding(ids, cache.size), [], []
        for i, layer in enumerate(self.layers):
            past = cache.layers[i] if cache.layers else None
            done = layer(tokens, past=past, mask=mask, need_weights=need_weights)
            tokens = done.tokens
            present.append(done.present)
            maps.append(done.self_weights)
        logits = self.embedding.logits(self.norm(tokens))  # (B, N, V)
        return logits, Cache(tuple(present)), maps


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompt: Tensor,
    *,
    steps: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    cache: bool = True,
) -> Tensor:
    """Write on: the most probable symbol each time, or a drawn one.

    Args:
        model: decode in `eval()`.
        prompt: (B, N) numbers of symbols, N from 1.
        steps: symbols to write, 0 or more.
        temperature: 0 takes the most probable; above, draws from
            softmax(logits / temperature).
        generator: of the draws.
        cache: keep keys and values; without, every step reads everything anew.

    Returns:
        (B, N + steps), the prompt with what was written.

    Raises:
        TypeError: the model cannot write step by step.
        ValueError: an empty prompt, negative `steps` or `temperature`.
    """
    if not hasattr(model, "step"):
        got = type(model).__name__
        raise TypeError(f"model: expected a LanguageModel (it has a step), got {got}")
    check_at_least("steps", steps, 0)
    check_tensor("prompt", prompt)
    if prompt.dim() != 2 or prompt.shape[1] < 1:
        raise ValueError(
            f"prompt: expected shape (B, N) with N from 1, got {tuple(prompt.shape)}"
        )
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature: expected 0 or more, got {temperature}")
    state, new = None, prompt
    for _ in range(steps):
        logits, past = model.step(new, state)
        token = _choose(logits[:, -1], temperature, generator)
        prompt = torch.cat([prompt, token], 1)
        state, new = (past, token) if cache else (None, prompt)
    return prompt


def _choose(
    logits: Tensor, temperature: float, generator: torch.Generator | None
) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)  # (B, 1)
    chances = (logits.float() / temperature).softmax(-1)
    return torch.multinomial(chances, 1, generator=generator)  # (B, 1)
