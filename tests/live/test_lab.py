"""A real JupyterLab with a kernel: traits travel both ways, and nothing hangs on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.lab
pytest.importorskip("jupyterlab")
pytest.importorskip("jupyter_client")

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "for-this-test"
CELL = """
from attnkit.live.widget import LiveWidget
w = LiveWidget(data={"label": "number"}, state={"value": 3}, alt="a slider")
w
"""
PATIENCE = 60_000  # ms; a loaded machine starts a kernel slowly


def notebook() -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "id": "widget",
        "metadata": {},
        "source": CELL,
        "outputs": [],
        "execution_count": None,
    }
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": spec},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """A server of its own: folders, port, token; and the kernel behind its notebook."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        folders = ("config", "data", "runtime")
        paths = {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in folders}
        self.environment = {
            **os.environ,
            **paths,
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
        }
        (home / "page.ipynb").write_text(json.dumps(notebook()), "utf-8")
        self.log = (home / "lab.log").open("w")
        self.process = subprocess.Popen(
            self._command(), env=self.environment, stdout=self.log, stderr=self.log
        )
        self._wait()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--expose-app-in-browser", f"--IdentityProvider.token={TOKEN}"),
            *(f"--ServerApp.port={self.port}", f"--ServerApp.root_dir={self.home}"),
            "--ServerApp.ip=127.0.0.1",
            "--LabApp.news_url=None",
        ]

    def _wait(self) -> None:
        for _ in range(300):
            try:
                self.ask("api/status")
                return
            except OSError:
                assert self.process.poll() is None, (self.home / "lab.log").read_text()
                time.sleep(0.2)
        pytest.fail((self.home / "lab.log").read_text())

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"{self.address}/{path}",
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def kernel_id(self) -> str:
        return self.ask("api/kernels")[0]["id"]

    def run(self, code: str) -> str:
        """Run code in the notebook's kernel, beside Lab; what it prints."""
        from jupyter_client import BlockingKernelClient

        file = self.home / "runtime" / f"kernel-{self.kernel_id()}.json"
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        said: list[str] = []

        def hear(message: Any) -> None:
            said.append(message["content"].get("text", ""))

        try:
            client.wait_for_ready(timeout=30)
            reply = client.execute_interactive(code, output_hook=hear, timeout=30)
        finally:
            client.stop_channels()
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(said).strip()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def page(lab: Lab, chromium: Any) -> Iterator[Any]:
    """The notebook in Lab, its cell run, its widget alive."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.foreign = []
    page.on("request", lambda request: page.foreign.append(request.url))
    page.goto(f"{lab.address}/lab/tree/page.ipynb?token={TOKEN}")
    page.wait_for_function("window.jupyterapp", timeout=PATIENCE)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
    page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget?.context?.sessionContext
          ?.session?.kernel?.status === 'idle'""",
        timeout=PATIENCE,
    )
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator('[data-live="true"]').first.wait_for(timeout=PATIENCE)
    yield page
    context.close()


def readout(page: Any) -> Any:
    return json.loads(page.locator("[data-widget]").get_attribute("data-readout"))


def test_the_widget_finds_the_kernel(page: Any) -> None:
    page.locator('[data-kernel="true"]').wait_for(timeout=PATIENCE)
    assert page.get_by_text("linked to Python").is_visible()
    assert page.get_by_role("button", name="Copy link").count() == 0


def test_what_the_reader_moves_reaches_python(page: Any, lab: Lab) -> None:
    page.get_by_role("slider", name="number").press("ArrowRight")
    page.wait_for_timeout(500)
    said = json.loads(lab.run("import json; print(json.dumps([w.state, w.readout]))"))
    assert said == [{"value": 4}, {"value": 4, "square": 16}]


def test_what_python_sets_reaches_the_reader(page: Any, lab: Lab) -> None:
    lab.run("w.state = {'value': 7}")
    page.wait_for_function(
        """() => JSON.parse(document.querySelector('[data-widget]')
          .dataset.readout).square === 49"""
    )
    assert page.get_by_role("slider", name="number").input_value() == "7"


def test_python_hears_the_answer_to_what_it_set(page: Any, lab: Lab) -> None:
    lab.run("heard = []; w.observe(lambda c: heard.append(c.new), 'readout')")
    lab.run("w.state = {'value': 9}")
    page.wait_for_timeout(800)
    assert lab.run("print(heard[-1])") == "{'value': 9, 'square': 81}"


def test_keys_stay_in_the_widget(page: Any, lab: Lab) -> None:
    """`r` makes a cell raw in Lab's command mode; here it resets the widget."""
    page.get_by_role("slider", name="number").focus()
    page.keyboard.press("r")
    assert readout(page)["value"] == 3
    assert page.locator(".jp-RawCell").count() == 0


def test_the_theme_follows_lab(page: Any) -> None:
    change = (
        "window.jupyterapp.commands.execute('apputils:change-theme', {theme: '%s'})"
    )
    page.evaluate(change % "JupyterLab Dark")
    page.locator('[data-widget][data-theme="dark"]').wait_for(timeout=PATIENCE)
    page.evaluate(change % "JupyterLab Light")
    page.locator('[data-widget][data-theme="light"]').wait_for(timeout=PATIENCE)


def test_no_other_host_is_asked(page: Any, lab: Lab) -> None:
    own = (lab.address, "data:", "blob:", lab.address.replace("http", "ws"))
    assert [url for url in page.foreign if not url.startswith(own)] == []


def test_a_dead_kernel_leaves_a_live_widget(page: Any, lab: Lab) -> None:
    lab.ask(f"api/kernels/{lab.kernel_id()}", "DELETE")
    page.wait_for_timeout(1500)
    page.get_by_role("slider", name="number").press("End")
    assert readout(page) == {"value": 10, "square": 100}
    page.get_by_role("button", name="Undo", exact=True).click()
    assert readout(page)["value"] == 3
