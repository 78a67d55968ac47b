"""Figures show what was recorded: no more, no less, and the same way for both arms."""

from __future__ import annotations

import base64
import dataclasses
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from bnviz import figures
from bnviz.experiment import Experiment
from bnviz.figures.frame.arms import arm_styles
from bnviz.figures.frame.axes import decades, log_ticks, rounded_up, usual
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import contrast
from bnviz.figures.frame.theme import THEMES, readable, shades
from bnviz.figures.frame.thinning import MOST_POINTS, thin
from bnviz.figures.marks.end_labels import spread
from bnviz.recording import Recording
from tests.recordings import pair, recording

NAMES = list(figures.FIGURES)
OVER_STEPS = [name for name in NAMES if name not in ("histogram", "activations_and_gradients", "boundary")]


def build(name: str, recordings: list[Recording], **view: object) -> go.Figure:
    return figures.FIGURES[name].function(recordings, **view)


def flat_pair() -> list[Recording]:
    return pair(dataset="spirals", hidden=(8, 8, 8), activation="tanh")


def texts(figure: go.Figure) -> str:
    notes = [note.text for note in figure.layout.annotations]
    return " | ".join([figure.layout.title.text, *notes, *(str(curve.text) for curve in figure.data)])


def range_of(axis: go.layout.YAxis) -> list[float]:
    return [float(end) for end in axis.range]


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_valid_plotly_in_every_theme_and_width(name, narrow, theme):
    figure = build(name, flat_pair(), theme=theme, narrow=narrow, step=300)
    go.Figure(figure.to_dict())  # checks every property; raises ValueError for one that Plotly does not know
    assert figure.layout.meta["alt"].count(". ") + 1 == 2
    assert all(arm in figure.layout.meta["alt"] for arm in ("A · no normalization", "B · batch norm"))


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_stands_before_anything_was_recorded_and_says_so(name):
    empty = [item.upto(-1) for item in flat_pair()]
    figure = build(name, empty)
    go.Figure(figure.to_dict())
    assert "here" in texts(figure)
    assert any(word in figure.layout.meta["alt"] for word in ("no record", "no map", "nothing to show"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arms", [1, 2, 3, 5])
def test_every_figure_takes_one_to_five_arms(name, arms):
    base = Experiment(dataset="moons", hidden=(4, 4), steps=100)
    several = [recording(base.replace(learning_rate=0.1 * (arm + 1)), records=5) for arm in range(arms)]
    figure = build(name, several)
    go.Figure(figure.to_dict())
    with pytest.raises(ValueError, match="allowed are 1 to 5"):
        build(name, [])


@pytest.mark.parametrize("name", NAMES)
def test_curves_keep_their_order_and_number_while_the_run_goes_on(name):
    whole = flat_pair()
    seen = [build(name, [item.upto(step) for item in whole]) for step in (-1, 0, 500, 1000)]
    assert len({tuple((curve.name, curve.legendgroup) for curve in figure.data) for figure in seen}) == 1
    assert len({figure.layout.uirevision for figure in seen}) == 1


@pytest.mark.parametrize("name", OVER_STEPS)
def test_the_axis_of_steps_grows_with_training_to_the_end_of_the_run(name):
    whole = flat_pair()
    for step, end in ((-1, 1000), (10, 20), (300, 500), (1000, 1000)):
        figure = build(name, [item.upto(step) for item in whole])
        assert list(figure.layout.xaxis.range) == [0, end]


@pytest.mark.parametrize("name", OVER_STEPS)
def test_the_scrubber_marks_its_step_in_every_panel(name):
    figure = build(name, flat_pair(), step=300)
    panels = sum(1 for key in figure.to_dict()["layout"] if key.startswith("xaxis"))
    marks = [shape for shape in figure.layout.shapes if shape.x0 == 300 and shape.x1 == 300]
    assert len(marks) == panels
    assert not [shape for shape in build(name, flat_pair()).layout.shapes if shape.x0 == 300]


@pytest.mark.parametrize("name", OVER_STEPS)
def test_divergence_is_marked_by_a_cross_and_a_word(name):
    a, b = flat_pair()
    gone = recording(a.experiment, shift=1.0, diverged_at=401)
    figure = build(name, [gone, b])
    crosses = [
        curve
        for curve in figure.data
        if curve.type == "scatter" and curve.marker.symbol == "x-thin" and len(curve.x)
    ]
    assert crosses
    assert {curve.x[0] for curve in crosses} == {401}
    assert all("diverged" in curve.text[0] for curve in crosses)
    assert "diverged at step 401" in figure.layout.meta["alt"]


@pytest.mark.parametrize("name", ["bands", "drift"])
def test_an_arm_that_leaves_the_frame_is_named_and_does_not_flatten_the_other(name):
    a, b = pair()
    gone = recording(a.experiment, shift=1.0, diverged_at=401)
    figure = build(name, [gone, recording(b.experiment, shift=0.5)])
    assert "reaches" in texts(figure) or "beyond the frame" in texts(figure)
    assert range_of(figure.layout.yaxis)[1] <= 10


def test_all_panels_of_the_bands_share_their_axes():
    figure = figures.bands(pair())
    layout = figure.to_dict()["layout"]
    axes = [layout[key] for key in layout if key.startswith(("xaxis", "yaxis"))]
    assert len(axes) == 12
    assert len({tuple(axis["range"]) for axis in axes}) == 2
    assert [axis.get("matches") for axis in axes].count("y") == 5


def quantiles_drawn(figure, name):
    """The quantiles that the closed bands and the median of one panel draw, and that its hover text tells."""
    curves = {
        curve.name.removeprefix(f"{name}: "): curve for curve in figure.data if curve.name.startswith(name)
    }
    median = curves["median"]
    drawn = {"q50": np.asarray(median.y)}
    told = np.asarray(median.customdata)
    for share, low, high in (("15–85 %", "q15", "q85"), ("5–95 %", "q05", "q95")):
        if share not in curves:
            continue
        x, y = np.asarray(curves[share].x), np.asarray(curves[share].y)
        there, back = slice(None, len(x) // 2), slice(len(x) // 2, None)
        np.testing.assert_array_equal(x[there], median.x)
        np.testing.assert_array_equal(x[back][::-1], median.x)
        drawn[high], drawn[low] = y[there], y[back][::-1]
        first, second = median.hovertemplate.split(f"{share}: ")[1].split("customdata[")[1:3]
        np.testing.assert_array_equal(told[:, int(first[0])], drawn[low])
        np.testing.assert_array_equal(told[:, int(second[0])], drawn[high])
    return drawn


def test_the_bands_draw_the_recorded_quantiles_within_the_frame():
    a, b = pair()
    figure = figures.bands([a, b], layer=2)
    for letter, item in (("A", a), ("B", b)):
        measured = item.layers.query("layer == 2")
        drawn = quantiles_drawn(figure, f"{letter}, layer 2")
        for column in ("q05", "q15", "q50", "q85", "q95"):
            np.testing.assert_allclose(drawn[column], measured[column].to_numpy(), rtol=1e-6)
    low, high = range_of(figure.layout.yaxis)
    assert low < stats.norm.ppf(0.05)
    assert high > stats.norm.ppf(0.95, 3.0)


def test_one_unit_is_drawn_as_in_the_paper_by_three_percentiles():
    a, b = pair()
    figure = figures.bands([a, b], layer=3, unit=17)
    drawn = quantiles_drawn(figure, "A, layer 3")
    expected = a.units.query("layer == 3 and unit == 17")
    assert set(drawn) == {"q15", "q50", "q85"}
    for column, values in drawn.items():
        np.testing.assert_array_equal(values, expected[column].to_numpy())
    assert "unit 17 of layer 3" in figure.layout.title.text


def test_before_the_normalizer_the_columns_of_that_name_are_drawn():
    a, b = pair()
    moved = [dataclasses.replace(item, layers=item.layers + 0.5) for item in b.snapshots]
    for item, original in zip(moved, b.snapshots, strict=True):
        item.layers[:, -9:] = original.layers[:, -9:]  # before_mean … before_q95 stay
    b = dataclasses.replace(b, snapshots=tuple(moved))
    drawn = {curve.name: curve.y for curve in figures.bands([a, b], layer=1, where="before").data}
    np.testing.assert_allclose(drawn["B, layer 1: median"], b.layer_column(1, "before_q50"), atol=1e-6)
    assert not np.allclose(drawn["B, layer 1: median"], b.layer_column(1, "q50"))


def test_saturated_zones_begin_where_the_slope_is_five_percent_of_its_maximum():
    for activation, slope in (
        ("sigmoid", lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2 / 0.25),
        ("tanh", lambda x: 1 - np.tanh(x) ** 2),
    ):
        figure = figures.bands([item.upto(-1) for item in pair(activation=activation)])
        edges = {shape.y0 for shape in figure.layout.shapes if shape.y0 is not None and 0 < shape.y0 < 100}
        assert len(edges) == 1
        assert slope(edges.pop()) == pytest.approx(0.05)
        assert texts(figure).count("saturated") == 1


def test_deep_networks_show_five_layers_and_say_which():
    figure = figures.bands(pair(hidden=(4,) * 20))
    assert "layers 1, 6, 10, 15, 20 of 20" in figure.layout.title.text
    assert len(figure.data) == 2 * 5 * 3


def test_arms_of_different_depth_leave_a_panel_free():
    base = Experiment(steps=100)
    shallow, deep = recording(base.replace(hidden=(5,))), recording(base.replace(hidden=(5, 5)))
    for name in NAMES:
        go.Figure(build(name, [shallow, deep]).to_dict())
    assert "no layer 2" in texts(figures.bands([shallow, deep]))


@pytest.mark.parametrize(
    ("name", "view", "message"),
    [
        ("bands", {"layer": 4}, "layer = 4 is not allowed; allowed is 1 to 3"),
        ("bands", {"unit": 101}, "unit = 101 is not allowed; allowed is 1 to 100"),
        ("bands", {"where": "after"}, "where = 'after' is not allowed"),
        ("histogram", {"layer": -1}, "layer = -1 is not allowed"),
        ("accuracy", {"split": "valid"}, "split = 'valid' is not allowed"),
        ("loss", {"theme": "pink"}, "theme = 'pink' is not allowed"),
        ("boundary", {"points": "all"}, "points are not allowed"),
    ],
)
def test_a_view_that_does_not_exist_is_refused_by_name_value_and_what_is_allowed(name, view, message):
    with pytest.raises(ValueError, match=message):
        build(name, pair(), **view)


def test_the_histogram_is_a_density_of_the_step_asked_for():
    a, b = pair()
    figure = figures.histogram([a, b], layer=2, step=600)
    curve = next(curve for curve in figure.data if curve.name.startswith("A"))
    edges, heights = np.asarray(curve.x, float), np.asarray(curve.y, float)
    assert (np.diff(edges) * heights[:-1]).sum() == pytest.approx(1.0, abs=1e-3)
    at = a.at(600)
    inner = np.abs(edges[:-1]) < 6
    expected = np.diff(stats.norm.cdf(edges, at.layers[1, 0], 1.0)) / np.diff(edges)
    np.testing.assert_allclose(heights[:-1][inner], expected[inner], atol=1e-3)
    assert f"step {at.step}" in figure.layout.title.text


def test_values_outside_the_histogram_are_counted_in_words():
    a, b = pair()
    far = recording(a.experiment, shift=200.0, diverged_at=3)
    told = figures.histogram([far, b]).layout.meta["subtitle"]  # where it wraps, and meets no legend
    assert "of the values lie outside the frame" in told


def test_accuracy_and_loss_tell_on_how_many_examples_and_where_guessing_lies():
    accuracy, loss = figures.accuracy(pair()), figures.loss(pair())
    assert "360 held-out examples" in accuracy.layout.title.text
    assert "500 training examples" in loss.layout.title.text
    assert [shape.y0 for shape in accuracy.layout.shapes] == [pytest.approx(0.1)]
    assert [shape.y0 for shape in loss.layout.shapes] == [pytest.approx(np.log(10))]
    assert "guessing" in texts(accuracy)
    assert [shape.y0 for shape in figures.accuracy(flat_pair()).layout.shapes] == [0.5]


def test_gradients_draw_every_record_and_their_running_median():
    a, b = pair()
    figure = figures.gradients([a, b])
    thin_line, thick = (curve for curve in figure.data if curve.name == "A, layer 2")
    expected = a.layer_column(2, "grad_norm")
    np.testing.assert_allclose(np.asarray(thin_line.y), expected, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(thick.y)[20], np.median(expected[13:28]), rtol=1e-6)
    assert "running median" in figure.layout.title.text


def test_the_boundary_draws_the_recorded_map_and_the_points():
    recordings = flat_pair()
    places = np.array([[0.0, 0.5], [1.0, -1.0], [0.2, 0.2]])
    figure = figures.boundary(recordings, (places, np.array([0, 1, 1])), step=10)
    heat = next(curve for curve in figure.data if curve.type == "heatmap")
    np.testing.assert_array_equal(heat.z, recordings[0].at(10).boundary)
    markers = [curve for curve in figure.data if curve.type == "scatter"]
    assert len({(curve.marker.symbol, curve.marker.color) for curve in markers}) == 2
    assert sum(len(curve.x) for curve in markers) == 2 * len(places)


def test_with_and_without_normalization_keep_their_colours_whatever_the_order():
    a, b = pair()
    for arms in ([a, b], [b, a]):
        for style, item in zip(arm_styles(arms), arms, strict=True):
            blue = item.experiment.normalizer == "batch"
            assert (style.colour, style.dash) == (("#0072B2", "solid") if blue else ("#D55E00", "dash"))
    assert [style.label for style in arm_styles([b, a])] == ["A · batch norm", "B · no normalization"]
    assert arm_styles([b])[0].colour == "#0072B2"


def test_arms_are_named_after_what_differs():
    base = Experiment()
    rates = [recording(base.replace(learning_rate=rate), records=2) for rate in (0.1, 1.0)]
    assert [style.label for style in arm_styles(rates)] == ["A · learning rate 0.1", "B · learning rate 1"]
    assert [style.label for style in arm_styles([rates[0], rates[0]])] == ["A", "B"]
    deep = [recording(base.replace(hidden=hidden), records=2) for hidden in ((50,), (50, 20))]
    assert [style.name for style in arm_styles(deep)] == ["1 × 50 units", "50-20 units"]


@pytest.mark.parametrize("theme", list(THEMES.values()), ids=list(THEMES))
def test_texts_reach_the_contrast_that_wcag_asks_for(theme):
    base = Experiment()
    arms = arm_styles([recording(base.replace(seed=seed), records=1) for seed in range(5)])
    layers = [shade for arm in arms for shade in shades(arm.colour, 6, theme)]
    for colour in [theme.ink, theme.quiet, *(readable(colour, theme) for colour in layers)]:
        assert contrast(colour, theme.paper) >= 4.5
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # WCAG's well-known near miss


def test_long_recordings_are_thinned_but_not_their_extremes():
    base = Experiment(steps=50_000, hidden=(3, 3))
    long = recording(base, records=2000, shift=2.0)
    spike = long.snapshots[1234]
    spike.layers[0, :] += 50.0
    for curve in figures.bands([long], layer=1).data:
        assert len(curve.x) <= MOST_POINTS * (1 if "median" in curve.name else 2)
    drawn = {curve.name: np.asarray(curve.y) for curve in figures.bands([long], layer=1).data}
    assert drawn["A, layer 1: median"].max() == pytest.approx(spike.layers[0, 5])


@given(
    arrays.arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 2000)), elements=st.floats(-1e6, 1e6))
)
def test_thinning_keeps_the_ends_and_every_curves_extremes(rows):
    kept = thin(rows)
    assert len(kept) <= MOST_POINTS
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == rows.shape[1] - 1
    np.testing.assert_array_equal(rows[:, kept].max(axis=1), rows.max(axis=1))
    np.testing.assert_array_equal(rows[:, kept].min(axis=1), rows.min(axis=1))


