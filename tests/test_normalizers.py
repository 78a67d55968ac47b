"""Batch normalization against torch, the paper's formulas and finite differences; its relatives against theirs."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bnviz.engine import normalizers
from bnviz.engine.network import generator
from bnviz.engine.normalizers import (
    EPSILON,
    NORMALIZER_CLASSES,
    BatchNorm,
    L1BatchNorm,
    Noise,
    NoisyBatchNorm,
    NoNormalizer,
    Normalizer,
    ScaledAfterActivation,
    StoppedMean,
    StoppedStatistics,
    Whitening,
    batch_normalize,
)
from bnviz.experiment.knob import NORMALIZERS

SHAPES = [(7, 5), (2, 3), (60, 4), (6, 3, 4, 5), (1, 3, 2, 2)]
TORCH_LAYERS = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}


def random(shape: tuple[int, ...], seed: int = 0, mean: float = 0.7, std: float = 2.3) -> Tensor:
    """Values in float64 that have no round mean or variance, and skewed a little."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean + std * (values + 0.3 * values**2)


FULLY_CONNECTED = [name for name in NORMALIZERS if name != "instance"]


def make(name: str, features: int) -> Normalizer:
    return normalizers.make(name, features, generator(3, "noise"))


def shape_for(name: str) -> tuple[int, ...]:
    """A mini-batch that the normalizer is defined for, of four features."""
    return (9, 4) if name in FULLY_CONNECTED else (6, 4, 3, 3)


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Of an uneven sum of the outputs, so that no gradient vanishes by symmetry."""
    weights = random(tuple(output.shape), seed=9).to(output)
    return torch.autograd.grad((weights * output).sum() + (output**3).sum(), inputs)


def reference(shape: tuple[int, ...], gamma: Tensor, beta: Tensor) -> nn.BatchNorm1d | nn.BatchNorm2d:
    layer = TORCH_LAYERS[len(shape)](shape[1], dtype=gamma.dtype)
    with torch.no_grad():
        layer.weight.copy_(gamma)
        layer.bias.copy_(beta)
    return layer


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_algorithm_agrees_with_torch_in_outputs_and_gradients(shape):
    x = random(shape).requires_grad_()
    gamma, beta = (random(shape[1:2], seed).requires_grad_() for seed in (1, 2))
    layer = reference(shape, gamma, beta)
    y, expected = batch_normalize(x, gamma, beta), layer(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        gradients(y, x, gamma, beta), gradients(expected, x, layer.weight, layer.bias), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_agrees_with_torch_in_outputs_gradients_and_running_statistics(shape):
    mine = BatchNorm(shape[1]).double()
    assert mine.gamma is not None
    assert mine.beta is not None
    with torch.no_grad():
        mine.gamma.copy_(random(shape[1:2], 1))
        mine.beta.copy_(random(shape[1:2], 2))
    torchs = reference(shape, mine.gamma, mine.beta)
    for batch in range(4):
        x = random(shape, seed=10 + batch, mean=batch, std=1.0 + batch).requires_grad_()
        y, expected = mine(x), torchs(x)
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            gradients(y, x, mine.gamma, mine.beta), gradients(expected, x, torchs.weight, torchs.bias)
        )
        torch.testing.assert_close(mine.running_mean, torchs.running_mean)
        torch.testing.assert_close(mine.running_var, torchs.running_var)
    assert not mine.running_mean.requires_grad
    mine.eval()
    torchs.eval()
    x = random(shape, seed=99).requires_grad_()
    torch.testing.assert_close(mine(x), torchs(x))
    torch.testing.assert_close(gradients(mine(x), x), gradients(torchs(x), x))
    torch.testing.assert_close(mine.running_var, torchs.running_var)  # inference gathers nothing


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 3)], ids=str)
def test_the_gradients_are_the_six_formulas_of_the_paper(shape):
    """Section 3, in NumPy and float64: x is (m', F), a row for each value of a feature."""
    x = random(shape).requires_grad_()
    gamma, beta = (random(shape[1:2], seed).requires_grad_() for seed in (1, 2))
    arriving = random(shape, seed=5)
    y = batch_normalize(x, gamma, beta)
    measured = torch.autograd.grad((arriving * y).sum(), (x, gamma, beta))

    def rows(values: Tensor) -> np.ndarray:
        return np.moveaxis(values.detach().numpy(), 1, -1).reshape(-1, shape[1])

    values, dy, scale = rows(x), rows(arriving), gamma.detach().numpy()
    m = len(values)
    mean = values.sum(0) / m
    variance = ((values - mean) ** 2).sum(0) / m
    root = np.sqrt(variance + EPSILON)
    x_hat = (values - mean) / root
    dx_hat = dy * scale
    dvariance = (dx_hat * (values - mean) * (-0.5) * (variance + EPSILON) ** -1.5).sum(0)
    dmean = (-dx_hat / root).sum(0) + dvariance * (-2 * (values - mean)).sum(0) / m
    dx = dx_hat / root + dvariance * 2 * (values - mean) / m + dmean / m
    dgamma, dbeta = (dy * x_hat).sum(0), dy.sum(0)

    np.testing.assert_allclose(rows(y), scale * x_hat + beta.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(rows(measured[0]), dx, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(measured[1].numpy(), dgamma, rtol=1e-10)
    np.testing.assert_allclose(measured[2].numpy(), dbeta, rtol=1e-10)


@pytest.mark.parametrize("shape", [(5, 3), (3, 2, 2, 2)], ids=str)
def test_gradients_agree_with_finite_differences(shape):
    x = random(shape).requires_grad_()
    gamma, beta = (random(shape[1:2], seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(batch_normalize, (x, gamma, beta))
    assert torch.autograd.gradgradcheck(batch_normalize, (x, gamma, beta))
    assert torch.autograd.gradcheck(BatchNorm(shape[1]).double().as_in_training, (x,))
    assert torch.autograd.gradcheck(L1BatchNorm(shape[1]).double().as_in_training, (x,))


def test_the_batch_is_normalized_by_its_biased_variance_and_the_population_by_the_unbiased():
    x = torch.tensor([[1.0], [4.0]], dtype=torch.float64)  # biased variance 2.25, unbiased 4.5
    layer = BatchNorm(1).double()
    expected = torch.tensor([[-1.5], [1.5]], dtype=torch.float64) / math.sqrt(2.25 + EPSILON)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(batch_normalize(x, torch.ones(1), torch.zeros(1)), expected)
    assert layer.running_var.item() == pytest.approx(0.9 * 1.0 + 0.1 * 4.5)
    assert layer.running_mean.item() == pytest.approx(0.1 * 2.5)


def test_inference_is_algorithm_2_once_the_averages_have_settled():
    """E[x] = E[μ_B] and Var[x] = m/(m − 1)·E[σ²_B] over the same few mini-batches, again and again."""
    batches = [random((4, 3), seed, mean=seed) for seed in range(3)]
    layer = BatchNorm(3).double()
    for batch in itertools.islice(itertools.cycle(batches), 600):
        layer(batch)
    values = torch.stack(batches)
    age = torch.tensor([2, 1, 0], dtype=torch.float64)  # the newest weighs most: 0.9 to the power of its age
    weights = (0.9**age / (0.9**age).sum()).unsqueeze(1)
    mean = (weights * values.mean(1)).sum(0)
    variance = (weights * 4 / 3 * values.var(1, unbiased=False)).sum(0)
    layer.eval()
    x = random((1, 3), seed=50)
    torch.testing.assert_close(layer(x), (x - mean) / torch.sqrt(variance + EPSILON))


@pytest.mark.parametrize("shape", [(60, 3), (8, 3, 4, 4)], ids=str)
def test_a_large_mean_costs_few_digits(shape):
    x = random(shape, mean=1e4, std=1.0).float()
    exact = batch_normalize(x.double(), torch.ones(3).double(), torch.zeros(3).double())
    for y in (
        batch_normalize(x, torch.ones(3), torch.zeros(3)),
        BatchNorm(3)(x),
        BatchNorm(3).as_in_training(x),
    ):
        assert y.isfinite().all()
        torch.testing.assert_close(y.double(), exact, rtol=0.0, atol=5e-3)


def test_a_feature_that_never_varies_becomes_beta_with_finite_gradients():
    x = torch.full((6, 2), 3.0, requires_grad=True)
    gamma, beta = torch.tensor([2.0, 2.0]), torch.tensor([0.5, -1.0])
    y = batch_normalize(x, gamma, beta)
    torch.testing.assert_close(y, beta.expand(6, 2))
    assert torch.autograd.grad((y**2).sum(), x)[0].isfinite().all()


def test_the_scale_of_the_weights_passes_through_as_section_3_3_says():
    """BN((aW)u) = BN(Wu); the gradient by u is unchanged, that by W is 1/a of itself."""
    u, W = random((9, 4), 1), random((3, 4), 2)
    one, zero = torch.ones(3).double(), torch.zeros(3).double()

    def results(a: float) -> tuple[Tensor, ...]:
        by_u, by_W = u.clone().requires_grad_(), (a * W).requires_grad_()
        y = batch_normalize(by_u @ by_W.T, one, zero, epsilon=0.0)
        return (y.detach(), *gradients(y, by_u, by_W))

    plain, scaled = results(1.0), results(50.0)
    torch.testing.assert_close(scaled[0], plain[0])
    torch.testing.assert_close(scaled[1], plain[1])
    torch.testing.assert_close(scaled[2], plain[2] / 50.0)


def test_every_normalizer_of_an_experiment_has_a_class():
    assert set(NORMALIZER_CLASSES) == set(NORMALIZERS)


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, (9, 4)) for name in FULLY_CONNECTED] + [(name, (6, 4, 3, 3)) for name in NORMALIZER_CLASSES],
    ids=str,
)
def test_as_in_training_returns_what_training_would_and_leaves_no_trace(name, shape):
    layer = make(name, shape[1])
    layer(random(shape, 1).float())
    before = copy.deepcopy(layer.state_dict())
    chance = torch.random.get_rng_state()
    x = random(shape, 2).float()
    kept = x.clone()
    seen = layer.as_in_training(x)
    assert torch.equal(layer.as_in_training(x), seen)
    assert torch.equal(layer.eval().as_in_training(x), seen)  # whatever the mode
    assert torch.equal(x, kept)
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
    torch.testing.assert_close(layer.train()(x), seen)  # noise too: the next draws are the same
    assert torch.equal(torch.random.get_rng_state(), chance)


@pytest.mark.parametrize("name", NORMALIZER_CLASSES)
def test_inference_depends_on_no_companion_and_gathers_nothing(name):
    layer, shape = make(name, 4), shape_for(name)
    for seed in range(5):
        layer(random(shape, seed).float())
    layer.eval()
    before = copy.deepcopy(layer.state_dict())
    x = random(shape, 20).float()
    alone = torch.cat([layer(row) for row in x.split(1)])
    torch.testing.assert_close(layer(x), alone)
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())


@pytest.mark.parametrize("name", NORMALIZER_CLASSES)
def test_a_bias_is_kept_only_where_the_normalizer_would_not_subtract_it_without_a_trace(name):
    """A bias before batch normalization is redundant (Section 3.2): it changes no output."""
    layer, shape = make(name, 4), shape_for(name)
    x = random(shape, 2).float()
    bias = torch.tensor([3.0, -2.0, 0.5, 1.0]).view(1, 4, *[1] * (len(shape) - 2))
    noticed = not torch.allclose(layer.as_in_training(x), layer.as_in_training(x + bias), atol=1e-3)
    if isinstance(layer, StoppedMean | StoppedStatistics):
        assert layer.keeps_bias  # it is the bias that Section 2 is about
        assert not noticed
    else:
        assert layer.keeps_bias == noticed


@pytest.mark.parametrize("name", NORMALIZER_CLASSES)
def test_gamma_and_beta_are_the_layer_s_own_and_start_as_the_identity(name):
    layer = make(name, 4)
    gamma, beta = layer.scale_and_shift() or (None, None)
    told = {id(item) for item in (gamma, beta) if item is not None}
    others = [key for key, item in layer.named_parameters() if id(item) not in told]
    assert others == {"weight": ["g"], "dynamic-tanh": ["alpha"]}.get(name, [])
    assert told <= {id(item) for item in layer.parameters()}
    assert gamma is None or torch.equal(gamma, torch.ones(4))
    assert beta is None or torch.equal(beta, torch.zeros(4))


def test_without_affine_the_output_is_x_hat():
    x = random((8, 3)).float()
    torch.testing.assert_close(BatchNorm(3, affine=False)(x), nn.BatchNorm1d(3, affine=False)(x))


def test_scaled_after_activation_multiplies_what_the_nonlinearity_returns():
    layer, x = ScaledAfterActivation(3), random((8, 3)).float()
    with torch.no_grad():
        layer.gamma.copy_(torch.tensor([2.0, 3.0, 4.0]))
        layer.beta.fill_(0.5)
    x_hat = layer(x)
    torch.testing.assert_close(x_hat, nn.BatchNorm1d(3, affine=False)(x))
    z = torch.sigmoid(x_hat)
    torch.testing.assert_close(layer.after_activation(z), z * torch.tensor([2.0, 3.0, 4.0]) + 0.5)
    images = random((2, 3, 2, 2)).float()
    expected = images * torch.tensor([2.0, 3.0, 4.0]).view(1, 3, 1, 1) + 0.5
    torch.testing.assert_close(layer.after_activation(images), expected)


def test_stopped_gradients_have_the_outputs_of_batch_norm_and_the_gradient_without_the_statistics():
    x = random((7, 3)).requires_grad_()
    exact = nn.BatchNorm1d(3, affine=False).double()(x)
    through = gradients(exact, x)
    root = torch.sqrt(x.var(0, unbiased=False) + EPSILON).detach()
    mean = x.mean(0).detach()
    both = (x - mean) / root
    mean_only = (x - mean) / torch.sqrt(((x - mean) ** 2).mean(0) + EPSILON)
    for layer, by_hand in ((StoppedStatistics(3).double(), both), (StoppedMean(3).double(), mean_only)):
        y = layer(x)
        torch.testing.assert_close(y, exact)
        stopped = gradients(y, x)
        torch.testing.assert_close(stopped, gradients(by_hand, x))
        assert (stopped[0] - through[0]).abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(3, 2), (4, 2, 3, 3)], ids=str)
