"""Runs that are saved on the disk while they train, so that they go on after a restart of the server.

A file holds the Recordings so far and each arm's newest Checkpoint. It is written whole or not at all. One of another
version of bnviz or torch is not used: the numbers could differ in their last digits.
"""

from __future__ import annotations

import io
import json
import logging
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from bnviz.data.lru import Lru
from bnviz.experiment import Experiment, Intervention
from bnviz.recording import Recording
from bnviz.recording.checkpoint import Checkpoint
from bnviz.recording.file import write_whole
from bnviz.runs.checkpoints import before
from bnviz.runs.installed import Installed, installed

logger = logging.getLogger(__name__)

SAVE_SECONDS = 5.0
"""At least between two writes of a run. What a killed server loses of it is trained again."""

TIMES_AS_LONG = 50
"""Nor is the pause below so many times the processor time of the last write: many networks take long."""

MOST_FILES = 50
"""As many as the classes whose runs are held."""

ABOUT = "about.json"
SUFFIX = ".run"


@dataclass(frozen=True)
class SavedRun:
    """A run as it was. For each arm: its Recording, the step it had reached, its newest Checkpoint until then.

    playing: whether it trained. on_schedule: whether only scheduled steps were recorded.
    """

    recordings: tuple[Recording, ...]
    reached: tuple[int, ...]
    checkpoints: tuple[Checkpoint | None, ...]
    playing: bool
    on_schedule: bool

    def planned(
        self, arms: Sequence[Experiment], interventions: Sequence[Sequence[Intervention]]
    ) -> Self | None:
        """The same with the interventions that are still to come; None where another training was saved."""
        if tuple(item.experiment for item in self.recordings) != tuple(arms):
            return None
        recordings = []
        for recording, step, planned in zip(self.recordings, self.reached, interventions, strict=True):
            made = recording.interventions
            if not set(before(planned, step)) <= set(made):
                return None
            coming = tuple(item for item in planned if item.step >= step and item not in made)
            recordings.append(replace(recording, interventions=(*made, *coming)))
        return replace(self, recordings=tuple(recordings))

    def to_bytes(self) -> bytes:
        """The content of its file."""
        about = {
            "installed": asdict(installed()),
            "reached": self.reached,
            "playing": self.playing,
            "on_schedule": self.on_schedule,
        }
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(ABOUT, json.dumps(about))
            for place, (recording, checkpoint) in enumerate(
                zip(self.recordings, self.checkpoints, strict=True)
            ):
                archive.writestr(f"{place}.recording", recording.to_bytes())
                if checkpoint is not None:
                    archive.writestr(f"{place}.checkpoint", checkpoint.to_bytes())
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The inverse of `to_bytes`. Raises ValueError for the file of another version, and for any other file."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                about = json.loads(archive.read(ABOUT))
                if differences := installed().differences(Installed(**about["installed"])):
                    raise ValueError(f"it was saved with {differences}")
                places, names = range(len(about["reached"])), set(archive.namelist())
                return cls(
                    tuple(Recording.load(io.BytesIO(archive.read(f"{place}.recording"))) for place in places),
                    tuple(about["reached"]),
                    tuple(
                        Checkpoint.from_bytes(archive.read(name)) if name in names else None
                        for name in (f"{place}.checkpoint" for place in places)
                    ),
                    about["playing"],
                    about["on_schedule"],
                )
        except (zipfile.BadZipFile, KeyError, TypeError, EOFError) as error:
            raise ValueError(f"this is no saved run: {error}") from error


class SavedRuns:
    """The files of saved runs, by the runs' names.

    locate: names the folder, which is made if missing; its parent is there. most_bytes: of all files together; beyond
    it the files written longest ago are deleted. `load` may be called from any thread, the others one at a time.
    """

    def __init__(self, locate: Callable[[], Path], most_bytes: int) -> None:
        self._locate, self._most_bytes = locate, most_bytes
        self._written: Lru[str, tuple[str, float]] = Lru(
            2 * MOST_FILES
        )  # the last state, and when the next is due

    def is_due(self, name: str, state: str) -> bool:
        """Whether a run is to be written. state: a text that changes with the run."""
        last, due = self._written.get(name) or ("", 0.0)
        return state != last and time.monotonic() >= due

    def save(self, name: str, state: str, saved: SavedRun | None) -> None:
        """Write a run, or delete its file where nothing of it is to be saved. No run ends where that fails.

        Raises ValueError for a name that is not of letters and digits.
        """
        if not name.isalnum():
            raise ValueError(f"name = {name!r} is not allowed; allowed are letters and digits")
        begun = time.thread_time()
        try:
            path = self._path(name)
            content = b"" if saved is None else saved.to_bytes()
            if content and len(content) <= self._most_bytes:
                path.parent.mkdir(exist_ok=True)
                write_whole(path, content)
                self._delete_oldest(path.parent)
            else:
                path.unlink(missing_ok=True)
        except Exception:
            logger.exception("a run could not be saved")
        pause = max(SAVE_SECONDS, TIMES_AS_LONG * (time.thread_time() - begun))
        self._written.put(name, (state, time.monotonic() + pause))

    def load(self, name: str) -> SavedRun | None:
        """What was saved under this name; None for nothing, or nothing that can be used."""
        try:
            return SavedRun.from_bytes(self._path(name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("a saved run is not used: %s", error)
            return None

    def _path(self, name: str) -> Path:
        return self._locate() / f"{name}{SUFFIX}"

    def _delete_oldest(self, folder: Path) -> None:
        """Keep the newest files within the bounds."""
        files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda item: -item.stat().st_mtime)
        total = 0
        for place, file in enumerate(files):
            total += file.stat().st_size
            if place >= MOST_FILES or total > self._most_bytes:
                file.unlink()
