"""Networks trained as one stack: the numbers of those trained alone."""

import numpy as np
import pytest

from bnviz.engine.stack import StackedTrainer, stackable, train_stacked
from bnviz.engine.trainer import train
from bnviz.experiment import Experiment, ExperimentError

BASE = Experiment(hidden=(12, 10), steps=120, batch_size=30)


@pytest.mark.parametrize("normalizer", ["none", "batch"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_every_network_of_a_stack_has_the_numbers_of_one_trained_alone(normalizer, activation):
    base = BASE.replace(normalizer=normalizer, activation=activation)
    grid = [
        base.replace(seed=3, learning_rate=0.1),
        base.replace(seed=4, learning_rate=0.4, momentum=0.5),
        base.replace(seed=3, learning_rate=0.2, weight_decay=0.01, init_scale=0.3),
    ]
    for stacked, alone in zip(train_stacked(grid), map(train, grid), strict=True):
        assert stacked.experiment == alone.experiment
        np.testing.assert_array_equal(stacked.steps, alone.steps)
        np.testing.assert_allclose(stacked.layer_values, alone.layer_values, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(stacked.unit_values, alone.unit_values, rtol=2e-3, atol=2e-3)
        together = stacked.curves.merge(alone.curves, on=["step", "split", "examples"])
        assert len(together) == len(alone.curves)
        np.testing.assert_allclose(together["loss_x"], together["loss_y"], rtol=1e-3)


def test_a_network_that_diverges_leaves_the_others_alone():
    calm = BASE.replace(activation="relu", init="kaiming", weight_decay=1.0, learning_rate=1e-4)
    wild = calm.replace(learning_rate=100.0)  # the decay alone multiplies the weights by -99 in every step
    gone, stayed = train_stacked([wild, calm])
    alone, steady = train(wild), train(calm)
    assert gone.diverged_at == alone.diverged_at
    assert gone.last_step <= gone.diverged_at < wild.steps
    assert stayed.finished
    assert stayed.diverged_at is None
    np.testing.assert_allclose(stayed.layer_values, steady.layer_values, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("change", [{"hidden": (12,)}, {"activation": "tanh"}, {"steps": 60}])
def test_networks_of_different_shapes_are_refused_by_name(change):
    assert not stackable([BASE, BASE.replace(**change)])
    with pytest.raises(ExperimentError, match="differ only in seed, learning_rate"):
        StackedTrainer([BASE, BASE.replace(**change)])


@pytest.mark.parametrize("change", [{"dropout": 0.5}, {"normalizer": "whiten"}])
def test_what_the_stack_does_not_know_is_refused(change):
    assert not stackable([BASE.replace(**change)])
