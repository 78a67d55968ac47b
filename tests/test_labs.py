"""The labs: their shape, their quick runs, and verdicts that can come out either way."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bnviz.labs as registry
from bnviz.classroom.lesson_plans import Part, all_plans
from bnviz.experiment import Experiment, ExperimentError
from bnviz.export import lab_files
from bnviz.labs import all_labs, find
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.formulas import set_apart
from bnviz.labs.predictions import NOTHING, Choice, Estimate, PredictionError, Slider
from bnviz.labs.verdicts import Measure, agreed, late_accuracy, quotients, steps_to
from bnviz.recording import CurvePoint, Recording, Snapshot
from bnviz.recording.outcome import Outcome
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, QUANTILE_COLUMNS, UNIT_COLUMNS
from bnviz.runs.pool import train_many

LABS = list(all_labs())
MOST_QUICK_STEPS = 15_000
MOST_QUOTED_WORDS = 25
TINY = Setting(quick=True, steps=12)

together = pytest.mark.xdist_group("labs")  # on one worker, as what was trained for one test serves others


QUICK = ("figure-1", "learning-rate", "inference", "mechanism", "test-shift", "length-direction")
"""The labs that the quick tests train: of both kinds of question, with and without inspections, of a few networks."""
TRAINED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LABS]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """Every lab that is asked for really trained, for a few steps, all by one pool of workers."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked = {item.callspec.params["name"] for item in items if "results" in item.fixturenames}
    names = [name for name in LABS if name in asked]
    jobs = {name: find(name).jobs(TINY) for name in names}
    outcomes = iter(train_many([job for name in names for job in jobs[name]], workers=2))
    return {name: find(name).result(TINY, [next(outcomes) for _ in jobs[name]]) for name in names}


@pytest.mark.parametrize("name", LABS)
def test_a_lab_says_what_is_claimed_where_and_what_to_predict(name: str) -> None:
    lab = find(name)
    assert lab.name == name
    assert name == name.lower()
    assert lab.title
    assert lab.section
    assert lab.question.endswith("?")
    assert len(lab.quote.split()) <= MOST_QUOTED_WORDS
    assert "$$" in lab.explanation
    if isinstance(lab.prediction, Choice):
        assert len(lab.prediction.options) >= 2
    else:
        assert 1 <= len(lab.prediction.sliders) <= 2
        assert all(item.low <= item.start <= item.high for item in lab.prediction.sliders)


def lines_with_a_fence(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if "$$" in line]


@pytest.mark.parametrize("name", LABS)
def test_every_formula_of_a_lab_stands_between_two_lines_that_are_dollar_signs_alone(name: str) -> None:
    fences = lines_with_a_fence(find(name).explanation)
    assert fences
    assert set(fences) == {"$$"}
    assert len(fences) % 2 == 0


def test_no_text_of_a_lesson_opens_a_formula_on_a_line_and_closes_it_on_another() -> None:
    for lesson in all_plans()[0]:
        for part in lesson.parts:
            assert set(lines_with_a_fence(part.shown_text)) <= {"$$"}
    with_formula = Part(title="Mine", text="A line:\n\n$$x\n+ y$$\n\nand more.")
    assert with_formula.shown_text == "A line:\n\n$$\nx\n+ y\n$$\n\nand more."


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("$$x$$", "$$\nx\n$$"),
        ("Then $$x$$ follows.", "Then $$x$$ follows."),
        ("One line\n$$x$$\nanother", "One line\n\n$$\nx\n$$\n\nanother"),
        ("It is $$x,\n y$$ here.", "It is\n\n$$\nx,\n y\n$$\n\nhere."),
        ("$$\nx\n$$\n\n$$\ny\n$$", "$$\nx\n$$\n\n$$\ny\n$$"),
        ("It costs $5 and $x$ is a formula.", "It costs $5 and $x$ is a formula."),
    ],
)
def test_formulas_are_set_apart_once_and_text_is_left_alone(written: str, shown: str) -> None:
    assert set_apart(written) == shown
    assert set_apart(shown) == shown


