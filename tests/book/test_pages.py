"""The built book as a reader meets it: a real browser, over http and from disk."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.book.pages import built
from tools import report
from tools.project import HTML

WIDTHS = {320: 700, 390: 844, 1280: 900}
THEMES = ("light", "dark")
RULES = {"resultTypes": ["violations"]}
SETTLE = "() => document.readyState === 'complete'"
TYPESET = (
    "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => 1)"
)
SIDEWAYS = "() => document.documentElement.scrollWidth - window.innerWidth"
CUT = """() => [...document.querySelectorAll("div.math")].filter((box) => {
  const math = box.querySelector("mjx-math")?.getBoundingClientRect();
  if (!math) return false;
  const begins = math.left - box.getBoundingClientRect().left;
  return math.width > box.scrollWidth + 2 || begins < -2;
}).map((box) => box.textContent.slice(0, 40))"""
ALIVE = """async () => {
  for (const script of document.querySelectorAll('script[type$="widget-view+json"]')) {
    script.parentElement.scrollIntoView();
    const place = script.nextElementSibling;
    const alive = () => place.querySelector('[data-live="true"]');
    for (let i = 0; i < 200 && !alive(); i++)
      await new Promise((done) => setTimeout(done, 50));
    if (!alive()) return place.textContent || 'nothing';
  }
  return null;
}"""


@dataclass
class Visit:
    """One open page and what went wrong while it loaded."""

    tab: object
    home: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.on("pageerror", lambda e: self.errors.append(str(e)))
        self.tab.on("console", self._console)
        self.tab.on("requestfailed", lambda r: self.errors.append(f"failed: {r.url}"))
        self.tab.on("response", self._response)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _response(self, response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def foreign(self) -> list[str]:
        own = (self.home, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]

    def weight(self) -> int:
        """Bytes of all that the page asked for, compressed, images left out."""
        names = {urlsplit(u).path for u in self.requests if u.startswith(self.home)}
        files = {HTML / name.lstrip("/") for name in names}
        pictures = {".png", ".svg", ".ico"}
        return sum(report.gz(file) for file in files if file.suffix not in pictures)


@pytest.fixture
def visit(chromium) -> Iterator[Callable[..., Visit]]:
    """`visit(home, page, width, theme)` opens a page and waits until it stands."""
    contexts = []

    def open_page(
        home: str, page: str, width: int = 1280, theme: str = "light"
    ) -> Visit:
        size = {"width": width, "height": WIDTHS[width]}
        context = chromium.new_context(viewport=size, color_scheme=theme)
        contexts.append(context)
        seen = Visit(context.new_page(), home)
        seen.listen()
        seen.tab.goto(f"{home}/{page}", wait_until="load")
        seen.tab.wait_for_function(SETTLE)
        seen.tab.evaluate(TYPESET)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def home(serve: Callable[[Path], str], book_html: Path) -> str:
    return serve(book_html)


def names() -> list[str]:
    """The pages to look at; the redirect of the folder's root has none to show."""
    found = [path.relative_to(HTML).as_posix() for path in built(HTML)]
    return [name for name in found if name != "index.html"] or ["book/index.html"]


@functools.cache
def axe() -> Axe:
    return Axe()


def violations(tab: object) -> list[str]:
    """What axe-core finds, one line per rule and element."""
    found = axe().run(tab, options=RULES).response["violations"]
    return [
        f"{v['id']} ({v['impact']}): {node['target']}: {node['html'][:140]}"
        for v in found
        for node in v["nodes"]
    ]


def look(seen: Visit) -> list[str]:
    """What is wrong with an open page, whatever its size, theme and address."""
    dead = seen.tab.evaluate(ALIVE)
    seen.tab.wait_for_load_state("networkidle")
    wide = seen.tab.evaluate(SIDEWAYS)
    faults = [f"a widget is not alive: {dead}"] if dead else []
    faults += [f"scrolls sideways by {wide} px"] if wide > 0 else []
    cut = seen.tab.evaluate(CUT)
    faults += [f"an equation is cut, or its beginning hidden: {text}" for text in cut]
    faults += [f"asks another host: {url}" for url in seen.foreign()]
    if any(url.endswith("/attnkit-cjk.woff2") for url in seen.requests):
        faults.append("a Chinese character is missing in the font of this page")
    return faults + seen.errors


def look_closely(seen: Visit, theme: str) -> list[str]:
    """The same, and what axe-core says of the page in its theme."""
    faults = look(seen)
    if seen.tab.evaluate("document.documentElement.dataset.theme") != theme:
        faults.append(f"the page is not in its {theme} theme")
    return faults + violations(seen.tab)


def is_card(name: str) -> bool:
    return name.startswith("book/catalog/")


