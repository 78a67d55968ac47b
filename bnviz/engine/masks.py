"""Which parameters of a network learn: 1 where one does, 0 where it stays as it was drawn.

After Frankle, Schwab & Morcos 2021, "Training BatchNorm and Only BatchNorm": a network whose weights stay at their
random start, and learns γ and β alone; and, to compare, one that learns as many weights, two of each unit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import Normalizer
from bnviz.experiment import Experiment

OF_EACH_UNIT = 2
"""Weights of a unit that learn, as γ and β are two."""


def masks(network: Network, experiment: Experiment) -> list[Tensor] | None:
    """One for each of network.parameters(), in their order and shaped like it; None where all parameters learn."""
    if experiment.trainable == "all":
        return None
    chosen = {id(item): mask for item, mask in _chosen(network, experiment)}
    return [chosen.get(id(item), torch.zeros_like(item)).detach() for item in network.parameters()]


def _chosen(network: Network, experiment: Experiment) -> list[tuple[Tensor, Tensor]]:
    """The parameters of which something learns, each with its mask."""
    if experiment.trainable == "normalizer":
        modules: list[nn.Module] = [item for item in network.modules() if isinstance(item, Normalizer)]
        return [(item, torch.ones_like(item)) for module in modules for item in module.parameters()]
    if experiment.trainable == "output":
        return [(item, torch.ones_like(item)) for item in network.output.parameters()]
    weights = [weight for layer in network.layers for weight in layer.weights]
    return [(weight, _two(weight, experiment.seed, place)) for place, weight in enumerate(weights)]


def _two(weight: Tensor, seed: int, place: int) -> Tensor:
    """OF_EACH_UNIT random weights of each unit, fewer where it has fewer inputs. weight: (F, …)."""
    rng = generator(seed, "trainable", place)
    drawn = torch.rand(weight.flatten(1).shape, generator=rng)
    mask = torch.zeros_like(drawn)
    mask.scatter_(1, drawn.topk(min(OF_EACH_UNIT, drawn.shape[1])).indices, 1.0)
    return mask.view(weight.shape).to(weight)
