"""The page Landscape: what workers measure while they train, its routes, its figures, its link."""

from __future__ import annotations

import time

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from bnviz.engine.inspections import sharpness, smoothness
from bnviz.experiment import Experiment
from bnviz.figures import landscapes
from bnviz.labs.landscape import QUICK
from bnviz.recording.landscape import AlongGradient, Sharpness
from bnviz.runs import Limits, TooCostlyError
from bnviz.runs import measurements as module
from bnviz.runs.measurements import measured
from bnviz.ui.pages.landscape import BASE, EDGE, SECTIONS, View, experiment_of, networks, query_of
from bnviz.web import state
from tests.browser import ROOT
from tests.site import site_of

SMALL = BASE.replace(dataset="moons", train_examples=80, hidden=(5, 4), batch_size=40, steps=60, device="cpu")
PAIR = networks(SMALL, View())
_, GRADIENT = SECTIONS["gradient"]
_, SHARPNESS = SECTIONS["sharpness"]


def waited(measurement):
    measurement.play()
    while measurement.state == "running":
        time.sleep(0.02)
    assert measurement.state == "finished", measurement.message
    return measurement


@pytest.fixture(scope="module")
def finished(trainers):
    return {name: waited(trainers.measurements.open(PAIR, name, {})) for name in (GRADIENT, SHARPNESS)}


def test_workers_find_what_the_inspections_find(finished):
    for name, inspection, kind in (
        (GRADIENT, smoothness, AlongGradient),
        (SHARPNESS, sharpness, Sharpness),
    ):
        for experiment, pieces in zip(PAIR, finished[name].found, strict=True):
            expected = kind.joined([row for _, row in inspection.followed(experiment)])
            for field, values in vars(kind.joined(pieces)).items():
                np.testing.assert_array_equal(values, getattr(expected, field))
        assert finished[name].done == 1


def test_an_equal_measurement_is_there_at_once_and_another_is_not(trainers, finished):
    assert trainers.measurements.open(PAIR, GRADIENT, {}) is finished[GRADIENT]
    other = trainers.measurements.open(networks(SMALL, View(b="layer")), GRADIENT, {})
    assert (other.state, other.done) == ("stopped", 0)
    with pytest.raises(TooCostlyError, match="layers"):
        module.Measurements(None, Limits(layers=1)).open(PAIR, GRADIENT, {})


def test_a_stopped_measurement_keeps_what_it_has_and_goes_on(trainers):
    long = tuple(item.replace(dataset="digits", hidden=(60, 60), steps=12000) for item in PAIR)
    measurement = trainers.measurements.open(long, GRADIENT, {})
    measurement.play()
    while not 0 < measurement.done < 1:
        time.sleep(0.01)
    assert measurement.seconds_left is not None
    measurement.stop()
    while not measurement._task.done():
        time.sleep(0.02)
    held, shares = measurement.found, measurement.shares
    assert measurement.state == "stopped"
    assert max(shares) < 1
    waited(measurement)
    assert all(after[: len(before)] == before for before, after in zip(held, measurement.found, strict=True))
    steps = [[piece["steps"] for piece in pieces] for pieces in measurement.found]
    assert steps[0] == steps[1] == smoothness.recorded_steps(12000)


def test_a_worker_that_lost_what_it_had_begun_goes_on_after_what_is_known():
    whole = measured("first", PAIR[0], GRADIENT, {}, 0)
    while whole[-1][0] < 1:
        whole += measured("first", PAIR[0], GRADIENT, {}, len(whole))
    again = measured("second", PAIR[0], GRADIENT, {}, 20)
    for (share, piece), (other, known) in zip(again, whole[20:], strict=False):
        assert share == other
        np.testing.assert_array_equal(piece["losses"], known["losses"])
    assert again
    assert measured("first", PAIR[0], GRADIENT, {}, len(whole)) == []


def test_a_network_that_diverges_ends_its_measurement(trainers):
    wild = tuple(item.replace(learning_rate=100.0, weight_decay=1.0) for item in PAIR)
    measurement = waited(trainers.measurements.open(wild, SHARPNESS, {}))
    assert all(0 < len(pieces) < sharpness.RECORDS for pieces in measurement.found)
    assert "Sharpness and loss" in landscapes.draw(SHARPNESS, wild, measurement.found).layout["meta"]["alt"]


