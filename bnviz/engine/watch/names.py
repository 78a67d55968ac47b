"""What modules and parameters are called, and which module a parameter belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bnviz.recording.watched import plain_name

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
AFFINE = (nn.Linear, *CONVOLUTIONS)
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
COMPILED = "_orig_mod."
"""What torch.compile puts before the names of the modules of the network it wraps."""


class Owner(NamedTuple):
    """Where a parameter or buffer lives: its module, its name in it, and whether it is trained."""

    module: nn.Module
    name: str
    learned: bool


@dataclass(frozen=True, eq=False)
class Names:
    """The names of a model's modules, and the owners of its parameters and buffers by `id`."""

    modules: dict[nn.Module, str]
    owners: dict[int, Owner]

    @classmethod
    def of(cls, model: nn.Module) -> Names:
        """Read the names as they are now."""
        modules = {module: name.replace(COMPILED, "") for name, module in model.named_modules()}
        owners: dict[int, Owner] = {}
        for module in modules:
            for name, parameter in module.named_parameters(recurse=False):
                owners.setdefault(id(inside(parameter)), Owner(module, name, True))
            for name, buffer in module.named_buffers(recurse=False):
                owners.setdefault(id(inside(buffer)), Owner(module, name, False))
        return cls(modules, owners)

    @staticmethod
    def owners_now(owners: Iterable[Owner]) -> dict[int, Owner]:
        """The same owners by the `id` of what they hold now."""
        now: dict[int, Owner] = {}
        for owner in owners:
            held = _own(owner.module, owner.name, owner.learned)
            now.setdefault(id(held if held is None else inside(held)), owner)
        return now

    def called(self, module: nn.Module) -> str:
        """What pages call a module: "head.fc1", or "Linear 0" where its name is but a number."""
        return _called(self.modules.get(module, ""), class_name(module))

    def of_weight(self, owner: Owner) -> str:
        """What the affine map of a parameter is called: its module, and which of several matrices it is."""
        matrices = [item for _, item in owner.module.named_parameters(recurse=False) if item.dim() > 1]
        called = self.called(owner.module)
        if len(matrices) < 2:
            return called
        return plain_name(f"{called}.{owner.name}" if self.modules.get(owner.module) else owner.name)


def inside(tensor: Tensor) -> Tensor:
    """The tensor that operations are given where torch.func has put it into one of its own, as in vmap and grad."""
    while is_wrapped(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def is_wrapped(tensor: Tensor) -> bool:
    """Whether torch.func has put a tensor into one of its own, which has no numbers that could be read."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


@lru_cache(maxsize=4096)
def _called(name: str, kind: str) -> str:
    return plain_name(name if any(map(str.isalpha, name)) else f"{kind} {name}".strip())


def is_scripted(module: nn.Module) -> bool:
    """Whether TorchScript runs a module, which takes no hooks then."""
    return issubclass(type(module), torch.jit.ScriptModule)


def class_name(module: nn.Module) -> str:
    """The class of a module; of a scripted or parametrized one, the class that it was made from."""
    if is_scripted(module):
        return str(module.original_name)
    if parametrize.is_parametrized(module):
        return parametrize.type_before_parametrizations(module).__name__
    return type(module).__name__


def own(module: nn.Module, name: str) -> Tensor | None:
    """A module's own parameter; None where it has none, computes it from others, or torch.func hides it."""
    found = _own(module, name, learned=True)
    return None if found is None or is_wrapped(found) else found


def _own(module: nn.Module, name: str, learned: bool) -> Tensor | None:
    """A parameter, or a buffer if it is not learned."""
    if is_scripted(module):
        tensors = module.named_parameters(recurse=False) if learned else module.named_buffers(recurse=False)
        return dict(tensors).get(name)
    held: dict[str, Tensor | None] = vars(module)["_parameters" if learned else "_buffers"]
    return held.get(name)  # named_parameters takes much longer
