"""A small Inception network on images: against the same network in a course notebook, and the share of recording."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bnviz.data import datasets
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment, presets
from bnviz.experiment.architecture import BranchWidths, branch_widths
from bnviz.tools.bench.readings import Section, Setting, in_turns, reading
from bnviz.tools.bench.training import KINDS, SLICES, unrecorded

TENTH = 10
"""A tenth of the setting's steps are taken: one takes some 50 times as long as in the network of Figure 1."""


def images(setting: Setting) -> list[Section]:
    """Steps a second of one arm of the preset `inception`, on one thread, and what a record costs.

    By the processor's time of this process, in which all contenders work.

    On textures, which need no download, where the setting's images cannot be had.
    """
    dataset = setting.images
    try:
        datasets.load(dataset)
    except datasets.DatasetError:
        dataset = "textures"
    with one_thread():
        return [_one(normalizer, dataset, setting) for normalizer in KINDS]


def _one(normalizer: str, dataset: str, setting: Setting) -> Section:
    base = presets["inception"].replace(normalizer=normalizer, dataset=dataset, device="cpu")
    slices = min(SLICES, max(1, setting.steps // TENTH))
    steps = max(1, setting.steps // TENTH // slices)
    ours = unrecorded(base)
    measured = Trainer(base)
    planned, evaluated = len(measured.recorder.due), len(measured.recorder.evaluations)
    measured.advance(1)
    update = measured.update(measured.backward() or ())
    measured.recorder.due, measured.recorder.evaluations = frozenset([1]), frozenset()
    contenders: dict[str, Callable[[], object]] = {
        "bnviz": partial(ours.advance, steps),
        "notebook": partial(ImageNotebook(base).train, steps),
        "channels last": partial(ImageNotebook(base, torch.channels_last).train, steps),
        "record": partial(measured.recorder.snapshot, 1, update),
        "evaluation": partial(measured.recorder.evaluate, 1),
    }
    seconds = in_turns(contenders, setting.repeats, slices, clock=time.process_time)
    step = seconds["bnviz"] / steps / slices
    amounts = measured.recorder.amounts
    images = amounts.test + amounts.train
    evaluations = evaluated - 1 + (amounts.last + amounts.train) / images  # the last is of more images
    added = (planned * seconds["record"] + evaluations * seconds["evaluation"]) / slices
    return Section(
        f"Training an Inception network on {dataset}, {KINDS[normalizer]}, one thread",
        [
            reading("steps a second, without recording", 1 / step),
            reading(
                "times as fast as the same network in a notebook that records nothing",
                seconds["notebook"] / seconds["bnviz"],
                "2",
            ),
            reading(
                "times as fast as the notebook with channels last in memory",
                seconds["channels last"] / seconds["bnviz"],
            ),
            reading("steps that a record takes as long as", seconds["record"] / slices / step),
            reading(
                f"steps that an evaluation of {images} images takes as long as",
                seconds["evaluation"] / slices / step,
            ),
            reading(
                f"share of the training time that recording adds to {base.steps:,} steps",
                added / (base.steps * step),
                "at most 0.03",
            ),
        ],
    )


class ImageNotebook:
    """What a course notebook does: modules of torch, a DataLoader over a TensorDataset, torch.optim.SGD."""

    def __init__(self, base: Experiment, layout: torch.memory_format = torch.contiguous_format) -> None:
        dataset = datasets.load(base.dataset)
        train, self.layout = dataset.train, layout
        inputs = torch.tensor(train.inputs).float() * dataset.scale
        network = inception_of_modules(base, dataset.shape[0], len(dataset.classes))
        self.network = network.to(memory_format=layout)  # type: ignore[call-overload]
        examples = TensorDataset(inputs, torch.tensor(train.labels))
        self.loader = DataLoader(examples, batch_size=base.batch_size, shuffle=True, drop_last=True)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=base.learning_rate, momentum=base.momentum
        )
        self.batches = (batch for _ in itertools.count() for batch in self.loader)  # epoch after epoch

    def train(self, steps: int) -> None:
        """Take `steps` steps."""
        for inputs, labels in itertools.islice(self.batches, steps):
            self.optimizer.zero_grad()
            scores = self.network(inputs.contiguous(memory_format=self.layout))
            torch.autograd.backward(F.cross_entropy(scores, labels))
            self.optimizer.step()


class Beside(nn.Module):
    """The branches' outputs, feature maps beside each other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, height, width) -> (B, F, height, width)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception_of_modules(base: Experiment, channels: int, classes: int) -> nn.Sequential:
    """The network of an Experiment out of PyTorch's own modules: ReLU, without or with BatchNorm2d."""
    normalized = base.normalizer == "batch"

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
        filters = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normalized)
        norm = [nn.BatchNorm2d(outputs)] if normalized else []
        return nn.Sequential(filters, *norm, nn.ReLU())

    def block(inputs: int, widths: BranchWidths) -> Beside:
        return Beside(
            conv(inputs, widths.single, 1),
            nn.Sequential(conv(inputs, widths.reduced, 1), conv(widths.reduced, widths.three, 3)),
            nn.Sequential(
                conv(inputs, widths.reduced, 1),
                conv(widths.reduced, widths.double, 3),
                conv(widths.double, widths.double, 3),
            ),
            nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), conv(inputs, widths.pooled, 1)),
        )

    stem, *_ = base.hidden
    blocks = [block(before, branch_widths(width)) for before, width in itertools.pairwise(base.hidden)]
    ending = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(base.hidden[-1], classes))
    return nn.Sequential(conv(channels, stem, 3, 2), *blocks, *ending)
