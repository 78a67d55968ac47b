"""The Recording: its tables, its file, and how it refuses a file that is not its own."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bnviz.engine.trainer import train
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import CurvePoint, Provenance, Recording, Snapshot
from bnviz.recording.snapshot import (
    BOUNDARY_POINTS,
    HISTOGRAM_EDGES,
    LATER_TABLES,
    LAYER_COLUMNS,
    TABLES,
    UNIT_COLUMNS,
)

TINY = Experiment(hidden=(5, 3), batch_size=40, steps=12, device="cpu")
CHANGES = (Intervention(3, "learning_rate", 0.1), Intervention(5, "momentum", 0.9))
KINDS = {
    "sigmoid": (TINY, ()),
    "relu without normalization": (TINY.replace(activation="relu", normalizer="none"), ()),
    "diverged": (
        TINY.replace(activation="relu", normalizer="none", weight_decay=1.0, learning_rate=100.0),
        (),
    ),
    "two-dimensional": (TINY.replace(dataset="moons"), ()),
    "with interventions": (TINY, CHANGES),
    "convolutional": (TINY.replace(architecture="conv", steps=3), ()),
    "one unit": (TINY.replace(hidden=(1,), steps=1), ()),
}


@pytest.fixture(scope="module")
def recordings() -> dict[str, Recording]:
    return {name: train(*arguments) for name, arguments in KINDS.items()}


@pytest.fixture(scope="module")
def sigmoid(recordings: dict[str, Recording]) -> Recording:
    return recordings["sigmoid"]


@pytest.fixture
def saved(sigmoid: Recording, tmp_path: Path) -> Path:
    path = tmp_path / "run.bnviz"
    sigmoid.save(path)
    return path


def altered(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A well-formed zip of the file's members after `change` worked on them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    other = path.with_name("other.bnviz")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return other


def about_changed(**changes: object) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        about = json.loads(members["recording.json"]) | changes
        members["recording.json"] = json.dumps(about).encode()

    return change


def table_changed(
    name: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> Callable[[dict[str, bytes]], object]:
    def work(members: dict[str, bytes]) -> None:
        frame = pd.read_parquet(io.BytesIO(members[f"{name}.parquet"]))
        buffer = io.BytesIO()
        change(frame).to_parquet(buffer, index=False)
        members[f"{name}.parquet"] = buffer.getvalue()

    return work


def refusal(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(ValueError, match="is no recording of bnviz: ") as caught:
        Recording.load(path)
    message = str(caught.value)
    assert message.startswith(path.name)
    assert "\n" not in message
    assert len(message) < 300
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_saved_and_read_back_equal(kind, recordings, tmp_path):
    recording = recordings[kind]
    recording.save(tmp_path / "run.bnviz")
    again = Recording.load(str(tmp_path / "run.bnviz"))
    assert again == recording
    assert again.provenance == recording.provenance
    assert (again.experiment, again.interventions) == (recording.experiment, recording.interventions)
    assert (again.diverged_at, again.finished) == (recording.diverged_at, True)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(recording, name))
    for mine, theirs in zip(again.snapshots, recording.snapshots, strict=True):
        assert mine.curves == theirs.curves
        assert (mine.layers.dtype, mine.units.dtype) == (theirs.layers.dtype, theirs.units.dtype)
        assert type(mine.step) is int


def test_the_kinds_are_what_they_are_called(recordings):
    assert recordings["diverged"].diverged_at is not None
    assert recordings["two-dimensional"].snapshots[0].boundary is not None
    assert recordings["with interventions"].interventions == CHANGES
    assert np.isnan(recordings["relu without normalization"].units.gamma).all()
    assert all(
        one != other for one in recordings.values() for other in recordings.values() if one is not other
    )


def test_a_recording_without_snapshots_is_saved_and_read_back_equal(tmp_path):
    empty = Recording(TINY, CHANGES, reference_step=7)
    empty.save(tmp_path / "run.bnviz")
    assert Recording.load(tmp_path / "run.bnviz") == empty
    assert (empty.revision, empty.last_step, empty.finished) == (0, 0, False)
    assert all(len(getattr(empty, name)) == 0 for name in TABLES)
    assert empty.layer_column(1, "mean").shape == empty.unit_column(2, 3, "q50").shape == (0,)
    with pytest.raises(ValueError, match="this recording is empty"):
        empty.at(0)


def test_a_file_holds_json_and_parquet_that_others_can_read(sigmoid, saved):
    with zipfile.ZipFile(saved) as archive:
        tables = (*TABLES, *LATER_TABLES)
        assert set(archive.namelist()) == {"recording.json", *(f"{name}.parquet" for name in tables)}
        about = json.loads(archive.read("recording.json"))
        layers = pd.read_parquet(io.BytesIO(archive.read("layers.parquet")))
    assert Experiment(**about["experiment"]) == TINY
    pd.testing.assert_frame_equal(layers, sigmoid.layers)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_have_a_row_for_each_step_and_layer_with_the_documented_columns(kind, recordings):
    recording = recordings[kind]
    table, depth = recording.layers, len(recording.experiment.hidden)
    assert list(table.columns) == ["step", "layer", *LAYER_COLUMNS]
    assert {"mean", "std", "q05", "q15", "q25", "q50", "q75", "q85", "q95"} <= set(table.columns)
    assert {"saturated", "dead", "grad_norm", "update_ratio", "drift"} <= set(table.columns)
    expected = [(step, layer) for step in recording.steps for layer in range(1, depth + 1)]
    assert list(zip(table.step, table.layer, strict=True)) == expected
    row = table.iloc[-1]
    assert row["std"] == recording.layer_column(depth, "std")[-1] == recording.snapshots[-1].layers[-1, 1]
    quantile_columns = ["q05", "q15", "q25", "q50", "q75", "q85", "q95"]
    assert (np.diff(table[quantile_columns].to_numpy(), axis=1) >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_units_have_a_row_for_each_step_layer_and_unit_counted_from_1(kind, recordings):
    recording = recordings[kind]
    table = recording.units
    assert list(table.columns) == ["step", "layer", "unit", *UNIT_COLUMNS]
    assert list(UNIT_COLUMNS[:3]) == ["q15", "q50", "q85"]
    expected = [
        (step, layer, unit)
        for step in recording.steps
        for layer, width in enumerate(recording.experiment.hidden, start=1)
        for unit in range(1, width + 1)
    ]
    assert list(zip(table.step, table.layer, table.unit, strict=True)) == expected
    last_width = recording.experiment.hidden[-1]
    value = recording.unit_column(len(recording.experiment.hidden), last_width, "q50")[-1]
    assert table.q50.iloc[-1] == value == recording.snapshots[-1].units[-1, 1]


def test_curves_have_a_row_for_each_step_and_split(sigmoid):
    table = sigmoid.curves
    assert list(table.columns) == ["step", "split", "loss", "accuracy", "examples"]
    assert set(table.split) == {"train", "test"}
    assert not table.duplicated(["step", "split"]).any()
    assert table.accuracy.between(0, 1).all()
    assert set(table.step) <= set(sigmoid.steps.tolist())
    assert table.step.max() == 12


def test_histograms_count_every_probe_value_between_the_edges(sigmoid):
    table, bins = sigmoid.histograms, len(HISTOGRAM_EDGES) - 1
    assert list(table.columns) == ["step", "layer", "low", "high", "count"]
    assert len(table) == len(sigmoid.steps) * 2 * bins
    assert (table.low < table.high).all()
    counted = table.groupby(["step", "layer"])["count"].sum().unstack()
    assert (counted[1] == 256 * 5).all()
    assert (counted[2] == 256 * 3).all()
    one = table[(table.step == 12) & (table.layer == 2)]["count"].to_numpy()
    np.testing.assert_array_equal(one, sigmoid.snapshots[-1].histogram[1])


def test_boundaries_are_there_for_two_dimensional_data_alone(recordings, sigmoid):
    table = recordings["two-dimensional"].boundaries
    assert len(table) == BOUNDARY_POINTS**2 * table.step.nunique() > 0
    last = table[table.step == 12].probability.to_numpy().reshape(BOUNDARY_POINTS, BOUNDARY_POINTS)
    np.testing.assert_array_equal(last, recordings["two-dimensional"].snapshots[-1].boundary)
    assert len(sigmoid.boundaries) == 0


def test_equality_asks_for_every_number_and_not_for_where_it_was_made(sigmoid):
    assert sigmoid == dataclasses.replace(sigmoid, provenance=Provenance(device="an abacus"))
    last = sigmoid.snapshots[-1]
    point = last.curves[0]

    def with_last(**changes: object) -> Recording:
        changed = dataclasses.replace(last, **changes)
        return dataclasses.replace(sigmoid, snapshots=(*sigmoid.snapshots[:-1], changed))

    assert with_last(layers=last.layers.copy()) == sigmoid
    nudged = last.layers.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.inf)
    units, histogram = last.units + np.float32(1e-6), last.histogram + 1
    for other in (
        with_last(layers=nudged),
        with_last(units=units),
        with_last(histogram=histogram),
        with_last(gradients=last.gradients + 1),
        with_last(gradients=None),
        with_last(curves=()),
        with_last(curves=(dataclasses.replace(point, loss=point.loss + 1e-9), *last.curves[1:])),
        with_last(curves=(dataclasses.replace(point, split="other"), *last.curves[1:])),
        with_last(curves=(dataclasses.replace(point, examples=3), *last.curves[1:])),
        with_last(boundary=np.zeros((48, 48), np.uint8)),
        with_last(step=13),
        dataclasses.replace(sigmoid, subject=TINY.replace(seed=1)),
        dataclasses.replace(sigmoid, interventions=CHANGES),
        dataclasses.replace(sigmoid, diverged_at=3),
        dataclasses.replace(sigmoid, reference_step=3),
        dataclasses.replace(sigmoid, snapshots=sigmoid.snapshots[:-1]),
        "a recording",
    ):
        assert other != sigmoid


def bare(step: int) -> Snapshot:
    """A snapshot with nothing but zeros."""
    layers = np.zeros((2, len(LAYER_COLUMNS)))
    curves = (CurvePoint("test", 1.0, 0.5, 10),)
    return Snapshot(step, layers, np.zeros((8, 5), np.float32), np.zeros((2, 104), np.int32), curves)


def test_extended_is_longer_and_leaves_the_recording_as_it_was():
    start = Recording(TINY).extended([bare(0)])
    longer = start.extended([bare(1), bare(4)], CHANGES[:1])
    longest = longer.extended([], CHANGES[1:], diverged_at=4)
    assert (start.revision, start.steps.tolist(), start.interventions) == (1, [0], ())
    assert (longer.revision, longer.steps.tolist(), longer.interventions) == (3, [0, 1, 4], CHANGES[:1])
    assert (longest.revision, longest.interventions, longest.diverged_at) == (3, CHANGES, 4)
    assert longest.extended([]).diverged_at == 4
    assert [item.finished for item in (start, longer, longest)] == [False, False, True]
    assert longer.extended([bare(12)]).finished


def test_upto_is_the_recording_as_it_was(sigmoid):
    past = sigmoid.upto(5)
    assert past.steps.tolist() == [step for step in sigmoid.steps if step <= 5]
    assert past.layers.step.max() == 5
    assert sigmoid.upto(12) == sigmoid
    assert sigmoid.upto(-1).snapshots == ()
    assert not past.finished


def test_at_is_the_latest_snapshot_at_or_before_a_step():
    recording = Recording(TINY).extended([bare(step) for step in (0, 1, 5, 12)])
    expected = {-3: 0, 0: 0, 1: 1, 4: 1, 5: 5, 11: 5, 12: 12, 900: 12}
    assert {step: recording.at(step).step for step in expected} == expected


def test_what_is_no_zip_is_refused(tmp_path):
    for name, content in {
        "a.png": b"\x89PNG\r\n\x1a\n" * 9,
        "empty": b"",
        "text": b"step,mean\n1,2\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        refusal(tmp_path / name)
    refusal(tmp_path / "nowhere.bnviz")
    (tmp_path / "folder").mkdir()
    refusal(tmp_path / "folder")


def test_a_foreign_zip_is_refused(tmp_path):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat.png", b"miau")
    assert "recording.json" in refusal(path)


@pytest.mark.parametrize("name", ["recording.json", *(f"{table}.parquet" for table in TABLES)])
def test_a_missing_part_is_refused_by_name(name, saved):
    assert name in refusal(altered(saved, lambda members: members.pop(name)))


@pytest.mark.parametrize("name", ["recording.json", *(f"{table}.parquet" for table in TABLES)])
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"[]", b"PAR1" * 5, b"[" * 200_000], ids=lambda c: repr(c[:9])
)
def test_a_part_that_is_something_else_is_refused(name, content, saved):
    refusal(altered(saved, lambda members: members.update({name: content})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "it has format 2, this bnviz reads format 1"),
        ({"format": None}, "format None"),
        ({"experiment": {"steps": -1}}, "steps = -1 is not allowed"),
        ({"experiment": {"colour": "blue"}}, "'colour' is no field"),
        ({"experiment": []}, ""),
        ({"experiment": TINY.replace(hidden=(5, 4)).model_dump()}, ""),
        ({"experiment": TINY.replace(hidden=(5,)).model_dump()}, ""),
        ({"interventions": [{"step": 1, "field": "hidden", "value": 3}]}, "'hidden' cannot be changed"),
        ({"interventions": 3}, ""),
        ({"diverged_at": "banana"}, "banana"),
        ({"reference_step": None}, ""),
        ({"provenance": {"colour": "blue"}}, "colour"),
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_is_refused(changes, said, saved):
    assert said in refusal(altered(saved, about_changed(**changes)))


@pytest.mark.parametrize("name", [table for table in TABLES if table != "boundaries"])
@pytest.mark.parametrize(
    "change",
    [lambda frame: frame.drop(columns=frame.columns[-1]), lambda frame: frame.astype(str) + "x"],
    ids=["a column less", "other types"],
)
def test_a_table_that_does_not_fit_is_refused(name, change, saved):
    refusal(altered(saved, table_changed(name, change)))


@pytest.mark.parametrize("name", ["layers", "units", "histograms"])
@pytest.mark.parametrize("rows", [0, 1, -1], ids=["no rows", "one row", "a row less"])
def test_a_table_of_another_length_is_refused(name, rows, saved):
    refusal(altered(saved, table_changed(name, lambda frame: frame.iloc[:rows])))


@pytest.mark.parametrize("name", ["units", "histograms"])
def test_a_table_that_ends_a_step_early_is_refused(name, saved):
    refusal(altered(saved, table_changed(name, lambda frame: frame[frame.step < 12])))
    refusal(altered(saved, table_changed(name, lambda frame: pd.concat([frame, frame[frame.step == 12]]))))


def test_a_file_damaged_anywhere_is_read_back_equal_or_refused(sigmoid, saved):
    """A flipped bit in the middle, or an end that is missing; never another error or other numbers."""
    whole = saved.read_bytes()
    chance = random.Random(0)
    damaged = saved.with_name("damaged.bnviz")
    for _ in range(150):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        damaged.write_bytes(content)
        try:
            again = Recording.load(damaged)
        except ValueError as error:
            reason = str(error)
        else:
            assert again == sigmoid
            continue
        assert reason.startswith("damaged.bnviz is no recording of bnviz: ")
    for length in {
        0,
        1,
        30,
        len(whole) // 2,
        len(whole) - 1,
        *(chance.randrange(len(whole)) for _ in range(30)),
    }:
        damaged.write_bytes(whole[:length])
        refusal(damaged)
