"""What the operations of a pass are recognised by: which they are, and where each of their tensors comes from."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bnviz.engine.watch.call import tensors_in
from bnviz.engine.watch.names import Owner

Token = tuple[Any, ...]
"""Where a tensor comes from: an operation of this pass, a parameter or buffer by name, or from outside."""
Signature = tuple[Any, ...]
PLAIN = (
    *(bool, int, float, complex, str, type(None)),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Generator),
)
"""Arguments that are compared; of others, such as handles of the profiler, the type alone is."""


class Signer:
    """Gives every tensor of one pass a token, and every operation a signature.

    Two passes with equal signatures in equal order did the same with tensors of the same shapes.
    owners: of parameters and buffers, by `id`. count: operations that were run so far. used: the owners that were
    met.
    """

    def __init__(self, owners: Mapping[int, Owner]) -> None:
        self.count = 0
        self.used: dict[Owner, None] = {}
        self._owners = owners
        self._outside = 0
        self._seen: dict[int, tuple[weakref.ref[Tensor], Token]] = {}

    def token(self, tensor: Tensor) -> Token | None:
        """The token of a tensor that was seen; None of one that was not, such as a view of bnviz's own."""
        seen = self._seen.get(id(tensor))
        if seen is not None and seen[0]() is tensor:
            return seen[1]
        return None

    def of(self, function: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> Signature:
        """The signature of an operation that is about to run."""
        if named:
            return (
                function,
                *map(self._item, args),
                *((name, self._item(item)) for name, item in named.items()),
            )
        return (function, *map(self._item, args))

    def agrees(
        self, signature: Signature, function: Any, args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> bool:
        """Whether an operation that is about to run has that signature; the same as comparing, in less time."""
        if named or function is not signature[0] or len(args) + 1 != len(signature):
            return self.of(function, args, named) == signature
        for item, expected in zip(args, signature[1:], strict=True):
            if type(item) is Tensor:
                seen = self._seen.get(id(item))
                token = seen[1] if seen is not None and seen[0]() is item else self._new(item)
                if type(expected) is not tuple or token != expected[0] or item.shape != expected[1]:
                    return False
            elif self._item(item) != expected:
                return False
        return True

    def produced(self, output: Any) -> None:
        """The operation has run, and gave this out."""
        if isinstance(output, Tensor):
            self._seen[id(output)] = (weakref.ref(output), (self.count, 0))
        else:
            for place, item in enumerate(tensors_in((output,))):
                self._seen[id(item)] = (weakref.ref(item), (self.count, place))
        self.count += 1

    def _item(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            seen = self._seen.get(id(item))
            token = seen[1] if seen is not None and seen[0]() is item else self._new(item)
            return (token, item.shape)
        if isinstance(item, list | tuple):
            return tuple(map(self._item, item))
        return item if isinstance(item, PLAIN) else type(item)

    def _new(self, tensor: Tensor) -> Token:
        owner = self._owners.get(id(tensor))
        if owner is None:
            self._outside += 1
            token: Token = ("outside", self._outside, tensor.dtype)
        else:
            token = owner
            self.used[owner] = None
        self._seen[id(tensor)] = (weakref.ref(tensor), token)
        return token


def of_inputs(item: Any) -> Any:
    """What a pass is recognised by before it begins: the shapes and types of its inputs."""
    if isinstance(item, Tensor):
        return item.dtype, None if item.is_nested else item.shape
    if isinstance(item, list | tuple):
        return tuple(map(of_inputs, item))
    if isinstance(item, dict):
        return tuple((str(name), of_inputs(part)) for name, part in item.items())
    return type(item)
