"""The readings of a benchmark, taken from contenders in turns, and their table."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Setting:
    """How much to measure. repeats: turns of each contender that count. steps: of training in a turn.

    whole: steps of each arm of the whole Figure 1. cells: along each side of the map. stacks: the numbers of
    networks in a stack. viewers: how many watch a page at once. seconds: for which each turn of theirs is measured.
    images: what convolutional networks are trained on.
    """

    repeats: int = 5
    steps: int = 1500
    whole: int = 50_000
    dataset: str = "mnist-binary"
    cells: int = 12
    stacks: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    viewers: tuple[int, ...] = (1, 10, 30, 100)
    seconds: float = 6.0
    images: str = "fashion-mnist"


@dataclass(frozen=True)
class Reading:
    """A number measured in every repeat. aim: the least or most that it should be, in words."""

    words: str
    values: tuple[float, ...]
    aim: str = ""

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return float(np.median(self.values))

    def to_dict(self) -> dict[str, float | str | tuple[float, ...]]:
        """Plain data for JSON."""
        return {
            "what": self.words,
            "median": self.median,
            "lowest": min(self.values),
            "highest": max(self.values),
            "repeats": self.values,
            "aim": self.aim,
        }


@dataclass(frozen=True)
class Section:
    """Readings that belong together. remark: what could not be measured here, and why."""

    title: str
    readings: Sequence[Reading]
    remark: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "title": self.title,
            "readings": [item.to_dict() for item in self.readings],
            "remark": self.remark,
        }


def in_turns(
    contenders: Mapping[str, Callable[[], object]],
    repeats: int,
    slices: int = 1,
    warm: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Seconds of each contender in each repeat, (repeats,).

    slices: how many pieces a repeat is cut into; after each piece the next contender works, so that a slow moment of
    the machine affects all. Their order is shuffled, because each inherits the processor's caches from the one
    before. warm: whether to add a first turn that does not count. clock: seconds so far; `time.process_time` counts
    those of this process alone, for contenders that work in it, on a machine that does other things too.
    """
    seconds = {name: np.zeros((repeats + warm, slices)) for name in contenders}
    order, chance = list(contenders), random.Random(0)
    for repeat in range(repeats + warm):
        for place in range(slices):
            chance.shuffle(order)
            for name in order:
                started = clock()
                contenders[name]()
                seconds[name][repeat, place] = clock() - started
    return {name: values[int(warm) :].sum(1) for name, values in seconds.items()}


def reading(words: str, values: np.ndarray, aim: str = "") -> Reading:
    """A Reading of an array of values."""
    return Reading(words, tuple(np.asarray(values, np.float64).tolist()), aim)


def table(sections: Sequence[Section]) -> str:
    """All readings as lines of text."""
    lines = []
    for section in sections:
        lines += ["", section.title]
        for item in section.readings:
            spread = f"({_number(min(item.values))} to {_number(max(item.values))})"
            aim = f"  [aim: {item.aim}]" if item.aim else ""
            lines.append(f"  {_number(item.median):>10}  {spread:22}  {item.words}{aim}")
        if section.remark:
            lines.append(f"  {section.remark}")
    return "\n".join(lines[1:])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
