"""Weights that come with the package: small safetensors files, made by a recipe.

A file is eight bytes with the length of a header, the header in JSON, and the numbers.
Reading it takes no further package; the recipes write it with `safetensors`.
"""

import json
import os
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {"F32": torch.float32, "F16": torch.float16}


def read_weights(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file as float32, and the notes that stand in it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is broken, or holds numbers of a type that no recipe writes.
    """
    content = Path(path).read_bytes()
    try:
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        notes = header.pop("__metadata__", {})
        numbers = bytearray(content[start:])
        return {name: _tensor(numbers, **part) for name, part in header.items()}, notes
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"path: expected a safetensors file of floats, got {os.fspath(path)!r} "
            f"({error})"
        ) from error


def _tensor(
    numbers: bytearray, dtype: str, shape: list[int], data_offsets: list[int]
) -> Tensor:
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(numbers):
        raise ValueError(f"numbers {begin} to {end} of {len(numbers)} bytes")
    if begin == end:
        return torch.zeros(shape)
    flat = torch.frombuffer(numbers[begin:end], dtype=DTYPES[dtype])
    return flat.reshape(shape).float()
