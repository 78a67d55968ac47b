"""Internal covariate shift as Santurkar et al. 2018 define it (Definition 2.1), followed over training.

Of layer i at step t it is the change of the gradient with respect to W_i that the layers below bring about:
‖G − G'‖ with G = ∇ L(W₁ᵗ … W_kᵗ; batch t) and G' = ∇ L(W₁ᵗ⁺¹ … W_{i−1}ᵗ⁺¹, W_iᵗ … W_kᵗ; batch t).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bnviz.engine.block import Dropout
from bnviz.engine.network import Network
from bnviz.engine.normalizers import Noise, NoisyBatchNorm
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment.progress import report

RECORDS = 30


def over_training(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """Definition 2.1 at about RECORDS steps, in a second training equal to the Trainer's.

    steps: (R,). distance, cosine, gradient: (R, k), for each hidden layer from the input on and, last, the output
    layer: ‖G − G'‖, the cosine of G and G', ‖G‖. In the first layer, which has none below, 0 and 1.
    """
    twin = Trainer(trainer.experiment)
    twin.recorder.due = frozenset()  # all that is recorded there is
    last = trainer.experiment.steps
    chosen = np.unique(np.round(last * np.linspace(0.0, 1.0, RECORDS) ** 1.5).astype(np.int64)[:-1])
    rows = []
    steps = []
    with one_thread():
        for step in chosen.tolist():
            twin.advance(step - twin.step)
            before, batch = copy.deepcopy(twin.network), twin.upcoming_batch()
            twin.advance(1)
            if twin.diverged_at is not None:
                break
            steps.append(step)
            rows.append(definition(before, twin.network, batch))
            report(twin.step / last)
    measured = np.array(rows, np.float64).reshape(len(rows), len(trainer.network.blocks) + 1, 3)
    return {
        "steps": np.array(steps, np.int64),
        "distance": measured[..., 0],
        "cosine": measured[..., 1],
        "gradient": measured[..., 2],
    }


def definition(
    before: Network, after: Network, batch: tuple[Tensor, Tensor]
) -> list[tuple[float, float, float]]:
    """‖G − G'‖, the cosine of G and G', and ‖G‖ of every layer, the output layer last.

    before, after: the network at t and at t + 1; neither is changed. Noise and dropout are drawn alike for G and
    G', so that only the parameters below make the difference.
    """
    mixed = copy.deepcopy(before)
    states = [rng.get_state() for rng in random_generators(mixed)]
    layers = layers_of(mixed)
    whole = gradients(mixed, [weight(layer) for layer in layers], batch)
    measured = []
    for place, (layer, newer, old) in enumerate(zip(layers, layers_of(after), whole, strict=True)):
        new = old
        if place:
            for rng, state in zip(random_generators(mixed), states, strict=True):
                rng.set_state(state)
            (new,) = gradients(mixed, [weight(layer)], batch)
        measured.append((float((old - new).norm()), cosine(old, new), float(old.norm())))
        with torch.no_grad():  # from here on this layer is at t + 1
            for mine, theirs in zip(layer.parameters(), newer.parameters(), strict=True):
                mine.copy_(theirs)
    return measured


def layers_of(network: Network) -> list[nn.Module]:
    """The layers from the input on, each with its normalizer; the output layer last."""
    return [*network.hidden, network.output]


def weight(layer: nn.Module) -> Tensor:
    """W of a layer."""
    return layer.get_parameter("weight" if isinstance(layer, nn.Linear) else "affine.weight")


def gradients(network: Network, weights: Sequence[Tensor], batch: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The gradients of the mini-batch's loss, in float64: norms and angles of small differences need it."""
    inputs, labels = batch
    found = torch.autograd.grad(F.cross_entropy(network(inputs), labels), weights)
    return [gradient.double() for gradient in found]


def cosine(old: Tensor, new: Tensor) -> float:
    """The cosine of the angle between two gradients; NaN where one of them is 0."""
    norms = float(old.norm() * new.norm())
    return min(float((old * new).sum()) / norms, 1.0) if norms else float("nan")


def random_generators(network: Network) -> Iterator[Generator]:
    """Every random generator that the network draws from in training."""
    kinds = (Dropout, Noise, NoisyBatchNorm)
    return (module.rng for module in network.modules() if isinstance(module, kinds))
