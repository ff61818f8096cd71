"""The reference page of a card, as Markdown for the book."""

import inspect
from calendar import month_name

from attnkit.card import PROBES, Card


def reference_page(card: Card) -> str:
    """Write the reference page of a card.

    Args:
        card: any card of the catalog.

    Returns:
        Markdown (MyST) of one page: what it is, the three steps, cost, use, receptive
        field, and what is tested against what, excuses included.
    """
    parts = (_head, _steps, _cost, _use, _field, _tests)
    return "\n\n".join(part(card) for part in parts) + "\n"


def _head(card: Card) -> str:
    facts = [
        f"- **First published:** {month_name[card.month]} {card.year}, "
        f"{{cite:t}}`{card.cite}`, *[{card.paper}]({card.url})*",
        f"- **Attends to:** {', '.join(card.attends_to)} (the question: "
        f"*{card.question}?*)",
    ]
    if card.chapter:
        facts.append(
            f"- **Explained in:** [{card.chapter}](../../chapters/{card.chapter}.ipynb)"
        )
    return f"# {card.title}\n\n{card.summary}\n\n" + "\n".join(facts)


def _steps(card: Card) -> str:
    steps = {
        "1. Score": card.score,
        "2. Normalize": card.normalize,
        "3. Aggregate": card.aggregate,
    }
    table = [
        "| step | in words | formula |",
        "|---|---|---|",
        *(f"| {name} | {s.words} | {_cell(s.formula)} |" for name, s in steps.items()),
    ]
    return "## The three steps\n\n" + "\n".join(table)


def _cell(formula: str) -> str:
    # A bar would end the cell of the table; TeX has words for it.
    return f"${formula.replace('|', chr(92) + 'vert ')}$" if formula else "–"


def _product(expression: str) -> str:
    return f"$O({expression.replace('**', '^').replace('*', ' ')})$"


def _cost(card: Card) -> str:
    symbols = ", ".join(f"${name}$ {words}" for name, words in card.symbols.items())
    return (
        f"## Cost\n\nOperations {_product(card.time)}, largest tensor "
        f"{_product(card.memory)} per sample; {symbols}."
    )


def _use(card: Card) -> str:
    name = f"{card.source.__module__}.{card.source.__qualname__}"
    return (
        f"## How to call it\n\n```python\n{inspect.cleandoc(card.usage)}\n```\n\n"
        f"Defined as `{name}`."
    )


def _field(card: Card) -> str:
    return f"## Receptive field\n\n{card.receptive}"


def _tests(card: Card) -> str:
    excused = [
        f"- {PROBES[probe.split(':')[0]]}: {why}" for probe, why in card.excuses.items()
    ]
    against = ["a plain loop in float64", *(oracle.what for oracle in card.oracles)]
    held = [PROBES[probe] for probe in card.probes()]
    lines = [
        "## What is tested",
        "With every weight redrawn at random, the output equals "
        + "; ".join(f"**{item}**" for item in against)
        + ".",
        "Each of these wrong versions fails the same comparison: "
        + "; ".join(card.controls)
        + ".",
        "Also tested: " + "; ".join(held) + ".",
    ]
    if excused:
        lines.append("Excused, with the reason:\n\n" + "\n".join(excused))
    return "\n\n".join(lines)
