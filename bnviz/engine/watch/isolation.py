"""Run somebody's network once more, on the side, and leave everything as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

STANDARD = frozenset(vars(nn.Module())) - {"training"}
"""What every module keeps for itself and a pass does not change; its buffers are looked after apart."""


def run_aside(
    model: nn.Module, inputs: Sequence[Any], named_inputs: Mapping[str, Any], as_it_is: frozenset[nn.Module]
) -> None:
    """Run `model` on the inputs without a gradient graph and without a trace.

    as_it_is: modules that stay in the mode they are in; all others are in evaluation mode.
    """
    with untouched(model), torch.no_grad():
        for module in model.modules():
            if module not in as_it_is:
                vars(module)["training"] = False  # the model's own `eval` may do more than that
        model(*inputs, **named_inputs)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put back what a pass may change, also if it fails.

    That is every attribute of every module, training flags among them; buffers and other tensors that a module
    keeps, of which copies take their place meanwhile; and all states of chance: torch's on every device the
    model is on, Python's, NumPy's, and those of generators that a module keeps.
    """
    kept = [(place, place.copy(), place.keys() - STANDARD) for place in map(vars, model.modules())]
    generators = [
        (item, item.get_state())
        for place, _, names in kept
        for item in map(place.get, names)
        if type(item) is Generator
    ]
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=_graphics_cards(model)):
        try:
            for place, before, names in kept:
                place.update({name: before[name].clone() for name in names if _is_tensor(before[name])})
                if buffers := place["_buffers"]:
                    place["_buffers"] = {
                        name: item if item is None else item.clone() for name, item in buffers.items()
                    }
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            for generator, state in generators:
                generator.set_state(state)
            for place, before, _ in kept:
                for name in place.keys() - before.keys():
                    del place[name]
                place.update(before)


def _is_tensor(item: object) -> bool:
    return item.__class__ is not bool and isinstance(item, Tensor)


def _graphics_cards(model: nn.Module) -> list[int]:
    if not torch.cuda.is_available():
        return []
    return sorted({item.get_device() for item in (*model.parameters(), *model.buffers()) if item.is_cuda})
