"""Tests that share something costly run in one worker: without it each worker starts servers and trains labs anew.

pytest 9.2.0 ignores the groups of pytest-xdist 3.8.0 without a word, so pytest is pinned in requirements-dev.txt.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SESSION = """
import os
from pathlib import Path

import pytest

@pytest.fixture(scope="session")
def chrome():
    return None

@pytest.mark.parametrize("number", range(8))
def test_alone(number):
    note("{name}")

@pytest.mark.parametrize("number", range(4))
def test_shared(number, chrome):
    note("chrome")

def note(group):
    Path("{folder}", group + " in " + os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


def test_all_tests_of_a_file_and_all_that_share_a_browser_run_in_one_worker(tmp_path):
    """Our own options and conftest, on three files."""
    ran = tmp_path / "ran"
    ran.mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / f"test_{name}.py").write_text(SESSION.format(name=name, folder=ran))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    group, worker = zip(*(path.name.split(" in ") for path in ran.iterdir()), strict=True)
    assert Counter(group) == {"one": 1, "two": 1, "three": 1, "chrome": 1}
    assert set(worker) == {"gw0", "gw1"}
