"""How far a mini-batch and its gradient get in a network at initialization: norms, ranks, angles, Jacobians.

Yang et al. 2019, "A Mean Field Theory of Batch Normalization"; Daneshmand et al. 2020, "Batch Normalization Provably
Avoids Rank Collapse". In float64, since without normalization a gradient can shrink beyond what float32 holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.block import Layer
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.experiment.progress import report
from bnviz.recording.signal import NEAR, Signal

JACOBIANS = 25
"""Layers whose Jacobian is taken, all of a network up to so deep, in deeper ones evenly spread: each takes as many
passes as the layer has units."""


def at_start(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """The Signal of the Trainer's network as it was at step 0, by name, on the first mini-batch of training."""
    return of_experiment(trainer.experiment).arrays()


def of_experiment(experiment: Experiment) -> Signal:
    """The Signal of an Experiment's network at step 0, on the first mini-batch of training.

    Raises ValueError for layers that are no matrices.
    """
    fresh = Trainer(experiment)
    return signal(fresh.network, *fresh.upcoming_batch())


def signals(
    experiments: Sequence[Experiment], turn: AbstractContextManager[object] | None = None
) -> list[Signal]:
    """The Signals of several Experiments, in their order. turn: held while torch computes."""
    turn = nullcontext() if turn is None else turn
    found = []
    for experiment in experiments:
        with turn:
            found.append(of_experiment(experiment))
    return found


def signal(network: Network, inputs: Tensor, labels: Tensor) -> Signal:
    """The Signal of a network of fully connected layers, which becomes float64.

    inputs: (B, inputs). labels: (B,). Raises ValueError for a convolutional network.
    """
    if network.shape is not None:
        raise ValueError("architecture = 'conv' is not allowed here; allowed is 'mlp'")
    network.double()
    with one_thread():
        outputs = _outputs(network, inputs.double())
        gradients = _gradients(network, outputs, labels)
        plain = [item.detach() for item in outputs]
        chosen = spread(len(network.layers))
        values = []
        for done, layer in enumerate(chosen):
            jacobian = of_one_example(network.layers[layer - 1], plain[layer - 1])
            values.append(torch.linalg.svdvals(jacobian).numpy())
            report((done + 1) / len(chosen))
    behind = plain[1:]
    return Signal(
        activation=np.array([float(z.square().mean().sqrt()) for z in behind]),
        gradient=np.array([float(gradient.norm()) for gradient in gradients]),
        rank=np.array([effective_rank(z) for z in behind]),
        cosine=np.array([mean_cosine(z) for z in behind]),
        jacobian_layers=np.array(chosen, np.int64),
        singular=np.array([_summary(item) for item in values]),
        near=np.array([((item >= NEAR[0]) & (item <= NEAR[1])).mean() for item in values]),
    )


def spread(depth: int) -> list[int]:
    """Up to JACOBIANS layers, from 2 on where there is one: layer 1 sees the input, which is no layer's output."""
    first = min(2, depth)
    return sorted({round(float(layer)) for layer in np.linspace(first, depth, JACOBIANS)})


def _outputs(network: Network, x: Tensor) -> list[Tensor]:
    """The input and every layer's output, in training mode; nothing is remembered of the mini-batch."""
    outputs = [network.input_normalizer.as_in_training(x).requires_grad_()]
    for layer in network.layers:
        outputs.append(layer.probe(outputs[-1])[1])
    return outputs


def _gradients(network: Network, outputs: Sequence[Tensor], labels: Tensor) -> Sequence[Tensor]:
    """The gradient of the loss with respect to every layer's output."""
    last = network.last_activation(network.last_normalizer.as_in_training(outputs[-1]))
    loss = F.cross_entropy(network.output(last), labels)
    return torch.autograd.grad(loss, list(outputs[1:]))


def of_one_example(layer: Layer, u: Tensor) -> Tensor:
    """∂z/∂u of the first example of the mini-batch u, (F, inputs): of its own output by its own input.

    The other examples of the mini-batch are held; the statistics move with the one.
    """
    others = u[1:]

    def output(example: Tensor) -> Tensor:
        z: Tensor = layer.probe(torch.cat([example[None], others]))[1][0]
        return z

    example = u[0].clone().requires_grad_()
    z = output(example)
    units = torch.eye(len(z), dtype=z.dtype, device=z.device)
    return torch.stack([torch.autograd.grad(z, example, unit, retain_graph=True)[0] for unit in units])


def effective_rank(z: Tensor) -> float:
    """(tr M)²/‖M‖²_F of M = zᵀz, by the smaller of zᵀz and zzᵀ, which have the same; NaN for zeros."""
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
    squares = float(gram.square().sum())
    return float(gram.trace()) ** 2 / squares if squares else float("nan")


def mean_cosine(z: Tensor) -> float:
    """The cosine between two rows of z, mean over all pairs; rows of zeros are left out; NaN for fewer than two."""
    norms = z.norm(dim=1)
    kept = z[norms > 0] / norms[norms > 0, None]
    count = len(kept)
    if count < 2:
        return float("nan")
    return (float(kept.sum(0).square().sum()) - count) / (count * (count - 1))


def _summary(values: np.ndarray) -> list[float]:
    """As recording.signal.SINGULAR has them."""
    return [*np.quantile(values, (0.05, 0.5, 0.95)), values.max(), np.sqrt(np.square(values).mean())]
