"""Definition 2.1 against a plain PyTorch script, and that measuring it leaves no trace."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.shift import (
    RECORDS,
    definition,
    over_training,
    random_generators,
)
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment

SMALL = Experiment(
    hidden=(12, 9, 7),
    batch_size=40,
    steps=60,
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    learning_rate=0.3,
    device="cpu",
)
KINDS = ("none", "batch", "noisy-batch", "noise")


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


def parameters_of(trainer: Trainer) -> list[dict[str, Tensor]]:
    """Every layer's parameters by name, copied, in float64."""
    layers = [*trainer.network.hidden, trainer.network.output]
    return [
        {name.split(".")[-1]: value.detach().double().clone() for name, value in layer.named_parameters()}
        for layer in layers
    ]


def plain_loss(layers: list[dict[str, Tensor]], x: Tensor, labels: Tensor) -> Tensor:
    """The network once more, in a few lines of PyTorch."""
    for layer in layers[:-1]:
        x = x @ layer["weight"].T + layer.get("bias", torch.zeros(1, dtype=x.dtype))
        if "gamma" in layer:
            x = F.batch_norm(x, None, None, layer["gamma"], layer["beta"], True, 0.0, 1e-5)
        x = x.tanh()
    return F.cross_entropy(x @ layers[-1]["weight"].T + layers[-1]["bias"], labels)


def plain_gradient(layers: list[dict[str, Tensor]], place: int, x: Tensor, labels: Tensor) -> Tensor:
    weight = layers[place]["weight"].clone().requires_grad_()
    mine = [*layers[:place], layers[place] | {"weight": weight}, *layers[place + 1 :]]
    return torch.autograd.grad(plain_loss(mine, x, labels), weight)[0]


@pytest.mark.parametrize("normalizer", ["none", "batch"])
@pytest.mark.parametrize("step", [0, 17])
def test_definition_2_1_agrees_with_a_plain_pytorch_script(normalizer: str, step: int) -> None:
    trainer = Trainer(SMALL.replace(normalizer=normalizer))
    trainer.advance(step)
    before, network = parameters_of(trainer), copy.deepcopy(trainer.network)
    inputs, labels = trainer.upcoming_batch()
    trainer.advance(1)
    after = parameters_of(trainer)
    measured = definition(network, trainer.network, (inputs, labels))
    assert len(measured) == 4
    for place, (distance, angle, size) in enumerate(measured):
        old = plain_gradient(before, place, inputs.double(), labels)
        new = plain_gradient([*after[:place], *before[place:]], place, inputs.double(), labels)
        assert size == pytest.approx(float(old.norm()), rel=1e-5)
        assert distance == pytest.approx(float((old - new).norm()), rel=1e-3, abs=1e-7)
        assert angle == pytest.approx(float(F.cosine_similarity(old.ravel(), new.ravel(), 0)), abs=1e-5)
    assert measured[0][0] == 0.0
    assert measured[2][0] > 1e-4


@pytest.mark.parametrize("normalizer", KINDS)
def test_layers_that_do_not_move_make_no_shift(normalizer: str) -> None:
    trainer = Trainer(SMALL.replace(normalizer=normalizer, dropout=0.2))
    trainer.advance(5)
    still = definition(trainer.network, trainer.network, trainer.upcoming_batch())
    np.testing.assert_array_equal([distance for distance, _, _ in still], 0.0)
    np.testing.assert_allclose([angle for _, angle, _ in still], 1.0, rtol=1e-12)


@pytest.mark.parametrize("normalizer", KINDS)
def test_the_mini_batch_and_the_gradient_are_those_of_the_step_itself(normalizer: str) -> None:
    trainer = Trainer(SMALL.replace(normalizer=normalizer, dropout=0.1))
    trainer.advance(3)
    before, batch = copy.deepcopy(trainer.network), trainer.upcoming_batch()
    twin = copy.deepcopy(trainer)
    gradients = twin.backward()
    assert gradients is not None
    weights = [gradients[index] for (index,) in trainer.recorder.hidden_weights]
    measured = definition(before, before, batch)
    for gradient, (_, _, size) in zip(weights, measured, strict=False):
        assert size == pytest.approx(float(gradient.double().norm()), rel=1e-6)


def test_looking_at_the_next_mini_batch_changes_none_that_follow() -> None:
    looked, other = Trainer(SMALL), Trainer(SMALL)
    for _ in range(SMALL.steps):  # beyond the end of an epoch
        batch = looked.upcoming_batch()
        seen = other.next_batch()
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(batch, seen, strict=True))
        looked.advance(1)
        other.step += 1


@pytest.mark.parametrize("normalizer", KINDS)
def test_measuring_leaves_the_trainer_as_it_was(normalizer: str) -> None:
    experiment = SMALL.replace(normalizer=normalizer, dropout=0.1, steps=40)
    trainer, untouched = Trainer(experiment), Trainer(experiment)
    for one in (trainer, untouched):
        one.advance(20)
    found = over_training(trainer)
    assert trainer.step == 20
    for mine, theirs in zip(
        random_generators(trainer.network), random_generators(untouched.network), strict=True
    ):
        assert torch.equal(mine.get_state(), theirs.get_state())
    for one in (trainer, untouched):
        one.advance(20)
    states = (one.network.state_dict() for one in (trainer, untouched))
    for mine, theirs in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(mine, theirs)
    steps = found["steps"].tolist()
    assert steps[0] == 0
    assert all(earlier < later < 40 for earlier, later in itertools.pairwise(steps))
    assert 10 <= len(steps) <= RECORDS
    assert found["distance"].shape == found["cosine"].shape == found["gradient"].shape == (len(steps), 4)
    np.testing.assert_array_equal(found["distance"][:, 0], 0.0)
    assert (found["distance"][:, 1:] > 0).all()
    assert (np.abs(found["cosine"]) <= 1).all()


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_what_is_followed_is_the_training_itself(normalizer: str) -> None:
    experiment = SMALL.replace(normalizer=normalizer, steps=30)
    found = over_training(Trainer(experiment))
    trainer = Trainer(experiment)
    for step, row in zip(found["steps"].tolist(), found["distance"], strict=True):
        trainer.advance(step - trainer.step)
        before, batch = copy.deepcopy(trainer.network), trainer.upcoming_batch()
        trainer.advance(1)
        assert [distance for distance, _, _ in definition(before, trainer.network, batch)] == row.tolist()


def test_a_network_that_diverges_at_once_leaves_empty_tables() -> None:
    found = over_training(
        Trainer(
            SMALL.replace(
                normalizer="none", init="gaussian", init_scale=100.0, activation="relu", learning_rate=100.0
            )
        )
    )
    assert found["distance"].shape[1] == 4
    assert all(math.isfinite(value) for value in found["distance"].ravel()[:1])
