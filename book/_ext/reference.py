"""Pages that are made and not written: mechanism cards, claims, speed.

- A page per card of `attnkit.catalog` in `book/catalog/`, before Sphinx reads.
- `{claims-table}`: how often each claim held, from `book/claims.json`.
- `{speed-table}`: `benchmarks/results/*.json` as tables.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
CARDS = ROOT / "book" / "catalog"
CLAIMS = ROOT / "book" / "claims.json"
RESULTS = ROOT / "benchmarks" / "results"


def write_cards(app: Sphinx, config) -> None:
    """Write the pages of all cards; touch only what changed, drop what is gone."""
    from attnkit import catalog

    pages = {f"{c.key}.md": catalog.reference_page(c) for c in catalog.cards()}
    CARDS.mkdir(exist_ok=True)
    for old in CARDS.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = CARDS / name
        if not path.exists() or path.read_text("utf-8") != text:
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(c).replace("|", "\\|") for c in line] for line in lines]
    return ["| " + " | ".join(line) + " |" for line in cells]


def figure(value: object) -> str:
    """A measured value in three significant figures."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def spread(values: list) -> str:
    """Where the measured numbers lay; the values themselves where they are few."""
    numbers = [v for v in values if isinstance(v, int | float)]
    if len(numbers) == len(values) and numbers:
        low, high = figure(min(numbers)), figure(max(numbers))
        return low if low == high else f"{low} … {high}"
    lists = [v for v in values if isinstance(v, list)]
    if len(lists) == len(values) and len({len(v) for v in lists}) == 1:
        return "; ".join(spread(list(column)) for column in zip(*lists, strict=True))
    return ", ".join(dict.fromkeys(figure(v) for v in values))


def claims_text(records: list[dict]) -> list[str]:
    """A heading and a table per chapter, claims in the order of the chapter."""
    chapters: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        chapters[record["chapter"]][record["claim"]].append(record)
    lines = []
    for chapter, claims in chapters.items():
        rows = []
        for claim, runs in claims.items():
            held = sum(run["holds"] for run in runs)
            values = spread([run["value"] for run in runs])
            rows.append([claim, f"{held} of {len(runs)}", values])
        link = f"## [{chapter}](../chapters/{chapter}.ipynb)"
        lines += [link, "", *table(["Claim", "Held", "Measured"], rows), ""]
    return lines


class Made(SphinxDirective):
    """A directive whose Markdown is made by `lines`."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(
            StringList(self.lines(), "made"), 0, container, match_titles=True
        )
        return container.children


class ClaimsTable(Made):
    """`{claims-table}`: the record of `make claims`."""

    def lines(self) -> list[str]:
        self.env.note_dependency(str(CLAIMS))
        if not CLAIMS.exists():
            return ["The claims have not been counted yet: `make claims` does it."]
        return claims_text(json.loads(CLAIMS.read_text("utf-8")))


def machine_text(result: dict) -> str:
    """One sentence on what a benchmark was measured on, and how."""
    m = result["machine"]
    threads = (
        f"{m['threads']} thread{'s' * (m['threads'] != '1')} of {m['cores']} cores"
    )
    return (
        f"Measured on {m['system']} ({m['processor']}), Python {m['python']}, torch "
        f"{m['torch']}, {threads}. Each ratio is the median of {result['rounds']} "
        "rounds, with the quartiles in brackets."
    )


def import_text(result: dict) -> list[str]:
    """What importing the package costs, where a benchmark says so."""
    cost = result.get("import")
    if not cost:
        return []
    added, torch = cost["attnkit_adds_s"], cost["torch_s"]
    return [
        f"`import attnkit` adds {added:.2f} s to the {torch:.2f} s of `import torch`; "
        f"{cost['allowed_s']} s are allowed.",
        "",
    ]


def ratio(found: dict | None) -> str:
    """A ratio with its spread."""
    return f"{found['median']} ({found['low']}–{found['high']})" if found else ""


def case_text(cases: list[dict]) -> list[str]:
    """A heading and a table for one task: a row per implementation, passes across."""
    first = cases[0]
    floors = ", ".join(f"{figure(c['floor_ms'])} ms {c['pass']}" for c in cases)
    names = list(dict.fromkeys(name for case in cases for name in case["ratios"]))
    rows = [[n, *(ratio(case["ratios"].get(n)) for case in cases)] for n in names]
    head = ["time ÷ floor", *(case["pass"] for case in cases)]
    title = f"## {first['name']}, {first['size']}"
    floor = f"Floor: {first['floor']} ({floors})."
    return [title, "", floor, "", *table(head, rows), ""]


def speed_text(result: dict) -> list[str]:
    """All that one file of results says; tasks in the order of the file."""
    tasks: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for case in result["cases"]:
        tasks[case["name"], case["size"]].append(case)
    lines = [machine_text(result), "", *import_text(result)]
    return lines + [line for cases in tasks.values() for line in case_text(cases)]


class SpeedTable(Made):
    """`{speed-table}`: what the benchmarks wrote."""

    def lines(self) -> list[str]:
        files = sorted(RESULTS.glob("*.json"))
        for file in files:
            self.env.note_dependency(str(file))
        if not files:
            return ["Nothing has been measured yet: see the folder `benchmarks/`."]
        results = [json.loads(file.read_text("utf-8")) for file in files]
        return [line for result in results for line in speed_text(result)]


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", write_cards)
    app.add_directive("claims-table", ClaimsTable)
    app.add_directive("speed-table", SpeedTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
