"""Inference by mini-batches and by Algorithm 2, against torch's own layers and NumPy."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bnviz.engine.inspections.inference import (
    CLASSES,
    COMPANIES,
    SIZES,
    in_company,
    population_statistics,
    scores,
)
from bnviz.engine.network import generator
from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.labs import inference

SMALL = Experiment(
    hidden=(14, 10), batch_size=50, steps=120, activation="relu", init="kaiming", init_scale=1.0, device="cpu"
)
KINDS = {"mlp": SMALL, "conv": SMALL.replace(architecture="conv", hidden=(4, 6), steps=10)}


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def trained() -> dict[str, Trainer]:
    trainers = {name: Trainer(experiment) for name, experiment in KINDS.items()}
    for trainer in trainers.values():
        trainer.advance(trainer.experiment.steps)
    return trainers


@pytest.mark.parametrize("kind", KINDS)
def test_mini_batches_computed_together_agree_with_the_network_in_training(
    kind: str, trained: dict[str, Trainer]
) -> None:
    trainer = trained[kind]
    inputs, _ = trainer.recorder.test.batch(torch.arange(60))
    with torch.no_grad():
        found = scores(trainer.network, inputs.view(5, 12, -1))
        network = copy.deepcopy(trainer.network).train()
        for group, own in zip(inputs.view(5, 12, -1), found, strict=True):
            torch.testing.assert_close(own, network(group), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_population_statistics_put_into_torchs_running_ones_give_the_same_scores(
    kind: str, trained: dict[str, Trainer]
) -> None:
    trainer = trained[kind]
    inputs, _ = trainer.recorder.test.batch(torch.arange(40))
    with torch.no_grad():
        statistics = population_statistics(trainer)
        network = copy.deepcopy(trainer.network).eval()
        for block, (mean, variance) in zip(network.hidden, statistics, strict=True):
            assert isinstance(block.normalizer, BatchNorm)
            block.normalizer.running_mean.copy_(mean)
            block.normalizer.running_var.copy_(variance)
        torch.testing.assert_close(
            scores(trainer.network, inputs[None], statistics)[0], network(inputs), rtol=1e-4, atol=1e-4
        )


def test_algorithm_2_agrees_with_torchs_cumulative_average_over_the_same_mini_batches(
    trained: dict[str, Trainer],
) -> None:
    trainer = trained["mlp"]
    with torch.no_grad():
        mean, variance = population_statistics(trainer)[0]
        # E_B[μ_B] over mini-batches that cover nearly all examples is their mean; E_B of unbiased variances is
        # near that of all of them, whatever the division into mini-batches.
        everything, _ = trainer.train.batch(torch.arange(len(trainer.train)))
        x = trainer.network.hidden[0].affine(everything).double().numpy()
    spread = x.std(0) / np.sqrt(len(x))
    assert (np.abs(mean.numpy() - x.mean(0)) < 1.5 * spread + 1e-5).all()
    np.testing.assert_allclose(variance.numpy(), x.var(0, ddof=1), rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_moments_of_algorithm_2_are_unbiased(kind: str, trained: dict[str, Trainer]) -> None:
    trainer = trained[kind]
    layer = torch.nn.BatchNorm1d(14) if kind == "mlp" else torch.nn.BatchNorm2d(4)
    layer.momentum = None  # torch's cumulative average over all mini-batches seen
    order = torch.randperm(len(trainer.train), generator=generator(0, "population"))
    with torch.no_grad():
        for start in range(0, len(order) - 49, 50):
            inputs, _ = trainer.train.batch(order[start : start + 50])
            layer(trainer.network.hidden[0].affine(trainer.network.shaped(inputs)))
        mean, variance = population_statistics(trainer)[0]
    torch.testing.assert_close(mean, layer.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(variance, layer.running_var, rtol=1e-4, atol=1e-5)


def test_what_is_found_is_in_range_and_one_example_alone_says_nothing(trained: dict[str, Trainer]) -> None:
    found = in_company(trained["mlp"])
    assert found["by_size"].shape == found["flips"].shape == (len(SIZES),)
    assert found["by_classes"].shape == (len(CLASSES),)
    assert found["outputs"].shape == (COMPANIES, len(SIZES))
    assert np.ptp(found["outputs"][:, 0]) < 1e-6  # float32: the last bit may depend on where an array lies
    assert found["flips"][0] == 0.0
    assert found["by_size"][0] < 0.25
    assert found["by_size"][-1] > 0.85
    assert found["by_classes"][0] > found["by_classes"][-1] + 0.3
    assert np.ptp(found["outputs"][:, 2]) > 0.05


def test_the_lab_and_its_inspection_speak_of_the_same_mini_batches() -> None:
    assert (inference.SIZES, inference.CLASSES) == (SIZES, CLASSES)


def test_the_inspection_leaves_the_trainer_as_it_was_and_asks_no_plain_network() -> None:
    trainer, untouched = (Trainer(SMALL) for _ in range(2))
    for one in (trainer, untouched):
        one.advance(40)
    first, second = in_company(trainer), in_company(trainer)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    for one in (trainer, untouched):
        one.advance(40)
    states = (one.network.state_dict().values() for one in (trainer, untouched))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*states, strict=True))
    assert in_company(Trainer(SMALL.replace(normalizer="none"))) == {}
