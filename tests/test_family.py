"""The family of normalizers: against torch where it has them, NumPy and finite differences elsewhere.

Everything is in float64, in odd shapes, with constant inputs and with a single example where that is defined.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from bnviz.engine import normalizers
from bnviz.engine.network import generator
from bnviz.engine.normalizers import (
    NORMALIZER_CLASSES,
    BatchRenorm,
    DynamicTanh,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MeanOnly,
    Normalizer,
    RMSNorm,
    Settings,
    VarianceOnly,
    WeightNorm,
    WeightStandardized,
)
from bnviz.engine.normalizers.renorm import limits
from bnviz.experiment.normalization import NEED_TWO

SHAPES = [(7, 6), (1, 6), (2, 12), (5, 6, 3, 4), (1, 6, 5, 1)]
MAPS = [shape for shape in SHAPES if len(shape) == 4]
BATCHES = [shape for shape in SHAPES if shape[0] > 1]
OURS = [
    "layer",
    "group",
    "instance",
    "rms",
    "weight",
    "weight-standardized",
    "batch-renorm",
    "ghost-batch",
    "mean-only",
    "variance-only",
    "dynamic-tanh",
]


def values(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Skewed values in float64, of no round mean or variance, that ask for their gradient."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (0.7 + 2.3 * (drawn + 0.3 * drawn**2)).requires_grad_()


def uneven(layer: nn.Module) -> None:
    """Move every parameter away from 1 and 0, and to float64."""
    layer.double()
    chance = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=chance, dtype=torch.float64))


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Of an uneven sum of the outputs, so that no gradient vanishes by symmetry."""
    weights = values(tuple(output.shape), seed=9).detach()
    return torch.autograd.grad((weights * output).sum() + (output**3).sum(), inputs)


def copied(ours: Normalizer, theirs: nn.Module, shape: tuple[int, ...] = (-1,)) -> None:
    """Give torch's module our γ and β, where it has them."""
    pair = ours.scale_and_shift()
    assert pair is not None
    with torch.no_grad():
        for parameter, mine in zip(theirs.parameters(), pair, strict=False):
            parameter.copy_(mine.view(shape).expand(parameter.shape))


def agree(ours: Normalizer, theirs: nn.Module, x: Tensor) -> None:
    """Outputs and all gradients, in training and in evaluation mode."""
    for training in (True, False):
        y, expected = ours.train(training)(x), theirs.train(training)(x)
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            gradients(y, x, *ours.parameters()), gradients(expected, x, *theirs.parameters())
        )


# Each example by itself


@pytest.mark.parametrize("shape", [(7, 6), (1, 6), (3, 1)], ids=str)
def test_layer_normalization_is_torch_s(shape):
    ours, theirs = LayerNorm(shape[1]), nn.LayerNorm(shape[1]).double()
    uneven(ours)
    copied(ours, theirs)
    agree(ours, theirs, values(shape))


@pytest.mark.parametrize("shape", MAPS, ids=str)
def test_layer_normalization_of_feature_maps_is_torch_s_with_one_gamma_for_each_map(shape):
    ours, theirs = LayerNorm(6), nn.LayerNorm(shape[1:]).double()
    uneven(ours)
    copied(ours, theirs, (6, 1, 1))
    x = values(shape)
    torch.testing.assert_close(ours(x), theirs(x))
    mine, expected = gradients(ours(x), x, *ours.parameters()), gradients(theirs(x), x, *theirs.parameters())
    torch.testing.assert_close(mine, (expected[0], *(item.sum((1, 2)) for item in expected[1:])))


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_group_normalization_is_torch_s(shape, groups):
    ours, theirs = GroupNorm(shape[1], Settings(groups=groups)), nn.GroupNorm(groups, shape[1]).double()
    uneven(ours)
    copied(ours, theirs)
    agree(ours, theirs, values(shape))


