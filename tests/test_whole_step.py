"""The step that a GPU would repeat as a whole, with a stand-in for the GPU, held to the ordinary step."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bnviz.engine.trainer import Trainer
from bnviz.engine.whole_step import Repeated, WholeStep
from bnviz.experiment import Experiment, Intervention

SMALL = Experiment(hidden=(8, 6), batch_size=20, steps=30, learning_rate=0.3, device="cpu")
KINDS = {
    "plain": SMALL.replace(normalizer="none"),
    "batch": SMALL.replace(momentum=0.9, weight_decay=0.001, schedule="cosine"),
    "nesterov": SMALL.replace(optimizer="nesterov", momentum=0.5, gradient_clipping=0.1),
    "inception": SMALL.replace(
        architecture="inception",
        activation="relu",
        init="kaiming",
        init_scale=1.0,
        learning_rate=0.01,
        augment="shift",
    ),
}
CHANGES = (Intervention(7, "learning_rate", 0.1), Intervention(12, "momentum", 0.7))


def repeated(experiment: Experiment) -> Trainer:
    trainer = Trainer(experiment)
    trainer.whole_step = WholeStep(trainer.network, trainer.optimizer, Repeated())
    return trainer


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_as_the_ordinary_step_does_through_changes_on_the_way(kind: str) -> None:
    ordinary, whole = Trainer(KINDS[kind]), repeated(KINDS[kind])
    expected = ordinary.advance(30, CHANGES)
    found = whole.advance(9, CHANGES)
    whole = copy.deepcopy(whole)
    found += whole.advance(21)
    assert [item.step for item in found] == [item.step for item in expected]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.layers, theirs.layers, rtol=2e-3, atol=2e-4)
        for one, other in zip(mine.curves, theirs.curves, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-3)
    for mine, theirs in zip(
        whole.network.state_dict().values(), ordinary.network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_a_network_that_diverges_ends_at_the_same_step_with_the_same_weights() -> None:
    wild = SMALL.replace(
        activation="identity", normalizer="none", learning_rate=50.0, steps=200, init_scale=3.0
    )
    ordinary, whole = Trainer(wild), repeated(wild)
    for trainer in (ordinary, whole):
        trainer.recorder.due = frozenset({0})  # so that the loss alone tells
    ordinary.advance(200)
    whole.advance(200)
    assert ordinary.diverged_at is not None
    assert (whole.diverged_at, whole.step) == (ordinary.diverged_at, ordinary.step)
    assert whole.ended
    for mine, theirs in zip(whole.parameters, ordinary.parameters, strict=True):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=0.0)


class Counted(TorchDispatchMode):
    """Counts how often a number is read from the device, which waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


def test_between_records_nothing_is_read_from_the_device() -> None:
    trainer = repeated(SMALL.replace(steps=5000))
    trainer.recorder.due = frozenset({0, 40})
    trainer.advance(3)
    with Counted() as counted:
        trainer.advance(30)
    assert counted.reads == 1  # at the end of the call
    ordinary = Trainer(SMALL.replace(steps=5000, architecture="conv"))
    ordinary.recorder.due = frozenset({0})
    ordinary.advance(3)
    with Counted() as counted:
        ordinary.advance(30)
    assert counted.reads >= 30


def test_work_that_differs_from_step_to_step_is_not_taken() -> None:
    assert all(WholeStep.takes(experiment) for experiment in KINDS.values())
    others = (
        {"optimizer": "adam"},
        {"dropout": 0.1},
        {"normalizer": "batch-renorm"},
        {"trainable": "output"},
    )
    for fields in others:
        assert not WholeStep.takes(SMALL.replace(**fields))
    assert Trainer(SMALL).whole_step is None
