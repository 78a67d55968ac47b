"""The newest Checkpoints of what was trained, kept by the server: a worker process may be gone at any time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.data.lru import Held
from bnviz.experiment import Experiment, Intervention
from bnviz.recording.checkpoint import Checkpoint

MOST = 8
"""The most Checkpoints of one Experiment: those kept last, and others spread over its training."""

NEWEST = 3
"""So many of those kept last stay, wherever they are: the same training may begin anew, also twice at a time."""


@dataclass(frozen=True)
class Kept:
    """A Checkpoint, and the interventions made before its step. number: how many were kept until it."""

    made: tuple[Intervention, ...]
    checkpoint: Checkpoint
    number: int


class Checkpoints:
    """Those of the Experiments trained last, in at most `most_bytes`. All calls but `held` come from one thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Experiment, list[Kept]] = OrderedDict()
        self._number = 0
        self._count = self._nbytes = 0  # of those kept now

    def keep(
        self, experiment: Experiment, interventions: Sequence[Intervention], checkpoint: Checkpoint
    ) -> None:
        """Keep a Checkpoint; `interventions` are those made, and perhaps some still to come.

        One larger than all may be together is not kept. Those of the Experiment not used for longest are dropped.
        """
        if checkpoint.nbytes > self._most_bytes:
            return
        self._number += 1
        new = Kept(before(interventions, checkpoint.step), checkpoint, self._number)
        kept = self._kept.setdefault(experiment, [])
        self._kept.move_to_end(experiment)
        same = [item for item in kept if (item.checkpoint.step, item.made) == (checkpoint.step, new.made)]
        if same:
            return
        newest = [*sorted(kept, key=lambda item: item.number)[1 - NEWEST :], new]
        kept.append(new)
        kept.sort(key=lambda item: item.checkpoint.step)
        self._count += 1
        self._nbytes += checkpoint.nbytes
        if len(kept) > MOST:
            self._drop(kept, _closest(kept, newest))
        while self._nbytes > self._most_bytes:
            oldest, items = next(iter(self._kept.items()))
            self._drop(items, 0)
            if not items:
                del self._kept[oldest]

    def nearest(
        self, experiment: Experiment, interventions: Sequence[Intervention], step: int
    ) -> Checkpoint | None:
        """The latest Checkpoint up to `step` of a training with the same interventions before it."""
        kept = self._kept.get(experiment)
        if kept is None:
            return None
        self._kept.move_to_end(experiment)
        fitting = (
            item.checkpoint
            for item in kept
            if item.checkpoint.step <= step and item.made == before(interventions, item.checkpoint.step)
        )
        return max(fitting, key=lambda item: item.step, default=None)

    def held(self) -> Held:
        """How much is kept. May be called from any thread."""
        return Held(self._count, self._nbytes)

    def _drop(self, kept: list[Kept], index: int) -> None:
        self._count -= 1
        self._nbytes -= kept.pop(index).checkpoint.nbytes


def before(interventions: Sequence[Intervention], step: int) -> tuple[Intervention, ...]:
    """The interventions that took effect in the first `step` updates."""
    return tuple(item for item in interventions if item.step < step)


def _closest(kept: Sequence[Kept], spared: Sequence[Kept]) -> int:
    """The index of the one, neither first nor last nor spared, whose neighbours are closest together."""
    steps = [item.checkpoint.step for item in kept]
    candidates = [index for index in range(1, len(kept) - 1) if kept[index] not in spared]
    return min(candidates, key=lambda index: steps[index + 1] - steps[index - 1])
