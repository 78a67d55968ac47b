"""A ShownRun: a run that only shows, of earlier Recordings and of feeds that grow."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.recording import Recording
from bnviz.runs.feeds import Feed, FeedSeries
from bnviz.runs.limits import Limits
from bnviz.runs.person import Person
from bnviz.runs.recording_cache import RecordingCache
from bnviz.runs.run import Run, State
from bnviz.runs.trainers import Trainers


class ShownRun(Run):
    """Recordings and series of feeds, as a run that nobody trains here.

    It moves while one of its feeds does, and is never paused: what is trained is trained elsewhere.
    """

    def __init__(
        self,
        shown: Sequence[Recording | FeedSeries],
        trainers: Trainers,
        recording_cache: RecordingCache,
        limits: Limits,
        person: Person | None = None,
    ) -> None:
        self._shown = tuple(shown)
        super().__init__((), (), trainers, recording_cache, limits, self.recordings, (), person)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What is shown, as of now."""
        return tuple(item.recording if isinstance(item, FeedSeries) else item for item in self._shown)

    @property
    def _feeds(self) -> tuple[Feed, ...]:
        return tuple({item.feed: None for item in self._shown if isinstance(item, FeedSeries)})

    @property
    def revision(self) -> int:
        """A number that grows with whatever arrives."""
        return self._revision + sum(feed.revision for feed in self._feeds)

    @property
    def state(self) -> State:
        """Running while a feed is live."""
        return "running" if any(feed.live for feed in self._feeds) else "finished"

    @property
    def message(self) -> str:
        """How the feeds stand."""
        return " ".join(dict.fromkeys(feed.message for feed in self._feeds)) or self._message

    @property
    def step(self) -> int:
        """The step of what is furthest."""
        return max(item.last_step for item in self.recordings)

    @property
    def steps(self) -> int:
        """How many steps the longest takes."""
        return max(item.planned_steps for item in self.recordings)

    @property
    def active(self) -> bool:
        """Never: nothing trains here."""
        return False

    def touch(self) -> None:
        """Somebody looked."""
        super().touch()
        for feed in self._feeds:
            feed.touch()
