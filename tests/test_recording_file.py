"""The file of a Recording as a stranger may send it: refused with one sentence, whatever is wrong with it."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bnviz.experiment import Experiment
from bnviz.recording import Provenance, Recording
from bnviz.recording.file import MEMBERS
from bnviz.recording.snapshot import TABLES
from tests import recordings

SMALL = recordings.recording(Experiment(dataset="moons", hidden=(5, 3), steps=50), records=6)
WHOLE = SMALL.to_bytes()


def members(content: bytes = WHOLE) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def refusal(file: io.BytesIO | Path, most: int = 10**8) -> str:
    with pytest.raises(ValueError, match="is no recording of bnviz: ") as caught:
        Recording.load(file, most)
    message = str(caught.value)
    assert len(message) < 300
    assert "\n" not in message
    return message


def with_about(change: Callable[[dict], object]) -> io.BytesIO:
    parts = members()
    about = json.loads(parts["recording.json"])
    change(about)
    return packed(parts | {"recording.json": json.dumps(about).encode()})


def with_table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> io.BytesIO:
    parts = members()
    frame = pd.read_parquet(io.BytesIO(parts[f"{name}.parquet"]))
    changed = change(frame)
    buffer = io.BytesIO()
    (frame if changed is None else changed).to_parquet(buffer, index=False)
    return packed(parts | {f"{name}.parquet": buffer.getvalue()})


@pytest.mark.parametrize(
    "recording",
    [
        SMALL,
        recordings.recording(records=30),
        recordings.recording(Experiment(steps=1000, normalizer="none"), diverged_at=300),
        Recording(Experiment(), provenance=Provenance("0.1", "2.13.0+cpu", "3.11", "NVIDIA H200", "2026")),
    ],
    ids=["points in the plane", "images", "diverged", "nothing yet"],
)
def test_equal_recordings_give_equal_bytes_and_are_read_back_equal(recording):
    content = recording.to_bytes()
    assert content == recording.to_bytes()
    again = Recording.load(io.BytesIO(content))
    assert again == recording
    assert again.provenance == recording.provenance


def test_every_table_is_what_pandas_finds_in_the_file():
    for name, content in members().items():
        if name != "recording.json":
            found = pd.read_parquet(io.BytesIO(content))
            pd.testing.assert_frame_equal(found, getattr(SMALL, name.removesuffix(".parquet")))


def test_files_as_the_first_version_wrote_them_are_read():
    """Written by pandas itself, which leaves the types of an empty table open."""
    for recording in (SMALL, Recording(Experiment())):
        parts = members(recording.to_bytes())
        for name in TABLES:
            buffer = io.BytesIO()
            getattr(recording, name).to_parquet(buffer, index=False)
            parts[f"{name}.parquet"] = buffer.getvalue()
        assert Recording.load(packed(parts)) == recording


def test_a_file_without_the_table_that_came_later_is_read_and_written_again_without_it():
    parts = members()
    del parts["gradients.parquet"]
    old = Recording.load(packed(parts))
    assert all(item.gradients is None for item in old.snapshots)
    assert old.gradients.empty
    assert old != SMALL
    assert members(old.to_bytes()).keys() == parts.keys()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "run.bnviz"
    SMALL.save(path)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace(SMALL, reference_step=3).save(path)
    assert Recording.load(path) == SMALL
    assert [item.name for item in tmp_path.iterdir()] == ["run.bnviz"]


@pytest.mark.parametrize("more", [-1, 1])
def test_a_part_of_another_size_than_it_declares_is_refused(more):
    """The size in the zip's directory, which is what is believed before anything is unpacked."""
    content = bytearray(WHOLE)
    size_at = content.index(b"PK\x01\x02") + 24
    declared = struct.unpack_from("<L", content, size_at)[0]
    assert declared == len(members()["recording.json"])
    struct.pack_into("<L", content, size_at, declared + more)
    message = refusal(io.BytesIO(content))
    assert "recording.json" in message
    assert more < 0 or "is shorter or longer than it says" in message


def test_a_larger_file_than_allowed_is_refused_unread(tmp_path):
    assert "1,000 are allowed" in refusal(io.BytesIO(WHOLE), most=1000)
    path = tmp_path / "large.bnviz"
    with path.open("wb") as file:  # sparse: takes no room on the disk
        file.truncate(2**30)
    assert "1,073,741,824 bytes" in refusal(path)


