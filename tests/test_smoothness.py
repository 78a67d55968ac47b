"""The loss along the gradient against a plain PyTorch script, and what the lab landscape concludes from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz.engine.inspections.shift import random_generators
from bnviz.engine.inspections.smoothness import REACH, along_gradient, over_training
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Result, Setting, View
from bnviz.recording import Recording
from bnviz.recording.landscape import AlongGradient
from bnviz.recording.outcome import Outcome
from tests.test_labs import invented

SMALL = Experiment(
    hidden=(12, 9),
    batch_size=40,
    steps=40,
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    learning_rate=0.3,
    device="cpu",
)
LAB = find("landscape")


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


def torchs_own(trainer: Trainer) -> nn.Sequential:
    """The same network of torch's own modules, in float64."""
    layers: list[nn.Module] = []
    for block in trainer.network.hidden:
        weight = block.affine.weight
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=block.affine.bias is not None)
        linear.load_state_dict(block.affine.state_dict())
        layers.append(linear)
        pair = block.normalizer.scale_and_shift()
        if pair is not None:
            norm = nn.BatchNorm1d(len(weight))
            with torch.no_grad():
                norm.weight.copy_(pair[0])
                norm.bias.copy_(pair[1])
            layers.append(norm)
        layers.append(nn.Tanh())
    output = nn.Linear(*reversed(trainer.network.output.weight.shape))
    output.load_state_dict(trainer.network.output.state_dict())
    return nn.Sequential(*layers, output).double()


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_the_walk_agrees_with_torchs_own_modules_loaded_with_each_point(normalizer: str) -> None:
    trainer = Trainer(SMALL.replace(normalizer=normalizer))
    trainer.advance(7)
    inputs, labels = trainer.upcoming_batch()
    rates = [0.1, 0.3, 1.2]
    losses, changes, distances = along_gradient(trainer.network, (inputs, labels), rates)
    twin = torchs_own(trainer)

    def flat_gradient() -> torch.Tensor:
        loss = F.cross_entropy(twin(inputs.double()), labels)
        return torch.cat([item.flatten() for item in torch.autograd.grad(loss, list(twin.parameters()))])

    start, gradient = nn.utils.parameters_to_vector(twin.parameters()).detach(), flat_gradient()
    for place, rate in enumerate([0.0, *rates]):
        nn.utils.vector_to_parameters(start - rate * gradient, twin.parameters())
        assert losses[place] == pytest.approx(F.cross_entropy(twin(inputs.double()), labels).item(), rel=1e-5)
        assert changes[place] == pytest.approx(float((flat_gradient() - gradient).norm()), rel=1e-3, abs=1e-9)
        assert distances[place] == pytest.approx(rate * float(gradient.norm()), rel=1e-4)


def test_on_a_quadratic_the_numbers_are_those_of_its_curvature() -> None:
    steps = np.array([1.0, 2.0])
    found = AlongGradient(
        np.array([0, 1]),
        np.array([2.0, 1.0]),
        np.array([[0.5, 3.0], [1.0, 1.0]]),
        np.outer([4.0, 0.0], steps),
        np.outer([2.0, 0.0], steps),
    )
    np.testing.assert_array_equal(found.loss_range, [2.5, 0.0])
    np.testing.assert_array_equal(found.gradient_change, [8.0, 0.0])
    assert found.smoothness[0] == 2.0
    assert math.isnan(found.smoothness[1])  # without a gradient there is no way to walk


@pytest.mark.parametrize("normalizer", ["none", "batch", "noisy-batch"])
def test_measuring_leaves_the_trainer_as_it_was_and_follows_the_training_itself(normalizer: str) -> None:
    experiment = SMALL.replace(normalizer=normalizer, dropout=0.1)
    trainer, untouched = Trainer(experiment), Trainer(experiment)
    found = over_training(trainer)
    assert trainer.step == 0
    assert found["losses"].shape == found["change"].shape == (len(found["steps"]), len(REACH))
    for step, loss in zip(found["steps"].tolist(), found["loss"].tolist(), strict=True):
        for one in (trainer, untouched):
            one.advance(step - one.step)
        along_gradient(trainer.network, trainer.upcoming_batch(), [0.3])
        states = (one.network.state_dict() for one in (trainer, untouched))
        assert all(torch.equal(*pair) for pair in zip(*(state.values() for state in states), strict=True))
        draws = (random_generators(one.network) for one in (trainer, untouched))
        assert all(torch.equal(a.get_state(), b.get_state()) for a, b in zip(*draws, strict=True))
        twin = Trainer(experiment)
        twin.advance(step)
        expected = F.cross_entropy(twin.network(twin.upcoming_batch()[0]), twin.upcoming_batch()[1]).item()
        assert loss == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_no_finite_number_is_infinite_and_a_network_that_diverges_ends_the_table() -> None:
    wild = SMALL.replace(normalizer="none", activation="relu", init="gaussian", init_scale=30.0)
    found = AlongGradient.of(over_training(Trainer(wild.replace(learning_rate=100.0))))
    assert not np.isnan(found.losses).any()
    assert AlongGradient.of({}).smoothness.shape == (0,)


