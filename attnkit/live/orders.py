"""`OrderMask`: any order of prediction as two masks, in the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.live import guesses
from attnkit.live.checks import as_whole, check_names, check_order
from attnkit.live.widget import LiveWidget

WORDS = ("the", "cat", "sat", "down")
STREAMS = ("query", "content")
MODEL = "# every is this chapter's model of all orders\n"
DRILL = (3, 1, 0, 2)
"""The order whose mask the reader draws, for four tokens."""


class OrderMask(LiveWidget):
    """Who may see whom, if tokens are predicted in this order; the text stays as it is.

    With a model of all orders it also shows, for each token, the probability that the
    model gives it from what it may see, and that of the whole text, as a sum of
    logarithms, in this order and from left to right.

    Args:
        tokens: 3 to 8 words or symbols; with a model its symbols, up to 16, also as
            one text.
        model: a trained `attnkit.transformer.PermutationLanguageModel`. A copy in
            evaluation mode is kept.
        symbols: the model's symbols in the order of their numbers, different capital
            letters; the first of the alphabet if None.
        examples: more texts to choose from, at most 12.
        period: so far apart stand the copies of a symbol in the model's texts.
        order: places in the order of prediction, counted from 0; the third token
            first, then the second, if None.
        token: the place that is chosen first.
        precision: of the weights in the page, "float32" or "float16".
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: too few or too many tokens, an order that is no permutation, or
            symbols or a precision that do not fit.
    """

    template: ClassVar[str] = (
        "from attnkit.live import OrderMask\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["query"])\nwidget'
    )
    CAPTION: ClassVar[str] = (
        "The words stay where they are; the order of prediction is another one. Each "
        "row of a mask is a token that looks. The query stream is the content stream "
        "without its diagonal: it knows the place, not the word."
    )

    heights: ClassVar = [
        (288, 1446, 1568), (298, 1408, 1530), (300, 1387, 1459), (360, 1284, 1345),
        (432, 1247, 1307), (444, 1187, 1248), (552, 1116, 1165), (576, 1016, 1064),
        (665, 997, 1045), (666, 798, 846), (888, 758, 806),
    ]  # fmt: skip

    spoken: ClassVar[dict[str, str]] = {"model": "every"}

    def __init__(
        self,
        tokens: Sequence[str] = WORDS,
        *,
        model: nn.Module | None = None,
        symbols: Sequence[str] | None = None,
        examples: Sequence[str] = guesses.EXAMPLES,
        period: int = 4,
        order: Sequence[int] | None = None,
        token: int | None = None,
        precision: str = "float16",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        if model is None:
            words = self._words(check_names("tokens", tokens), 8)
            self.guesser, (data, state) = None, _masks(words)
        else:
            given = guesses.TEXT if tokens is WORDS else tokens
            listed = list(given) if isinstance(given, str) else given
            words = self._words(check_names("tokens", listed), 16)
            use = guesses.Guesser(model, self.count, symbols, period, precision)
            self.guesser, (data, state) = use, use.begin("".join(words), examples)
            caption = caption or use.caption("".join(words))
            traits = {"kind": "order_guess", "reserve": guesses.HEIGHTS, **traits}
            traits = {"python": MODEL + self._template(), **traits}
        state |= {} if order is None else {"order": [*order]}
        state |= {} if token is None else {"token": token}
        self.check_state(state)
        traits.setdefault("kind", "order_mask")
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def _words(self, words: list[str], most: int) -> list[str]:
        self.count = len(words)
        if not 3 <= self.count <= most:
            raise ValueError(f"tokens: expected 3 to {most}, got {self.count}")
        return words

    def check_state(self, state: dict[str, Any]) -> None:
        """A permutation of the places, a token and cells that there are, a text."""
        n = self.count
        check_order("order", state["order"], n)
        for name, most in (("token", n - 1), ("drawn", n * n - 1)):
            given = state.get(name, [])
            for number in given if isinstance(given, list) else [given]:
                as_whole(name, number, 0, most)
        if self.guesser is not None:
            self.guesser.letters(state["text"])
            if state["stream"] not in STREAMS:
                known = " or ".join(STREAMS)
                raise ValueError(f"stream: expected {known}, got {state['stream']!r}")

    def forward(self) -> dict[str, Tensor]:
        """What the page shows.

        Returns:
            content and query: masks (N, N) of 0 and 1, rows look, columns are seen.
            With a model also odds (N, V) of every symbol at every place, from what its
            query stream sees; sure (N,), those of the true symbols, and reading (N,),
            the same from left to right; total (2,), the sums of their logarithms.
        """
        masks = guesses.masks_of(torch.tensor(self.state["order"]).argsort())
        if self.guesser is None:
            return masks
        return masks | self.guesser.forward(self.state["text"], masks)

    def _say(self) -> str:
        if self.guesser is not None:
            return self.guesser.say(self.state, self.forward())
        order = " – ".join(str(i + 1) for i in self.state["order"])
        token, seen = self.state["token"], self.forward()["query"]
        names = [f"{i + 1} {w}" for i, w in enumerate(self.data["tokens"])]
        known = [name for name, may in zip(names, seen[token], strict=True) if may]
        return (
            f"Two masks for the order of prediction {order}. The token {names[token]} "
            f"is predicted from {' and '.join(known) or 'nothing'}; the content "
            "stream lets each token see itself as well."
        )

    def draw(self) -> Any:
        """The two masks side by side; with a model its probabilities and one mask."""
        if self.guesser is not None:
            return self.guesser.draw(self.state, self.forward())
        from attnkit import plot

        plot.use_style()
        figure, axes = plot.panels(1, 2, height=2.6)
        names = [f"{i + 1} {w}" for i, w in enumerate(self.data["tokens"])]
        for ax, (name, mask) in zip(axes, self.forward().items(), strict=True):
            plot.heatmap(mask.numpy(), names, names, ax=ax, title=f"{name} stream")
        return figure


def _masks(words: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data and first state without a model."""
    n = len(words)
    drill = [i for i in (*DRILL, *range(4, n)) if i < n]
    order = [2, 1, *range(3, n), 0]
    state = {"order": order, "token": 1, "drawn": [], "revealed": False}
    return {"tokens": words, "drill": drill}, state
