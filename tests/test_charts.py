"""Each chart draws the numbers it was given, arm by arm and step by step, and says the same in its alt text."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest

from bnviz import figures
from bnviz.experiment import Experiment, Intervention
from bnviz.figures import charts
from bnviz.figures.charts import layer as layer_charts
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.correlation import correlation
from bnviz.figures.charts.figure_1 import figure_one
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.charts.generalization_gap import GeneralizationGap, generalization_gap
from bnviz.figures.charts.outputs_for_one_example import Answers, outputs_for_one_example
from bnviz.figures.charts.over_steps import Curve, over_steps
from bnviz.figures.charts.overview import overview
from bnviz.figures.charts.table import table
from bnviz.figures.charts.where_training_works import MapData, accuracy_map
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import BLUE, CLASS_COLOURS, DASHES, MORE, VERMILLION, WITH, WITHOUT, rgb
from bnviz.figures.frame.plot import PlotFunction
from bnviz.figures.frame.scale import Scale
from bnviz.figures.story import changes
from bnviz.figures.thumbnail import HEIGHT, MARGIN, WIDTH, thumbnail
from bnviz.layer.arithmetic import running_average
from bnviz.layer.captured import Companions, History, Members, Replies
from bnviz.recording import CurvePoint, Recording
from bnviz.recording.snapshot import BOUNDARY_POINTS, LAYER_COLUMNS
from tests.recordings import pair, recording

LOOKS = {"title": "T", "subtitle": "S"}


@pytest.mark.parametrize(
    "name", ["accuracy", "loss", "bands", "drift", "gradients", "saturation", "histogram"]
)
def test_in_a_printed_column_the_y_axis_is_named_and_on_a_phone_the_room_is_kept(name) -> None:
    draw = getattr(figures, name)
    printed, phone = (draw(pair(), theme=theme, narrow=True).layout for theme in ("print", "light"))
    assert printed.yaxis.title.text
    assert not phone.yaxis.title.text
    assert printed.margin.l > phone.margin.l


LAYERS = {"gradients": "grad_norm", "drift": "drift", "saturation": "saturated"}


def uneven() -> list[Recording]:
    """Two arms in which every number differs from arm to arm, layer to layer, split to split and step to step."""
    return [_marked(item, arm) for arm, item in enumerate(pair(dataset="moons", hidden=(3, 4)))]


def _marked(item: Recording, arm: int) -> Recording:
    snapshots = []
    for place, old in enumerate(item.snapshots):
        layers = old.layers.copy()
        for column in ("q05", "q15", "q25", "q50", "q75", "q85", "q95"):
            layers[:, LAYER_COLUMNS.index(column)] += [0.3 * arm, 0.3 * arm + 0.6]
        for column, tenth in (
            ("saturated", 0.1),
            ("drift", 1.0),
            ("grad_norm", 10.0),
            ("update_ratio", 0.001),
        ):
            values = tenth * (1 + place) * np.array([1.0, 1.3]) * (1 + 0.1 * arm) / 50
            layers[:, LAYER_COLUMNS.index(column)] = values
        curves = tuple(
            CurvePoint(
                split,
                2.0 / (1 + place) + 0.3 * arm + 0.1 * late,
                0.4 + place / 200 + 0.1 * arm - 0.05 * late,
                360,
            )
            for late, split in enumerate(("train", "test"))
        )
        grid = np.arange(BOUNDARY_POINTS**2, dtype=np.uint32).reshape(BOUNDARY_POINTS, -1) * 200 // 2304
        snapshots.append(
            dataclasses.replace(
                old, layers=layers, curves=curves, boundary=(grid + place + arm).astype(np.uint8)
            )
        )
    return dataclasses.replace(item, snapshots=tuple(snapshots))


def words(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def alt(figure: go.Figure) -> str:
    return str(figure.layout.meta["alt"])


def test_a_chart_of_a_run_stands_in_the_file_named_after_its_title() -> None:
    for kind in figures.FIGURES.values():
        name = kind.title.lower().replace(" ", "_")
        assert kind.function.__module__ == f"bnviz.figures.charts.{name}"


def test_every_chart_says_what_it_may_be_mistaken_for_and_its_folder_lists_it() -> None:
    found = 0
    for package in (charts, layer_charts):
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            assert info.name in str(package.__doc__)
            own = [
                item
                for item in vars(module).values()
                if isinstance(item, PlotFunction) and item.__module__ == module.__name__
            ]
            assert len(own) == (0 if info.ispkg else 1), info.name
            for item in own:
                found += 1
                assert "to be mistaken for" in " ".join(str(item.__doc__).split()), info.name
    assert found >= 23


def test_every_look_of_an_arm_has_its_dash_in_svg() -> None:
    dashes = [dash for _, dash in (WITHOUT, WITH, *MORE)]
    assert set(dashes) == set(DASHES)
    assert (
        len({item.thin for item in DASHES.values()})
        == len({item.thick for item in DASHES.values()})
        == MAX_ARMS
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_layers_line_is_its_column_in_its_arms_panel(name: str) -> None:
    arms = uneven()
    figure = figures.FIGURES[name].function(arms)
    for place, (letter, item) in enumerate(zip("AB", arms, strict=True)):
        for layer in (1, 2):
            expected = item.layer_column(layer, LAYERS[name])
            line = next(curve for curve in figure.data if curve.name == f"{letter}, layer {layer}")
            np.testing.assert_allclose(np.asarray(line.y), expected, rtol=1e-6)
            assert line.xaxis == ("x", "x2")[place]
            told = f"{expected[-1]:.1%}" if name == "saturation" else short(expected[-1])
            if name != "gradients":
                low, high = figure.layout.yaxis.range
                assert low <= expected.min() <= expected.max() <= high
                assert f"{told} in layer {layer}" in alt(figure).split("; ")[place]
    assert alt(figure).split("; ")[0].count(": ") == 2


@pytest.mark.parametrize("name", LAYERS)
def test_the_names_at_the_ends_are_those_of_the_lines_that_end_there(name: str) -> None:
    figure = figures.FIGURES[name].function(uneven())
    named = [note for note in figure.layout.annotations if note.text in ("layer 1", "layer 2")]
    assert len(named) == 4
    for panel in ("x", "x2"):
        first, second = sorted((note for note in named if note.xref == panel), key=lambda note: note.text)
        assert first.y < second.y  # the second layer's numbers are the larger ones
        assert first.x == second.x == 1000


def test_dead_relus_are_drawn_for_relu_and_saturation_for_the_others() -> None:
    for activation, column in (("relu", "dead"), ("tanh", "saturated")):
        (item,) = pair(activation=activation)[:1]
        line = figures.saturation([item]).data[0]
        np.testing.assert_allclose(np.asarray(line.y), item.layer_column(1, column), rtol=1e-6)


def test_the_alt_text_of_the_bands_tells_the_last_layer_of_each_arm() -> None:
    arms = uneven()
    told = alt(figures.bands(arms)).split("; ")
    for letter, part, item in zip("AB", told, arms, strict=True):
        median = item.layer_column(2, "q50")
        width = item.layer_column(2, "q85")[-1] - item.layer_column(2, "q15")[-1]
        assert f"{letter} · " in part
        assert f"in layer 2 the median went from {short(median[0])} to {short(median[-1])}" in part
        assert f"{short(width)} wide (step 1,000)" in part


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("measure", ["accuracy", "loss"])
def test_an_arms_line_and_its_label_are_its_evaluations_on_the_split(measure: str, split: str) -> None:
    arms = uneven()
    figure = figures.FIGURES[measure].function(arms, split=split)
    low, high = figure.layout.yaxis.range
    for place, (letter, item) in enumerate(zip("AB", arms, strict=True)):
        rows = item.curves[item.curves["split"] == split]
        (line,) = [curve for curve in figure.data if curve.name.startswith(f"{letter} · ")]
        np.testing.assert_array_equal(np.asarray(line.x), rows["step"])
        np.testing.assert_allclose(np.asarray(line.y), rows[measure], rtol=1e-6)
        final = rows[measure].iloc[-1]
        text = f"{final:.1%}" if measure == "accuracy" else short(final)
        (label,) = [note for note in figure.layout.annotations if note.text == f"<b>{letter}</b> {text}"]
        ends = np.log10(final) if measure == "loss" else final
        height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
        assert label.y == pytest.approx((ends - low) / (high - low))
        assert abs(label.yshift) < 0.2 * height
        assert f"{letter} · " in alt(figure).split("; ")[place]
        assert f"stands at {text} at step 1,000" in alt(figure).split("; ")[place]
        for value in rows[measure]:
            assert low <= (np.log10(value) if measure == "loss" else value) <= high


def test_labels_are_moved_the_way_that_keeps_them_apart() -> None:
    figure = figures.accuracy(pair())  # both arms end at the same accuracy
    ends = [note for note in figure.layout.annotations if note.text.startswith("<b>")]
    assert len(ends) == 2
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    places = [note.y * height + note.yshift for note in ends]
    assert abs(places[0] - places[1]) >= 13
    assert all(0 <= place <= height for place in places)
    traced = over_steps(
        {
            "": [
                Curve(name, WITH, np.array([0, 9]), np.array([0.1, end]))
                for name, end in (("a", 0.5), ("b", 0.52))
            ]
        },
        Scale("share", percent=True, reference=(0.51, "theory")),
        10,
        **LOOKS,
    )
    low, high, reference = (note for note in traced.layout.annotations if note.text in ("a", "b", "theory"))
    assert (low.text, high.text, reference.text) == ("a", "b", "theory")
    assert low.yshift < reference.yshift < high.yshift
    assert (reference.xref, reference.x) == ("x domain", 1)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_letters_of_two_curves_that_nearly_meet_stand_apart_in_the_overview(narrow: bool) -> None:
    plain, normalized = pair()
    last = normalized.snapshots[-1]
    curves = tuple(
        dataclasses.replace(point, accuracy=point.accuracy + 0.06, loss=0.6 * point.loss)
        for point in last.curves
    )
    ends = (*normalized.snapshots[:-1], dataclasses.replace(last, curves=curves))
    figure = overview([plain, dataclasses.replace(normalized, snapshots=ends)], narrow=narrow)
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    places: dict[str, list[float]] = {}
    for note in figure.layout.annotations:
        if note.text in ("<b>A</b>", "<b>B</b>"):
            low, high = figure.layout[note.yref.split()[0].replace("y", "yaxis")].domain
            places.setdefault(note.xref, []).append(note.y * height * (high - low) + note.yshift)
    assert len(places) == 2
    assert all(abs(first - second) > 12 for first, second in places.values())


def test_the_histograms_words_are_of_the_arm_layer_and_step_that_it_draws() -> None:
    arms = uneven()
    moved = [item.snapshots[-1] for item in arms]
    for arm, snapshot in enumerate(moved):
        counts = np.zeros_like(snapshot.histogram)
        counts[0, 60 + 3 * arm], counts[1, 40 + 3 * arm] = 100, 100
        snapshot.histogram[:] = counts
    for layer, first in ((1, 60), (2, 40)):
        figure = figures.histogram(arms, layer=layer)
        told = alt(figure).split("; ")
        for arm, letter in enumerate("AB"):
            (outline,) = [curve for curve in figure.data if curve.name.startswith(f"{letter} · ")]
            edges, heights = np.asarray(outline.x), np.asarray(outline.y)
            place = int(heights[:-1].argmax())
            assert place == first + 3 * arm
            assert f"{letter} · " in told[arm]
            assert f"median near {short(float(edges[place]))}" in told[arm]
    early = figures.histogram(arms, step=int(arms[0].steps[3]) + 1)
    assert f"at step {arms[0].steps[3]:,}:" in alt(early)


def test_the_boundary_is_the_recorded_grid_the_right_way_up_in_the_classes_colours() -> None:
    arms = uneven()
    figure = figures.boundary(arms)
    heats = [curve for curve in figure.data if curve.type == "heatmap"]
    for heat, item in zip(heats, arms, strict=True):
        np.testing.assert_array_equal(heat.z, item.snapshots[-1].boundary)
        for end, colour in ((0, CLASS_COLOURS[0]), (-1, CLASS_COLOURS[1])):
            assert np.abs(np.subtract(rgb(heat.colorscale[end][1]), rgb(colour))).max() < 45
    for place, item in enumerate(arms):
        share = (item.snapshots[-1].boundary > 127).mean()
        assert f"gives class 1 on {share:.0%} of the area" in alt(figure).split("; ")[place]


def test_figure_1_draws_held_out_accuracy_and_each_networks_unit() -> None:
    arms = uneven()
    for arm, item in enumerate(arms):
        for snapshot in item.snapshots:
            snapshot.units[:, :3] += np.arange(7)[:, None] + 10 * arm
    figure = figure_one(*arms, unit=2)
    for letter, item, panel in zip("AB", arms, ("x2", "x3"), strict=True):
        rows = item.curves[item.curves["split"] == "test"]
        (line,) = [curve for curve in figure.data if curve.name.startswith(f"{letter} · ")]
        np.testing.assert_allclose(np.asarray(line.y), rows["accuracy"], rtol=1e-6)
        for name, column in (("15 %", "q15"), ("median", "q50"), ("85 %", "q85")):
            (drawn,) = [curve for curve in figure.data if curve.name == f"{letter} {name}"]
            assert drawn.xaxis == panel
            np.testing.assert_allclose(np.asarray(drawn.y), item.unit_column(2, 2, column), rtol=1e-6)
    low, high = figure.layout.yaxis2.range
    assert low <= min(item.unit_column(2, 2, "q15").min() for item in arms)
    assert high >= max(item.unit_column(2, 2, "q85").max() for item in arms)


@pytest.mark.parametrize("target", [0.72, 0.88])
def test_figure_1_writes_the_steps_it_speaks_of_where_there_is_room(target: float) -> None:
    """A network that has hardly learned ends near the axis: below its target there are the axis's numbers."""
    figure = figure_one(*pair(), target=target)
    notes = [note for note in figure.layout.annotations if note.text.startswith("step ")]
    assert len(notes) == 2
    panel = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    low, high = figure.layout.yaxis.range
    for note in notes:
        height = panel * (target - low) / (high - low) + note.yshift
        assert (note.yanchor == "bottom") == (target == 0.72)
        assert height - (14 if note.yanchor == "top" else 0) >= 0
        assert height + (14 if note.yanchor == "bottom" else 0) <= panel


