"""Models of all orders, and widgets of them, that several tests ask."""

from __future__ import annotations

import functools
from typing import Any

import torch

from attnkit.data.echoes import echoes
from attnkit.live.orders import OrderMask
from attnkit.transformer import PermutationLanguageModel
from attnkit.transformer.longer_recipe import train_orders

SIZE, PLACES = 12, 12


@functools.cache
def trained() -> PermutationLanguageModel:
    """The model of the chapter."""
    texts = echoes(2000, 1, period=4, repeats=3).ids
    return train_orders(texts, size=SIZE, seed=1)


@functools.cache
def untrained() -> PermutationLanguageModel:
    """Random weights, large enough that letters are decided."""
    torch.manual_seed(4)
    model = PermutationLanguageModel(SIZE, embed_dim=16, num_heads=2).eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(2)
    return model


def guess(**options: Any) -> OrderMask:
    return OrderMask(model=untrained(), **options)
