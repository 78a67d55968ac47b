"""The numbers behind a figure as one tidy table, and the table as CSV or Parquet with its Stamp.

The table of a figure of recordings comes from the Recordings: every arm, every record, the columns that the figure
shows. The table of any other figure holds the points as they are drawn, trace by trace.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.parquet as pq

from bnviz.export.metadata import KEY
from bnviz.export.stamp import Stamp, plain
from bnviz.figures.charts.learning_rate import rates
from bnviz.figures.frame.arms import arm_styles
from bnviz.recording import Recording
from bnviz.recording.snapshot import BOUNDARY_POINTS, BOUNDARY_RANGE, QUANTILE_COLUMNS

Table = Callable[..., pd.DataFrame]
MAX_POINTS = 2_000_000
"""The most rows of a drawn figure's table. No figure of bnviz has a tenth of that."""


def _accuracy(recording: Recording, split: str = "test", **_: Any) -> pd.DataFrame:
    return _curve(recording, split, "accuracy")


def _loss(recording: Recording, split: str = "train", **_: Any) -> pd.DataFrame:
    return _curve(recording, split, "loss")


def _curve(recording: Recording, split: str, column: str) -> pd.DataFrame:
    curves = recording.curves
    return curves.loc[curves["split"] == split, ["step", "split", column, "examples"]]


def _bands(
    recording: Recording, layer: int | None = None, unit: int | None = None, where: str = "input", **_: Any
) -> pd.DataFrame:
    if unit is not None:
        units = recording.units
        return units.loc[
            (units["layer"] == layer) & (units["unit"] == unit),
            ["step", "layer", "unit", "q15", "q50", "q85"],
        ]
    layers = recording.layers
    shown = layers if layer is None else layers[layers["layer"] == layer]
    usual = list(QUANTILE_COLUMNS)
    if where == "input":
        return shown[["step", "layer", *usual]]
    before = [f"before_{name}" for name in usual]
    # Without a normalizer, the nonlinearity's input is also what a normalizer would receive.
    held = before if recording.normalized else usual
    return shown[["step", "layer", *held]].rename(columns=dict(zip(held, before, strict=True)))


def _overview(recording: Recording, **view: Any) -> pd.DataFrame:
    """The bands, and beside them accuracy and loss at the steps at which they were evaluated."""
    table = _bands(recording, **view)
    for name, curve in (("accuracy", _accuracy(recording)), ("loss", _loss(recording))):
        table = table.merge(curve[["step", name]], on="step", how="left")
    return table.rename(columns={"accuracy": "held_out_accuracy", "loss": "training_loss"})


def _histogram(
    recording: Recording, layer: int | None = None, step: int | None = None, **_: Any
) -> pd.DataFrame:
    table = recording.histograms
    return _at(table, recording, layer, step) if recording.snapshots else table


def _at(table: pd.DataFrame, recording: Recording, layer: int | None, step: int | None) -> pd.DataFrame:
    """The rows of one layer, the last if None, and of the latest record at or before `step`."""
    at = recording.at(recording.last_step if step is None else step).step
    return table[(table["step"] == at) & (table["layer"] == (layer or len(recording.widths)))]


def _activations_and_gradients(
    recording: Recording, layer: int | None = None, step: int | None = None, **_: Any
) -> pd.DataFrame:
    both = {"input": recording.histograms, "gradient": recording.gradients}
    if recording.snapshots:
        both = {name: _at(table, recording, layer, step) for name, table in both.items()}
    return pd.concat([table.assign(of=name) for name, table in both.items()])


def _over_time(recording: Recording, layer: int | None = None, **_: Any) -> pd.DataFrame:
    """The counts of every record, and beside them the quantiles."""
    number = layer or len(recording.widths)
    counted, measured = recording.histograms, recording.layers
    quantiles = measured[measured["layer"] == number][["step", "q05", "q15", "q50", "q85", "q95"]]
    return counted[counted["layer"] == number].merge(quantiles, on="step")


def _learning_rate(recording: Recording, **_: Any) -> pd.DataFrame:
    steps, values = rates(recording)
    return pd.DataFrame({"step": steps, "learning_rate": values})


