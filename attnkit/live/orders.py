"""`OrderMask`: any order of prediction as two masks, in the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from attnkit.live.checks import as_whole, check_names, check_order
from attnkit.live.widget import LiveWidget

DRILL = (3, 1, 0, 2)
"""The order whose mask the reader draws, for four tokens."""


class OrderMask(LiveWidget):
    """Who may see whom, if tokens are predicted in this order; the text stays as it is.

    Args:
        tokens: 3 to 8 words or symbols.
        order: places in the order of prediction, counted from 0; the third token
            first, then the second, if None.
        token: the place that is chosen first.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: too few or too many tokens, or an order that is no permutation.
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

    def __init__(
        self,
        tokens: Sequence[str] = ("the", "cat", "sat", "down"),
        *,
        order: Sequence[int] | None = None,
        token: int = 1,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        words = check_names("tokens", tokens)
        if not 3 <= len(words) <= 8:
            raise ValueError(f"tokens: expected 3 to 8, got {len(words)}")
        self.count = len(words)
        rest = [i for i in range(self.count) if i > 2]
        order = [2, 1, *rest, 0] if order is None else [*order]
        drill = [i for i in (*DRILL, *range(4, self.count)) if i < self.count]
        data = {"tokens": words, "drill": drill}
        state = {"order": order, "token": token, "drawn": [], "revealed": False}
        self.check_state(state)
        traits.setdefault("kind", "order_mask")
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A permutation of the places, a token and cells that there are."""
        n = self.count
        check_order("order", state["order"], n)
        for name, most in (("token", n - 1), ("drawn", n * n - 1)):
            given = state[name]
            for number in given if isinstance(given, list) else [given]:
                as_whole(name, number, 0, most)

    def forward(self) -> dict[str, Tensor]:
        """What the page shows.

        Returns:
            content and query: masks (N, N) of 0 and 1, rows look, columns are seen.
        """
        rank = torch.tensor(self.state["order"]).argsort()
        return {
            "content": (rank <= rank[:, None]).long(),
            "query": (rank < rank[:, None]).long(),
        }

    def _say(self) -> str:
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
        """The two masks side by side."""
        from attnkit import plot

        plot.use_style()
        figure, axes = plot.panels(1, 2, height=2.6)
        names = [f"{i + 1} {w}" for i, w in enumerate(self.data["tokens"])]
        for ax, (name, mask) in zip(axes, self.forward().items(), strict=True):
            plot.heatmap(mask.numpy(), names, names, ax=ax, title=f"{name} stream")
        return figure
