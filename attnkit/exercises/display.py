"""How results, hints and progress look: one stable line, or a card in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from attnkit.lesson import STYLE

STATES = {
    "todo": ("○", "Not attempted yet"),
    "fail": ("✗", "Not right yet"),
    "error": ("!", "Your code stopped"),
    "pass": ("✓", "Passed"),
}

_BRIEF = {"todo": "open", "fail": "not yet", "error": "stopped", "pass": "solved"}


@dataclass(frozen=True, repr=False)
class Result:
    """The answer of a check. True in a condition when the check passed."""

    key: str
    title: str
    state: str
    message: str
    more: str = ""
    """What the reader may do next."""
    fits: bool = True
    """Whether a right answer also gives the very types of the book's."""

    def __bool__(self) -> bool:
        return self.state == "pass"

    def __repr__(self) -> str:
        return f"[{self.state.upper()}] {self.key} {self.title}: {self.message}"

    def _repr_html_(self) -> str:
        mark, word = STATES[self.state]
        head = f'<span class="attnkit-state">{mark} {word}</span> · {_text(self.title)}'
        more = f'<p class="attnkit-soft">{_text(self.more)}</p>' if self.more else ""
        return _card(f"<div>{head}</div><p>{_text(self.message)}</p>{more}", self.state)


@dataclass(frozen=True, repr=False)
class Note:
    """A hint or a short message."""

    head: str
    body: str = ""
    more: str = ""

    def __repr__(self) -> str:
        parts = [x for x in (self.head, self.body, self.more) if x]
        return " ".join(x if x[-1] in ".?!:" else x + "." for x in parts)

    def _repr_html_(self) -> str:
        more = f'<p class="attnkit-soft">{_text(self.more)}</p>' if self.more else ""
        body = f"<p>{_text(self.body)}</p>" if self.body else ""
        return _card(f"<div><b>{_text(self.head)}</b></div>{body}{more}", "note")


@dataclass(frozen=True)
class Row:
    """One exercise in the table of progress."""

    key: str
    title: str
    state: str
    tries: int
    dots: int
    minutes: int


@dataclass(frozen=True, repr=False)
class Table:
    """A reader's progress: a line an exercise, a total, and where it is kept."""

    rows: list[Row] = field(default_factory=list)
    where: str = ""

    @property
    def total(self) -> str:
        solved = sum(row.state == "pass" for row in self.rows)
        return f"{solved} of {len(self.rows)} exercises solved"

    def __repr__(self) -> str:
        width = max((len(row.key) for row in self.rows), default=0)
        lines = [
            f"{STATES[row.state][0]} {row.key:<{width}}  {dots(row.dots)}  {row.title}"
            for row in self.rows
        ]
        return "\n".join([*lines, f"{self.total}. {self.where}"])

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col">{x}</th>'
            for x in ("State", "Exercise", "Difficulty", "Minutes", "Tries")
        )
        body = "".join(_row(row) for row in self.rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        table = f'<div class="attnkit-wide" tabindex="0">{table}</div>'
        where = f'<p class="attnkit-soft">{_text(self.where)}</p>'
        return _card(f"<div><b>{self.total}</b></div>{table}{where}", "note")


def dots(count: int) -> str:
    """Difficulty of 1 to 5: ``●●○○○``."""
    return "●" * count + "○" * (5 - count)


def _row(row: Row) -> str:
    mark, word = STATES[row.state][0], _BRIEF[row.state]
    state = f'<span class="attnkit-{row.state} attnkit-state">{mark} {word}</span>'
    hard = f'<span role="img" aria-label="{row.dots} of 5">{dots(row.dots)}</span>'
    name = f"{_text(row.title)} <code>{_text(row.key)}</code>"
    cells = (state, name, hard, str(row.minutes), str(row.tries or "–"))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _card(body: str, kind: str) -> str:
    return f'{STYLE}<div class="attnkit-card attnkit-{kind}">{body}</div>'


def _text(words: str) -> str:
    """Escaped text in which `backticks` become code."""
    parts = html.escape(words).split("`")
    if len(parts) % 2 == 0:
        return html.escape(words)
    return "".join(
        f"<code>{part}</code>" if place % 2 else part
        for place, part in enumerate(parts)
    )