def map_of(accuracy: np.ndarray, diverged: np.ndarray) -> MapData:
    rates, scales = (0.1, 1.0, 10.0), (0.01, 0.5)
    return MapData(rates, scales, accuracy, accuracy - 0.1, accuracy + 0.05, diverged, steps=300, seeds=3)


def test_the_map_draws_each_kind_of_network_with_its_outline_its_crosses_and_its_words() -> None:
    accuracy = np.array([[[0.1, 0.2, 0.3], [0.4, 0.5, 0.9]], [[0.95, 0.6, 0.7], [0.81, 0.35, 0.15]]])
    diverged = np.zeros((2, 2, 3))
    diverged[0, 0, 1] = diverged[1, 1, 2] = 1
    figure = accuracy_map(map_of(accuracy, diverged))
    outlined = {0: {(1, 2)}, 1: {(0, 0), (1, 0)}}
    crossed = {0: (1, 0), 1: (2, 1)}
    for kind, panel in enumerate(("x", "x2")):
        cells, outline, crosses = [curve for curve in figure.data if curve.xaxis == panel]
        np.testing.assert_array_equal(cells.z, accuracy[kind])
        assert (crosses.x[0], crosses.y[0]) == crossed[kind]
        places = {(row, column) for row, column in outlined[kind]}
        xs, ys = ([value for value in axis if value is not None] for axis in (outline.x, outline.y))
        assert (min(ys), max(ys)) == (min(r for r, _ in places) - 0.5, max(r for r, _ in places) + 0.5)
        assert (min(xs), max(xs)) == (min(c for _, c in places) - 0.5, max(c for _, c in places) + 0.5)
        assert "learning rate 10, σ 0.01" in cells.text[0][2]
        assert f"accuracy {accuracy[kind, 0, 2]:.1%}" in cells.text[0][2]
    assert "1 of 3 diverged" in figure.data[0].text[0][1]
    assert "Of 6 settings 1 reach 80% with no normalization and 2 with batch norm" in alt(figure)


