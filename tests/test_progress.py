"""Bars are shown to a reader, and never end up in a built page."""

import pytest

from attnkit.progress import progress_bar


def test_a_bar_is_silent_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert not progress_bar(total=2).disable
    assert progress_bar(total=2, disable=True).disable
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert progress_bar(total=2).disable
