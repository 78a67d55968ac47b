"""A mapping of bounded size that forgets the least recently used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """At most `capacity` values by their keys. Not locked: whoever shares one between threads holds a lock.

    `get` and `put` count as use; `peek` and `values` do not.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, from now on the most recently used; None if there is none."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def peek(self, key: K) -> V | None:
        """The value, without counting as use; None if there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> list[V]:
        """Keep the value as the most recently used. Returns the values that were dropped for it."""
        self._values[key] = value
        self._values.move_to_end(key)
        excess = max(0, len(self._values) - self._capacity)
        return [self._values.popitem(last=False)[1] for _ in range(excess)]

    def values(self) -> list[V]:
        """All values, the least recently used first."""
        return list(self._values.values())
