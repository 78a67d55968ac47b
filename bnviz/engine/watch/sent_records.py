"""What a server has of a series of records, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bnviz.recording import Recording, Snapshot

PART_BYTES = 4 * 2**20
"""About how many bytes of records are sent at once."""


@dataclass(frozen=True)
class Sent:
    """What the server has of a series. last: the latest record, which may yet be replaced. about: all else."""

    count: int = 0
    last: Snapshot | None = None
    about: tuple[object, ...] = ()

    def missing(self, recording: Recording) -> tuple[int, Recording] | None:
        """What the server does not have of a series: where it belongs, and the records, not too many at once."""
        first = self._first_missing(recording)
        left = recording.snapshots[first:]
        if not left and self.about == _about(recording):
            return None
        record = left[0].layers.nbytes + left[0].units.nbytes + left[0].histogram.nbytes if left else 1
        return first, replace(recording, snapshots=left[: max(1, PART_BYTES // record)])

    def with_more(self, first: int, records: Recording) -> Sent:
        """What it has once it has these records too. first: where they belong."""
        last = records.snapshots[-1] if records.snapshots else self.last
        return Sent(first + len(records.snapshots), last, _about(records))

    def _first_missing(self, recording: Recording) -> int:
        """The first record that the server does not have as it now is."""
        if self.count and recording.snapshots[self.count - 1] is not self.last:
            return self.count - 1
        return self.count


def _about(recording: Recording) -> tuple[object, ...]:
    """What there is to send of a series beside its records."""
    return recording.subject, recording.diverged_at
