"""`BottleneckRace`: a decoder that sees one vector and one that attends, side by side.

The widget knows no family by name; it takes models by the protocol of `TypeToAlign`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn

from attnkit.data import EOS, parse
from attnkit.live.characters import characters, narrow
from attnkit.live.checks import as_matrix, as_number, as_whole, check_has
from attnkit.live.decode import decode
from attnkit.live.pack import kept
from attnkit.live.translate import packed_translator, symbols_of
from attnkit.live.widget import LiveWidget


class BottleneckRace(LiveWidget):
    """One source, two decoders; their accuracy against length, over several runs.

    Args:
        models: name -> trained model; the one with a fixed vector, then the one that
            attends. Any module with `encode` and `step`; copies are kept.
        vocabularies: of source and target.
        lengths: where the accuracy was measured, rising.
        accuracy: name -> (runs, lengths), share of symbols right, from 0 to 1.
        examples: a `PairSet` with known answers, at least one source of each length.
        length: of the first source; one of `lengths`.
        grammar: `attnkit.data.GRAMMAR`, where the sources are of that language: the
            page then knows the right answer of a text that the reader types.
        trained: shortest and longest source in training.
        max_source: most characters of a source; the longest length if None.
        max_steps: most output symbols, the end included.
        tolerance: how far off a right prediction may be, in characters.
        entries: name -> graphs for the page, as in `TypeToAlign`.
        precision: of the weights in the page, "float32" or "float16".
        lang: language of the source.
        prompt: what the field is for.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: not two models, lengths that do not rise, accuracy of another
            shape or outside 0 to 1, a length without an example, or a limit below 1.
    """

    template: ClassVar[str] = (
        "# models, accuracy, pairs, known, GRAMMAR: as in this chapter\n"
        "from attnkit.live import BottleneckRace\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["outputs"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {
        "models": "models", "vocabularies": "pairs.vocabularies", "examples": "known",
        "accuracy": "accuracy", "grammar": "GRAMMAR", "entries": "",
    }  # fmt: skip
    CAPTION: ClassVar[str] = (
        "The same source, written by two decoders. One sees a single vector, whatever "
        "the length; errors are framed and crossed. The other looks back at every step."
    )
    heights: ClassVar = [
        (288, 1197, 1323), (294, 1115, 1239), (300, 1115, 1189), (312, 1094, 1168),
        (456, 988, 1062), (504, 904, 958), (624, 860, 914), (648, 899, 953),
        (720, 858, 912), (888, 858, 912),
    ]  # fmt: skip

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        vocabularies: tuple[Any, Any],
        lengths: Sequence[int],
        accuracy: Mapping[str, Any],
        examples: Any,
        *,
        length: int,
        trained: tuple[int, int],
        grammar: Mapping[str, Any] | None = None,
        max_source: int | None = None,
        max_steps: int = 32,
        tolerance: float = 2,
        entries: Mapping[str, Any] | None = None,
        precision: str = "float16",
        lang: str = "zh",
        prompt: str = "Text to translate",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        if not isinstance(models, Mapping) or len(models) != 2:
            got = list(models) if isinstance(models, Mapping) else repr(models)
            raise ValueError(f"models: expected two, name -> model, got {got}")
        lengths = _rising(lengths)
        most = max(lengths) if max_source is None else as_whole(
            "max_source", max_source, 1
        )  # fmt: skip
        self.models = {name: kept(m, precision) for name, m in models.items()}
        self.vocabularies = vocabularies
        data = {
            "names": list(models),
            "lengths": lengths,
            "accuracy": [_runs(name, accuracy, len(lengths)) for name in models],
            "examples": _known(examples, lengths),
            "grammar": grammar,
            "trained": [as_whole("trained", n, 1) for n in trained],
            "max_source": most,
            "max_steps": as_whole("max_steps", max_steps, 1),
            "tolerance": as_number("tolerance", tolerance, 0),
            "lang": lang,
            "prompt": f"{prompt}, up to {most} characters",
        }
        sizes = (most, data["max_steps"])
        data |= symbols_of(vocabularies) | self._graphs(entries or {}, sizes, precision)
        first = next(
            x for x in data["examples"] if len(x["source"]) == _one(length, lengths)
        )
        state = {"text": first["source"], "length": length, "turn": 0, "step": -1}
        state |= {"guess": "", "revealed": False}
        traits = {"kind": "bottleneck_race", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def _graphs(
        self, entries: Mapping[str, Any], sizes: tuple[int, int], precision: str
    ) -> dict[str, Any]:
        """Both models for the page, or neither and the reason."""
        packed = [
            packed_translator(model, entries.get(name), sizes, precision)
            for name, model in self.models.items()
        ]
        reasons = [part["reason"] for part in packed if part["reason"]]
        models = None if reasons else [part["model"] for part in packed]
        return {"models": models, "reason": " ".join(reasons)}

    def check_state(self, state: dict[str, Any]) -> None:
        """A length that was measured and a step that can be (-1: the first error)."""
        _one(state["length"], self.data["lengths"])
        as_whole("step", state["step"], -1)
        as_whole("turn", state["turn"], 0)

    # ---- the same numbers from torch -------------------------------------------------

    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            source (list of symbols); outputs, tokens, logits (T, V) and weights (T, S)
            by name of the model; errors by name where the answer is known; mean
            accuracy by name; first_below, the first length at which the mean of the
            first model lies below one half, or None.
        """
        symbols = self._read()
        runs = self._race(symbols)
        second = self.vocabularies[1]
        target = self._answer("".join(symbols))
        found: dict[str, Any] = {"source": symbols}
        for part in ("tokens", "logits", "weights"):
            found[part] = {name: run[part] for name, run in runs.items()}
        found["outputs"] = {n: second.decode(run["tokens"]) for n, run in runs.items()}
        found["errors"] = {
            name: _errors(run["tokens"].tolist(), [*second.encode(target), EOS])
            for name, run in runs.items()
            if target is not None
        }
        means = [_mean(rows) for rows in self.data["accuracy"]]
        found["mean"] = dict(zip(runs, means, strict=True))
        pairs = zip(self.data["lengths"], means[0], strict=True)
        found["first_below"] = next((n for n, mean in pairs if mean < 0.5), None)
        return found

    def rpc_race(self, text: Sequence[str]) -> list[dict[str, Tensor]]:
        """Answer the page where it could not run the models itself."""
        return list(self._race(text).values())

    def _read(self) -> list[str]:
        return characters(narrow(self.state["text"]))[: self.data["max_source"]]

    def _answer(self, source: str) -> Sequence[str] | None:
        """The right answer: an example's, or read off the text."""
        answers = {x["source"]: x["target"] for x in self.data["examples"]}
        if source in answers or not self.data["grammar"]:
            return answers.get(source)
        item = parse(source)
        return item and item.target

    def _race(self, symbols: Sequence[str]) -> dict[str, dict[str, Tensor]]:
        ids = self.vocabularies[0].encode(list(symbols), warn=False)
        return {
            name: decode(model, ids, {}, max_steps=self.data["max_steps"])
            for name, model in self.models.items()
        }

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out = self.forward()
        said = [f"{name} writes {' '.join(w)}" for name, w in out["outputs"].items()]
        wrong = [f"{n} of its symbols are wrong" for n in out["errors"].values()]
        told = [f"{a}; {b}" for a, b in zip(said, wrong, strict=True)]
        return (
            f"At first: the source {''.join(out['source'])}. " + ". ".join(told) + "."
        )

    def draw(self) -> Any:
        """Accuracy against length with a band over the runs, at the first length."""
        from attnkit import plot

        plot.use_style()
        data = self.data
        runs = dict(zip(data["names"], data["accuracy"], strict=True))
        ax = plot.curves(
            data["lengths"], runs, shade=tuple(data["trained"]),
            shade_label="trained lengths", ylabel="share of symbols right",
            xlabel="characters in the source",
        )  # fmt: skip
        ax.axvline(self.state["length"], ls=":", color="0.4")
        ax.set(ylim=(0, 1.03))
        return ax.figure


