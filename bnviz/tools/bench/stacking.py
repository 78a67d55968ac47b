"""The speed of networks of one shape, trained as one stack of tensors or one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from bnviz.engine.stack import StackedTrainer
from bnviz.experiment import Experiment, grid
from bnviz.tools.bench.readings import Section, Setting, in_turns, reading
from bnviz.tools.bench.training import KINDS, figure_1, unrecorded

ENDLESS = 1_000_000
"""Steps: more than all turns take."""


def stacking(setting: Setting) -> list[Section]:
    """How many times as fast a network trains in a stack of K as alone, on the CPU and on a GPU if there is one."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    networks = {
        "Figure 1": figure_1("none", setting.dataset),
        "the map": grid.BASE.replace(steps=ENDLESS),
    }
    return [
        _one(words, base.replace(device=device, normalizer=normalizer), setting)
        for device in devices
        for words, base in networks.items()
        for normalizer in KINDS
    ]


def _one(words: str, base: Experiment, setting: Setting) -> Section:
    contenders: dict[str, Callable[[], object]] = {"alone": partial(unrecorded(base).advance, setting.steps)}
    shares = {count: max(1, setting.steps // count) for count in setting.stacks}
    for count, steps in shares.items():
        stack = StackedTrainer([base.replace(seed=seed) for seed in range(count)])
        for trainer in stack.trainers:
            trainer.started, trainer.recorder.due = True, frozenset()
        contenders[str(count)] = partial(stack.advance, steps)
    seconds = in_turns(contenders, setting.repeats)
    alone = seconds["alone"] / setting.steps
    readings = [
        reading(
            f"times as fast per network, {count} in a stack", alone / (seconds[str(count)] / steps / count)
        )
        for count, steps in shares.items()
    ]
    return Section(f"Stacked networks of {words}, {KINDS[base.normalizer]}, {base.device}", readings)
