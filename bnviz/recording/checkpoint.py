"""A Checkpoint: the whole state of a Trainer after a step, as NumPy arrays, so that training can go on from it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from bnviz.experiment import Experiment, Intervention

ABOUT = "about"
"""The name of the array that holds, in a file, everything else as JSON."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a Trainer of the same Experiment needs to go on to the same bits.

    step: the updates taken. started: whether step 0 was recorded. taken: the optimizer's count of its steps.
    settings: as interventions have left them. coming: interventions still to be made.
    arrays: by name, the network's and the optimizer's tensors, the generators' states, the epoch's order, and
    the distributions that drift is measured from.
    """

    step: int
    started: bool
    diverged_at: int | None
    taken: int
    settings: Experiment
    coming: tuple[Intervention, ...]
    arrays: Mapping[str, np.ndarray]

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take."""
        return sum(array.nbytes for array in self.arrays.values())

    def to_bytes(self) -> bytes:
        """The content of a file, in NumPy's format npz."""
        about = {
            "step": self.step,
            "started": self.started,
            "diverged_at": self.diverged_at,
            "taken": self.taken,
            "settings": self.settings.to_json(),
            "coming": [item.model_dump() for item in self.coming],
        }
        content = io.BytesIO()
        arrays = {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8), **self.arrays}
        np.savez(content, allow_pickle=False, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The inverse of `to_bytes`. Raises ValueError, KeyError, TypeError or BadZipFile for any other content."""
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop(ABOUT).tobytes())
        settings = Experiment.from_json(about.pop("settings"))
        coming = tuple(Intervention(**item) for item in about.pop("coming"))
        return cls(settings=settings, coming=coming, arrays=arrays, **about)
