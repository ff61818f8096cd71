"""Modules in the page and in PyTorch side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from attnkit.live.pack import pack
from attnkit.live.writer import input_names

RUNNER = Path(__file__).parent / "run_graph.mjs"


def in_node(packed: Any = None, calls: Any = (), repeat: int = 0) -> dict[str, Any]:
    """Run packed entries by the page's interpreter, in node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    job = json.dumps({"packed": packed, "calls": list(calls), "repeat": repeat})
    done = subprocess.run([node, RUNNER], input=job, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def to_json(tensor: Tensor) -> dict[str, Any]:
    flat = tensor.detach().reshape(-1)
    return {"data": flat.tolist(), "shape": list(tensor.shape)}


def call(entry: str, module: nn.Module, inputs: Any) -> list[Any]:
    """One call as the runner reads it."""
    values = pytree.tree_leaves(tuple(inputs))
    names = input_names(module, tuple(inputs))
    fed = {name: to_json(value) for name, value in zip(names, values, strict=True)}
    return [entry, fed]


def numbers(output: dict[str, Any]) -> Tensor:
    data = [float(x) for x in output["data"]]
    return torch.tensor(data, dtype=torch.float64).reshape(output["shape"])


def assert_parity(
    module: nn.Module,
    *inputs: tuple[Any, ...],
    tolerance: float = 1e-5,
    dynamic: Any = None,
    packed: Any = None,
) -> None:
    """The page's outputs equal PyTorch's, for each tuple of inputs."""
    packed = packed or pack({"f": (module, inputs[0], dynamic)})
    results = in_node(packed, [call("f", module, each) for each in inputs])["results"]
    for each, result in zip(inputs, results, strict=True):
        assert "error" not in result, result["error"]
        with torch.no_grad():
            expected = pytree.tree_leaves(module.eval()(*each))
        for want, got in zip(expected, result["outputs"], strict=True):
            name = got["name"]
            assert list(want.shape) == got["shape"], name
            found = numbers(got)
            close = torch.allclose(
                found, want.double(), atol=tolerance, rtol=tolerance, equal_nan=True
            )
            assert close, f"{name}: off by {(found - want.double()).abs().max()}"