def measured(loss: float, losses: float, change: float, distance: float) -> Mapping[str, Any]:
    """What the inspection might have found, the same at every step."""
    along = np.linspace(0.25, 1.0, 4)
    return {
        "steps": np.arange(5),
        "loss": np.full(5, loss),
        "losses": np.tile(loss + losses * along, (5, 1)),
        "change": np.tile(change * along, (5, 1)),
        "distance": np.tile(distance * along, (5, 1)),
    }


ROUGH, SMOOTH = measured(0.5, 0.9, 8.0, 0.5), measured(0.5, 0.1, 1.0, 0.2)
SHORT_AND_CURVED = measured(0.5, 0.1, 1.0, 0.05)


def fed(
    plain: Mapping[str, Any], normalized: Mapping[str, Any], seeds: int = 1, diverged: int = -1
) -> Result:
    """A Result of networks that nobody trained. diverged: the place of a job that did."""
    setting = Setting(quick=True, seeds=seeds)
    outcomes = []
    for place, job in enumerate(LAB.jobs(setting)):
        recording = invented(job.experiment, "good")
        if place == diverged:
            recording = Recording(job.experiment).extended(recording.snapshots[:1], diverged_at=1)
        outcomes.append(Outcome(recording, normalized if job.experiment.normalizer == "batch" else plain))
    return LAB.result(setting, outcomes)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_verdict_follows_the_three_measures_and_not_the_names_of_the_arms(seeds: int) -> None:
    for plain, normalized, holds, answer in (
        (ROUGH, SMOOTH, True, "all"),
        (SMOOTH, ROUGH, False, "none"),
        (ROUGH, ROUGH, False, "none"),
        (ROUGH, SHORT_AND_CURVED, False, "some"),
    ):
        verdict = LAB.verdict(fed(plain, normalized, seeds))
        assert (verdict.holds, verdict.answer) == (holds, answer)
        assert verdict.measured["smoothness_none"].median == pytest.approx(
            plain["change"][0, 0] / plain["distance"][0, 0]
        )
    mixed = fed(ROUGH, SMOOTH, seeds=2)
    swapped = fed(SMOOTH, ROUGH, seeds=2)
    both = {arm: (mixed.outcomes[arm][0], swapped.outcomes[arm][1]) for arm in mixed.outcomes}
    assert LAB.verdict(mixed.replace(outcomes=both)).holds is None


@pytest.mark.parametrize("stuck", [0, 1])
def test_a_network_on_a_plateau_or_diverged_is_not_comparable(stuck: int) -> None:
    plateau = measured(2.3, 0.001, 0.01, 0.02)
    pair = [(plateau, SMOOTH), (ROUGH, plateau)][stuck]
    for result in (fed(*pair), fed(ROUGH, SMOOTH, diverged=stuck), fed({}, {})):
        verdict = LAB.verdict(result)
        assert (verdict.holds, verdict.answer) == (None, None)
        assert "Not comparable" in verdict.sentence
        assert LAB.figures(result, View(narrow=True))


def ran(setting: Setting) -> Result:
    """The lab's own networks, trained and measured."""
    outcomes = []
    for job in LAB.jobs(setting):
        trainer = Trainer(job.experiment)
        recording = Recording(job.experiment).extended(trainer.advance(job.experiment.steps))
        outcomes.append(Outcome(recording, over_training(trainer)))
    return LAB.result(setting, outcomes)


@pytest.mark.parametrize(
    ("setting", "smoothness"),
    [
        (Setting(quick=True), (14.6, 2.1)),
        pytest.param(Setting(seeds=1), (13.8, 6.3), marks=pytest.mark.slow),
    ],
    ids=["digits", "mnist"],
)
def test_he_start_is_smoother_with_batch_norm_by_all_three(
    setting: Setting, smoothness: tuple[float, float]
) -> None:
    verdict = LAB.verdict(ran(setting))
    assert (verdict.holds, verdict.answer) == (True, "all")
    ends = [verdict.measured[f"smoothness_{arm}"].median for arm in ("none", "batch")]
    assert ends == pytest.approx(smoothness, rel=0.3)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(quick=True, steps=100),
        pytest.param(Setting(seeds=1, steps=300), marks=pytest.mark.slow),
    ],
    ids=["digits", "mnist"],
)
def test_with_torchs_start_and_five_layers_the_order_flips_and_the_lab_says_not_comparable(
    setting: Setting,
) -> None:
    changes = {"init": "uniform", "hidden": (100,) * 5}
    verdict = LAB.verdict(ran(Setting(setting.quick, setting.seeds, setting.steps, changes)))
    assert verdict.holds is None
    assert verdict.sentence.startswith("Not comparable")
    assert verdict.measured["smoothness_none"].median < 2 < 5 < verdict.measured["smoothness_batch"].median
