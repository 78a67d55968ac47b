"""The cost of a step by each kind of normalization: against PyTorch’s module for it, and against batch norm."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from bnviz.engine.trainer import one_thread
from bnviz.experiment.knob import NORMALIZERS
from bnviz.tools.bench.contenders import TORCHS, BareLoop
from bnviz.tools.bench.readings import Section, Setting, in_turns, reading
from bnviz.tools.bench.training import SLICES, figure_1, unrecorded

LEFT_OUT = ("instance", "whiten")
"""The network of Figure 1 has no feature maps, which the one needs; the other is measured in a lab."""
IN_TORCH = (*TORCHS, "weight")
"""Those that PyTorch has for units."""


def normalizers(setting: Setting) -> list[Section]:
    """Steps a second of the Figure 1 network without recording, on one thread, by this process’s CPU time."""
    kinds = [name for name in NORMALIZERS if name not in LEFT_OUT]
    slices = min(SLICES, setting.steps)
    steps = setting.steps // slices
    contenders: dict[str, Callable[[], object]] = {}
    with one_thread():
        for name in kinds:
            base = figure_1(name, setting.dataset)
            contenders[name] = partial(unrecorded(base).advance, steps)
            if name in IN_TORCH:
                contenders[f"torch {name}"] = partial(BareLoop(base).train, steps)
        seconds = in_turns(contenders, setting.repeats, slices, clock=time.process_time)
    rates = {name: steps * slices / values for name, values in seconds.items()}
    readings = [
        reading(
            f"{NORMALIZERS[name]}: times as fast as PyTorch’s module in a loop over tensors",
            rates[name] / rates[f"torch {name}"],
            "1",
        )
        for name in kinds
        if name in IN_TORCH
    ]
    readings += [
        reading(f"{NORMALIZERS[name]}: share of batch norm’s speed", rates[name] / rates["batch"])
        for name in kinds
        if name != "batch"
    ]
    return [Section("A step by each normalization, the Figure 1 network, one thread", readings)]