@pytest.mark.parametrize("function", [GRADIENT, SHARPNESS])
@pytest.mark.parametrize("looks", [{}, {"theme": "projector-dark", "narrow": True}], ids=str)
def test_the_figure_draws_what_was_found_and_nothing_before_it(finished, function, looks):
    plot = landscapes.draw(function, PAIR, finished[function].found, **looks)
    go.Figure(plot.figure().to_dict())
    assert "A  None" in plot.layout["meta"]["alt"]
    empty = landscapes.draw(function, PAIR, ((), ()), **looks)
    assert "nothing yet" in empty.layout["meta"]["alt"]
    one = landscapes.draw(function, PAIR, (finished[function].found[0][:1], ()), **looks)
    assert len(one.data) == len(plot.data)


def test_the_routes_tell_draw_and_export(trainers, finished):
    measurement = finished[SHARPNESS]
    site, base = site_of(trainers), f"/bnviz/landscapes/{measurement.id}"
    status = site.get(base).json()
    assert (status["state"], status["done"], status["revision"]) == ("finished", 1.0, measurement.revision)
    figure = site.get(f"{base}/figure?theme=dark&narrow=1")
    assert figure.json()["layout"]["meta"]["alt"].startswith("Sharpness")
    again = site.get(f"{base}/figure?theme=dark&narrow=1", headers={"If-None-Match": figure.headers["etag"]})
    assert again.status_code == 304
    for path, code in {f"{base}/figure?theme=pink": 422, "/bnviz/landscapes/nothing": 404}.items():
        answer = site.get(path)
        assert (answer.status_code, bool(answer.json()["error"])) == (code, True)
    assert site.post(f"{base}/erase").status_code == 404
    assert site.post(f"{base}/stop").json()["state"] == "finished"
    table = site.get(f"/bnviz/exports/landscapes/landscape.csv?landscape={measurement.id}")
    assert "normalizer = batch" in table.text
    assert len(table.text.splitlines()) > 4 * len(measurement.found[0])
    assert site.get("/bnviz/exports/landscapes/landscape.csv?landscape=nothing").status_code == 404


def test_the_pages_link_holds_its_state_and_names_nonsense(trainers, monkeypatch):
    monkeypatch.setattr(state, "manager", lambda: trainers)
    app = AppTest.from_file(str(ROOT / "pages" / "landscape.py"), default_timeout=60)
    app.query_params["section"] = "sharpness"
    app.query_params["batch_size"] = "0"
    app.query_params["optimizer"] = "adam"
    app.query_params["b"] = "layer"
    app.run()
    assert not app.exception
    assert "optimizer = 'adam' is not measured here" in app.warning[0].value.replace("\\", "")
    assert app.selectbox(key="landscape.batch_size").value == "0"
    app.selectbox(key="landscape.learning_rate").select("0.3").run()
    values = dict(app.query_params).items()
    said = {name: value if isinstance(value, str) else value[0] for name, value in values}
    assert said == {"section": "sharpness", "b": "layer", "batch_size": "0", "learning_rate": "0.3"}
    app.selectbox(key="landscape.batch_size").select("2").run()
    app.selectbox(key="landscape.dataset").select("mnist").run()
    assert not app.exception


def test_the_link_of_the_edge_of_stability_is_gradient_descent_on_all_examples():
    query = dict(part.split("=") for part in EDGE.split("&"))
    mine, network = View.split(query)
    view, ignored = View.salvage(mine)
    experiment, more = experiment_of(network)
    assert (*ignored, *more) == ()
    assert query_of(experiment, view) == query
    assert (experiment.batch_size, experiment.learning_rate, view.section) == (0, 0.2, "sharpness")


@pytest.mark.slow
def test_at_the_edge_of_stability_the_sharpness_stays_near_two_over_the_rate():
    query = dict(part.split("=") for part in EDGE.split("&"))
    experiment, _ = experiment_of(View.split(query)[1])
    plain = Sharpness.joined([row for _, row in sharpness.followed(networks(experiment, View())[0])])
    late = plain.sharpness[len(plain.steps) // 3 :]
    assert plain.sharpness[0] < 0.4 * 10
    assert float(np.median(late)) == pytest.approx(2 / experiment.learning_rate, rel=0.15)
    lower, _ = experiment_of(View.split(query | {"learning_rate": "0.02", "steps": "3000"})[1])
    slow = Sharpness.joined([row for _, row in sharpness.followed(networks(lower, View())[0])])
    assert slow.sharpness.max() < 0.5 * 2 / lower.learning_rate  # the limit is not what stops it


def test_experiments_of_the_page_are_the_labs():
    assert BASE.replace(dataset="digits") == QUICK == Experiment(**QUICK.to_dict())
