"""The lab test-shift: images changed as SciPy and NumPy would, accuracies by a plain program, and a verdict."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from bnviz.engine.inspections import changed_images
from bnviz.engine.inspections.changed_images import CHANGES, SEVERITIES, SIZES, on_changed_images
from bnviz.engine.network import generator
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.labs import find, test_shift
from bnviz.labs.base import Result, Setting
from bnviz.recording.outcome import Outcome
from tests.test_labs import invented

SMALL = Experiment(
    hidden=(30, 20), activation="relu", init="kaiming", init_scale=1.0, learning_rate=0.2, steps=150
)


def shifted(experiment: Experiment, good: bool) -> Outcome:
    """Contrast and brightness come back, and inversion does not; or, where the claim is false, nothing does."""
    found = {"clean": 0.95, "fixed": np.full((5, 3), 0.2)}
    if experiment.normalizer == "batch":
        own = np.full((5, 3, 4), 0.2)
        own[: 2 if good else 0] = (0.4, 0.7, 0.85, 0.9)
        found |= {"clean_own": np.full(4, 0.9), "own": own, "one_class": np.full((5, 3), 0.1)}
    return Outcome(invented(experiment, "good"), found)


def by_hand(name: str, images: np.ndarray, severity: int) -> np.ndarray:
    """Images (N, H, W) changed, but for noise."""
    place = severity - 1
    if name == "contrast":
        mean = images.mean((1, 2))[:, None, None]
        return mean + (0.5, 0.3, 0.15)[place] * (images - mean)
    if name == "brightness":
        return np.minimum(images + (0.2, 0.4, 0.6)[place], 1.0)
    if name == "inversion":
        share = (0.7, 0.85, 1.0)[place]
        return (1 - share) * images + share * (1 - images)
    sigma = (0.04, 0.07, 0.1)[place] * images.shape[1]
    radius = int(np.ceil(3 * sigma))
    for axis in (1, 2):
        images = gaussian_filter1d(images, sigma, axis, mode="nearest", radius=radius)
    return images


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", [name for name in CHANGES if name != "noise"])
def test_a_change_is_what_scipy_and_numpy_make_of_the_images(name: str, severity: int) -> None:
    images = np.random.default_rng(0).random((3, 12, 12))
    found = CHANGES[name](torch.tensor(images)[:, None], severity, generator(0, "noise"))
    np.testing.assert_allclose(found[:, 0], by_hand(name, images, severity), atol=1e-6)


def test_noise_has_the_deviation_that_is_said_and_stays_between_black_and_white() -> None:
    images = torch.full((50, 1, 20, 20), 0.5)
    found = CHANGES["noise"](images, 1, generator(0, "noise"))
    assert float((found - 0.5).std()) == pytest.approx(0.2, rel=0.03)
    assert float(CHANGES["noise"](images, 3, generator(0, "noise")).min()) == 0.0


def scored(trainer: Trainer, x: np.ndarray) -> np.ndarray:
    """Scores of one mini-batch by its own statistics, in NumPy and float64."""
    for block in trainer.network.hidden:
        x = x @ block.affine.weight.detach().double().numpy().T
        gamma, beta = (item.detach().double().numpy() for item in block.normalizer.scale_and_shift())
        x = np.maximum(gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + beta, 0)
    output = trainer.network.output
    return np.asarray(x @ output.weight.detach().double().numpy().T + output.bias.detach().double().numpy())


def test_accuracies_are_those_of_a_plain_program() -> None:
    trainer = Trainer(SMALL)
    trainer.advance(150)
    found = on_changed_images(trainer)
    test = trainer.recorder.test
    inputs, labels = (item.numpy() for item in test.batch(test.spread(2000)))
    images, count = inputs.reshape(-1, 8, 8).astype(float), len(labels)
    # One mini-batch of all images: what is measured in random ones of 128 must be near it.
    for place, name in enumerate(CHANGES):
        if name == "noise":
            continue
        changed = by_hand(name, images, 3).reshape(count, -1)
        whole = (scored(trainer, changed).argmax(1) == labels).mean()
        assert found["own"][place, 2, SIZES.index(128)] == pytest.approx(whole, abs=0.05), name
    assert found["clean"] > 0.9
    assert (found["own"][..., 0] < found["own"][..., 3]).all(axis=1)[:2].all()
    single = []
    for label in range(10):
        own = images[labels == label][:32]
        single.append(
            (scored(trainer, by_hand("contrast", own, 3).reshape(32, -1)).argmax(1) == label).mean()
        )
    assert found["one_class"][0, 2] == pytest.approx(np.mean(single), abs=0.08)


def test_standardized_inputs_are_changed_before_they_are_standardized() -> None:
    trainer = Trainer(SMALL.replace(input_normalization="per-channel", normalizer="none"))
    trainer.advance(150)
    found = on_changed_images(trainer)
    assert set(found) == {"clean", "fixed"}
    test = trainer.recorder.test
    inputs, labels = test.batch(test.spread(2000))
    expected = (trainer.recorder.scores(inputs).argmax(1) == labels).double().mean()
    assert found["clean"] == pytest.approx(float(expected))


def test_the_lab_and_the_inspection_mean_the_same_changes_and_sizes() -> None:
    assert tuple(CHANGES) == test_shift.CHANGES
    assert (SIZES, len(SEVERITIES)) == (test_shift.SIZES, test_shift.SEVERITIES)
    assert SIZES[test_shift.OF_ONE_CLASS] == changed_images.ONE_CLASS


def result_of(**changes: np.ndarray) -> Result:
    lab, setting = find("test-shift"), Setting(quick=True)
    outcomes = [shifted(job.experiment, True) for job in lab.jobs(setting)]
    found = [
        Outcome(item.recording, dict(item.inspection) | changes) if "own" in item.inspection else item
        for item in outcomes
    ]
    return lab.result(setting, found)


def test_verdicts_for_networks_for_which_the_claim_is_false() -> None:
    verdict = find("test-shift").verdict
    assert verdict(result_of()).holds is True
    assert verdict(result_of()).answer == "contrast"
    as_good = verdict(result_of(one_class=np.full((5, 3), 0.88)))
    assert as_good.holds is False  # mini-batches of one class do no harm
    all_back = verdict(result_of(own=np.full((5, 3, 4), 0.9)))
    assert (all_back.holds, all_back.answer) == (True, "both")
    nothing = verdict(result_of(own=np.full((5, 3, 4), 0.2)))
    assert (nothing.holds, nothing.answer) == (False, "neither")
    unharmed = verdict(result_of(fixed=np.full((5, 3), 0.94)))
    assert (unharmed.holds, unharmed.answer) == (None, None)
    assert "hardly any accuracy" in unharmed.sentence
