"""Run the package on another device than the CPU, and compare.

    python -m tests.away      # prints JSON: what was run → what went wrong, or null

Where there is a GPU, it is that. Else it is a device that only says that it is another
one: its tensors keep their numbers on the CPU, and an operation that mixes them with
tensors of the CPU fails, as it would on a GPU. So a constant that was made on the wrong
device is found without one. It has a process of its own, since PyTorch knows one such
device and keeps it until it ends.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from attnkit import catalog
from attnkit.catalog import Card
from attnkit.data.generate import mixed
from attnkit.rnn import Seq2Seq
from attnkit.search import beam_decode, greedy_decode
from attnkit.train import fit
from attnkit.transformer import (
    POSITIONS,
    CaptionTransformer,
    LanguageModel,
    PermutationLanguageModel,
    SegmentLanguageModel,
    Transformer,
    generate,
)
from attnkit.translation import translation_loss

NAME = "away"
aten = torch.ops.aten
RECURRENT = {torch._VF.gru, torch._VF.lstm, torch._VF.gru_cell, torch._VF.lstm_cell}
PACKED = {aten._pack_padded_sequence.default, aten._pad_packed_sequence.default}
# May take tensors of both devices: the sizes of packed sequences stay on the CPU.
MIXES = {aten._to_copy.default, aten.copy_.default} | RECURRENT | PACKED


class Away(Tensor):
    """A tensor of the other device; `near` has its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> Away:
        how = {"strides": near.stride(), "dtype": near.dtype, "device": f"{NAME}:0"}
        made = Tensor._make_wrapper_subclass(cls, near.shape, **how)
        made.near = near
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """A recurrent layer is one operation, without a gradient here."""
        if func in RECURRENT:
            return dispatch(func, args, kwargs or {})
        return torch._C._disabled_torch_function_impl(func, types, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return dispatch(func, args, kwargs or {})


class Device(backend_registration._DummyBackendModule):
    """What PyTorch asks of a device that `fit` can train on."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Elsewhere(TorchDispatchMode):
    """Operations see what device a new tensor is asked for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return dispatch(func, args, kwargs or {})


def dispatch(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the numbers, if all that it takes is on one device."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    away = [x for x in tensors if isinstance(x, Away)]
    here = [tuple(x.shape) for x in tensors if not isinstance(x, Away) and x.dim()]
    if away and here and func not in MIXES:
        raise RuntimeError(f"{func}: tensors of shapes {here} are on the CPU")
    device = kwargs.get("device")
    target = torch.device(device).type if device is not None else None
    if target == NAME:
        kwargs = {**kwargs, "device": "cpu"}
    args, kwargs = tree_map_only(Away, lambda x: x.near, (args, kwargs))
    result = func(*args, **kwargs)
    if func not in RECURRENT and func._schema.is_mutable and result is args[0]:
        return next(x for x in tensors if getattr(x, "near", x) is result)
    if func in PACKED:
        return Away(result[0]), result[1]
    stays = target == NAME or (away and target is None)
    return tree_map_only(Tensor, Away, result) if stays else result


# ------------------------------------------------------------------------ what is run


def draw(*shape: int, low: int = 4, high: int = 12) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(2))


def made(make: Callable[..., nn.Module], *args: Any, **options: Any) -> nn.Module:
    torch.manual_seed(1)
    return make(*args, **options).eval()


def card_run(card: Card, to: Callable) -> Tensor:
    """The output of a mechanism; its gradient must come, too."""
    mechanism = to(card.make(1, card.shapes[0]))
    inputs = {k: to(x) for k, x in card.inputs(11, card.shapes[0]).items()}
    recurrent = (nn.RNNBase, nn.RNNCellBase)
    parts = mechanism.modules() if isinstance(mechanism, nn.Module) else ()
    if any(isinstance(part, recurrent) for part in parts):
        with torch.no_grad():
            return card.run(mechanism, inputs)
    out = card.run(mechanism, inputs)
    if out.requires_grad:
        out.sum().backward()
    return out.detach()


def translator(make: Callable[..., nn.Module], options: dict, to: Callable) -> tuple:
    """Teacher forcing, greedy and beam search with their caches, under a mask."""
    model = to(made(make, 12, 12, **options))
    source = torch.cat([draw(2, 5), torch.tensor([[5, 0], [6, 7]])], 1)
    source, target = to(source), to(draw(2, 4))
    with torch.no_grad():
        logits = model(source, target)
        found = [
            decode(model, source, max_steps=5).tokens
            for decode in (greedy_decode, beam_decode)
        ]
    return logits, *(to(torch.tensor(rows)) for rows in map(padded, found))


def padded(rows: Any) -> list[list[int]]:
    """Tokens as plain numbers, all rows equally long."""
    rows = [[int(token) for token in row] for row in rows]
    longest = max(map(len, rows))
    return [row + [0] * (longest - len(row)) for row in rows]


def writer(to: Callable, **options: Any) -> tuple:
    model = to(made(LanguageModel, 12, **options))
    prompt = to(draw(2, 3))
    with torch.no_grad():
        logits, maps = model(prompt, need_weights=True)
    cached, anew = (generate(model, prompt, steps=4, cache=x) for x in (True, False))
    return logits, *maps, cached, anew


@torch.no_grad()
def segments(to: Callable) -> tuple:
    model, ids = to(made(SegmentLanguageModel, 12, memory_len=6)), to(draw(2, 8))
    _, memory = model(ids[:, :4])
    return model(ids[:, 4:], memory)[0]


@torch.no_grad()
def orders(to: Callable) -> tuple:
    model = to(made(PermutationLanguageModel, 12))
    logits, streams = model(
        to(draw(2, 6)), to(torch.tensor([3, 0, 5, 1, 2, 4])), need_weights=True
    )
    return logits, *(x for pair in streams for x in pair)


@torch.no_grad()
def captions(to: Callable) -> tuple:
    model = to(made(CaptionTransformer, 12, memory_dim=8))
    places = to(torch.linspace(-1, 1, 2 * 9 * 8).view(2, 9, 8))
    ids, weights = model.generate(places, max_len=4, need_weights=True)
    return model(places, to(draw(2, 3))), ids, weights


def training(to: Callable) -> tuple:
    """Two steps of the loop, which moves model and batches by itself."""
    pairs = mixed(24, 1)
    sizes = [len(known) for known in pairs.vocabularies]
    model = made(Transformer, *sizes, embed_dim=16, position="shaw")
    batches = partial(pairs.batches, 8)
    device = to(torch.zeros(1)).device
    fit(model, lambda number: batches(seed=number), translation_loss, steps=2,
        lr=1e-3, seed=1, device=device, progress=False)  # fmt: skip
    return tuple(weight.detach() for weight in model.parameters())


def mixed_up(to: Callable) -> Tensor:
    """The control: a constant that stays on the CPU."""
    return to(torch.ones(3)) + torch.ones(3)


def runs() -> dict[str, Callable[[Callable], Any]]:
    """All that is run, by name; each takes what moves tensors and modules."""
    found = {f"card {c.key}": partial(card_run, c) for c in catalog.cards()}
    small = {"embed_dim": 16, "num_heads": 2, "num_layers": 1}
    for position in POSITIONS:
        options = {**small, "position": position}
        found[f"Transformer {position}"] = partial(translator, Transformer, options)
        found[f"LanguageModel {position}"] = partial(writer, **options)
    for attention in ("additive", "general", "local-m", "local-p", None):
        options = {"embed_dim": 8, "hidden_dim": 8, "attention": attention}
        found[f"Seq2Seq {attention}"] = partial(translator, Seq2Seq, options)
    others = (segments, orders, captions, training, mixed_up)
    return found | {other.__name__: other for other in others}


# ------------------------------------------------------------------------- comparing


def move(thing: Any) -> Any:
    """A tensor or module on the other device; the one that was given stays."""
    if isinstance(thing, Tensor):
        return thing.to(NAME if NAME == "cuda" else torch.device(NAME))
    return copy.deepcopy(thing).to(NAME) if isinstance(thing, nn.Module) else thing


def fault(run: Callable[[Callable], Any], away: contextlib.AbstractContextManager):
    """What is wrong on the other device, or None."""
    try:
        with away:
            got = tree_leaves(run(move))
        wanted = tree_leaves(run(lambda thing: thing))
        with away:
            for mine, right in zip(got, wanted, strict=True):
                assert mine.device.type == NAME, f"an output is on {mine.device}"
                torch.testing.assert_close(mine.cpu(), right, atol=1e-4, rtol=1e-4)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    """Run everything, on the CPU and on the other device."""
    global NAME
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        NAME, away = "cuda", contextlib.nullcontext()
    else:
        backend_registration._setup_privateuseone_for_python_backend(NAME, Device())
        torch.__future__.set_swap_module_params_on_conversion(True)
        away = Elsewhere()
    print(json.dumps({name: fault(run, away) for name, run in runs().items()}))


if __name__ == "__main__":
    main()
