"""`SelfAttention`: what each head of a small language model does, in the page.

The widget knows no family by name. It asks a model for `layers` with `attention`, and
finds what the page can run in the module `heads_page` beside the model's own
(`page_entries`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.data.repeats import LETTERS, folded, successors
from attnkit.live.checks import as_whole, check_has, check_names
from attnkit.live.pack import check_precision, entries_beside, kept, pack
from attnkit.live.widget import LiveWidget

PRESETS = ("causal", "full", "local", "padding")
EXAMPLES = ("foxdenmilkfoxmilkdenfoxden", "thequickbrown", "hellohello", "abracadabra")


class SelfAttention(LiveWidget):
    """Type a text, look at any head, edit the mask, silence heads; see the next letter.

    Args:
        model: a trained `attnkit.transformer.LanguageModel`, or any module with
            `layers` that have `attention`. A copy in evaluation mode is kept.
        text: what stands in the field at first.
        symbols: the model's symbols in the order of their numbers: different single
            characters, none of them a capital or with an accent.
        examples: more texts to choose from, at most 12.
        layer, head: the head that is shown first, from 0; the best induction head of
            this text if None.
        query: the token that looks first; the last one whose next letter an earlier
            copy tells if None.
        max_tokens: most tokens, stated to the reader; up to 32.
        window: width of the preset "local", the token itself included.
        entries: the graph "run" for the page, as `pack` takes it; found beside the
            model if None.
        precision: of the weights in the page, "float32" or "float16".
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: an empty text, symbols that do not fit the model, a head or a
            precision that there is not.
    """

    template: ClassVar[str] = (
        "# copier is this chapter's trained model\n"
        "from attnkit.live import SelfAttention\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["weights"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {"model": "copier", "entries": ""}
    CAPTION: ClassVar[str] = (
        "Two heads copy: one looks one token back, one looks at what followed earlier "
        "copies of the present letter. Silence either with the button and the letter "
        "to copy is lost; silence any other, even one that looks there too, and it "
        "stays. Without the causal mask the model knows even letters that are new, "
        "because it reads them."
    )
    heights: ClassVar = [
        (288, 2233, 2497), (294, 2180, 2444), (312, 2145, 2347), (384, 2066, 2256),
        (408, 1983, 2165), (480, 1997, 2197), (528, 1961, 2149), (576, 2006, 2194),
        (600, 1980, 2156), (665, 2059, 2235), (666, 1182, 1292), (744, 1182, 1292),
        (771, 1212, 1334), (772, 1150, 1260), (780, 1117, 1227), (888, 1121, 1230),
    ]  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        text: str = EXAMPLES[0],
        *,
        symbols: Sequence[str] = LETTERS,
        examples: Sequence[str] = EXAMPLES[1:],
        layer: int | None = None,
        head: int | None = None,
        query: int | None = None,
        max_tokens: int = 32,
        window: int = 3,
        entries: Mapping[str, Any] | None = None,
        precision: str = "float16",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        check_precision(precision)
        check_has("model", model, "layers")
        self.size = as_whole("max_tokens", max_tokens, 2, 32)
        self.model = kept(model, precision)
        found = entries or entries_beside(self.model, "heads_page", self.size)
        if found is None:
            raise ValueError(
                f"model: expected a language model with open heads, got a "
                f"{type(model).__name__}; give entries"
            )
        self._open(*found["run"], symbols)
        self._check_text(text)
        data = {
            "model": pack(found, precision),
            "symbols": self.symbols,
            "examples": [text, *examples][:12],
            "size": self.size,
            "window": as_whole("window", window, 1, self.size),
            "layers": self.shape[0],
            "heads": self.shape[1],
        }
        state = {"text": text, "layer": 0, "head": 0, "query": 0, "key": 0}
        state |= {"preset": "causal", "cells": [], "silent": []}
        traits = {"kind": "self_attention", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self._begin(layer, head, query)
        self.alt = alt or self._say()

    @torch.no_grad()
    def _open(
        self, reader: nn.Module, inputs: Mapping[str, Tensor], symbols: Sequence[str]
    ) -> None:
        """What runs, its layers and heads, and a symbol for each of its logits."""
        self.reader, self.shape = reader, tuple(inputs["gates"].shape)
        logits = reader(*(inputs[name] for name in ("ids", "mask", "gates")))[0]
        self.symbols = check_names("symbols", list(symbols), logits.shape[-1])
        odd = [c for c in self.symbols if folded(c, self.symbols) != [c]]
        odd += [c for c in set(self.symbols) if self.symbols.count(c) > 1]
        if odd:
            raise ValueError(
                "symbols: expected different single characters, none a capital or with "
                f"an accent, got {sorted(odd)}"
            )

    def _begin(self, layer: int | None, head: int | None, query: int | None) -> None:
        """The first head, token and cell: given, or those that tell the story."""
        out = self.forward()
        known = [i for i, place in enumerate(out["source"]) if place >= 0]
        ids = [*out["ids"], None]
        sure = [i for i in known if ids[i + 1] == ids[out["source"][i]]]
        query = query if query is not None else (sure or known or [0])[-1]
        query = as_whole("query", query, 0, len(out["ids"]) - 1)
        best = int(out["shares"][..., 1].nan_to_num().argmax())
        layer = best // self.shape[1] if layer is None else layer
        layer = as_whole("layer", layer, 0, self.shape[0] - 1)
        head = best % self.shape[1] if head is None else head
        head = as_whole("head", head, 0, self.shape[1] - 1)
        key = max(out["source"][query], 0)
        first = {"layer": layer, "head": head, "query": query, "key": key}
        self.check_state({**self.state, **first})
        self.set_trait("initial", {**self.initial, **first})
        self.state = first

    def check_state(self, state: dict[str, Any]) -> None:
        """A mask that there is, and places and heads that can be."""
        if state["preset"] not in PRESETS:
            known = ", ".join(PRESETS)
            raise ValueError(
                f"preset: expected one of {known}, got {state['preset']!r}"
            )
        layers, heads = self.shape
        for name, most in (
            ("layer", layers - 1),
            ("head", heads - 1),
            ("query", self.size - 1),
            ("key", self.size - 1),
            ("cells", self.size**2 - 1),
            ("silent", layers * heads - 1),
        ):
            given = state[name]
            for number in given if isinstance(given, list) else [given]:
                as_whole(name, number, 0, most)

    # ---- the same numbers from torch -------------------------------------------------

    def letters(self) -> list[str]:
        """The symbols of the text that are read: capitals and accents are folded, what
        the model does not know is left out."""
        return folded(self.state["text"], self.symbols)[: self.size]

    @torch.no_grad()
    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            ids (list of N), mask (N, N), logits (N, V), odds (N, V), scores and weights
            (L, H, N, N), query, key and value (L, H, N, d); source: for each token the
            place that followed its last earlier copy, or -1; shares (L, H, 3): weight
            on the token one back, on what followed earlier copies, on these copies, as
            means, NaN where there are none; sure: the mean probability of the true next
            letter where it was told and where it is new (None where there is no such).

        Raises:
            ValueError: no letter in the text.
        """
        ids = self._check_text(self.state["text"])
        n = len(ids)
        padded = torch.tensor([[*ids, *[0] * (self.size - n)]])
        gates = torch.ones(self.shape)
        gates.view(-1)[self.state["silent"]] = 0
        mask = self.mask(n)
        out = self.reader(padded, mask, gates)
        names = ("logits", "scores", "weights", "query", "key", "value")
        found = dict(zip(names, out, strict=True))
        found["logits"] = found["logits"][:n]
        for name in ("query", "key", "value"):
            found[name] = found[name][:, :, :n]
        for name in ("scores", "weights"):
            found[name] = found[name][:, :, :n, :n]
        source = successors(torch.tensor(ids)).tolist()
        odds = found["logits"].softmax(-1)
        found |= {"ids": ids, "mask": mask[:n, :n], "odds": odds, "source": source}
        return found | {
            "shares": shares(found["weights"], ids),
            "sure": sure(odds, ids),
        }

    def mask(self, n: int) -> Tensor:
        """Who may see whom, (size, size): the preset, with the edited cells turned."""
        mask = torch.zeros(self.size, self.size, dtype=torch.bool)
        mask[:n, :n] = preset(self.state["preset"], n, self.data["window"])
        for cell in self.state["cells"]:
            row, col = divmod(cell, self.size)
            if row < n and col < n:
                mask[row, col] = ~mask[row, col]
        return mask

    def _check_text(self, text: Any) -> list[int]:
        known = folded(text, self.symbols) if isinstance(text, str) else []
        if not known:
            some = "".join(self.symbols[:3])
            raise ValueError(f"text: expected a symbol as {some}…, got {text!r}")
        return [self.symbols.index(c) for c in known[: self.size]]

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out, state, letters = self.forward(), self.state, self.letters()
        layer, head, query = (state[name] for name in ("layer", "head", "query"))
        row = out["weights"][layer, head, query]
        place, best = int(row.argmax()), int(out["odds"][query].argmax())
        return (
            f"Weights of head {layer + 1}.{head + 1} on “{''.join(letters)}”. Token "
            f"{query + 1}, {letters[query]}, reads token {place + 1}, "
            f"{letters[place]}, with weight {row[place]:.2f}; the model continues with "
            f"{self.symbols[best]} ({out['odds'][query, best]:.2f})."
        )

    def draw(self) -> Any:
        """The weights of the first state's head."""
        from attnkit import plot

        plot.use_style()
        state, letters = self.state, self.letters()
        weights = self.forward()["weights"][state["layer"], state["head"]]
        title = f"head {state['layer'] + 1}.{state['head'] + 1}"
        return plot.heatmap(weights.numpy(), letters, letters, title=title).figure


