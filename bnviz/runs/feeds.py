"""Feeds: what programs elsewhere measure while they train, as they send it to be shown here.

A program opens a feed with its first records and sends what comes after; each mode of its network is a series of its
own. Who sends is a stranger: each feed has a sandbox that reads what arrives, and all is within the server's limits.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bnviz.recording import Recording
from bnviz.recording.sandbox import KeptSandbox
from bnviz.recording.watched import Watched
from bnviz.runs.limits import Limits, variable

SILENT_SECONDS = 60.0
"""A program says every few seconds that it is there; one that has not for so long may have been stopped."""

FILE_BYTES = 16 * 2**20
"""The largest file with records that is taken at once. One record of the most and widest layers takes 3 MB."""

PREFIX = "live"
"""What the ids of feeds begin with."""

LIVE = "Live: the program that trains this network sends what it measures."
SILENT = "Nothing was heard of the program for a minute; it may have been stopped."
ENDED = "The program has ended. Press Keep to have this run stay."


class FeedError(Exception):
    """Something that cannot be taken; the message is a sentence for the program that sent it."""


class FeedOverError(FeedError):
    """Nothing more is taken: the feed has ended, or lacks what stands before what was sent."""


class FeedFullError(FeedError):
    """The server has no room for more."""


@dataclass(frozen=True, eq=False)
class FeedSeries:
    """The series of a feed in one mode: a Recording that grows."""

    feed: Feed
    mode: str

    @property
    def recording(self) -> Recording:
        """What has arrived so far; immutable."""
        return self.feed.recording(self.mode)


class Feed:
    """What one program sends. Every method may be called from any thread.

    id: whoever has it may watch. key: whoever has it may send.
    """

    def __init__(
        self,
        recording: Recording,
        limits: Limits,
        sandbox: KeptSandbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = f"{PREFIX}{secrets.token_hex(6)}"
        self.key = secrets.token_urlsafe(18)
        self._limits, self._sandbox, self._clock = limits, sandbox, clock
        self._lock = threading.Lock()
        self._recordings: dict[str, Recording] = {}
        self._revision = 0
        self._ended = False
        self._heard = self._touched = clock()
        self.name = _watched(recording).name
        self.take(recording, 0)

    @property
    def series(self) -> tuple[FeedSeries, ...]:
        """Its series in the order in which they began."""
        return tuple(FeedSeries(self, mode) for mode in tuple(self._recordings))

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What has arrived in each series."""
        return tuple(item.recording for item in self.series)

    def recording(self, mode: str) -> Recording:
        """What has arrived in the series of this mode."""
        return self._recordings[mode]

    @property
    def revision(self) -> int:
        """A number that grows with whatever arrives."""
        return self._revision

    @property
    def live(self) -> bool:
        """Whether more may be expected."""
        return not self._ended and self._clock() - self._heard < SILENT_SECONDS

    @property
    def message(self) -> str:
        """A sentence on how it stands."""
        if self._ended:
            return ENDED
        return LIVE if self.live else SILENT

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory it takes."""
        return sum(item.nbytes for item in tuple(self._recordings.values()))

    @property
    def idle_seconds(self) -> float:
        """Seconds since something was heard of it, or somebody looked."""
        return self._clock() - max(self._heard, self._touched)

    def touch(self) -> None:
        """Somebody looked."""
        self._touched = self._clock()

    def alive(self) -> None:
        """The program is there, and has nothing new. Raises FeedOverError."""
        with self._lock:
            self._hear()

    def take_file(self, content: bytes, first: int) -> int:
        """Take what a stranger's file holds, as `take`."""
        return self.take(_read(self._sandbox, content), first)

    def take(self, part: Recording, first: int) -> int:
        """Take the records of a series from the record `first` on, counted from 0, in place of those there were.

        part: its snapshots are these records; all else is as of now. Returns how many the series then has. Raises
        FeedError.
        """
        watched = _watched(part)
        with self._lock:
            self._hear()
            before = self._recordings.get(watched.mode)
            there = before.snapshots if before is not None else ()
            if before is not None and _shape(_watched(before)) != _shape(watched):
                raise FeedError("the network is another one than before: its name or its layers differ")
            if first > len(there):
                raise FeedOverError(f"the records from {len(there):,} to {first - 1:,} are missing here")
            if first and part.snapshots and part.snapshots[0].step <= there[first - 1].step:
                raise FeedError("a record's step is not larger than the one before")
            whole = replace(part, snapshots=(*there[:first], *part.snapshots), other_modes=())
            self._check_size(whole)
            self._recordings[watched.mode] = whole
            self._revision += 1
            return len(whole.snapshots)

    def end(self) -> None:
        """The program has ended."""
        with self._lock:
            self._ended = True
            self._revision += 1
        self.rest()

    def rest(self) -> None:
        """End the process that reads for it; another one is started where something more arrives."""
        self._sandbox.close()

    def _hear(self) -> None:
        if self._ended:
            raise FeedOverError("this run has ended; open another one")
        self._heard = self._clock()

    def _check_size(self, whole: Recording) -> None:
        limits = self._limits
        if len(whole.snapshots) > limits.watched_run_records:
            raise FeedFullError(
                f"{len(whole.snapshots):,} records are too many for this server, which takes "
                f"{limits.watched_run_records:,} of a run ({variable('watched_run_records')})"
            )
        others = sum(item.nbytes for mode, item in self._recordings.items() if mode != whole.mode)
        if others + whole.nbytes > limits.watched_run_mb * 1_000_000:
            raise FeedFullError(
                f"the run is too large for this server, which takes {limits.watched_run_mb:,} MB of one "
                f"({variable('watched_run_mb')})"
            )


