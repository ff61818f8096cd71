"""A language model with its heads laid open, as a module that can be exported.

What a reader may change in the middle of the model is an input: the mask, which takes
the place of causality, and a gate for each head. The text has a fixed number of places;
what lies behind its end is hidden by the mask.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.attend import aggregate, scaled_dot, softmax
from attnkit.checks import check_positive

from .language_model import LanguageModel
from .layers import DecoderLayer
from .multihead import MultiHeadAttention


class OpenHeads(nn.Module):
    """Inputs: ids (1, N), mask (N, N) True = may attend, gates (L, H) from 0 (silent)
    to 1. Outputs: logits (N, V), and for all layers and heads scores (L, H, N, N)
    before the mask, weights (L, H, N, N), and query, key and value (L, H, N, d) as the
    scores take them, turned by their positions.

    Args:
        model: a `LanguageModel` with as many heads of keys as of queries, in
            evaluation mode.

    Raises:
        ValueError: another model, or one in training mode.
    """

    output_names: ClassVar = ["logits", "scores", "weights", "query", "key", "value"]

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, LanguageModel):
            got = type(model).__name__
            raise ValueError(f"model: expected a language model, got a {got}")
        for layer in model.layers:
            attention = layer.attention
            if attention.num_kv_heads != attention.num_heads:
                raise ValueError("model: expected a key for each head of queries")
            if attention.position is not None and attention.position.spends:
                raise ValueError("model: expected positions that enter the scores only")
        if model.training:
            raise ValueError("model: expected evaluation mode; call model.eval()")
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor, gates: Tensor) -> tuple[Tensor, ...]:
        tokens, found = self.model.embedding(ids), []
        for layer, gate in zip(self.model.layers, gates.unbind(0), strict=True):
            tokens, parts = _layer(layer, tokens, mask, gate)
            found.append(parts)
        logits = self.model.embedding.logits(self.model.norm(tokens))[0]  # (N, V)
        return logits, *(torch.cat(part) for part in zip(*found, strict=True))


def _layer(
    layer: DecoderLayer, tokens: Tensor, mask: Tensor, gate: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    asked = layer._before(tokens, layer.attention_norm)  # (1, N, D)
    change, parts = _attention(layer.attention, asked, mask, gate)
    tokens = layer._after(tokens, change, layer.attention_norm)
    return layer.think(tokens), parts


def _attention(
    attention: MultiHeadAttention, asked: Tensor, mask: Tensor, gate: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    query = attention._split(attention.query_proj(asked), attention.num_heads)
    key, value = attention.project(asked)  # (1, H, N, d)
    bias = None
    if attention.position is not None:
        bias = attention.position.bias(query, query.shape[2])
        query = attention.position.turn_query(query, 0)
    scores = scaled_dot(query, key)  # (1, H, N, N)
    scores = scores if bias is None else scores + bias
    weights = softmax(scores, mask)  # (1, H, N, N)
    context = aggregate(weights, value) * gate[:, None, None]  # (1, H, N, d)
    change = attention.output_proj(context.transpose(1, 2).flatten(2))
    return change, (scores, weights, query, key, value)


def page_entries(model: nn.Module, size: int) -> dict[str, Any]:
    """The graph that `SelfAttention` runs in the page.

    Args:
        model: see `OpenHeads`.
        size: N, places of a text.

    Returns:
        What `attnkit.live.pack` takes: "run" with its module and example inputs.
    """
    check_positive("size", size)
    opened = OpenHeads(model)
    shape = len(model.layers), model.layers[0].attention.num_heads
    inputs = {
        "ids": torch.zeros(1, size, dtype=torch.int64),
        "mask": torch.ones(size, size, dtype=torch.bool).tril(),
        "gates": torch.ones(shape),
    }
    return {"run": (opened, inputs)}
