"""A trained model for the page: the graph that torch exported, as JSON.

`torch.export` writes a module down as a graph of core ATen operations. `pack` turns
such graphs into a JSON dict that `src/graph.js` runs in the page, so that what the
reader plays with is the trained model itself and no second implementation of it.
Needs torch alone.

Format (`attnkit-graph/1`)::

    {"format", "precision",
     "ops": [name, ...],                      operation names, used by number
     "tensors": [[type, shape, offset], ...], weights, shared by all entries
     "blob": base64,                          their bytes, little-endian
     "entries": {name: {
        "inputs": [{"name", "dtype", "shape"}, ...],   a size null is free
        "outputs": [{"name", "value"}, ...],
        "nodes": [[op, args] or [op, args, count], ...]}}}

Values are numbered in order: first the inputs, then each node's result (or `count`
results). In arguments `"%3"` is value 3, `"@3"` is weight 3, `"inf"` is a number.
"""

from __future__ import annotations

import base64
import copy
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from attnkit.live.checks import check_has
from attnkit.live.ops import SUPPORTED
from attnkit.live.writer import (
    Book,
    Entry,
    Unpackable,
    Writer,
    live_nodes,
    op_name,
)

FORMAT = "attnkit-graph/1"
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}


def pack(entries: Mapping[str, Entry], precision: str = "float32") -> dict[str, Any]:
    """Write modules down for the page.

    Args:
        entries: name -> `(module, example_inputs)` or `(module, example_inputs,
            dynamic_shapes)`. The inputs are a tuple or a dict by parameter name;
            `dynamic_shapes` is what `torch.export.export` takes, for free lengths.
            Entries may share modules or weights: those are stored once.
            A module may name the parts of a returned tuple in `output_names`.
        precision: how weights are stored, `"float32"` or `"float16"`. With the
            latter compare with `rounded(module)`.

    Returns:
        A dict that JSON can hold; see the module's text for the format.

    Raises:
        Unpackable: a `ValueError`: `torch.export` cannot write a module down, the page
            cannot compute an operation (all of them are listed) or hold a number, or
            a module changes its own buffers.
        ValueError: an unknown precision.
    """
    check_precision(precision)
    programs = {name: _export(name, *entry) for name, entry in entries.items()}
    _check(programs)
    book = Book(PRECISIONS[precision])
    graphs = {
        name: Writer(book, program, entries[name]).write()
        for name, program in programs.items()
    }
    return {
        "format": FORMAT,
        "precision": precision,
        "ops": book.ops,
        "tensors": book.tensors,
        "blob": base64.b64encode(bytes(book.blob)).decode("ascii"),
        "entries": graphs,
    }


def pack_if_possible(
    find: Callable[[], Mapping[str, Any]], precision: str
) -> dict[str, Any]:
    """The model for the page, or None and the reason why Python has to compute.

    Args:
        find: returns what `pack` takes, or something packed before; may raise
            `Unpackable`.
        precision: see `pack`.
    """
    try:
        found = find()
        packed = dict(found) if "format" in found else pack(found, precision)
        return {"model": packed, "reason": ""}
    except Unpackable as error:
        text = " ".join(str(error).removeprefix("entries: ").split())
        reason = f"The page cannot run this model by itself ({text[:200]})."
        return {"model": None, "reason": reason}


def check_precision(precision: str) -> None:
    """Raise `ValueError` unless `precision` is one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        known = " or ".join(PRECISIONS)
        raise ValueError(f"precision: expected {known}, got {precision!r}")


def kept(module: nn.Module, precision: str) -> nn.Module:
    """A copy as the page computes with it: on the CPU, in evaluation mode, rounded.

    Raises:
        ValueError: no module, or an unknown precision.
    """
    check_has("model", module, "forward", "parameters")
    check_precision(precision)
    twin = rounded(module) if precision == "float16" else copy.deepcopy(module)
    return twin.cpu().eval()


def rounded(module: nn.Module) -> nn.Module:
    """A copy of `module` with weights as the page has them under `"float16"`.

    Returns:
        A module of the same types, each weight rounded to the nearest float16; float64
        weights stay as they are, in the page too.
    """
    twin = copy.deepcopy(module)
    for tensor in (*twin.parameters(), *twin.buffers()):
        if tensor.is_floating_point() and tensor.dtype != torch.float64:
            tensor.data = tensor.data.to(torch.float16).to(tensor.dtype)
    return twin


def entries_beside(
    model: nn.Module, page: str, *sizes: int
) -> Mapping[str, Entry] | None:
    """What the family of a model can run in the page.

    Args:
        model: any module.
        page: a module's name beside the model's own; its `page_entries(model, *sizes)`
            answers.

    Returns:
        What `pack` takes; None where the family has no such module.
    """
    package = type(model).__module__.rpartition(".")[0]
    try:
        found = importlib.import_module(f"{package}.{page}") if package else None
    except ModuleNotFoundError as error:
        if error.name not in (package, f"{package}.{page}"):
            raise
        return None
    return found.page_entries(model, *sizes) if hasattr(found, "page_entries") else None


# ---- exporting -----------------------------------------------------------------------


def _export(
    name: str, module: nn.Module, inputs: Any, dynamic: Any = None
) -> torch.export.ExportedProgram:
    args, kwargs = ((), inputs) if isinstance(inputs, Mapping) else (inputs, {})
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings():  # of torch's own parts: nothing a reader can do
            warnings.simplefilter("ignore")
            program = torch.export.export(
                module, tuple(args), dict(kwargs), dynamic_shapes=dynamic, strict=False
            )
            program = program.run_decompositions()
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unpackable(
            f"entries[{name!r}]: torch.export cannot write it down: {reason}"
        ) from error
    finally:
        module.train(training)
    changed = sorted(program.graph_signature.buffers_to_mutate.values())
    if changed:
        raise Unpackable(f"entries[{name!r}]: the module changes its buffers {changed}")
    return program


def _check(programs: Mapping[str, torch.export.ExportedProgram]) -> None:
    """Raise with the full list of what the page cannot compute."""
    missing: dict[str, set[str]] = {}
    for entry, program in programs.items():
        for node in live_nodes(program):
            name = op_name(node.target)
            if name not in SUPPORTED:
                missing.setdefault(name, set()).add(entry)
    if missing:
        what = ", ".join(
            f"{op} (in {', '.join(sorted(where))})"
            for op, where in sorted(missing.items())
        )
        raise Unpackable(f"entries: the page cannot compute {what}")


def listing(packed: Mapping[str, Any], entry: str) -> list[str]:
    """What an entry computes, one readable line per node."""
    graph = packed["entries"][entry]
    value, lines = len(graph["inputs"]), []
    for op, args, *rest in graph["nodes"]:
        count = rest[0] if rest else 1
        names = ", ".join(f"%{value + i}" for i in range(count))
        lines.append(f"{names} = {packed['ops'][op]}({', '.join(map(str, args))})")
        value += count
    return lines
