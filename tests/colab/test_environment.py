"""The package under the versions that Colab has (`make test-colab`)."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints-colab.txt"
PINS = dict(
    line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line
)
COLAB = metadata.version("ipywidgets") == PINS["ipywidgets"]

pytestmark = pytest.mark.skipif(not COLAB, reason="runs in the environment like Colab")


def installed() -> dict[str, str]:
    found = metadata.distributions()
    return {d.metadata["Name"].lower().replace("_", "-"): d.version for d in found}


def test_environment_has_colabs_versions() -> None:
    have = installed()
    pins = {name.lower().replace("_", "-"): pin for name, pin in PINS.items()}
    other = {n: (have[n], p) for n, p in pins.items() if n in have and have[n] != p}
    assert not other
    assert {"ipywidgets", "anywidget", "numpy", "matplotlib"} <= set(have) & set(pins)


def test_installing_the_package_changes_nothing_else() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
    command += ["--no-build-isolation", "--report", "-", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert [item["metadata"]["name"] for item in report["install"]] == ["attnkit"]


def widgets() -> list[type]:
    """Every widget class that the package offers."""
    from attnkit import live
    from attnkit.live.widget import LiveWidget

    found = [getattr(live, name) for name in dir(live)]
    return [w for w in found if isinstance(w, type) and issubclass(w, LiveWidget)]


def test_every_widget_keeps_to_json_traits() -> None:
    """Colab is reported to lose binary buffers, so no trait may hold bytes."""
    import traitlets

    assert widgets()
    for widget in widgets():
        synced = widget.class_traits(sync=True).values()
        assert not [t.name for t in synced if isinstance(t, traitlets.Bytes)]


def test_colabs_own_widget_manager_is_asked_for(monkeypatch) -> None:
    """anywidget turns it on by itself as soon as Colab's modules are loaded."""
    import types

    asked = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda *a, **k: asked.append(a)
    output._widgets = types.SimpleNamespace(_installed_url="https://example.org/m.js")
    names = {"google": types.ModuleType("google"), "google.colab.output": output}
    names["google.colab"] = types.ModuleType("google.colab")
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    from attnkit.live.widget import LiveWidget

    widget = LiveWidget(data={}, state={"value": 1}, caption="A dial.")
    data, *_ = widget._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    widget.state = {"value": 5}
    assert widget.get_state()["state"] == {"value": 5}
    assert json.loads(json.dumps(widget.get_state()))
