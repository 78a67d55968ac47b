"""All that a pass can reach from a model: kept before the pass, compared after it, and put back.

That is tensors, containers, objects and their attributes, generators of chance, and what the network's own hooks and
functions write into: their closures, their defaults and the global names that they use. Arrays are compared by
their bits, containers by which objects they hold.
"""

from __future__ import annotations

import copy
import itertools
import random
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bnviz.recording.watched import WatchError

PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type,
    torch.dtype,
    torch.device,
    torch.Size,
    torch.layout,
)
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
LIBRARIES = frozenset(
    {"builtins", "torch", "numpy", "types", "typing", "functools", "abc", "collections", "bnviz"}
)
MOST_OBJECTS = 200_000


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
            return _equal(self.read(), self.held)
        except Exception:  # whatever somebody's container raises: it is told as not put back
            return False

    def put_back(self) -> None:
        """Have it hold that again."""
        if self.write is not None:
            try:
                self.write(self.held)
            except Exception:  # seen by the comparison that follows
                return


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
            kept = _keep(path, item)
            if kept is not None:
                self.kept.append(kept)
            waiting.extend(_below(path, item))

    def put_back(self) -> list[str]:
        """Restore what differs now. Returns the paths of what differs still."""
        for kept in self.kept:
            if not kept.is_same():
                kept.put_back()
        return [kept.path for kept in self.kept if not kept.is_same()]


def _keep(path: str, item: Any) -> Kept | None:
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
        return Kept(path, [_content(item)], lambda: [_content(item)], lambda held: _fill(item, held[0]))
    if slots := _slots(item):
        return Kept(path, slots, lambda: _slots(item), lambda held: _fill_slots(item, held))
    return None


def _below(path: str, item: Any) -> Iterator[tuple[str, Any]]:
    """The objects that an object leads to."""
    kind = type(item)
    if issubclass(kind, types.ModuleType | np.ndarray | bytearray):
        return
    if issubclass(kind, Tensor):
        if item.is_leaf and item.grad is not None:
            yield f"{path}.grad", item.grad
    elif issubclass(kind, dict):
        for key, value in list(item.items()):
            yield f"{path}.{key}" if isinstance(key, str) else f"{path}[{str(key)[:40]}]", value
    elif issubclass(kind, list | deque | tuple | set | frozenset):
        for number, value in enumerate(list(item)):
            yield f"{path}[{number}]", value
    elif issubclass(kind, types.FunctionType):
        yield from _in_function(path, item)
    elif issubclass(kind, types.MethodType):
        yield path, item.__self__
        yield path, item.__func__
    elif issubclass(kind, partial):
        yield from ((path, part) for part in (item.func, item.args, item.keywords))
    elif issubclass(kind, types.CellType):
        yield path, _content(item)
    elif issubclass(kind, torch.jit.ScriptModule):
        yield from itertools.chain(item.named_parameters(path), item.named_buffers(path))
        return
    elif issubclass(kind, nn.Module) and kind.__module__.split(".")[0] not in LIBRARIES:
        for method in vars(kind).values():
            yield path, method
    for name, value in (_slots(item) or {}).items():
        yield f"{path}.{name}", value
    attributes = _attributes(item)
    if attributes:
        yield path, attributes


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


def _in_function(path: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function of the program can write into: what it closes over, its defaults, global names that it uses."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield f"{path}, {name}", cell
    if (function.__module__ or "").split(".")[0] in LIBRARIES:
        return
    yield f"{path}, defaults", function.__defaults__
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if not isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
            yield name, value


def _equal(now: Any, before: Any) -> bool:
    """Whether two readings are the same: numbers by their bits, objects by identity."""
    if now is before:
        return True
    if isinstance(now, Tensor) and isinstance(before, Tensor):
        if now.shape != before.shape or now.dtype != before.dtype:
            return False
        unequal = now != before
        return not bool((unequal & ~(now.isnan() & before.isnan())).any())
    if isinstance(now, np.ndarray) and isinstance(before, np.ndarray):
        return now.shape == before.shape and now.dtype == before.dtype and now.tobytes() == before.tobytes()
    if isinstance(now, list | tuple) and isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(_same_entry, now, before))
    if isinstance(now, dict) and isinstance(before, dict):
        return list(now) == list(before) and all(_same_entry(now[key], before[key]) for key in now)
    return type(now) is type(before) and isinstance(now, (*PLAIN, set)) and bool(now == before)


def _same_entry(now: Any, before: Any) -> bool:
    """Whether a place in a container holds the same: a tensor or a container that was exchanged is another."""
    if now is before:
        return True
    if isinstance(now, Tensor | list | deque | set):
        return False
    return _equal(now, before)


def _refill(item: dict[Any, Any], held: list[tuple[Any, Any]]) -> None:
    dict.clear(item)
    dict.update(item, held)


def _fill(cell: types.CellType, held: Any) -> None:
    cell.cell_contents = held


def _fill_slots(item: Any, held: dict[str, Any]) -> None:
    for name, value in held.items():
        object.__setattr__(item, name, value)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _place(generator: Any) -> int | None:
    frame = generator.gi_frame
    return None if frame is None else int(frame.f_lasti)


def _attributes(item: Any) -> dict[str, Any] | None:
    try:
        found = object.__getattribute__(item, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def _slots(item: Any) -> dict[str, Any]:
    """The values of an object's slots, by name, for classes of the program."""
    kind = type(item)
    if kind.__module__.split(".")[0] in LIBRARIES:
        return {}
    found = {}
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            hidden = f"_{base.__name__.lstrip('_')}{name}" if name.startswith("__") else name
            if name not in ("__dict__", "__weakref__"):
                try:
                    found[hidden] = object.__getattribute__(item, hidden)
                except AttributeError:  # it is empty
                    continue
    return found
