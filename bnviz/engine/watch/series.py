"""The records of one mode of a model: training, or evaluation. They are never mixed.

Records are measured several at a time: right after a training step the processor's caches hold nothing that measuring
needs, and it takes twice as long.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from bnviz.engine.watch.measured import Measured
from bnviz.engine.watch.observation import Found
from bnviz.engine.watch.passes import EVALUATION
from bnviz.engine.watch.record import Record, Seen
from bnviz.engine.watch.streams import Part
from bnviz.engine.watch.weight_changes import Sizes
from bnviz.recording import CurvePoint, Provenance, Recording, Snapshot
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS
from bnviz.recording.watched import MAX_WATCHED_LAYERS, Note, Watched, WatchedLayer, plain_name

LATEST_SECONDS = 0.5
"""A record that comes so long after others were measured is measured at once, with all that wait. Of the thread's own
time on the processor, so that a busy machine measures no more often."""
WAITING_BYTES = 2**22
"""The most memory that records take which wait to be measured."""


@dataclass(eq=False)
class Reference:
    """A layer as first recorded: what drift is measured from. values: None until it could be measured."""

    layer: WatchedLayer
    weight: Tensor | None
    values: Measured | None


class Series:
    """A Recording in the making.

    name: of the network. mode: in which all of its passes run.
    """

    def __init__(self, name: str, mode: str, provenance: Provenance) -> None:
        self.mode = mode
        self.references: dict[str, Reference] = {}
        self._recording: Recording | None = None
        self._waiting: list[Record] = []
        self._waiting_bytes = 0
        self._measured_at = -math.inf
        self._name = name
        self._provenance = provenance
        self._notes: dict[tuple[str, str], Note] = {}
        self._left_out: frozenset[str] = frozenset()

    @property
    def recording(self) -> Recording | None:
        """All that was recorded, measured; None before the first record."""
        self.measure()
        return self._recording

    @property
    def measured_recording(self) -> Recording | None:
        """What was measured of it until now."""
        return self._recording

    @property
    def begun(self) -> bool:
        """Whether it is known which layers are recorded."""
        return self._recording is not None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is to be told of the layers."""
        return tuple(self._notes.values())

    @property
    def measured(self) -> dict[str, Measured | None]:
        """The layers as first measured, by name; None of one that could not be yet."""
        return {name: item.values for name, item in self.references.items()}

    @property
    def weights(self) -> list[Tensor]:
        """The weights of the layers, where they are parameters."""
        return [item.weight for item in self.references.values() if item.weight is not None]

    @property
    def last_step(self) -> int | None:
        """The step of the latest record; None before the first."""
        if self._waiting:
            return self._waiting[-1].step
        return None if self._recording is None or not self._recording.snapshots else self._recording.last_step

    @property
    def diverged(self) -> bool:
        """Whether there was nothing finite to record the last time."""
        return self._recording is not None and self._recording.diverged_at is not None

    def note(self, layer: str, kind: str, text: str) -> None:
        """Tell something of a layer, or of all with ""; the first of a kind stays."""
        self._notes.setdefault((layer, kind), Note.of(layer, text))

    def add(self, step: int, found: Sequence[Found], sizes: Mapping[int, Sizes]) -> None:
        """Add a record of what a pass has shown. found: at the first record at least one layer."""
        if self._recording is None:
            self._begin(found)
        for item in found:
            if item.name not in self.references and item.name not in self._left_out:
                self.note(
                    item.name, "late", f"first seen at step {step:,}, after the first record: not recorded"
                )
        record = Record.of(step, [item for item in found if item.name in self.references], sizes)
        self._waiting.append(record)
        self._waiting_bytes += record.waiting_bytes
        late = time.thread_time() - self._measured_at >= LATEST_SECONDS
        if late or self._waiting_bytes > WAITING_BYTES:
            self.measure()

    def tell(self, step: int, points: Sequence[CurvePoint]) -> None:
        """Add numbers of the program to the record of a step, each split once."""
        if not points or self.last_step != step:
            return
        if self._waiting:
            self._waiting[-1].curves = _with(self._waiting[-1].curves, points)
            return
        assert self._recording is not None
        latest = self._recording.snapshots[-1]
        curves = _with(latest.curves, points)
        if curves != latest.curves:
            snapshots = (*self._recording.snapshots[:-1], replace(latest, curves=curves))
            self._recording = replace(self._recording, snapshots=snapshots)

    def measure(self) -> None:
        """Measure all records that wait for it."""
        if not self._waiting:
            return
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        assert self._recording is not None
        snapshots: list[Snapshot] = []
        diverged_at = self._recording.diverged_at
        for record in waiting:
            snapshot = self._snapshot(record)
            if snapshot is None:
                diverged_at = record.step if diverged_at is None else diverged_at
                continue
            if diverged_at is not None:  # by a batch that the program may have left out
                self.note(
                    "",
                    "recovered",
                    f"no layer had finite numbers at step {diverged_at:,}, but later they had",
                )
                diverged_at = None
            snapshots.append(snapshot)
        self._recording = replace(self._recording.extended(snapshots), diverged_at=diverged_at)
        self._measured_at = time.thread_time()

    def _snapshot(self, record: Record) -> Snapshot | None:
        """A record, measured; None where no layer has a finite number left."""
        step = record.step
        rows, units, counts, unusual = [], [], [], []
        with np.errstate(invalid="ignore", over="ignore"):
            for name, reference in self.references.items():
                seen = record.seen.get(name)
                if seen is not None:
                    seen.measure(reference.values)
                measured = self._usable(step, reference, seen)
                if seen is not None and seen.part.problem:
                    unusual.append((name, seen.part.problem))
                if seen is None or measured is None:
                    rows.append([math.nan] * len(LAYER_COLUMNS))
                    units.append(np.full((reference.layer.width, len(UNIT_COLUMNS)), np.nan, np.float32))
                    counts.append(np.zeros(len(HISTOGRAM_EDGES) - 1, np.int32))
                    continue
                if reference.values is None:
                    reference.values = measured
                rows.append(seen.row(measured, reference.values))
                units.append(seen.unit_columns(measured))
                counts.append(measured.histogram)
        for name, problem in unusual:
            self.note(name, "problem", f"not measured at step {step:,}: {problem}")
        not_finite = [name for name, problem in unusual if "finite" in problem]
        lost = any(item.part.lost for item in record.seen.values())
        if lost and len(not_finite) == len(self.references):
            if self._recording is None or not self._recording.snapshots:
                warnings.warn(
                    f"bnviz recorded nothing: {not_finite[0]} is the first layer whose values are not finite, at "
                    f"step {step:,}",
                    stacklevel=2,
                )
            return None
        if not_finite and not any(key[1] == "warned" for key in self._notes):
            self.note(
                "",
                "warned",
                f"{not_finite[0]} is the first layer with values that are not finite, from step {step:,}",
            )
            warnings.warn(
                f"{not_finite[0]} has values that are not finite at step {step:,}; the other layers are recorded",
                stacklevel=2,
            )
        return Snapshot(step, np.array(rows), np.concatenate(units), np.stack(counts), record.curves)

    def _begin(self, found: Sequence[Found]) -> None:
        kept = found[:MAX_WATCHED_LAYERS]
        if len(found) > len(kept):
            self._left_out = frozenset(item.name for item in found[len(kept) :])
            left = next((item.module_name for item in found[len(kept) :] if item.module_name), "...")
            self.note(
                "",
                "many",
                f"{len(found):,} layers were found and the first {len(kept)} are recorded; name others with "
                f'layers=["{left}"], as in model.named_modules()',
            )
        for item in kept:
            part = item.part
            assert part.chosen is not None
            values = part.measured
            layer = WatchedLayer(
                item.name,
                len(part.chosen),
                plain_name(item.activation) if item.activation else "",
                part.origin.normalizer,
                None if values is None or math.isnan(values.floor) else values.floor,
            )
            self.references[item.name] = Reference(layer, item.weight, values)
            if values is not None:
                self._describe(item.name, part, values)
        watched = Watched(self._name, tuple(item.layer for item in self.references.values()), mode=self.mode)
        self._recording = Recording(watched, provenance=self._provenance)

    def _describe(self, name: str, part: Part, values: Measured) -> None:
        """Say of a layer what was measured."""
        self.note(name, "measured", f"measured in {self.mode} mode: {values.told}")
        if values.remark:
            self.note(name, "units", values.remark)
        if part.origin.joined:
            self.note(name, "joined", "with values of other layers added or appended")
        if len(part.functions) > 1:
            self.note(name, "several", f"several nonlinearities receive it: {', '.join(part.functions)}")
        if not math.isnan(values.floor):
            self.note(
                name,
                "floor",
                f"two batches of one step differ by {values.floor:.3g}, as the halves of the first tell: that much "
                "drift is chance",
            )

    def _usable(self, step: int, reference: Reference, seen: Seen | None) -> Measured | None:
        """The values of a layer, if they can stand beside those of its first record."""
        name = reference.layer.name
        if seen is None:
            self.note(name, "missing", f"no numbers at step {step:,}: the pass did not come by it")
            return None
        if seen.part.chosen is None or len(seen.part.chosen) != reference.layer.width:
            self.note(name, "width", f"no numbers at step {step:,}: it had another number of units")
            return None
        if seen.activation != reference.layer.activation:
            self.note(
                name, "activation", f"received by {seen.activation or 'no nonlinearity'} at step {step:,}"
            )
        if seen.training is not None and seen.training == (self.mode == EVALUATION):
            other = "training" if seen.training else "evaluation"
            self.note(
                name, "frozen", f"its {seen.part.origin.normalizer} was in {other} mode at step {step:,}"
            )
        if reference.values is None and seen.part.measured is not None:
            self._describe(name, seen.part, seen.part.measured)
        return seen.part.measured


def _with(curves: tuple[CurvePoint, ...], points: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    """Numbers of a record with more of other splits."""
    had = {point.split for point in curves}
    return (*curves, *(point for point in points if point.split not in had))
