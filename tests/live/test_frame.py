"""Runs the frame's own tests in node; see frame.test.mjs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_parts_of_the_frame() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = Path(__file__).parent / "frame.test.mjs"
    done = subprocess.run([node, "--test", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# pass 0" not in done.stdout
