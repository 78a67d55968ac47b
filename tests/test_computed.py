"""A lab's results computed before the class: kept, found again only for what they are of, and played back."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from bnviz.classroom import computed
from bnviz.classroom.lesson_plans import read_plan
from bnviz.classroom.rehearsal import compute, rehearse
from bnviz.classroom.subject import ClassSubject
from bnviz.cli import app
from bnviz.labs import find
from bnviz.labs.base import Setting
from bnviz.runs import RunManager
from bnviz.runs.lab_run import LabRun, LabRuns
from bnviz.runs.pool import run_job

LAB = find("inference")
SETTING = Setting(quick=True, steps=20)
PLAN = """
title = "Mine"
[[part]]
title = "Words"
text = "Four words are here."
minutes = 7
[[part]]
title = "Predict"
link = "labs?lab=inference&steps=20"
"""


@pytest.fixture(scope="module")
def outcomes():
    return [run_job(job) for job in LAB.jobs(SETTING)]


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BNVIZ_HOME", str(tmp_path))


def test_results_are_read_back_as_they_were_and_for_no_other_setting(outcomes):
    assert computed.find(LAB, SETTING) == ()
    computed.keep(LAB, SETTING, outcomes)
    found = computed.find(LAB, SETTING)
    assert [item.recording for item in found] == [item.recording for item in outcomes]
    one, other = (LAB.verdict(LAB.result(SETTING, each)).to_dict() for each in (outcomes, found))
    assert one == other
    for changed in (Setting(quick=True, steps=21), Setting(quick=True, steps=20, changes={"seed": 5})):
        assert computed.find(LAB, changed) == ()
    (computed.folder(LAB, SETTING) / "0.npz").write_bytes(b"no numbers")
    assert computed.find(LAB, SETTING) == ()


def test_results_that_read_back_say_less_are_not_kept(outcomes, monkeypatch):
    monkeypatch.setattr(computed, "_read", lambda place, count: outcomes[::-1])
    with pytest.raises(computed.NotKeptError, match="inference"):
        computed.keep(LAB, SETTING, [*outcomes[:-1], outcomes[0]] if len(outcomes) > 2 else outcomes)
    assert not computed.folder(LAB, SETTING).exists()


def test_a_class_plays_back_what_was_computed_with_what_the_inspections_found(outcomes, tmp_path):
    (tmp_path / "mine.toml").write_text(PLAN)
    part = read_plan(tmp_path / "mine.toml").parts[1]
    computed.keep(LAB, SETTING, outcomes)
    manager, lab_runs = RunManager(workers=1), LabRuns()
    run = ClassSubject.of_part(part).open(manager, lab_runs)
    lab_run = lab_runs.get(run.id)
    assert (run.state, run.step) == ("ready", 0), "nothing measured is there before it is played"
    run._trained.recordings, run._kept = run._find_kept(), True
    lab_run.inspect()
    assert lab_run.done
    expected = LAB.verdict(LAB.result(SETTING, outcomes)).to_dict()
    assert LAB.verdict(lab_run.result()).to_dict() == expected
    manager.close()


def test_who_changes_a_setting_trains(outcomes):
    manager = RunManager(workers=1)
    lab_run = LabRun(LAB, SETTING, manager, computed=outcomes)
    assert lab_run.run._find_kept() == tuple(item.recording for item in outcomes)
    lab_run.run.intervene("learning_rate", 0.25)
    assert lab_run.run._find_kept() is None
    manager.close()


def test_the_run_sheet_counts_verdicts_by_seed_and_says_what_is_computed(tmp_path):
    (tmp_path / "mine.toml").write_text(PLAN)
    plan = read_plan(tmp_path / "mine.toml")
    trained = []

    def train(jobs):
        trained.append([job.experiment for job in jobs])
        short = [type(job)(job.experiment.replace(steps=20), job.inspection) for job in jobs]
        return [run_job(job) for job in short]

    lines = list(rehearse(plan, 2, train))
    assert {item.seed for item in trained[0]} == {0, 1}
    quick = LAB.jobs(Setting(quick=True))
    assert len(trained[0]) == 2 * len(quick)
    assert any("Words" in line and "7 min as planned" in line for line in lines)
    assert sum(int(line.split()[0]) for line in lines if " of 2 seeds: " in line) == 2
    assert any("Nothing is computed beforehand" in line for line in lines)
    assert any("kept." in line for line in compute(plan, train))
    assert any("computed already" in line for line in compute(plan, train))
    date = computed.find(LAB, SETTING)[0].recording.provenance.date[:10]
    again = list(rehearse(plan, 1, train))
    assert any(f"computed on {date}, is played back" in line for line in again)


def test_lesson_check_is_another_name_of_plan(tmp_path):
    (tmp_path / "mine.toml").write_text(PLAN)
    for name in (["plan"], ["lesson", "check"]):
        told = CliRunner().invoke(app, [*name, str(tmp_path / "mine.toml"), "--seeds", "0"])
        assert (told.exit_code, "2 parts, nothing wrong" in told.output) == (0, True)