@pytest.mark.parametrize("shape", MAPS, ids=str)
def test_instance_normalization_is_torch_s(shape):
    ours, theirs = InstanceNorm(6), nn.InstanceNorm2d(6, affine=True).double()
    uneven(ours)
    copied(ours, theirs)
    agree(ours, theirs, values(shape))


@pytest.mark.parametrize("shape", [(7, 6), (1, 6), (3, 1)], ids=str)
def test_rms_normalization_is_torch_s(shape):
    ours, theirs = RMSNorm(shape[1]), nn.RMSNorm(shape[1], eps=1e-5).double()
    uneven(ours)
    copied(ours, theirs)
    agree(ours, theirs, values(shape))


@pytest.mark.parametrize("shape", MAPS, ids=str)
def test_rms_normalization_of_feature_maps_is_torch_s_with_one_gamma_for_each_map(shape):
    ours, theirs = RMSNorm(6), nn.RMSNorm(shape[1:], eps=1e-5).double()
    uneven(ours)
    copied(ours, theirs, (6, 1, 1))
    x = values(shape)
    torch.testing.assert_close(ours(x), theirs(x))
    of_x, of_gamma = gradients(ours(x), x, *ours.parameters())
    expected = gradients(theirs(x), x, *theirs.parameters())
    torch.testing.assert_close((of_x, of_gamma), (expected[0], expected[1].sum((1, 2))))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dynamic_tanh_is_its_formula_in_numpy(shape):
    layer = DynamicTanh(shape[1])
    assert layer.alpha.item() == 0.5
    uneven(layer)
    x = values(shape)
    alpha = layer.alpha.item()
    gamma, beta = (
        item.detach().numpy().reshape(-1, *[1] * (len(shape) - 2)) for item in (layer.gamma, layer.beta)
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), gamma * np.tanh(alpha * x.detach().numpy()) + beta)


def test_group_normalization_of_one_group_is_layer_and_of_all_groups_instance_normalization():
    x = values((3, 6, 4, 2))
    torch.testing.assert_close(GroupNorm(6, Settings(groups=1)).double()(x), LayerNorm(6).double()(x))
    torch.testing.assert_close(GroupNorm(6, Settings(groups=6)).double()(x), InstanceNorm(6).double()(x))


def test_groups_that_do_not_divide_and_units_without_positions_are_refused():
    with pytest.raises(ValueError, match="groups = 4 is not allowed; allowed is a divisor of 6"):
        GroupNorm(6, Settings(groups=4))
    with pytest.raises(ValueError, match="allowed is"):
        InstanceNorm(6)(torch.ones(3, 6))


# The weights


@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3, 3)], ids=str)
def test_weight_normalization_is_torch_s_in_weights_and_in_the_gradients_of_length_and_direction(shape):
    layer: nn.Linear | nn.Conv2d = nn.Linear(3, 5) if len(shape) == 2 else nn.Conv2d(2, 4, 3)
    v = values(shape, 1).detach()
    with torch.no_grad():
        layer.double().weight.copy_(v)
    theirs = parametrizations.weight_norm(layer)
    ours = WeightNorm(shape[0]).double()
    ours.start(v)
    torch.testing.assert_close(ours.weight(v), v)  # nothing changes at the start
    g, direction = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    with torch.no_grad():
        ours.g.mul_(1.7)
        g.mul_(1.7)
    v.requires_grad_()
    torch.testing.assert_close(ours.weight(v), theirs.weight)
    of_v, of_g = gradients(ours.weight(v), v, ours.g)
    torch.testing.assert_close((of_v, of_g.view(g.shape)), gradients(theirs.weight, direction, g))


@pytest.mark.parametrize("shape", [(6, 5), (6, 2, 3, 3)], ids=str)
def test_standardized_weights_are_the_weights_batch_normalized_over_their_inputs(shape):
    layer, weight = WeightStandardized(6).double(), values(shape, 1)
    flat = weight.flatten(1)
    expected = F.batch_norm(flat.T, None, None, training=True, eps=1e-5).T.view(shape)
    torch.testing.assert_close(layer.weight(weight), expected)
    torch.testing.assert_close(gradients(layer.weight(weight), weight), gradients(expected, weight))
    x = values((4, 6))
    torch.testing.assert_close(layer(x), nn.GroupNorm(2, 6).double()(x))


