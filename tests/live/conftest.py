"""Fixtures of the widgets' tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.widget_bench import Bench, close_widgets


@pytest.fixture
def bench(chromium: Any, serve: Any, tmp_path: Path) -> Iterator[Bench]:
    """An empty page of 1280 px; `show` puts widgets on it."""
    close_widgets()
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    bench = Bench(context, tmp_path, serve(tmp_path))
    yield bench
    context.close()
    close_widgets()
    assert bench.errors == []
