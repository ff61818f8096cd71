"""What all tests share: determinism, a browser, a server, the built book."""

import functools
import http.server
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CI", "1")  # a reader's progress stays out of it

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERLESS = importlib.util.find_spec("playwright") is None  # as where Colab is tested
MARKS = {"chromium": "browser", "book_html": "book"}


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Pass over files that drive a browser where nothing can drive one."""
    if BROWSERLESS and collection_path.suffix == ".py":
        return "playwright" in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they ask for, so that no test forgets its mark; and let a
    notebook's cell wait longer than 5 s for its last messages: machines can be busy."""
    for item in items:
        if hasattr(
            item, "output_timeout"
        ):  # a cell of nbval, which has no option for it
            item.output_timeout = 60
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKS:
                item.add_marker(MARKS[fixture])


@pytest.fixture(autouse=True)
def deterministic() -> None:
    """One thread and one seed for every test that uses torch."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A running Chromium (Playwright's `Browser`); contexts are the tests' own."""
    from playwright.sync_api import sync_playwright

    from tools import browser

    path = browser.find()
    if path is None:
        pytest.fail(browser.MISSING, pytrace=False)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield running
        running.close()


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """`serve(folder)` gives the address, without a slash, where it is served."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(Silent, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def book_html() -> Path:
    """The folder of the built book; `ATTNKIT_HTML` names another one."""
    folder = Path(os.environ.get("ATTNKIT_HTML", ROOT / "book" / "_build" / "html"))
    if not (folder / "index.html").exists():
        pytest.fail("The book is not built: type `make book`.", pytrace=False)
    return folder.resolve()
