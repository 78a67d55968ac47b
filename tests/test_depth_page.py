"""The page Depth: its link, its routes, and the networks that it measures and trains."""

from __future__ import annotations

import io
import time

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from bnviz.engine.inspections.depth import of_experiment
from bnviz.engine.trainer import train
from bnviz.experiment.depths import Depths, Passage, Place, started
from bnviz.experiment.grid import Score
from bnviz.ui.pages.depth import Choice
from bnviz.web import state
from bnviz.web.depths import depth_query, drawn_depths
from tests.browser import ROOT
from tests.site import site_of

PASSAGE = Passage(started("relu", hidden=(9,) * 12, batch_size=16, steps=1), ("none", "batch"))


def done(sweep):
    while sweep.state == "running":
        time.sleep(0.02)
    assert sweep.state == "finished", sweep.message
    return sweep


@pytest.fixture(scope="module")
def measured(trainers):
    sweep = trainers.sweeps.open(PASSAGE)
    sweep.play()
    return done(sweep)


def test_workers_measure_what_a_script_measures(trainers, measured):
    for cell in PASSAGE.cells:
        (found,) = measured.scores[cell]
        alone = of_experiment(PASSAGE.experiment(cell))
        for name, values in alone.arrays().items():
            assert np.array_equal(getattr(found, name), values, equal_nan=True), name
    again = trainers.sweeps.open(PASSAGE)
    assert again.kept
    assert again.scores == measured.scores


def test_workers_train_every_kind_at_every_depth(trainers):
    plan = Depths(started("relu", hidden=(6,), batch_size=30, steps=2, learning_rate=0.1), ("batch",))
    sweep = trainers.sweeps.open(plan)
    sweep.play()
    scores = done(sweep).scores
    assert set(scores) == set(plan.cells)
    cell = Place("batch", 5)
    last = train(plan.experiment(cell)).curves.query("split == 'test'").iloc[-1]
    assert scores[cell][0].accuracy == pytest.approx(last["accuracy"])


def test_the_figure_of_training_shows_each_depth_and_where_it_diverged():
    plan = Depths(started("relu", hidden=(16,), steps=50), ("none", "residual"), seeds=2)
    scores = {
        cell: (Score(0.9, 0.3), Score(0.1, np.nan, 7 if cell.kind == "none" else None)) for cell in plan.cells
    }
    figure = drawn_depths(plan, scores, theme="light", narrow=False).figure()
    go.Figure(figure.to_dict())
    crosses = [list(curve.marker.symbol).count("x-thin") for curve in figure.data if curve.mode == "markers"]
    assert crosses == [5, 0]
    assert "no normalization: 10.0% at 2 (diverged)" in figure.layout.meta["alt"]
    assert "nothing yet" in drawn_depths(plan, {}, theme="dark", narrow=True).figure().layout.meta["alt"]


def test_the_routes_tell_and_draw_and_files_say_what_was_measured(trainers, measured):
    site, base = site_of(trainers), f"/bnviz/maps/{measured.id}"
    status = site.get(base).json()
    assert (status["state"], status["done"], status["cells"]) == ("finished", 2, 2)
    figure = site.get(f"{base}/figure?theme=projector&narrow=1")
    assert "batch norm: squared gradient times" in figure.json()["layout"]["meta"]["alt"]
    assert site.get(f"{base}/open?row=0&column=0").status_code == 404
    table = site.get(f"/bnviz/exports/maps/depth.csv?map={measured.id}")
    assert table.status_code == 200
    assert "bnviz-depth.csv" in table.headers["content-disposition"]
    head = [line for line in table.text.splitlines() if line.startswith("#")]
    assert any("at initialization" in line for line in head)
    assert any("/depth?" in line and "kinds=none%2Cbatch" in line for line in head)
    numbers = pd.read_csv(io.BytesIO(table.content), comment="#")
    assert len(numbers) >= 2 * 12


@pytest.mark.parametrize(
    "query",
    [
        {},
        {
            "depth": "7",
            "width": "32",
            "batch_size": "8",
            "activation": "identity",
            "kinds": "batch",
            "seed": "5",
        },
        {
            "half": "training",
            "steps": "50",
            "learning_rate": "0.3",
            "seeds": "2",
            "kinds": "none,residual-plain",
        },
    ],
    ids=str,
)
def test_a_figures_link_opens_the_networks_that_it_shows(query):
    choice, ignored = Choice.salvage(query)
    assert ignored == ()
    assert choice.to_query() == query
    again, ignored = Choice.salvage(depth_query(choice.plan))
    assert ignored == ()
    assert again == choice


def test_the_pages_link_holds_its_controls_and_names_nonsense(trainers, monkeypatch):
    monkeypatch.setattr(state, "manager", lambda: trainers)
    app = AppTest.from_file(str(ROOT / "pages" / "depth.py"), default_timeout=60)
    app.query_params["depth"] = "3"
    app.query_params["width"] = "16"
    app.query_params["kinds"] = "none,weights"
    app.run()
    assert not app.exception
    assert "kinds = 'none,weights'" in app.warning[0].value
    assert app.number_input(key="depth.depth").value == 3
    app.selectbox(key="depth.activation").select("tanh").run()
    assert not app.exception
    assert app.query_params["activation"] in ("tanh", ["tanh"])
    app.selectbox(key="depth.half").select("training").run()
    assert not app.exception
    assert app.selectbox(key="depth.steps").value == 100
    app.query_params["kinds"] = ""
    app.selectbox(key="depth.half").select("start").run()
    assert not app.exception


def test_no_kind_to_compare_is_said_in_words(trainers, monkeypatch):
    monkeypatch.setattr(state, "manager", lambda: trainers)
    app = AppTest.from_file(str(ROOT / "pages" / "depth.py"), default_timeout=60)
    app.query_params["depth"] = "3"
    app.query_params["width"] = "16"
    app.run()
    app.session_state["depth.kinds"] = []
    app.session_state["address.touched"] = True
    app.run()
    assert not app.exception
