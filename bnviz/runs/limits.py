"""The limits of what runs may use, each of which the environment can set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from bnviz.experiment.knob import MAX_LAYERS, MAX_WIDTH


@dataclass(frozen=True)
class Limits:
    """Limits of a RunManager. BNVIZ_OPEN_RUNS=20 in the environment sets `open_runs`, and so on.

    The README's table of settings lists them all.
    """

    training_runs: int = 60  # at a time; further runs wait in a queue
    training_runs_a_person: int = 3
    training_runs_an_address: int = 50  # a whole class may share one
    open_runs: int = 200  # beyond it, the run idle for longest is dropped
    open_runs_a_person: int = 20  # beyond it, the person's run idle for longest is dropped
    runs_mb: int = 1000  # million bytes of what runs recorded; beyond it, as with `open_runs`
    watched_runs: int = 8  # that programs elsewhere send, at a time
    watched_run_records: int = 5000  # of one mode of one of them
    watched_run_mb: int = 100  # million bytes of one of them
    networks: int = 256  # of one run: a lab trains many
    layers: int = MAX_LAYERS
    width: int = MAX_WIDTH
    steps: int = 200_000  # of one network
    run_steps: int = 2_000_000  # of all networks of a run
    step_millions: int = 1000  # million multiplications in the forward pass of a mini-batch
    kept_recordings: int = 40  # finished ones, played back without training again
    kept_mb: int = 150  # million bytes of these recordings, and as many of these answers
    kept_inspections: int = 100  # answers to questions about a network at a step
    checkpoints_mb: int = 200  # million bytes of networks on the way, to go on from when a process is lost
    saved_runs_mb: int = (
        500  # million bytes on the disk, of classes' runs that go on after a restart of the server
    )
    unwatched_seconds: float = 120.0  # a running run nobody looks at is paused
    dropped_seconds: float = 1800.0  # a run nobody looks at is dropped
    call_seconds: float = 0.1  # training between two looks at the Pause button
    playback_seconds: float = 4.0  # for a whole kept recording, unless a speed is set
    slow_motion: float = 30.0  # steps per second; below it every step is recorded
    deaths: int = 3  # of a trainer process with nothing gained between them, before the run fails

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The defaults, overridden by the environment. Raises ValueError for anything but a positive number."""
        values: dict[str, float] = {}
        for item in fields(cls):
            name = variable(item.name)
            if name not in environment:
                continue
            kind: type[float] = int if isinstance(item.default, int) else float
            try:
                values[item.name] = kind(environment[name])
            except ValueError:
                values[item.name] = 0
            if not values[item.name] > 0:
                what = "whole number" if kind is int else "number"
                raise ValueError(
                    f"{name} = {environment[name]!r} is not allowed; allowed is a {what} above 0"
                )
        return cls(**values)  # type: ignore[arg-type]


def variable(name: str) -> str:
    """The environment variable that sets the limit `name`."""
    return f"BNVIZ_{name.upper()}"
