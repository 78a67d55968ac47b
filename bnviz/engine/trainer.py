"""Training one arm, in plain PyTorch, and recording what happens inside.

A Trainer is pulled: `advance(steps)` trains and returns what was measured. Nothing here depends on a page or on
time: the same Experiment gives the same Recording, bit for bit.
"""

from __future__ import annotations

import datetime
import math
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bnviz.data import datasets
from bnviz.engine.augmentation import augmented
from bnviz.engine.backprop import differentiation
from bnviz.engine.batch_order import BatchOrder
from bnviz.engine.batches import examples_of
from bnviz.engine.build import build
from bnviz.engine.masks import masks
from bnviz.engine.network import generator
from bnviz.engine.optimizers import OPTIMIZER_CLASSES, clipped
from bnviz.engine.recorder import Recorder, Update
from bnviz.engine.whole_step import whole_step
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.schedule import rate_factor
from bnviz.recording import Provenance, Recording, Snapshot
from bnviz.version import __version__


def pick_device(name: str) -> torch.device:
    """The device an Experiment asks for; for "auto", $BNVIZ_DEVICE or the first of cuda, mps, cpu there is.

    Raises ExperimentError where the device asked for is not there.
    """
    wanted = (os.environ.get("BNVIZ_DEVICE") or "auto") if name == "auto" else name
    if wanted == "cpu":  # without a look at the others: a process that has looked at a GPU must not fork
        return torch.device(wanted)
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        wanted = next(device for device, there in available.items() if there)
    if not available.get(wanted, False):
        present = ", ".join(device for device, there in available.items() if there)
        raise ExperimentError(
            f"device = {wanted!r} is not on this machine; allowed is one of auto, {present}"
        )
    return torch.device(wanted)


