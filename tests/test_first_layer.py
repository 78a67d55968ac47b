"""What enters a convolutional network, its first filters and their feature maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections.first_layer import first_layer
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.figures.charts.layer import entering, filters_and_maps
from bnviz.figures.frame.arms import arm_styles
from bnviz.recording import Recording

SMALL = Experiment(
    architecture="conv",
    hidden=(10, 4),
    batch_size=12,
    steps=20,
    learning_rate=0.1,
    activation="relu",
    device="cpu",
)
STRIDES = {"conv": 1, "inception": 2, "residual": 2}


@pytest.mark.parametrize("architecture", STRIDES)
@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_the_maps_are_those_of_torchs_own_convolution_and_training_goes_on_as_before(
    architecture, normalizer
):
    experiment = SMALL.replace(architecture=architecture, normalizer=normalizer, augment="shift")
    trainer, alone = Trainer(experiment), Trainer(experiment)
    trainer.advance(7)
    found = first_layer(trainer, 3)

    test = trainer.recorder.test
    x = test.scaled(test.inputs[2:3]).view(1, *trainer.shape)
    layer = trainer.network.first_convolution
    y = F.conv2d(x, layer.affine.weight, layer.affine.bias, stride=STRIDES[architecture], padding=1)
    if normalizer == "batch":
        own = layer.normalizer
        y = F.batch_norm(
            y, own.running_mean, own.running_var, own.gamma, own.beta, eps=experiment.norm_epsilon
        )
    np.testing.assert_allclose(found.maps, y[0, :8].detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.filters, layer.affine.weight[:8].detach().numpy())
    assert (found.step, found.features, found.name) == (7, 10, str(int(test.labels[2])))

    seen: list[torch.Tensor] = []
    loss = trainer.differentiation.loss
    trainer.differentiation.loss = lambda x, labels: (seen.append(x), loss(x, labels))[1]
    after = trainer.advance(13)
    np.testing.assert_array_equal(found.batch, seen[0][:8].view(-1, *trainer.shape).numpy())
    whole = Recording(experiment).extended(alone.advance(20))
    assert np.array_equal(whole.snapshots[-1].layers, after[-1].layers, equal_nan=True)


@pytest.mark.parametrize("step", [0, 1, 3, 6])  # an epoch has three mini-batches
def test_a_look_at_any_step_of_an_epoch_changes_no_mini_batch_that_follows(step):
    experiment = SMALL.replace(architecture="conv", batch_size=479)
    looked_at, alone = Trainer(experiment), Trainer(experiment)
    for trainer in (looked_at, alone):
        trainer.advance(step)
    found = first_layer(looked_at, 1)
    expected, _ = alone.next_batch()
    np.testing.assert_array_equal(found.batch, expected[:8].view(-1, *alone.shape).numpy())
    again = Trainer(experiment)
    for trainer in (looked_at, again):
        trainer.advance(step + 5 - trainer.step)
    for mine, theirs in zip(looked_at.parameters, again.parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_a_fully_connected_network_is_refused():
    with pytest.raises(ValueError, match="has no filters"):
        first_layer(Trainer(Experiment(device="cpu")), 1)


@pytest.mark.parametrize("narrow", [False, True])
def test_both_arms_are_on_one_scale_and_said_in_words(narrow):
    experiments = [SMALL.replace(normalizer=name) for name in ("none", "batch")]
    shown = [first_layer(Trainer(item), 2) for item in experiments]
    arms = arm_styles([Recording(item) for item in experiments])
    for make, scales in ((entering, 1), (filters_and_maps, 2)):
        plot = make.draw(arms, shown, narrow=narrow)
        drawn = make(arms, shown, narrow=narrow).data
        assert len({(trace.zmin, trace.zmax) for trace in drawn}) == scales
        assert len(drawn) == 16 * scales
        assert all(trace.meta["table"]["panel"] for trace in drawn)
        assert all(arm.label in plot.layout["meta"]["alt"] for arm in arms)
