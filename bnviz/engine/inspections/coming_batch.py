"""The examples that the next update would use, and the network, both in double precision on the CPU."""

from __future__ import annotations

import copy
import math

import numpy as np
from torch import Tensor

from bnviz.data import datasets
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer
from bnviz.layer.captured import Members

COLOURS = 3
"""The channels of an image in colour."""


def in_double(trainer: Trainer) -> Network:
    """A copy of the network in float64, on the CPU: not every device has float64."""
    return copy.deepcopy(trainer.network).cpu().double()


def coming(trainer: Trainer, examples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels and indices of the first `examples` of the mini-batch that the next update would use.

    If that mini-batch has fewer, the order of the epoch goes on.
    """
    chosen = trainer.order.coming(trainer.step, examples)
    inputs, labels = trainer.train.batch(chosen)
    return exact(inputs), labels.cpu(), chosen.cpu()


def members_of(trainer: Trainer, chosen: Tensor) -> Members:
    """What the training examples of these indices are: their classes, and pictures where they are small."""
    dataset = datasets.load(trainer.experiment.dataset, trainer.experiment.image_side)
    index = chosen.to(trainer.device)
    inputs, labels = trainer.train.scaled(trainer.train.stored(index)), trainer.train.labels[index]
    names = tuple(dataset.classes[label] for label in labels.tolist())
    if len(dataset.shape) < 3 or math.prod(dataset.shape[1:]) > 32 * 32:
        return Members(names, None)
    pictures = exact(inputs).view(-1, *dataset.shape)
    shown = pictures.movedim(1, -1) if dataset.shape[0] == COLOURS else pictures.mean(1)
    return Members(names, as_array(shown.clamp(0.0, 1.0)))


def exact(inputs: Tensor) -> Tensor:
    """Inputs in float64, on the CPU."""
    return inputs.cpu().double()


def as_array(values: Tensor) -> np.ndarray:
    """Values as a float64 array of their own."""
    return np.array(values.detach().cpu().double().numpy())
