"""Pages that are made and not written: mechanism cards, their list, speed.

- A page per card of `attnkit.catalog` in `book/catalog/`, before Sphinx reads.
- `{catalog-table}`: the cards by kind, each kind in order of publication.
- `{speed-table}`: `benchmarks/results/*.json` as tables.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from formula import formula
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
CARDS = ROOT / "book" / "catalog"
RESULTS = ROOT / "benchmarks" / "results"
KINDS = {  # the module of a mechanism, or its family → heading, sentence
    "scores": ("Scores", "Step 1: how well does a key fit a query?"),
    "normalizers": ("Normalizers", "Step 2: how do scores become weights?"),
    "idea": ("All three steps", "Any score, any normalizer, and the weighted sum."),
    "pooling": (
        "Poolings over time",
        "Nobody asks from outside: one vector is to stand for a sequence.",
    ),
    "rnn": (
        "Attention with recurrence",
        "The query is the state of a recurrent network, or a gate takes its place.",
    ),
    "positions": (
        "Positions",
        "What is added to score or key, so that a head knows the order.",
    ),
    "transformer": (
        "Attention without recurrence",
        "Queries, keys and values come from the same sequence.",
    ),
    "cheaper": (
        "Cheaper attention",
        "For long sequences: fewer scores, or all of them without their table.",
    ),
    "graph": ("Attention on graphs", "The keys are a node's neighbours."),
    "memory": ("Attention over memory", "The keys are slots that stay."),
    "vision": ("Attention in vision", "The keys are channels, places or frames."),
    "problems": ("Seven open problems", "Answers to what attention leaves open."),
}
ALIKE = dict.fromkeys(("tiling", "window", "linear", "low_rank"), "cheaper")  # modules


def card_page(card) -> str:
    """The page of a card, with its costs written as by hand."""
    from attnkit import catalog

    text = catalog.reference_page(card)
    for cost in (card.time, card.memory):
        plain = cost.replace("**", "^").replace("*", " ")
        text = text.replace(f"$O({plain})$", f"$O({formula(cost)})$")
    return text


def write_cards(app: Sphinx, config) -> None:
    """Write the pages of all cards; touch only what changed, drop what is gone."""
    from attnkit import catalog

    pages = {f"{c.key}.md": card_page(c) for c in catalog.cards()}
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


class Made(SphinxDirective):
    """A directive whose Markdown is made by `lines`; its tables are of class `mark`."""

    mark = "made"

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        container, page = nodes.container(), self.state.document
        before = set(map(id, page.findall(nodes.table)))
        self.state.nested_parse(
            StringList(self.lines(), "made"), 0, container, match_titles=True
        )
        for tree in (page, container):  # what stands under a heading is in the page
            for found in tree.findall(nodes.table):
                if id(found) not in before:
                    found["classes"] = [self.mark]
        return container.children


def kind(card) -> str:
    """The kind of a mechanism: what its module holds, else the family it is of."""
    module = getattr(card.source, "__module__", "").rpartition(".")[2]
    name = ALIKE.get(module, module)
    return name if name in KINDS else card.family


def catalog_text(cards: list) -> list[str]:
    """A heading, a sentence and a table for each kind of mechanism."""
    groups: dict[str, list] = defaultdict(list)
    for card in cards:
        groups[kind(card)].append(card)
    order = [*KINDS, *sorted(groups.keys() - KINDS.keys())]
    lines = []
    for name in [n for n in order if n in groups]:
        title, words = KINDS.get(name, (name.capitalize(), ""))
        rows = [
            [
                f"[{card.title}](catalog/{card.key}.md)",
                str(card.year),
                ", ".join(card.attends_to),
                f"${formula(card.time)}$",
            ]
            for card in groups[name]
        ]
        head = ["Mechanism", "Year", "Attends to", "Operations"]
        lines += [f"## {title}", "", words, "", *table(head, rows), ""]
    return lines


class CatalogTable(Made):
    """`{catalog-table}`: every card."""

    mark = "catalog"

    def lines(self) -> list[str]:
        from attnkit import catalog

        self.env.note_reread()
        return catalog_text(catalog.cards())


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
    facts = f"Sizes: {first['size']}. Floor: {first['floor']} ({floors})."
    return [f"## {first['name']}", "", facts, "", *table(head, rows), ""]


def tasks_text(result: dict) -> list[str]:
    """The tasks of one file of results, in the order of the file."""
    tasks: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for case in result["cases"]:
        tasks[case["name"], case["size"]].append(case)
    return [line for cases in tasks.values() for line in case_text(cases)]


def speed_text(results: list[dict]) -> list[str]:
    """All files of results; a machine is named again only where it is another."""
    lines, before = [], ""
    for result in results:
        machine, title = (
            machine_text(result),
            "Another run" if before else "The machine",
        )
        if machine != before:
            lines += [f"## {title}", "", machine, "", *import_text(result)]
        lines += tasks_text(result)
        before = machine
    return lines


class SpeedTable(Made):
    """`{speed-table}`: what the benchmarks wrote."""

    def lines(self) -> list[str]:
        files = sorted(RESULTS.glob("*.json"))
        for file in files:
            self.env.note_dependency(str(file))
        if not files:
            return ["Nothing has been measured yet: see the folder `benchmarks/`."]
        return speed_text([json.loads(file.read_text("utf-8")) for file in files])


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", write_cards)
    app.add_directive("catalog-table", CatalogTable)
    app.add_directive("speed-table", SpeedTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