def test_labs_have_numbers_of_their_own() -> None:
    numbers = [lab.number for lab in all_labs().values()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", LABS)
def test_the_quick_setting_is_small_and_the_full_one_is_mnist_with_three_seeds(name: str) -> None:
    lab = find(name)
    quick, full = lab.jobs(Setting(quick=True)), lab.jobs(Setting())
    assert all(job.experiment.dataset == "digits" for job in quick)
    assert sum(job.experiment.steps for job in quick) <= MOST_QUICK_STEPS
    assert all(job.experiment.dataset.startswith("mnist") for job in full)
    assert len(full) == sum(arm.seeds or 3 for arm in lab.arms(Setting()))
    assert len({job.experiment for job in full}) == len(full)


@pytest.mark.parametrize("name", LABS)
def test_arms_have_names_of_their_own_that_serve_as_file_names(name: str) -> None:
    names = [arm.name for arm in find(name).arms(Setting(quick=True))]
    assert len(set(names)) == len(names)
    assert all(set(item) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for item in names)


@pytest.mark.parametrize("name", LABS)
def test_seeds_add_jobs_and_change_nothing_else(name: str) -> None:
    lab = find(name)
    one, three = lab.jobs(Setting(quick=True, seeds=1)), lab.jobs(Setting(quick=True, seeds=3))
    left = iter(three)
    groups = [[next(left) for _ in range(arm.seeds or 3)] for arm in lab.arms(Setting(quick=True))]
    assert next(left, None) is None
    assert [first.experiment for first, *_ in groups] == [job.experiment for job in one]
    for first, *others in groups:
        for other in others:
            assert set(first.experiment.differences(other.experiment)) == {"seed"}
            assert other.inspection == first.inspection


@pytest.mark.parametrize("name", LABS)
def test_fields_changed_by_the_reader_reach_every_arm(name: str) -> None:
    setting = Setting(quick=True, changes={"momentum": 0.5, "seed": 7})
    assert all(arm.experiment.momentum == 0.5 for arm in find(name).arms(setting))
    assert min(job.experiment.seed for job in find(name).jobs(setting)) == 7


@pytest.mark.parametrize("name", LABS)
def test_headings_of_figures_that_are_still_empty_stand_on_axes_that_plotly_draws(name: str) -> None:
    lab = find(name)
    for drawing in lab.figures(lab.nothing_yet(Setting(quick=True)), View()):
        drawn = {trace.get("xaxis", "x") for trace in drawing.plot.data}
        noted = {note["xref"].split()[0] for note in drawing.plot.layout["annotations"]} - {"paper"}
        assert noted <= drawn


@pytest.mark.parametrize("name", ["inference", "regularizer", "whitening"])
def test_a_lab_on_mini_batches_refuses_all_examples_at_once(name: str) -> None:
    with pytest.raises(ExperimentError, match="batch_size = 0"):
        find(name).arms(Setting(quick=True, changes={"batch_size": 0}))


@together
@pytest.mark.parametrize("name", TRAINED)
def test_a_lab_runs_and_writes_a_measured_verdict(
    name: str, results: dict[str, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {}
    monkeypatch.setattr(lab_files, "write_figures", lambda figures, folder, stamp: drawn.update(figures))
    lab, result = find(name), results[name]
    assert result.finished
    lab_files.write(lab, result, tmp_path)
    about = json.loads((tmp_path / "verdict.json").read_text())
    assert about["holds"] in (True, False, None)
    assert about["claim"] == lab.quote
    assert (about["lab"], about["section"], about["question"]) == (name, lab.section, lab.question)
    assert about["seeds"] == 1
    assert about["criterion"]
    networks = max(len(values) for values in about["by_seed"].values())  # a lab may train several of a kind
    assert ("One seed" if networks == 1 else f"{networks} seeds.") in about["sentence"]
    assert about["provenance"]["torch"]
    assert about["measured"].keys() == about["spread"].keys() == about["meaning"].keys()
    assert drawn
    for arm in result.arms:
        assert Recording.load(tmp_path / f"{arm.name}-seed0.bnviz") == result.recordings(arm.name)[0]


@together
@pytest.mark.parametrize("view", [View(), View(theme="dark", narrow=True), View(theme="projector")], ids=str)
@pytest.mark.parametrize("name", TRAINED)
def test_figures_are_valid_and_say_in_words_what_they_show(
    name: str, view: View, results: dict[str, Result]
) -> None:
    drawings = find(name).figures(results[name], view)
    assert len({item.name for item in drawings}) == len(drawings)
    for item in drawings:
        plain = item.figure.to_plotly_json()
        type(item.figure)(plain)  # checks every property, which figures skip
        assert len(item.figure.layout.meta["alt"]) > 40
        assert item.caption[-1] in ".?"
        assert "no records yet" not in item.figure.layout.meta["alt"]


@pytest.mark.parametrize("name", LABS)
def test_figures_can_be_drawn_before_anything_is_trained(name: str) -> None:
    setting = Setting(quick=True)
    for item in find(name).figures(find(name).nothing_yet(setting), View()):
        assert item.figure.layout.meta["alt"]


@pytest.mark.parametrize("name", LABS)
def test_figures_can_be_drawn_where_every_network_diverged_at_once(name: str) -> None:
    lab, setting = find(name), Setting(quick=True)
    lost = [
        Outcome(
            Recording(job.experiment).extended(
                invented(job.experiment, "failed").snapshots[:1], diverged_at=1
            )
        )
        for job in lab.jobs(setting)
    ]
    assert lab.figures(lab.result(setting, lost), View())


def invented(experiment: Experiment, kind: str) -> Recording:
    """A recording that nobody trained, to see what a verdict makes of it. It is of a network that is "good" and
    learns at once while its inputs hold still, that is "slow", or that "failed" as no gradient arrives."""
    steps = [0, *np.unique(np.geomspace(1, experiment.steps, 40).astype(int)).tolist()]
    depth, units = len(experiment.hidden), sum(experiment.hidden)
    column = {name: place for place, name in enumerate(LAYER_COLUMNS)}
    snapshots = []
    for step in steps:
        share = step / experiment.steps
        accuracy = 0.1 + {"good": 0.88 * min(1.0, 50 * share), "slow": 0.8 * share, "failed": 0.0}[kind]
        middle = 0.0 if kind == "good" else 3 * share
        layers = np.zeros((depth, len(LAYER_COLUMNS)))
        layers[:, column["grad_norm"]] = 1.0 if kind == "good" else 10.0 ** np.arange(-depth, 0)
        for name in QUANTILE_COLUMNS:
            layers[:, column[name]] = middle + int(name[1:]) / 50 - 1
        rows = np.zeros((units, len(UNIT_COLUMNS)), np.float32)
        rows[:, :3] = np.array([-1.0, 0.0, 1.0]) * (1 + 0.1 * share) + middle
        points = tuple(CurvePoint(split, 1.0 - accuracy, accuracy, 360) for split in ("train", "test"))
        histogram = np.zeros((depth, len(HISTOGRAM_EDGES) - 1), np.int32)
        snapshots.append(Snapshot(step, layers, rows, histogram, points))
    return Recording(experiment).extended(snapshots)


def normalized(experiment: Experiment) -> bool:
    return experiment.normalizer == "batch"


AS_CLAIMED: dict[str, Callable[[Experiment], str]] = {
    "figure-1": lambda it: "good" if normalized(it) else "slow",
    "learning-rate": lambda it: "good" if it.learning_rate <= (3.0 if normalized(it) else 0.3) else "failed",
    "initialization": lambda it: (
        "good" if normalized(it) or it.init != "gaussian" or it.init_scale == 0.1 else "failed"
    ),
    "saturation": lambda it: (
        "good" if normalized(it) or it.activation == "relu" else "failed" if len(it.hidden) > 2 else "slow"
    ),
    "fewer-steps": lambda it: "good" if normalized(it) else "slow",
    "map": lambda it: (
        "good" if normalized(it) or (it.init_scale == 1.0 and it.learning_rate == 1.5) else "failed"
    ),
    "batch-size": lambda it: "failed" if normalized(it) and it.batch_size == 2 else "good",
    "family": lambda it: (
        "good" if it.normalizer in ("batch", "layer", "group", "rms") or it.learning_rate <= 0.5 else "failed"
    ),
    "renorm": lambda it: "failed" if normalized(it) and it.batch_classes == 1 else "good",
}
"""How each network would train if the claim were plainly true."""


def as_claimed(lab: Lab, setting: Setting) -> Result:
    outcomes = [
        Outcome(invented(job.experiment, AS_CLAIMED[lab.name](job.experiment))) for job in lab.jobs(setting)
    ]
    return lab.result(setting, outcomes)


def swapped(result: Result) -> Result:
    """With and without batch normalization exchanged wherever an arm has such a partner."""
    other = {"none": "batch", "batch": "none"}
    names = {arm.experiment: arm.name for arm in result.arms}
    partners = {
        arm.name: names.get(
            arm.experiment.replace(
                normalizer=other.get(arm.experiment.normalizer, arm.experiment.normalizer)
            ),
            arm.name,
        )
        for arm in result.arms
    }
    return result.replace(outcomes={name: result.outcomes[partner] for name, partner in partners.items()})


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", AS_CLAIMED)
def test_a_verdict_holds_where_the_claim_is_true_and_not_where_the_arms_are_swapped(
    name: str, seeds: int
) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True, seeds=seeds))
    assert lab.verdict(result).holds is True
    verdict = lab.verdict(swapped(result))
    assert verdict.holds is False
    assert "does not support" in verdict.said


@pytest.mark.parametrize("name", AS_CLAIMED)
def test_seeds_that_disagree_leave_a_verdict_unclear(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True, seeds=2))
    other = swapped(result)
    mixed = {
        name: (seeds[0], other.outcomes[name][1]) if len(seeds) > 1 else seeds
        for name, seeds in result.outcomes.items()
    }
    assert lab.verdict(result.replace(outcomes=mixed)).holds is None