class Feeds:
    """The feeds of a server. Every method may be called from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}

    def open(self, content: bytes) -> Feed:
        """A new feed. content: a file with its first records. Raises FeedError; FeedFullError where all are taken."""
        self._check_room()
        sandbox = KeptSandbox(FILE_BYTES)
        try:
            feed = Feed(_read(sandbox, content), self._limits, sandbox)
            with self._lock:
                self._check_room()
                while len(self._feeds) >= self._limits.watched_runs:
                    del self._feeds[max(self._over(), key=lambda item: item.idle_seconds).id]
                self._feeds[feed.id] = feed
        except BaseException:
            sandbox.close()
            raise
        return feed

    def get(self, feed_id: str) -> Feed | None:
        """The feed with this id; None if there is none, or no more."""
        return self._feeds.get(feed_id)

    def all(self) -> tuple[Feed, ...]:
        """All of them, the latest first."""
        with self._lock:
            return tuple(reversed(self._feeds.values()))

    def drop_idle(self) -> None:
        """Drop those that are over and that nobody looks at."""
        with self._lock:
            over = self._over()
            for feed in over:
                if feed.idle_seconds > self._limits.dropped_seconds:
                    del self._feeds[feed.id]
        for feed in over:
            feed.rest()

    def close(self) -> None:
        """End all of them."""
        for feed in self.all():
            feed.end()

    def _over(self) -> list[Feed]:
        return [feed for feed in self._feeds.values() if not feed.live]

    def _check_room(self) -> None:
        if len(self._feeds) >= self._limits.watched_runs and not self._over():
            raise FeedFullError(
                f"this server shows {self._limits.watched_runs} runs of other programs at a time "
                f"({variable('watched_runs')}), and as many are live"
            )


def _read(sandbox: KeptSandbox, content: bytes) -> Recording:
    try:
        return sandbox.read(content)
    except ValueError as error:
        raise FeedError(str(error)) from None


def _watched(recording: Recording) -> Watched:
    watched = recording.watched
    if watched is None:
        raise FeedError("only a network that is watched can be shown while its program trains it")
    return watched


def _shape(watched: Watched) -> tuple[object, ...]:
    return watched.name, watched.widths, watched.layer_names