def test_thinning_holds_its_ground_where_numbers_are_missing():
    values = np.full(1000, np.nan)
    values[777] = -5.0
    assert 777 in thin(values)


@settings(deadline=None)
@given(st.floats(1e-6, 1e6))
def test_a_rounded_range_holds_the_value_and_wastes_at_most_half(value):
    assert value * (1 - 1e-9) <= rounded_up(value) <= 1.5 * value * (1 + 1e-9)


def test_what_is_usual_ignores_a_short_spike_but_not_a_lasting_change():
    steps = np.arange(1001)
    values = np.ones(1001)
    values[500:510] = 99.0
    assert usual(steps, values) == 1.0
    values[500:600] = 99.0
    assert usual(steps, values) == 99.0
    # Dense early records weigh no more than the time they cover.
    uneven = np.concatenate([np.arange(15), np.arange(50, 1001, 50)])
    assert usual(uneven, np.where(uneven < 15, 99.0, 1.0)) == 1.0
    assert usual(steps[:10], values[:10], whole=1000) == 0.0


def test_a_logarithmic_axis_contains_its_values_and_has_a_few_round_ticks():
    for values in (np.array([0.011, 3.4]), np.array([1e-9, 10.0]), np.array([0.5, 0.6])):
        low, high = decades([values])
        assert 10**low <= values.min() * 1.001
        assert 10**high >= values.max() * 0.999
        ticks = log_ticks(low, high)
        assert 2 <= len(ticks["tickvals"]) <= 8
        assert all(low - 1e-6 <= np.log10(tick) <= high + 1e-6 for tick in ticks["tickvals"])
    assert log_ticks(-2, 1)["ticktext"] == ["0.01", "0.1", "1", "10"]
    assert "10⁻⁶" in log_ticks(-8, 0)["ticktext"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=6))