def test_a_ladder_joins_the_medians_marks_what_was_lost_and_tells_each_rung() -> None:
    values = np.array([[0.1, 0.5], [0.2, 0.5], [0.9, np.inf]])
    lost = np.array([[False, False], [False, False], [True, False]])
    figure = by_setting(
        {"": [Series("bn", WITH, values, lost)]},
        ["low", "high"],
        Scale("share", percent=True),
        setting_title="rate",
        **LOOKS,
    )
    line, dots = figure.data
    np.testing.assert_allclose(np.asarray(line.y), [0.2, 0.5], rtol=1e-6)
    assert list(dots.marker.symbol) == ["circle", "circle", "circle", "circle", "x-thin", "triangle-up-open"]
    assert "bn: 20.0% at low, 50.0% at high" in alt(figure)
    reference = Scale("share", percent=True, reference=(0.25, "quarter"))
    figure = by_setting(
        {"": [Series("bn", WITH, values)]}, ["low", "high"], reference, setting_title="rate", **LOOKS
    )
    assert [shape.y0 for shape in figure.layout.shapes] == [0.25]
    assert [note.y for note in figure.layout.annotations if note.text == "quarter"] == [0.25]


def test_marks_that_no_line_joins_differ_in_shape_and_are_named_with_it() -> None:
    shown = [Series(name, WITH, np.array([[0.2, 0.4]]), joined=False) for name in ("fixed", "new")]
    figure = by_setting({"": shown}, ["blur", "noise"], Scale("share"), setting_title="change", **LOOKS)
    assert [set(trace.marker.symbol) for trace in figure.data[1::2]] == [{"circle"}, {"square"}]
    named = [note.text for note in figure.layout.annotations if note.text.endswith(("fixed", "new"))]
    assert named == ["● fixed", "■ new"]
    alone = by_setting({"": shown[:1]}, ["blur", "noise"], Scale("share"), setting_title="change", **LOOKS)
    assert set(alone.data[1].marker.symbol) == {"circle"}