def test_a_zip_bomb_is_refused_by_what_it_declares():
    parts = members() | {"layers.parquet": bytes(200_000_000)}
    file = packed(parts)
    assert file.tell() < 1_000_000
    assert "unpacked it is larger" in refusal(file, most=1_000_000)
    nested = members() | {"recording.json": b'{"a":' * 300_000}
    assert "recording.json has 1,500,000 bytes" in refusal(packed(nested))


def test_a_zip_bomb_that_declares_little_is_unpacked_no_further(tmp_path):
    parts = members() | {"layers.parquet": bytes(50_000_000)}
    content = bytearray(packed(parts).getvalue())
    true, small = struct.pack("<L", 50_000_000), struct.pack("<L", 1000)
    assert content.count(true) == 2  # beside the part and in the directory
    assert refusal(io.BytesIO(content.replace(true, small)))


def test_a_directory_of_a_million_parts_is_not_read():
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<3H", 1, 0, 0) + bytes(12) + b"x"
    count = 200_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count % 65536, count % 65536, len(entry) * count, 0, 0)
    assert "other parts" in refusal(io.BytesIO(entry * count + end))


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..\\x", "recording.json/", "a<script>.js", "C:x", "layers.parquet"],
)
def test_parts_of_other_names_are_refused(name):
    file = io.BytesIO(WHOLE)
    with zipfile.ZipFile(file, "a") as archive:
        if name in MEMBERS:
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(name, b"x")
        else:
            archive.writestr(name, b"x")
    assert f"it holds {len(members()) + 1} parts" in refusal(file)
    assert "layers.parquet is missing" in refusal(
        packed({("../layers.parquet" if key == "layers.parquet" else key): v for key, v in members().items()})
    )


def test_unknown_packing_is_refused():
    assert "packed in an unknown way" in refusal(packed(members(), zipfile.ZIP_BZIP2))