def test_labels_are_moved_apart_and_stay_in_order(positions):
    placed = spread(positions, 15, 0, 300)
    ordered = [place for _, place in sorted(zip(positions, placed, strict=True))]
    assert all(
        second - first > 13 for first, second in zip(sorted(ordered), sorted(ordered)[1:], strict=False)
    )
    assert min(placed) >= -1e-6
    assert max(placed) <= 300 + 1e-6


def test_numbers_in_charts_are_short():
    assert [short(value) for value in (0.0, 0.12345, 3.0, 1234.5, -4.8e17, 2e-7, np.inf)] == [
        "0",
        "0.123",
        "3",
        "1,234",
        "−4.8·10¹⁷",
        "2.0·10⁻⁷",
        "no finite number",
    ]


def test_the_story_tells_the_shift_of_the_median_and_the_lead():
    a, b = pair()
    told = figures.story([a, b], step=1000, layer=3)
    assert told.startswith(
        "By step 1,000 the median of a typical unit in layer 3 has moved 3.0 σ in A and 0.0 σ in B. "
    )
    assert "One σ is the standard deviation of what the layer receives" in told
    assert told.endswith("They classify nearly as many of the held-out examples correctly: A 90.0%, B 90.0%.")
    better = dataclasses.replace(b, snapshots=b.snapshots[-1:])
    worse = a.upto(500)
    assert "classifies 90.0% of the held-out examples correctly" in figures.story([worse, better])


