"""Recordings that the first release wrote: they open, draw, and replay as they did then."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from bnviz import Experiment, Recording, figures
from bnviz.engine.replay import replay
from bnviz.recording.snapshot import TABLES

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "recordings"
PATHS = {path.stem: path for path in sorted(FOLDER.glob("*.bnviz"))}
WATCHED = "watched-mlp"
TRAINED = [name for name in PATHS if name != WATCHED]
FIGURES = list(figures.FIGURES)

pytestmark = pytest.mark.skipif(not PATHS, reason="the recordings of the first release are not here")


@pytest.fixture(scope="module")
def recordings() -> dict[str, Recording]:
    return {name: Recording.load(path) for name, path in PATHS.items()}


def test_there_is_a_recording_of_each_kind(recordings):
    trained = [recordings[name] for name in TRAINED]
    assert recordings[WATCHED].watched is not None
    assert {item.experiment.architecture for item in trained} == {"mlp", "conv"}
    assert {item.normalized for item in trained} == {True, False}
    assert any(item.interventions for item in trained)
    assert any(item.diverged_at is not None for item in trained)
    assert any(len(item.boundaries) for item in trained)


@pytest.mark.parametrize("table", ["layers", "curves"])
@pytest.mark.parametrize("name", PATHS)
def test_its_tables_equal_those_that_were_written_beside_it(name, table, recordings):
    written = pd.read_csv(FOLDER / f"{name}.{table}.csv")
    pd.testing.assert_frame_equal(getattr(recordings[name], table), written, check_exact=True)


@pytest.mark.parametrize("name", PATHS)
def test_its_other_tables_equal_what_pandas_reads_in_the_file(name, recordings):
    with zipfile.ZipFile(PATHS[name]) as archive:
        for table in TABLES:
            found = pd.read_parquet(io.BytesIO(archive.read(f"{table}.parquet")))
            pd.testing.assert_frame_equal(getattr(recordings[name], table), found, check_exact=True)


@pytest.mark.parametrize("name", PATHS)
def test_saved_again_it_is_the_same_recording(name, recordings, tmp_path):
    mine = recordings[name]
    mine.save(tmp_path / "again.bnviz")
    again = Recording.load(tmp_path / "again.bnviz")
    assert again == mine
    assert again.provenance == mine.provenance
    with zipfile.ZipFile(PATHS[name]) as old, zipfile.ZipFile(tmp_path / "again.bnviz") as new:
        assert new.namelist() == old.namelist()
        written, read = json.loads(new.read("recording.json")), json.loads(old.read("recording.json"))
    if mine.watched is None:  # fields that came later say what was so before
        read["experiment"] = Experiment().to_dict() | read["experiment"]
    assert written == json.loads(json.dumps(read))


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("name", PATHS)
def test_every_figure_draws_it(name, figure, recordings):
    drawn = figures.FIGURES[figure].function([recordings[name]])
    assert isinstance(drawn, go.Figure)
    item = recordings[name]
    nothing = {
        "boundary": item.boundaries.empty,
        "accuracy": item.curves["accuracy"].isna().all(),
        "learning_rate": item.watched is not None,
    }
    if nothing.get(figure, False):
        return  # the figure then says so in words
    drawn_values = [
        np.asarray(curve[axis], float)
        for curve in drawn.data
        for axis in ("y", "z")
        if axis in curve and curve[axis] is not None
    ]
    assert any(np.isfinite(values).any() for values in drawn_values)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_again_every_number_agrees_but_for_the_rounding_of_another_processor(name, recordings):
    """Bit for bit on the kind of processor that wrote it; on another one to float tolerance, and it says so."""
    then = recordings[name]
    done = replay(then)
    now = done.again
    assert (now.interventions, now.diverged_at) == (then.interventions, then.diverged_at)
    assert now.steps.tolist() == then.steps.tolist()
    if done.agrees:
        return
    assert "rounds differently" in done.said or "Other versions" in done.said
    pd.testing.assert_frame_equal(now.curves, then.curves, rtol=1e-4)
    largest = then.layers.abs().groupby("layer").transform("max").drop(columns="step")
    off = (now.layers - then.layers).abs().drop(columns=["step", "layer"]) / (largest + 1e-6)
    assert off.max().max() < 0.01
    assert (now.layers.isna() == then.layers.isna()).all().all()


def test_one_that_was_watched_says_why_it_cannot_be_trained_again(recordings):
    with pytest.raises(ValueError, match="was watched while another program trained it"):
        replay(recordings[WATCHED])
