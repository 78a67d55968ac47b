"""The figures of what is measured of weights, gradients and distributions, against the tables of the Recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bnviz import figures
from bnviz.recording import Recording
from tests.recordings import pair


def uncounted(recording: Recording) -> Recording:
    """As bnviz recorded before it counted gradients."""
    return replace(recording, snapshots=tuple(replace(item, gradients=None) for item in recording.snapshots))


def layers_apart(recording: Recording) -> Recording:
    """Every layer's counts stand as many bins higher as its number says."""
    snapshots = tuple(
        replace(
            item, histogram=np.stack([np.roll(row, layer) for layer, row in enumerate(item.histogram, 1)])
        )
        for item in recording.snapshots
    )
    return replace(recording, snapshots=snapshots)


def test_the_heat_map_is_the_density_of_the_counts_on_one_scale_for_all_arms() -> None:
    arms = [layers_apart(item) for item in pair()]
    drawn = figures.over_time(arms, layer=2)
    maps = [trace for trace in drawn.data if trace.type == "heatmap"]
    assert len({(item.zmin, item.zmax) for item in maps}) == 1
    assert maps[0].zmax == pytest.approx(max(np.max(item.z) for item in maps))
    for item, trace in zip(arms, maps, strict=True):
        table = item.histograms.query("layer == 2")
        density = table["count"] / table.groupby("step")["count"].transform("sum") / (table.high - table.low)
        wide = table.assign(density=density).pivot_table(index="low", columns="step", values="density")
        shown = wide.loc[np.isin(wide.index.astype(np.float32), trace.y)]
        assert list(trace.x) == list(wide.columns)
        np.testing.assert_allclose(trace.z, shown.to_numpy()[: len(trace.z)], rtol=1e-6)
        assert len(trace.y) == len(trace.z) + 1  # edges


def test_its_hover_text_tells_the_quantiles_of_the_table() -> None:
    arms = pair()
    drawn = figures.over_time(arms, layer=3)
    medians = [trace for trace in drawn.data if trace.name and trace.name.endswith(": median")]
    for item, trace in zip(arms, medians, strict=True):
        table = item.layers.query("layer == 3")
        np.testing.assert_allclose(trace.y, table["q50"], rtol=1e-6)
        np.testing.assert_allclose(
            trace.customdata, table[["q05", "q15", "q85", "q95"]], rtol=1e-6, atol=1e-7
        )
        for share in ("95 %", "85 %", "median", "15 %", "5 %"):
            assert share in trace.hovertemplate


def test_the_gradients_of_a_step_are_a_density_per_factor_of_ten_and_zeros_are_told() -> None:
    arms = pair()
    drawn = figures.activations_and_gradients(arms, layer=1, step=500)
    right = [trace for trace in drawn.data if trace.xaxis == "x2"]
    for item, trace in zip(arms, right, strict=True):
        table = item.gradients.query(f"layer == 1 and step == {item.at(500).step}")
        share = table["count"].to_numpy()[2:] / table["count"].sum()
        widths = np.diff(np.log10(np.asarray(trace.x, float)))
        np.testing.assert_allclose(np.asarray(trace.y, float)[:-1] * widths, share, rtol=1e-4, atol=1e-9)
    assert "A: 33% of the gradients are exactly 0" in drawn.layout.title.text.replace("<br>", " ")


def test_where_gradients_were_not_counted_the_figure_says_so_and_why() -> None:
    arms = pair()
    old = figures.activations_and_gradients([uncounted(item) for item in arms])
    assert "gradients were not counted yet" in str(old.layout.annotations)
    assert "no gradients counted" in old.layout.meta["alt"]
    start = figures.activations_and_gradients(arms, step=0)
    assert "there is no gradient yet" in str(start.layout.annotations)
    assert "not counted" not in str(figures.activations_and_gradients(arms).layout.annotations)


def test_the_update_ratio_has_its_customary_line_and_the_lines_of_the_table() -> None:
    arms = pair()
    drawn = figures.update_ratio(arms)
    lines = [shape for shape in drawn.layout.shapes if shape.y0 == shape.y1]
    assert [shape.y0 for shape in lines] == [1e-3, 1e-3]
    assert "customary" in str(drawn.layout.annotations)
    thin = [trace for trace in drawn.data if trace.line.width == 0.8]
    for layer, trace in enumerate(thin[:3], start=1):
        expected = arms[0].layers.query(f"layer == {layer} and step > 0")["update_ratio"]
        values = np.asarray(trace.y, float)
        np.testing.assert_allclose(values[np.isfinite(values)], expected, rtol=1e-6)
    norms = figures.weight_norm(arms)
    np.testing.assert_allclose(norms.data[0].y, arms[0].layers.query("layer == 1")["weight_norm"], rtol=1e-6)