@pytest.mark.parametrize("name", AS_CLAIMED)
def test_a_right_prediction_and_a_wrong_one_are_told_so(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True))
    answer = lab.verdict(result).answer
    assert answer is not None
    if isinstance(lab.prediction, Choice):
        right = answer
        wrong = next(key for key in lab.prediction.options if key != answer)
    else:
        right = tuple(
            min(max(value, item.low), item.high)
            for value, item in zip(answer, lab.prediction.sliders, strict=True)
        )
        wrong = tuple(item.low for item in lab.prediction.sliders)
    assert lab.score(right, result).right is True
    assert lab.score(right, result).sentence.startswith(("Right. You said ", "You said "))
    assert lab.score(wrong, result).right is False
    assert lab.score(wrong, result).sentence.startswith(("Not so. You said ", "You said "))


def test_a_slider_is_right_within_its_factor_and_its_end_stands_for_all_beyond() -> None:
    estimate = Estimate((Slider("times", 1.0, 100.0, 3.0, factor=2.0),))
    assert estimate.score((5.0,), (10.0,)).right is True
    assert estimate.score((4.9,), (10.0,)).right is False
    assert "too low" in estimate.score((4.9,), (10.0,)).sentence
    assert estimate.score((60.0,), (math.inf,)).right is True
    assert estimate.score((5.0,), (math.nan,)) is NOTHING
    assert estimate.score((5.0,), None) is NOTHING


