"""A Run: arms trained in lockstep, as seen by those who watch or drive it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from typing import Literal

from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.recording import Recording
from bnviz.runs.actor import Progress
from bnviz.runs.arm_recordings import Trained
from bnviz.runs.earlier_recordings import Beside
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.pump import Orders, Pump
from bnviz.runs.recording_cache import RecordingCache
from bnviz.runs.saved_runs import SavedRun
from bnviz.runs.trainers import Trainers

State = Literal["ready", "starting", "running", "paused", "finished", "failed"]


class Run:
    """Arms trained in lockstep: play, pause, step, reset, stop.

    Every method may be called from any thread, and returns at once; a Pump in the loop of `Trainers` drives the
    trainers. A Pump that a reset has replaced is ignored.

    id: whoever has it may watch. key: whoever has it may drive the run. person: to whom the run belongs; without
    one, the run belongs to a new person. held: whether it must not be dropped, however long nobody watches.
    measured: earlier Recordings in place of arms: there is nothing to train.
    beside: earlier Recordings of further arms, shown up to the run's step. computed: finished Recordings of these arms,
    played back as long as nothing is changed. saved_as: the name under which it is saved on the disk, "" for not.
    saved: where it begins, in place of step 0.
    """

    def __init__(
        self,
        arms: Sequence[Experiment],
        interventions: Sequence[Sequence[Intervention]],
        trainers: Trainers,
        recording_cache: RecordingCache,
        limits: Limits,
        measured: Sequence[Recording] = (),
        beside: Sequence[Recording] = (),
        person: Person | None = None,
        computed: Sequence[Recording] = (),
        saved: SavedRun | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.person = person or Person(self.id)
        self.key = secrets.token_urlsafe(18)
        self.held = False
        self.saved_as = ""
        self.arms = tuple(arms)
        self._planned = tuple(tuple(items) for items in interventions)
        self._measured = tuple(measured)
        self._computed = tuple(computed)
        self._beside = Beside(beside)
        self._trainers, self._recording_cache, self._limits = trainers, recording_cache, limits
        self._lock = threading.RLock()
        self._revision = 0
        self._speed: float | None = None
        self._until: int | None = None
        self._touched = time.monotonic()
        self._pump: Pump | None = None
        self._every_single = True  # whether each single step is recorded
        self._on_schedule = True  # whether only scheduled steps were recorded
        self._rewind()
        if saved is not None:
            self._go_on_from(saved)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What was measured so far, arm by arm, and the Recordings beside the run last. Each is immutable."""
        trained = self._trained
        recordings = trained.recordings
        if not self._beside:
            return recordings
        step = trained.step if any(item.snapshots for item in recordings) else -1
        return recordings + self._beside.upto(step)

    @property
    def revision(self) -> int:
        """A number that grows with every visible change."""
        return self._revision

    @property
    def state(self) -> State:
        """What the run is doing."""
        return self._state

    @property
    def message(self) -> str:
        """A sentence or two about the state, or ""."""
        return " ".join(filter(None, (self._notice, self._message)))

    @property
    def step(self) -> int:
        """The step of the arm that is furthest."""
        return self._trained.step

    @property
    def steps(self) -> int:
        """How many steps the longest arm takes."""
        return self._trained.steps

    @property
    def speed(self) -> float | None:
        """Steps per second, or None for as fast as possible."""
        return self._speed

    @property
    def kept(self) -> bool:
        """Whether the run plays back Recordings that this server trained earlier."""
        return self._kept

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory its Recordings take."""
        return self._trained.nbytes

    @property
    def active(self) -> bool:
        """Whether it is starting or running."""
        return self._state in ("starting", "running")

    @property
    def untouched_seconds(self) -> float:
        """Seconds since somebody last looked."""
        return time.monotonic() - self._touched

    def touch(self) -> None:
        """Somebody looked."""
        self._touched = time.monotonic()

    def play(self, fresh: bool = False) -> None:
        """Train on, to the end; if this server has trained all arms before, play their Recordings back instead.

        fresh: train in any case; a finished or played-back run begins anew.
        """
        with self._lock:
            if fresh and (self._kept or self._state == "finished"):
                self._rewind()
            self._go(playing=True, single=0, fresh=fresh)

    def pause(self) -> None:
        """Stop after the steps being trained now, within a fraction of a second."""
        self.touch()
        self._pause("")

    def pause_unwatched(self) -> None:
        """Pause because nobody watches. Only `play` goes on."""
        seconds = round(self._limits.unwatched_seconds)
        self._pause(f"Paused, because nobody was watching for {seconds} seconds. Press Play to go on.")

    def advance(self, steps: int = 1, every_step: bool = True) -> None:
        """Take single steps, then pause.

        every_step: whether each is recorded; otherwise they are recorded on schedule and taken at full speed.
        """
        with self._lock:
            self._go(playing=False, single=self._single + max(1, steps), fresh=False, every_step=every_step)

    def reset(self) -> None:
        """Begin anew at step 0; the speed stays."""
        with self._lock:
            self.touch()
            self._rewind()

    def pause_at(self, step: int | None) -> None:
        """Have the run pause once when it comes to this step, None for never. After a reset it pauses there again."""
        with self._lock:
            if step != self._until:
                self._until = self._ahead = step

    def stop(self) -> None:
        """End the run and release its trainers; its Recordings stay."""
        with self._lock:
            self._playing, self._single = False, 0
            self._end_pump()
            if self._state not in ("finished", "failed"):
                self._show("finished", f"Stopped at step {self.step:,}.")

    def set_speed(self, steps_per_second: float | None) -> None:
        """Steps per second from now on, None for as fast as possible. Raises ExperimentError."""
        if steps_per_second is not None and not steps_per_second > 0:
            raise ExperimentError(f"speed = {steps_per_second!r} is not allowed; allowed is a number above 0")
        with self._lock:
            self.touch()
            self._speed = steps_per_second
            self._revision += 1
        self._wake()

    def intervene(self, field: str, value: float, arm: int | None = None) -> None:
        """Change the learning rate, momentum or weight decay of one arm, or of all, at their current step.

        Raises ExperimentError for a field or value that is not allowed, and where nothing is left to train.
        """
        change = Intervention(self.step, field, value)
        with self._lock:
            self.touch()
            if self._state == "finished":
                raise ExperimentError("this run has ended; reset it to change something")
            self._trained.change(field, change.value, arm)
            if not self.active:
                self._apply_changes()

    # What follows is for the Pump and the RunManager.

    def orders(self, pump: Pump) -> Orders | None:
        """What the Pump is to do next, or None for nothing. Changes take effect here, between two calls."""
        with self._lock:
            if pump is not self._pump:
                return None
            if self._ahead is not None and self._ahead <= self.step:
                if self._playing and self._ahead == self.step:
                    self._playing, self._pause_message = (
                        False,
                        f"Paused at step {self.step:,}. Press Play to go on.",
                    )
                self._ahead = None
            if not (self._playing or self._single):
                if self.active:
                    self._show("paused", self._pause_message)
                return None
            if self._state == "starting" and self._can_move(pump):
                self._show("running")
            self._apply_changes()
            speed = None if self._single and not self._every_single else self._speed
            slow = speed is not None and speed < self._limits.slow_motion
            every_step = slow or (self._single > 0 and self._every_single)
            self._on_schedule = self._on_schedule and not every_step
            most = None if self._ahead is None else self._ahead - self.step
            return Orders(self._trained.recordings, speed, self._single, every_step, most)

    def append(self, pump: Pump, progress: dict[int, Progress], goal: int) -> None:
        """Append what the arms returned, by the arm's index, on the way to the step `goal`."""
        with self._lock:
            if pump is not self._pump or not progress:
                return
            self._single = max(0, self._single - max(0, goal - self.step))
            self._trained.append(progress)
            self._revision += 1
            if self._trained.finished:
                self._finish()

    def to_save(self) -> SavedRun | None:
        """What to write to the disk, without the Checkpoints; None where there is nothing that was trained here."""
        with self._lock:
            trained = self._trained
            if not trained.begun or (self._kept and not trained.finished):
                return None
            nothing = (None,) * len(trained.recordings)
            return SavedRun(trained.recordings, trained.reached, nothing, self._playing, self._on_schedule)

    def starting(self, pump: Pump, message: str, kept: bool) -> None:
        """Show that the arms are being made ready, unless the run was paused meanwhile."""
        with self._lock:
            if pump is self._pump:
                self._kept = kept
                if self.active and (self._state, self._message) != ("starting", message):
                    self._show("starting", message)

    def failed(self, pump: Pump, message: str) -> None:
        """Show that the run cannot go on. `play` tries again."""
        with self._lock:
            if pump is self._pump:
                self._playing, self._single = False, 0
                self._show("failed", message)

    def _pause(self, message: str) -> None:
        with self._lock:
            self._playing, self._single, self._pause_message = False, 0, message
            if self._state == "starting":  # no step is being trained, and getting ready may take long
                self._show("paused", message)
            self._wake()

    def _finish(self) -> None:
        if self._on_schedule and not self._kept:
            for recording in self._trained.recordings:
                self._recording_cache.keep(recording)
        self._playing, self._single = False, 0
        self._show("finished")
        self._end_pump()

    def _can_move(self, pump: Pump) -> bool:
        return pump.is_ready and self._trained.begun

    def _go(self, playing: bool, single: int, fresh: bool, every_step: bool = True) -> None:
        self.touch()
        if self._state == "finished":
            return
        if self._pump is None:
            afresh = fresh or self._trained.begun  # what was saved goes on where it was
            kept = None if afresh else self._find_kept()
            self._kept = kept is not None
            self._pump = Pump(self, self._trainers, self._limits, self._trained.reached, kept)
        self._playing, self._single, self._pause_message = playing, single, ""
        self._every_single = every_step
        self._show("running" if self._can_move(self._pump) else "starting")
        self._wake()

    def _find_kept(self) -> tuple[Recording, ...] | None:
        """The finished Recordings of what is to be trained; None where there are none."""
        wanted = self._trained.recordings
        if [(item.experiment, item.interventions) for item in wanted] == [
            (item.experiment, item.interventions) for item in self._computed
        ]:
            return self._computed
        return self._recording_cache.find(wanted)

    def _go_on_from(self, saved: SavedRun) -> None:
        self._trained = Trained(self.arms, self._planned, saved.recordings, saved.reached)
        self._on_schedule = saved.on_schedule
        self._notice = f"This run was saved on the disk at step {self.step:,} and brought back from there."
        self._show("finished" if self._trained.finished else "paused")

    def _rewind(self) -> None:
        self._end_pump()
        self._notice = ""
        self._trained = Trained(self.arms, self._planned, self._measured)
        self._kept = False
        self._ahead = self._until
        self._on_schedule = True
        self._playing, self._single, self._pause_message = False, 0, ""
        if self._measured:
            self._show("finished", "Measured earlier: look at any step.")
        else:
            self._show("ready")

    def _apply_changes(self) -> None:
        if self._trained.apply_changes():
            self._revision += 1

    def _show(self, state: State, message: str = "") -> None:
        self._state: State = state
        self._message = message
        self._revision += 1

    def _wake(self) -> None:
        if self._pump is not None:
            self._trainers.soon(self._pump.wake)

    def _end_pump(self) -> None:
        if self._pump is not None:
            self._trainers.soon(self._pump.end)
            self._pump = None
