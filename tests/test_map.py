"""The map: every cell the network it claims to be, coarse to fine, and back by link."""

import io
import time

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from bnviz.engine import stack
from bnviz.engine.grid_scores import scores
from bnviz.engine.stack import worth_stacking
from bnviz.engine.trainer import train
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.grid import KINDS, TILE, Cell, Grid, Score
from bnviz.figures.charts.where_training_works import accuracy_map
from bnviz.ui.pages.map import Choice
from bnviz.web import state
from bnviz.web.maps import map_data, playground_query
from tests.browser import ROOT
from tests.site import site_of

BASE = Experiment(dataset="digits", hidden=(8, 8), init="gaussian", batch_size=60, steps=40)
GRID = Grid(BASE, 4)


@pytest.fixture(scope="module")
def finished(trainers):
    sweep = trainers.sweeps.open(GRID)
    sweep.play()
    while sweep.state == "running":
        time.sleep(0.02)
    assert sweep.state == "finished", sweep.message
    return sweep


def test_every_cell_is_trained_once_and_coarse_comes_before_fine():
    for size in (6, 12):
        grid = Grid(BASE, size, seeds=2)
        tiles = list(grid.tiles())
        order = [cell for tile in tiles for cell in tile]
        assert sorted(order) == sorted(grid.cells)
        assert len(set(order)) == 2 * size**2
        assert all(len({cell.normalizer for cell in tile}) == 1 for tile in tiles)
        assert max(map(len, tiles)) * 2 <= TILE
        coarse = [cell for cell in order if cell.row % 4 == 0 and cell.column % 4 == 0]
        assert order[: len(coarse)] == coarse


@pytest.mark.parametrize("cells_together", [1, 8])
@pytest.mark.parametrize("most_weights", [0, 10**6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_ends_as_the_same_experiment_trained_alone(kind, most_weights, cells_together, monkeypatch):
    monkeypatch.setattr(stack, "MOST_WEIGHTS", most_weights)
    # At the higher learning rates of the map a difference in rounding grows until the networks have nothing in common.
    mild = [cell for cell in GRID.cells if cell.normalizer == kind and cell.column < 2]
    experiments = [GRID.experiment(cell) for cell in mild[:cells_together]]
    assert worth_stacking(experiments) == (cells_together > 1 and most_weights > 0)
    for experiment, score in list(zip(experiments, scores(experiments), strict=True))[::3]:
        last = train(experiment).curves.query("split == 'test'").iloc[-1]
        assert score.accuracy == pytest.approx(last["accuracy"], abs=0.01)
        assert score.loss == pytest.approx(last["loss"], rel=0.01)


def test_a_network_that_diverges_counts_as_guessing():
    # Each step makes every weight 99 times as large.
    wild = BASE.replace(learning_rate=100.0, weight_decay=1.0)
    for together in (1, 8):  # alone, and in a stack
        for score in scores([wild] * together):
            assert score.diverged_at is not None
            assert score.accuracy == pytest.approx(0.1)


def test_workers_fill_the_map_and_an_equal_one_is_there_at_once(trainers, finished):
    assert set(finished.scores) == set(GRID.cells)
    [alone] = scores([GRID.experiment(Cell("batch", 1, 2))])
    assert finished.scores[Cell("batch", 1, 2)][0].accuracy == pytest.approx(alone.accuracy, abs=0.01)
    again = trainers.sweeps.open(GRID)
    assert again.kept
    assert again.scores == finished.scores
    again.play()
    assert again.state == "finished"


def test_a_stopped_map_keeps_what_it_has_and_goes_on(trainers):
    sweep = trainers.sweeps.open(Grid(BASE.replace(seed=7), 12))
    sweep.play()
    while not sweep.scores:
        time.sleep(0.02)
    sweep.stop()
    while not sweep._task.done():
        time.sleep(0.02)
    held = len(sweep.scores)
    assert 0 < held < len(sweep.grid.cells)
    assert sweep.state == "stopped"
    sweep.play()
    while len(sweep.scores) <= held:
        assert sweep.state == "running"
        time.sleep(0.02)
    sweep.stop()


@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
@pytest.mark.parametrize("narrow", [False, True])
def test_the_figure_shows_each_mean_and_counts_the_settings_that_work(theme, narrow):
    grid = Grid(BASE, 4, seeds=2)
    chance = np.random.default_rng(0)
    made = {
        cell: (Score(chance.uniform(), 0.5), Score(chance.uniform(), 0.5, diverged_at=3))
        for cell in grid.cells[:-5]
    }
    figure = accuracy_map(map_data(grid, made), theme=theme, narrow=narrow)
    go.Figure(figure.to_dict())
    plain, normalized = (curve for curve in figure.data if curve.type == "heatmap")
    for curve, kind in ((plain, "none"), (normalized, "batch")):
        for row in range(4):
            for column in range(4):
                seeds = made.get(Cell(kind, row, column))
                if seeds is None:
                    assert np.isnan(curve.z[row, column])
                else:
                    assert curve.z[row, column] == pytest.approx(np.mean([item.accuracy for item in seeds]))
    without = [seeds for cell, seeds in made.items() if cell.normalizer == "none"]
    usable = sum(np.mean([item.accuracy for item in seeds]) >= 0.8 for seeds in without)
    assert f"Of 16 settings {usable} reach 80% with no normalization" in figure.layout.meta["alt"]
    empty = accuracy_map(map_data(grid, {}), theme=theme, narrow=narrow)
    assert "nothing to show yet" in empty.layout.meta["alt"]


def test_a_click_opens_the_very_experiments():
    for row, column in ((0, 0), (3, 1)):
        comparison, ignored = Comparison.salvage(playground_query(GRID, row, column))
        assert ignored == ()
        assert comparison.arms == tuple(GRID.experiment(Cell(kind, row, column)) for kind in KINDS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 5000}, "steps = 5,000"),
        ({"hidden": (300, 300)}, "units of all layers = 600"),
        ({"init": "xavier"}, "Gaussian"),
        ({"dropout": 0.5}, "no dropout"),
    ],
)
def test_what_is_too_much_for_a_map_is_refused_by_name(change, sentence):
    with pytest.raises(ExperimentError, match=sentence):
        Grid(BASE.replace(**change))
    with pytest.raises(ExperimentError, match="size = 7"):
        Grid(BASE, 7)


