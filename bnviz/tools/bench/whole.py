"""The whole of the paper's Figure 1: both arms to their end, recorded, on all cores."""

from __future__ import annotations

import tempfile
import time

import numpy as np
import torch

from bnviz.engine.trainer import one_thread
from bnviz.experiment.job import Job
from bnviz.runs.pool import train_many
from bnviz.tools.bench.contenders import LoggedNotebook
from bnviz.tools.bench.readings import Reading, Section, Setting, in_turns, reading
from bnviz.tools.bench.training import KINDS, NO_TENSORBOARD, figure_1

STEP_FLOP = 26.4e6
"""Of a step of the plain network with 60 examples: 2 × 60 × 99,400 weights forward, as much for the gradients of the
weights, and 2 × 60 × 21,000 for those of the inputs of all layers but the first."""

SIDE = 1024
"""The side of the square matrices whose product measures the machine's rate."""


def whole(setting: Setting) -> list[Section]:
    """Seconds of Figure 1, against a notebook with TensorBoard that trains one arm after the other."""
    arms = [figure_1(name, setting.dataset).replace(steps=setting.whole) for name in KINDS]

    def both() -> None:
        train_many([Job(arm) for arm in arms])

    def one_after_the_other() -> None:
        with one_thread():
            for arm in arms:
                with tempfile.TemporaryDirectory() as folder, LoggedNotebook(arm, folder) as notebook:
                    notebook.train(arm.steps)

    try:
        with tempfile.TemporaryDirectory() as folder, LoggedNotebook(arms[0], folder):
            contenders = {"bnviz": both, "logged": one_after_the_other}
        remark = ""
    except ImportError:
        contenders, remark = {"bnviz": both}, NO_TENSORBOARD
    seconds = in_turns(contenders, setting.repeats, warm=False)
    readings = [reading("seconds, both arms at once, recorded", seconds["bnviz"])]
    if "logged" in seconds:
        readings += [
            reading("times as fast as a logging notebook", seconds["logged"] / seconds["bnviz"], "4.5"),
            reading("seconds of the logging notebook, one arm after the other", seconds["logged"]),
        ]
    rate = matrix_rate(setting.repeats)
    floor = setting.whole * STEP_FLOP / np.array(rate.values)
    readings += [
        reading(
            "seconds, the floor: the arithmetic of one arm at the rate below, a core for each arm", floor
        ),
        rate,
    ]
    return [Section(f"The whole of Figure 1: two arms, {setting.whole:,} steps each", readings, remark)]


def matrix_rate(repeats: int) -> Reading:
    """GFLOP/s of one core on the product of two large matrices."""
    left, right = torch.ones(SIDE, SIDE), torch.ones(SIDE, SIDE)
    rates = []
    with one_thread():
        for _ in range(repeats + 1):
            started = time.perf_counter()
            torch.mm(left, right)
            rates.append(2 * SIDE**3 / (time.perf_counter() - started))
    return Reading("FLOP a second of one core, large matrix products", tuple(rates[1:]))
