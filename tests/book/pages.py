"""Reading a built page: what it holds, what it points to."""

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
LOADS |= {"source": "src", "video": "src", "audio": "src", "object": "data"}
LINK_LOADS = {"stylesheet", "preload", "icon", "prefetch", "preconnect", "manifest"}


@dataclass
class Page(HTMLParser):
    """The links, loads, ids, images and figures of one HTML file."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    views: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.ids |= {has[name] for name in ("id", "name") if has.get(name)}
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        relations = set(has.get("rel", "").split())
        if tag in LOADS and (tag != "link" or relations & LINK_LOADS):
            self.loads.append(has.get(LOADS[tag], ""))
        if tag == "img":
            self.images.append(has)
        if tag == "script" and "widget-view+json" in has.get("type", ""):
            self.views += 1


@cache
def page(path: Path) -> Page:
    """The parsed page; each file is read once."""
    return Page(path)


def built(folder: Path) -> list[Path]:
    """Every page of a built book."""
    return sorted(p for p in folder.rglob("*.html") if "_static" not in p.parts)


def foreign(address: str) -> bool:
    """Whether an address leads to another host."""
    return bool(urlsplit(address).netloc)


def broken(path: Path, address: str) -> str | None:
    """What is wrong with a link of a page to this book, None if it leads somewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or address in ("", "#"):
        return None
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return f"{address}: no such file"
    fragment = unquote(parts.fragment)
    if fragment and target.suffix == ".html" and fragment not in page(target).ids:
        return f"{address}: no such place on the page"
    return None