def test_predictions_that_cannot_be_are_refused_with_what_is_allowed() -> None:
    estimate = Estimate((Slider("times", 1.0, 100.0, 3.0),))
    assert estimate.read("3") == (3.0,)
    for text in ("", "many", "0", "101", "nan", "1,2"):
        with pytest.raises(PredictionError, match="a number from 1 to 100"):
            estimate.read(text)
    with pytest.raises(PredictionError, match="one of a, b"):
        Choice({"a": "first", "b": "second"}).read("c")


def test_medians_and_spreads_leave_out_the_unknown_and_keep_the_infinite() -> None:
    measure = Measure("steps", (3.0, math.inf, math.nan, 1.0))
    assert measure.median == 3.0
    assert measure.spread == (1.0, math.inf)
    assert math.isnan(Measure("steps", (math.nan,)).median)


def test_seeds_agree_or_leave_it_unclear() -> None:
    assert [agreed(seeds) for seeds in ([True, True], [False], [True, False])] == [True, False, None]
    assert quotients((1.0, 4.0), (2.0, 0.0)) == (0.5, math.inf)
    assert math.isnan(quotients((math.inf,), (math.inf,))[0])


def test_a_target_is_taken_and_reached_on_the_same_examples() -> None:
    recording = invented(Experiment(steps=1000), "slow")
    last = recording.snapshots[-1]
    more = Snapshot(
        last.step, last.layers, last.units, last.histogram, (CurvePoint("test", 0.0, 1.0, 10_000),)
    )
    recording = Recording(recording.experiment).extended([*recording.snapshots[:-1], more])
    assert late_accuracy(recording) < 0.9
    assert steps_to(recording, 0.95) == math.inf


def test_a_new_file_in_the_folder_is_a_new_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added.py").write_text(
        "from dataclasses import replace\nfrom bnviz.labs.figure_1 import LAB as FIRST\n"
        "LAB = replace(FIRST, number=99, name='added')\n"
    )
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(tmp_path)])
    all_labs.cache_clear()
    try:
        assert list(all_labs()) == [*LABS, "added"]
    finally:
        all_labs.cache_clear()
        sys.modules.pop("bnviz.labs.added", None)


def test_an_unknown_lab_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="figure-1"):
        find("figure-9")
    with pytest.raises(ValueError, match="from 1 to 100"):
        Setting(seeds=0)