def test_traces_end_where_their_labels_stand_and_tell_both_ends() -> None:
    line = Curve("bn", WITH, np.array([0, 50, 100, 150]), np.array([0.2, np.nan, 0.5, np.nan]))
    figure = over_steps({"": [line]}, Scale("share", percent=True), 150, **LOOKS)
    (drawn,) = figure.data
    assert drawn.x.tolist() == [0, 100]
    (label,) = [note for note in figure.layout.annotations if note.text == "bn"]
    assert (label.x, label.y) == (100, pytest.approx(0.5 / 1.03))
    assert "bn: 20.0% at step 0, 50.0% at step 100" in alt(figure)


def test_a_race_tells_the_first_evaluation_at_the_target_and_draws_it() -> None:
    a, b = uneven()
    table_of = b.curves[b.curves["split"] == "test"]
    first = table_of[table_of["accuracy"] >= 0.6]["step"].iloc[0]
    figure = figure_2([Network("plain", WITHOUT, a), Network("bn", WITH, b)], target=0.6, **LOOKS)
    assert [shape.y0 for shape in figure.layout.shapes] == [0.6]
    assert f"was at 60.0% at step {first:,}" in alt(figure).split("; ")[1]
    (label,) = [note for note in figure.layout.annotations if note.text.startswith("bn ")]
    assert label.text == f"bn {table_of['accuracy'].iloc[-1]:.1%}"
    assert label.y == pytest.approx(table_of["accuracy"].iloc[-1] / 1.03)
    rows = table_of[table_of["step"] >= 1]
    np.testing.assert_array_equal(np.asarray(figure.data[1].x), rows["step"])


