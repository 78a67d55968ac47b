"""What was measured while a network trained: Snapshots, and the Recording that holds them as tables.

A Recording is immutable; `extended` returns a longer one. So a reader can hold one while the next is being made, and
the number of snapshots serves as its revision. NumPy and pandas only, no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
import pandas as pd

from bnviz.experiment import Experiment, Intervention
from bnviz.recording import tables
from bnviz.recording.snapshot import (
    LAYER_COLUMNS,
    UNIT_COLUMNS,
    Provenance,
    Snapshot,
    same_numbers,
)
from bnviz.recording.subject import Subject
from bnviz.recording.watched import Note, Watched

if TYPE_CHECKING:
    from bnviz.recording.file import Parts


@dataclass(frozen=True, eq=False)
class Recording:
    """A Subject, its Interventions and its Snapshots, also as tidy pandas tables.

    subject: the Experiment that bnviz trained, or the Watched network that another program trained.
    diverged_at: the first step whose loss was not a finite number, or None.
    reference_step: the step that the column `drift` measures from.
    other_modes: where a watched network's passes were recorded in several modes, the series of the others, each with
    numbers of its own: they are never mixed.
    """

    subject: Subject
    interventions: tuple[Intervention, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    diverged_at: int | None = None
    reference_step: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    other_modes: tuple[Recording, ...] = ()

    def extended(
        self,
        snapshots: list[Snapshot],
        interventions: tuple[Intervention, ...] = (),
        diverged_at: int | None = None,
    ) -> Self:
        """A Recording with more snapshots at its end."""
        return replace(
            self,
            snapshots=self.snapshots + tuple(snapshots),
            interventions=self.interventions + interventions,
            diverged_at=self.diverged_at if diverged_at is None else diverged_at,
        )

    def upto(self, step: int) -> Self:
        """The Recording as it was at `step`: all snapshots up to and including it."""
        return replace(
            self,
            snapshots=tuple(item for item in self.snapshots if item.step <= step),
            other_modes=tuple(item.upto(step) for item in self.other_modes),
        )

    @property
    def series(self) -> tuple[Recording, ...]:
        """Each mode's series by itself, this one first."""
        return (replace(self, other_modes=()), *self.other_modes) if self.other_modes else (self,)

    def in_mode(self, mode: str) -> Recording:
        """The series of one mode by itself. Raises ValueError, with the modes that there are."""
        for item in self.series:
            if item.mode == mode:
                return item
        allowed = ", ".join(item.mode or "none that is known" for item in self.series)
        raise ValueError(f"mode = {mode[:40]!r} was not recorded; recorded is {allowed}")

    @property
    def evaluation(self) -> Recording | None:
        """What was recorded in evaluation mode; None where nothing was."""
        return next((item for item in self.series if item.mode == "evaluation"), None)

    @property
    def experiment(self) -> Experiment:
        """What determined the training. Raises ValueError for a network that bnviz only watched."""
        if isinstance(self.subject, Experiment):
            return self.subject
        name = "this network" if self.watched is None else self.watched.name
        raise ValueError(f"{name} was watched while another program trained it: bnviz cannot train it again")

    @property
    def watched(self) -> Watched | None:
        """The network, if bnviz only watched it; None if bnviz trained it."""
        return self.subject if isinstance(self.subject, Watched) else None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a watched network's layers were measured on, what could not be measured, and why."""
        return self.subject.notes if isinstance(self.subject, Watched) else ()

    @property
    def mode(self) -> str:
        """In which mode a watched network's passes ran; "" for one that bnviz trained, and where it is not known."""
        return self.subject.mode if isinstance(self.subject, Watched) else ""

    def __str__(self) -> str:
        """What was recorded, and the notes, a line each."""
        name = self.subject.name if isinstance(self.subject, Watched) else "bnviz run"
        mode = f" in {self.mode} mode" if self.mode else ""
        span = f", steps {self.steps[0]:,} to {self.last_step:,}" if self.snapshots else ""
        records = f"{self.revision:,} record{'' if self.revision == 1 else 's'}"
        head = (
            f"{name}: {records}{mode} of {len(self.widths)} layer{'' if len(self.widths) == 1 else 's'}{span}"
        )
        return "\n".join([head, *(f"  {note}" for note in self.notes), *map(str, self.other_modes)])

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the bands as a picture, the numbers of the latest record, the notes."""
        from bnviz.notebook.page import recording_html  # it draws

        return recording_html(self.series)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many units each layer has, from the input on."""
        return self.subject.widths

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What each layer is called: "layer 1", or as the watched network calls it."""
        return self.subject.layer_names

    def activation(self, layer: int | None = None) -> str:
        """The nonlinearity of a layer, counted from 1, or of all of them; "" where they differ or there is none."""
        return self.subject.activation if layer is None else self.subject.layer_activation(layer)

    @property
    def normalized(self) -> bool:
        """Whether the network has a normalizer."""
        return self.subject.normalized

    @property
    def planned_steps(self) -> int:
        """How many steps the whole run takes; where nobody planned it, as many as were seen, at least 1."""
        planned = self.subject.planned_steps
        return max(1, self.last_step, self.diverged_at or 0) if planned is None else planned

    @property
    def revision(self) -> int:
        """A number that grows with every snapshot."""
        return len(self.snapshots)

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory its snapshots and its tables take."""
        if not self.snapshots:
            return 0
        last = self.snapshots[-1]
        arrays = (last.layers, last.units, last.histogram, last.gradients)
        own = 2 * len(self.snapshots) * sum(item.nbytes for item in arrays if item is not None)
        return own + sum(item.nbytes for item in self.other_modes)

    @property
    def last_step(self) -> int:
        """The step of the latest snapshot, 0 if there is none."""
        return self.snapshots[-1].step if self.snapshots else 0

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.diverged_at is not None or (bool(self.snapshots) and self.last_step >= self.planned_steps)

    @cached_property
    def steps(self) -> np.ndarray:
        """The recorded steps, (R,) int64."""
        return tables.recorded_steps(self.snapshots)

    @cached_property
    def layer_values(self) -> np.ndarray:
        """(R, L, len(LAYER_COLUMNS)) float64: record, layer, column."""
        return tables.layer_values(self.snapshots, self.widths)

    def layer_column(self, layer: int, column: str) -> np.ndarray:
        """One column of one layer over the recorded steps, (R,). `layer` counts from 1 at the input."""
        return np.asarray(self.layer_values[:, layer - 1, LAYER_COLUMNS.index(column)])

    @cached_property
    def unit_values(self) -> np.ndarray:
        """(R, all units, len(UNIT_COLUMNS)) float32, units layer after layer."""
        return tables.unit_values(self.snapshots, self.widths)

    def unit_column(self, layer: int, unit: int, column: str) -> np.ndarray:
        """One column of one unit over the recorded steps, (R,). `layer` and `unit` count from 1."""
        first = sum(self.widths[: layer - 1])
        return np.asarray(self.unit_values[:, first + unit - 1, UNIT_COLUMNS.index(column)])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row per (step, layer), describing the input of the nonlinearity on the probe batch.

        Columns before_… describe the input of the normalizer; grad_norm and update_ratio belong to the
        update that led to the step. Of a watched network drift_floor is the drift that batches show by chance alone.
        """
        frame = tables.layers_table(self.steps, self.layer_values)
        if isinstance(self.subject, Watched) and any(
            layer.floor is not None for layer in self.subject.layers
        ):
            floors = [np.nan if layer.floor is None else layer.floor for layer in self.subject.layers]
            frame = frame.assign(drift_floor=np.tile(floors, len(self.steps)))
        return self._with_mode(frame)

    def _with_mode(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table with the mode of its passes as a last column, where that is known."""
        return frame.assign(mode=self.mode) if self.mode else frame

    @cached_property
    def units(self) -> pd.DataFrame:
        """A row per (step, layer, unit)."""
        return self._with_mode(tables.units_table(self.steps, self.unit_values, self.widths))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per (step, split): loss and accuracy in inference mode on `examples` examples."""
        return tables.curves_table(self.snapshots)

    @cached_property
    def histograms(self) -> pd.DataFrame:
        """A row per (step, layer, bin): the bin's edges and how many probe values fell between them."""
        return tables.histograms_table(self.snapshots, len(self.widths))

    @cached_property
    def gradients(self) -> pd.DataFrame:
        """A row per (step, layer, bin): the bin's edges and how many of the weights' gradients fell between them.

        Magnitudes, of the mini-batch of the update that led to the step. Empty for a recording of before they were
        counted, and of a network that was watched.
        """
        return tables.gradients_table(self.snapshots, len(self.widths))

    @cached_property
    def boundaries(self) -> pd.DataFrame:
        """For two-dimensional data, a row per (step, grid point): 255 × the probability of class 1."""
        return tables.boundaries_table(self.snapshots)

    def at(self, step: int) -> Snapshot:
        """The latest snapshot at or before `step`, else the first. Raises ValueError if there is none."""
        if not self.snapshots:
            raise ValueError("this recording is empty")
        return self.snapshots[max(0, int(np.searchsorted(self.steps, step, side="right")) - 1)]

    def __eq__(self, other: object) -> bool:
        """Equal numbers, bit for bit (NaN equals NaN); the provenance does not count."""
        if not isinstance(other, Recording):
            return NotImplemented
        return (
            (self.subject, self.interventions, self.diverged_at, self.reference_step, self.other_modes)
            == (
                other.subject,
                other.interventions,
                other.diverged_at,
                other.reference_step,
                other.other_modes,
            )
            and np.array_equal(self.steps, other.steps)
            and all(
                same_numbers(mine, theirs)
                for mine, theirs in zip(self.snapshots, other.snapshots, strict=True)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The content of its file; equal Recordings made at one time give equal bytes."""
        from bnviz.recording import file  # it loads Parquet

        return file.file_bytes(self._parts())

    def _parts(self) -> Parts:
        from bnviz.recording import file

        return file.Parts(
            self.subject,
            self.interventions,
            self.snapshots,
            self.diverged_at,
            self.reference_step,
            self.provenance,
            tuple(item._parts() for item in self.other_modes),
        )

    def save(self, path: str | Path) -> None:
        """Write one file: a zip of JSON and Parquet, there whole or not at all. Raises OSError."""
        from bnviz.recording.file import write_whole

        write_whole(Path(path), self.to_bytes())

    @classmethod
    def load(cls, source: str | Path | BinaryIO, most: int | None = None) -> Self:
        """Read a file written by `save`, from a path or an open file.

        most: bytes; a larger file is refused, by default one beyond MAX_BYTES. Raises ValueError, with one
        sentence, for any other file.
        """
        from bnviz.recording import file

        return cls._of(file.read_parts(source, file.MAX_BYTES if most is None else most))

    @classmethod
    def _of(cls, parts: Parts) -> Self:
        return cls(
            parts.subject,
            parts.interventions,
            parts.snapshots,
            parts.diverged_at,
            parts.reference_step,
            parts.provenance,
            tuple(map(cls._of, parts.others)),
        )


def fingerprint(recordings: Sequence[Recording]) -> str:
    """A short text that changes with what was recorded.

    Training is deterministic, so within a run the recorded steps and the interventions identify a Recording.
    """
    digest = hashlib.blake2b(digest_size=9)
    for recording in recordings:
        digest.update(recording.steps.tobytes())
        evaluated = (
            len(recording.snapshots[-1].curves) if recording.snapshots else 0
        )  # may come after the record
        digest.update(repr((recording.interventions, recording.diverged_at, evaluated)).encode())
    return digest.hexdigest()
