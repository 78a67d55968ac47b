"""How much of its nonlinearity a layer can use, depending on where γ and β stand, and how much a trained one uses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bnviz.data import datasets
from bnviz.engine.build import build
from bnviz.engine.network import ACTIVATION_FUNCTIONS, Network
from bnviz.engine.normalizers import EPSILON, BatchNorm, ScaledAfterActivation
from bnviz.engine.recorder import as_table
from bnviz.engine.trainer import Trainer, one_thread

HALF_SLOPE = {"sigmoid": math.log(3 + math.sqrt(8)), "tanh": math.acosh(math.sqrt(2))}
"""The |input| beyond which a nonlinearity's slope is below half of its largest, where it bends: 1.76 and 0.88.
For sigmoid s(1 − s) = 1/8; for tanh 1 − tanh² = 1/2. ReLU bends at 0 alone and has none."""
STEEPNESS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@torch.no_grad()
def made_use_of(trainer: Trainer) -> Mapping[str, np.ndarray | float]:
    """bent: (L,), the share of each hidden layer's inputs to the nonlinearity beyond HALF_SLOPE, on the probe batch.

    missed: (len(STEEPNESS),), of g(a·x̂), the nonlinearity a times as steep, the share of variance that the next
    layer cannot obtain from one unit of the last hidden layer, for the best γ and β there are.
    folded: the largest difference of any score after γ and β were moved into the next layer's weights, as a
    multiple of the scores' standard deviation; NaN where they stand before the nonlinearity and cannot be.
    """
    with one_thread():
        probes = trainer.network.probe(trainer.recorder.probe_inputs)
        edge = HALF_SLOPE.get(trainer.experiment.activation, math.nan)
        before = as_table(probes[-1].before).astype(np.float64)
        x_hat = (before - before.mean(0)) / np.sqrt(before.var(0) + EPSILON)
        return {
            "bent": np.array(
                [
                    float((probe.pre_activations.abs() > edge).double().mean())
                    if math.isfinite(edge)
                    else math.nan
                    for probe in probes
                ]
            ),
            "missed": np.array([missed(trainer, x_hat, steepness) for steepness in STEEPNESS]),
            "folded": folding_error(trainer),
        }


def missed(trainer: Trainer, x_hat: np.ndarray, steepness: float) -> float:
    """The share of the variance of g(a·x̂) that w·z + c leaves, averaged over units; x_hat: (B, F).

    z is what the unit passes on: g(γ·x̂ + β) with the γ, β at choice, or g(x̂), whatever is done to it afterwards.
    """
    activation = ACTIVATION_FUNCTIONS[trainer.experiment.activation]

    def g(values: np.ndarray) -> np.ndarray:
        return np.asarray(activation(torch.from_numpy(values)).numpy())

    free = isinstance(trainer.network.hidden[-1].normalizer, BatchNorm) and (
        trainer.network.scale_and_shift()[-1] is not None
    )
    wanted, passed_on = g(steepness * x_hat), g(steepness * x_hat if free else x_hat)
    wanted, passed_on = wanted - wanted.mean(0), passed_on - passed_on.mean(0)
    there = (wanted.std(0) > 0) & (passed_on.std(0) > 0)  # a unit that never varies wants nothing
    wanted, passed_on = wanted[:, there], passed_on[:, there]
    explained = (wanted * passed_on).sum(0) ** 2 / ((wanted**2).sum(0) * (passed_on**2).sum(0))
    return float((1 - explained).clip(0.0).mean()) if there.any() else math.nan


def folding_error(trainer: Trainer) -> float:
    """How far the scores move when γ, β behind the nonlinearity are moved into the next layer; else NaN.

    NaN in a convolutional network as well, where Wβ is no constant: at the borders W meets zeros.
    """
    behind = isinstance(trainer.network.hidden[0].normalizer, ScaledAfterActivation)
    if not behind or trainer.experiment.architecture == "conv":
        return math.nan
    folded = without_affine(trainer)
    inputs = trainer.recorder.probe_inputs
    mine, theirs = (scores_in_training(network, inputs) for network in (trainer.network, folded))
    return float((mine - theirs).abs().max() / mine.std())


def without_affine(trainer: Trainer) -> Network:
    """A "batch-no-affine" network of equal scores: γ in the next layer's weights, β in the output's bias.

    W(γ·z + β) = (W·diag γ)z + Wβ. The constant Wβ goes into the output layer's bias; a hidden layer's normalizer
    would subtract it, so there it is left out.
    """
    dataset = datasets.load(trainer.experiment.dataset, trainer.experiment.image_side)
    experiment = trainer.experiment.replace(normalizer="batch-no-affine")
    network = build(experiment, dataset.shape, len(dataset.classes), trainer.device)
    for mine, theirs in zip(network.hidden, trainer.network.hidden, strict=True):
        mine.affine.load_state_dict(theirs.affine.state_dict())
    network.output.load_state_dict(trainer.network.output.state_dict())
    following = [*(block.affine for block in network.hidden[1:]), network.output]
    for pair, layer in zip(trainer.network.scale_and_shift(), following, strict=True):
        assert pair is not None
        gamma, beta = pair
        assert gamma is not None
        assert beta is not None
        weight = layer.get_parameter("weight")
        if layer is network.output:
            layer.get_parameter("bias").add_(weight @ beta)
        weight.mul_(gamma)
    return network


def scores_in_training(network: Network, inputs: Tensor) -> Tensor:
    """(B, classes) float64, by the mini-batch's own statistics, of which none are remembered; without dropout."""
    x = network.input_normalizer.as_in_training(network.shaped(inputs))
    for block in network.hidden:
        _, x = block.probe(x)
    scores: Tensor = network.output(x)
    return scores.double()
