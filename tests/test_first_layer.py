"""What enters a convolutional network, its first filters, and its feature maps: of these and within a block."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections.block_maps import block_maps
from bnviz.engine.inspections.first_layer import first_layer
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.figures.charts.layer import entering, filters_and_maps, maps_in_block
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


# --- within a block

BLOCKS = SMALL.replace(architecture="inception", hidden=(6, 8, 9), normalizer="batch")


def seen_by_hooks(trainer: Trainer, block: int, example: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """What enters and leaves every normalizer of a block in an evaluation without folding, by name."""
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    network, test = trainer.network.eval(), trainer.recorder.test
    layer = network.blocks[block]
    for name, module in layer.named_modules():
        if name.endswith("normalizer"):
            module.register_forward_hook(
                lambda _module, given, output, name=name: found.update({name: (given[0], output)})
            )
    u = network.shaped(test.scaled(test.inputs[example - 1 : example]))
    for before in network.blocks[:block]:
        u = before(u)
    if hasattr(layer, "branches"):
        for branch in layer.branches:
            z = u
            for convolution in branch.convolutions:
                z = convolution(z)
    else:
        layer(u)
    return found


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize(
    ("architecture", "residual", "shown"),
    [
        ("inception", "none", [("1×1", 0, 0), ("3×3", 1, 1), ("two 3×3", 2, 2), ("average", 3, 0)]),
        ("residual", "none", [("first", "first_normalizer"), ("second", "second_normalizer")]),
        ("residual", "pre", [("first", "first_normalizer"), ("second", "second_normalizer")]),
    ],
)
def test_maps_within_a_block_are_what_passes_its_normalizers(architecture, residual, shown, block):
    experiment = BLOCKS.replace(architecture=architecture, residual=residual)
    trainer, alone = Trainer(experiment), Trainer(experiment)
    for each in (trainer, alone):
        each.advance(5)
    found = block_maps(trainer, block, 3)
    expected = seen_by_hooks(alone, block, 3)
    assert (found.step, found.block, found.example) == (5, block, 3)
    for item, (name, *where) in zip(found.convolutions, shown, strict=True):
        key = where[0] if len(where) == 1 else f"branches.{where[0]}.convolutions.{where[1]}.normalizer"
        x, y = expected[key]
        count = len(item.before)
        assert (item.name, item.features, count) == (name, x.shape[1], min(x.shape[1], 8 // len(shown)))
        np.testing.assert_allclose(item.before, x[0, :count].detach(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(item.after, y[0, :count].detach(), rtol=1e-5, atol=1e-6)
        own = alone.network.blocks[block].get_submodule(key)
        np.testing.assert_allclose(item.statistics.mean, own.running_mean[:count])
        by_hand = (item.before - item.statistics.mean[:, None, None]) / item.statistics.deviation[
            :, None, None
        ]
        gamma, beta = (values.detach().numpy()[:count, None, None] for values in own.scale_and_shift())
        np.testing.assert_allclose(item.after, gamma * by_hand + beta, rtol=1e-4, atol=1e-5)
    assert trainer.network.training


def test_a_block_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="block = 3 is not allowed; allowed is 1 to 2"):
        block_maps(Trainer(BLOCKS), 3, 1)
    with pytest.raises(ValueError, match="allowed is a network of blocks"):
        block_maps(Trainer(SMALL), 1, 1)


@pytest.mark.parametrize("narrow", [False, True])
def test_an_arm_without_normalization_has_one_row_of_maps_and_one_with_it_two(narrow):
    experiments = [BLOCKS.replace(normalizer=name) for name in ("none", "batch")]
    trainers = [Trainer(item) for item in experiments]
    for trainer in trainers:
        trainer.advance(2)
    shown = [block_maps(trainer, 1, 2) for trainer in trainers]
    assert [look.convolutions[0].normalized for look in shown] == [False, True]
    arms = arm_styles([Recording(item) for item in experiments])
    plot = maps_in_block.draw(arms, shown, narrow=narrow)
    drawn = maps_in_block(arms, shown, narrow=narrow).data
    assert len(drawn) == 3 * 8
    assert len({(trace.zmin, trace.zmax) for trace in drawn}) == 2
    assert all(trace.meta["table"]["panel"] for trace in drawn)
    assert all(arm.label in plot.layout["meta"]["alt"] for arm in arms)
    told = [trace.meta["table"]["panel"] for trace in drawn if "μ" in trace.meta["table"]["panel"]]
    assert len(told) == 8  # x of the arm with batch normalization
