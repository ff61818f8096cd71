"""What an interrupted run needs to go on exactly: files and random states."""

import errno
import io
import os
import pickle
import random
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


def check_writable(path: str | os.PathLike) -> None:
    """Raise an `OSError` unless a file can be put at `path`."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with _beside(path) as new:
        new.touch()


def save_atomically(path: str | os.PathLike, value: Any) -> None:
    """`torch.save` that leaves either the whole new file or the old one.

    Raises:
        OSError: the file cannot be written; what was there is still there.
    """
    path, content = Path(path), io.BytesIO()
    torch.save(value, content)  # not to the file: it would hide the disk's errors
    with _beside(path) as new:
        with open(new, "wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name in the same folder for a file that is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


def load_checked(path: str | os.PathLike, parts: Iterable[str]) -> dict[str, Any]:
    """What `save_atomically` wrote, on the CPU: undamaged and with all `parts`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or something else than was asked for.
    """
    wrong = f"checkpoint: expected one written by fit, got {os.fspath(path)!r}"
    content = io.BytesIO(Path(path).read_bytes())
    try:
        _check_sums(content)
    except Exception as error:  # a damaged zip file can fail in any way
        raise ValueError(
            f"{wrong}, a broken file ({error}); delete it to begin anew"
        ) from error
    try:
        saved = torch.load(content, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{wrong}, a file of another kind ({error})") from error
    missing = set(parts) - set(saved if isinstance(saved, dict) else ())
    if missing:
        raise ValueError(f"{wrong}, which lacks {', '.join(sorted(missing))}")
    return saved


def _check_sums(content: io.BytesIO) -> None:
    """Compare every part with its checksum, which `torch.load` does not look at."""
    with zipfile.ZipFile(content) as file:
        damaged = file.testzip()
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    content.seek(0)


def check_fits(model: nn.Module, state: dict[str, Any]) -> None:
    """Raise unless `state` has the weights and buffers of `model`, in their shapes."""
    wanted, given = (
        {(name, tuple(getattr(value, "shape", ()))) for name, value in part.items()}
        for part in (model.state_dict(), state)
    )
    if wanted != given:
        raise ValueError(
            "checkpoint: expected the weights of this model, "
            f"{sorted(wanted - given)[:3]} and so on; got {sorted(given - wanted)[:3]}"
        )


def random_state() -> dict[str, Any]:
    """State of the generators of Python, NumPy and PyTorch (all devices)."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"]:
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])