def preset(name: str, n: int, window: int) -> Tensor:
    """A mask (n, n) by its name: "causal", "full", "local" (causal, the last `window`
    tokens), "padding" (full, but the last quarter is hidden from all)."""
    full = torch.ones(n, n, dtype=torch.bool)
    if name == "full":
        return full
    if name == "padding":
        return full & (torch.arange(n) < n - n // 4)
    return full.tril().triu(1 - window) if name == "local" else full.tril()


def shares(weights: Tensor, ids: Sequence[int]) -> Tensor:
    """Mean weight (L, H, 3) on the token one back, on what followed earlier copies of
    the token, on these copies; over the tokens that have such a place."""
    row = torch.tensor(ids)
    same = (row[:, None] == row).tril(-1)  # (N, N)
    back = torch.ones(same.shape, dtype=torch.bool).tril(-1).triu(-1)
    parts = [
        (weights * places).sum(-1)[..., places.any(-1)].mean(-1)
        for places in (back, same.roll(1, -1), same)
    ]
    return torch.stack(parts, -1)


def sure(odds: Tensor, ids: Sequence[int]) -> list[float | None]:
    """Mean probability of the true next letter: after a letter that was there before,
    and after a new one; None where there is none."""
    told = successors(torch.tensor(ids))[:-1] >= 0
    right = odds[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]
    return [
        right[which].mean().item() if which.any() else None for which in (told, ~told)
    ]