def test_what_is_written_out_gathers_the_running_statistics_that_torch_does(shape):
    torchs = TORCH_LAYERS[len(shape)](2, affine=False).double()
    layers = [StoppedMean(2).double(), StoppedStatistics(2).double()]
    whitening, covariance = Whitening(2).double(), np.eye(2)
    for seed in range(3):
        x = random(shape, seed)
        torchs(x)
        whitening(x)
        covariance = 0.9 * covariance + 0.1 * np.cov(np.moveaxis(x.numpy(), 1, 0).reshape(2, -1))
        for layer in layers:
            layer(x)
            torch.testing.assert_close(layer.running_mean, torchs.running_mean)
            torch.testing.assert_close(layer.running_var, torchs.running_var)
    torch.testing.assert_close(layers[0].eval()(x), torchs.eval()(x))
    torch.testing.assert_close(whitening.running_mean, torchs.running_mean)
    np.testing.assert_allclose(whitening.running_covariance.numpy(), covariance)


def test_l1_normalization_divides_by_the_mean_distance_which_is_the_deviation_of_a_gaussian():
    x = random((40, 2))
    y = L1BatchNorm(2).double()(x)
    values = x.numpy()
    distance = np.abs(values - values.mean(0)).mean(0)
    expected = (values - values.mean(0)) / (math.sqrt(math.pi / 2) * distance)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5)
    gaussian = torch.randn((200_000, 1), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert L1BatchNorm(1).double()(gaussian).std().item() == pytest.approx(1.0, abs=0.01)


def test_whitening_makes_features_uncorrelated_with_variance_1_where_there_is_variance():
    mixed = random((500, 4), std=1.0) @ random((4, 4), 3, mean=0.0) * 30.0
    y = Whitening(4).double()(mixed).detach().numpy()
    np.testing.assert_allclose(y.mean(0), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(4), atol=1e-2)


def test_whitening_is_zca_with_the_symmetric_root_of_the_covariance():
    x = random((30, 3))
    covariance = np.cov(x.numpy().T, bias=True) + 1e-2 * np.eye(3)
    values, vectors = np.linalg.eigh(covariance)
    expected = (x.numpy() - x.numpy().mean(0)) @ (vectors / np.sqrt(values)) @ vectors.T
    np.testing.assert_allclose(Whitening(3).double()(x).detach().numpy(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(6, 3), (3, 2, 2, 2), (3, 5)], ids=str)
def test_whitening_s_gradients_agree_with_finite_differences_even_of_a_singular_covariance(shape):
    layer = Whitening(shape[1]).double()
    assert torch.autograd.gradcheck(
        layer.as_in_training, (random(shape).requires_grad_(),), eps=1e-5, atol=1e-4
    )


def test_noise_has_the_moments_of_santurkar_s_algorithm():
    x = torch.full((4000, 50), 2.0)
    y = Noise(50, generator(0, "noise"))(x)
    means, deviations = y.mean(0), y.std(0)
    # per feature E = 2σ + μ with σ in [1, 1.25], μ in [−0.5, 0.5]; per example 2·N(0, 0.1²) + U(−0.1, 0.1)
    assert means.min() > 1.5 - 0.02
    assert means.max() < 3.0 + 0.02
    assert means.max() - means.min() > 0.6  # features move apart
    expected = math.sqrt((2 * 0.1) ** 2 + 0.2**2 / 12)
    assert deviations.mean().item() == pytest.approx(expected, rel=0.02)


def test_noise_moves_anew_with_each_training_step_and_not_at_all_in_inference():
    layer, x = Noise(3, generator(0, "noise")), random((5, 3)).float()
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), x)
    noisy = NoisyBatchNorm(3, generator(0, "noise"))
    y = noisy(x)
    torch.testing.assert_close(y, Noise(3, generator(0, "noise"))(nn.BatchNorm1d(3)(x)))
    torch.testing.assert_close(noisy.eval()(x), noisy.normalized.eval()(x))


def test_no_normalizer_is_the_identity():
    x = random((5, 3))
    assert NoNormalizer(3)(x) is x
    assert NoNormalizer(3).as_in_training(x) is x
