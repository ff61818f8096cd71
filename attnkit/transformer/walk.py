"""One walk through a stack of decoder layers that look at a source.

A translator and a captioner differ in what the source is; from there on they are one.
"""

from typing import NamedTuple

from torch import Tensor, nn

from .embedding import Embedding
from .layers import Cache, Edit
from .multihead import KeyValue


class Source(NamedTuple):
    """What a decoder looks at: `layers`, the source's keys and values as each layer
    projects them, and `mask` (B, 1, S), True for symbols."""

    layers: tuple[KeyValue, ...]
    mask: Tensor

    def select(self, rows: Tensor) -> "Source":
        """The samples of these numbers; a sample may repeat."""
        return Source(tuple(x.select(rows) for x in self.layers), self.mask[rows])


def walk(
    model: nn.Module,
    embedding: Embedding,
    ids: Tensor,
    cache: Cache,
    source: Source,
    need_weights: bool,
    edit: Edit | None = None,
) -> tuple[Tensor, Cache, Tensor | None]:
    """New symbols through `model.layers` and `model.norm`, after those of the cache.

    Args:
        model: has `layers`, each a `DecoderLayer`, and `norm`.
        embedding: of the symbols, and its rows for the logits.
        ids: (B, T) numbers of symbols.
        cache: of the symbols before; not changed.
        source: what the layers look at.
        need_weights: also return the weights.
        edit: see `DecoderLayer`; in every layer.

    Returns:
        logits (B, T, V), the new cache, and the last layer's weights over the source
        (B, T, S), the mean over heads, or None.

    Raises:
        ValueError: a cache or source of another batch or of another model.
    """
    _check(model, ids, cache, source)
    tokens, present = embedding(ids, cache.size), []  # (B, T, D)
    for i, layer in enumerate(model.layers):
        done = layer(
            tokens,
            source.layers[i],
            past=cache.layers[i] if cache.layers else None,
            source_mask=source.mask,
            need_weights=need_weights and layer is model.layers[-1],
            edit=edit,
        )
        tokens = done.tokens
        present.append(done.present)
    weights = done.cross_weights
    mean = None if weights is None else weights.mean(1)  # (B, T, S)
    logits = embedding.logits(model.norm(tokens))  # (B, T, V)
    return logits, Cache(tuple(present)), mean


def _check(model: nn.Module, ids: Tensor, cache: Cache, source: Source) -> None:
    """Raise unless cache and source are of this model, and as many as the symbols."""
    cache.check(len(model.layers))
    if len(source.layers) != len(model.layers):
        raise ValueError(
            f"memory: expected {len(model.layers)} layers, got {len(source.layers)}; "
            "it is of another model"
        )
    for name, rows in (("cache", cache.batch), ("memory", len(source.mask))):
        if rows is not None and rows != len(ids):
            raise ValueError(
                f"{name}: expected {len(ids)} samples as there are rows of symbols, "
                f"got {rows}; call encode for this batch, or select its samples"
            )
