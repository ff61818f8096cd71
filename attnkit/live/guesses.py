"""What a model of all orders knows in each of them: the part of `OrderMask` with one.

The widget knows no family by name. It finds what the page can run in the module
`orders_page` beside the model's own (`page_entries`).
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attnkit.live.checks import as_whole, check_has, check_names
from attnkit.live.pack import entries_beside, kept, pack

TEXT = "LAKELAKELAKE"
EXAMPLES = ("HIDEHIDEHIDE", "LAKELIKELAKE", "ABCDEFGHIJKL")
ORDER = (8, 3, 10, 4, 7, 6, 5, 9, 1, 2, 11, 0)
"""The first order of twelve places: the sixth just before one of its copies."""
DRAWN = 200

HEIGHTS = [
    (288, 2173, 2415), (298, 2154, 2396), (300, 2114, 2306), (325, 2082, 2286),
    (326, 2020, 2212), (386, 1980, 2172), (387, 1891, 2075), (408, 1811, 1983),
    (480, 1767, 1939), (492, 1723, 1939), (501, 1723, 1889), (502, 1683, 1831),
    (528, 1683, 1831), (576, 1586, 1734), (665, 1564, 1712), (666, 1312, 1341),
    (888, 1269, 1292),
]  # fmt: skip
"""The room of the widget with a model, as `LiveWidget.heights`."""


class Guesser:
    """A trained model, its symbols, and texts of its kind.

    Args:
        model: a `PermutationLanguageModel`, or any module with `embedding`.
        size: N, places of a text.
        symbols: the model's symbols, different capital letters; the first of the
            alphabet if None.
        period: so far apart stand the copies of a symbol.
        precision: of the weights in the page, "float32" or "float16".

    Raises:
        ValueError: symbols that do not fit the model, or no graph for it.
    """

    def __init__(
        self,
        model: nn.Module,
        size: int,
        symbols: Sequence[str] | None,
        period: int,
        precision: str,
    ) -> None:
        check_has("model", model, "forward", "parameters", "embedding")
        self.model, self.size = kept(model, precision), size
        self.period = as_whole("period", period, 1, size)
        entries = entries_beside(self.model, "orders_page", size)
        if entries is None:
            got = type(model).__name__
            raise ValueError(f"model: expected a model of all orders, got a {got}")
        self.reader, inputs = entries["run"]
        with torch.no_grad():
            count = self.reader(**inputs).shape[-1]
        given = string.ascii_uppercase[:count] if symbols is None else symbols
        self.symbols = check_names("symbols", list(given), count)
        odd = [c for c in self.symbols if len(c) > 1 or _plain(c) != c]
        odd += [c for c in set(self.symbols) if self.symbols.count(c) > 1]
        if odd:
            raise ValueError(
                f"symbols: expected different capital letters, got {sorted(odd)}"
            )
        self.packed = pack(entries, precision)

    def begin(
        self, text: str, examples: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Data and first state of the widget."""
        listed = check_names("examples", [text, *examples])
        for example in listed:
            self.letters(example)
        data = {"model": self.packed, "symbols": self.symbols, "period": self.period}
        data |= {"size": self.size, "examples": listed[:12]}
        order, token = (ORDER, 6) if self.size == len(ORDER) else (range(self.size), 0)
        state = {"order": [*order], "token": order[token], "stream": "query"}
        return data, state | {"text": text}

    def letters(self, text: Any) -> list[str]:
        """The symbols of a text, written again until all places are full.

        Raises:
            ValueError: no symbol in the text.
        """
        plain = _plain(text) if isinstance(text, str) else ""
        found = [c for c in plain if c in self.symbols]
        if not found:
            some = "".join(self.symbols[:3])
            raise ValueError(f"text: expected a symbol as {some}…, got {text!r}")
        return (found * self.size)[: self.size]

    def forward(self, text: str, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """odds (N, V) of every symbol at every place, sure (N,) of the true one,
        reading (N,) the same from left to right, total (2,): their logarithms summed.
        """
        odds, sure = self.ask(text, masks)
        _, reading = self.ask(text, masks_of(torch.arange(self.size)))
        total = torch.stack([sure, reading]).log().sum(-1)
        return {"odds": odds, "sure": sure, "reading": reading, "total": total}

    @torch.no_grad()
    def ask(self, text: str, masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Odds (N, V) at every place, and those (N,) of the true symbols."""
        ids = torch.tensor([[self.symbols.index(c) for c in self.letters(text)]])
        both = {name: mask.bool() for name, mask in masks.items()}
        odds = self.reader(ids, **both).softmax(-1)  # (N, V)
        return odds, odds.gather(1, ids.T)[:, 0]

    def copies(self, text: str) -> Tensor:
        """Which other places hold a copy: the same symbol, periods away, (N, N)."""
        letters, place = self.letters(text), torch.arange(self.size)
        away = place[:, None] - place
        same = torch.tensor([[a == b for b in letters] for a in letters])
        return same & (away % self.period == 0) & (away != 0)

    def means(self, text: str) -> tuple[float, float, float, float]:
        """Over random orders: the mean probability of the true symbol where a copy
        comes earlier in the order, and where none does; of the log-probability of the
        whole text, the mean and the standard deviation."""
        draw = torch.Generator().manual_seed(0)
        copies, told, new, total = self.copies(text), [], [], []
        for _ in range(DRAWN):
            rank = torch.randperm(self.size, generator=draw).argsort()
            masks = masks_of(rank)
            known = (masks["query"].bool() & copies).any(-1)
            _, sure = self.ask(text, masks)
            told.append(sure[known])
            new.append(sure[~known])
            total.append(sure.log().sum())
        apart = torch.cat(told).mean().item(), torch.cat(new).mean().item()
        whole = torch.stack(total)
        return *apart, whole.mean().item(), whole.std().item()

    def caption(self, text: str) -> str:
        """The finding, in numbers of this model on this text."""
        told, new, whole, spread = self.means(text)
        return (
            "A letter is told by a copy that comes earlier in the order. Over "
            f"{DRAWN} random orders of {text} the mean probability of the true letter "
            f"is {told:.2f} where a copy comes earlier, {new:.2f} where none does; the "
            f"sum of all {self.size} logarithms is {whole:.1f} on average, with a "
            f"spread of {spread:.1f}.".replace("-", "−")
        )

    def say(self, state: Mapping[str, Any], out: Mapping[str, Tensor]) -> str:
        """What the picture shows."""
        place = state["token"]
        letters = self.letters(state["text"])
        seen = out["query"][place].bool()
        earlier = (seen & self.copies(state["text"])[place]).nonzero().flatten()
        named = " and ".join(str(int(i) + 1) for i in earlier)
        told = f"a copy stands at {named}" if named else "no copy is among them"
        mine = f"Place {place + 1}, {letters[place]},"
        order = " – ".join(str(i + 1) for i in state["order"])
        return (
            f"Probability of the true letter at each place of {''.join(letters)}, "
            f"predicted in the order {order}. {mine} sees "
            f"{int(seen.sum())} letters; {told}: {out['sure'][place]:.2f}. The "
            f"logarithms sum to {_sums(out)}."
        )

    def draw(self, state: Mapping[str, Any], out: Mapping[str, Tensor]) -> Any:
        """The probabilities at all places, and who sees whom."""
        from attnkit import plot

        plot.use_style()
        figure, axes = plot.panels(1, 2, height=3.2)
        letters = self.letters(state["text"])
        names = [f"{i + 1}\n{c}" for i, c in enumerate(letters)]
        title = "probability of the true letter"
        plot.bars(out["sure"].numpy(), names, ax=axes[0], title=title, numbers=False)
        axes[0].set_ylim(0, 1)
        axes[0].set_xlabel(f"sum of the logarithms: {_sums(out)}")
        rows = [name.replace("\n", " ") for name in names]
        mask = out["query"].numpy()
        plot.heatmap(mask, rows, letters, ax=axes[1], title="sees")
        return figure


def _sums(out: Mapping[str, Tensor]) -> str:
    """The whole text in this order and from left to right."""
    order, line = (f"{value:.1f}".replace("-", "−") for value in out["total"].tolist())
    return f"{order}, left to right {line}"


def masks_of(rank: Tensor) -> dict[str, Tensor]:
    """Masks (N, N) of 0 and 1 of the two streams, from when each place comes."""
    return {
        "content": (rank <= rank[:, None]).long(),
        "query": (rank < rank[:, None]).long(),
    }


def _plain(text: str) -> str:
    """Capitals without accents."""
    plain = unicodedata.normalize("NFKD", text).upper()
    return "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
