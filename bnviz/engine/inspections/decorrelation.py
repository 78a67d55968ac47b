"""Full whitening beside normalization of each unit: its effect on a layer, its cost, and where it fails."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping

import numpy as np
import torch

from bnviz.engine.network import generator
from bnviz.engine.trainer import Trainer, one_thread

WIDTHS = (25, 50, 100, 200, 400)
REPEATS = 9
BATCHES = (10, 20, 30, 40, 60, 80, 120, 240)
NEGLIGIBLE = 1e-12
"""Eigenvalues of the covariance below this share of the largest count as rounding errors, which are about 1e-16."""


def layer(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """The last hidden layer of a fully connected network; and the cost of a step, if the network whitens.

    before, after: (F, F) float64, the correlation of its units before and after the normalizer, on the probe batch.
    batches: sizes of mini-batches. rank: (len(BATCHES),), in how many directions the F inputs of the normalizer vary
    in a mini-batch of each size.
    widths: (W,), and seconds: (3, W), the median processor time of a training step without normalizer, with "batch"
    and with "whiten" in networks of each width, on one core. Only for the normalizer "whiten"; the times differ a
    little from call to call.
    Raises ValueError for a convolutional network.
    """
    if trainer.network.shape is not None:
        raise ValueError("architecture = 'conv' is not allowed here; allowed is 'mlp'")
    with one_thread():
        probe = trainer.network.probe(trainer.recorder.probe_inputs)[-1]
        found = {
            "before": _correlation(probe.before.cpu().numpy()),
            "after": _correlation(probe.pre_activations.cpu().numpy()),
            "batches": np.array(BATCHES),
            "rank": _ranks(trainer),
        }
        if trainer.experiment.normalizer == "whiten":
            found |= {"widths": np.array(WIDTHS), "seconds": _seconds(trainer)}
    return found


def _correlation(values: np.ndarray) -> np.ndarray:
    """values: (examples, F). Returns (F, F), NaN for units that do not vary or are no finite numbers."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.corrcoef(values.astype(np.float64), rowvar=False))


def _ranks(trainer: Trainer) -> np.ndarray:
    """How many eigenvalues of the covariance are not negligible, by the mini-batch's size; NaN if not finite."""
    network = copy.deepcopy(trainer.network).double()
    chosen = torch.randperm(len(trainer.train), generator=generator(trainer.experiment.seed, "ranks"))
    ranks = np.full(len(BATCHES), np.nan)
    for place, size in enumerate(BATCHES):
        inputs, _ = trainer.train.batch(chosen[:size].to(trainer.device))
        values = network.probe(inputs.double())[-1].before.cpu().numpy()
        if np.isfinite(values).all():
            eigenvalues = np.linalg.svd(values - values.mean(axis=0), compute_uv=False) ** 2
            ranks[place] = (eigenvalues > NEGLIGIBLE * eigenvalues.max()).sum()
    return ranks


def _seconds(trainer: Trainer) -> np.ndarray:
    """The medians, (3, W). The three kinds of network take turns, so that other load affects all alike."""
    experiment = trainer.experiment.replace(device="cpu")
    medians = np.empty((3, len(WIDTHS)))
    for place, width in enumerate(WIDTHS):
        hidden = (width,) * len(experiment.hidden)
        timed = [
            Trainer(experiment.replace(hidden=hidden, normalizer=normalizer))
            for normalizer in ("none", "batch", "whiten")
        ]
        times = np.array([[_step(one) for one in timed] for _ in range(REPEATS + 1)])
        medians[:, place] = np.median(times[1:], axis=0)  # the first step also prepares memory
    return medians


def _step(trainer: Trainer) -> float:
    """Take a training step without recording. Returns its processor time in seconds."""
    started = time.thread_time()
    gradients = trainer.backward()
    if gradients is not None:
        trainer.update(gradients)
    trainer.step += 1
    return time.thread_time() - started