def test_divergence_is_told_in_words():
    a, b = pair()
    gone = recording(a.experiment, diverged_at=37)
    told = figures.story([gone, b])
    assert told.startswith("A diverged at step 37: its loss is no longer a finite number. B goes on.")
    assert "diverged" not in figures.story([gone, b], step=36)
    assert "has been measured" in figures.story([item.upto(-1) for item in (a, b)])


def test_readouts_are_the_last_numbers_at_or_before_the_step():
    a, b = pair()
    first, second = figures.readouts([a, b], 300)
    table = a.curves[a.curves["step"] <= 300]
    assert first.loss == table[table["split"] == "train"]["loss"].iloc[-1]
    assert first.accuracy == table[table["split"] == "test"]["accuracy"].iloc[-1]
    assert first.arm == "A · no normalization"
    assert second.step <= 300
    assert figures.readouts([a.upto(-1)])[0].loss is None


@pytest.mark.parametrize("name", NAMES)
def test_numbers_travel_in_binary(name):
    document = json.loads(build(name, flat_pair()).to_json())
    for curve in document["data"]:
        for axis in ("x", "y", "z"):
            values = curve.get(axis, [])
            assert isinstance(values, dict) or len(values) <= 1, f"{name} sends {axis} as text"
            if isinstance(values, dict):
                assert values["dtype"] in ("f4", "u1", "u2", "u4")
                base64.b64decode(values["bdata"])


@pytest.mark.parametrize("name", NAMES)
def test_the_registry_knows_arguments_and_heights(name):
    kind = figures.FIGURES[name]
    assert {"theme", "step", "narrow"} <= set(kind.arguments)
    experiments = [item.experiment for item in pair()]
    assert kind.size(experiments) == kind.heights


def test_an_arm_that_stopped_earlier_is_shown_with_the_step_of_its_last_record():
    a, b = flat_pair()
    gone = recording(a.experiment, diverged_at=301)
    assert "A as last recorded, at step 300" in texts(figures.histogram([gone, b]))
    assert "as last recorded, at step 300" in texts(figures.boundary([gone, b]))


def test_the_alt_text_of_the_histogram_names_the_median_that_the_layer_has():
    wandered = recording(Experiment(hidden=(5, 4), steps=100), shift=3.0)
    alt = figures.histogram([wandered], layer=2).layout.meta["alt"]
    assert float(re.search(r"median near (\S+?)[,;.]?(?:\s|$)", alt)[1]) == pytest.approx(3.0, abs=0.3)
