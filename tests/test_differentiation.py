"""The chain rule by hand gives autograd's loss and gradients, bit for bit, and takes what it says it takes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from bnviz.engine.backprop import Autograd, ChainRule, Differentiation, differentiation
from bnviz.engine.build import build
from bnviz.engine.network import ACTIVATION_FUNCTIONS, Network
from bnviz.experiment import Experiment
from bnviz.experiment.knob import NORMALIZERS

INPUTS, CLASSES, EXAMPLES, STEPS = 24, 4, 20, 4
TAKEN = ("none", "batch", "batch-no-affine", "input-only", "layer", "group", "rms", "weight")


def network(**changes: object) -> Network:
    base = Experiment(hidden=(9, 8, 7), seed=3, init_scale=0.4, groups=1)
    return build(base.replace(**changes), (INPUTS,), CLASSES)


def mini_batch(seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    inputs = torch.randn((EXAMPLES, INPUTS), generator=chance) * 2 + 1
    return inputs, torch.randint(CLASSES, (EXAMPLES,), generator=chance)


def trained(net: Network, way: Differentiation) -> list[Tensor]:
    """A few steps: every loss and gradient, then what the network has become, running statistics and all."""
    found = []
    for seed in range(STEPS):
        found.append(way.loss(*mini_batch(seed)).detach())
        gradients = way.gradients()
        found += gradients
        with torch.no_grad():
            torch._foreach_add_(list(net.parameters()), list(gradients), alpha=-0.5)
    return [*found, *net.state_dict().values()]


@pytest.mark.parametrize("hidden", [(9,), (9, 8, 7)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATION_FUNCTIONS)
@pytest.mark.parametrize("normalizer", TAKEN)
def test_by_hand_it_is_autograd_bit_for_bit(normalizer, activation, hidden):
    mine = network(normalizer=normalizer, activation=activation, hidden=hidden)
    theirs = copy.deepcopy(mine)
    by_hand, by_autograd = trained(mine, ChainRule(mine)), trained(theirs, Autograd(theirs))
    assert len(by_hand) == len(by_autograd)
    for one, other in zip(by_hand, by_autograd, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("normalizer", TAKEN)
@pytest.mark.parametrize(
    "changes",
    [
        {"norm_placement": "after"},
        {"normalized_layers": "2"},
        {"norm_momentum": 0.3, "norm_epsilon": 0.5},
        {"bias": "kept"},
        {"bias": "none"},
    ],
    ids=str,
)
def test_by_hand_it_is_autograd_wherever_the_normalizer_stands(changes, normalizer):
    mine = network(normalizer=normalizer, **changes)
    theirs = copy.deepcopy(mine)
    assert ChainRule.takes(mine)
    by_hand, by_autograd = trained(mine, ChainRule(mine)), trained(theirs, Autograd(theirs))
    torch.testing.assert_close(by_hand, by_autograd, rtol=0, atol=0)


@pytest.mark.parametrize("normalizer", TAKEN)
def test_by_hand_the_gradients_are_the_loss_s_finite_differences(normalizer):
    net = network(normalizer=normalizer, activation="tanh").double()
    inputs, labels = mini_batch(0)
    way, batch = ChainRule(net), (inputs.double(), labels)
    way.loss(*batch)
    gradients = way.gradients()
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        assert gradient.shape == parameter.shape
        index = tuple(size // 2 for size in parameter.shape)
        around = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                parameter[index] += step
            around.append(way.loss(*batch).item())
        with torch.no_grad():
            parameter[index] += 1e-5
        assert (around[0] - around[1]) / 2e-5 == pytest.approx(gradient[index].item(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("normalizer", [name for name in NORMALIZERS if name != "instance"])
def test_what_is_not_done_by_hand_is_left_to_autograd(normalizer):
    taken = type(differentiation(network(normalizer=normalizer))) is ChainRule
    assert taken == (normalizer in TAKEN)


@pytest.mark.parametrize("normalizer", TAKEN)
def test_a_copy_made_between_steps_goes_on_with_parameters_of_its_own(normalizer):
    mine = network(normalizer=normalizer)
    way = ChainRule(mine)
    way.loss(*mini_batch(0))
    way.gradients()
    theirs, their_way = copy.deepcopy((mine, way))
    state = copy.deepcopy(mine.state_dict())
    moved = trained(theirs, their_way)
    assert all(torch.equal(value, state[key]) for key, value in mine.state_dict().items())
    torch.testing.assert_close(moved, trained(mine, way), rtol=0, atol=0)


@pytest.mark.parametrize("residual", ["pre", "post"])
def test_identities_around_layers_are_left_to_autograd(residual):
    assert isinstance(differentiation(network(hidden=(8, 8), residual=residual)), Autograd)


def test_dropout_and_convolutions_are_left_to_autograd():
    assert isinstance(differentiation(network(dropout=0.5)), Autograd)
    images = build(Experiment(architecture="conv", hidden=(4,)), (1, 8, 8), CLASSES)
    assert isinstance(differentiation(images), Autograd)
