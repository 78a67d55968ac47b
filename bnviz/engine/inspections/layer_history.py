"""A layer's statistics over a whole training: of the mini-batches and of the population. Runs in a worker process."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bnviz.engine.backprop import Autograd
from bnviz.engine.inspections.coming_batch import as_array
from bnviz.engine.inspections.passing import batch_norm_of, in_training, reached
from bnviz.engine.network import generator
from bnviz.engine.normalizers.base import feature_axes, moments
from bnviz.engine.recorder import schedule
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import History
from bnviz.recording import Recording

POPULATION_BATCHES = 24
POPULATIONS = 40
"""How often population statistics are computed during the training; dense early, like records."""


def history(trainer: Trainer, layer: int) -> History:
    """Train the Trainer's experiment again, to its end, and collect the layer's statistics at every step."""
    trainer = Trainer(trainer.experiment)
    means: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    values: list[int] = []

    def gather(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if module.training:
            x = arguments[0].detach()
            mean, variance = moments(x)
            means.append(mean.cpu().numpy())
            variances.append(variance.cpu().numpy())
            values.append(x.numel() // x.shape[1])

    normalizer = batch_norm_of(trainer.network, layer)
    normalizer.register_forward_pre_hook(gather)
    trainer.differentiation = Autograd(trainer.network)  # which calls modules, and so their hooks
    snapshots = trainer.advance(0)
    stops = schedule(trainer.experiment.steps, POPULATIONS).tolist()
    populations = []
    for stop in stops:
        snapshots += trainer.advance(stop - trainer.step)
        if trainer.diverged_at is not None:
            break
        populations.append((trainer.step, *_population(trainer, layer)))
    recording = Recording(trainer.experiment, provenance=trainer.provenance)
    features = len(normalizer.running_mean)
    taken = len(means[: trainer.step])
    return History(
        recording=recording.extended(snapshots, diverged_at=trainer.diverged_at),
        layer=layer,
        values=values[0] if values else 0,
        batch_mean=np.array(means[:taken], np.float64).reshape(taken, features),
        batch_variance=np.array(variances[:taken], np.float64).reshape(taken, features),
        population_steps=np.array([step for step, *_ in populations], np.int64),
        population_mean=np.array([mean for _, mean, _, _ in populations]),
        population_variance=np.array([variance for _, _, variance, _ in populations]),
        population_batches=populations[0][3],
        running_mean=as_array(normalizer.running_mean),
        running_variance=as_array(normalizer.running_var),
        gathering=normalizer.momentum,
    )


@torch.no_grad()
def _population(trainer: Trainer, layer: int) -> tuple[np.ndarray, np.ndarray, int]:
    """E[x] and Var[x] of Algorithm 2 with the network held still, each (F,), and over how many mini-batches."""
    size = trainer.experiment.batch_of(len(trainer.train))
    batches = min(POPULATION_BATCHES, len(trainer.train) // size)
    order = torch.randperm(len(trainer.train), generator=generator(0, "population")).to(trainer.device)
    means, variances = [], []
    with one_thread():
        for index in order[: batches * size].view(batches, size):
            inputs, _ = trainer.train.batch(index)
            x = reached(trainer.network, inputs, layer, in_training).double()
            means.append(x.mean(feature_axes(x)))
            variances.append(x.transpose(0, 1).flatten(1).var(1))  # σ²·m/(m − 1)
    return as_array(torch.stack(means).mean(0)), as_array(torch.stack(variances).mean(0)), batches