def test_a_gap_goes_from_the_ring_of_training_to_the_dot_of_held_out() -> None:
    nets = [GeneralizationGap("plain", WITHOUT, np.array([0.9, 1.0, 0.8]), np.array([0.6, 0.8, 0.7]))]
    figure = generalization_gap(nets, axis="accuracy", percent=True, **LOOKS)
    assert [curve.y.tolist() for curve in figure.data] == [
        pytest.approx([0.9, 0.6]),
        pytest.approx([1.0, 0.8]),
        pytest.approx([0.8, 0.7]),
    ]
    assert tuple(figure.data[0].marker.symbol) == ("circle-open", "circle")
    assert "20.0 points" in words(figure)
    assert "plain: 20.0 points" in alt(figure)


def test_outputs_count_mini_batches_from_1_and_draw_inference_as_it_is() -> None:
    figure = outputs_for_one_example([Answers("bn", WITH, np.array([0.1, 0.2, 0.9]), 0.75)], **LOOKS)
    inference, dots = figure.data
    assert np.allclose(inference.y, 0.75)
    assert dots.x.tolist() == [1, 2, 3]
    assert "from 10.0% to 90.0%, at inference 75.0%" in alt(figure)


def test_a_correlation_matrix_counts_units_from_1_and_is_blue_where_positive() -> None:
    figure = correlation({"before": np.array([[1.0, -0.5], [-0.5, 1.0]])}, **LOOKS)
    (heat,) = figure.data
    assert (heat.x0, heat.y0, heat.dx, heat.dy) == (1, 1, 1, 1)
    assert (heat.colorscale[0][1], heat.colorscale[-1][1]) == (VERMILLION, BLUE)


