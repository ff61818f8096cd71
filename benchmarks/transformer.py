"""Heads, windows, caches and their products: `python -m benchmarks.transformer`."""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.transformer import (
    LanguageModel,
    MultiHeadAttention,
    clustered_attention,
    generate,
    linear_attention,
    nystrom_attention,
    tiled_attention,
    window_attention,
)
from benchmarks.attend import Calls, axes, both_passes, has, trained
from benchmarks.timing import Case, measure_all, table, write


def heads(b: int = 8, h: int = 8, n: int = 512, d: int = 512) -> list[Case]:
    """Multi-head attention; the floor is its four projections and two products."""
    tokens = torch.randn(b, n, d, requires_grad=True)
    own, peer = MultiHeadAttention(d, h), nn.MultiheadAttention(d, h, batch_first=True)
    weights = [torch.randn(d, d) / d**0.5 for _ in range(4)]

    def products() -> Tensor:
        q, k, v = (
            (tokens @ w).unflatten(-1, (h, -1)).transpose(1, 2) for w in weights[:3]
        )
        return ((q @ k.mT) @ v).transpose(1, 2).flatten(2) @ weights[3]

    calls: Calls = {
        "attnkit": lambda: own(tokens),
        "attnkit with weights": lambda: own(tokens, need_weights=True)[0],
        "torch.nn.MultiheadAttention": lambda: peer(
            tokens, tokens, tokens, need_weights=False
        )[0],
    }
    if has("timm"):
        from timm.layers import Attention

        module = Attention(d, h)
        calls["timm"] = lambda: module(tokens)
    floors = {"forward": products, "both": trained(products, [tokens])}
    size = axes(batch=b, heads=h, length=n, width=d)
    floor = "the six products"
    return both_passes("multi-head", size, floor, floors, calls, [tokens])


def windows(h: int = 8, n: int = 2048, d: int = 64, w: int = 64) -> list[Case]:
    """A sliding window; the floor is its products, chunk by chunk."""
    query, key, value = (torch.randn(h, n, d, requires_grad=True) for _ in range(3))
    place = torch.arange(n)
    band = (place - place[:, None]).abs() <= w

    def slabs(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, w, w)).unfold(-2, 3 * w, w).mT

    def products() -> Tensor:
        return (query.unflatten(-2, (-1, w)) @ slabs(key).mT) @ slabs(value)

    calls: Calls = {
        "attnkit": lambda: window_attention(query, key, value, w),
        "torch, fused, with the band as a mask": lambda: attend(
            query, key, value, mask=band
        ),
    }
    inputs = [query, key, value]
    floors = {"forward": products, "both": trained(products, inputs)}
    size = axes(heads=h, length=n, width=d, window=w)
    return both_passes("sliding window", size, "its products", floors, calls, inputs)


def cheaper(h: int = 8, n: int = 2048, d: int = 64) -> list[Case]:
    """Ways around the table of weights; the floor is the fused exact attention."""
    query, key, value = (torch.randn(h, n, d, requires_grad=True) for _ in range(3))

    def exact() -> Tensor:
        return F.scaled_dot_product_attention(query[None], key[None], value[None])

    rows = query, key, value
    calls: Calls = {
        "attnkit window 64": lambda: window_attention(*rows, 64),
        "attnkit linear": lambda: linear_attention(*rows),
        "attnkit linear, causal": lambda: linear_attention(*rows, causal=True),
        "attnkit Nyström 64": lambda: nystrom_attention(*rows, 64),
        "attnkit clustered 64": lambda: clustered_attention(*rows, 64),
        "attnkit tiles 256": lambda: tiled_attention(*rows, block=256),
    }
    inputs = [*rows]
    floors = {"forward": exact, "both": trained(exact, inputs)}
    size = axes(heads=h, length=n, width=d)
    return both_passes("cheaper attention", size, "exact, fused", floors, calls, inputs)


def decoding(steps: int = 256, d: int = 256) -> list[Case]:
    """Writing symbol by symbol; the floor keeps keys and values."""
    model = LanguageModel(64, embed_dim=d, num_layers=4, position="rotary").eval()
    prompt = torch.zeros(1, 1, dtype=torch.long)

    def write_on(cache: bool) -> Tensor:
        return generate(model, prompt, steps=steps, cache=cache)

    return [
        Case(
            "decoding",
            axes(symbols=steps, width=d, layers=4),
            "attnkit with a cache",
            lambda: write_on(True),
            {"attnkit without a cache": lambda: write_on(False)},
        )
    ]


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and write results/transformer.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds per case")
    rounds = parser.parse_args(arguments).rounds
    torch.manual_seed(0)
    cases = [*heads(), *windows(), *cheaper(), *decoding()]
    content = {"rounds": rounds, "cases": measure_all(cases, rounds)}
    path = write("transformer", content)
    print(table(content["cases"]))
    print(f"written: {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()
