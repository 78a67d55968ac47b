"""Progress of long work: a function deep inside reports it, and the caller of the work listens.

A context variable connects the two, so that the functions in between need no parameter for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(share: float) -> None:
    """Report that `share` of the work, from 0 to 1, is done. An exception of the listener ends the work."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(share)


@contextmanager
def on_progress(listener: Listener) -> Iterator[None]:
    """Call `listener` for every `report` within the block, in the same thread."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
