"""A reader's progress: kept, atomic, and never in the way."""

import json
import os
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

from attnkit.exercises import check, engine, record, reset, use
from tests.exercises.example_softmax import EXERCISES, softmax

SOFTMAX = EXERCISES[0]
KEY = SOFTMAX.key


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader with an empty folder, outside of any automatic run."""
    for name in ("CI", "ATTNKIT_STRICT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ATTNKIT_HOME", str(tmp_path))
    record._session.clear()
    record._noted.clear()
    engine.forget()
    return tmp_path


def kept(home: Path) -> dict:
    return json.loads((home / "progress.json").read_text())["exercises"]


def test_a_try_and_a_success_are_kept(home: Path) -> None:
    check(SOFTMAX, lambda scores: scores)
    assert kept(home) == {KEY: {"state": "fail", "tries": 1}}
    check(SOFTMAX, softmax)
    assert kept(home) == {KEY: {"state": "pass", "tries": 2}}
    check(SOFTMAX, lambda scores: scores)
    assert kept(home)[KEY]["state"] == "pass"


def test_an_untouched_stub_and_a_second_look_leave_no_trace(home: Path) -> None:
    check(SOFTMAX, None)
    assert not (home / "progress.json").exists()
    check(SOFTMAX, softmax)
    use(SOFTMAX, softmax)
    assert kept(home)[KEY]["tries"] == 1


@pytest.mark.parametrize("name", ["CI", "ATTNKIT_STRICT"])
def test_automatic_runs_keep_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    check(SOFTMAX, softmax)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", '{"exercises": 3}', "\x00\x01", '{"exercises": {"a": 1}}'],
)
def test_a_damaged_file_is_replaced(home: Path, damaged: str) -> None:
    (home / "progress.json").write_text(damaged)
    assert check(SOFTMAX, softmax)
    assert kept(home) == {KEY: {"state": "pass", "tries": 1}}


def test_a_file_that_is_not_text_is_replaced(home: Path) -> None:
    (home / "progress.json").write_bytes(b"\xff\xfe\x80")
    check(SOFTMAX, softmax)
    assert KEY in kept(home)


def test_a_failed_write_keeps_the_old_file_and_the_session(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    check(SOFTMAX, lambda scores: scores)
    before = (home / "progress.json").read_bytes()

    def no(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", no)
        assert check(SOFTMAX, softmax)
        assert check(SOFTMAX, lambda scores: scores + 0.0).state == "fail"
    assert (home / "progress.json").read_bytes() == before
    assert [path.name for path in home.iterdir()] == ["progress.json"]
    assert record.load()[KEY]["state"] == "pass"
    assert capsys.readouterr().out.count("cannot be saved") == 1


def test_a_folder_that_cannot_be_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (home / "file").write_text("in the way")
    monkeypatch.setenv("ATTNKIT_HOME", str(home / "file" / "deeper"))
    assert check(SOFTMAX, softmax)
    assert "cannot be" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root")
def test_a_read_only_folder(home: Path) -> None:
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert check(SOFTMAX, softmax)
    home.chmod(stat.S_IRWXU)


def test_forgetting_by_part_chapter_and_exercise(home: Path) -> None:
    for key in ("rnn.pooling.1", "rnn.pooling.12", "rnn.pool.1", "idea.steps.1"):
        record.note(key, "pass")
    assert record.forget("rnn.pooling.1") == 1
    assert record.forget("rnn.pool") == 1
    assert set(kept(home)) == {"rnn.pooling.12", "idea.steps.1"}
    assert "2 exercises" in repr(reset())
    assert kept(home) == {}


def test_in_colab_the_drive_is_used_when_it_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTNKIT_HOME")
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(record, "_DRIVE", home / "absent")
    assert "this session only" in record.where()
    monkeypatch.setattr(record, "_DRIVE", home)
    assert record.path() == home / "attnkit" / "progress.json"
