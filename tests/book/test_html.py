"""The built book as files: complete, linked, described, light, and by itself."""

import json
import re
from pathlib import Path

import pytest

from attnkit.live.static_site import scripts
from attnkit.live.widget import part
from tests.book.pages import broken, built, foreign, page
from tools import citations, project, report


def each(folder: Path) -> list[tuple[str, Path]]:
    """Name and path of every page."""
    return [(path.relative_to(folder).as_posix(), path) for path in built(folder)]


def test_nothing_is_loaded_from_another_host(book_html: Path) -> None:
    bad = [
        f"{name}: {address}"
        for name, path in each(book_html)
        for address in page(path).loads
        if foreign(address)
    ]
    assert not bad


def test_style_sheets_load_nothing_from_another_host(book_html: Path) -> None:
    sheets = [*book_html.rglob("*.css")]
    pattern = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]*")
    bad = [f"{s.name}: {m}" for s in sheets for m in pattern.findall(s.read_text())]
    assert not bad


def test_every_link_within_the_book_leads_somewhere(book_html: Path) -> None:
    bad = [
        f"{name}: {why}"
        for name, path in each(book_html)
        for address in [*page(path).links, *page(path).loads]
        if (why := broken(path, address))
    ]
    assert not bad


def test_every_image_says_what_it_shows(book_html: Path) -> None:
    bad = []
    for name, path in each(book_html):
        for image in page(path).images:
            alt = image.get("alt")
            file = Path(image.get("src", "")).name
            hidden = image.get("aria-hidden") == "true" or alt == ""
            if alt is None or (
                not hidden and (alt.endswith(".png") or "/" in alt[:12])
            ):
                bad.append(f"{name}: {file}: alt {alt!r}")
    assert not bad


def test_pictures_of_figures_have_words(book_html: Path) -> None:
    """An image of a chapter is content, so it is described by a sentence."""
    for chapter in project.chapters():
        path = book_html / chapter.relative_to(project.ROOT).with_suffix(".html")
        pictures = [i for i in page(path).images if "_images/" in i.get("src", "")]
        short = [i["src"] for i in pictures if len(i.get("alt", "").split()) < 4]
        assert not short, f"{path.name}: images without a description: {short}"


def test_every_figure_has_a_caption(book_html: Path) -> None:
    figure = re.compile(r"<figure\b.*?</figure>", re.DOTALL)
    caption = re.compile(r"<figcaption[^>]*>(.*?)</figcaption>", re.DOTALL)
    bad = []
    for name, path in each(book_html):
        for text in figure.findall(path.read_text(encoding="utf-8")):
            words = "".join(caption.findall(text))
            if not re.sub(r"<[^>]*>|\s", "", words):
                bad.append(f"{name}: {text[:120]}")
    assert not bad


def test_no_page_is_heavier_than_promised(book_html: Path) -> None:
    weights = {name: report.page_weight(path) for name, path in each(book_html)}
    assert {n: w for n, w in weights.items() if w > report.LIMIT} == {}


def test_every_chapter_of_the_list_is_there_and_named_on_the_first_page(
    book_html: Path,
) -> None:
    start = book_html / "book" / "index.html"
    targets = {(start.parent / a.split("#")[0]).resolve() for a in page(start).links}
    for chapter in project.chapters():
        path = book_html / chapter.relative_to(project.ROOT).with_suffix(".html")
        assert path in targets


def test_every_entry_of_the_bibliography_has_its_key_as_an_anchor(
    book_html: Path,
) -> None:
    found = page(book_html / "book" / "bibliography.html").ids
    assert not set(citations.entries()) - found


def test_speed_names_the_axes_of_its_sizes(book_html: Path) -> None:
    text = (book_html / "book" / "speed.html").read_text(encoding="utf-8")
    sizes = re.findall(r"Sizes: ([^.]*)\.", text)
    assert sizes
    for axis in [axis for size in sizes for axis in size.split(" × ")]:
        assert re.fullmatch(r"[a-z]+ \d+", axis)


def test_tables_that_are_made_can_be_styled(book_html: Path) -> None:
    for name in ("claims", "catalog"):
        text = (book_html / "book" / f"{name}.html").read_text(encoding="utf-8")
        tables = re.findall(r'<table class="([^"]*)"', text)
        assert tables and all(name in classes.split() for classes in tables)


def test_first_page_shows_a_widget(book_html: Path) -> None:
    assert page(book_html / "book" / "index.html").views >= 1


@pytest.mark.parametrize("chapter", project.chapters(), ids=project.chapter_name)
def test_chapter_opens_in_colab_and_can_be_downloaded(
    book_html: Path, chapter: Path
) -> None:
    name = chapter.relative_to(project.ROOT)
    path = book_html / name.with_suffix(".html")
    where = project.repository().removeprefix("https://")
    colab = f"https://colab.research.google.com/{where.replace('.com', '')}"
    assert f"{colab}/blob/{project.branch()}/{name.as_posix()}" in page(path).links
    notebook = next(
        a for a in page(path).links if a.endswith(".ipynb") and "http" not in a
    )
    cells = json.loads((path.parent / notebook).read_text(encoding="utf-8"))["cells"]
    assert [c["id"] for c in cells] == [
        c["id"] for c in json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    ]


@pytest.mark.parametrize("chapter", project.chapters(), ids=project.chapter_name)
def test_chapter_holds_what_every_chapter_must(book_html: Path, chapter: Path) -> None:
    path = book_html / chapter.relative_to(project.ROOT).with_suffix(".html")
    text = path.read_text(encoding="utf-8")
    assert page(path).views >= 2, "at least two live widgets"
    assert len(re.findall(r"<h3>Exercise \d+", text)) >= 6, "at least six exercises"
    assert "pip install" not in text, "the setup cell is not for this page"
    assert "Traceback" not in text


def test_the_front_end_travels_once_per_page_not_once_per_widget(
    book_html: Path,
) -> None:
    mark = json.dumps(part("attnkit")[2000:2080])[1:-1]
    heavy = [n for n, p in each(book_html) if mark in p.read_text(encoding="utf-8")]
    assert not heavy
    script = (book_html / "_static/attnkit/attnkit.js").read_text(encoding="utf-8")
    assert script == scripts()["attnkit"], "the book was built with another front end"


def test_a_page_loads_the_front_end_of_its_own_widgets(book_html: Path) -> None:
    weights = {n: report.front_end_weight(p) for n, p in each(book_html)}
    assert max(weights.values()) <= report.FRONT_END_LIMIT
    for name, path in each(book_html):
        assert bool(weights[name]) == bool(page(path).views), name
