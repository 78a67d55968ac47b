"""The records of one mode of a model: training, or evaluation. They are never mixed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from bnviz.engine.watch.evidence import SCALED
from bnviz.engine.watch.names import own
from bnviz.engine.watch.observation import Found
from bnviz.engine.watch.passes import EVALUATION
from bnviz.engine.watch.samples import Measured, Summary
from bnviz.engine.watch.weight_changes import Sizes, norms
from bnviz.recording import CurvePoint, Provenance, Recording, Snapshot
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS
from bnviz.recording.watched import MAX_WATCHED_LAYERS, Note, Watched, WatchedLayer, plain_name

NO_SIZES: Sizes = (math.nan, math.nan, math.nan)


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
        self.recording: Recording | None = None
        self._name = name
        self._provenance = provenance
        self._notes: dict[tuple[str, str], Note] = {}
        self._left_out: frozenset[str] = frozenset()

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
        return None if self.recording is None or not self.recording.snapshots else self.recording.last_step

    @property
    def ended(self) -> bool:
        """Whether there is nothing finite left to record."""
        return self.recording is not None and self.recording.diverged_at is not None

    def note(self, layer: str, kind: str, text: str) -> None:
        """Tell something of a layer, or of all with ""; the first of a kind stays."""
        self._notes.setdefault((layer, kind), Note.of(layer, text))

    def add(self, step: int, found: Sequence[Found], sizes: Mapping[int, Sizes]) -> None:
        """Add a record of what a pass has shown. found: at the first record at least one layer."""
        if self.recording is None:
            self._begin(found)
        assert self.recording is not None
        by_name = {item.name: item for item in found}
        rows, units, counts, unusual = [], [], [], []
        with np.errstate(invalid="ignore", over="ignore"):
            for name, reference in self.references.items():
                item = by_name.get(name)
                measured = self._usable(step, reference, item)
                if item is not None and item.part.problem:
                    unusual.append((name, item.part.problem))
                if item is None or measured is None:
                    rows.append([math.nan] * len(LAYER_COLUMNS))
                    units.append(np.full((reference.layer.width, len(UNIT_COLUMNS)), np.nan, np.float32))
                    counts.append(np.zeros(len(HISTOGRAM_EDGES) - 1, np.int32))
                    continue
                if reference.values is None:
                    reference.values = measured
                own_sizes: Sizes | None = NO_SIZES if item.weight is None else sizes.get(id(item.weight))
                if own_sizes is None and item.weight is not None:
                    own_sizes = (math.nan, norms([item.weight])[0], math.nan)
                rows.append(_row(measured, item, reference.values, own_sizes or NO_SIZES))
                units.append(_unit_columns(measured, item.part.origin.normalizing))
                counts.append(measured.histogram)
        for name in by_name.keys() - self.references.keys() - self._left_out:
            self.note(name, "late", f"first seen at step {step:,}, after the first record: not recorded")
        for name, problem in unusual:
            self.note(name, "problem", f"not measured at step {step:,}: {problem}")
        not_finite = [name for name, problem in unusual if "finite" in problem]
        lost = any(item.part.lost for item in found)
        if lost and len(not_finite) == len(self.references):
            first = not self.recording.snapshots
            self.recording = self.recording.extended([], diverged_at=step)
            if first:
                warnings.warn(
                    f"bnviz recorded nothing: {not_finite[0]} is the first layer whose values are not finite, at "
                    f"step {step:,}",
                    stacklevel=2,
                )
            return
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
        self.recording = self.recording.extended(
            [Snapshot(step, np.array(rows), np.concatenate(units), np.stack(counts))]
        )

    def tell(self, step: int, points: Sequence[CurvePoint]) -> None:
        """Add numbers of the program to the record of a step, each split once."""
        if self.recording is None or not self.recording.snapshots or self.recording.last_step != step:
            return
        latest = self.recording.snapshots[-1]
        had = {point.split for point in latest.curves}
        added = tuple(point for point in points if point.split not in had)
        if added:
            snapshots = (*self.recording.snapshots[:-1], replace(latest, curves=(*latest.curves, *added)))
            self.recording = replace(self.recording, snapshots=snapshots)

    def _begin(self, found: Sequence[Found]) -> None:
        kept = found[:MAX_WATCHED_LAYERS]
        if len(found) > len(kept):
            self._left_out = frozenset(item.name for item in found[len(kept) :])
            left = found[len(kept)].name
            self.note(
                "",
                "many",
                f"{len(found):,} layers were found and the first {len(kept)} are recorded; name others with "
                f'layers=["{left}", ...]',
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
                self._describe(item, values)
        watched = Watched(self._name, tuple(item.layer for item in self.references.values()), mode=self.mode)
        self.recording = Recording(watched, provenance=self._provenance)

    def _describe(self, item: Found, values: Measured) -> None:
        """Say of a layer what was measured."""
        self.note(item.name, "measured", f"measured in {self.mode} mode: {values.told}")
        if values.remark:
            self.note(item.name, "units", values.remark)
        if item.part.origin.joined:
            self.note(item.name, "joined", "with values of other layers added or appended")
        if len(item.part.functions) > 1:
            self.note(item.name, "several", f"several nonlinearities receive it: {item.activation}")
        if not math.isnan(values.floor):
            self.note(
                item.name,
                "floor",
                f"two batches of this size differ by {values.floor:.3g} by chance, as the halves of one tell: "
                "less drift than that is none",
            )

    def _usable(self, step: int, reference: Reference, item: Found | None) -> Measured | None:
        """The values of a layer, if they can stand beside those of its first record."""
        name = reference.layer.name
        if item is None:
            self.note(name, "missing", f"no numbers at step {step:,}: the pass did not come by it")
            return None
        if item.part.chosen is None or len(item.part.chosen) != reference.layer.width:
            self.note(name, "width", f"no numbers at step {step:,}: it had another number of units")
            return None
        if item.activation != reference.layer.activation:
            self.note(
                name, "activation", f"received by {item.activation or 'no nonlinearity'} at step {step:,}"
            )
        normalizing = item.part.origin.normalizing
        if normalizing is not None and normalizing.training == (self.mode == EVALUATION):
            other = "training" if normalizing.training else "evaluation"
            self.note(
                name, "frozen", f"its {item.part.origin.normalizer} was in {other} mode at step {step:,}"
            )
        if reference.values is None and item.part.measured is not None:
            self._describe(item, item.part.measured)
        return item.part.measured


def _row(measured: Measured, item: Found, reference: Measured, sizes: Sizes) -> list[float]:
    """A layer's numbers in the order of LAYER_COLUMNS."""
    received = item.part.origin.before
    values, before = measured.summary, measured.summary
    if received is not None and received.summary is not None:
        before = received.summary
    kind = item.activation.removesuffix(SCALED)
    saturated = measured.saturated.get(kind, math.nan)
    dead = measured.dead if kind == "relu" else math.nan
    drift = measured.drift_from(reference)
    return [*_flat(values), saturated, dead, *sizes, drift, *_flat(before)]


def _flat(summary: Summary) -> list[float]:
    return [summary.mean, summary.std, *summary.shares.tolist()]


def _unit_columns(measured: Measured, normalizer: nn.Module | None) -> np.ndarray:
    """(F, 5) in the order of UNIT_COLUMNS: three quantiles, γ and β of each unit where the normalizer has such."""
    columns = np.full((len(measured.units), len(UNIT_COLUMNS)), np.nan, np.float32)
    columns[:, :3] = measured.unit_quantiles
    if normalizer is None:
        return columns
    for names in (("weight", "bias"), ("gamma", "beta")):
        pair = [own(normalizer, name) for name in names]
        sized = [
            item for item in pair if item is not None and item.dim() == 1 and len(item) > measured.units.max()
        ]
        if len(sized) == 2:
            at = torch.as_tensor(measured.units)
            columns[:, 3:] = torch.stack([item.detach().cpu()[at].float() for item in sized], dim=1).numpy()
    return columns
