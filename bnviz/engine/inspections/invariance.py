"""Section 3.3 on a trained network, in float64: how outputs and gradients change as a layer's W becomes aW."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.block import Block
from bnviz.engine.network import Network
from bnviz.engine.normalizers import BatchNorm, batch_normalize
from bnviz.engine.trainer import Trainer, one_thread

FACTORS = (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)
"""The values of a; no powers of two, because multiplying by these is exact."""


def deviations(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """How far each hidden layer of a fully connected network is from being invariant to the scale of its weights.

    For each a of FACTORS three relative deviations, in the Euclidean norm: of what the layer's nonlinearity receives
    from the same with a = 1; of the loss's gradient with respect to the layer's input u from that with a = 1; and of
    a times the gradient with respect to aW from that with respect to W. On one mini-batch of training examples.

    exact, trained: (layers, factors, 3) float64, with ε = 0 as in the paper's identities, which hold for no other,
    and with the ε of training. Alike for a network without batch normalization, which has no ε.
    Raises ValueError for a convolutional network.
    """
    if trainer.network.shape is not None:
        raise ValueError("architecture = 'conv' is not allowed here; allowed is 'mlp'")
    network = copy.deepcopy(trainer.network).double()
    size = trainer.experiment.batch_of(len(trainer.train))
    inputs, labels = trainer.train.batch(trainer.train.spread(size))
    found = {}
    with one_thread():
        for name, epsilon in (("exact", 0.0), ("trained", trainer.experiment.norm_epsilon)):
            layers = []
            u = network.input_normalizer.as_in_training(inputs.double())
            for index, block in enumerate(network.plain):
                measure = partial(_measured, network, index, u.detach(), labels, epsilon)
                reference = measure(factor=1.0)
                layers.append([_relative(measure(factor=factor), reference) for factor in FACTORS])
                u = _passed_on(block, u, epsilon)
            found[name] = np.array(layers)
    return found


Measured = tuple[Tensor, Tensor, Tensor]


def _measured(
    network: Network, index: int, u: Tensor, labels: Tensor, epsilon: float, factor: float
) -> Measured:
    """What the nonlinearity of layer `index` receives, the gradient by u, and `factor` times that by the weights."""
    block, *others = network.plain[index:]
    u = u.clone().requires_grad_()
    weight = (factor * block.affine.weight).detach().requires_grad_()
    received = _normalize(block, epsilon)(F.linear(u, block.normalizer.weight(weight), block.affine.bias))
    z = block.passed_on(received)
    for other in others:
        z = _passed_on(other, z, epsilon)
    by_input, by_weights = torch.autograd.grad(F.cross_entropy(network.output(z), labels), (u, weight))
    return received.detach(), by_input, factor * by_weights


def _passed_on(block: Block, u: Tensor, epsilon: float) -> Tensor:
    return block.passed_on(_normalize(block, epsilon)(block.mapped(u)))


def _normalize(block: Block, epsilon: float) -> Callable[[Tensor], Tensor]:
    """Batch normalization with that ε; any other normalizer as it is."""
    normalizer = block.normalizer
    if isinstance(normalizer, BatchNorm) and normalizer.gamma is not None and normalizer.beta is not None:
        return partial(batch_normalize, gamma=normalizer.gamma, beta=normalizer.beta, epsilon=epsilon)
    return normalizer.as_in_training


def _relative(now: Measured, then: Measured) -> list[float]:
    """‖now − then‖ / ‖then‖ of each; NaN for zero by zero, as where no gradient passes."""
    return [float((a - b).norm() / b.norm()) for a, b in zip(now, then, strict=True)]