def _rising(lengths: Any) -> list[int]:
    """Whole numbers, each above the one before."""
    numbers = [as_whole("lengths", n, 1) for n in lengths]
    if len(numbers) < 2 or any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(f"lengths: expected at least two rising, got {numbers}")
    return numbers


def _runs(name: str, accuracy: Mapping[str, Any], size: int) -> list[list[float]]:
    if name not in accuracy:
        raise ValueError(f"accuracy: expected runs of {name!r}, got {list(accuracy)}")
    rows = as_matrix("accuracy", accuracy[name], size)
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError("accuracy: expected numbers from 0 to 1, got others")
    return [[round(x, 4) for x in row] for row in rows.tolist()]


def _known(pairs: Any, lengths: Sequence[int], most: int = 4) -> list[dict[str, Any]]:
    """A few different sources of each length with their answer."""
    check_has("examples", pairs, "source", "target", "alignment")
    by_length: dict[int, list[dict[str, Any]]] = {n: [] for n in lengths}
    rows = zip(pairs.source, pairs.target, pairs.alignment, strict=True)
    for source, target, truth in rows:
        kept = by_length.get(len(source), [])
        new = all(item["source"] != "".join(source) for item in kept)
        if new and len(kept) < most:
            places = [list(one) for one in truth]
            kept.append(
                {"source": "".join(source), "target": list(target), "alignment": places}
            )
    empty = [n for n, kept in by_length.items() if not kept]
    if empty:
        raise ValueError(f"examples: expected a source of each length, none of {empty}")
    return [item for kept in by_length.values() for item in kept]


def _one(length: Any, lengths: Sequence[int]) -> int:
    if length not in lengths:
        raise ValueError(f"length: expected one of {list(lengths)}, got {length!r}")
    return length


def _errors(tokens: list[int], target: list[int]) -> int:
    """Positions of the answer that hold another symbol, or none."""
    written = tokens + [-1] * len(target)
    return sum(a != b for a, b in zip(written, target, strict=False))


def _mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