def test_a_table_tells_each_cell_under_its_heading_and_keeps_a_number_with_its_unit() -> None:
    figure = table(
        ["network", "steps", "accuracy"], [["bn", "120", "97 %"], ["plain", "900", "95 %"]], **LOOKS
    )
    assert alt(figure) == "T. bn: steps 120, accuracy 97 %; plain: steps 900, accuracy 95 %."
    assert [list(column) for column in figure.data[0].cells["values"]] == [
        ["bn", "plain"],
        ["120", "900"],
        ["97\N{NO-BREAK SPACE}%", "95\N{NO-BREAK SPACE}%"],
    ]


def test_before_and_after_counts_x_then_x_hat_then_y() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, 500)
    figure = layer_charts.before_and_after(x, 1.5, -2.0, 0.0, unit=1)
    x_hat = (x - x.mean()) / x.std()
    edges = np.asarray(figure.data[0].x, float)
    for curve, shape, values in zip(
        figure.data, figure.layout.shapes, (x, x_hat, 1.5 * x_hat - 2.0), strict=True
    ):
        inner = np.histogram(values, edges)[0]
        assert np.abs(np.asarray(curve.y)[:-1] - inner).max() <= 2  # edges are drawn in single precision
        assert shape.x0 == pytest.approx(values.mean(), abs=1e-9)
    headings = [text for text in words(figure) if text.startswith("<b>")]
    assert [heading.split("</b>")[0] for heading in headings] == [
        "<b>x, before",
        "<b>x̂, normalized",
        "<b>y = γ·x̂ + β",
    ]


