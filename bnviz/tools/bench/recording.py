"""The cost of a record, part by part, and the error of the quantiles of a small probe batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from bnviz.engine.recorder import CONNECTED, as_table, schedule
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.recording.measure import Distribution, quantiles
from bnviz.tools.bench.readings import Reading, Section, Setting, in_turns, reading
from bnviz.tools.bench.training import KINDS, SPARSE, figure_1, unrecorded

PROBES = (64, 128, 256, 512, 1024)
"""Sizes of a probe batch."""

SHARES = (0.15, 0.50, 0.85)
RECORDS, EVALUATIONS = 20, 5
"""How many of each are one turn."""


def recording(setting: Setting) -> list[Section]:
    """The cost of a record and its parts, in training steps; the error of the quantiles by probe size."""
    with one_thread():
        return [*(_cost(normalizer, setting) for normalizer in KINDS), _error(setting)]


def _cost(normalizer: str, setting: Setting) -> Section:
    base = figure_1(normalizer, setting.dataset)
    trainer = unrecorded(base)
    trainer.advance(1)
    recorder, update = trainer.recorder, trainer.update(trainer.backward() or ())
    recorder.due, recorder.evaluations = frozenset([1]), frozenset()  # a snapshot of step 1 evaluates nothing
    probes = trainer.network.probe(recorder.probe_inputs)
    tables = [as_table(probe.pre_activations) for probe in probes]
    inputs = [Distribution.of(table) for table in tables]
    parts: dict[str, Callable[[], object]] = {
        "the probe batch through the network": partial(trainer.network.probe, recorder.probe_inputs),
        "sorting what each layer receives": lambda: [Distribution.of(table) for table in tables],
        "quantiles of every unit": partial(recorder.unit_rows, inputs),
        "histograms": lambda: [item.histogram() for item in inputs],
        "drift": lambda: [item.drift_from(item) for item in inputs],
        "norms of weights, gradients, updates": partial(recorder.step_sizes, update),
    }
    contenders: dict[str, Callable[[], object]] = {
        "step": partial(trainer.advance, setting.steps),
        "record": _often(partial(recorder.snapshot, 1, update), RECORDS),
        "evaluation": _often(partial(recorder.evaluate, 1), EVALUATIONS),
        **{name: _often(work, RECORDS) for name, work in parts.items()},
    }
    seconds = in_turns(contenders, setting.repeats)
    step = seconds["step"] / setting.steps
    record, evaluation = seconds["record"] / RECORDS / step, seconds["evaluation"] / EVALUATIONS / step
    records = len(schedule(base.steps))
    both = record + evaluation / CONNECTED.evaluate_every
    readings = [
        reading("steps that a record takes as long as", record),
        *(reading(f"of these: {name}", seconds[name] / RECORDS / step) for name in parts),
        reading("steps that an evaluation on held-out examples takes as long as", evaluation),
        reading(
            f"share of the training time that recording adds to {base.steps:,} steps",
            records * both / base.steps,
            "at most 0.03",
        ),
        reading(f"the same, with a record in {SPARSE} steps", both / SPARSE, "at most 0.08"),
    ]
    return Section(f"Recording, {KINDS[normalizer]}", readings)


def _often(work: Callable[[], object], times: int) -> Callable[[], object]:
    def run() -> None:
        for _ in range(times):
            work()

    return run


def _error(setting: Setting) -> Section:
    """How far a unit's quantiles of N held-out examples are from those of all, over its standard deviation."""
    base = figure_1("batch", setting.dataset)
    errors: dict[int, list[float]] = {}
    for repeat in range(setting.repeats):
        trainer = Trainer(base.replace(seed=repeat))
        trainer.recorder.due = frozenset()
        trainer.advance(min(300, setting.steps))
        test = trainer.recorder.test
        everything = _last_layer(trainer, len(test))
        truth, scale = quantiles(everything, SHARES), everything.std(axis=1)[:, None]
        for size in PROBES:
            if size < len(test):
                few = quantiles(_last_layer(trainer, size), SHARES)
                errors.setdefault(size, []).append(float(np.mean(np.abs(few - truth) / scale)))
    readings = [
        Reading(
            f"standard deviations that a unit’s 15, 50, 85 % are off with {size} examples"
            + (" (used here)" if size == CONNECTED.probe else ""),
            tuple(values),
        )
        for size, values in errors.items()
    ]
    return Section("Probe size against the error of the quantiles, last hidden layer", readings)


def _last_layer(trainer: Trainer, examples: int) -> np.ndarray:
    """What the last layer’s normalizer receives of `examples` held-out examples, (F, examples), sorted for each unit.

    The layers below normalize by the running statistics, so that it does not depend on the other examples.
    """
    test = trainer.recorder.test
    inputs, _ = test.batch(test.spread(examples))
    network = trainer.network.eval()
    with torch.no_grad():
        for block in network.hidden[:-1]:
            inputs = block(inputs)
        before = network.hidden[-1].affine(inputs)
    network.train()
    return np.sort(as_table(before), axis=0).T
