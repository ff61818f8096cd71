"""Writing one exported program down: nodes, weights, names. See `pack`."""

from __future__ import annotations

import hashlib
import inspect
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from attnkit.live.ops import ASSERTIONS, CREATIONS

DTYPES = {
    torch.float32: "f32",
    torch.float16: "f32",
    torch.bfloat16: "f32",
    torch.float64: "f64",
    torch.int64: "i64",
    torch.int32: "i64",
    torch.uint8: "i64",
    torch.bool: "b8",
}
SYMBOLIC = {
    operator.add: "sym.add",
    operator.sub: "sym.sub",
    operator.mul: "sym.mul",
    operator.floordiv: "sym.floordiv",
}

IGNORED = frozenset({"layout", "device", "pin_memory", "memory_format", "non_blocking"})

Entry = tuple[Any, ...]


class Unpackable(ValueError):
    """A module is sound, yet the page cannot run it; the message says why."""


def type_name(dtype: torch.dtype) -> str:
    """What the page calls a type of numbers."""
    if dtype not in DTYPES:
        raise Unpackable(f"entries: the page has no numbers of {dtype}")
    return DTYPES[dtype]


def op_name(target: Any) -> str:
    if target in SYMBOLIC:
        return SYMBOLIC[target]
    if not isinstance(target, torch._ops.OpOverload):
        return getattr(target, "__name__", str(target))
    namespace, _, name = target.name().partition("::")
    overload = target._overloadname
    base = name.split(".")[0]
    return f"{base}.{overload}" if namespace == "aten" else f"{namespace}::{base}"


def live_nodes(program: torch.export.ExportedProgram) -> list[torch.fx.Node]:
    """The calls that the outputs depend on, in order; assertions are left out."""
    graph = program.graph
    needed = set(graph.find_nodes(op="output"))
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    return [
        node
        for node in graph.nodes
        if node.op == "call_function"
        and node in needed
        and node.target is not operator.getitem
        and op_name(node.target) not in ASSERTIONS
    ]


