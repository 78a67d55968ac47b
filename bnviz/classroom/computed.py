"""Results of labs that were computed before the class: kept below BNVIZ_HOME, played back when the class comes to them.

A folder holds the Recordings of a lab in a setting, and what its inspection found. Its name has a digest of all that is
trained and of what is installed, bnviz and torch among it: after any change there is nothing to be found, and the lab
trains as usual.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bnviz.data.paths import home
from bnviz.labs.base import Lab, Setting
from bnviz.recording import Recording
from bnviz.recording.outcome import Outcome
from bnviz.runs.installed import installed


class NotKeptError(Exception):
    """A result could not be kept so that it says the same when it is read; the message is a sentence."""


def folder(lab: Lab, setting: Setting) -> Path:
    """Where the results of the lab in this setting are, or would be."""
    told = [repr(installed()), *(f"{job.experiment.to_json()}{job.inspection}" for job in lab.jobs(setting))]
    digest = hashlib.blake2b("\n".join(told).encode(), digest_size=8).hexdigest()
    return home() / "computed" / f"{lab.name}-{digest}"


def keep(lab: Lab, setting: Setting, outcomes: Sequence[Outcome]) -> None:
    """Keep the results. Raises NotKeptError where the verdict on what is read back is another one, and OSError."""
    place = folder(lab, setting)
    unfinished = place.with_name(f".{place.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for number, outcome in enumerate(outcomes):
            outcome.recording.save(unfinished / f"{number}.bnviz")
            arrays: dict[str, Any] = {name: np.asarray(value) for name, value in outcome.inspection.items()}
            with (unfinished / f"{number}.npz").open("wb") as file:
                np.savez(file, **arrays)
        verdicts = [
            lab.verdict(lab.result(setting, found)).to_dict()
            for found in (outcomes, _read(unfinished, len(outcomes)))
        ]
        if verdicts[0] != verdicts[1]:
            raise NotKeptError(f"the results of the lab {lab.name} cannot be kept: read back, they say less")
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def find(lab: Lab, setting: Setting) -> tuple[Outcome, ...]:
    """The results that were kept; () where there are none, or where they cannot be read."""
    place = folder(lab, setting)
    if not place.is_dir():
        return ()
    try:
        return _read(place, len(lab.jobs(setting)))
    except (OSError, ValueError, KeyError):
        return ()


def _read(place: Path, count: int) -> tuple[Outcome, ...]:
    found = []
    for number in range(count):
        with np.load(place / f"{number}.npz", allow_pickle=False) as arrays:
            inspection = {name: value if value.ndim else value.item() for name, value in arrays.items()}
        found.append(Outcome(Recording.load(place / f"{number}.bnviz"), inspection))
    return tuple(found)
