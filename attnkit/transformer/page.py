"""A trained Transformer as two modules that `torch.export` can write down.

"encode" reads the source once, "step" writes one symbol; the page calls the second one
again and again and hands its outputs back under the same names. A graph has fixed
shapes, and a cache grows. So the page's cache has all its places from the start: each
step moves it one place to the left and puts the new symbol at the right end, and a mask
hides what is not yet filled. The symbol that asks thus always stands at the last place,
as positions in the scores count it.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit import translation
from attnkit.checks import check_at_least

from .embedding import Embedding
from .layers import DecoderLayer
from .model import Transformer, given
from .multihead import KeyValue
from .walk import Source


def _names(kind: str, layers: int) -> list[str]:
    return [f"{kind}_{part}_{i}" for i in range(layers) for part in ("key", "value")]


class _Encode(nn.Module):
    """(source (1, S), source_mask (1, S)) → each layer's keys and values of the source
    (1, H, S, d), and each layer's empty cache (1, H, steps, d)."""

    def __init__(self, model: Transformer, max_steps: int) -> None:
        super().__init__()
        self.model, self.max_steps = model, max_steps
        layers = len(model.layers)
        self.output_names = [*_names("source", layers), *_names("past", layers)]

    def forward(self, source: Tensor, source_mask: Tensor) -> tuple[Tensor, ...]:
        _, memory = self.model.encode(source, source_mask)
        found = [part for layer in memory.layers for part in layer]
        shapes = [(*x.shape[:2], self.max_steps, x.shape[3]) for x in found]
        return (*found, *(found[0].new_zeros(shape) for shape in shapes))


class _Step(nn.Module):
    """One decoder step for one source.

    Inputs: token (1,), step (1,), each layer's keys and values of the source (1, H, S,
    d) and of the past (1, H, steps, d), source_mask (1, S), forced (1, S) a row of
    weights, use_forced (1,) from 0 (the model's own weights) to 1 (forced).
    Outputs: logits (1, V), weights (1, S) as used, step, and the new past.
    """

    def __init__(self, model: Transformer, max_steps: int) -> None:
        super().__init__()
        self.model, self.layers = model, len(model.layers)
        self.register_buffer("places", _places(model.target_embedding, max_steps))
        self.output_names = ["logits", "weights", "step", *_names("past", self.layers)]

    def forward(
        self,
        token: Tensor,
        step: Tensor,
        source_mask: Tensor,
        forced: Tensor,
        use_forced: Tensor,
        **parts: Tensor,
    ) -> tuple[Tensor, ...]:
        table, steps = self.model.target_embedding.table, len(self.places)
        tokens = F.embedding(token[:, None], table) * math.sqrt(table.shape[1])
        tokens = tokens + self.places[step][:, None]  # (1, 1, D)
        filled = torch.arange(steps)[None, None] >= steps - 1 - step  # (1, 1, steps)
        edit, new = given(forced, use_forced[:, None, None, None]), []
        memory = Source(_pairs("source", self.layers, parts), source_mask[:, None])
        past = _pairs("past", self.layers, parts)
        for i, layer in enumerate(self.model.layers):
            tokens, present = _ask(layer, tokens, past[i], filled)
            tokens, weights = layer.look(
                tokens, memory.layers[i], memory.mask, edit=edit
            )
            tokens = layer.think(tokens)
            new += present
        logits = self.model.target_embedding.logits(self.model.norm(tokens))
        return (logits[:, 0], weights.mean(1)[:, 0], step + 1, *new)


def _pairs(kind: str, layers: int, parts: dict[str, Tensor]) -> tuple[KeyValue, ...]:
    names = _names(kind, layers)
    rows = zip(names[::2], names[1::2], strict=True)
    return tuple(KeyValue(parts[key], parts[value]) for key, value in rows)


def _places(embedding: Embedding, steps: int) -> Tensor:
    """What the embedding adds at each of so many steps: (steps, D)."""
    nothing = torch.zeros(steps, embedding.table.shape[1])
    with torch.no_grad():
        return nothing if embedding.position is None else embedding.position(nothing)


def _ask(
    layer: DecoderLayer, tokens: Tensor, past: KeyValue, filled: Tensor
) -> tuple[Tensor, KeyValue]:
    """The layer's first part: the token reads the past and itself, at the right end.
    Keys are kept as they were before a rotation, which depends on their place."""
    attention = layer.attention
    asked = layer._before(tokens, layer.attention_norm)
    rows = attention.key_proj(asked), attention.value_proj(asked)
    rows = (attention._split(row, attention.num_kv_heads) for row in rows)
    pairs = zip(past, rows, strict=True)
    present = KeyValue(*(torch.cat([old[:, :, 1:], row], 2) for old, row in pairs))
    turned = present
    if attention.position is not None:
        turned = KeyValue(attention.position.turn_key(present.key, 0), present.value)
    change = attention.read(asked, turned, mask=filled)
    return layer._after(tokens, change, layer.attention_norm), present


def page_entries(
    model: Transformer, max_source: int, max_steps: int = 32
) -> dict[str, tuple[nn.Module, dict[str, Any]]]:
    """The entry points of a translator for the page.

    Args:
        model: a trained translator, in evaluation mode, on the CPU.
        max_source: places of a source; a shorter one is padded with 0 and masked.
        max_steps: most symbols that are written, the end included.

    Returns:
        "encode" and "step", each a module with example inputs by name. Their outputs
        are named by the module's `output_names`; outputs of one are inputs of the next
        under the same name.

    Raises:
        ValueError: a size below 1, or a model in training mode.
    """
    check_at_least("max_source", max_source, 1)
    check_at_least("max_steps", max_steps, 1)
    if model.training:
        raise ValueError("model: expected evaluation mode; call model.eval()")
    encode, step = _Encode(model, max_steps).eval(), _Step(model, max_steps).eval()
    symbols = len(model.source_embedding.table)
    return translation.page_entries(encode, step, symbols, max_source)
