"""The wheel: installed outside the checkout, its command serves the app."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TAKEN = ("bnviz", "pages", ".streamlit")
FILES = (
    *("app.py", "setup.py", "pyproject.toml", "README.md", "LICENSE"),
    *("requirements.txt", "requirements-export.txt", "requirements-notebook.txt"),
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as pip puts it there."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in TAKEN:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("bnviz-*.whl")
    target = folder / "there"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


@pytest.mark.slow
def test_the_wheel_holds_every_file_that_the_package_has(installed: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = (item.relative_to(folder) for item in folder.rglob("*") if item.is_file())
        return {item.as_posix() for item in found if "__pycache__" not in item.parts}

    assert files(ROOT / "bnviz") - files(installed / "bnviz") == set()
    assert files(installed / "bnviz" / "served" / "pages") == files(ROOT / "pages")
    assert files(installed / "bnviz" / "served") >= {"app.py", ".streamlit/config.toml"}
    assert not (installed / "bnviz" / "served" / "setup.py").exists()
    (told,) = installed.glob("bnviz-*.dist-info/METADATA")
    needed = [line for line in told.read_text().splitlines() if line.startswith("Requires-Dist: ")]
    extra = {line.split()[1].split("=")[0] for line in needed if 'extra == "export"' in line}
    assert extra == {"kaleido", "pypdf"}
    assert sum("extra ==" in line for line in needed) == 3


@pytest.mark.slow
def test_its_command_serves_the_app_from_any_folder(installed: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(installed), "BNVIZ_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "bnviz", "app", "--port", str(port), "--address", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True) as server:
        try:
            assert json.loads(wait_for(f"http://127.0.0.1:{port}/bnviz/health"))["ok"] is True
            assert b"<html" in wait_for(f"http://127.0.0.1:{port}/start")
        finally:
            os.killpg(server.pid, 15)
            server.wait()


def wait_for(address: str) -> bytes:
    """What is served there, once it is."""
    end = time.monotonic() + 240  # only keeps a broken server from hanging the tests
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            assert time.monotonic() < end, "nothing was served"
            time.sleep(0.2)
