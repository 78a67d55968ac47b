"""An operation that is about to run, and what is to be noted of its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass_type

from bnviz.engine.watch import operations

Follow = Callable[[Any], None]
"""Called with the output, once the operation has run."""


class Call(NamedTuple):
    """An operation of ATen with its arguments. name: without the underscore of one that works in place."""

    function: Any
    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]
    tensors: list[Tensor]

    @classmethod
    def of(cls, function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Call:
        """An operation as a TorchDispatchMode is given it."""
        tensors = tensors_in((args, tuple(named.values())) if named else args)
        return cls(function, operations.base_name(function), args, named, tensors)

    @property
    def in_place(self) -> bool:
        """Whether it changes its first argument."""
        return operations.is_in_place(self.function)

    def argument(self, name: str, otherwise: Any = None) -> Any:
        """An argument by the name that it has in ATen."""
        if name in self.named:
            return self.named[name]
        for place, item in enumerate(self.function._schema.arguments):
            if item.name == name:
                return self.args[place] if place < len(self.args) else otherwise
        return otherwise

    def on(self, change: Callable[[Tensor], Any]) -> Any:
        """The same operation on other tensors."""
        args = [_changed(item, change) for item in self.args]
        return self.function(*args, **{name: _changed(item, change) for name, item in self.named.items()})


def tensors_in(items: Sequence[Any]) -> list[Tensor]:
    """The tensors among arguments, also those in lists."""
    found: list[Tensor] = []
    for item in items:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, list | tuple):
            found += tensors_in(item)
    return found


def holds_others(types: Sequence[type]) -> bool:
    """Whether a tensor of an operation is a shell around others, on which it runs the operation: these are followed."""
    return any(map(is_traceable_wrapper_subclass_type, types))


def _changed(item: Any, change: Callable[[Tensor], Any]) -> Any:
    """An argument with every tensor in it changed."""
    if isinstance(item, list | tuple):
        return [_changed(part, change) for part in item]
    return change(item) if isinstance(item, Tensor) else item
