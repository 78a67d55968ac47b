"""The length of each layer's weights over training, and the angle by which a step turns them.

Behind batch normalization the length of W has no effect on what a layer computes, only its direction W/‖W‖ has. A step
of gradient descent at the rate η turns that direction as one at the rate η/‖W‖² would turn weights of length 1: the
effective learning rate of van Laarhoven 2017 and Zhang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bnviz.engine.inspections.shift import layers_of, weight
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment.progress import report

RECORDS = 100


def over_training(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """Lengths and angles at about RECORDS steps, in a second training equal to the Trainer's.

    steps: (R,). length: (R, k), the Euclidean norm of W of each hidden layer from the input on before the step's
    update. angle: (R, k), between W before and after it, in degrees. rate: (R,), the learning rate η of the step.
    Where training diverges, R ends.
    """
    twin = Trainer(trainer.experiment)
    twin.recorder.due = frozenset()  # all that is recorded there is
    whole = trainer.experiment.steps
    steps, lengths, angles, rates = [], [], [], []
    with one_thread():
        for step in np.unique(np.linspace(0, whole - 1, min(RECORDS, whole)).astype(np.int64)).tolist():
            twin.advance(step - twin.step)
            before = weights(twin)
            twin.advance(1)
            if twin.diverged_at is not None:
                break
            steps.append(step)
            lengths.append([float(item.norm()) for item in before])
            angles.append([turned(old, new) for old, new in zip(before, weights(twin), strict=True)])
            rates.append(twin.settings.learning_rate)
            report(twin.step / whole)
    shape = (len(steps), len(trainer.network.blocks))
    return {
        "steps": np.array(steps, np.int64),
        "length": np.array(lengths, np.float64).reshape(shape),
        "angle": np.array(angles, np.float64).reshape(shape),
        "rate": np.array(rates, np.float64),
    }


def weights(trainer: Trainer) -> list[Tensor]:
    """W of every hidden layer as it is now, a copy in float64: a step may turn it by less than float32 can tell."""
    network = trainer.network
    return [weight(layer).detach().double().clone() for layer in layers_of(network)[:-1]]


def turned(old: Tensor, new: Tensor) -> float:
    """The angle between two tensors taken as vectors, in degrees; NaN where one of them is 0.

    By the distance of their directions: the cosine of a small angle is 1 to all digits that there are.
    """
    distance = (old / old.norm() - new / new.norm()).norm()
    return float(torch.rad2deg(2 * torch.asin(torch.clamp(distance / 2, max=1.0))))
