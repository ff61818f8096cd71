"""The committed bundle: fresh, small, asking nobody; no node needed."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

from attnkit.live.widget import BUNDLE

SOURCE = BUNDLE.parent.parent / "src"
NAMESPACES = {"http://www.w3.org/2000/svg"}


def sources() -> list[Path]:
    """The paths in the order of build.mjs: by their names, bytewise."""
    found = [p for p in SOURCE.rglob("*") if p.suffix in {".js", ".css"}]
    return sorted(found, key=lambda path: path.relative_to(SOURCE).as_posix())


def test_bundle_is_built_from_these_sources() -> None:
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    first = BUNDLE.read_text("utf-8").splitlines()[0]
    assert digest.hexdigest() in first, "stale bundle: run `npm run build`, commit it"


def test_bundle_stays_below_40_kb_gzipped() -> None:
    size = len(gzip.compress(BUNDLE.read_bytes(), 9, mtime=0))
    assert size <= 40 * 1024, f"{size} bytes"


def test_bundle_names_no_host_and_makes_no_code() -> None:
    text = BUNDLE.read_text("utf-8")
    assert set(re.findall(r"https?://[\w./-]+", text)) <= NAMESPACES
    assert not re.search(r"\beval\(|\bnew Function\b|\bfetch\(|XMLHttpRequest", text)
    assert not re.search(r"\bimport\s*[{*\"(]|\bimport\s+\w", text), (
        "not self-contained"
    )


def test_host_names_no_host_and_fetches_nothing() -> None:
    root = BUNDLE.parents[3]
    text = (root / "book" / "_static" / "host.js").read_text("utf-8")
    assert not re.search(r"https?://|\beval\(|\bfetch\(|XMLHttpRequest", text)
