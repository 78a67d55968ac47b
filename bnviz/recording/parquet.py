"""A Recording's tables as Parquet files, and back to Snapshots.

Reading compares every column, type, row and step with what the network calls for; only then it takes the numbers.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnviz.recording.snapshot import (
    BOUNDARY_POINTS,
    GRADIENT_EDGES,
    HISTOGRAM_EDGES,
    LATER_TABLES,
    LAYER_COLUMNS,
    TABLES,
    UNIT_COLUMNS,
    CurvePoint,
    Snapshot,
)
from bnviz.recording.tables import unit_keys

SPLITS = ("train", "test")

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        name: pa.schema(columns)
        for name, columns in {
            "layers": [
                ("step", pa.int64()),
                ("layer", pa.int64()),
                *((column, pa.float64()) for column in LAYER_COLUMNS),
            ],
            "units": [
                ("step", pa.int64()),
                ("layer", pa.int64()),
                ("unit", pa.int64()),
                *((column, pa.float32()) for column in UNIT_COLUMNS),
            ],
            "curves": [
                ("step", pa.int64()),
                ("split", pa.string()),
                ("loss", pa.float64()),
                ("accuracy", pa.float64()),
                ("examples", pa.int64()),
            ],
            "histograms": [
                ("step", pa.int64()),
                ("layer", pa.int64()),
                ("low", pa.float64()),
                ("high", pa.float64()),
                ("count", pa.int32()),
            ],
            "gradients": [
                ("step", pa.int64()),
                ("layer", pa.int64()),
                ("low", pa.float64()),
                ("high", pa.float64()),
                ("count", pa.int32()),
            ],
            "boundaries": [("step", pa.int64()), ("point", pa.int64()), ("probability", pa.uint8())],
        }.items()
    }
)


class RefusedError(ValueError):
    """A file is refused; the message says why, as the end of a sentence."""


def parquet_bytes(name: str, frame: pd.DataFrame) -> bytes:
    """The Parquet file of the table `name`."""
    table = pa.Table.from_pandas(frame, schema=SCHEMAS[name], preserve_index=False)
    buffer = io.BytesIO()
    # Few measured values repeat: a dictionary of them takes ten times as long and more room.
    pq.write_table(
        table.replace_schema_metadata(), buffer, compression="zstd", use_dictionary=False, store_schema=False
    )
    return buffer.getvalue()


def read_snapshots(
    files: Mapping[str, bytes], widths: Sequence[int], last: int, fewest_examples: int, most: int
) -> tuple[Snapshot, ...]:
    """The Snapshots in the Parquet files, after every key was compared with the expected one.

    files: by the names in TABLES, and those of LATER_TABLES that there are.
    widths: of the network's layers. last: the largest allowed step.
    fewest_examples: on which a curve's point may have been evaluated. most: bytes that all tables may take in
    memory. Raises RefusedError, and whatever pyarrow raises for a damaged file.
    """
    depth, bins = len(widths), len(HISTOGRAM_EDGES) - 1
    later = [name for name in LATER_TABLES if name in files]
    tables = {name: _Table(name, files[name]) for name in (*TABLES, *later)}
    if sum(table.bytes for table in tables.values()) > most:
        raise RefusedError(f"its tables are larger than the allowed {most:,} bytes")

    layers = tables["layers"].columns()
    steps = layers["step"][::depth]
    if len(steps) and not (steps[0] >= 0 and (np.diff(steps) > 0).all() and steps[-1] <= last):
        raise RefusedError(f"its steps are not increasing from 0 to {last:,}")
    one_layer_each = np.arange(1, depth + 1)
    _expect("layers", layers, steps, layer=one_layer_each)
    units = tables["units"].columns()
    layer_of_unit, number_of_unit = unit_keys(widths)
    _expect("units", units, steps, layer=layer_of_unit, unit=number_of_unit)
    histograms = tables["histograms"].columns()
    _expect(
        "histograms",
        histograms,
        steps,
        layer=np.repeat(one_layer_each, bins),
        low=np.tile(HISTOGRAM_EDGES[:-1], depth),
        high=np.tile(HISTOGRAM_EDGES[1:], depth),
    )
    counts = histograms["count"]
    if len(counts) and counts.min() < 0:
        raise RefusedError("a count in histograms is negative")
    boundaries = tables["boundaries"].columns()
    drawn_at = boundaries["step"][:: BOUNDARY_POINTS**2]
    if not (np.isin(drawn_at, steps).all() and (np.diff(drawn_at) > 0).all()):
        raise RefusedError("the steps of boundaries are not among those of layers")
    _expect("boundaries", boundaries, drawn_at, point=np.arange(BOUNDARY_POINTS**2))

    if not (records := len(steps)):
        return ()
    per_layer = _side_by_side(layers, LAYER_COLUMNS, np.float64).reshape(records, depth, -1)
    per_unit = _side_by_side(units, UNIT_COLUMNS, np.float32).reshape(records, sum(widths), -1)
    grids = boundaries["probability"].reshape(-1, BOUNDARY_POINTS, BOUNDARY_POINTS)
    grid_at = dict(zip(drawn_at.tolist(), grids, strict=True))
    points = _curves(tables["curves"].columns(), steps, fewest_examples)
    gradients = _gradients(tables["gradients"].columns(), steps, depth) if "gradients" in tables else {}
    return tuple(
        Snapshot(step, layer, unit, count, points.get(step, ()), grid_at.get(step), gradients.get(step))
        for step, layer, unit, count in zip(
            steps.tolist(), per_layer, per_unit, counts.reshape(records, depth, bins), strict=True
        )
    )


def _expect(name: str, columns: Mapping[str, np.ndarray], steps: np.ndarray, **keys: np.ndarray) -> None:
    """Refuse a table whose rows are not, for each step, those that `keys` name."""
    rows = len(next(iter(keys.values())))
    expected = {"step": np.repeat(steps, rows)} | {
        key: np.tile(values, len(steps)) for key, values in keys.items()
    }
    for key, values in expected.items():
        if len(columns[key]) != len(values):
            raise RefusedError(f"{name} has {len(columns[key]):,} rows, and {len(values):,} are expected")
        if not np.array_equal(columns[key], values):
            raise RefusedError(f"the column {key} of {name} does not hold what is expected")


def _gradients(columns: Mapping[str, np.ndarray], steps: np.ndarray, depth: int) -> dict[int, np.ndarray]:
    """The counts of gradients by step, (depth, bins) each."""
    bins = len(GRADIENT_EDGES) - 1
    at = columns["step"][:: depth * bins]
    if not (np.isin(at, steps).all() and (np.diff(at) > 0).all()):
        raise RefusedError("the steps of gradients are not among those of layers")
    _expect(
        "gradients",
        columns,
        at,
        layer=np.repeat(np.arange(1, depth + 1), bins),
        low=np.tile(GRADIENT_EDGES[:-1], depth),
        high=np.tile(GRADIENT_EDGES[1:], depth),
    )
    counts = columns["count"]
    if len(counts) and counts.min() < 0:
        raise RefusedError("a count in gradients is negative")
    return dict(zip(at.tolist(), counts.reshape(-1, depth, bins), strict=True))


def _side_by_side(columns: Mapping[str, np.ndarray], names: tuple[str, ...], dtype: type) -> np.ndarray:
    """(rows, columns), the columns in the order of `names`."""
    return np.ascontiguousarray(np.stack([columns[name] for name in names], axis=-1), dtype)


def _curves(
    columns: Mapping[str, np.ndarray], steps: np.ndarray, fewest: int
) -> dict[int, tuple[CurvePoint, ...]]:
    """The evaluations by step. fewest: how many examples they have at least."""
    at, split, examples, accuracy = (columns[name] for name in ("step", "split", "examples", "accuracy"))
    if not (np.isin(at, steps).all() and (np.diff(at) >= 0).all()):
        raise RefusedError("the steps of curves are not among those of layers, in their order")
    if not np.isin(split, SPLITS).all():
        raise RefusedError(f"a split in curves is not allowed; allowed are {' and '.join(SPLITS)}")
    if len({*zip(at.tolist(), split.tolist(), strict=True)}) < len(at):
        raise RefusedError("a step and split stand twice in curves")
    if (examples < fewest).any() or (accuracy < 0).any() or (accuracy > 1).any():
        raise RefusedError(
            f"a number in curves is not allowed; allowed are examples from {fewest}, accuracies from 0 to 1"
        )
    found: dict[int, tuple[CurvePoint, ...]] = {}
    for step, *values in zip(*(columns[name].tolist() for name in SCHEMAS["curves"].names), strict=True):
        found[step] = (*found.get(step, ()), CurvePoint(*values))
    return found


class _Table:
    """A Parquet file whose description was found to be in order; `columns` reads it.

    Of the description only the totals and the schema are asked for: pyarrow ends the process when it is
    asked for the description of a damaged row group, but raises when it is to read one.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.schema = SCHEMAS[name]
        self.file = pq.ParquetFile(
            pa.BufferReader(content),
            pre_buffer=False,
            thrift_string_size_limit=2**20,
            thrift_container_size_limit=2**16,
        )
        found, about = self.file.schema_arrow, self.file.metadata
        if found.names != self.schema.names or about.num_columns != len(self.schema):
            raise RefusedError(f"{name} has other columns than {', '.join(self.schema.names)}")
        self.rows: int = about.num_rows
        wrong = [item.name for item in self.schema if not self._fits(item, found.field(item.name))]
        if wrong:
            raise RefusedError(f"the column {wrong[0]} of {name} has another type")
        width = sum(16 if pa.types.is_string(item.type) else item.type.bit_width // 8 for item in self.schema)
        self.bytes = self.rows * width

    def columns(self) -> dict[str, np.ndarray]:
        """Each column as an array, (rows,). Missing numbers become NaN, where there may be such."""
        table = self.file.read(use_threads=False, use_pandas_metadata=False)
        if table.num_rows != self.rows:
            raise RefusedError(f"{self.name} has another number of rows than it says")
        return {item.name: self._array(item, table.column(item.name)) for item in self.schema}

    def _fits(self, wanted: pa.Field, found: pa.Field) -> bool:
        if not self.rows:  # earlier versions of bnviz left the types of an empty table open
            return True
        same_kind = pa.types.is_string(wanted.type) and pa.types.is_large_string(found.type)
        return bool(found.type == wanted.type or same_kind)

    def _array(self, wanted: pa.Field, column: pa.ChunkedArray) -> np.ndarray:
        kind = object if pa.types.is_string(wanted.type) else wanted.type.to_pandas_dtype()
        if not self.rows:
            return np.empty(0, kind)
        if column.null_count and not pa.types.is_floating(wanted.type):
            raise RefusedError(f"the column {wanted.name} of {self.name} has gaps")
        return np.asarray(column.to_numpy(), kind)
