"""What all tests share: the data, trainers, a browser that draws, and who works beside whom."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

if TYPE_CHECKING:  # what controls the workers needs none of it
    from bnviz.export.browser import Chrome
    from bnviz.runs import RunManager
    from tests.browser import Server

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if SHARED_DATA.is_dir():
    os.environ.setdefault("BNVIZ_DATA", str(SHARED_DATA))

# The workers of pytest-xdist share the cores already; threads of torch that wait for each other burn them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing here
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How hard tests/test_kills.py tries."""
    parser.addoption("--kills", type=int, default=12, help="trainer processes to kill")
    parser.addoption("--server-kills", type=int, default=2, help="servers to kill, one after the other")
    parser.addoption("--kill-seed", type=int, default=0, help="which of them, and of which networks")


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's AppTest takes the place of `__main__`, which processes that are spawned later would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


SHARED = {"server": "browser", "chromium": "browser", "trainers": "trainers", "chrome": "chrome"}
"""What is started once a session, and the group of the tests that share it."""

FIRST = ("browser", "trainers")
"""The groups that take longest; who begins with them is not waited for in the end."""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups then
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker have all tests that share something costly, be it of a file or of the session."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            groups = {SHARED[name] for name in getattr(item, "fixturenames", ()) if name in SHARED}
            item.add_marker(pytest.mark.xdist_group(min(groups, default=item.path.stem)))
    items.sort(key=lambda item: _group(item) not in FIRST)


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    assert mark is not None
    return str(mark.args[0])


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@pytest.fixture(scope="session")
def trainers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `trainers` save runs."""
    return tmp_path_factory.mktemp("trainers")


@pytest.fixture(scope="session")
def trainers(trainers_folder: Path) -> Iterator[RunManager]:
    """Two trainer processes and their manager, for all tests for which any will do."""
    from bnviz.runs import Limits, RunManager
    from tests.processes import trainer_processes

    before = _children()
    patient = Limits(unwatched_seconds=3600.0)  # tests look at a run when a busy machine lets them
    with RunManager(workers=2, limits=patient, folder=lambda: trainers_folder) as manager:
        yield manager
        started = [item for item in trainer_processes() if item not in before]
        assert started
    manager.close()  # once more harms nobody
    assert psutil.wait_procs(started, timeout=30)[1] == []


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own process with two trainers, for all tests that ask by HTTP or drive a browser."""
    from tests.browser import Server

    folder = tmp_path_factory.mktemp("server")
    server = Server(folder / "log", environment={"BNVIZ_WORKERS": "2", "BNVIZ_HOME": str(folder / "home")})
    with server:
        yield server
        assert server.stop() == []


@pytest.fixture(scope="session")
def chrome() -> Iterator[Chrome]:
    """The browser that draws figures and prints pages."""
    import plotly.graph_objects as go

    from bnviz.export.browser import Chrome
    from bnviz.export.kinds import KINDS

    before = _children()
    with Chrome() as browser:
        browser.draw(go.Figure(), KINDS["svg"])
        started = _children() - before  # later ones may be other browsers, which tests drive
        assert started
        yield browser
    assert psutil.wait_procs(started, timeout=30)[1] == []
