"""What an installation leaves out, and which build of PyTorch `make` takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnviz.experiment import Experiment
from bnviz.export import Stamp
from bnviz.export.browser import Chrome, ChromeError
from bnviz.export.files import write_figures
from bnviz.figures import loss
from tests.recordings import recording

ROOT = Path(__file__).parents[1]
EXPORT = ("kaleido", "choreographer", "pypdf")
TORCH = next(
    line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")
)


@pytest.mark.parametrize("missing", EXPORT)
def test_without_the_extra_a_sentence_names_it_and_the_rest_is_written(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # what Python has for a package that it cannot import
    assert Chrome.path() is None
    with Chrome() as chrome, pytest.raises(ChromeError, match=r"pip install 'bnviz\[export\]'"):
        chrome.print_page("<p>")
    runs = [recording(Experiment(hidden=(3,), steps=4), records=3)]
    told = write_figures({"loss": (loss(runs, theme="print"),) * 2}, tmp_path, Stamp.of(runs))
    assert told is not None
    assert "bnviz[export]" in told
    assert [item.name for item in tmp_path.iterdir()] == ["loss.html"]


@pytest.fixture
def made(tmp_path: Path):
    """Runs make in a folder whose pip notes what it is asked for, and has PyTorch's small build or has not."""
    for name in ("Makefile", "requirements.txt", "requirements-export.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)

    def make(*settings: str, found: bool = True, driver: bool = False) -> tuple[int, list[str], str]:
        pip = programs / "python"
        pip.write_text(
            f'#!/bin/sh\necho "$@" >> asked\ncase "$*" in *+cpu*) exit {0 if found else 1};; esac\n'
        )
        (programs / "streamlit").write_text("#!/bin/sh\n")
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        for name in ("sh", "grep", "ls", "touch", "echo"):
            (tools / name).unlink(missing_ok=True)
            (tools / name).symlink_to(shutil.which(name) or name)
        (tools / "uname").write_text("#!/bin/sh\necho Linux\n")
        (tools / "nvidia-smi").unlink(missing_ok=True)
        if driver:
            (tools / "nvidia-smi").write_text("#!/bin/sh\n")
        for program in (pip, programs / "streamlit", tools / "uname", *tools.glob("nvidia-smi")):
            program.chmod(0o755)
        (tmp_path / "asked").unlink(missing_ok=True)
        command = [shutil.which("make") or "make", "app", *settings]
        done = subprocess.run(command, cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True)
        asked = (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []
        return done.returncode, asked, done.stdout

    return make


needs_make = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("make") is None or Path("/proc/driver/nvidia").exists(),
    reason="about make, on Linux without an NVIDIA driver",
)


@needs_make
def test_without_a_driver_the_build_for_processors_is_taken_and_said(made) -> None:
    status, asked, said = made()
    assert (status, len(asked)) == (0, 2)
    assert asked[0].endswith(f"{TORCH}+cpu")
    assert "build for processors is installed" in said


@needs_make
def test_with_a_driver_the_usual_build_is_taken(made) -> None:
    status, asked, _ = made(driver=True)
    assert (status, ["+cpu" in line for line in asked]) == (0, [False])


@needs_make
def test_where_pip_does_not_find_it_the_usual_build_is_taken_unless_it_was_asked_for(made) -> None:
    status, asked, said = made("CPU=1", "TORCH_INDEX=there", found=False)
    assert (status, len(asked)) == (2, 1)
    assert "--extra-index-url there" in asked[0]
    assert "TORCH_INDEX=address" in said
    status, asked, said = made(found=False)
    assert (status, len(asked)) == (0, 2)
    assert "usual build is taken" in said
