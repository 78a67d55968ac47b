"""The labs on the family of normalizers: what they train, and verdicts that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bnviz.experiment import Experiment
from bnviz.labs import batch_size, find
from bnviz.labs.base import Lab, Result, Setting
from bnviz.recording.outcome import Outcome
from tests.test_labs import invented


def made(
    lab: Lab, behaviour: Callable[[Experiment], str], seeds: int = 1, found: Mapping[str, Any] | None = None
) -> Result:
    """A finished Result of recordings that nobody trained; see `invented`."""
    setting = Setting(quick=True, seeds=seeds)
    return lab.result(
        setting,
        [
            Outcome(invented(job.experiment, behaviour(job.experiment)), found or {})
            for job in lab.jobs(setting)
        ],
    )


# Lab batch-size


def test_every_size_of_mini_batch_sees_as_many_examples_at_a_rate_in_proportion() -> None:
    arms = find("batch-size").arms(Setting(quick=True))
    assert len(arms) == 5 * 7
    for arm in arms:
        it = arm.experiment
        assert 2880 - it.batch_size < it.steps * it.batch_size <= 2880
        assert it.learning_rate / it.batch_size == pytest.approx(0.2 / 32)


def test_group_norm_that_fails_as_batch_norm_does_is_no_support() -> None:
    lab = find("batch-size")
    both = made(lab, lambda it: "failed" if it.batch_size == 2 else "good")
    assert lab.verdict(both).holds is False
    neither = made(lab, lambda it: "good")
    assert lab.verdict(neither).holds is False
    assert lab.verdict(neither).answer == "alike"


def test_a_network_that_never_learned_leaves_the_batch_size_unclear() -> None:
    lab = find("batch-size")
    verdict = lab.verdict(made(lab, lambda it: "failed" if it.normalizer == "group" else "good"))
    assert verdict.holds is None
    assert "Train for more steps" in verdict.sentence
    assert verdict.answer is None


def test_the_error_of_batch_size_is_one_minus_the_final_accuracy() -> None:
    recording = invented(Experiment(steps=100), "good")
    [point] = [item for item in recording.snapshots[-1].curves if item.split == "test"]
    assert batch_size.error(recording) == pytest.approx(1 - point.accuracy)
    assert batch_size.error(replace(recording, diverged_at=3)) == pytest.approx(0.9)