# Batch normalization changed in one thing


@pytest.mark.parametrize("ghost", [2, 3, 4])
@pytest.mark.parametrize("shape", [(8, 3), (9, 3), (8, 2, 3, 1)], ids=str)
def test_ghost_batches_are_torch_s_batch_normalization_of_one_part_after_the_other(shape, ghost):
    ours = GhostBatchNorm(shape[1], Settings(ghost_batch=ghost, momentum=0.3))
    uneven(ours)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1], momentum=0.3).double()
    copied(ours, theirs)
    sizes = {(8, 2): [2] * 4, (8, 3): [3, 3, 2], (8, 4): [4, 4]} | {
        (9, 2): [2, 2, 2, 3],  # the one left over joins the part before it
        (9, 3): [3] * 3,
        (9, 4): [4, 5],
    }
    for seed in range(3):
        x = values(shape, seed)
        expected = torch.cat([theirs(part) for part in x.split(sizes[shape[0], ghost])])
        y = ours(x)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(
            gradients(y, x, *ours.parameters()), gradients(expected, x, *theirs.parameters())
        )
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    x = values(shape, 7)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_a_ghost_batch_as_large_as_the_mini_batch_is_batch_normalization():
    x = values((6, 3))
    for size in (6, 100):
        layer = GhostBatchNorm(3, Settings(ghost_batch=size)).double()
        torch.testing.assert_close(layer(x), nn.BatchNorm1d(3).double()(x))


