"""Measured claims, the seed, the chapter's name, and sources as readers see them."""

import inspect
import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from attnkit import attend, lesson, palette
from attnkit.lesson import chapter, measured, seed, show_source, source

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATTNKIT_CLAIMS", "ATTNKIT_CHAPTER", "ATTNKIT_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(lesson, "_recorded", set())


# ---------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.4321, "0.432"),
        (7, "7"),
        (12345, "12,345"),
        (123456.7, "123,457"),
        (torch.tensor(0.5), "0.5"),
        (np.float32(0.25), "0.25"),
        (torch.tensor([0.1, 0.25]), "0.1, 0.25"),
        ((0.98, torch.tensor(3)), "0.98, 3"),
        ("three of four", "three of four"),
        ({"dot": 0.5, "additive": 0.91}, "dot 0.5, additive 0.91"),
        (torch.arange(9), "0, 1, 2, 3, 4, 5, …"),
        (float("nan"), "nan"),
    ],
)
def test_a_claim_that_holds_prints_one_quiet_line(
    value: object, shown: str, capsys: pytest.CaptureFixture
) -> None:
    measured("a claim", torch.tensor(True), value)
    assert capsys.readouterr().out == f"✓ a claim ({shown})\n"


def test_a_claim_that_does_not_hold_stops_a_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "1")
    with pytest.raises(
        AssertionError, match=r"“the gap is wide” does not hold: 0\.12$"
    ):
        measured("the gap is wide", np.bool_(False), 0.12)


def test_a_clock_stops_no_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("CI", "1")
    measured("it is faster", False, 0.9, clock=True)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "✗ it is faster (0.9)" and "disturbs a clock" in second


def test_a_claim_that_does_not_hold_lets_a_reader_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("CI")
    measured("the gap is wide", False, 0.12)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "✗ the gap is wide (0.12)"
    assert "another machine" in second.lower() and "changed" in second


@pytest.mark.parametrize("claim", ["", "  ", None, 3])
def test_a_claim_is_a_sentence(claim: object) -> None:
    with pytest.raises(ValueError, match="claim"):
        measured(claim, True, 1)


def test_the_record_holds_what_failed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    record = tmp_path / "new" / "claims.jsonl"
    monkeypatch.setenv("ATTNKIT_CLAIMS", str(record))
    monkeypatch.setenv("ATTNKIT_CHAPTER", "rnn/alignment")
    monkeypatch.setenv("ATTNKIT_SEED", "4")
    measured("注意力 helps", True, torch.tensor([[0.5, 2.0]]))
    measured("it is free", False, float("inf"), clock=True)
    lines = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    common = {"chapter": "rnn/alignment", "seed": 4}
    assert lines == [
        {**common, "claim": "注意力 helps", "holds": True, "value": [[0.5, 2.0]]},
        {**common, "claim": "it is free", "holds": False, "value": "inf"},
    ]
    assert "✗ it is free (inf)" in capsys.readouterr().out


def test_a_claim_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNKIT_CLAIMS", str(tmp_path / "claims.jsonl"))
    measured("a claim", True, 1)
    with pytest.raises(ValueError, match="unique in its chapter"):
        measured("a claim", True, 1)
    monkeypatch.setenv("ATTNKIT_SEED", "2")
    measured("a claim", True, 1)
    assert len((tmp_path / "claims.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("chapters/*/*.ipynb")), ids=lambda path: path.stem
)
def test_claims_are_unique_in_a_chapter(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "".join(
        "".join(c["source"]) + "\n" for c in cells if c["cell_type"] == "code"
    )
    claims = Counter(re.findall(r'measured\(\s*"([^"]+)"', code))
    assert [claim for claim, count in claims.items() if count > 1] == []


# ------------------------------------------------------------- seed and chapter


def test_the_seed_is_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seed() == 1
    monkeypatch.setenv("ATTNKIT_SEED", "17")
    assert seed() == 17
    monkeypatch.setenv("ATTNKIT_SEED", "lucky")
    with pytest.raises(ValueError, match=r"ATTNKIT_SEED.*'lucky'"):
        seed()


def test_the_chapter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/book/chapters/idea/steps.ipynb")
    assert chapter() == "idea/steps"
    monkeypatch.setenv("ATTNKIT_CHAPTER", "rnn/alignment")
    assert chapter() == "rnn/alignment"


def test_without_a_name_the_chapter_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JPY_SESSION_NAME", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    assert chapter() == "unknown"


# --------------------------------------------------------------------- sources


def test_a_source_is_shown_whole(capsys: pytest.CaptureFixture) -> None:
    show_source(attend.attend)
    shown = capsys.readouterr().out
    assert inspect.getsource(attend.attend) in shown
    assert shown.startswith("# attnkit/attend.py · attend\n")


def test_one_method_of_a_class() -> None:
    shown = source(lesson.Source, only="__repr__")
    assert shown.text.startswith("class Source:\n    ...\n")
    assert inspect.getsource(lesson.Source.__repr__).rstrip() in shown.text
    assert "__init__" not in shown.text
    both = source(lesson.Source("x = 1"), only=["__init__", "__repr__"]).text
    assert both.index("__init__") < both.index("__repr__")


@pytest.mark.parametrize(
    ("item", "only", "error"),
    [(lesson.Source, "nothing", ValueError), (measured, "forward", TypeError)],
)
def test_a_part_that_is_not_there(item: object, only: str, error: type) -> None:
    with pytest.raises(error, match="only"):
        source(item, only)


class Outside:
    pass


class Outer:
    class Inner(
        dict,
        Outside,
    ):  # the note belongs to the line
        # this one does not

        scale: float = 2.0

        @property
        def f(self) -> int:
            """One."""
            return 1

        @f.setter
        def f(self, value: int) -> None:
            pass


def test_members_of_any_kind_under_a_whole_class_statement() -> None:
    shown = source(Outer.Inner, only=["f", "scale"])
    head, getter, setter, scale = shown.text.split("\n\n")
    note = "):  # the note belongs to the line"
    assert head.splitlines() == [
        "class Inner(", "    dict,", "    Outside,", note, "    ..."
    ]  # fmt: skip
    assert getter.startswith("    @property\n    def f(self) -> int:")
    assert setter.startswith("    @f.setter") and scale == "    scale: float = 2.0\n"
    assert shown.label == "tests/test_lesson.py · Outer.Inner"


@pytest.mark.parametrize("item", [len, int, 3, torch.softmax])
def test_what_is_not_written_in_python_is_told(item: object) -> None:
    with pytest.raises(TypeError, match="objects: expected Python with a source, got"):
        show_source(item)


def test_the_page_shows_the_same_text() -> None:
    page = source(attend.attend)._repr_html_().split("<code>")[1].split("</code>")[0]
    plain = re.sub(r"<[^>]+>", "", page)
    for name, sign in (("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&quot;", '"')):
        plain = plain.replace(name, sign)
    assert (
        plain.replace("&amp;", "&").strip() == inspect.getsource(attend.attend).strip()
    )


@pytest.mark.parametrize("theme", [lesson._LIGHT, lesson._DARK])
def test_shown_code_and_cards_can_be_read(theme: dict[str, str]) -> None:
    words = {name: x for name, x in theme.items() if name not in ("paper", "edge")}
    faint = {x: palette.contrast(colour, theme["paper"]) for x, colour in words.items()}
    assert {name: ratio for name, ratio in faint.items() if ratio < 4.5} == {}