class Book:
    """What all entries share: operation names and weights."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.ops: list[str] = []
        self.tensors: list[list[Any]] = []
        self.blob = bytearray()
        self._seen: dict[Any, int] = {}

    def op(self, name: str) -> int:
        if name not in self.ops:
            self.ops.append(name)
        return self.ops.index(name)

    def tensor(self, value: Tensor) -> str:
        """Store a weight; equal ones are stored once."""
        kind, flat = _stored(value.detach().cpu(), self.dtype)
        content = flat.numpy().tobytes()
        key = (kind, tuple(value.shape), hashlib.sha256(content).digest())
        if key not in self._seen:
            self._seen[key] = len(self.tensors)
            self.tensors.append([kind, list(value.shape), len(self.blob)])
            self.blob += content + bytes(-len(content) % 8)
        return f"@{self._seen[key]}"


def _stored(value: Tensor, dtype: torch.dtype) -> tuple[str, Tensor]:
    """The stored type and the numbers in it, in a row."""
    flat, kind = value.contiguous().reshape(-1), type_name(value.dtype)
    if kind == "f32":
        return ("f16" if dtype == torch.float16 else "f32"), _narrowed(flat, dtype)
    if kind == "b8":
        return kind, flat.to(torch.uint8)
    if kind == "i64":
        if flat.numel() and flat.abs().max() >= 2**31:
            raise Unpackable("entries: a whole number in it needs more than 32 bits")
        return kind, flat.to(torch.int32)
    return kind, flat


def _narrowed(flat: Tensor, dtype: torch.dtype) -> Tensor:
    narrow = flat.to(dtype)
    if (narrow.isinf() & flat.isfinite()).any():
        most = flat[flat.isfinite()].abs().max().item()
        raise Unpackable(f"entries: a weight of {most:.3g} is too large for {dtype}")
    return narrow


class Writer:
    """One exported program as the nodes of an entry."""

    def __init__(
        self, book: Book, program: torch.export.ExportedProgram, entry: Entry
    ) -> None:
        self.book, self.program, self.entry = book, program, entry
        self.refs: dict[str, str] = {}
        self.count = 0

    def write(self) -> dict[str, Any]:
        inputs = self._inputs()
        nodes = [self._node(node) for node in live_nodes(self.program)]
        return {"inputs": inputs, "outputs": self._outputs(), "nodes": nodes}

    def _new(self) -> str:
        self.count += 1
        return f"%{self.count - 1}"

    def _inputs(self) -> list[dict[str, Any]]:
        names = iter(input_names(*self.entry[:2]))
        metas = {node.name: node.meta.get("val") for node in self.program.graph.nodes}
        inputs = []
        for spec in self.program.graph_signature.input_specs:
            if spec.kind != torch.export.graph_signature.InputKind.USER_INPUT:
                self.refs[spec.arg.name] = self.book.tensor(self._weight(spec.target))
                continue
            name, value = next(names), metas.get(spec.arg.name)
            if not isinstance(value, Tensor):
                continue
            self.refs[spec.arg.name] = self._new()
            shape = [size if isinstance(size, int) else None for size in value.shape]
            inputs.append(
                {"name": name, "dtype": type_name(value.dtype), "shape": shape}
            )
        return inputs

    def _weight(self, target: str) -> Tensor:
        state = self.program.state_dict
        return state[target] if target in state else self.program.constants[target]

    def _outputs(self) -> list[dict[str, Any]]:
        output = self.program.graph.find_nodes(op="output")[0].args[0]
        names = output_names(self.entry[0], self.program)
        return [
            {"name": name, "value": self._arg(value)}
            for name, value in zip(names, output, strict=True)
        ]

    def _node(self, node: torch.fx.Node) -> list[Any]:
        name = op_name(node.target)
        args = self._args(name, node)
        parts = node.meta.get("val")
        if not isinstance(parts, tuple | list):
            self.refs[node.name] = self._new()
            return [self.book.op(name), args]
        places = [self._new() for _ in parts]
        for user in node.users:
            self.refs[user.name] = places[user.args[1]]
        return [self.book.op(name), args, len(places)]

    def _args(self, name: str, node: torch.fx.Node) -> list[Any]:
        """Positional arguments in the schema's order; keywords put in their places."""
        if name in SYMBOLIC.values():
            return [self._arg(arg) for arg in node.args]
        schema = node.target._schema.arguments
        kwargs = dict(node.kwargs)
        if name in CREATIONS:
            kwargs["dtype"] = node.meta["val"].dtype
        args = list(node.args)
        for argument in schema[len(args) :]:
            if not kwargs.keys() - IGNORED:
                break
            args.append(kwargs.pop(argument.name, argument.default_value))
        args = [self._arg(arg) for arg in self._floats(node, args)]
        while args and args[-1] is None:
            args.pop()
        return args

    def _floats(self, node: torch.fx.Node, args: list[Any]) -> list[Any]:
        """A float beside whole tensors as a tensor, for JSON would lose its point."""
        tensors = [arg.meta["val"] for arg in args if _is_tensor(arg)]
        value = node.meta.get("val")
        if (
            not tensors
            or not isinstance(value, Tensor)
            or not value.is_floating_point()
        ):
            return args
        if any(tensor.is_floating_point() for tensor in tensors):
            return args
        return [torch.tensor(arg) if isinstance(arg, float) else arg for arg in args]

    def _arg(self, arg: Any) -> Any:
        if isinstance(arg, torch.fx.Node):
            return self.refs[arg.name]
        if isinstance(arg, Tensor):
            return self.book.tensor(arg)
        if isinstance(arg, torch.dtype):
            return type_name(arg)
        if isinstance(arg, float) and not math.isfinite(arg):
            return str(arg)
        if isinstance(arg, Sequence) and not isinstance(arg, str):
            return [self._arg(item) for item in arg]
        if arg is None or isinstance(arg, bool | int | float | str):
            return arg
        raise Unpackable(f"entries: an argument that the page cannot hold: {arg!r}")


def _is_tensor(arg: Any) -> bool:
    return isinstance(arg, torch.fx.Node) and isinstance(arg.meta.get("val"), Tensor)


# ---- names ---------------------------------------------------------------------------


def input_names(module: nn.Module, inputs: Any) -> list[str]:
    """Names of the flat inputs: parameter names, with a path where they are nested."""
    if isinstance(inputs, Mapping):
        named = dict(inputs)
    else:
        signature = inspect.signature(module.forward)
        named = dict(signature.bind(*inputs).arguments)
    return [
        _dotted(key, path) for key, value in named.items() for path in _paths(value)
    ]


def output_names(module: nn.Module, program: torch.export.ExportedProgram) -> list[str]:
    """Dict keys, the module's `output_names`, or "0", "1", …; "out" if it is one."""
    spec = program.call_spec.out_spec
    tree = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    if not isinstance(tree, dict | list | tuple):
        return ["out"]
    given = getattr(module, "output_names", None)
    if isinstance(tree, dict):
        items = list(tree.items())
    else:
        names = given or getattr(tree, "_fields", None) or range(len(tree))
        items = list(zip(names, tree, strict=True))
    return [_dotted(key, path) for key, value in items for path in _paths(value)]


def _paths(value: Any) -> list[tuple[Any, ...]]:
    """The ways to the leaves of a nest of dicts, lists and tuples."""
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return [()]
    return [(key, *rest) for key, item in items for rest in _paths(item)]


def _dotted(key: Any, path: Sequence[Any]) -> str:
    return ".".join(str(part) for part in (key, *path))
