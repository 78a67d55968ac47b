"""Which parameters learn: the others keep every bit, and those that do learn as torch's optimizers would have them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.network import generator
from bnviz.engine.normalizers import NORMALIZER_CLASSES, make
from bnviz.engine.stack import stackable
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.grid import Grid
from bnviz.experiment.knob import OPTIMIZERS, TRAINABLE
from bnviz.experiment.normalization import LEARN

SMALL = Experiment(
    hidden=(14, 9), batch_size=20, steps=30, learning_rate=0.05, activation="relu", init="kaiming"
)


def named(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: item.detach().clone() for name, item in trainer.network.named_parameters()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("trainable", TRAINABLE)
def test_what_is_frozen_keeps_every_bit_under_decay_momentum_and_clipping(
    trainable: str, optimizer: str
) -> None:
    trainer = Trainer(
        SMALL.replace(
            trainable=trainable, optimizer=optimizer, weight_decay=0.1, momentum=0.9, gradient_clipping=1.0
        )
    )
    before = named(trainer)
    trainer.advance(12)
    after = named(trainer)
    moved = {name: int((before[name] != after[name]).sum()) for name in before}
    whole = {name: item.numel() for name, item in before.items()}
    own = {name for name in before if name.endswith(("gamma", "beta"))}
    match trainable:
        case "all":
            assert all(moved.values())
        case "normalizer":
            assert {name for name in moved if moved[name]} == own
        case "output":
            assert {name: moved[name] for name in moved if moved[name]} == {
                name: count for name, count in whole.items() if name.startswith("output")
            }
        case "two-weights":
            assert {name for name in moved if moved[name]} == {f"blocks.{k}.affine.weight" for k in (0, 1)}
            for k in (0, 1):
                name = f"blocks.{k}.affine.weight"
                assert (trainer.masks[list(before).index(name)].sum(1) == 2).all()
                assert ((before[name] != after[name]).sum(1) <= 2).all()


def test_gamma_and_beta_alone_train_as_in_a_plain_torch_loop() -> None:
    experiment = SMALL.replace(trainable="normalizer", momentum=0.9, weight_decay=0.01)
    trainer, theirs = Trainer(experiment), Trainer(experiment)
    network = copy.deepcopy(theirs.network).train()
    for name, item in network.named_parameters():
        item.requires_grad_(name.endswith(("gamma", "beta")))
    optimizer = torch.optim.SGD(
        [item for item in network.parameters() if item.requires_grad], 0.05, momentum=0.9, weight_decay=0.01
    )
    for step in range(20):
        theirs.step = step
        inputs, labels = theirs.next_batch()
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    trainer.advance(20)
    for mine, other in zip(trainer.network.parameters(), network.parameters(), strict=True):
        np.testing.assert_allclose(mine.detach(), other.detach(), atol=1e-6)


def test_the_network_of_the_issue_has_2400_parameters_that_learn_of_641210() -> None:
    trainer = Trainer(Experiment(dataset="mnist", hidden=(400,) * 3, bias="kept", trainable="normalizer"))
    assert sum(int(mask.sum()) for mask in trainer.masks) == 2400
    assert sum(item.numel() for item in trainer.network.parameters()) == 641_210


def test_who_learns_something_is_said_of_every_normalizer_by_its_class() -> None:
    found = {
        name
        for name in NORMALIZER_CLASSES
        if any(True for _ in make(name, 4, generator(0, "noise")).parameters())
    }
    assert found == LEARN
    with pytest.raises(ExperimentError, match="trainable = 'normalizer' leaves nothing that learns"):
        SMALL.replace(normalizer="none", trainable="normalizer")


def test_the_map_and_a_stack_take_networks_alone_that_learn_everything() -> None:
    with pytest.raises(ExperimentError, match="layers of units that all learn"):
        Grid(Experiment(steps=100, trainable="output"))
    assert not stackable([SMALL.replace(trainable="output", seed=seed, init="gaussian") for seed in range(7)])
    assert SMALL.to_query() == SMALL.replace(trainable="all").to_query()