def _boundary(recording: Recording, step: int | None = None, **_: Any) -> pd.DataFrame:
    maps = recording.boundaries
    before = maps if step is None else maps[maps["step"] <= step]
    shown = before[before["step"] == before["step"].max()]
    places = np.linspace(*BOUNDARY_RANGE, BOUNDARY_POINTS)
    point = shown["point"].to_numpy()
    return pd.DataFrame(
        {
            "step": shown["step"],
            "x1": places[point % BOUNDARY_POINTS],
            "x2": places[point // BOUNDARY_POINTS],
            "probability_of_class_1": shown["probability"] / 255,
        }
    )


def _layers(*columns: str) -> Table:
    def table(recording: Recording, **_: Any) -> pd.DataFrame:
        return recording.layers[["step", "layer", *columns]]

    return table


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "loss": _loss,
        "overview": _overview,
        "bands": _bands,
        "histogram": _histogram,
        "gradients": _layers("grad_norm"),
        "drift": _layers("drift"),
        "saturation": _layers("saturated", "dead"),
        "over_time": _over_time,
        "activations_and_gradients": _activations_and_gradients,
        "update_ratio": _layers("update_ratio"),
        "weight_norm": _layers("weight_norm"),
        "learning_rate": _learning_rate,
        "boundary": _boundary,
    }
)
"""By figure of `bnviz.figures`, the function that makes one Recording's table from the figure's view arguments."""


def numbers(name: str, recordings: Sequence[Recording], figure: go.Figure, **view: Any) -> pd.DataFrame:
    """The numbers behind the figure `name` with these view arguments: a row for each arm and record."""
    if name not in TABLES:
        return drawn_numbers(figure)
    frames = []
    for style, recording in zip(arm_styles(recordings), recordings, strict=True):
        frame = TABLES[name](recording, **view).reset_index(drop=True)
        frame.insert(0, "arm", style.letter)
        frame.insert(1, "name", style.name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def drawn_numbers(figure: go.Figure) -> pd.DataFrame:
    """The points of a figure as they are drawn: a row for each point, or each cell of a map or table."""
    frames = [
        frame.assign(trace=index, name=plain(trace.get("name") or ""), panel=_panel(trace))
        for index, trace in enumerate(figure.to_plotly_json()["data"])
        if len(frame := _points(trace))
    ]
    if not frames:
        return pd.DataFrame({"trace": [], "name": [], "panel": [], "x": [], "y": []})
    table = pd.concat(frames, ignore_index=True)
    first = ["trace", "name", "panel"]
    return table[[*first, *(column for column in table.columns if column not in first)]].head(MAX_POINTS)


def _panel(trace: Mapping[str, Any]) -> int:
    """The number of a trace's panel, from 1."""
    return int(str(trace.get("xaxis") or "x")[1:] or 1)


def _points(trace: Mapping[str, Any]) -> pd.DataFrame:
    if trace["type"] == "table":
        heads, columns = trace["header"]["values"], trace["cells"]["values"]
        return pd.DataFrame({str(head): list(column) for head, column in zip(heads, columns, strict=True)})
    arrays = {name: _array(trace[name]) for name in ("x", "y", "z") if trace.get(name) is not None}
    if "z" not in arrays:
        return pd.DataFrame({name: pd.Series(values) for name, values in arrays.items()})
    rows, columns = arrays["z"].shape
    x = arrays.get("x", np.arange(columns))[:columns]
    y = arrays.get("y", np.arange(rows))[:rows]
    return pd.DataFrame({"x": np.tile(x, rows), "y": np.repeat(y, columns), "z": arrays["z"].ravel()})


def _array(values: Any) -> np.ndarray:
    """Plotly's values, a sequence or bytes in base64, as an array."""
    if not isinstance(values, Mapping):
        return np.asarray(values)
    flat = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    shape = [int(part) for part in str(values.get("shape", flat.size)).split(",")]
    return flat.reshape(shape)


def as_csv(table: pd.DataFrame, stamp: Stamp) -> bytes:
    """CSV below lines that begin with #; `pandas.read_csv(path, comment="#")` reads it.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, and # is written №.
    """
    head = "".join(f"# {line}\n" for line in ("made by bnviz", *stamp.lines))
    safe = table.rename(columns=lambda name: _harmless(str(name)))
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = [_harmless(value) if isinstance(value, str) else value for value in safe[column]]
    return (head + safe.to_csv(index=False, lineterminator="\n")).encode()


def as_parquet(table: pd.DataFrame, stamp: Stamp) -> bytes:
    """Parquet with the Stamp as JSON among its key-value metadata."""
    texts = {
        str(name): table[name].map(str)
        for name in table.columns
        if not pd.api.types.is_numeric_dtype(table[name])
    }
    table = table.assign(**texts)
    content = pa.Table.from_pandas(table, preserve_index=False)
    metadata = (content.schema.metadata or {}) | {KEY.encode(): json.dumps(stamp.to_dict()).encode()}
    result = io.BytesIO()
    pq.write_table(content.replace_schema_metadata(metadata), result)
    return result.getvalue()


def _harmless(text: str) -> str:
    text = plain(text).replace("#", "№")
    return f"'{text}" if text[:1] in tuple("=+-@") else text
