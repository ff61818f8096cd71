"""What a reader has solved, kept in one small file of their own.

The file is ``progress.json`` in ``~/.attnkit`` (or in the folder that ``ATTNKIT_HOME``
names; in Colab in the reader's Drive when it is mounted). It is replaced as a whole, so
a crash leaves the old one. A file that cannot be read or written costs one quiet note,
never an error. When ``CI`` or ``ATTNKIT_STRICT`` is set, nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

_DRIVE = Path("/content/drive/MyDrive")
_session: dict[str, dict] = {}
_noted: set[str] = set()


def enabled() -> bool:
    """Whether progress is kept on disk."""
    return not (os.environ.get("CI") or os.environ.get("ATTNKIT_STRICT"))


def path() -> Path:
    """Where progress is kept."""
    if os.environ.get("ATTNKIT_HOME"):
        return Path(os.environ["ATTNKIT_HOME"]).expanduser() / "progress.json"
    if in_colab() and _DRIVE.is_dir():
        return _DRIVE / "attnkit" / "progress.json"
    return Path.home() / ".attnkit" / "progress.json"


def in_colab() -> bool:
    return "google.colab" in sys.modules


def where() -> str:
    """One sentence that says where progress is kept."""
    if not enabled():
        return "Progress is not kept here."
    if in_colab() and not _DRIVE.is_dir() and not os.environ.get("ATTNKIT_HOME"):
        return "Kept for this session only; mount Google Drive to keep it longer."
    return f"Kept in {path()}."


def load() -> dict[str, dict]:
    """Exercise key -> ``{"state": …, "tries": …}``; a damaged file reads as empty."""
    if not enabled():
        return dict(_session)
    try:
        entries = json.loads(path().read_text(encoding="utf-8"))["exercises"]
        known = {k: v for k, v in entries.items() if _valid(v)}
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        _note("read", "your progress file cannot be read; starting a new one")
        known = {}
    return {**known, **_session}


def note(key: str, state: str) -> None:
    """Remember one try at an exercise; what was once solved stays solved."""
    entries = load()
    old = entries.get(key, {"state": "", "tries": 0})
    solved = "pass" in (old["state"], state)
    entries[key] = {"state": "pass" if solved else state, "tries": old["tries"] + 1}
    _save(entries, key)


def forget(prefix: str = "") -> int:
    """Drop all entries, or those of one exercise, chapter or part; how many went."""
    entries = load()
    gone = [
        k for k in entries if not prefix or k == prefix or k.startswith(prefix + ".")
    ]
    for key in gone:
        del entries[key]
        _session.pop(key, None)
    if gone:
        _save(entries)
    return len(gone)


def _valid(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("state"), str)
        and isinstance(entry.get("tries"), int)
    )


def _save(entries: dict[str, dict], key: str | None = None) -> None:
    """Write atomically; what cannot be written stays in this session's memory."""
    try:
        if enabled():
            _replace(path(), {"version": 1, "exercises": entries})
            _session.clear()
            return
    except OSError:
        _note("write", "your progress cannot be saved; it is kept for this session")
    if key is not None:
        _session[key] = entries[key]


def _replace(target: Path, content: dict) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _note(kind: str, sentence: str) -> None:
    """Say a thing once a session."""
    if kind not in _noted:
        _noted.add(kind)
        print(f"note: {sentence}.")
