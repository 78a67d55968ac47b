"""The labs on where and when statistics are taken: verdicts that come out either way, on invented measurements."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bnviz.experiment import Experiment
from bnviz.labs import find, inference, mechanism, placement
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import dumped
from bnviz.recording import CurvePoint, Recording, Snapshot
from bnviz.recording.outcome import Outcome
from bnviz.recording.snapshot import LAYER_COLUMNS, UNIT_COLUMNS

Measured = Callable[[str], Mapping[str, Any]]


def invented(experiment: Experiment, learned_at: float, drift: float = 0.0, loss: float = 0.1) -> Recording:
    """A recording that nobody trained: it reaches 95 % at `learned_at` of its steps, and its layers drift."""
    depth, units = len(experiment.hidden), sum(experiment.hidden)
    snapshots = []
    for step in [0, *np.unique(np.geomspace(1, experiment.steps, 40).astype(int)).tolist()]:
        share = step / experiment.steps
        layers = np.zeros((depth, len(LAYER_COLUMNS)))
        layers[:, LAYER_COLUMNS.index("drift")] = drift * share
        accuracy = 0.95 if share >= learned_at else 0.1
        points = tuple(CurvePoint(split, loss, accuracy, 360) for split in ("train", "test"))
        histogram = np.ones((depth, 104), np.int32)
        snapshots.append(Snapshot(step, layers, np.zeros((units, len(UNIT_COLUMNS))), histogram, points))
    return Recording(experiment).extended(snapshots)


def bias(normalizer: str) -> Mapping[str, Any]:
    grown = np.linspace(0, 10, 41) if normalizer.startswith("batch-stop") else np.full(41, 1e-7)
    steps = np.arange(41.0)
    return {
        "steps": steps,
        "bias": grown,
        "weights": np.ones(41),
        "loss": np.ones(41),
        "alone_steps": steps,
        "alone_bias": grown,
        "alone_loss": np.full(41, 2.5) + 1e-7 * steps,
        "alone_promised": grown,
    }


def answers(normalizer: str) -> Mapping[str, Any]:
    if normalizer == "none":
        return {}
    rising = np.linspace(0.1, 0.98, len(inference.SIZES))
    return {
        "by_size": rising,
        "flips": 1 - rising,
        "by_classes": np.linspace(0.97, 0.11, len(inference.CLASSES)),
        "moving": 0.98,
        "population": 0.985,
        "outputs": np.random.default_rng(0).random((40, len(inference.SIZES))),
        "alone": 0.75,
    }


def bending(normalizer: str) -> Mapping[str, Any]:
    free = normalizer == "batch"
    missed = np.zeros(6) if free else np.array([0.01, 0.0, 0.0, 0.01, 0.07, 0.13])
    return {"bent": np.full(3, 0.4 if free else 0.07), "missed": missed, "folded": np.nan}


def shifting(normalizer: str) -> Mapping[str, Any]:
    size = {"none": 1.0, "batch": 0.2, "noisy-batch": 2.0, "noise": 3.0}[normalizer]
    return {
        "steps": np.arange(5),
        "distance": np.full((5, 6), size),
        "cosine": np.full((5, 6), 1 - 0.1 * size),
        "gradient": np.ones((5, 6)),
    }


def nothing(normalizer: str) -> Mapping[str, Any]:
    return {}


CLAIMED: dict[str, tuple[Mapping[str, tuple[float, float, float]], Measured]] = {
    "input-only": ({"none": (0.9, 0, 1), "input-only": (0.3, 0, 1), "batch": (0.01, 0, 1)}, nothing),
    "stop-gradient": ({}, bias),
    "inference": ({}, answers),
    "placement": ({}, bending),
    "mechanism": (
        {"none": (0.5, 4.0, 1), "batch": (0.05, 1.0, 1), "noisy-batch": (0.6, 5, 1), "noise": (0.9, 9, 1)},
        shifting,
    ),
}
"""By the normalizer, when each network learns, how far its inputs drift and its loss, and what the inspection
finds, if the claim were plainly true."""
SWAPPED = {
    "input-only": ("input-only", "batch"),
    "stop-gradient": ("stop-mean", "through"),
    "inference": ("bn", "bn"),
    "placement": ("before", "after"),
    "mechanism": ("plain", "bn"),
}


def as_claimed(lab: Lab, setting: Setting) -> Result:
    behaviour, measured = CLAIMED[lab.name]
    outcomes = [
        Outcome(
            invented(job.experiment, *behaviour.get(job.experiment.normalizer, (0.1, 0.0, 0.1))),
            measured(job.experiment.normalizer),
        )
        for job in lab.jobs(setting)
    ]
    return lab.result(setting, outcomes)


def upset(lab: Lab, result: Result) -> Result:
    """Two arms exchanged; in the lab that compares statistics of one network, these."""
    one, other = SWAPPED[lab.name]
    swapped = dict(result.outcomes) | {one: result.outcomes[other], other: result.outcomes[one]}
    if lab.name == "inference":
        swapped["bn"] = tuple(
            Outcome(
                item.recording,
                dict(item.inspection)
                | {"population": 0.3, "moving": 0.3, "by_classes": np.full(len(inference.CLASSES), 0.98)},
            )
            for item in swapped["bn"]
        )
    return result.replace(outcomes=swapped)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", CLAIMED)
def test_a_verdict_holds_where_the_claim_is_true_and_not_where_it_is_upset(name: str, seeds: int) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True, seeds=seeds))
    verdict = lab.verdict(result)
    assert verdict.holds is True
    assert verdict.seeds == seeds
    json.loads(dumped(verdict.to_dict()))
    assert lab.verdict(upset(lab, result)).holds is False


@pytest.mark.parametrize("name", CLAIMED)
def test_seeds_that_disagree_leave_a_verdict_unclear(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True, seeds=2))
    other = upset(lab, result)
    mixed = {arm: (result.outcomes[arm][0], other.outcomes[arm][1]) for arm in result.outcomes}
    assert lab.verdict(result.replace(outcomes=mixed)).holds is None


@pytest.mark.parametrize("name", CLAIMED)
def test_a_right_prediction_and_a_wrong_one_are_told_so(name: str) -> None:
    lab = find(name)
    result = as_claimed(lab, Setting(quick=True))
    answer = lab.verdict(result).answer
    assert answer is not None
    if isinstance(lab.prediction, Choice):
        assert isinstance(answer, str)
        wrong: Any = next(key for key in lab.prediction.options if key != answer)
    else:
        wrong = [100.0]
    assert lab.score(answer, result).right is True
    assert lab.score(wrong, result).right is False


@pytest.mark.parametrize("view", [View(), View(theme="dark", narrow=True, seed=5)], ids=str)
@pytest.mark.parametrize("name", CLAIMED)
def test_figures_show_what_was_measured_and_say_it_in_words(name: str, view: View) -> None:
    lab = find(name)
    for item in lab.figures(as_claimed(lab, Setting(quick=True, seeds=2)), view):
        type(item.figure)(item.figure.to_plotly_json())  # checks every property
        assert "nothing yet" not in item.figure.layout.meta["alt"]


def test_answers_name_what_was_measured_also_where_nobody_expects_it() -> None:
    lab = find("mechanism")
    result = as_claimed(lab, Setting(quick=True))
    assert lab.verdict(result).answer == "like-plain"
    unmoved = dict(result.outcomes) | {"noisy-bn": result.outcomes["bn"]}
    assert lab.verdict(result.replace(outcomes=unmoved)).answer == "like-bn"
    assert lab.verdict(result.replace(outcomes=unmoved)).holds is False
    assert lab.verdict(upset(lab, result)).answer is None
    lab = find("placement")
    result = as_claimed(lab, Setting(quick=True))
    assert lab.verdict(result).answer == "before"
    assert lab.verdict(upset(lab, result)).answer == "after"
    confined = dict.fromkeys(result.outcomes, result.outcomes["after"])
    assert lab.verdict(result.replace(outcomes=confined)).answer == "alike"
    lab = find("input-only")
    assert lab.verdict(as_claimed(lab, Setting(quick=True))).answer == "part"
    assert lab.verdict(upset(lab, as_claimed(lab, Setting(quick=True)))).answer == "all"


def test_noise_undoes_nothing_half_or_all_of_the_advantage() -> None:
    assert mechanism.undone(1000, 10, 10) == 0.0
    assert mechanism.undone(1000, 10, 100) == pytest.approx(0.5)
    assert mechanism.undone(1000, 10, 1000) == pytest.approx(1.0)
    assert mechanism.undone(np.inf, 10, np.inf) == 1.0
    assert np.isnan(mechanism.undone(10, 10, 10))
    assert np.isnan(mechanism.undone(np.inf, np.inf, 10))


def test_relu_leaves_the_placement_unclear() -> None:
    lab = find("placement")
    result = as_claimed(lab, Setting(quick=True))
    blind = {
        arm: tuple(
            Outcome(item.recording, dict(item.inspection) | {"bent": np.full(3, np.nan)}) for item in seeds
        )
        for arm, seeds in result.outcomes.items()
    }
    verdict = lab.verdict(result.replace(outcomes=blind))
    assert verdict.holds is None
    assert "ReLU" in verdict.sentence
    assert set(placement.ARMS) == {arm.name for arm in result.arms}
