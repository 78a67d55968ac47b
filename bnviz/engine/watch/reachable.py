"""All that a pass can reach from a model: kept before the pass, compared after it, and put back.

That is tensors, containers, objects and their attributes, generators of chance, and what the network's own hooks and
functions write into: their closures, their defaults and the global names that they use.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from torch import nn

from bnviz.engine.watch.contents import below
from bnviz.engine.watch.restoring import Kept, keep
from bnviz.engine.watch.sameness import PLAIN
from bnviz.recording.watched import WatchError

MOST_OBJECTS = 200_000


class Reachable:
    """The state of everything reachable from a model at its making. Raises WatchError where that is too much."""

    def __init__(self, model: nn.Module) -> None:
        self.kept: list[Kept] = []
        self._seen: dict[int, Any] = {}
        waiting: deque[tuple[str, Any]] = deque([("model", model)])
        while waiting:
            path, item = waiting.popleft()
            if isinstance(item, PLAIN) or id(item) in self._seen:
                continue
            if len(self._seen) >= MOST_OBJECTS:
                raise WatchError(
                    f"the model reaches more than {MOST_OBJECTS:,} objects, which cannot all be kept apart from a "
                    "probe; write watch(model) without a probe, which needs no such copy"
                )
            self._seen[id(item)] = item
            kept = keep(path, item)
            if kept is not None:
                self.kept.append(kept)
            waiting.extend(below(path, item))

    def put_back(self) -> list[str]:
        """Restore what differs now. Returns the paths of what differs still."""
        for kept in self.kept:
            if not kept.is_same():
                kept.put_back()
        return [kept.path for kept in self.kept if not kept.is_same()]
