"""What one object held before a pass: kept, compared after it, and put back.

Arrays are compared by their bits, containers by which objects they hold.
"""

from __future__ import annotations

import copy
import itertools
import random
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from bnviz.engine.watch.contents import content, slots
from bnviz.engine.watch.sameness import equal

ITERATORS = (
    types.GeneratorType,
    itertools.count,
    itertools.cycle,
    itertools.chain,
    enumerate,
    map,
    zip,
    filter,
)
"""They cannot be wound back, but it is seen whether they have moved."""


@dataclass(frozen=True, eq=False)
class Kept:
    """One object: where it was found, what it held, and how to read and write that. write: None if it cannot be."""

    path: str
    held: Any
    read: Callable[[], Any]
    write: Callable[[Any], object] | None

    def is_same(self) -> bool:
        """Whether it holds what it held."""
        try:
            return equal(self.read(), self.held)
        except Exception:  # whatever somebody's container raises: it is told as not put back
            return False

    def put_back(self) -> None:
        """Have it hold that again."""
        if self.write is not None:
            try:
                self.write(self.held)
            except Exception:  # seen by the comparison that follows
                return


def keep(path: str, item: Any) -> Kept | None:
    """What an object holds itself; None for one that cannot change, or holds all in its attributes."""
    kind = type(item)
    if issubclass(kind, Tensor):
        return _keep_tensor(path, item)
    if issubclass(kind, dict):
        return Kept(path, list(item.items()), lambda: list(item.items()), lambda held: _refill(item, held))
    if issubclass(kind, list | deque):
        return Kept(path, list(item), lambda: list(item), lambda held: (item.clear(), item.extend(held)))
    if issubclass(kind, set):
        return Kept(path, set(item), lambda: set(item), lambda held: (item.clear(), item.update(held)))
    if issubclass(kind, bytearray):
        return Kept(path, bytes(item), lambda: bytes(item), lambda held: item.__setitem__(slice(None), held))
    if issubclass(kind, np.ndarray):
        return Kept(path, item.copy(), lambda: item, lambda held: np.copyto(item, held))
    if issubclass(kind, Generator):
        return Kept(path, item.get_state(), item.get_state, item.set_state)
    if issubclass(kind, random.Random):
        return Kept(path, item.getstate(), item.getstate, item.setstate)
    if issubclass(kind, np.random.RandomState):
        return Kept(path, item.get_state(), item.get_state, item.set_state)
    if issubclass(kind, np.random.Generator):
        bits = item.bit_generator
        return Kept(
            path, copy.deepcopy(bits.state), lambda: bits.state, lambda held: setattr(bits, "state", held)
        )
    if issubclass(kind, types.GeneratorType):
        return Kept(path, _place(item), lambda: _place(item), None)
    if issubclass(kind, ITERATORS):
        return Kept(path, repr(item), lambda: repr(item), None)
    if issubclass(kind, types.CellType):
        return Kept(path, [content(item)], lambda: [content(item)], lambda held: _fill(item, held[0]))
    if values := slots(item):
        return Kept(path, values, lambda: slots(item), lambda held: _fill_slots(item, held))
    return None


def _keep_tensor(path: str, item: Tensor) -> Kept:
    if item.layout != torch.strided or item.is_nested:
        return Kept(path, item._version, lambda: item._version, None)

    def write(held: Tensor) -> None:
        # Through `data`, so that autograd does not take it for a change by the program.
        if item.shape == held.shape:
            item.data.copy_(held)
        else:
            item.data = held.clone()

    return Kept(path, item.detach().clone(), item.detach, write)


def _refill(item: dict[Any, Any], held: list[tuple[Any, Any]]) -> None:
    dict.clear(item)
    dict.update(item, held)


def _fill(cell: types.CellType, held: Any) -> None:
    cell.cell_contents = held


def _fill_slots(item: Any, held: dict[str, Any]) -> None:
    for name, value in held.items():
        object.__setattr__(item, name, value)


def _place(generator: Any) -> int | None:
    frame = generator.gi_frame
    return None if frame is None else int(frame.f_lasti)