def history() -> History:
    item = recording(Experiment(hidden=(2, 3), steps=40), records=41)
    chance = np.random.default_rng(0)
    for place, snapshot in enumerate(item.snapshots):
        snapshot.units[:, 3] = 1 + 0.01 * place * np.arange(1, 6)
        snapshot.units[:, 4] = -0.02 * place * np.arange(1, 6)
    return History(
        item,
        layer=2,
        values=5,
        batch_mean=chance.normal(size=(40, 3)) + np.array([0, 5, 9]),
        batch_variance=chance.uniform(1, 2, size=(40, 3)) + np.array([0, 3, 6]),
        population_steps=np.array([0, 20, 40]),
        population_mean=np.array([[0.0, 5.0, 9.0]] * 3),
        population_variance=np.array([[1.5, 4.5, 7.5]] * 3),
        population_batches=4,
        running_mean=np.zeros(3),
        running_variance=np.ones(3),
        gathering=0.1,
    )


def test_gamma_and_beta_are_the_recorded_columns_of_the_chosen_unit() -> None:
    captured = history()
    figure = layer_charts.learned(captured, 2, 10)
    for name, column in (("γ", "gamma"), ("β", "beta")):
        (own,) = [curve for curve in figure.data if curve.name == f"{name} of unit 2"]
        np.testing.assert_allclose(np.asarray(own.y), captured.recording.unit_column(2, 2, column), rtol=1e-6)
        last = captured.recording.unit_column(2, 2, column)[-1]
        assert f"in unit 2 at {short(float(last))}" in alt(figure)


def test_mean_and_variance_are_the_units_own_and_the_variance_is_unbiased() -> None:
    captured = history()
    figure = layer_charts.statistics(captured, 2, 0.25, 10)
    mean, variance = captured.batch_mean[:, 1], captured.batch_variance[:, 1] * 5 / 4
    drawn = {curve.name: np.asarray(curve.y, float) for curve in figure.data}
    for name, batches, start, population in (("mean", mean, 0.0, 5.0), ("variance", variance, 1.0, 4.5)):
        np.testing.assert_allclose(drawn[f"{name} of mini-batches"], batches, rtol=1e-6)
        np.testing.assert_allclose(drawn[f"{name} of the population"], population)
        expected = [start]
        for value in batches:
            expected.append(0.75 * expected[-1] + 0.25 * value)
        np.testing.assert_allclose(drawn[f"running average of the {name}"], expected, rtol=1e-6)
        np.testing.assert_allclose(running_average(batches, 0.25, start), expected)
    steps = next(curve.x for curve in figure.data if curve.name == "mean of the population")
    assert list(steps) == [0, 20, 40]


def test_input_gradients_keep_the_two_ways_apart() -> None:
    through, constant = np.array([1.0, -2.0, 1.0]), np.array([4.0, 5.0, 6.0])
    figure = layer_charts.input_gradients(through, constant, unit=3)
    bars = {bar.name: bar for bar in figure.data}
    assert bars["through the statistics"].y.tolist() == through.tolist()
    assert bars["as if they were constants"].y.tolist() == constant.tolist()
    assert bars["through the statistics"].x.tolist() == [1, 2, 3]
    assert "they lie between −2 and 1 and add up to 0" in alt(figure)


def test_what_the_others_receive_is_told_before_and_after_in_each_mode() -> None:
    def replies(base: float) -> Replies:
        return Replies(base + np.arange(8.0).reshape(4, 2), np.full(4, 0.5))

    found = Companions(
        Members(("0",), None),
        {"none": replies(0.0), "drop": replies(10.0)},
        {"none": replies(100.0), "drop": replies(100.0)},
    )
    figure = layer_charts.moves(found, "drop", example=2, unit=2)
    spots = {curve.name: np.asarray(curve.y).tolist() for curve in figure.data}
    assert spots["before, training mode"] == [1.0, 5.0, 7.0]  # not the second, which is changed
    assert spots["after, training mode"] == [11.0, 15.0, 17.0]
    assert spots["before, inference mode"] == spots["after, inference mode"] == [101.0, 105.0, 107.0]
    symbols = {curve.name: curve.marker.symbol for curve in figure.data}
    assert (symbols["before, training mode"], symbols["after, training mode"]) == ("circle-open", "diamond")


