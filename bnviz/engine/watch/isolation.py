"""Run a probe through somebody's network on the side, and put back whatever that changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_map

from bnviz.engine.watch.reachable import Reachable

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named inputs of a model."""


def inputs_of(probe: Any) -> Inputs:
    """A probe as inputs, as it is: whole, since nothing says which axis counts examples.

    Tensors are copied, so that the probe stays the same whatever the program does with its own. A tuple or a list
    holds several inputs, but a PackedSequence or another tuple with names is one.
    """
    if type(probe) in (tuple, list):
        return tuple(_own(item) for item in probe), {}
    if isinstance(probe, Mapping):
        return (), {name: _own(item) for name, item in probe.items()}
    return (_own(probe),), {}


def run_aside(model: nn.Module, probe: Inputs, observed: Callable[[Callable[[], object]], None]) -> list[str]:
    """Run `model` on a probe in the mode it is in, and put everything back. Returns what could not be put back.

    observed: is given the pass, and runs it.
    """
    reachable = Reachable(model)
    chance = random.getstate(), np.random.get_state()
    left: list[str] = []
    with torch.random.fork_rng(devices=_graphics_cards(model)):
        try:
            device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
            positional, named = tree_map(lambda item: _copied(item, device), probe)
            with torch.set_grad_enabled(model.training):
                observed(lambda: model(*positional, **named))
        finally:
            random.setstate(chance[0])
            np.random.set_state(chance[1])
            left = reachable.put_back()
    return left


def _own(item: Any) -> Any:
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, item)


def _copied(item: Any, device: torch.device) -> Any:
    """A probe's tensor on the model's device, for the network to work on in place."""
    if isinstance(item, Tensor):
        return item.detach().to(device, copy=True)
    return item.to(device) if isinstance(item, PackedSequence) else item  # type: ignore[arg-type]


def _graphics_cards(model: nn.Module) -> list[int]:
    if not torch.cuda.is_available():
        return []
    return sorted({item.get_device() for item in (*model.parameters(), *model.buffers()) if item.is_cuda})
