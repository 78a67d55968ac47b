"""The command line: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from bnviz.cli import app, main
from bnviz.engine.trainer import train
from bnviz.experiment import Experiment
from bnviz.export.browser import Chrome
from bnviz.labs import all_labs
from bnviz.labs.base import Setting
from bnviz.recording import Recording

SMALL = ["--hidden", "8-8", "--steps", "12"]


@pytest.fixture
def html_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SVG and PNG, which need a browser and seconds."""
    monkeypatch.setattr(Chrome, "path", staticmethod(lambda: None))


def run(*arguments: str) -> str:
    """The output of a command that is to succeed."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_knob_of_an_experiment_is_an_option_of_train() -> None:
    told = re.sub(r"(?<=\w)- (?=\w)", "-", re.sub(r"\s+", " ", run("train", "--help")))
    for name, knob in Experiment.knobs().items():
        assert f"--{name.replace('_', '-')}" in told
        assert knob.help.split(".")[0] in told


@pytest.mark.usefixtures("html_alone")
def test_train_writes_a_recording_its_tables_and_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    told = run("train", *SMALL, "--normalizer", "none", "--learning-rate", "0.25", "--out", str(out))
    recording = Recording.load(out / "recording.bnviz")
    assert recording == train(Experiment(hidden=(8, 8), steps=12, normalizer="none", learning_rate=0.25))
    curves = pd.read_csv(out / "curves.csv", comment="#")
    pd.testing.assert_frame_equal(curves, recording.curves, check_dtype=False)
    assert "learning_rate = 0.25" in (out / "curves.csv").read_text()
    assert {path.stem for path in out.glob("*.html")} >= {"accuracy", "loss", "bands", "drift"}
    assert "held-out examples correctly" in told


@pytest.mark.usefixtures("html_alone")
def test_train_starts_from_a_preset_and_draws_the_boundary_of_flat_data(tmp_path: Path) -> None:
    run("train", "--preset", "two-spirals", "--steps", "5", "--hidden", "4", "--out", str(tmp_path))
    assert Recording.load(tmp_path / "recording.bnviz").experiment.activation == "tanh"
    assert (tmp_path / "boundary.html").exists()


@pytest.mark.usefixtures("html_alone")
def test_replay_says_whether_every_number_agrees(tmp_path: Path) -> None:
    train(Experiment(hidden=(8,), steps=12)).save(tmp_path / "true.bnviz")
    assert "Every number agrees" in run("replay", str(tmp_path / "true.bnviz"))
    true = Recording.load(tmp_path / "true.bnviz")
    other = train(Experiment(hidden=(8,), steps=12, seed=1))
    Recording(true.experiment, snapshots=true.snapshots[:5] + other.snapshots[5:]).save(
        tmp_path / "false.bnviz"
    )
    result = CliRunner().invoke(app, ["replay", str(tmp_path / "false.bnviz")])
    assert result.exit_code == 1
    assert "now, at step 5" in result.output


def test_labs_are_listed() -> None:
    assert [line.split()[0] for line in run("lab", "list").splitlines()] == list(all_labs())


@pytest.mark.slow
@pytest.mark.usefixtures("html_alone")
def test_a_lab_writes_recordings_figures_and_a_verdict_for_every_seed(tmp_path: Path) -> None:
    arguments = ("--quick", "--steps", "20", "--seeds", "2", "--predict", "plain", "--out", str(tmp_path))
    told = run("lab", "figure-1", "--report", "--lesson", *arguments)
    about = json.loads((tmp_path / "verdict.json").read_text())
    assert about["seeds"] == 2
    assert len(about["by_seed"]["travel_ratio"]) == 2
    assert about["sentence"] in told
    assert about["score"]["sentence"] in told
    arms = all_labs()["figure-1"].arms(Setting(quick=True))
    names = {f"{arm.name}-seed{seed}.bnviz" for arm in arms for seed in range(arm.seeds or 2)}
    assert {path.name for path in tmp_path.glob("*.bnviz")} == names
    assert (tmp_path / "figure-1.html").exists()
    assert "What is behind it" in (tmp_path / "lesson.html").read_text(encoding="utf-8")
    assert about["score"]["sentence"] in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_a_browser_a_sentence_says_which_figures_were_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    told = run("train", *SMALL, "--out", str(tmp_path))
    assert "not as SVG and PNG" in told
    assert "there is none" in told
    assert {path.suffix for path in tmp_path.glob("bands.*")} == {".html"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lab", "figure-9"], "figure-1"),
        (["lab", "figure-1", "--predict", "maybe"], "allowed is one of plain"),
        (["lab", "figure-1", "--seeds", "0"], "allowed is a number from 1 to 100"),
        (["train", "--learning-rate", "banana"], "learning_rate = 'banana' is not allowed"),
        (["train", "--preset", "nothing"], "allowed is one of first-look"),
        (["replay", "nowhere.bnviz"], "is no recording"),
    ],
)
def test_what_is_not_allowed_is_told_in_a_sentence_with_exit_status_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bnviz", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Traceback" not in message


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process group")
def test_ctrl_c_stops_a_lab_cleanly_and_leaves_no_worker(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bnviz",
        "lab",
        "figure-1",
        "--quick",
        "--steps",
        "1000000",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell gives what runs in its background a deaf ear for Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    try:
        told = ""
        while not re.search(r"\b[1-9][\d.]*k?/[\d.]+M", told):  # until steps are counted
            more = process.stderr.read(1)
            assert more, told
            told += more
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        os.killpg(process.pid, signal.SIGINT)
        rest = process.communicate()[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Stopped" in rest
    assert "Traceback" not in rest
    psutil.wait_procs(workers, timeout=10)
    assert not [item for item in workers if item.is_running() and item.status() != psutil.STATUS_ZOMBIE]
    assert not list(tmp_path.glob("*.bnviz"))
