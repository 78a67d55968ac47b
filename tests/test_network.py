"""The network: what arms share, how weights start, and that probing it changes nothing."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz.engine.build import build
from bnviz.engine.network import ACTIVATION_FUNCTIONS, Network, generator
from bnviz.engine.normalizers import BatchNorm
from bnviz.experiment import Experiment
from bnviz.experiment.knob import INITS, NORMALIZERS

INPUTS, CLASSES = 12, 4
BASE = Experiment(hidden=(10, 10, 10), seed=5)
FULLY_CONNECTED = [name for name in NORMALIZERS if name != "instance"]


def network(**changes: object) -> Network:
    return build(BASE.replace(**changes), (INPUTS,), CLASSES)


def weights(net: Network) -> list[torch.Tensor]:
    """The weights of every hidden layer and of the output, from the input on."""
    return [*(block.affine.weight for block in net.hidden), net.output.weight]


def equal(mine: Network, theirs: Network) -> bool:
    """Whether all weights are equal, bit for bit."""
    return all(map(torch.equal, weights(mine), weights(theirs)))


def examples(count: int = 30, inputs: int = INPUTS) -> torch.Tensor:
    return torch.randn((count, inputs), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "changes",
    [
        *({"normalizer": name} for name in FULLY_CONNECTED),
        {"activation": "relu"},
        {"dropout": 0.5},
        {"learning_rate": 3.0},
        {"batch_size": 7},
        {"steps": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("init", INITS)
def test_arms_start_from_equal_weights(init, changes):
    if init == "zeros" and changes.get("normalizer") == "weight":
        pytest.skip("weights of length 0 have no direction")
    assert equal(network(init=init, normalizer="none"), network(**({"init": init} | changes)))


def test_arms_of_different_depth_and_width_start_equal_wherever_a_layer_s_shape_agrees():
    shallow, deep = network(hidden=(10, 10)), network(hidden=(10, 10, 10, 10))
    for mine, theirs in zip(weights(shallow)[:-1], weights(deep), strict=False):
        assert torch.equal(mine, theirs)
    wide = network(hidden=(10, 10, 15))
    for mine, theirs in zip(weights(wide)[:2], weights(deep), strict=False):
        assert torch.equal(mine, theirs)


def test_layers_and_seeds_differ():
    first, second, third, _ = weights(network())
    assert not torch.equal(second, third)
    assert not torch.equal(first, weights(network(seed=6))[0])


def test_generators_of_different_purpose_index_and_seed_are_independent():
    keys = itertools.product((0, 1, 2**31 - 1), ("weights", "order", "noise"), (0, 1, 20))
    drawn = {torch.rand(2, generator=generator(*key), dtype=torch.float64).sum().item() for key in keys}
    assert len(drawn) == 27
    assert torch.equal(
        torch.rand(3, generator=generator(4, "order", 2)), torch.rand(3, generator=generator(4, "order", 2))
    )


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_building_and_training_draw_nothing_from_torch_s_global_chance(architecture):
    experiment = BASE.replace(dropout=0.3, normalizer="noisy-batch", architecture=architecture)
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    shape = (1, 4, 3) if architecture == "conv" else (INPUTS,)
    one = build(experiment, shape, CLASSES)
    one(examples())
    one.probe(examples())
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert equal(one, build(experiment, shape, CLASSES))


@pytest.mark.parametrize("normalizer", FULLY_CONNECTED)
def test_biases_start_at_0_and_stand_only_where_they_are_not_redundant(normalizer):
    net = network(normalizer=normalizer)
    for block in net.hidden:
        assert (block.affine.bias is not None) == block.normalizer.keeps_bias
        assert block.affine.bias is None or not block.affine.bias.any()
    assert not net.output.bias.any()  # the output layer is not normalized


def test_batch_norm_has_no_redundant_bias_and_as_many_parameters_as_the_paper_s():
    counts = {
        name: sum(p.numel() for p in network(normalizer=name).parameters()) for name in ("none", "batch")
    }
    plain = (INPUTS + 1) * 10 + 2 * (10 + 1) * 10 + (10 + 1) * CLASSES
    assert counts == {"none": plain, "batch": plain + 3 * 10}  # γ and β in place of b


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("gaussian", lambda inputs, outputs: 1.0),
        ("uniform", lambda inputs, outputs: 1 / math.sqrt(3 * inputs)),
        ("xavier", lambda inputs, outputs: math.sqrt(2 / (inputs + outputs))),
        ("kaiming", lambda inputs, outputs: math.sqrt(2 / inputs)),
    ],
)
@pytest.mark.parametrize("scale", [0.01, 1.0, 3.0])
def test_weights_have_the_deviation_that_theory_gives_their_scheme(init, expected, scale):
    experiment = Experiment(hidden=(400,), init=init, init_scale=scale)
    weight = weights(build(experiment, (150,), CLASSES))[0].detach().numpy()
    assert weight.shape == (400, 150)
    assert weight.std() == pytest.approx(scale * expected(150, 400), rel=0.02)
    assert abs(weight.mean()) < 0.02 * weight.std()
    kurtosis = ((weight - weight.mean()) ** 4).mean() / weight.var() ** 2
    assert kurtosis == pytest.approx(1.8 if init == "uniform" else 3.0, abs=0.1)
    if init == "uniform":
        assert np.abs(weight).max() == pytest.approx(scale / math.sqrt(150), rel=1e-3)


def test_a_convolution_s_inputs_are_all_values_that_a_filter_sees():
    experiment = Experiment(architecture="conv", hidden=(64, 64), init="kaiming", init_scale=1.0)
    net = build(experiment, (1, 8, 8), 10)
    assert net.hidden[1].affine.weight.shape == (64, 64, 3, 3)
    assert net.hidden[1].affine.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


@pytest.mark.parametrize("shape", [(50, 20), (20, 50), (30, 30)], ids=str)
def test_orthogonal_weights_turn_and_stretch_by_the_scale(shape):
    outputs, inputs = shape
    net = build(Experiment(hidden=(outputs,), init="orthogonal", init_scale=2.5), (inputs,), CLASSES)
    weight = weights(net)[0].detach()
    singular = torch.linalg.svdvals(weight)
    torch.testing.assert_close(singular, torch.full_like(singular, 2.5))


def test_zeros_are_zeros_and_a_scale_of_0_is_too():
    assert not any(weight.any() for weight in weights(network(init="zeros")))
    assert not any(weight.any() for init in INITS for weight in weights(network(init=init, init_scale=0.0)))


WRITTEN_OUT = {
    "sigmoid": lambda v: 1 / (1 + torch.exp(-v)),
    "tanh": torch.tanh,
    "relu": lambda v: v.clamp(min=0),
    "leaky-relu": lambda v: torch.maximum(v, 0.01 * v),
    "elu": lambda v: torch.where(v > 0, v, torch.exp(v) - 1),
    "selu": lambda v: 1.0507009873554805 * torch.where(v > 0, v, 1.6732632423543772 * (torch.exp(v) - 1)),
    "gelu": lambda v: v * 0.5 * (1 + torch.erf(v / math.sqrt(2))),
    "silu": lambda v: v / (1 + torch.exp(-v)),
    "softplus": lambda v: torch.log1p(torch.exp(v)),
    "identity": lambda v: v,
}


def by_hand(
    net: Network, x: torch.Tensor, activation: str
) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """Section 3.2's z = g(BN(Wu)) with formulas of NumPy's kind: before, after BN, and the scores."""
    before, after = [], []
    for block in net.hidden:
        x = x @ block.affine.weight.T
        if block.affine.bias is not None:
            x = x + block.affine.bias
        before.append(x)
        if isinstance(block.normalizer, BatchNorm):
            x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + 1e-5)
            x = block.normalizer.gamma * x_hat + block.normalizer.beta
        after.append(x)
        x = WRITTEN_OUT[activation](x)
    return before, after, x @ net.output.weight.T + net.output.bias


@pytest.mark.parametrize("activation", ACTIVATION_FUNCTIONS)
@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_the_network_and_its_probe_compute_what_is_written_out_by_hand(normalizer, activation):
    net = network(normalizer=normalizer, activation=activation, init="xavier", init_scale=1.0)
    with torch.no_grad():
        for block in net.hidden:
            for parameter in block.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    x = examples()
    before, after, scores = by_hand(net, x, activation)
    probes = net.probe(x)
    torch.testing.assert_close([probe.before for probe in probes], before)
    torch.testing.assert_close([probe.pre_activations for probe in probes], after)
    torch.testing.assert_close(net(x), scores)


@pytest.mark.parametrize("normalizer", FULLY_CONNECTED)
def test_a_probe_sees_what_a_training_step_would_and_leaves_no_trace(normalizer):
    net = network(normalizer=normalizer, init_scale=0.5)
    net(examples())
    before = copy.deepcopy(net.state_dict())
    x = examples(20)
    seen: list[torch.Tensor] = []
    probes = net.probe(x)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(probe.pre_activations.requires_grad for probe in probes)
    assert net.training
    for block in net.hidden:
        block.normalizer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    net(x)
    torch.testing.assert_close([probe.pre_activations for probe in probes], seen)


def test_the_probe_sees_no_dropout_and_draws_none():
    silent, whole = network(dropout=0.9), network(dropout=0.0)
    x = examples()
    torch.testing.assert_close(
        [probe.pre_activations for probe in silent.probe(x)],
        [probe.pre_activations for probe in whole.probe(x)],
    )
    assert torch.equal(silent(x), network(dropout=0.9)(x))  # the probe used up no draw


def test_dropout_silences_its_share_in_training_keeps_the_mean_and_is_off_in_inference():
    net = build(Experiment(hidden=(1000,), dropout=0.3, normalizer="none"), (INPUTS,), CLASSES)
    z = torch.full((50, 1000), 0.7)
    passed = net.hidden[0].dropout(z)
    assert (passed == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(passed.unique(), torch.tensor([0.0, 1.0]))  # 0.7 of them at 0.7/0.7
    assert passed.mean().item() == pytest.approx(0.7, rel=0.02)
    assert not torch.equal(net.hidden[0].dropout(z), passed)
    net.eval()
    assert torch.equal(net.hidden[0].dropout(z), z)
    assert torch.equal(net(examples()), net(examples()))


def test_input_only_normalizes_what_enters_and_no_hidden_layer():
    net = network(normalizer="input-only")
    x = 5.0 + 3.0 * examples()
    plain = network(normalizer="none")
    expected = nn.BatchNorm1d(INPUTS, affine=False)(x)
    torch.testing.assert_close(net(x), plain(expected))
    torch.testing.assert_close(net.probe(x)[0].before, plain.probe(expected)[0].before)


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_a_convolutional_network_is_torch_s(normalizer):
    experiment = Experiment(
        architecture="conv",
        hidden=(3, 5),
        normalizer=normalizer,
        activation="relu",
        init="kaiming",
        init_scale=1.0,
    )
    net = build(experiment, (1, 8, 8), 10)
    x = examples(6, 64)
    z = x.view(6, 1, 8, 8)
    for index, block in enumerate(net.hidden):
        z = F.conv2d(z, block.affine.weight, block.affine.bias, padding=1)
        torch.testing.assert_close(net.probe(x)[index].before, z)
        if normalizer == "batch":
            z = nn.BatchNorm2d(z.shape[1])(z)
        torch.testing.assert_close(net.probe(x)[index].pre_activations, z)
        z = F.relu(z)
        z = F.max_pool2d(z, 2) if index == 0 else z  # 8×8 is halved; 4×4 is not
    torch.testing.assert_close(net(x), net.output(z.mean((2, 3))))


def test_a_network_is_the_same_however_many_threads_torch_has():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = network(init="orthogonal")
        torch.set_num_threads(2)
        assert equal(one, network(init="orthogonal"))
    finally:
        torch.set_num_threads(before)
