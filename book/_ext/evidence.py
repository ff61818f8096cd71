"""`{claims-table}`: how often each claim held, and between which values, by chapter.

It reads `book/claims.json`, the record of `make claims`. A value is a number, or
several: a list, or a dict with a name for each. Every number stands with its range
over the seeds, in three significant figures.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from reference import Made, table  # noqa: E402

CLAIMS = ROOT / "book" / "claims.json"
NONE_YET = "The claims have not been counted yet: `make claims` does it."
CLOCK = re.compile(
    r"\b(the time|seconds?|milliseconds?|clock|CPU|times (as fast|faster|slower))\b"
)
MACHINE = "*by the clock: another machine gives other numbers*"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LINE = "<br>"


def figure(value: object) -> str:
    """A number in three significant figures, whole numbers in full; else the text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", "−")
    digits, _, power = f"{value:.2e}".partition("e")
    if -4 <= int(power) < 6:
        places = max(2 - int(power), 0)
        return f"{round(value, 2 - int(power)):,.{places}f}".replace("-", "−")
    return f"{digits} × 10{str(int(power)).translate(RAISED)}".replace("-", "−")


def spread(values: list) -> str:
    """What was measured over the seeds: ranges of numbers, one line for each name."""
    first = values[0]
    if all(isinstance(v, dict) for v in values):
        names = dict.fromkeys(name for v in values for name in v)
        parts = {n: spread([v[n] for v in values if n in v]) for n in names}
        return LINE.join(f"{name}: {part}" for name, part in parts.items())
    if all(isinstance(v, list) and len(v) == len(first) for v in values):
        return "; ".join(spread(list(column)) for column in zip(*values, strict=True))
    if all(isinstance(v, list) for v in values):
        return spread([number for v in values for number in v])
    if all(isinstance(v, int | float) for v in values):
        low, high = min(values), max(values)
        same = f"{low:.2e}" == f"{high:.2e}" and isinstance(low, float)
        alike = figure(low) == figure(high) or same
        return figure(low) if alike else f"{figure(low)} … {figure(high)}"
    return ", ".join(dict.fromkeys(map(figure, values)))


def row(claim: str, runs: list[dict]) -> list[str]:
    """The cells of one claim; numbers that a clock gave are marked."""
    held = sum(run["holds"] for run in runs)
    if CLOCK.search(claim):
        claim += LINE + MACHINE
    return [claim, f"{held} of {len(runs)}", spread([run["value"] for run in runs])]


def title(chapter: str) -> str:
    """The title of a chapter, from its first heading; its name where there is none."""
    path = ROOT / "chapters" / f"{chapter}.ipynb"
    text = path.read_text("utf-8") if path.exists() else '{"cells": []}'
    for cell in json.loads(text)["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return chapter


def by_chapter(records: list[dict]) -> dict[str, dict[str, list[dict]]]:
    """The runs of each claim of each chapter, in the order of the record."""
    chapters: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        chapters[record["chapter"]][record["claim"]].append(record)
    return chapters


def total(chapters: dict[str, dict[str, list[dict]]]) -> str:
    """One sentence on all claims together."""
    runs = [found for claims in chapters.values() for found in claims.values()]
    always = sum(all(run["holds"] for run in found) for found in runs)
    return (
        f"{len(runs)} claims in {len(chapters)} chapters; {always} held in every run."
    )


def claims_text(records: list[dict]) -> list[str]:
    """A heading and a table per chapter, claims in the order of the chapter."""
    chapters = by_chapter(records)
    lines = [total(chapters), ""]
    for chapter, claims in chapters.items():
        rows = [row(claim, runs) for claim, runs in claims.items()]
        link = f"## [{title(chapter)}](../chapters/{chapter}.ipynb)"
        lines += [link, "", *table(["Claim", "Held", "Measured"], rows), ""]
    return lines


class ClaimsTable(Made):
    """`{claims-table}`: the record of `make claims`."""

    mark = "claims"

    def lines(self) -> list[str]:
        self.env.note_dependency(str(CLAIMS))
        if not CLAIMS.exists():
            return [NONE_YET]
        return claims_text(json.loads(CLAIMS.read_text("utf-8")))


def setup(app: Sphinx) -> dict:
    app.add_directive("claims-table", ClaimsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
