"""What is computed from a recording once it is there, against NumPy, SciPy and counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bnviz.data.classes import CLASS_COUNTS, class_count
from bnviz.data.datasets import load
from bnviz.experiment import Experiment
from bnviz.experiment.knob import DATASETS, POINT_DATASETS
from bnviz.recording import Recording
from bnviz.recording.evaluations import curve, latest
from bnviz.recording.layer_inputs import (
    counted_median,
    density,
    median_shift,
    quantile_path,
    share_outside,
    typical_unit,
    unit_quantiles,
)
from bnviz.recording.snapshot import HISTOGRAM_EDGES
from bnviz.recording.statistics import mean_correlation, middle, running_median
from tests.recordings import pair, recording


def test_quantiles_of_a_layer_are_the_tables_columns_in_ascending_order() -> None:
    item = pair()[0]
    path = quantile_path(item, 2, None, "input")
    table = item.layers.query("layer == 2")
    np.testing.assert_array_equal(path.steps, table["step"])
    for row, column in zip(path.values, ("q05", "q15", "q50", "q85", "q95"), strict=True):
        np.testing.assert_array_equal(row, table[column])
    np.testing.assert_array_equal(path.median, table["q50"])


def test_a_layer_or_a_unit_that_is_not_there_has_an_empty_path() -> None:
    item = recording(Experiment(hidden=(3, 2), steps=100))
    for layer, unit in ((0, None), (3, None), (2, 3), (1, 0)):
        path = quantile_path(item, layer, unit, "input")
        assert path.steps.size == 0
        assert path.values.shape == (5 if unit is None else 3, 0)


def test_records_without_a_finite_number_are_left_out() -> None:
    item = recording(Experiment(hidden=(3,), steps=100), records=5)
    item.snapshots[2].layers[0, :] = np.nan
    path = quantile_path(item, 1, None, "input")
    assert path.steps.tolist() == [step for step in item.steps.tolist() if step != item.steps[2]]


def test_the_quantiles_of_units_are_those_of_the_layer_asked_for() -> None:
    item = recording(Experiment(hidden=(3, 2), steps=100), records=4)
    for snapshot in item.snapshots:
        snapshot.units[:, :3] += np.arange(5.0)[:, None]
    table = item.units.query("layer == 2 and unit == 2")
    for row, column in enumerate(("q15", "q50", "q85")):
        np.testing.assert_allclose(unit_quantiles(item, 2)[:, row, 1], table[column])


def test_the_typical_unit_is_nearest_the_median_unit_over_the_whole_run() -> None:
    item = recording(Experiment(hidden=(2, 5), steps=100), records=6)
    apart = np.array([0.0, 0.0, 3.0, -1.0, 0.5, 9.0, -8.0])  # of the second layer 0.5 is the median
    for snapshot in item.snapshots:
        snapshot.units[:, :3] += apart[:, None].astype(np.float32)
    assert typical_unit(item) == typical_unit(item, 2) == 3
    assert typical_unit(item.upto(-1)) == 1


def test_the_shift_is_in_pooled_standard_deviations_and_does_not_explode_for_constant_units() -> None:
    item = recording(shift=3.0, spread=2.0)
    assert median_shift(item, 1, 1000) == pytest.approx(1.5)
    assert median_shift(item, 1, 0) is None
    start, end = recording(spread=1e-9).snapshots[0], recording(shift=2.0).snapshots[-1]
    tiny = Recording(item.experiment, snapshots=(start, end))
    assert median_shift(tiny, 1, 1000) == pytest.approx(2.0 / np.sqrt(1 / 2))


def test_the_shift_is_that_of_the_layer_asked_for_since_the_reference_step() -> None:
    item = recording(Experiment(hidden=(3, 2), steps=100), records=3)
    item.snapshots[2].units[3:, 1] += 7.0  # the medians of the second layer, at the end
    assert median_shift(item, 1, 100) == pytest.approx(0.0)
    assert median_shift(item, 2, 100) == pytest.approx(7.0)
    assert median_shift(item, 3, 100) is None
    assert median_shift(item, 2, 99) == pytest.approx(0.0)


def test_a_density_has_the_area_one_and_the_heights_of_scipys() -> None:
    values = np.random.default_rng(0).normal(1.0, 2.0, 200_000)
    counts = np.histogram(values, HISTOGRAM_EDGES)[0]
    heights = density(counts)
    assert (heights * np.diff(HISTOGRAM_EDGES)).sum() == pytest.approx(1.0)
    expected = np.diff(stats.norm.cdf(HISTOGRAM_EDGES, 1.0, 2.0)) / np.diff(HISTOGRAM_EDGES)
    np.testing.assert_allclose(heights, expected, atol=5e-3)
    assert not density(np.zeros(4)).any()


def test_the_share_outside_and_the_median_of_counts_agree_with_counting_the_values() -> None:
    values = np.random.default_rng(1).normal(1.0, 2.0, 5000)
    counts = np.histogram(values, HISTOGRAM_EDGES)[0]
    assert share_outside(counts, -2.0, 4.0) == pytest.approx(((values < -2.0) | (values >= 4.0)).mean())
    width = np.diff(HISTOGRAM_EDGES)[len(counts) // 2]
    assert counted_median(counts) <= np.median(values) <= counted_median(counts) + width
    assert share_outside(np.zeros(len(counts), int), -1.0, 1.0) == 0.0


def test_a_curve_is_one_split_and_one_measure_of_the_table_without_what_is_not_finite() -> None:
    item = pair()[0]
    table = item.curves
    for split in ("train", "test"):
        for measure in ("loss", "accuracy"):
            drawn = curve(item, split, measure)
            rows = table[table["split"] == split]
            np.testing.assert_array_equal(drawn.steps, rows["step"])
            np.testing.assert_array_equal(drawn.values, rows[measure])
            assert drawn.examples == rows["examples"].iloc[-1]
            assert latest(item.snapshots, split, measure) == rows[measure].iloc[-1]
    assert latest((), "test", "loss") is None


def test_the_middle_of_the_seeds_is_one_of_them() -> None:
    assert middle(np.array([3.0, 1.0, 2.0, np.nan])) == 2.0
    assert middle(np.array([1.0, 2.0])) == 1.0
    assert middle(np.array([np.inf, 2.0, np.inf])) == np.inf
    assert np.isnan(middle(np.array([np.nan])))


def test_the_running_median_agrees_with_numpy() -> None:
    values = np.random.default_rng(0).normal(size=101)
    values[[3, 4]] = np.nan
    expected = [np.nanmedian(values[max(0, at - 7) : at + 8]) for at in range(101)]
    drawn = running_median(values, 15)
    assert np.isnan(drawn[[3, 4]]).all()
    np.testing.assert_allclose(np.delete(drawn, [3, 4]), np.delete(expected, [3, 4]))


def test_the_mean_correlation_is_over_pairs_of_different_units() -> None:
    matrix = np.corrcoef(np.random.default_rng(0).normal(size=(4, 20)))
    pairs = [abs(matrix[i, j]) for i in range(4) for j in range(4) if i != j]
    assert mean_correlation(matrix) == pytest.approx(np.mean(pairs))
    matrix[0, :] = matrix[:, 0] = np.nan  # a unit that never varied
    known = [abs(matrix[i, j]) for i in range(1, 4) for j in range(1, 4) if i != j]
    assert mean_correlation(matrix) == pytest.approx(np.mean(known))
    assert np.isnan(mean_correlation(np.ones((1, 1))))


@pytest.mark.parametrize("name", ["digits", *POINT_DATASETS])
def test_the_number_of_classes_is_that_of_the_loaded_dataset(name: str) -> None:
    assert class_count(name) == len(load(name).classes)


def test_every_dataset_with_a_name_of_its_own_has_a_number_of_classes_and_a_folder_has_none() -> None:
    assert set(CLASS_COUNTS) == set(DATASETS)
    assert class_count("folder:cats") is None
