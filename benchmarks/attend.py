"""The three steps beside PyTorch, entmax and keras: `python -m benchmarks.attend`."""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.attend import Additive, attend, entmax15, sparsemax
from benchmarks.timing import Case, measure_all, table, write

Calls = dict[str, Callable[[], Any]]


def has(library: str) -> bool:
    """Whether a peer is installed; without it its column is left out."""
    return importlib.util.find_spec(library) is not None


def trained(call: Callable[[], Tensor], inputs: list[Tensor]) -> Callable[[], Any]:
    """Forward and backward with a gradient of ones."""

    def both() -> Any:
        output = call()
        return torch.autograd.grad(output, inputs, torch.ones_like(output))

    return both


def both_passes(
    name: str, size: str, floor: str, floors: Calls, calls: Calls, inputs: list[Tensor]
) -> list[Case]:
    """Make a case for the forward pass and one for forward and backward."""

    def forward(call: Callable) -> Callable:
        return torch.no_grad()(call)

    quick = {key: forward(call) for key, call in calls.items()}
    full = {key: trained(call, inputs) for key, call in calls.items()}
    return [
        Case(name, size, floor, forward(floors["forward"]), quick),
        Case(name, size, floor, floors["both"], full, backward=True),
    ]


def axes(**sizes: int) -> str:
    """The sizes of a task with the names of their axes."""
    return " × ".join(f"{name} {size}" for name, size in sizes.items())


def attention(b: int = 8, h: int = 8, n: int = 512, d: int = 64) -> list[Case]:
    """Scaled dot attention; the floor is its two matrix products."""
    query, key, value = (torch.randn(b, h, n, d, requires_grad=True) for _ in range(3))

    def products() -> Tensor:
        return (query @ key.mT) @ value

    def by_hand() -> Tensor:
        return torch.softmax(query @ key.mT / d**0.5, -1) @ value

    calls: Calls = {
        "attnkit": lambda: attend(query, key, value),
        "attnkit with weights": lambda: attend(query, key, value, need_weights=True)[0],
        "torch, fused": lambda: F.scaled_dot_product_attention(query, key, value),
        "torch, by hand": by_hand,
    }
    inputs = [query, key, value]
    floors = {"forward": products, "both": trained(products, inputs)}
    size = axes(batch=b, heads=h, length=n, width=d)
    return both_passes("attend", size, "the two products", floors, calls, inputs)


def sparse(rows: int = 4096, width: int = 512) -> list[Case]:
    """Sparse normalizers; the floor is softmax."""
    scores = torch.randn(rows, width, requires_grad=True)

    def softmax() -> Tensor:
        return torch.softmax(scores, -1)

    floors = {"forward": softmax, "both": trained(softmax, [scores])}
    found = []
    for own in (sparsemax, entmax15):
        name = own.__name__
        compiled = torch.compile(own, fullgraph=True)
        calls: Calls = {
            "attnkit": lambda own=own: own(scores),
            "attnkit, compiled": lambda compiled=compiled: compiled(scores),
        }
        if has("entmax"):
            peer = getattr(__import__("entmax"), name)
            calls["entmax"] = lambda peer=peer: peer(scores, dim=-1)
        size = axes(rows=rows, keys=width)
        found += both_passes(name, size, "softmax", floors, calls, [scores])
    return found


def keras_layer(score: Additive, query: Tensor, key: Tensor) -> Callable[[], Tensor]:
    """Keras' additive attention on the same projections."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from keras.layers import AdditiveAttention

    layer = AdditiveAttention()
    layer.build([query.shape, key.shape, key.shape])
    layer.scale.assign(score.v.detach())

    def call() -> Tensor:
        projected = query @ score.query_weight.mT
        return layer._calculate_scores(projected, key @ score.key_weight.mT)

    return call


def additive(b: int = 32, n: int = 30, m: int = 50, d: int = 256) -> list[Case]:
    """Additive score; the floor is the tanh of its hidden layer."""
    query = torch.randn(b, n, d, requires_grad=True)
    key = torch.randn(b, m, d, requires_grad=True)
    hidden = torch.randn(b, n, m, d, requires_grad=True)
    score = Additive(d, d, d)

    def by_hand() -> Tensor:
        projected = (query @ score.query_weight.mT)[:, :, None]
        return torch.tanh(projected + (key @ score.key_weight.mT)[:, None]) @ score.v

    compiled = torch.compile(score, fullgraph=True)
    calls: Calls = {
        "attnkit": lambda: score(query, key),
        "attnkit, compiled": lambda: compiled(query, key),
        "torch, by hand": by_hand,
    }
    if has("keras"):
        calls["keras"] = keras_layer(score, query, key)
    floors = {"forward": hidden.tanh, "both": trained(hidden.tanh, [hidden])}
    size = axes(batch=b, queries=n, keys=m, width=d)
    return both_passes("additive", size, "tanh", floors, calls, [query, key])


def single_head(b: int = 8, n: int = 512, d: int = 64) -> list[Case]:
    """One head with weights asked for, where PyTorch has a module for it."""
    query, key, value = (torch.randn(b, n, d, requires_grad=True) for _ in range(3))
    module = nn.MultiheadAttention(d, 1, batch_first=True)
    bias, out = module.in_proj_bias, module.out_proj

    def own() -> Tensor:
        parts = zip(
            (query, key, value),
            module.in_proj_weight.chunk(3),
            bias.chunk(3),
            strict=True,
        )
        return out(attend(*(F.linear(*part) for part in parts), need_weights=True)[0])

    def products() -> Tensor:
        return (query @ key.mT) @ value

    calls: Calls = {
        "attnkit": own,
        "torch.nn.MultiheadAttention": lambda: module(query, key, value)[0],
    }
    inputs = [query, key, value]
    floors = {"forward": products, "both": trained(products, inputs)}
    size = axes(batch=b, length=n, width=d)
    return both_passes(
        "one head with weights", size, "the two products", floors, calls, inputs
    )


def import_seconds(rounds: int) -> list[list[float]]:
    """CPU seconds to import attnkit after torch, and until then, per interpreter."""
    code = (
        "import time, torch; t = time.process_time(); "
        "import attnkit; print(time.process_time() - t, t)"
    )
    run = [sys.executable, "-c", code]
    lines = [
        subprocess.run(run, capture_output=True, text=True, check=True).stdout
        for _ in range(rounds)
    ]
    return [[float(number) for number in line.split()] for line in lines]


def imports(rounds: int) -> dict[str, float]:
    """Measure what `import attnkit` adds to `import torch`: 0.3 s are allowed."""
    added, torch_alone = zip(*import_seconds(rounds), strict=True)
    extra, base = statistics.median(added), statistics.median(torch_alone)
    return {
        "torch_s": round(base, 3),
        "attnkit_adds_s": round(extra, 3),
        "ratio": round((base + extra) / base, 3),
        "allowed_s": 0.3,
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and write results/attend.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=13, help="rounds per case")
    rounds = parser.parse_args(arguments).rounds
    torch.manual_seed(0)
    cases = [*attention(), *single_head(), *sparse(), *additive()]
    content = {
        "rounds": rounds,
        "import": imports(min(rounds, 5)),
        "cases": measure_all(cases, rounds),
    }
    path = write("attend", content)
    print(table(content["cases"]))
    added = content["import"]["attnkit_adds_s"]
    print(f"import attnkit adds {added} s to import torch")
    print(f"written: {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()
