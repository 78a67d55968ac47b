"""What an object holds and leads to: items, attributes, slots, and what a function writes into."""

from __future__ import annotations

import itertools
import types
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LIBRARIES = frozenset(
    {"builtins", "torch", "numpy", "types", "typing", "functools", "abc", "collections", "bnviz"}
)
"""Packages of which functions and classes are not looked into."""


def below(path: str, item: Any) -> Iterator[tuple[str, Any]]:
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
        yield path, content(item)
    elif issubclass(kind, torch.jit.ScriptModule):
        yield from itertools.chain(item.named_parameters(path), item.named_buffers(path))
        return
    elif issubclass(kind, nn.Module) and kind.__module__.split(".")[0] not in LIBRARIES:
        for method in vars(kind).values():
            yield path, method
    for name, value in (slots(item) or {}).items():
        yield f"{path}.{name}", value
    own = attributes(item)
    if own:
        yield path, own


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


def content(cell: types.CellType) -> Any:
    """What a closure's cell holds; None if it is empty."""
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def attributes(item: Any) -> dict[str, Any] | None:
    """The dictionary of an object's attributes; None where it has none, or one of its own kind."""
    try:
        found = object.__getattribute__(item, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def slots(item: Any) -> dict[str, Any]:
    """The values of an object's slots, by name, for classes of the program."""
    kind = type(item)
    if kind.__module__.split(".")[0] in LIBRARIES:
        return {}
    found = {}
    for base in kind.__mro__:
        declared = vars(base).get("__slots__", ())
        for name in [declared] if isinstance(declared, str) else declared:
            hidden = f"_{base.__name__.lstrip('_')}{name}" if name.startswith("__") else name
            if name not in ("__dict__", "__weakref__"):
                try:
                    found[hidden] = object.__getattribute__(item, hidden)
                except AttributeError:  # it is empty
                    continue
    return found
