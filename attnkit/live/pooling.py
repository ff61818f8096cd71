"""`PoolingOverTime`: what a classifier reads, and what it would miss.

The widget knows no family by name. It asks a model for `states(tokens)`, for
`pool(states, mask, need_weights=True)` and for `output(context)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.data import PAD, UNK
from attnkit.live.checks import as_whole, check_has, check_names
from attnkit.live.pack import check_precision, kept, pack
from attnkit.live.widget import LiveWidget

WORD = re.compile(r"[\w'’-]+|[.,!?;]")
CHANNELS = 8


class PoolingOverTime(LiveWidget):
    """Type a text, choose a pooling, erase words: weight beside what a word is worth.

    Args:
        models: pooling -> trained classifier, as `attnkit.rnn.SequenceClassifier`. At
            least one; copies in evaluation mode are kept.
        vocabulary: of the words.
        text: what stands in the field at first.
        classes: their names, in the order of the logits.
        examples: more texts to choose from, at most 12.
        pooling: the one that is shown first; the last of `models` if None.
        step: the word that is selected first.
        max_steps: most words, stated to the reader.
        precision: of the weights in the page, "float32" or "float16" (half the size;
            the kept copies are rounded alike, so both still agree).
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: no model, an unknown pooling or precision, an empty text, or a model
            whose logits do not fit `classes`.
    """

    template: ClassVar[str] = (
        "# models and vocabulary stand for those of this chapter\n"
        "from attnkit.live import PoolingOverTime\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["drops"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {"models": "models", "vocabulary": "vocabulary"}
    CAPTION: ClassVar[str] = (
        "The fill of a word is its weight; the dashed line is what the class loses if "
        "the word is erased. The two need not agree: an LSTM carries a word on, and "
        "attention may read it from a later state."
    )
    heights: ClassVar = [
        (288, 1406, 1604), (315, 1389, 1537), (318, 1293, 1429), (324, 1297, 1433),
        (336, 1222, 1346), (384, 1226, 1350), (390, 1167, 1283), (432, 1189, 1305),
        (492, 1114, 1274), (504, 1099, 1203), (576, 1136, 1240), (648, 1099, 1191),
        (665, 1066, 1148), (666, 815, 869), (888, 820, 873),
    ]  # fmt: skip

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        vocabulary: Any,
        text: str,
        *,
        classes: Sequence[str] = ("negative", "positive"),
        examples: Sequence[str] = (),
        pooling: str | None = None,
        step: int = 0,
        max_steps: int = 24,
        precision: str = "float16",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        _check(models, vocabulary, text, precision)
        self.max_steps = as_whole("max_steps", max_steps, 1)
        self.models = {name: kept(m, precision) for name, m in models.items()}
        self.vocabulary, self.classes = vocabulary, check_names("classes", classes)
        for name, model in self.models.items():
            _check_classes(name, model, len(self.classes))
        pooling = list(models)[-1] if pooling is None else pooling
        data = {
            "model": _packed(self.models, self.max_steps, precision),
            "poolings": list(self.models),
            "channels": {name: channels(m) for name, m in self.models.items()},
            "symbols": list(vocabulary.symbols),
            "classes": self.classes,
            "examples": [text, *examples][:12],
            "max_steps": self.max_steps,
            "pad": PAD,
            "unk": UNK,
        }
        state = {"text": text, "pooling": pooling, "step": step, "shuffle": 0}
        traits = {"kind": "pooling_over_time", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A pooling that there is, and numbers from 0 on."""
        known = list(self.models)
        if state["pooling"] not in known:
            raise ValueError(
                f"pooling: expected one of {', '.join(known)}, got {state['pooling']!r}"
            )
        for name in ("step", "shuffle"):
            as_whole(name, state[name], 0)

    # ---- the same numbers from torch -------------------------------------------------

    @torch.no_grad()
    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            words (T), logits (C,), odds (C,), weights (T,) as used, states (T, D),
            drops (T,): what the odds of the class lose when a word is erased, rank: the
            rank correlation of weights and drops (None where one of them is constant).

        Raises:
            ValueError: the text has no word.
        """
        words = self.words()
        if not words:
            raise ValueError("text: expected at least one word, got none")
        model = self.models[self.state["pooling"]]
        tokens, mask = rows(self._ids(words), self.max_steps)
        reader = Reader(model)
        nothing = torch.zeros(tokens.shape), torch.zeros(len(tokens))
        logits, weights, states = reader(tokens, mask, *nothing)
        if self.state["shuffle"]:
            order = shuffled(len(words), self.state["shuffle"])
            forced, use = nothing[0].clone(), nothing[1].clone()
            forced[0, : len(words)], use[0] = weights[0, order], 1.0
            logits, weights, states = reader(tokens, mask, forced, use)
        odds = logits.softmax(-1)  # (N, C)
        best = int(odds[0].argmax())
        drops = odds[0, best] - odds[1 : len(words) + 1, best]
        weights = weights[0, : len(words)]
        return {
            "words": words,
            "logits": logits[0],
            "odds": odds[0],
            "weights": weights,
            "states": states[0, : len(words)],
            "drops": drops,
            "rank": rank_correlation(weights.tolist(), drops.tolist()),
        }

    def words(self) -> list[str]:
        """The words of the text that are read."""
        return WORD.findall(self.state["text"].lower())[: self.max_steps]

    def _ids(self, words: Sequence[str]) -> list[int]:
        return self.vocabulary.encode(list(words), warn=False)

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out = self.forward()
        top, worth = int(out["weights"].argmax()), int(out["drops"].argmax())
        best = int(out["odds"].argmax())
        return (
            f"“{' '.join(out['words'])}” is {self.classes[best]} "
            f"({out['odds'][best]:.2f}). The largest weight is on "
            f"{out['words'][top]!r}; erasing {out['words'][worth]!r} costs most."
        )

    def draw(self) -> Any:
        """Weight and drop of every word in the first state."""
        from attnkit import plot

        plot.use_style()
        out = self.forward()
        bars = {
            "weight": out["weights"].tolist(),
            "drop when erased": out["drops"].clamp(min=0).tolist(),
        }
        names = [plot.literal(word) for word in out["words"]]
        ax = plot.bars(bars, names, numbers=False)
        ax.tick_params(axis="x", rotation=60)
        return ax.figure


class Reader(nn.Module):
    """A classifier with its inner numbers, and with weights that may be given.

    Inputs: tokens (N, T), mask (N, T), forced (N, T) weights, use_forced (N,) from 0
    (the model's own) to 1. Outputs: logits (N, C), weights (N, T), states (N, T, D).
    Where the pooling has a weight per step and channel, nothing can be forced and the
    weights are the mean over the channels.
    """

    output_names: ClassVar = ["logits", "weights", "states"]

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, mask: Tensor, forced: Tensor, use_forced: Tensor
    ) -> tuple[Tensor, ...]:
        states = self.model.states(tokens)  # (N, T, D)
        context, weights = self.model.pool(states, mask, need_weights=True)
        if weights.dim() == 3:
            weights = weights.mean(-1)
        else:
            weights = weights + use_forced[:, None] * (forced - weights)
            context = (weights[:, None] @ states)[:, 0]
        return self.model.output(context), weights, states


def rows(ids: Sequence[int], size: int) -> tuple[Tensor, Tensor]:
    """The text, then the text without each of its words, padded to (size + 1, size)."""
    texts = [list(ids), *([*ids[:i], *ids[i + 1 :]] for i in range(len(ids)))]
    tokens = torch.full((size + 1, size), PAD)
    mask = torch.zeros(size + 1, size, dtype=torch.bool)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
        mask[row, : len(text)] = True
    return tokens, mask


def shuffled(count: int, number: int) -> list[int]:
    """The `number`-th order of `count` places; the page has the same."""
    factor = (2 * number + 1) * 0x9E3779B1 & 0xFFFFFFFF
    return sorted(range(count), key=lambda i: (i + 1) * factor & 0xFFFFFFFF)


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; values that agree to three decimals share their mean rank."""
    near = [round(1000 * value) for value in values]
    return [sum(b < a for b in near) + (near.count(a) + 1) / 2 for a in near]


def rank_correlation(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where all values of one side agree."""
    a, b = (torch.tensor(ranks(x), dtype=torch.float64) for x in (one, two))
    a, b = a - a.mean(), b - b.mean()
    size = a.norm() * b.norm()
    return float(a @ b / size) if size > 0 else None


def channels(model: nn.Module) -> list[int]:
    """The channels of the states that the output listens to most, in order."""
    reach = model.output.weight.detach()
    reach = (reach - reach.mean(0)).norm(dim=0)  # (D,)
    return sorted(reach.topk(min(CHANNELS, len(reach))).indices.tolist())


def _check(
    models: Mapping[str, nn.Module], vocabulary: Any, text: str, precision: str
) -> None:
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models: expected pooling -> model, got {models!r}")
    check_has("vocabulary", vocabulary, "symbols")
    if not isinstance(text, str) or not WORD.findall(text.lower()):
        raise ValueError(f"text: expected at least one word, got {text!r}")
    check_precision(precision)


def _check_classes(name: str, model: nn.Module, count: int) -> None:
    found = model.output.out_features
    if found != count:
        raise ValueError(
            f"classes: expected {found} names as the model {name!r} has, got {count}"
        )


def _packed(
    models: Mapping[str, nn.Module], size: int, precision: str
) -> dict[str, Any]:
    """The models for the page: one entry for each pooling."""
    tokens, mask = rows([UNK], size)
    inputs = {"tokens": tokens, "mask": mask, "forced": torch.zeros(tokens.shape)}
    inputs["use_forced"] = torch.zeros(len(tokens))
    return pack({n: (Reader(m), inputs) for n, m in models.items()}, precision)
