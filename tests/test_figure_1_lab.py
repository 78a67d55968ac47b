"""The lab figure-1: how movement is measured, its table, and its verdict where the claim is false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bnviz.experiment import Experiment, presets
from bnviz.labs import figure_1, find
from bnviz.labs.base import Arm, Result, Setting, View
from bnviz.labs.figure_1 import FULL, Movement, cells, compared, compared_at
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome
from tests.test_labs import invented

LAB = find("figure-1")
QUICK = Setting(quick=True)
MAIN = ("plain", "bn")


def fed(kind: Callable[[Arm], str], wider: float = 1.0) -> Result:
    """A Result of recordings that nobody trained. wider: what the plain networks' inputs are multiplied by."""
    outcomes = []
    for arm in LAB.arms(QUICK):
        made = invented(arm.experiment, kind(arm))
        if arm.experiment.normalizer == "none":
            made = scaled(made, wider)
        outcomes.append(Outcome(made))
    return LAB.result(QUICK, outcomes)


def scaled(recording: Recording, factor: float) -> Recording:
    """Every unit's percentiles are so many times as large."""
    snapshots = tuple(replace(item, units=item.units * np.float32(factor)) for item in recording.snapshots)
    return replace(recording, snapshots=snapshots)


def claimed(experiment: Experiment) -> str:
    return "good" if experiment.normalizer == "batch" else "slow"


def test_movement_is_that_of_a_script_that_goes_unit_by_unit() -> None:
    chance = np.random.default_rng(0)
    recording = invented(Experiment(hidden=(4, 3), steps=1000), "slow")
    snapshots = tuple(
        replace(item, units=chance.normal(size=item.units.shape).astype(np.float32))
        for item in recording.snapshots
    )
    recording = replace(recording, snapshots=snapshots)
    kept = [item for item in snapshots if item.step >= 20]
    travels, widths = [], []
    for unit in (4, 5, 6):  # of the last layer
        for column in range(3):
            path = [float(item.units[unit, column]) for item in kept]
            travels.append(max(path) - min(path))
        widths += [float(item.units[unit, 2] - item.units[unit, 0]) for item in kept]
    moved = Movement.of(recording, 20)
    assert moved.travel == pytest.approx(np.mean(travels))
    assert moved.width == pytest.approx(np.mean(widths))
    assert moved.relative == pytest.approx(np.mean(travels) / np.mean(widths))


def test_the_claim_is_found_false_where_the_inputs_of_both_hold_still() -> None:
    verdict = LAB.verdict(fed(lambda arm: "good"))
    assert verdict.holds is False
    assert verdict.measured["settings_seen"].median == 0


def test_inputs_that_move_far_only_because_their_band_is_wide_do_not_support_the_claim() -> None:
    verdict = LAB.verdict(fed(lambda arm: "good", wider=20.0))
    assert verdict.measured["travel_ratio"].median == pytest.approx(20.0)
    assert verdict.measured["relative_ratio"].median == pytest.approx(1.0)
    assert verdict.holds is False


def test_it_is_unclear_where_our_setting_and_most_of_the_table_disagree() -> None:
    here_alone = fed(lambda arm: claimed(arm.experiment) if arm.name in MAIN else "good")
    elsewhere_alone = fed(lambda arm: "good" if arm.name in MAIN else claimed(arm.experiment))
    for result in (here_alone, elsewhere_alone):
        verdict = LAB.verdict(result)
        assert verdict.holds is None
        assert "Unclear" in verdict.said
    assert LAB.verdict(elsewhere_alone).measured["settings_seen"].median == len(cells(QUICK)) - 1


def test_settings_in_which_a_network_has_not_learned_count_neither_way() -> None:
    def kind(arm: Arm) -> str:
        if arm.name in MAIN or arm.experiment.init_scale == 0.2:
            return claimed(arm.experiment)
        return "failed" if arm.experiment.normalizer == "none" else "good"

    result = fed(kind)
    verdict = LAB.verdict(result)
    # The two main networks are cut where the table ends: by then the slow one has not learned.
    assert verdict.measured["settings_comparable"].median == 2
    assert verdict.measured["settings_seen"].median == 2
    assert verdict.holds is True
    words = [compared(result, cell).words for cell in cells(QUICK)]
    assert words.count("not comparable") == 4
    assert sum(item.endswith(") seen") for item in words) == 2


def test_the_table_says_each_setting_and_waits_for_those_that_are_not_trained() -> None:
    plot = LAB.figures(fed(lambda arm: claimed(arm.experiment)), View())[-1].plot
    drawn = plot.data[0]["cells"]["values"]
    assert len(drawn) == 1 + len(figure_1.QUICK_RATES)
    assert len(drawn[0]) == len(figure_1.QUICK_SCALES)
    assert "seen" in plot.layout["meta"]["alt"]
    empty = LAB.figures(LAB.nothing_yet(QUICK), View())[-1].plot
    assert {entry for column in empty.data[0]["cells"]["values"][1:] for entry in column} == {"–"}


@pytest.mark.parametrize("setting", [QUICK, Setting()], ids=["quick", "full"])
def test_the_main_setting_is_in_the_table_and_is_trained_once(setting: Setting) -> None:
    base = LAB.arms(setting)[0].experiment
    assert [cell.rate for cell in cells(setting) if cell.plain == "plain"] == [base.learning_rate]
    assert len(LAB.arms(setting)) == 2 * len(cells(setting))
    assert {arm.experiment.steps for arm in LAB.arms(setting)[2:]} == {compared_at(base)}


def test_a_reader_who_changes_the_setting_gets_the_whole_table_besides() -> None:
    setting = Setting(quick=True, changes={"init_scale": 0.3})
    assert len(LAB.arms(setting)) == 2 + 2 * len(cells(setting))


def test_links_to_the_playground_s_figure_1_mean_what_they_meant() -> None:
    assert (presets["figure-1"].init_scale, presets["figure-1"].learning_rate) == (0.1, 0.1)
    assert set(FULL.differences(presets["figure-1"])) == {"init_scale", "learning_rate"}