def test_the_routes_tell_draw_and_lead_on(trainers, finished):
    site, base = site_of(trainers), f"/bnviz/maps/{finished.id}"
    status = site.get(base).json()
    assert (status["state"], status["done"], status["cells"]) == ("finished", 32, 32)
    figure = site.get(f"{base}/figure?theme=dark&narrow=1")
    assert figure.json()["layout"]["meta"]["alt"].startswith("Two maps")
    again = site.get(f"{base}/figure?theme=dark&narrow=1", headers={"If-None-Match": figure.headers["etag"]})
    assert again.status_code == 304
    leads = site.get(f"{base}/open?row=3&column=1")
    assert leads.status_code == 303
    assert leads.headers["location"].startswith("/?")
    wrong = {f"{base}/open?row=9": 422, f"{base}/figure?theme=pink": 422, "/bnviz/maps/nothing": 404}
    for path, code in wrong.items():
        answer = site.get(path)
        assert answer.status_code == code
        assert answer.json()["error"]
    assert site.post(f"{base}/erase").status_code == 404
    assert site.post(f"{base}/stop").json()["state"] == "finished"


def test_the_pages_link_holds_its_controls_and_names_nonsense(trainers, monkeypatch):
    monkeypatch.setattr(state, "manager", lambda: trainers)
    app = AppTest.from_file(str(ROOT / "pages" / "map.py"), default_timeout=60)
    app.query_params["activation"] = "relu"
    app.query_params["size"] = "7"
    app.run()
    assert not app.exception
    assert "size = '7'" in app.warning[0].value
    assert app.selectbox(key="map.activation").value == "relu"
    app.selectbox(key="map.depth").select(5).run()
    assert app.query_params["depth"] == ["5"] or app.query_params["depth"] == "5"
    choice, ignored = Choice.salvage({"activation": "relu", "depth": "5"})
    assert ignored == ()
    assert choice.to_query() == {"activation": "relu", "depth": "5"}
    assert choice.grid.base.hidden == (32,) * 5


def test_the_map_leaves_as_files_that_say_what_was_varied(trainers, finished):
    site = site_of(trainers)
    table = site.get(f"/bnviz/exports/maps/map.csv?map={finished.id}")
    assert table.status_code == 200
    head = [line for line in table.text.splitlines() if line.startswith("#")]
    assert any("learning rate 0.003 to 30" in line for line in head)
    assert any("torch" in line for line in head)
    numbers = pd.read_csv(io.BytesIO(table.content), comment="#")
    assert len(numbers) >= 2 * 16
    assert site.get("/bnviz/exports/maps/map.csv?map=nothing").status_code == 404
