"""What training and recording cost, as ratios measured side by side: `python -m bnviz bench`.

The contenders take turns, several times; what is reported are medians and the lowest and highest of the
repeats. Ratios of one run can be compared between machines; seconds cannot.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bnviz import datasets
from bnviz.experiment import Experiment, presets
from bnviz.recorder import EVALUATE_EVERY, schedule
from bnviz.training import Trainer, one_thread

SPARSE = 50
"""Steps between two records of the second schedule that is measured."""


@dataclass(frozen=True)
class Reading:
    """A number measured in every repeat."""

    words: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return float(np.median(self.values))

    def to_dict(self) -> dict[str, float | str]:
        """Plain data for JSON."""
        return {
            "what": self.words,
            "median": self.median,
            "lowest": min(self.values),
            "highest": max(self.values),
        }


def measure(repeats: int = 5, steps: int = 1500, dataset: str = "mnist-binary") -> dict[str, list[Reading]]:
    """All readings of the Figure 1 network, plain and with batch normalization, by the name of the normalizer."""
    readings = {}
    for normalizer in ("none", "batch"):
        base = presets["figure-1"].replace(normalizer=normalizer, dataset=dataset, device="cpu")
        with one_thread():
            readings[normalizer] = _training(base, repeats, steps) + _recording(base, repeats, steps)
    return readings


def _training(base: Experiment, repeats: int, steps: int) -> list[Reading]:
    contenders: Mapping[str, Callable[[], object]] = {
        "bnviz": functools.partial(_at_work(base).advance, steps),
        "bare": functools.partial(_unrecorded(base).advance, steps),
        "sparse": functools.partial(_sparse(base).advance, steps),
        "notebook": functools.partial(Notebook(base).train, steps),
    }
    seconds = _in_turns(contenders, repeats)
    rates = {name: steps / np.array(values) for name, values in seconds.items()}

    def ratio(words: str, name: str, other: str) -> Reading:
        return Reading(words, tuple((rates[name] / rates[other]).tolist()))

    return [
        Reading("steps a second, recording as usual", tuple(rates["bnviz"].tolist())),
        ratio("times as fast as a notebook that records nothing", "bnviz", "notebook"),
        ratio(
            "share of the speed without recording, in the middle of a run of 50,000 steps", "bnviz", "bare"
        ),
        ratio(f"share of the speed without recording, at a record in {SPARSE} steps", "sparse", "bare"),
    ]


def _recording(base: Experiment, repeats: int, steps: int) -> list[Reading]:
    """What a record and an evaluation cost in steps, and what that makes of a whole run."""
    trainer = _unrecorded(base)
    trainer.advance(1)
    recorder = trainer.recorder
    update = trainer.update(trainer.backward() or ())

    def record() -> None:
        for _ in range(20):
            recorder.snapshot(1, update)

    def evaluate() -> None:
        for _ in range(5):
            recorder.evaluate(1)

    recorder.due = frozenset([1])  # so that a snapshot of step 1 brings no evaluation
    recorder.evaluations = frozenset()
    seconds = _in_turns(
        {"step": lambda: trainer.advance(steps), "record": record, "evaluate": evaluate}, repeats
    )
    step = np.array(seconds["step"]) / steps
    a_record = np.array(seconds["record"]) / 20 / step
    an_evaluation = np.array(seconds["evaluate"]) / 5 / step
    records = len(schedule(base.steps))
    whole = (records * a_record + records / EVALUATE_EVERY * an_evaluation) / base.steps
    return [
        Reading("steps that a record takes as long as", tuple(a_record.tolist())),
        Reading("steps that an evaluation takes as long as", tuple(an_evaluation.tolist())),
        Reading(
            f"share of the training time that recording adds to {base.steps:,} steps", tuple(whole.tolist())
        ),
    ]


def _in_turns(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each contender in each repeat; a first turn warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _at_work(base: Experiment) -> Trainer:
    """A Trainer in the middle of its run, where the schedule is neither dense nor at its sparsest."""
    trainer = Trainer(base)
    trainer.recorder.due = frozenset(np.arange(0, base.steps, base.steps // 400).tolist())
    trainer.recorder.evaluations = frozenset(sorted(trainer.recorder.due)[::EVALUATE_EVERY])
    return trainer


def _sparse(base: Experiment) -> Trainer:
    trainer = Trainer(base)
    trainer.recorder.due = frozenset(range(0, base.steps, SPARSE))
    trainer.recorder.evaluations = frozenset(range(0, base.steps, SPARSE * EVALUATE_EVERY))
    return trainer


def _unrecorded(base: Experiment) -> Trainer:
    trainer = Trainer(base)
    trainer.started = True
    trainer.recorder.due = frozenset()
    return trainer


class Notebook:
    """What a course notebook does: an nn.Sequential, a DataLoader over a TensorDataset, torch.optim.SGD."""

    def __init__(self, base: Experiment) -> None:
        dataset = datasets.load(base.dataset)
        train = dataset.train
        inputs = torch.tensor(train.inputs.reshape(len(train.inputs), -1)).float() * dataset.scale
        layers: list[nn.Module] = []
        widths = (inputs.shape[1], *base.hidden)
        for fan_in, features in itertools.pairwise(widths):
            layers.append(nn.Linear(fan_in, features))
            if base.normalizer == "batch":
                layers.append(nn.BatchNorm1d(features))
            layers.append(nn.Sigmoid())
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], len(dataset.classes)))
        examples = TensorDataset(inputs, torch.tensor(train.labels))
        self.loader = DataLoader(examples, batch_size=base.batch_size, shuffle=True, drop_last=True)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=base.learning_rate)

    def train(self, steps: int) -> None:
        """Take `steps` steps, epoch after epoch."""
        done = 0
        while done < steps:
            for inputs, labels in self.loader:
                self.optimizer.zero_grad()
                torch.autograd.backward(F.cross_entropy(self.network(inputs), labels))
                self.optimizer.step()
                done += 1
                if done == steps:
                    break


def table(readings: Mapping[str, Sequence[Reading]]) -> str:
    """All readings as lines of text."""
    lines = []
    for normalizer, items in readings.items():
        lines.append(f"Figure 1 network, {'no normalization' if normalizer == 'none' else 'batch norm'}")
        lines += [
            f"  {item.median:10,.3f}  ({min(item.values):,.3f} to {max(item.values):,.3f})  {item.words}"
            for item in items
        ]
    return "\n".join(lines)
