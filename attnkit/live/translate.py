"""`TypeToAlign`: the trained encoder–decoder itself, in the page.

The widget knows no family by name. It asks a model for `encode` and `step`, and finds
what the page can run in the module `page` beside the model's own (`page_entries`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from attnkit.data import BOS, EOS, PAD, UNK
from attnkit.live.characters import characters, narrow
from attnkit.live.checks import as_number, as_whole, check_has
from attnkit.live.decode import decode
from attnkit.live.pack import (
    FORMAT,
    PRECISIONS,
    Unpackable,
    entries_beside,
    kept,
    pack_if_possible,
)
from attnkit.live.widget import LiveWidget

SPLITS = ("characters", "words")
SEARCHES = ("greedy", "beam")
ENTRIES = {"encode", "step"}


class TypeToAlign(LiveWidget):
    """Type a text, see the output and what every step of it reads; take steps in hand.

    Args:
        model: a trained `attnkit.rnn.Seq2Seq` or `attnkit.transformer.Transformer`, or
            any module with their `encode` and `step`. A copy in evaluation mode is
            kept.
        vocabularies: of source and target.
        text: what stands in the field at first.
        examples: a `PairSet` with the known truth; at most 40 pairs are taken.
        grammar: `attnkit.data.GRAMMAR`, where the sources are of that language: the
            page then knows the truth of any date, number or phrase that is typed.
        max_source: most source symbols, stated to the reader.
        max_steps: most output symbols, the end included.
        split: "characters" or "words".
        search: "greedy" or "beam", at first.
        beam_size, length_penalty: of beam search.
        entries: graphs for the page as `pack` takes them; found beside the model
            if None. What `pack` returned may stand here too.
        precision: of the weights in the page, "float32" or "float16" (half the size;
            the kept copy is rounded alike, so both still agree).
        lang: language of the source, for fonts and screen readers.
        prompt: what the field is for.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: an empty text, a limit below 1, an unknown split, search or
            precision, or entries without "encode" and "step".
    """

    template: ClassVar[str] = (
        "# model, pairs, known and GRAMMAR stand for those of this chapter\n"
        "from attnkit.live import TypeToAlign\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["output"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {
        "model": "model", "vocabularies": "pairs.vocabularies", "examples": "known",
        "grammar": "GRAMMAR", "entries": "",
    }  # fmt: skip
    CAPTION: ClassVar[str] = (
        "Every output symbol reads the source characters that it translates. English "
        "puts the month first, Chinese the year, so the arcs cross. Drag the ring in "
        "the matrix and the step reads elsewhere, and may write something else."
    )
    heights: ClassVar = [
        (288, 1731, 2010), (294, 1731, 2010), (300, 1690, 1919), (312, 1667, 1896),
        (318, 1600, 1817), (336, 1600, 1817), (408, 1466, 1657), (483, 1466, 1657),
        (484, 1428, 1657), (504, 1400, 1579), (665, 1269, 1438), (666, 1100, 1299),
        (720, 1037, 1224), (888, 1014, 1201),
    ]  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        vocabularies: tuple[Any, Any],
        text: str,
        *,
        examples: Any = None,
        grammar: Mapping[str, Any] | None = None,
        max_source: int = 24,
        max_steps: int = 32,
        split: str = "characters",
        search: str = "greedy",
        beam_size: int = 4,
        length_penalty: float = 0.0,
        entries: Mapping[str, Any] | None = None,
        precision: str = "float32",
        lang: str = "zh",
        prompt: str = "Text to translate",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        limits = {"max_source": max_source, "max_steps": max_steps}
        _check(text, split, search, precision, {**limits, "beam_size": beam_size})
        length_penalty = as_number("length_penalty", length_penalty)
        self.model = kept(model, precision)
        self.vocabularies = vocabularies
        data = packed_translator(
            self.model, entries, (max_source, max_steps), precision
        )
        data |= symbols_of(vocabularies) | {
            "examples": _examples(examples, split, max_source),
            "grammar": grammar,
            "split": split,
            "max_source": max_source,
            "max_steps": max_steps,
            "beam_size": beam_size,
            "length_penalty": length_penalty,
            "lang": lang,
            "prompt": f"{prompt}, up to {max_source} {split}",
        }
        state = {"text": text, "search": search, "step": 0, "forced": {}}
        state |= {"guess": "", "revealed": False}
        traits = {"kind": "type_to_align", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A search that there is, and a step that can be."""
        if state["search"] not in SEARCHES:
            wanted = " or ".join(SEARCHES)
            raise ValueError(f"search: expected {wanted}, got {state['search']!r}")
        as_whole("step", state["step"], 0)

    # ---- the same numbers from torch -------------------------------------------------

    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            source (list of symbols), output (list of symbols, the end left out),
            tokens (T,), weights (T, S), logits (T, V).
        """
        symbols = self._symbols()
        forced = self.state["forced"]
        if any(len(row) != len(symbols) for row in forced.values()):
            forced = {}
        out = self._decode(symbols, self.state["search"], forced)
        words = self.vocabularies[1].decode(out["tokens"])
        return {"source": symbols, "output": words, **out}

    def rpc_translate(
        self, text: Sequence[str], search: str, forced: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Answer the page where it could not run the model itself."""
        free = self._decode(text, search, {})
        used = self._decode(text, search, forced) if forced else free
        return {"free": free, "used": used}

    def _symbols(self) -> list[str]:
        text = narrow(self.state["text"])
        words = text.split() if self.data["split"] == "words" else characters(text)
        return words[: self.data["max_source"]]

    def _decode(
        self, symbols: Sequence[str], search: str, forced: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        ids = self.vocabularies[0].encode(list(symbols), warn=False)
        return decode(
            self.model, ids, {int(t): row for t, row in forced.items()},
            max_steps=self.data["max_steps"],
            beam_size=self.data["beam_size"] if search == "beam" else 1,
            length_penalty=self.data["length_penalty"],
        )  # fmt: skip

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out = self.forward()
        pairs = []
        for word, row in zip(out["output"], out["weights"], strict=False):
            pairs.append(f"{word} reads {out['source'][int(row.argmax())]}")
        return f"{''.join(out['source'])} becomes {' '.join(out['output'])}: " + (
            ", ".join(pairs) + "."
        )

    def draw(self) -> Any:
        """The alignment of the first state, with the truth where it is known."""
        from attnkit import plot

        plot.use_style()
        out = self.forward()
        text = self.state["text"]
        known = {item["source"]: item["alignment"] for item in self.data["examples"]}
        count = len(out["output"])
        truth = known.get(text)
        truth = None if truth is None else [*truth, *[[]] * count][:count]
        weights = out["weights"][:count].numpy()
        return plot.alignment(out["source"], out["output"], weights, truth).figure


def _check(
    text: str, split: str, search: str, precision: str, limits: Mapping[str, int]
) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"text: expected at least one symbol, got {text!r}")
    for name, value, known in (
        ("split", split, SPLITS),
        ("search", search, SEARCHES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected {' or '.join(known)}, got {value!r}")
    for name, value in limits.items():
        as_whole(name, value, 1)


def packed_translator(
    model: nn.Module,
    entries: Mapping[str, Any] | None,
    sizes: tuple[int, int],
    precision: str,
) -> dict[str, Any]:
    """The model for the page, or None and the reason why Python has to compute."""
    return pack_if_possible(lambda: _found(model, entries, sizes), precision)


def _found(
    model: nn.Module, entries: Mapping[str, Any] | None, sizes: tuple[int, int]
) -> Mapping[str, Any]:
    """The graphs that were given, or those of the model's family."""
    if entries is None:
        entries = entries_beside(model, "page", *sizes)
    if entries is None:
        raise Unpackable(f"there are no graphs for a {type(model).__name__}")
    ready = "format" in entries
    found = entries.get("entries", {}) if ready else entries
    if not found.keys() >= ENTRIES or (ready and entries["format"] != FORMAT):
        raise ValueError(f"entries: expected encode and step, got {list(entries)}")
    return entries


def symbols_of(vocabularies: tuple[Any, Any]) -> dict[str, Any]:
    """What the page has to know of both vocabularies."""
    if not isinstance(vocabularies, tuple | list) or len(vocabularies) != 2:
        raise ValueError(f"vocabularies: expected a pair, got {vocabularies!r}")
    for vocabulary in vocabularies:
        check_has("vocabularies", vocabulary, "symbols")
    source, target = (list(v.symbols) for v in vocabularies)
    return {
        "source_symbols": source,
        "target_symbols": target,
        "palette": source[UNK + 1 :] if len(source) <= 100 else [],
        "pad": PAD,
        "bos": BOS,
        "eos": EOS,
        "unk": UNK,
    }


def _examples(pairs: Any, split: str, longest: int) -> list[dict[str, Any]]:
    """Sources with their known answer, short enough for the page."""
    if pairs is None:
        return []
    rows = zip(pairs.source, pairs.target, pairs.alignment, strict=True)
    glue = "" if split == "characters" else " "
    return [
        {
            "source": glue.join(source),
            "target": list(target),
            "alignment": [list(places) for places in truth],
        }
        for source, target, truth in rows
        if len(source) <= longest
    ][:40]