def by_numpy_renormalized(
    batches: list[np.ndarray], gamma: np.ndarray, beta: np.ndarray, start: int, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Algorithm 1 of Ioffe 2017, written a second way: the last y, and μ and σ after it."""
    mu, sigma = np.zeros(len(gamma)), np.ones(len(gamma))
    for step, x in enumerate(batches):
        # 5,000 : 25,000 : 40,000 of the paper, as 1 : 5 : 8
        r_max = np.interp(step, [start, 8 * start], [1, 3])
        d_max = np.interp(step, [start, 5 * start], [0, 5])
        mu_b, sigma_b = x.mean(0), np.sqrt(1e-5 + ((x - x.mean(0)) ** 2).mean(0))
        r, d = np.clip(sigma_b / sigma, 1 / r_max, r_max), np.clip((mu_b - mu) / sigma, -d_max, d_max)
        y = gamma * ((x - mu_b) / sigma_b * r + d) + beta
        mu, sigma = mu + alpha * (mu_b - mu), sigma + alpha * (sigma_b - sigma)
    return y, mu, sigma


@pytest.mark.parametrize("steps", [1, 3, 5, 9, 30])
@pytest.mark.parametrize("momentum", [0.1, 0.01])
def test_batch_renormalization_is_algorithm_1_of_its_paper(steps, momentum):
    layer = BatchRenorm(3, Settings(renorm_start=3, momentum=momentum))
    uneven(layer)
    batches = [values((5, 3), seed) * (1 + seed % 3) + seed for seed in range(steps)]
    for batch in batches:
        y = layer(batch)
    gamma, beta = layer.gamma.detach().numpy(), layer.beta.detach().numpy()
    expected, mu, sigma = by_numpy_renormalized(
        [item.detach().numpy() for item in batches], gamma, beta, start=3, alpha=momentum
    )
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(layer.running_mean.numpy(), mu)
    np.testing.assert_allclose(layer.running_std.numpy(), sigma)
    x = values((4, 3), 99)
    inference = gamma * (x.detach().numpy() - mu) / sigma + beta
    np.testing.assert_allclose(layer.eval()(x).detach().numpy(), inference)


def test_the_limits_of_renormalization_are_the_paper_s():
    assert limits(0, 5000) == limits(5000, 5000) == (1.0, 0.0)
    assert limits(25_000, 5000)[1] == limits(40_000, 5000)[1] == limits(10**6, 5000)[1] == 5.0
    assert limits(40_000, 5000)[0] == limits(10**6, 5000)[0] == 3.0
    assert limits(15_000, 5000)[1] == 2.5
    assert limits(22_500, 5000)[0] == 2.0
    assert limits(0, 0) == (3.0, 5.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 3, 2, 2)], ids=str)
def test_renormalization_starts_as_batch_normalization_with_its_gradients(shape):
    ours = BatchRenorm(3, Settings(renorm_start=10))
    uneven(ours)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3).double()
    copied(ours, theirs)
    x = values(shape)
    y, expected = ours(x), theirs(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        gradients(y, x, *ours.parameters()), gradients(expected, x, *theirs.parameters())
    )


def test_without_limits_renormalization_does_in_training_what_it_does_in_evaluation():
    layer = BatchRenorm(3, Settings(renorm_start=0)).double()
    for seed in range(20):
        layer(values((30, 3), seed))
    x = values((30, 3), 50)
    torch.testing.assert_close(layer.as_in_training(x), copy.deepcopy(layer).eval()(x))


def test_r_and_d_are_constants_to_the_gradient():
    layer = BatchRenorm(2, Settings(renorm_start=1)).double()
    for seed in range(12):
        layer(values((6, 2), seed))
    x = values((6, 2), 30)
    mean, std = x.mean(0), torch.sqrt(x.var(0, unbiased=False) + 1e-5)
    r, d = (std / layer.running_std).detach(), ((mean - layer.running_mean) / layer.running_std).detach()
    assert ((r < 3) & (r > 1 / 3)).all()  # not clipped here
    expected = (x - mean) / std * r + d
    y = layer.as_in_training(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradients(y, x), gradients(expected, x))


@pytest.mark.parametrize("shape", BATCHES, ids=str)
def test_the_halves_of_batch_normalization_are_its_formula_with_the_other_half_left_out(shape):
    mean_only, variance_only = MeanOnly(shape[1]), VarianceOnly(shape[1])
    uneven(mean_only)
    uneven(variance_only)
    torchs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1]).double()
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    along = (1, -1, *[1] * (len(shape) - 2))
    for seed in range(3):
        x = values(shape, seed)
        torchs(x)
        beta, gamma = mean_only.beta.view(along), variance_only.gamma.view(along)
        centered = x - x.mean(axes, keepdim=True) + beta
        divided = gamma * x / torch.sqrt(x.var(axes, unbiased=False, keepdim=True) + 1e-5)
        y, z = mean_only(x), variance_only(x)
        torch.testing.assert_close((y, z), (centered, divided))
        torch.testing.assert_close(
            (*gradients(y, x, mean_only.beta), *gradients(z, x, variance_only.gamma)),
            (*gradients(centered, x, mean_only.beta), *gradients(divided, x, variance_only.gamma)),
        )
    torch.testing.assert_close(mean_only.running_mean, torchs.running_mean)
    torch.testing.assert_close(variance_only.running_var, torchs.running_var)
    x = values(shape, 8)
    torch.testing.assert_close(mean_only.eval()(x), x - torchs.running_mean.view(along) + beta)
    expected = gamma * x / torch.sqrt(torchs.running_var.view(along) + 1e-5)
    torch.testing.assert_close(variance_only.eval()(x), expected)


# Promises of all


def made(name: str, features: int = 6, **settings: object) -> Normalizer:
    layer = normalizers.make(name, features, generator(3, "noise"), Settings(**settings))
    uneven(layer)
    return layer


def defined(name: str) -> list[tuple[int, ...]]:
    """The shapes for which the normalizer is defined in training."""
    shapes = MAPS if name == "instance" else SHAPES
    statistics = name in ("batch-renorm", "ghost-batch", "mean-only", "variance-only")
    return [shape for shape in shapes if shape[0] > 1 or len(shape) == 4 or not statistics]


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in OURS for shape in defined(name)], ids=str
)
def test_gradients_are_finite_differences(name, shape):
    layer = made(name, shape[1], renorm_start=1000)
    x = values(shape)
    assert torch.autograd.gradcheck(layer.as_in_training, (x,), atol=1e-6)
    weight = values((shape[1], 4), 2)
    assert torch.autograd.gradcheck(layer.weight, (weight,), atol=1e-6)


@pytest.mark.parametrize("name", OURS)
def test_constant_inputs_give_finite_outputs_and_gradients(name):
    for shape in defined(name):
        layer = made(name, shape[1])
        x = torch.full(shape, 3.0, dtype=torch.float64, requires_grad=True)
        y = layer(x)
        assert y.isfinite().all()
        assert gradients(y, x)[0].isfinite().all()


@pytest.mark.parametrize(
    "name", ["layer", "group", "instance", "rms", "weight-standardized", "dynamic-tanh", "weight"]
)
def test_companions_change_nothing_where_each_example_is_normalized_by_itself(name):
    layer, x = made(name), values((5, 6, 3, 2)).detach()
    changed = x.clone()
    changed[1:] = 100.0
    for training in (True, False):
        assert torch.equal(layer.train(training)(x)[0], layer(changed)[0])
    torch.testing.assert_close(layer.train()(x), layer.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 2, 3)], ids=str)
@pytest.mark.parametrize("name", NORMALIZER_CLASSES)
def test_values_that_share_statistics_are_those_that_move_with_one_another(name, shape):
    """Moving one value moves those that share its statistics, and no other: seen in the derivative itself."""
    if name == "instance" and len(shape) == 2:
        pytest.skip("not defined")
    layer = normalizers.make(
        name, 4, generator(3, "noise"), Settings(ghost_batch=4, renorm_start=1000)
    ).double()
    ids = layer.shares(shape)
    x = values(shape)
    if ids is None:
        ids = torch.arange(math.prod(shape)).view(shape)  # each value alone
    assert ids.shape == x.shape
    assert ids.dtype == torch.int64
    assert torch.equal(ids.unique(), torch.arange(int(ids.max()) + 1))
    if name in ("batch-stop-mean", "batch-stop-statistics", "whiten", "noise", "noisy-batch"):
        return  # the gradient is stopped, joins all features, or the noise is drawn
    jacobian = torch.autograd.functional.jacobian(layer.as_in_training, x).view(x.numel(), x.numel())
    together = ids.flatten().unsqueeze(0) == ids.flatten().unsqueeze(1)
    assert torch.equal(jacobian.abs() > 1e-12, together)


@pytest.mark.parametrize("name", NORMALIZER_CLASSES)
def test_constant_inputs_and_a_single_example_are_borne_in_both_modes(name):
    """In float64 and odd shapes. A mini-batch of one is for those that take no variance over examples."""
    single = name not in NEED_TWO
    for shape in [(5, 6), (3, 6, 5, 1), *([(1, 6)] if single else []), (1, 6, 3, 2)]:
        if name == "instance" and len(shape) == 2:
            continue
        for x in (torch.full(shape, -2.5, dtype=torch.float64), values(shape).detach()):
            layer = made(name, ghost_batch=2)
            layer.train()(values((4, 6, 3, 2)).detach())  # running statistics of something else
            for training in (True, False):
                x.requires_grad_()
                y = layer.train(training)(x)
                assert (y.shape, y.dtype) == (x.shape, torch.float64)
                assert y.isfinite().all()
                assert gradients(y, x)[0].isfinite().all()
        alone = layer.eval()(x)
        beside = layer(torch.cat([x.detach(), 7.0 * values(shape).detach()]))[: len(x)]
        torch.testing.assert_close(alone, beside)
