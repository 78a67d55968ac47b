"""What is measured of a layer, against NumPy, SciPy and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import wasserstein_distance

from bnviz.engine.network import ACTIVATION_FUNCTIONS
from bnviz.recording.measure import Distribution, gradient_counts, order_statistics, quantiles
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import GRADIENT_EDGES, HISTOGRAM_EDGES, QUANTILES

SLOPES = {"sigmoid": 0.25, "tanh": 1.0}


def sample(examples: int = 37, units: int = 5, seed: int = 0) -> np.ndarray:
    """Values of several units, each with a mean and spread of its own, some of them equal."""
    chance = np.random.default_rng(seed)
    values = chance.normal(chance.normal(0, 3, units), chance.uniform(0.1, 4, units), (examples, units))
    values[: examples // 10] = values[-1]
    return values.astype(np.float32)


tables = arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.integers(1, 4)),
    elements=st.floats(-1000, 1000, width=32),
)


@given(tables)
def test_quantiles_mean_and_deviation_are_numpy_s(values):
    mean, std, shares = Distribution.of(values).summary()
    exact = values.astype(np.float64)
    assert mean == pytest.approx(exact.mean(), rel=1e-6, abs=1e-6)
    assert std == pytest.approx(exact.std(), rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(shares, np.quantile(exact, QUANTILES), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("examples", [1, 2, 3, 20, 101, 256])
def test_a_unit_s_quantiles_are_numpy_s(examples):
    values = sample(examples)
    distribution = Distribution.of(values)
    expected = np.quantile(values.astype(np.float64), (0.15, 0.5, 0.85), axis=0).T
    np.testing.assert_allclose(
        quantiles(distribution.per_unit, (0.15, 0.5, 0.85)), expected, rtol=1e-5, atol=1e-5
    )
    ends = quantiles(distribution.per_unit, (0.0, 1.0))
    np.testing.assert_array_equal(ends, np.stack([values.min(0), values.max(0)], axis=1))


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False)),
    st.data(),
)
def test_order_statistics_are_those_of_all_values_sorted(values, data):
    places = st.lists(st.integers(0, values.size - 1), min_size=1)
    ranks = np.array(data.draw(places))
    kept = values.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(order_statistics(values, ranks), np.sort(values)[ranks])
    np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize("outlier", [0.0, 50.0, 1e30])
def test_order_statistics_of_many_values_are_exact_with_an_outlier_or_without(outlier):
    values = np.random.default_rng(0).normal(0, 1, 25_600).astype(np.float32)
    values[7] = outlier
    everywhere = np.arange(values.size)
    np.testing.assert_array_equal(order_statistics(values, everywhere), np.sort(values))
    some = np.array([0, 1, 1280, 12_799, 12_800, 25_598, 25_599])
    np.testing.assert_array_equal(order_statistics(values, some), np.sort(values)[some])


def test_measuring_leaves_the_values_as_they_are():
    values = sample()
    kept = values.copy()
    distribution = Distribution.of(values)
    distribution.summary()
    distribution.histogram()
    np.testing.assert_array_equal(values, kept)
    single = sample(units=1)
    kept = single.copy()
    Distribution.of(single)  # whose transpose is contiguous already, and must not be sorted in place
    np.testing.assert_array_equal(single, kept)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6, -1e6])
def test_a_large_mean_costs_the_deviation_no_digits(mean):
    values = (np.random.default_rng(0).normal(mean, 1.0, (400, 25))).astype(np.float32)
    measured_mean, std, _ = Distribution.of(values).summary()
    assert measured_mean == pytest.approx(values.astype(np.float64).mean(), rel=1e-9)
    assert std == pytest.approx(values.astype(np.float64).std(), rel=1e-9)


def test_the_histogram_is_numpy_s_with_what_lies_beyond_in_the_outermost_bins():
    values = np.concatenate(
        [sample(500) * 3, np.float32([[-1e6] * 5, [1e6] * 5, [np.inf] * 5, [0.25] * 5, [-8] * 5])]
    )
    within = np.clip(values.astype(np.float64), HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1])
    expected, _ = np.histogram(within, HISTOGRAM_EDGES)
    counts = Distribution.of(values).histogram()
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == values.size
    assert counts.dtype == np.int32


def test_counts_of_gradients_are_numpy_s_of_their_magnitudes_with_zeros_in_a_bin_of_their_own():
    rng = np.random.default_rng(0)
    values = (rng.choice([-1, 1], 5000) * np.exp2(rng.uniform(-60, 30, 5000))).astype(np.float32)
    values[:70] = 0.0
    values[70:80] = -0.0
    values[80:83] = [1.5, -(2.0**-40), np.inf]
    layer = rng.integers(0, 2, len(values))
    both = gradient_counts(values, layer, 2)
    assert both[1].tolist() == gradient_counts(values[layer == 1], np.zeros(sum(layer), int), 1)[0].tolist()
    counted = both.sum(axis=0)
    expected = np.histogram(np.abs(values[80:]), [0, *GRADIENT_EDGES[2:-1], np.inf])[0]
    assert counted.tolist() == [80, *expected.tolist()]
    few = gradient_counts(np.array([np.nan, 1e-44], np.float32), np.zeros(2, int), 1)[0]
    assert few[[1, -1]].tolist() == [1, 1]


def test_the_histogram_is_even_where_a_sigmoid_lives_and_symmetric():
    assert np.all(np.diff(HISTOGRAM_EDGES) > 0)
    np.testing.assert_allclose(HISTOGRAM_EDGES, -HISTOGRAM_EDGES[::-1])
    middle = HISTOGRAM_EDGES[np.abs(HISTOGRAM_EDGES) <= 8]
    np.testing.assert_allclose(np.diff(middle), 0.25)


@pytest.mark.parametrize("activation", SLOPES)
def test_saturation_is_where_autograd_s_slope_is_under_5_percent_of_its_maximum(activation):
    values = np.linspace(-8, 8, 4001, dtype=np.float32).reshape(-1, 1)
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(ACTIVATION_FUNCTIONS[activation](x).sum(), x)[0].abs()
    flat = (slope < 0.05 * SLOPES[activation]).numpy()
    assert Distribution.of(values).saturated(activation) == pytest.approx(flat.mean(), abs=1e-9)
    assert 0 < flat.mean() < 1
    edge = NONLINEARITIES[activation].flat[1]
    threshold = torch.tensor(edge, dtype=torch.float64, requires_grad=True)
    at = torch.autograd.grad(ACTIVATION_FUNCTIONS[activation](threshold), threshold)[0]
    assert at.item() == pytest.approx(0.05 * SLOPES[activation], rel=1e-9)


def test_saturation_counts_pairs_of_example_and_unit():
    values = np.float32([[-5, 0], [5, 0], [0, 0], [0, 4]])
    assert Distribution.of(values).saturated("sigmoid") == 2 / 8
    assert Distribution.of(values).saturated("tanh") == 3 / 8
    assert math.isnan(Distribution.of(values).saturated("relu"))


def test_a_relu_unit_is_dead_if_no_example_wakes_it():
    values = np.float32([[-1, -1, 0, 2], [-2, 1e-6, 0, 3]])
    assert Distribution.of(values).dead("relu") == 2 / 4
    assert math.isnan(Distribution.of(values).dead("sigmoid"))
    assert math.isnan(Distribution.of(values).dead("tanh"))


@pytest.mark.parametrize("examples", [1, 7, 256])
def test_drift_is_scipy_s_wasserstein_distance_averaged_over_units(examples):
    then, now = sample(examples, seed=1), sample(examples, seed=2)
    expected = np.mean([wasserstein_distance(a, b) for a, b in zip(then.T, now.T, strict=True)])
    drift = Distribution.of(now).drift_from(Distribution.of(then))
    assert drift == pytest.approx(expected, rel=1e-5)
    assert Distribution.of(then).drift_from(Distribution.of(now)) == drift


def test_drift_sees_a_shift_and_not_an_exchange_of_examples_but_one_of_units():
    values = sample()
    distribution = Distribution.of(values)
    assert distribution.drift_from(distribution) == 0.0
    assert Distribution.of(values[::-1]).drift_from(distribution) == 0.0
    assert Distribution.of(values + np.float32(1.5)).drift_from(distribution) == pytest.approx(1.5, rel=1e-5)
    assert Distribution.of(values[:, ::-1]).drift_from(distribution) > 0.1


def test_what_is_not_a_number_makes_numbers_that_are_none_and_no_error():
    values = sample()
    values[2, 1] = np.nan
    distribution = Distribution.of(values)
    with np.errstate(invalid="ignore"):
        mean, std, shares = distribution.summary()
    assert math.isnan(mean)
    assert math.isnan(std)
    assert np.isfinite(shares[0])
    assert distribution.histogram().sum() == values.size
    assert 0 <= distribution.saturated("sigmoid") <= 1
    assert math.isnan(distribution.drift_from(Distribution.of(sample())))
