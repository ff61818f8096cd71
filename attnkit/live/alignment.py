"""`Alignment`: any matrix of weights between two sequences, or within one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from attnkit.live import rooms
from attnkit.live.checks import as_matrix, as_whole, check_names
from attnkit.live.widget import LiveWidget

WRITTEN, OWN = ["written", "source"], ["asks", "is read"]  # a row, a column
LEGEND = (
    "true source position; the largest weight points at it in 100 % of the outputs "
    "that have one."
)  # about what alignment.js writes under the matrix


class Alignment(LiveWidget):
    """Which source position each output read, from arrays.

    Args:
        source: S words.
        target: T words.
        weights: (T, S), each from 0 to 1.
        truth: per target word the true source positions; empty where there is none.
        step: the output that is selected first.
        units: numbers of units, where the rows are units of a gated state and no steps
            of an output: the widget then speaks of what the gates left in each.
        row_title, column_title: what a row and a column are, as "pooling" and "step";
            "asks" and "is read" where a sequence reads itself (the columns end with the
            words of the rows), else "written" and "source".
        value_name: the letter of what is summed, as "h" (a state of the encoder) or "v"
            (a value); "v" where a sequence asks and is read, else "h".
        lang: language of the source, e.g. "zh", for screen readers and fonts.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: sizes, numbers or positions do not fit.
    """

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        weights: Any,
        truth: Sequence[Sequence[int]] | None = None,
        *,
        step: int = 0,
        units: Sequence[int] | None = None,
        row_title: str | None = None,
        column_title: str | None = None,
        value_name: str | None = None,
        lang: str = "",
        caption: str = "",
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        source = check_names("source", source)
        matrix = as_matrix("weights", weights, len(source))
        target = check_names("target", target, len(matrix))
        if matrix.min() < -1e-6 or matrix.max() > 1 + 1e-6:
            raise ValueError("weights: expected numbers from 0 to 1, got others")
        step = as_whole("step", step, 0, len(target) - 1)
        places = _check_truth(truth, len(target), len(source))
        data = {"source": source, "target": target, "weights": matrix}
        data |= {"truth": places, "lang": lang}
        if units is not None:
            data["units"] = [as_whole("units", unit, 0) for unit in units]
            if len(data["units"]) != len(target):
                raise ValueError(f"units: expected {len(target)}, got {len(units)}")
        titles = _titles(source, target, row_title, column_title)
        if titles != WRITTEN:
            data["titles"] = titles
        value = value_name or ("v" if titles == OWN else "h")
        if value != "h":
            data["value"] = check_names("value_name", [value], 1)[0]
        traits = {"kind": "alignment", "reserve": self.room(data, caption), **traits}
        super().__init__(data, {"step": step}, caption=caption, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """The selected output is one of those that there are."""
        as_whole("step", state["step"], 0, len(self.data["target"]) - 1)

    def _say(self) -> str:
        source, target = self.data["source"], self.data["target"]
        gated = "units" in self.data
        kind, verb = ("Gate", "holds most of") if gated else ("Attention", "reads")
        peaks = [_peak(source, row) for row in self.weights]
        reads = ", ".join(f"{t} {verb} {p}" for t, p in zip(target, peaks, strict=True))
        where = "within" if source == target else "from"
        return f"{kind} weights {where} {' '.join(source)}: {reads}."

    @staticmethod
    def room(data: dict[str, Any], caption: str) -> list[list[int]]:
        """The room that it will need, as `reserve`."""
        legend = LEGEND if data["truth"] else ""
        names = data["source"], data["target"]
        return rooms.alignment(*names, caption, legend, "titles" in data)

    @property
    def weights(self) -> list[list[float]]:
        """The matrix (T, S) as lists."""
        return self.data["weights"]

    def draw(self) -> Any:
        """The matrix with rings on the true positions."""
        from attnkit import plot

        plot.use_style()
        data = self.data
        if "units" in data:
            return plot.heatmap(data["weights"], data["target"], data["source"]).figure
        row, column = data.get("titles", WRITTEN)
        ax = plot.alignment(
            data["source"], data["target"], data["weights"], data["truth"] or None,
            row_title=row, column_title=column,
        )  # fmt: skip
        return ax.figure


def _titles(
    source: list[str], target: list[str], row: str | None, column: str | None
) -> list[str]:
    """What a row and a column are: as given, or by whether a sequence reads itself."""
    own = source[-len(target) :] == target
    titles = list(OWN if own else WRITTEN)
    for i, (name, title) in enumerate((("row_title", row), ("column_title", column))):
        if title is not None:
            titles[i] = check_names(name, [title], 1)[0]
    return titles


def _peak(source: list[str], row: list[float]) -> str:
    """The place with the largest weight, in words."""
    if not any(row):
        return "nothing"
    if len(row) > 1 and max(row) - min(row) < 1e-6:
        return "all alike"
    return source[max(range(len(row)), key=row.__getitem__)]


def _check_truth(truth: Any, rows: int, columns: int) -> list[list[int]] | None:
    if truth is None:
        return None
    try:
        places = [sorted(operator.index(place) for place in row) for row in truth]
    except TypeError as error:
        message = f"truth: expected a list of positions per row, got {truth!r}"
        raise ValueError(message) from error
    if len(places) != rows:
        raise ValueError(f"truth: expected {rows} rows, got {len(places)}")
    if any(not 0 <= place < columns for row in places for place in row):
        raise ValueError(f"truth: expected positions 0 to {columns - 1}, got {truth}")
    return places