class TestPages:
    """Chapters and pages of the book, in every size and theme."""

    every = pytest.mark.parametrize("page", [n for n in names() if not is_card(n)])

    @every
    @pytest.mark.parametrize("theme", THEMES)
    @pytest.mark.parametrize("width", [320, 1280])
    def test_page_is_whole_and_accessible(
        self, home: str, visit, page: str, width: int, theme: str
    ) -> None:
        assert look_closely(visit(home, page, width, theme), theme) == []

    @every
    def test_page_fits_a_phone(self, home: str, visit, page: str) -> None:
        seen = visit(home, page, 390)
        assert look(seen) == []
        assert seen.weight() <= report.LIMIT

    @every
    def test_page_works_from_disk(self, book_html: Path, visit, page: str) -> None:
        assert look(visit(book_html.as_uri(), page)) == []


class TestCards:
    """Reference pages come from one form, so two sizes and themes tell as much."""

    every = pytest.mark.parametrize("page", [n for n in names() if is_card(n)])

    @every
    @pytest.mark.parametrize("width, theme", [(320, "dark"), (1280, "light")])
    def test_card_is_whole_and_accessible(
        self, home: str, visit, page: str, width: int, theme: str
    ) -> None:
        assert look_closely(visit(home, page, width, theme), theme) == []

    @every
    def test_card_works_from_disk(self, book_html: Path, visit, page: str) -> None:
        assert look(visit(book_html.as_uri(), page)) == []


def test_search_finds_a_word_from_disk(book_html: Path, visit) -> None:
    seen = visit(book_html.as_uri(), "search.html?q=alignment")
    seen.tab.wait_for_selector("#search-results li a")
    assert seen.errors == []


def test_without_scripts_the_static_picture_is_shown(chromium, home: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{home}/book/index.html")
    picture = tab.locator(".attnkit-still img").first
    picture.scroll_into_view_if_needed()
    assert picture.is_visible()
    assert picture.get_attribute("alt")
    context.close()


def test_on_paper_the_static_picture_stands_for_the_widget(home: str, visit) -> None:
    seen = visit(home, "book/index.html")
    assert seen.tab.evaluate(ALIVE) is None
    assert not seen.tab.locator(".attnkit-still").first.is_visible()
    seen.tab.emulate_media(media="print")
    assert seen.tab.locator(".attnkit-still").first.is_visible()
    assert not seen.tab.locator(".attnkit-view").first.is_visible()


def chapter_pages() -> list[str]:
    return [name for name in names() if name.startswith("chapters/")]


@pytest.mark.parametrize("page", chapter_pages())
def test_a_figure_on_a_phone_keeps_its_width_and_scrolls_in_its_box(
    home: str, visit, page: str
) -> None:
    tab = visit(home, page, 390).tab
    boxes = [box for box in tab.locator(".figure-box").all() if box.is_visible()]
    assert boxes
    for box in boxes:
        drawn = float(box.locator("img").get_attribute("width"))
        shown = box.locator("img").bounding_box()["width"]
        assert shown >= min(drawn, 540)
        scrolls = box.evaluate("box => box.scrollWidth > box.clientWidth + 1")
        assert (box.get_attribute("aria-label") is not None) == scrolls
    wide = next(box for box in boxes if box.get_attribute("tabindex") == "0")
    wide.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")
    assert tab.evaluate(SIDEWAYS) <= 0


def test_a_wide_table_on_a_phone_scrolls_and_has_a_name(home: str, visit) -> None:
    tab = visit(home, "book/catalog.html", 390).tab
    boxes = tab.locator(".pst-scrollable-table-container").all()
    wide = [b for b in boxes if b.evaluate("b => b.scrollWidth > b.clientWidth + 1")]
    named = [b for b in boxes if b.get_attribute("aria-label")]
    assert wide and len(wide) == len(named)
    wide[0].focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")


def test_a_wide_screen_shows_figures_as_they_were_drawn(home: str, visit) -> None:
    tab = visit(home, chapter_pages()[0]).tab
    box = tab.locator(".figure-box:visible").first
    widths = box.bounding_box()["width"], box.locator("img").bounding_box()["width"]
    assert widths[1] == min(700, widths[0])
    assert box.get_attribute("tabindex") is None


def test_on_a_phone_the_numbers_of_a_claim_stand_below_it(home: str, visit) -> None:
    tab = visit(home, "book/claims.html", 390).tab
    row = tab.locator("table.claims tbody tr").first.locator("td")
    claim, held, values = (row.nth(i).bounding_box() for i in range(3))
    assert claim["width"] > 200 and held["y"] == claim["y"]
    assert values["y"] >= claim["y"] + claim["height"] - 1
    assert values["width"] > 300


def test_a_citation_leads_to_its_entry(home: str, visit) -> None:
    tab = visit(home, "book/bibliography.html#vaswani2017attention").tab
    entry = tab.locator(".citation:has(:target)")
    assert "Attention is all you need" in entry.inner_text()
    tab.wait_for_function(
        """() => {
          const { top } = document.querySelector(":target").getBoundingClientRect();
          return 0 <= top && top < innerHeight;
        }"""
    )


def test_without_scripts_a_page_with_formulas_says_what_they_are(
    chromium, home: str
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{home}/book/notation.html")
    assert tab.locator(".book-noscript").is_visible()
    tab.goto(f"{home}/book/changelog.html")
    assert tab.locator(".book-noscript").count() == 0
    context.close()
