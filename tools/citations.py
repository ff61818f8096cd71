"""Let links to the bibliography lead to the entry that their words name.

`make notebooks` does it: a link to `bibliography.md` with the words *Bahdanau, Cho and
Bengio (2015)* gets the anchor `#bahdanau2014neural`, by first author and year.
"""

import re
import unicodedata
from functools import cache

from pybtex.database import Entry, parse_file

from tools.project import ROOT

LINK = re.compile(
    r"\[(?P<text>[^\]\[]*)\]\((?P<page>[^)\s#]*bibliography\.md)(?:#(?P<key>[^)\s]*))?\)"
)
YEAR = re.compile(r"\b(1[89]|20)\d\d\b")


def plain(text: str) -> str:
    """Small letters without accents, braces and TeX."""
    bare = unicodedata.normalize("NFKD", re.sub(r"\\.|[{}]", "", text))
    return "".join(c for c in bare if not unicodedata.combining(c)).lower()


@cache
def entries() -> dict[str, Entry]:
    """The entries of the bibliography by key."""
    return dict(parse_file(ROOT / "book" / "references.bib").entries)


def names(entry: Entry) -> list[str]:
    """Surnames of the authors."""
    people = entry.persons.get("author", [])
    return [plain(" ".join([*p.prelast_names, *p.last_names])) for p in people]


def fits(key: str, text: str) -> bool:
    """Whether words name the first author and a year of an entry.

    The key has the year of the first version, the field `year` that of publication.
    """
    entry, year = entries().get(key), YEAR.search(text)
    if entry is None or year is None or not names(entry):
        return False
    first = re.search(rf"\b{re.escape(names(entry)[0])}\b", plain(text))
    return bool(first) and (year[0] == entry.fields.get("year") or year[0] in key)


def keys(text: str) -> list[str]:
    """The entries that a link's words may mean; of several, those by all it names."""
    found = [key for key in entries() if fits(key, text)]
    if len(found) > 1:
        named = [sum(n in plain(text) for n in names(entries()[k])) for k in found]
        found = [k for k, n in zip(found, named, strict=True) if n == max(named)]
    return found


def wrong(text: str) -> list[str]:
    """The links of a text that name a paper and do not lead to it."""
    links = [m for m in LINK.finditer(text) if m["key"] or YEAR.search(m["text"])]
    return [m[0] for m in links if not (m["key"] and fits(m["key"], m["text"]))]


def stamp(text: str) -> str:
    """The text with an anchor in every link whose words name one entry."""

    def stamped(match: re.Match) -> str:
        found = keys(match["text"])
        if match["key"] or len(found) != 1:
            return match[0]
        return f"[{match['text']}]({match['page']}#{found[0]})"

    return LINK.sub(stamped, text)
