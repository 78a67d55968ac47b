"""The labs on the family of normalizers: what they train, and verdicts that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.labs import batch_size, find
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.labs.inference import SIZES
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


def modes(own_small: float, own_usual: float, running: float) -> Mapping[str, Any]:
    """What the inspection of lab small-batch-inference might find."""
    own = np.full(len(SIZES), own_usual)
    own[SIZES.index(2)] = own_small
    return {"by_size": own, "flips": 1 - own, "moving": running, "population": running}


def better(place: str) -> Callable[[Experiment], str]:
    """How networks train if this place of the normalizer is the better one."""
    return lambda it: "good" if it.norm_placement == place else "slow"


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


# Lab before-after


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("place", ["before", "after"])
def test_the_better_place_is_the_one_whose_networks_are_all_more_accurate(place: str, seeds: int) -> None:
    lab = find("before-after")
    verdict = lab.verdict(made(lab, better(place), seeds))
    assert (verdict.holds, verdict.answer) == (place == "before", place)
    assert verdict.seeds == 3 * seeds


def test_two_places_that_differ_no_more_than_the_seeds_are_told_alike_and_support_nothing() -> None:
    lab = find("before-after")
    verdict = lab.verdict(made(lab, lambda it: "good"))
    assert (verdict.holds, verdict.answer) == (False, "alike")
    assert verdict.said.count("no difference beyond the seeds") == 3
    one_seed_apart = made(
        lab, lambda it: "slow" if it.norm_placement == "after" and it.seed == 100 else "good"
    )
    assert lab.verdict(one_seed_apart).answer == "alike"


def test_a_place_that_is_better_with_one_nonlinearity_alone_depends_on_it() -> None:
    lab = find("before-after")
    with_sigmoid = made(
        lab, lambda it: "slow" if it.norm_placement == "after" and it.activation == "sigmoid" else "good"
    )
    verdict = lab.verdict(with_sigmoid)
    assert (verdict.holds, verdict.answer) == (True, "depends")
    both_ways = made(
        lab,
        lambda it: "slow" if (it.norm_placement == "after") == (it.activation == "sigmoid") else "good",
    )
    assert lab.verdict(both_ways).holds is False


def test_the_two_places_start_from_equal_weights_and_are_the_settings_of_the_paper_and_its_rival() -> None:
    arms = {arm.name: arm.experiment for arm in find("before-after").arms(Setting(quick=True))}
    assert len(arms) == 3 * 2 * 3
    for name, experiment in arms.items():
        assert experiment.normalizer == "batch"
        other = arms[name.replace("before", "after")]
        assert set(experiment.differences(other)) <= {"norm_placement"}


# Lab small-batch-inference


@pytest.mark.parametrize("seeds", [1, 3])
def test_small_batch_inference_holds_where_the_modes_part_at_two_alone(seeds: int) -> None:
    lab = find("small-batch-inference")
    verdict = lab.verdict(made(lab, lambda it: "good", seeds, modes(0.4, 0.95, 0.95)))
    assert (verdict.holds, verdict.answer, verdict.seeds) == (True, "running", seeds)
    reverse = lab.verdict(made(lab, lambda it: "good", seeds, modes(0.9, 0.7, 0.7)))
    assert (reverse.holds, reverse.answer) == (True, "own")


@pytest.mark.parametrize(("small", "usual"), [(0.95, 0.95), (0.4, 0.4), (0.4, 0.6), (0.95, 0.4)])
def test_small_batch_inference_does_not_hold_where_the_modes_agree_or_part_everywhere(
    small: float, usual: float
) -> None:
    lab = find("small-batch-inference")
    verdict = lab.verdict(made(lab, lambda it: "good", 1, modes(small, usual, 0.95)))
    assert verdict.holds is False
    assert "does not support" in verdict.said
    assert verdict.answer == ("alike" if small == 0.95 else "running")


def test_small_batch_inference_is_unclear_where_seeds_disagree_or_nothing_was_measured() -> None:
    lab = find("small-batch-inference")
    parted, alike = (made(lab, lambda it: "good", 2, modes(own, 0.95, 0.95)) for own in (0.4, 0.95))
    mixed = {name: (parted.outcomes[name][0], alike.outcomes[name][1]) for name in parted.outcomes}
    assert lab.verdict(parted.replace(outcomes=mixed)).holds is None
    verdict = lab.verdict(made(lab, lambda it: "good"))
    assert (verdict.holds, verdict.answer) == (None, None)


def test_figures_of_small_batch_inference_can_be_drawn_while_some_networks_still_train() -> None:
    lab = find("small-batch-inference")
    done, empty = made(lab, lambda it: "good", 1, modes(0.4, 0.9, 0.9)), made(lab, lambda it: "good")
    half = dict(done.outcomes) | {"fast-8": empty.outcomes["fast-8"]}
    for view in (View(), View(narrow=True)):
        drawings = lab.figures(done.replace(outcomes=half), view)
        assert "40.0% at 2" in drawings[0].figure.layout.meta["alt"]
        assert "at 8" not in drawings[1].figure.layout.meta["alt"]


def test_the_weight_of_running_averages_changes_no_weight_of_the_network() -> None:
    lab = find("small-batch-inference")
    arms = {arm.name: arm.experiment for arm in lab.arms(Setting(quick=True, steps=30))}
    fast, slow = (Trainer(arms[f"{speed}-2"]) for speed in ("fast", "slow"))
    for trainer in (fast, slow):
        trainer.advance(30)
    pairs = zip(fast.network.parameters(), slow.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    buffers = zip(fast.network.buffers(), slow.network.buffers(), strict=True)
    assert not all(torch.equal(one, other) for one, other in buffers)


# Lab renorm


def test_batch_renorm_that_fails_as_batch_norm_does_is_no_support() -> None:
    lab = find("renorm")
    assert lab.verdict(made(lab, lambda it: "failed" if it.batch_classes == 1 else "good")).holds is False
    assert lab.verdict(made(lab, lambda it: "good")).holds is False
    never = lab.verdict(made(lab, lambda it: "failed" if it.normalizer == "batch" else "good"))
    assert (never.holds, never.answer) == (None, None)


def test_the_gradient_of_batch_renorm_cannot_move_the_mean_of_a_mini_batch() -> None:
    experiment = find("renorm").arms(Setting(quick=True))[-1].experiment
    assert (experiment.normalizer, experiment.batch_classes) == ("batch-renorm", 1)
    trainer = Trainer(experiment.replace(steps=60))
    trainer.advance(60)  # until r and d are not 1 and 0
    seen = {}

    def keep(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        given[0].register_hook(lambda gradient: seen.update({module: gradient}))

    for block in trainer.network.hidden:
        block.normalizer.register_forward_pre_hook(keep)
    inputs, labels = trainer.train.batch(trainer.order.coming(59, 30))
    torch.nn.functional.cross_entropy(trainer.network(inputs), labels).backward()
    assert len(seen) == 2
    for gradient in seen.values():
        assert gradient.sum(0).abs().max() < 1e-4 * gradient.abs().max()


# Lab family


@pytest.mark.parametrize(
    ("much", "answer"),
    [
        (("batch", "layer", "group", "rms"), "all"),
        (("batch", "weight"), "batch"),
        (("batch", "layer"), "some"),
        (("layer",), "some"),
        ((), "none"),
    ],
)
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_much_higher_rate_is_told_of_those_that_learn_there(
    much: tuple[str, ...], answer: str, seeds: int
) -> None:
    lab = find("family")
    result = made(
        lab,
        lambda it: "good" if it.learning_rate <= (2.0 if it.normalizer in much else 0.25) else "failed",
        seeds,
    )
    verdict = lab.verdict(result)
    assert (verdict.holds, verdict.answer) == (answer == "all", answer)
    assert verdict.measured["largest_rate_mlp_none"].values == (0.25,) * seeds
    for never in (("none",), ("none", *much), ("layer",)):
        nothing = lab.verdict(
            made(lab, lambda it, never=never: "failed" if it.normalizer in never else "good")
        )
        assert (nothing.holds, nothing.answer) == (None, None)


def test_the_full_setting_trains_every_normalizer_in_both_kinds_of_network() -> None:
    arms = find("family").arms(Setting())
    kinds = {(arm.experiment.architecture, arm.experiment.normalizer) for arm in arms}
    connected, convolutional = (
        {name for kind, name in kinds if kind == wanted} for wanted in ("mlp", "conv")
    )
    assert connected >= {"none", "batch", "layer", "group", "rms", "weight", "dynamic-tanh"}
    assert convolutional >= {"none", "batch", "layer", "group", "instance"}
    assert {arm.experiment.architecture for arm in find("family").arms(Setting(quick=True))} == {"mlp"}


# The papers


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("batch-size", "Wu & He 2018, Abstract; Figure 1"),
        ("small-batch-inference", "Ioffe 2017, Abstract"),
        ("renorm", "Ioffe 2017, Abstract"),
        ("figure-1", "Ioffe & Szegedy 2015, Section 4.1"),
    ],
)
def test_a_lab_names_the_paper_that_it_quotes(name: str, source: str) -> None:
    assert find(name).source == source
    assert find(name).verbatim
