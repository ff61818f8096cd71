"""The committed front end: fresh, small, asking nobody; no node needed."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from attnkit.live.widget import SHARED, STATIC, front_end, part

SOURCE = STATIC.parent / "src"
KINDS = sorted(path.stem for path in SOURCE.glob("widgets/*.js"))
NAMESPACES = {"http://www.w3.org/2000/svg"}


def shared_sources() -> list[Path]:
    """The paths in the order of build.mjs: by their names, bytewise."""
    found = [p for p in SOURCE.rglob("*") if p.suffix in {".js", ".css"}]
    return in_order(p for p in found if SOURCE / "widgets" not in p.parents)


def own_sources(kind: str) -> list[Path]:
    """A widget is a file, with a folder of its name where it needs more."""
    folder = SOURCE / "widgets"
    return in_order([folder / f"{kind}.js", *(folder / kind).rglob("*.js")])


def in_order(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.relative_to(SOURCE).as_posix())


def fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def packed(name: str) -> int:
    return len(gzip.compress(part(name).encode(), 9, mtime=0))


@pytest.mark.parametrize("name", [SHARED, *KINDS])
def test_each_part_is_built_from_these_sources(name: str) -> None:
    digest = fingerprint(shared_sources() if name == SHARED else own_sources(name))
    first = part(name).splitlines()[0]
    assert digest in first, "stale: run `npm run build`, commit attnkit/live/static"


def test_no_part_is_left_of_a_widget_that_is_gone() -> None:
    assert sorted(path.stem for path in STATIC.iterdir()) == sorted([SHARED, *KINDS])


def test_what_all_share_stays_below_40_kb_gzipped_and_a_widget_below_8() -> None:
    sizes = {name: packed(name) for name in [SHARED, *KINDS]}
    assert sizes.pop(SHARED) <= 40 * 1024
    assert max(sizes.values()) <= 8 * 1024, sizes


@pytest.mark.parametrize("kind", KINDS)
def test_front_end_names_no_host_and_makes_no_code(kind: str) -> None:
    text = front_end(kind)
    assert set(re.findall(r"https?://[\w./-]+", text)) <= NAMESPACES
    assert not re.search(r"\beval\(|\bnew Function\b|\bfetch\(|XMLHttpRequest", text)
    assert not re.search(r"\bimport\s*[{*\"(]|\bimport\s+\w|\brequire\(", text), (
        "not self-contained: a widget imports by name, one statement a line"
    )


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of .*dial.*got 'dail'"):
        front_end("dail")


def test_host_names_no_host_and_fetches_nothing() -> None:
    host = STATIC.parents[2] / "book" / "_static" / "host.js"
    text = host.read_text("utf-8")
    assert not re.search(r"https?://|\beval\(|\bfetch\(|XMLHttpRequest", text)
