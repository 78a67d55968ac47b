"""The relatives of batch normalization, each against something independent, and all against the same promises."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz import Experiment, ExperimentError
from bnviz.data import datasets
from bnviz.engine.batches import stratified_subset
from bnviz.engine.build import build
from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import (
    EPSILON,
    NORMALIZER_CLASSES,
    L1BatchNorm,
    NoisyBatchNorm,
    Normalizer,
    ScaledAfterActivation,
    StoppedMean,
    StoppedStatistics,
    Whitening,
)
from bnviz.engine.normalizers.noise import moved
from bnviz.engine.normalizers.whiten import WHITENING_EPSILON
from bnviz.engine.trainer import Trainer, one_thread, train
from bnviz.experiment.comparison import suggested_values
from bnviz.experiment.knob import NORMALIZERS

SMALL = Experiment(
    hidden=(12, 10), batch_size=40, steps=12, init="xavier", init_scale=1.0, device="cpu", dataset="digits"
)
ARCHITECTURES = {"mlp": SMALL, "conv": SMALL.replace(architecture="conv", hidden=(4, 6), steps=4)}
DEFINED = [
    (name, architecture)
    for name in NORMALIZERS
    for architecture in ARCHITECTURES
    if (name, architecture) != ("instance", "mlp")
]


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    """One thread: tensors are small here, and several would only wait for each other."""
    with one_thread():
        yield


@pytest.fixture
def chance() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def correlated(chance: torch.Generator, examples: int, features: int) -> Tensor:
    """(examples, features) float64, each feature a mixture of all, away from mean 0."""
    mixing = torch.randn(features, features, generator=chance, dtype=torch.float64)
    values = torch.randn(examples, features, generator=chance, dtype=torch.float64)
    return values @ mixing + 3.0


def with_random_affine(normalizer: Normalizer, chance: torch.Generator) -> Normalizer:
    """The normalizer with γ and β away from 1 and 0, in float64."""
    pair = normalizer.scale_and_shift()
    assert pair is not None
    with torch.no_grad():
        for parameter in pair:
            parameter.copy_(1.0 + torch.rand(parameter.shape, generator=chance))
    return normalizer.double()


# Whitening


def test_whitening_multiplies_by_the_inverse_square_root_of_the_covariance(chance: torch.Generator) -> None:
    x = correlated(chance, 40, 6)
    whitening = with_random_affine(Whitening(6), chance)
    covariance = np.cov(x.numpy().T, bias=True) + WHITENING_EPSILON * np.eye(6)
    matrix = np.linalg.inv(scipy.linalg.sqrtm(covariance))
    x_hat = (x.numpy() - x.numpy().mean(0)) @ matrix
    gamma, beta = (parameter.detach().numpy() for parameter in whitening.scale_and_shift())
    np.testing.assert_allclose(whitening(x).detach().numpy(), gamma * x_hat + beta, atol=1e-10)


def test_whitened_features_have_variance_1_and_no_correlation(chance: torch.Generator) -> None:
    x = 100.0 * correlated(chance, 200, 5)  # so large that ε does not show
    np.testing.assert_allclose(
        np.cov(Whitening(5).double()(x).detach().numpy().T, bias=True), np.eye(5), atol=1e-3
    )


@pytest.mark.parametrize("shape", [(7, 3), (3, 6), (2, 3, 2, 2)], ids=["tall", "singular", "maps"])
def test_whitening_has_the_gradient_of_finite_differences(
    shape: tuple[int, ...], chance: torch.Generator
) -> None:
    x = torch.randn(shape, generator=chance, dtype=torch.float64, requires_grad=True)
    whitening = with_random_affine(Whitening(shape[1]), chance)
    assert torch.autograd.gradcheck(whitening.as_in_training, x, atol=1e-6)


def test_equal_eigenvalues_leave_the_gradient_of_whitening_finite() -> None:
    x = torch.cat([torch.eye(4), -torch.eye(4)]).double().requires_grad_()  # covariance I/4
    assert torch.autograd.gradcheck(Whitening(4).double().as_in_training, x, atol=1e-6)


def test_inference_whitens_by_running_mean_and_unbiased_covariance(chance: torch.Generator) -> None:
    whitening = Whitening(3).double()
    mean, covariance = np.zeros(3), np.eye(3)
    for _ in range(5):
        x = correlated(chance, 20, 3)
        whitening(x)
        mean = 0.9 * mean + 0.1 * x.numpy().mean(0)
        covariance = 0.9 * covariance + 0.1 * np.cov(x.numpy().T)
    matrix = np.linalg.inv(scipy.linalg.sqrtm(covariance + WHITENING_EPSILON * np.eye(3)))
    whitening.eval()
    np.testing.assert_allclose(whitening(x).detach().numpy(), (x.numpy() - mean) @ matrix, atol=1e-10)


def test_whitening_trains_where_the_batch_is_smaller_than_the_layer() -> None:
    recording = train(SMALL.replace(normalizer="whiten", hidden=(30, 30), batch_size=20, steps=60))
    assert recording.diverged_at is None
    assert recording.curves.accuracy.iloc[-1] > 0.3  # guessing has 0.1


def test_a_network_with_whitening_diverges_in_a_recording_not_with_an_exception() -> None:
    experiment = SMALL.replace(normalizer="whiten", learning_rate=100.0, weight_decay=1.0, steps=200)
    assert train(experiment).diverged_at is not None


# Stopped gradients


@pytest.mark.parametrize("kind", [StoppedMean, StoppedStatistics])
@pytest.mark.parametrize("shape", [(9, 4), (3, 4, 2, 3)])
def test_stopped_statistics_change_the_gradient_and_nothing_else(
    kind: type[Normalizer], shape: tuple[int, ...], chance: torch.Generator
) -> None:
    ours = kind(4)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(4, affine=False)
    for _ in range(3):
        x = 2.0 + torch.randn(shape, generator=chance)
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_a_stopped_mean_is_a_constant_to_the_gradient(chance: torch.Generator) -> None:
    x = correlated(chance, 8, 3)
    mean = x.mean(0)

    def with_constant_mean(x: Tensor) -> Tensor:
        return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(0) + EPSILON)

    weights = torch.randn(x.shape, generator=chance, dtype=torch.float64)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    (StoppedMean(3).double()(ours) * weights).sum().backward()
    (with_constant_mean(theirs) * weights).sum().backward()
    assert torch.autograd.gradcheck(with_constant_mean, theirs)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_stopped_statistics_divide_the_gradient_by_the_standard_deviation(chance: torch.Generator) -> None:
    x = correlated(chance, 8, 3).requires_grad_()
    weights = torch.randn(x.shape, generator=chance, dtype=torch.float64)
    (StoppedStatistics(3).double()(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights / torch.sqrt(x.detach().var(0, unbiased=False) + EPSILON))


@pytest.mark.parametrize("kind", [StoppedMean, StoppedStatistics])
def test_a_bias_before_stopped_statistics_grows_and_the_loss_does_not_move(
    kind: type[Normalizer], chance: torch.Generator
) -> None:
    u, labels = correlated(chance, 30, 4), torch.arange(30) % 4
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    normalizer = kind(4).double()
    sizes, losses = [], []
    for _ in range(50):
        loss = F.cross_entropy(normalizer(u + bias), labels)
        (gradient,) = torch.autograd.grad(loss, [bias])
        with torch.no_grad():
            bias -= gradient
        sizes.append(float(bias.detach().norm()))
        losses.append(loss.item())
    assert sizes[-1] == pytest.approx(50 * sizes[0], rel=1e-6)
    assert max(losses) - min(losses) < 1e-9


def test_biases_grow_in_a_whole_network_only_where_the_mean_is_stopped() -> None:
    grown = {}
    for name in ("none", "batch-stop-mean"):
        trainer = Trainer(SMALL.replace(normalizer=name, hidden=(12, 9), steps=60))
        trainer.advance(60)
        grown[name] = float(trainer.network.hidden[-1].affine.bias.detach().norm())
    assert grown["batch-stop-mean"] > 5 * grown["none"]


# Placement and scale


def test_scale_and_shift_stand_after_the_nonlinearity_where_the_name_says_so(chance: torch.Generator) -> None:
    network = build(SMALL.replace(normalizer="batch-after-activation", activation="tanh"), (6,), 3)
    x = torch.randn(20, 6, generator=chance)
    z, expected = x, x
    for block in network.hidden:
        with_random_affine(block.normalizer, chance).float()
        gamma, beta = block.normalizer.scale_and_shift()
        x_hat = nn.BatchNorm1d(block.affine.out_features, affine=False)(block.affine(expected))
        expected = gamma * torch.tanh(x_hat) + beta
        probe, _ = block.probe(z)
        z = block(z)
        torch.testing.assert_close(probe.pre_activations, x_hat)
        torch.testing.assert_close(z, expected)
        assert block.affine.bias is None
    expected.sum().backward()
    assert all(block.normalizer.gamma.grad.abs().sum() > 0 for block in network.hidden)


def test_scaling_after_the_activation_of_feature_maps_is_per_map(chance: torch.Generator) -> None:
    scaled = with_random_affine(ScaledAfterActivation(3), chance).float()
    z = torch.randn(2, 3, 4, 5, generator=chance)
    gamma, beta = (parameter.detach().numpy() for parameter in scaled.scale_and_shift())
    expected = gamma[:, None, None] * z.numpy() + beta[:, None, None]
    np.testing.assert_allclose(scaled.after_activation(z).detach().numpy(), expected, rtol=1e-6)


def test_l1_normalization_divides_by_the_mean_distance_from_the_mean(chance: torch.Generator) -> None:
    x = correlated(chance, 30, 4)
    normalizer = with_random_affine(L1BatchNorm(4), chance)
    centered = x.numpy() - x.numpy().mean(0)
    spread = np.sqrt(np.pi / 2 * np.abs(centered).mean(0) ** 2 + EPSILON)
    gamma, beta = (parameter.detach().numpy() for parameter in normalizer.scale_and_shift())
    np.testing.assert_allclose(normalizer(x).detach().numpy(), gamma * centered / spread + beta)
    assert torch.autograd.gradcheck(normalizer.as_in_training, x.requires_grad_())


def test_l1_normalization_gives_gaussian_values_variance_1(chance: torch.Generator) -> None:
    x = 5.0 + 3.0 * torch.randn(50_000, 2, generator=chance)
    torch.testing.assert_close(L1BatchNorm(2)(x).std(0), torch.ones(2), atol=0.02, rtol=0.0)


def test_input_only_normalizes_the_input_and_leaves_the_layers_plain(chance: torch.Generator) -> None:
    network = build(SMALL.replace(normalizer="input-only", activation="tanh"), (6,), 3)
    plain = build(SMALL.replace(normalizer="none", activation="tanh"), (6,), 3)
    norm = nn.BatchNorm1d(6, affine=False)
    x = 4.0 + 2.0 * torch.randn(20, 6, generator=chance)
    torch.testing.assert_close(network(x), plain(norm(x)))
    torch.testing.assert_close(network.eval()(x), plain(norm.eval()(x)))
    assert network.scale_and_shift() == [None, None]
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in plain.named_parameters()]


# Noise


def drawn(x_shape: tuple[int, ...], chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """The s and m of one call: s·0 + m, then s·1 + m with the same draws."""
    m = moved(torch.zeros(x_shape, dtype=torch.float64), chance.clone_state())
    return moved(torch.ones(x_shape, dtype=torch.float64), chance) - m, m


def test_noise_is_drawn_as_in_santurkars_algorithm_1(chance: torch.Generator) -> None:
    s, m = drawn((400, 2000), chance)
    centers, scales = m.mean(0), s.mean(0)
    assert scipy.stats.kstest(centers, scipy.stats.uniform(-0.5, 1.0).cdf).pvalue > 0.01
    # The mean of 400 draws of N(σ, 0.1²) strays from σ by 0.005, little against the range of 0.25.
    assert scipy.stats.kstest(scales, scipy.stats.uniform(1.0, 0.25).cdf).pvalue > 0.01
    spread = (m.max(0).values - m.min(0).values) / 2
    assert bool((spread <= 0.1).all())
    assert float(spread.mean()) == pytest.approx(0.1, rel=0.01)
    assert m.std(0).mean().item() == pytest.approx(0.2 / np.sqrt(12), rel=0.01)
    residuals = (s - scales).ravel()[::50] / 0.1
    assert scipy.stats.kstest(residuals, scipy.stats.norm.cdf).pvalue > 0.01


def test_noise_is_new_at_every_step_and_the_same_at_all_positions_of_a_map(chance: torch.Generator) -> None:
    first, second = (drawn((5, 3, 2, 2), chance) for _ in range(2))
    for values in (*first, *second):
        torch.testing.assert_close(values, values[:, :, :1, :1].expand_as(values))
    assert not torch.allclose(first[1], second[1])


def test_noisy_batch_normalization_is_batch_normalization_in_inference(chance: torch.Generator) -> None:
    noisy, plain = NoisyBatchNorm(4, chance), nn.BatchNorm1d(4)
    x = 1.0 + torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
    plain(x)
    assert not torch.allclose(noisy(x), plain(x), atol=0.1)
    plain.running_mean.copy_(noisy.normalized.running_mean)
    plain.running_var.copy_(noisy.normalized.running_var)
    torch.testing.assert_close(noisy.eval()(x), plain.eval()(x))


def test_noise_and_noisy_batch_draw_the_same_noise() -> None:
    states = []
    for name in ("noise", "noisy-batch"):
        network = build(SMALL.replace(normalizer=name), (6,), 3)
        states.append([block.normalizer.rng.get_state() for block in network.hidden])
    assert all(torch.equal(first, second) for first, second in zip(*states, strict=True))
    assert not torch.equal(states[0][0], states[0][1])


# Promises of every normalizer


def test_every_normalizer_has_a_class_and_a_label() -> None:
    assert set(NORMALIZER_CLASSES) == set(NORMALIZERS)


@pytest.mark.parametrize(("name", "architecture"), DEFINED)
def test_recording_leaves_weights_statistics_and_noise_bit_identical(name: str, architecture: str) -> None:
    experiment = ARCHITECTURES[architecture].replace(normalizer=name, dropout=0.1)
    watched, unwatched = Trainer(experiment), Trainer(experiment)
    unwatched.recorder.due = frozenset()
    assert len(watched.advance(experiment.steps, every_step=True)) == experiment.steps + 1
    assert len(unwatched.advance(experiment.steps)) == 1
    theirs = unwatched.network.state_dict()
    for key, value in watched.network.state_dict().items():
        assert torch.equal(value, theirs[key]), key


@pytest.mark.parametrize(("name", "architecture"), DEFINED)
def test_the_same_experiment_gives_the_same_recording(name: str, architecture: str) -> None:
    experiment = ARCHITECTURES[architecture].replace(normalizer=name)
    assert train(experiment) == train(experiment)


@pytest.mark.parametrize(("name", "architecture"), DEFINED)
def test_in_inference_an_output_does_not_depend_on_its_companions(name: str, architecture: str) -> None:
    trainer = Trainer(ARCHITECTURES[architecture].replace(normalizer=name))
    trainer.advance(3)
    x, _ = trainer.train.batch(torch.arange(30))
    trainer.network.eval()
    alone = torch.cat([trainer.network(x[index : index + 1]) for index in range(3)])
    torch.testing.assert_close(trainer.network(x)[:3], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "architecture"), DEFINED)
def test_arms_start_from_equal_weights_and_see_equal_batches(name: str, architecture: str) -> None:
    plain = ARCHITECTURES[architecture].replace(normalizer="none")
    ours, theirs = Trainer(plain.replace(normalizer=name)), Trainer(plain)
    assert torch.equal(ours.network.output.weight, theirs.network.output.weight)
    for mine, other in zip(ours.network.hidden, theirs.network.hidden, strict=True):
        assert torch.equal(mine.affine.weight, other.affine.weight)
        assert (mine.affine.bias is not None) == mine.normalizer.keeps_bias
    assert torch.equal(ours.next_batch()[0], theirs.next_batch()[0])


@pytest.mark.parametrize("name", [name for name, architecture in DEFINED if architecture == "mlp"])
def test_training_lowers_the_loss(name: str) -> None:
    experiment = SMALL.replace(normalizer=name, steps=60, hidden=(20,), learning_rate=0.5, activation="tanh")
    recording = train(experiment)
    losses = recording.curves[recording.curves.split == "train"].loss
    assert recording.diverged_at is None
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]


@pytest.mark.parametrize(("name", "architecture"), DEFINED)
def test_a_probe_sees_what_a_training_step_would_see(name: str, architecture: str) -> None:
    trainer = Trainer(ARCHITECTURES[architecture].replace(normalizer=name))
    trainer.advance(2)
    x, _ = trainer.train.batch(torch.arange(30))
    probes = trainer.network.probe(x)
    seen = inputs_of_nonlinearities(trainer.network, x)
    for probe, values in zip(probes, seen, strict=True):
        torch.testing.assert_close(probe.pre_activations, values)


def inputs_of_nonlinearities(network: Network, x: Tensor) -> list[Tensor]:
    """What the nonlinearities receive in an ordinary step in training mode."""
    seen: list[Tensor] = []
    handles = [
        block.normalizer.register_forward_hook(lambda module, inputs, output: seen.append(output))
        for block in network.hidden
    ]
    network(x)
    for handle in handles:
        handle.remove()
    return seen


# Fields that go with them


def test_train_examples_takes_that_many_with_each_class_in_proportion() -> None:
    split = datasets.load("digits").train
    some = stratified_subset(split, 100)
    counts = np.bincount(some.labels, minlength=10)
    expected = np.bincount(split.labels) * 100 / len(split.labels)
    assert len(some.inputs) == 100
    assert np.abs(counts - expected).max() <= 1.0
    rows = {row.tobytes() for row in split.inputs}
    assert all(row.tobytes() in rows for row in some.inputs)
    assert len(np.unique(some.inputs.reshape(100, -1), axis=0)) == 100


@pytest.mark.parametrize("count", [0, 1_000_000])
def test_train_examples_0_and_too_many_take_all(count: int) -> None:
    split = datasets.load("digits").train
    assert stratified_subset(split, count) is split


def test_a_network_learns_few_examples_by_heart() -> None:
    few = SMALL.replace(train_examples=20, hidden=(40,), steps=200, learning_rate=0.5, activation="tanh")
    curves = train(few).curves.groupby("split").last()
    assert curves.examples["train"] == 20
    assert curves.accuracy["train"] == 1.0
    assert curves.accuracy["test"] < 0.9


def test_generators_of_layers_are_independent() -> None:
    draws = [torch.rand(3, generator=generator(0, "noise", index)).tolist() for index in range(3)]
    assert len({tuple(values) for values in draws}) == 3


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"train_examples": 1}, ["train_examples = 1"]),
        (
            {"architecture": "conv", "dataset": "moons"},
            ["architecture = 'conv'", "images", "dataset = 'moons'"],
        ),
        ({"architecture": "conv", "hidden": (300,)}, ["hidden = '300'", "architecture = 'conv'", "256"]),
        ({"architecture": "conv", "hidden": (8,) * 9}, ["hidden", "architecture = 'conv'", "1 to 8"]),
        ({"architecture": "transformer"}, ["architecture = 'transformer'", "mlp, conv"]),
        ({"normalizer": "layers"}, ["normalizer = 'layers'", "whiten"]),
    ],
)
def test_values_that_do_not_go_together_are_refused_by_name(
    values: dict[str, object], names: list[str]
) -> None:
    with pytest.raises(ExperimentError) as refusal:
        Experiment(**values)
    for name in names:
        assert name in str(refusal.value)


@pytest.mark.parametrize("reverse", [False, True])
def test_salvage_takes_fields_that_go_together_in_any_order(reverse: bool) -> None:
    base = Experiment(dataset="spirals", hidden=(300,))
    values = {"architecture": "conv", "dataset": "digits", "hidden": "8-16"}
    items = reversed(values.items()) if reverse else values.items()
    result, ignored = Experiment.salvage(dict(items), base)
    assert (result.architecture, result.dataset, result.hidden, ignored) == ("conv", "digits", (8, 16), ())


def test_salvage_leaves_out_what_goes_together_with_nothing() -> None:
    result, ignored = Experiment.salvage({"architecture": "conv", "dataset": "spirals"})
    assert {result.dataset, result.architecture} in ({"spirals", "mlp"}, {"digits", "conv"})
    assert len(ignored) == 1


@pytest.mark.parametrize("name", NORMALIZERS)
def test_every_normalizer_round_trips_through_a_link(name: str) -> None:
    experiment = Experiment(normalizer=name, architecture="conv", hidden=(8, 16), train_examples=500)
    assert Experiment.from_query(experiment.to_query()) == experiment
    assert Experiment.from_json(experiment.to_json()) == experiment


def test_a_comparison_suggests_only_values_that_go_together_with_the_rest() -> None:
    spirals = Experiment(dataset="spirals")
    assert suggested_values(spirals, "architecture") == ("mlp", "mlp")
    convolutional = Experiment(architecture="conv", hidden=(8, 16))
    for name in Experiment.knobs():
        for value in suggested_values(convolutional, name):
            convolutional.replace(**{name: value})
