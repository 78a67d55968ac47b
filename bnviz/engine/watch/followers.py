"""Who follows a watched network while it trains: a server that shows it, a widget in a notebook."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bnviz.recording import Recording


class Follower(Protocol):
    """Is shown what was recorded, whenever that has grown."""

    def show(self, recordings: Sequence[Recording]) -> None:
        """What was recorded until now, in each mode. It must not take long: the training waits."""

    def close(self) -> None:
        """Nothing more will come."""


class Followers:
    """All who follow one watched network. One that fails is left out from then on: the training goes on."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []
        self._recorded: tuple[Recording | None, ...] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Followers:
        """A copy of a model, with all that hangs on it, is followed by nobody."""
        return Followers()

    def __reduce__(self) -> tuple[type[Followers], tuple[()]]:
        """Nor is a model that is read from a file."""
        return Followers, ()

    def __bool__(self) -> bool:
        return bool(self._followers)

    def add(self, follower: Follower) -> None:
        """Show it what is recorded from now on."""
        self._followers.append(follower)
        self._recorded = None

    def show(
        self, recorded: Sequence[Recording | None], recordings: Callable[[], Sequence[Recording]]
    ) -> None:
        """Show what was recorded until now to all, if `recorded` is not what they were shown last."""
        before = self._recorded
        if before is not None and len(recorded) == len(before) and all(map(operator.is_, recorded, before)):
            return
        self._recorded = tuple(recorded)
        self._show(recordings())

    def close(self, recordings: Sequence[Recording]) -> None:
        """Show all how it ended, and let them go."""
        self._show(recordings)
        for follower in tuple(self._followers):
            self._safely(follower, follower.close)
        self._followers = []

    def _show(self, recordings: Sequence[Recording]) -> None:
        for follower in tuple(self._followers):
            self._safely(follower, follower.show, recordings)

    def _safely(self, follower: Follower, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:
            self._followers = [item for item in self._followers if item is not follower]
            warnings.warn(f"bnviz stopped showing what it records: {error}", stacklevel=2)
