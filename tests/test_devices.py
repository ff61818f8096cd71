"""On another device than the CPU everything gives what it gives on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import away

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(away.runs())


@pytest.fixture(scope="module")
def faults() -> dict[str, str | None]:
    """What went wrong on the other device, in a process of its own."""
    command = [sys.executable, "-m", "tests.away"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "mixed_up"])
def test_another_device_gives_the_same(faults, name):
    assert faults[name] is None


def test_a_constant_on_the_wrong_device_is_found(faults):
    assert "cpu" in faults["mixed_up"].lower()