@pytest.mark.parametrize("version", [2, 99, "1", None, True, [], 1.5])
def test_another_format_is_refused_by_its_number(version):
    said = refusal(with_about(lambda about: about.update(format=version)))
    assert f"it has format {version}, this bnviz reads format 1" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"format": 1, "experiment": ' + '{"hidden": ' * 50_000, "nested too deeply"),
        ('{"format": NaN}', "NaN stands in"),
        ('{"format": 1}', "experiment is missing"),
        ('{"format": ' + "1" * 10_000 + "}", ""),
        ("[]", "holds no object"),
        ("\x00", ""),
    ],
    ids=lambda text: text[:12],
)
def test_json_of_another_kind_is_refused(text, said):
    assert said in refusal(packed(members() | {"recording.json": text.encode()}))


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("diverged_at", True, "diverged_at = 'True' is not allowed"),
        ("diverged_at", 51, "a whole number from 0 to 50"),
        ("diverged_at", -1, "diverged_at"),
        ("diverged_at", 1.5, "diverged_at"),
        ("reference_step", 51, "reference_step"),
        ("reference_step", "0", "reference_step"),
        ("interventions", [{"step": 1, "field": "momentum", "value": 0.5}] * 1001, "at most 1,000"),
        ("interventions", [{"step": 1, "field": "momentum", "value": "x"}], "momentum = 'x'"),
        ("interventions", [["step"]], ""),
        ("experiment", {"dataset": "<script>alert(1)</script>"}, "dataset = "),
        ("experiment", {"dataset": "folder:../../etc"}, "dataset = "),
        ("experiment", {"hidden": [1000] * 21}, "hidden = "),
        ("provenance", {"device": "<script>alert(1)</script>"}, "no plain text"),
        ("provenance", {"device": "x" * 121}, "no plain text"),
        ("provenance", {"device": 3}, "no plain text"),
        ("provenance", {"device": "cpu\nx"}, "no plain text"),
        ("provenance", [], "provenance is no object"),
        ("surprise", 1, "holds more than"),
    ],
    ids=str,
)
def test_a_description_that_is_not_allowed_is_refused(part, value, said):
    message = refusal(with_about(lambda about: about.update({part: value})))
    assert said in message


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[frame.index[row], column] = value

    return change


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("layers", lambda frame: frame.iloc[::-1], "not increasing"),
        ("layers", lambda frame: frame.assign(step=0), "not increasing"),
        ("layers", lambda frame: frame.assign(step=frame.step - 1), "not increasing"),
        ("layers", lambda frame: frame.assign(step=frame.step + 1), "not increasing from 0 to 50"),
        ("layers", lambda frame: frame.assign(step=frame.step.astype(float)), "the column step of layers"),
        ("layers", lambda frame: frame.assign(layer=1), "the column layer of layers"),
        ("layers", lambda frame: frame.assign(mean="0.5"), "the column mean of layers has another type"),
        ("layers", lambda frame: frame.assign(mean=frame["mean"].astype("float32")), "another type"),
        ("layers", lambda frame: frame.assign(more=1.0), "other columns"),
        ("layers", lambda frame: frame[frame.columns[::-1]], "other columns"),
        ("layers", lambda frame: frame.iloc[:-1], "layers has 11 rows, and 12 are expected"),
        ("layers", lambda frame: frame.assign(step=frame.step.astype("Int64").where(frame.step > 0)), "gaps"),
        ("units", lambda frame: frame.assign(unit=frame.unit[::-1].to_numpy()), "the column unit of units"),
        ("units", lambda frame: pd.concat([frame, frame]), "rows, and 48 are expected"),
        ("histograms", put("count", 5, -1), "a count in histograms is negative"),
        ("histograms", put("low", 5, np.nan), "the column low of histograms"),
        ("histograms", lambda frame: frame.assign(count=frame["count"].astype(float)), "another type"),
        ("histograms", put("high", 5, 1e9), "the column high of histograms"),
        ("curves", put("split", 0, "<script>"), "a split in curves is not allowed"),
        ("curves", put("split", 0, "test"), "twice"),
        ("curves", put("examples", 0, 0), "a number in curves"),
        ("curves", put("accuracy", 0, 1.5), "a number in curves"),
        ("curves", put("step", 0, 49), "the steps of curves"),
        ("curves", put("split", 0, None), "gaps"),
        ("gradients", put("count", 5, -1), "a count in gradients is negative"),
        ("gradients", put("low", 5, 1.0), "the column low of gradients"),
        ("gradients", lambda frame: frame.assign(step=frame.step + 1), "the steps of gradients"),
        ("gradients", lambda frame: frame.iloc[:-1], "gradients has"),
        ("boundaries", put("point", 7, 8), "the column point of boundaries"),
        ("boundaries", lambda frame: frame.assign(step=frame.step + 1), "the steps of boundaries"),
        ("boundaries", lambda frame: frame.iloc[:-1], "boundaries has"),
        (
            "boundaries",
            lambda frame: frame.assign(probability=frame.probability.astype("int16")),
            "another type",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_its_name(table, change, said):
    assert said in refusal(with_table(table, change))


def test_numbers_without_meaning_may_be_missing_from_layers_units_and_losses():
    for table, column in (("layers", "drift"), ("units", "gamma"), ("curves", "loss")):
        again = Recording.load(with_table(table, put(column, 0, np.nan)))
        assert np.isnan(getattr(again, table)[column].iloc[0])


def test_a_table_of_more_rows_than_fit_is_refused_before_it_is_unpacked():
    """Ten million rows of one number take little in Parquet."""
    rows = pa.chunked_array([pa.array(np.zeros(10**6, np.int64))] * 10)
    table = pa.table({"step": rows, "point": rows, "probability": rows.cast(pa.uint8())})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    assert buffer.tell() < 200_000
    file = packed(members() | {"boundaries.parquet": buffer.getvalue()})
    assert "its tables are larger than" in refusal(file, most=10**7)


def test_an_end_that_is_missing_is_refused_at_every_length():
    for length in range(0, len(WHOLE), 61):
        refusal(io.BytesIO(WHOLE[:length]))


def test_changed_bytes_in_a_part_are_read_back_or_refused():
    """With the zip's own checks made right again, so that every check behind them has its turn."""
    chance = random.Random(0)
    parts = members()
    sentences = set()
    for _ in range(150):
        name = chance.choice(MEMBERS)
        content = bytearray(parts[name])
        place = chance.choice(
            [chance.randrange(len(content)), max(0, len(content) - 1 - chance.randrange(300))]
        )
        content[place] = chance.randrange(256)
        try:
            Recording.load(packed(parts | {name: bytes(content)}))
        except ValueError as error:
            sentences.add(str(error))
    assert len(sentences) > 10
    assert all(item.startswith("This file is no recording of bnviz: ") for item in sentences)
