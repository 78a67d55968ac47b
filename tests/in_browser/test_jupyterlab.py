"""A network that is watched in a real JupyterLab: the bands grow while the cell trains, and stay in the notebook."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

import bnviz

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(importlib.util.find_spec("jupyterlab") is None, reason="JupyterLab is not installed"),
]

TRAIN = """
import time, torch
from torch import nn
from bnviz import watch

model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
with watch(model, every=1, name="net") as recording:
    recording.live()
    while recording.updates < 400:
        inputs = torch.randn(20, 6)
        loss = nn.functional.cross_entropy(model(inputs), inputs.argmax(1) % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(0.03)
"""
LAST = "() => document.querySelector('.bnviz-live .js-plotly-plot')?._fullData?.at(-1)?.x?.at(-1) ?? 0"
"""The latest step that is drawn."""


class Lab:
    """A JupyterLab of its own, that knows the bnviz of this folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "IPYTHONDIR": str(folder / "ipython")}
        command = [
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            "--ServerApp.ip=127.0.0.1",
        ]
        quiet = [
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={folder}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
        ]
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, *quiet],
                env=os.environ | own | {"PYTHONPATH": str(Path(bnviz.__file__).parents[1])},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 120
        while True:
            assert self._process.poll() is None, (folder / "log").read_text()
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/api", timeout=5):
                return
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)

    def write(self, name: str, *cells: dict[str, Any]) -> None:
        """A notebook of these cells."""
        content = {
            "cells": cells,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.folder / name).write_text(json.dumps(content))

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)  # the kernels too
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def code(number: int, source: str, outputs: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "id": f"cell-{number}",
        "cell_type": "code",
        "metadata": {},
        "execution_count": None,
        "source": source,
        "outputs": list(outputs),
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


@pytest.fixture
def page(profile: BrowserContext, lab: Lab) -> Iterator[Page]:
    """A page that has asked nobody but the JupyterLab at its end, and whose scripts did not fail."""
    page, problems = profile.new_page(), []
    page.set_default_timeout(180_000)
    page.on("request", lambda request: None if _own(request.url, lab.url) else problems.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_viewport_size({"width": 1300, "height": 1000})
    yield page
    page.close()
    assert problems == []


def _own(url: str, lab: str) -> bool:
    return url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:"))


def test_the_bands_grow_while_the_cell_trains_and_the_recording_shows_itself(page, lab):
    lab.write("train.ipynb", code(1, TRAIN), code(2, "recording"))
    page.goto(f"{lab.url}/lab/workspaces/train/tree/train.ipynb")
    first = page.locator(".jp-CodeCell").first
    first.locator(".cm-content").click()
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')"
    )
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(f"() => ({LAST})() > 3")
    before = page.evaluate(LAST)
    page.wait_for_function(f"() => ({LAST})() > {before} + 5")
    expect(first.locator(".jp-InputPrompt")).to_have_text("[*]:")  # the cell still trains
    expect(first.locator(".bnviz-live")).to_contain_text("Live.")
    expect(first.locator(".bnviz-live")).to_contain_text("The watch has ended.")
    page.wait_for_function(f"() => ({LAST})() === 399")
    page.keyboard.press("Shift+Enter")
    shown = page.locator(".jp-CodeCell").nth(1).locator(".bnviz-recording")
    expect(shown).to_contain_text("net in training mode")
    assert shown.locator("img").evaluate("(image) => image.naturalWidth > 100")


def test_a_notebook_that_is_not_trusted_shows_the_numbers_and_the_notes(page, lab):
    from bnviz import Recording
    from bnviz.notebook.page import recording_html
    from tests.test_notebook import watched

    recording: Recording = watched()
    output = {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {"text/html": recording_html([recording]) + "<script>window.stranger = true</script>"},
    }
    lab.write("stranger.ipynb", code(1, "recording", (output,)))
    page.goto(f"{lab.url}/lab/workspaces/stranger/tree/stranger.ipynb")
    shown = page.locator(".jp-OutputArea-output").first
    expect(shown).to_contain_text("net in training mode")
    expect(shown).to_contain_text("enc.fc2")
    assert shown.locator("td").count() > 10
    assert shown.locator("img").evaluate("(image) => image.naturalWidth > 100")
    assert page.evaluate("() => window.stranger === undefined")