def made_on(device: torch.device) -> Provenance:
    """The Provenance of a Recording made on this device now."""
    return Provenance(
        bnviz=__version__,
        torch=str(torch.__version__),  # a subclass of str that only torch can unpickle
        python=platform.python_version(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Train on one thread: small networks gain little from more, and the bits then never depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Trainer:
    """Trains one arm; deterministic in steps, however the calls to `advance` are divided.

    Raises ExperimentError for a device that is not there, DatasetError for a dataset that cannot be loaded.
    """

    def __init__(self, experiment: Experiment, reference_step: int = 0) -> None:
        self.experiment = experiment
        self.device = pick_device(experiment.device)
        dataset = datasets.load(experiment.dataset, experiment.image_side)
        self.shape = dataset.shape
        standardized = experiment.input_normalization != "none"
        self.train, test = examples_of(dataset, experiment.train_examples, self.device, standardized)
        with one_thread():
            self.network = build(experiment, dataset.shape, len(dataset.classes), self.device)
        self.differentiation = differentiation(self.network)
        self.parameters: list[Tensor] = list(self.network.parameters())
        self.masks = masks(self.network, experiment)
        self.optimizer = OPTIMIZER_CLASSES[experiment.optimizer](self.parameters)
        self.whole_step = whole_step(self.network, self.optimizer, experiment)
        self.order_rng = generator(experiment.seed, "order")
        self.order = BatchOrder(experiment, self.train.labels, self.order_rng)
        self.settings = experiment
        self.coming: list[Intervention] = []
        self.recorder = Recorder(experiment, self.network, self.train, test, reference_step)
        self.step = 0
        self.started = False
        self.diverged_at: int | None = None

    @property
    def provenance(self) -> Provenance:
        """Where the Recording is made, and when."""
        return made_on(self.device)

    @property
    def ended(self) -> bool:
        """Whether all steps are taken, or the network has diverged."""
        return self.step >= self.experiment.steps or self.diverged_at is not None

    def advance(
        self, steps: int, interventions: Sequence[Intervention] = (), every_step: bool = False
    ) -> list[Snapshot]:
        """Take up to `steps` updates: fewer at the experiment's end or where the loss stops being finite.

        The first call begins with the snapshot of step 0.
        interventions: each takes effect before the update that follows its step, in this call or a
        later one. every_step: record after each update, not only on schedule.
        Raises ExperimentError for an intervention at a step already passed.
        """
        if late := [item for item in interventions if item.step < self.step]:
            raise ExperimentError(f"step = {late[0].step} is past; allowed is {self.step} or more")
        self.coming = sorted([*self.coming, *interventions], key=lambda item: item.step)
        goal = min(self.step + steps, self.experiment.steps)
        snapshots: list[Snapshot] = []
        with one_thread():
            if not self.started:
                self.started = True
                snapshots.append(self.recorder.snapshot(0, None))
            while self.step < goal and self.diverged_at is None:
                self.intervene()
                update = self.next_update()
                if update is None:
                    self.diverged_at = self.step
                    break
                self.step += 1
                due = every_step or self.step in self.recorder.due
                if (due or self.step == goal) and self.has_stopped():
                    break
                if due:
                    snapshot = self.recorder.snapshot(self.step, update)
                    if np.isfinite(snapshot.layers[:, 0]).all():  # the layers' means
                        snapshots.append(snapshot)
                    else:
                        self.diverged_at = self.step
        return snapshots

    def next_update(self) -> Update | None:
        """Take the next step; None if its loss is not a finite number, which a whole step does not say at once."""
        if self.whole_step is None:
            gradients = self.backward()
            return None if gradients is None else self.update(gradients)
        now = self.settings
        rate = now.learning_rate * rate_factor(now, self.step)
        self.whole_step.take(*self.next_batch(), now, rate)
        return Update(self.whole_step.gradients, self.whole_step.steps, rate)

    def has_stopped(self) -> bool:
        """Whether a whole step met a loss that is no finite number; goes back to that step. Waits for the device."""
        if self.whole_step is None or int(self.whole_step.taken) == self.step:
            return False
        self.diverged_at = self.step = int(self.whole_step.taken)
        return True

    def intervene(self) -> None:
        """Make the changes due at this step."""
        while self.coming and self.coming[0].step == self.step:
            change = self.coming.pop(0)
            self.settings = self.settings.replace(**{change.field: change.value})

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """The mini-batch of this step: each epoch a new shuffle, a last incomplete batch left out."""
        return self._batch(self.order.at(self.step))

    def upcoming_batch(self) -> tuple[Tensor, Tensor]:
        """The same, looked at ahead: the step still gets it, and all that follow get theirs."""
        return self._batch(self.order.coming(self.step, self.order.size))

    def _batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """These training examples as the network sees them at this step."""
        pixels = augmented(self.train.stored(index), self.shape, self.experiment, self.step)
        return self.train.seen(pixels), self.train.labels.index_select(0, index)

    def backward(self) -> Sequence[Tensor] | None:
        """The gradients of this step's loss, or None if the loss is not a finite number."""
        loss = self.differentiation.loss(*self.next_batch())
        return self.differentiation.gradients() if math.isfinite(loss.item()) else None

    @torch.no_grad()
    def update(self, gradients: Sequence[Tensor]) -> Update:
        """Take the optimizer's step at the rate that the schedule gives now."""
        now = self.settings
        followed = list(gradients)
        if self.masks is not None:
            followed = list(torch._foreach_mul(followed, self.masks))
        if now.gradient_clipping:
            followed = clipped(followed, now.gradient_clipping)
        steps = self.optimizer.step(followed, now)
        if self.masks is not None:  # weight decay is not for what is frozen either
            steps = list(torch._foreach_mul(steps, self.masks))
        rate = now.learning_rate * rate_factor(now, self.step)
        torch._foreach_add_(self.parameters, steps, alpha=-rate)
        return Update(gradients, steps, rate)


def train(
    experiment: Experiment, interventions: Sequence[Intervention] = (), reference_step: int = 0
) -> Recording:
    """Train an Experiment to its end, with a progress bar in a terminal, and return its Recording."""
    trainer = Trainer(experiment, reference_step)
    snapshots = trainer.advance(0, interventions)
    recording = Recording(
        experiment, tuple(interventions), reference_step=reference_step, provenance=trainer.provenance
    )
    recording = recording.extended(snapshots)
    with tqdm(total=experiment.steps, unit="step", desc=experiment.normalizer, disable=None) as bar:
        while not recording.finished:
            snapshots = trainer.advance(max(1, experiment.steps // 100))
            recording = recording.extended(snapshots, diverged_at=trainer.diverged_at)
            bar.update(trainer.step - bar.n)
    return recording
