"""How values pass through a network's layers, up to a layer's normalizer and on from it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bnviz.engine.block import Block
from bnviz.engine.network import Network
from bnviz.engine.normalizers import BatchNorm, Normalizer

Normalize = Callable[[Normalizer, Tensor], Tensor]


def block_of(network: Network, layer: int) -> Block:
    """The layer, counted from 1. Raises ValueError for one that is not there."""
    if not 1 <= layer <= len(network.plain):
        raise ValueError(f"layer = {layer} is not allowed; allowed is 1 to {len(network.plain)}")
    return network.plain[layer - 1]


def batch_norm_of(network: Network, layer: int) -> BatchNorm:
    """The layer's batch normalization. Raises ValueError where it has none, or one without γ and β."""
    normalizer = block_of(network, layer).normalizer
    if not isinstance(normalizer, BatchNorm) or normalizer.gamma is None:
        raise ValueError("normalizer is not allowed here; allowed is 'batch'")
    return normalizer


def affine(normalizer: BatchNorm) -> tuple[Tensor, Tensor]:
    """γ and β, (F,) each."""
    assert normalizer.gamma is not None
    assert normalizer.beta is not None
    return normalizer.gamma, normalizer.beta


def in_training(normalizer: Normalizer, x: Tensor) -> Tensor:
    """What the normalizer delivers by the statistics of x."""
    return normalizer.as_in_training(x)


def in_inference(normalizer: Normalizer, x: Tensor) -> Tensor:
    """What the normalizer of a network in evaluation mode delivers."""
    y: Tensor = normalizer(x)
    return y


def reached(network: Network, inputs: Tensor, layer: int, normalize: Normalize) -> Tensor:
    """What enters the layer's normalizer."""
    u = network.shaped(inputs)
    for block in network.plain[: layer - 1]:
        u = _passed(block, block.mapped(u), normalize)
    x: Tensor = network.plain[layer - 1].mapped(u)
    return x


def onward(network: Network, y: Tensor, layer: int, normalize: Normalize) -> Tensor:
    """The network's scores if the layer's normalizer delivers y."""
    u = network.plain[layer - 1].passed_on(y)
    for block in network.plain[layer:]:
        u = _passed(block, block.mapped(u), normalize)
    scores: Tensor = network.output(u.mean((2, 3)) if u.dim() > 2 else u)
    return scores


def _passed(block: Block, x: Tensor, normalize: Normalize) -> Tensor:
    return block.passed_on(normalize(block.normalizer, x))