def test_feature_maps_show_the_chosen_channel_first_and_the_first_row_at_the_top() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    figure = layer_charts.maps(values, ("a", "b"), 3)
    shown = [np.asarray(curve.z) for curve in figure.data]
    for place, (example, channel) in enumerate([(0, 2), (1, 2), (0, 0), (1, 0)]):
        np.testing.assert_array_equal(shown[place], values[example, channel][::-1])
    assert f"channel 3 have mean {short(float(values[:, 2].mean()))}" in alt(figure)


def test_a_thumbnail_draws_each_arm_in_its_look_and_the_band_around_its_median() -> None:
    arms = uneven()
    root = ElementTree.fromstring(thumbnail(arms))
    svg = "{http://www.w3.org/2000/svg}"
    values = np.concatenate([[item.layer_column(2, name) for name in ("q15", "q50", "q85")] for item in arms])
    low, high = np.quantile(values.ravel(), [0.02, 0.98])
    for style, item, line, band in zip(
        arm_styles(arms), arms, root.findall(f"{svg}polyline"), root.findall(f"{svg}polygon"), strict=True
    ):
        assert (line.get("stroke"), line.get("stroke-dasharray") or "") == (
            style.colour,
            DASHES[style.dash].thin,
        )
        points = np.array([place.split(",") for place in str(line.get("points")).split()], float)
        median = item.layer_column(2, "q50")
        share = (HEIGHT - MARGIN - points[:, 1]) / (HEIGHT - 2 * MARGIN)
        np.testing.assert_allclose(share, (median - low) / (high - low), atol=2e-3)
        np.testing.assert_allclose(points[:, 0], MARGIN + (WIDTH - 2 * MARGIN) * item.steps / 1000, atol=0.06)
        edge = np.array([place.split(",") for place in str(band.get("points")).split()], float)
        lower, upper = edge[: len(median), 1], edge[len(median) :, 1][::-1]
        assert (lower > points[:, 1]).all()  # y grows downward
        assert (upper < points[:, 1]).all()


def test_the_story_tells_the_shift_of_the_layer_asked_for_and_who_leads() -> None:
    a, b = pair(hidden=(3, 4))
    for item in (a, b):
        item.snapshots[-1].units[3:, 1] += 2.0  # the medians of the second layer
    assert "0.0 σ in B" in figures.story([a, b], layer=1)
    assert "2.0 σ in B" in figures.story([a, b], layer=2)
    ahead = [_marked(item, arm) for arm, item in enumerate((a, b))]
    assert "B classifies" in figures.story(ahead)
    assert "A classifies" in figures.story(ahead[::-1])


def test_the_story_gives_each_of_two_close_networks_its_own_number() -> None:
    arms = []
    for item, accuracy in zip(pair(), (0.969, 0.986), strict=True):
        last = item.snapshots[-1]
        curves = tuple(dataclasses.replace(point, accuracy=accuracy) for point in last.curves)
        ends = (*item.snapshots[:-1], dataclasses.replace(last, curves=curves))
        arms.append(dataclasses.replace(item, snapshots=ends))
    for close in (arms, arms[::-1]):
        told = figures.story(close)
        assert "96.9%" in told
        assert "98.6%" in told
        assert "99%" not in told


def test_readouts_are_training_loss_and_held_out_accuracy() -> None:
    for item, told in zip(uneven(), figures.readouts(uneven()), strict=True):
        last = item.curves.set_index("split").groupby("split").tail(1)
        assert told.loss == last["loss"]["train"]
        assert told.accuracy == last["accuracy"]["test"]


def test_a_change_names_the_arms_in_which_it_was_made_unless_it_was_made_in_all() -> None:
    a, b = pair()
    one, both = Intervention(100, "learning_rate", 0.5), Intervention(200, "momentum", 0.9)
    late = Intervention(5000, "learning_rate", 0.1)
    arms = [
        dataclasses.replace(a, interventions=(one, both, late)),
        dataclasses.replace(b, interventions=(both,)),
    ]
    told = [(item["step"], item["text"]) for item in changes(arms, arm_styles(arms))]
    assert told == [(100, "learning rate 0.5 in A"), (200, "momentum 0.9")]
