"""A mapping of bounded size that forgets the least recently used."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class Held:
    """What is kept: how many values, about how many bytes they take, and the seconds since the oldest was put."""

    count: int
    nbytes: int
    oldest_seconds: float = 0.0


class Lru(Generic[K, V]):
    """At most `capacity` values by their keys, of at most `most_bytes` bytes. Not locked: threads share a lock.

    `get` and `put` count as use; `peek` and `values` do not. The value used last is kept, whatever its size.
    """

    def __init__(self, capacity: int, most_bytes: int | None = None) -> None:
        self._capacity, self._most_bytes = capacity, most_bytes
        self._values: OrderedDict[K, V] = OrderedDict()
        self._sizes: dict[K, tuple[int, float]] = {}  # bytes, and when the value was put
        self._nbytes = 0

    def get(self, key: K) -> V | None:
        """The value, from now on the most recently used; None if there is none."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def peek(self, key: K) -> V | None:
        """The value, without counting as use; None if there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V, nbytes: int = 0) -> list[V]:
        """Keep the value as the most recently used. Returns the values that were dropped for it."""
        self._values[key] = value
        self._values.move_to_end(key)
        self._size(key, nbytes)
        return self._surplus()

    def weigh(self, key: K, nbytes: int) -> list[V]:
        """Say how many bytes a value takes that was put earlier. Returns the values that were dropped for it."""
        if key in self._values:
            self._size(key, nbytes)
        return self._surplus()

    def values(self) -> list[V]:
        """All values, the least recently used first."""
        return list(self._values.values())

    def held(self) -> Held:
        """How much is kept."""
        oldest = min((since for _, since in self._sizes.values()), default=None)
        seconds = 0.0 if oldest is None else time.monotonic() - oldest
        return Held(len(self._values), self._nbytes, seconds)

    def _size(self, key: K, nbytes: int) -> None:
        self._nbytes += nbytes - self._sizes.get(key, (0, 0.0))[0]
        self._sizes[key] = nbytes, time.monotonic()

    def _surplus(self) -> list[V]:
        """Drop the least recently used until the rest is within the bounds."""
        dropped = []
        while len(self._values) > self._capacity or (self._too_large and len(self._values) > 1):
            key, value = self._values.popitem(last=False)
            self._nbytes -= self._sizes.pop(key)[0]
            dropped.append(value)
        return dropped

    @property
    def _too_large(self) -> bool:
        return self._most_bytes is not None and self._nbytes > self._most_bytes
