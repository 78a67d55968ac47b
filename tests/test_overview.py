"""The Playground's figure: all that is seen at first sight, held to the figures that show each part alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bnviz import figures
from bnviz.experiment import Experiment, Intervention
from bnviz.figures.charts.overview import overview
from bnviz.figures.frame.layers import axis_end
from bnviz.figures.story import readouts
from bnviz.recording import Recording
from tests import recordings

PAIR = recordings.pair(hidden=(6, 5, 4))


def headings(figure):
    return [note.text for note in figure.layout.annotations if note.text]


def medians(figure):
    return {trace.name: np.asarray(trace.y) for trace in figure.data if (trace.name or "").endswith("median")}


def test_its_bands_are_those_of_the_figure_of_bands_alone():
    alone, together = figures.bands(PAIR), overview(PAIR)
    assert medians(alone).keys() == medians(together).keys()
    for name, values in medians(alone).items():
        assert np.array_equal(values, medians(together)[name])
    assert together.layout.yaxis.range == alone.layout.yaxis.range


def test_each_row_is_headed_by_its_arms_name_and_numbers():
    said = [text for text in headings(overview(PAIR)) if "accuracy <b>" in text]
    assert len(said) == 2
    for text, readout in zip(said, readouts(PAIR), strict=True):
        assert readout.arm in text
        assert f"{readout.accuracy:.1%}" in text


def test_the_numbers_are_those_at_the_step_looked_at():
    step = int(PAIR[0].steps[2])
    said = [text for text in headings(overview(PAIR, step=step)) if "accuracy <b>" in text]
    assert f"{readouts(PAIR, step)[0].accuracy:.1%}" in said[0]


def test_accuracy_and_loss_stand_on_the_axis_of_steps_of_the_bands():
    figure = overview(PAIR)
    curves = [trace for trace in figure.data if trace.xaxis == "x4" and trace.mode == "lines"]
    expected = PAIR[0].curves.query("split == 'test'")
    assert np.allclose(np.asarray(curves[0].y), expected["accuracy"])
    assert np.array_equal(np.asarray(curves[0].x), expected["step"])
    assert figure.layout.xaxis4.matches == "x"


def test_of_many_layers_the_first_a_middle_and_the_last_are_shown():
    deep = [recordings.recording(Experiment(hidden=(3,) * 9, normalizer=kind)) for kind in ("none", "batch")]
    names = {trace.name for trace in overview(deep).data if (trace.name or "").startswith("A, layer")}
    assert {name.split(":")[0] for name in names} == {"A, layer 1", "A, layer 5", "A, layer 9"}


def test_on_a_phone_layers_stand_below_each_other_and_arms_beside():
    figure = overview(PAIR, narrow=True)
    assert figure.layout.xaxis.domain[1] < 0.5 < figure.layout.xaxis2.domain[1]
    assert figure.layout.yaxis.domain[1] > figure.layout.yaxis3.domain[1]


def test_on_a_logarithmic_axis_step_0_stands_before_step_1():
    figure = overview(PAIR, axis="log", step=0)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.ticktext[:2] == ("0", "1")
    assert min(np.asarray(trace.x).min() for trace in figure.data if trace.mode == "lines") == 0.5
    assert all(shape.x0 > 0 for shape in figure.layout.shapes if shape.x0 == shape.x1)


@pytest.mark.parametrize(
    ("reached", "end"), [(0, 20), (20, 20), (21, 50), (199, 200), (201, 500), (1001, 2000), (2000, 2000)]
)
def test_the_axis_of_steps_grows_with_training(reached, end):
    recording = recordings.recording(Experiment(hidden=(3,), steps=2000))
    assert (
        axis_end(
            [
                recording.upto(0).extended(
                    [recording.at(0).__class__(**{**vars(recording.at(0)), "step": reached})]
                )
            ]
        )
        == end
    )


def test_before_training_the_axis_shows_the_whole_run():
    assert axis_end([Recording(Experiment(steps=700))]) == 700


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(("layer", "row"), [(None, 1), (3, 0)])
def test_what_will_be_seen_is_said_in_the_middle_of_a_layers_panels(layer, row, narrow):
    figure = overview([Recording(Experiment()), Recording(Experiment())], layer, narrow=narrow)
    (words,) = [note for note in figure.layout.annotations if "grow here" in note.text]
    own = figure.layout[words.yref.removesuffix(" domain").replace("y", "yaxis")]
    rows = sorted({axis.domain for axis in figure.select_yaxes()}, reverse=True)
    assert (own.domain, words.y) == (rows[row if narrow else 0], 0.5)


def test_one_network_and_five_are_drawn_too():
    five = [recordings.recording(Experiment(hidden=(4, 3), seed=seed)) for seed in range(5)]
    assert len(overview([five[0]]).data) > 3
    assert len([text for text in headings(overview(five)) if "accuracy <b>" in text]) == 5


def test_points_in_the_plane_bring_the_boundaries_into_the_last_column():
    flat = [
        recordings.recording(Experiment(dataset="moons", hidden=(4,), normalizer=kind))
        for kind in ("none", "batch")
    ]
    points = (np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    maps = [trace for trace in overview(flat, points=points).data if trace.type == "heatmap"]
    assert [trace.xaxis for trace in maps] == ["x2", "x4"]


def test_an_axis_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="axis = 'cubic' is not allowed; allowed is one of linear, log"):
        overview(PAIR, axis="cubic")


def test_a_change_of_the_learning_rate_is_marked_in_its_arms_panels_alone_once_training_reached_it():
    change = (Intervention(300, "learning_rate", 2.0),)
    changed = [replace(PAIR[0], interventions=change), PAIR[1]]
    figure = overview(changed)
    assert [shape.xref for shape in figure.layout.shapes if shape.x0 == shape.x1 == 300] == ["x", "x2", "x3"]
    assert len([text for text in headings(figure) if text == "learning rate 2"]) == 3
    early = overview([item.upto(200) for item in changed])
    assert "learning rate 2" not in headings(early)
