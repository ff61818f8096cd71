"""A model of all orders in the page against PyTorch."""

from __future__ import annotations

import json

import pytest
import torch

from attnkit.data.echoes import echoes
from attnkit.live.orders import OrderMask
from attnkit.live.pack import pack, rounded
from attnkit.transformer import LanguageModel, PermutationLanguageModel
from attnkit.transformer import permutation_masks as masks
from attnkit.transformer.longer_recipe import random_orders
from attnkit.transformer.orders_page import OpenOrders, page_entries
from tests.live.live_graphs import call, in_node, numbers
from tests.live.live_orders import PLACES, SIZE, trained, untrained


def test_the_page_computes_what_the_model_does_in_24_orders() -> None:
    model = rounded(trained())
    draw = torch.Generator().manual_seed(7)
    orders = random_orders(22, PLACES, draw)
    line = torch.arange(PLACES)
    orders = torch.cat([orders, line[None], line.flip(0)[None]])
    texts = torch.randint(SIZE, (24, PLACES), generator=draw)
    texts[::2] = echoes(12, 9, period=4, repeats=3).ids
    entries = page_entries(model, PLACES)
    reader = entries["run"][0]
    calls = [
        call("run", reader, (ids[None], *masks(order)))
        for ids, order in zip(texts, orders, strict=True)
    ]
    results = in_node(pack(entries, "float16"), calls)["results"]
    with torch.no_grad():
        wanted = model(texts, orders)
    for want, result in zip(wanted, results, strict=True):
        found = numbers(result["outputs"][0])
        torch.testing.assert_close(found, want.double(), atol=1e-4, rtol=1e-4)


def test_a_content_mask_in_place_of_the_query_mask_gives_another_answer() -> None:
    """The wrong variant: the answer is seen."""
    reader, inputs = page_entries(untrained(), PLACES)["run"]
    ids, content = torch.arange(PLACES)[None], inputs["content"]
    with torch.no_grad():
        right = reader(ids, content, inputs["query"])
        wrong = reader(ids, content, content)
        same = untrained()(ids, torch.arange(PLACES))[0]
    torch.testing.assert_close(right, same)
    assert (right - wrong).abs().max() > 0.1


def test_the_model_in_the_page_has_at_most_300_kb() -> None:
    packed = OrderMask(model=trained()).data["model"]
    assert len(json.dumps(packed, separators=(",", ":"))) <= 300_000


def test_models_that_cannot_be_asked_are_refused() -> None:
    with pytest.raises(ValueError, match="a model of all orders, got a LanguageModel"):
        OrderMask(model=LanguageModel(SIZE, embed_dim=16, num_heads=2))
    with pytest.raises(ValueError, match=r"model: expected .* and embedding"):
        OrderMask(model=torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"evaluation mode; call model.eval\(\)"):
        OpenOrders(PermutationLanguageModel(SIZE, embed_dim=16, num_heads=2))
