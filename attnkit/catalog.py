r"""A card for every mechanism: what it is, what it costs, and how to prove it right.

A mechanism's module registers its card; this file imports none of them by name. From
the cards come the reference pages, the tables, the property tests and the benchmark.

    from attnkit import catalog

    catalog.cards("rnn")             # in order of publication
    catalog.card("additive").paper   # "Neural Machine Translation by Jointly ..."
"""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from attnkit.card import (
    ATTENDS_TO,
    PROBES,
    QUESTIONS,
    Card,
    Oracle,
    Step,
    cells,
    first,
    rows,
)
from attnkit.reference import reference_page

__all__ = [
    "ATTENDS_TO",
    "PROBES",
    "QUESTIONS",
    "TOOLS",
    "Card",
    "Oracle",
    "Step",
    "card",
    "cards",
    "cells",
    "discover",
    "first",
    "reference_page",
    "register",
    "rows",
]

TOOLS = ("data", "exercises", "fonts", "live")  # sub-packages that hold no mechanism

_cards: dict[str, Card] = {}


def register(card: Card) -> Callable[[Any], Any]:
    """Enter a card; as a decorator, also note what it decorates as the source.

    Args:
        card: with a key that no other card has.

    Returns:
        A decorator that leaves its function or class as it is.

    Raises:
        ValueError: another card has this key.
    """
    card = replace(card, usage=inspect.cleandoc(card.usage))
    known = _cards.get(card.key)
    if known is not None and known.title != card.title:
        raise ValueError(
            f"key: expected one that is free, got {card.key!r}, which is {known.title}"
        )
    _cards[card.key] = card

    def attach(source: Any) -> Any:
        _cards[card.key] = replace(card, source=source)
        return source

    return attach


def discover() -> None:
    """Import what may register cards: modules named *_cards and every family."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__, f"{__package__}."):
        name = module.name.rpartition(".")[2]
        if name.endswith("_cards"):
            importlib.import_module(module.name)
        elif module.ispkg and name not in TOOLS:
            _import_all(module.name)


def _import_all(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)


def cards(family: str | None = None) -> list[Card]:
    """Return all cards, or those of one family, in order of publication.

    Raises:
        ValueError: no card is of that family.
    """
    discover()
    found = sorted(_cards.values(), key=lambda card: (card.year, card.month, card.key))
    if family is None:
        return found
    families = sorted({card.family for card in found})
    if family not in families:
        raise ValueError(
            f"family: expected one of {', '.join(families)}; got {family!r}"
        )
    return [card for card in found if card.family == family]


def card(key: str) -> Card:
    """Return the card with this key.

    Raises:
        ValueError: there is none; the message names similar keys.
        TypeError: the key is not a string.
    """
    if not isinstance(key, str):
        raise TypeError(f"key: expected a string, got {type(key).__name__}")
    discover()
    if key in _cards:
        return _cards[key]
    near = difflib.get_close_matches(key, _cards, n=3, cutoff=0.4) or sorted(_cards)
    raise ValueError(f"key: expected one like {', '.join(near)}; got {key!r}")
