"""The cost of a training step with recording, against notebooks and loops without."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import numpy as np

from bnviz.engine.recorder import CONNECTED, schedule
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment, presets
from bnviz.tools.bench.contenders import LOG_EVERY, BareLoop, LoggedNotebook, Notebook
from bnviz.tools.bench.readings import Reading, Section, Setting, in_turns, reading

SLICES = 10
"""Pieces of a turn: a slow second of the machine then affects every contender."""

SPARSE = 50
"""Steps between two records of the second schedule that is measured."""

NO_TENSORBOARD = "TensorBoard was not measured: pip install tensorboard."
KINDS = {"none": "no normalization", "batch": "batch norm"}


def figure_1(normalizer: str, dataset: str) -> Experiment:
    """The network of the paper's Figure 1, on the CPU."""
    return presets["figure-1"].replace(normalizer=normalizer, dataset=dataset, device="cpu")


def training(setting: Setting) -> list[Section]:
    """Steps a second of one arm, on one thread."""
    with one_thread():
        return [_one(normalizer, setting) for normalizer in KINDS]


def _one(normalizer: str, setting: Setting) -> Section:
    base = figure_1(normalizer, setting.dataset)
    slices = min(SLICES, setting.steps)
    steps = setting.steps // slices
    contenders: dict[str, Callable[[], object]] = {
        "bnviz": partial(at_work(base).advance, steps),
        "unrecorded": partial(unrecorded(base).advance, steps),
        "sparse": partial(_sparse(base).advance, steps),
        "loop": partial(BareLoop(base).train, steps),
        "notebook": partial(Notebook(base).train, steps),
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        remark = ""
        try:
            logged = stack.enter_context(LoggedNotebook(base, folder))
            contenders["logged"] = partial(logged.train, steps)
        except ImportError:
            remark = NO_TENSORBOARD
        seconds = in_turns(contenders, setting.repeats, slices)
    rates = {name: steps * slices / values for name, values in seconds.items()}

    def ratio(words: str, name: str, other: str, aim: str = "") -> Reading:
        return reading(words, rates[name] / rates[other], aim)

    readings = [
        reading("steps a second, recording as usual", rates["bnviz"]),
        ratio("times as fast as a notebook that records nothing", "bnviz", "notebook", "1.4"),
    ]
    if "logged" in rates:
        words = f"times as fast as a notebook with a histogram for each layer every {LOG_EVERY} steps"
        readings.append(ratio(words, "bnviz", "logged", "2.2"))
    readings += [
        ratio("times as fast as a bare loop over tensors that records nothing", "bnviz", "loop", "0.97"),
        ratio(
            "share of bnviz’s own speed without recording, in the middle of a run of 50,000 steps",
            "bnviz",
            "unrecorded",
        ),
        ratio(f"the same with a record in {SPARSE} steps", "sparse", "unrecorded"),
    ]
    return Section(f"Training the Figure 1 network, {KINDS[normalizer]}, one thread", readings, remark)


def at_work(base: Experiment) -> Trainer:
    """A Trainer whose records are evenly spaced: as many as scheduled for the whole run, neither dense nor sparse."""
    trainer = Trainer(base)
    every = max(1, base.steps // len(schedule(base.steps)))
    trainer.recorder.due = frozenset(np.arange(0, base.steps, every).tolist())
    trainer.recorder.evaluations = frozenset(sorted(trainer.recorder.due)[:: CONNECTED.evaluate_every])
    return trainer


def _sparse(base: Experiment) -> Trainer:
    trainer = Trainer(base)
    trainer.recorder.due = frozenset(range(0, base.steps, SPARSE))
    trainer.recorder.evaluations = frozenset(range(0, base.steps, SPARSE * CONNECTED.evaluate_every))
    return trainer


def unrecorded(base: Experiment) -> Trainer:
    """A Trainer that records nothing: the cost of the training alone."""
    trainer = Trainer(base)
    trainer.started = True
    trainer.recorder.due = frozenset()
    return trainer
