"""The feature maps within a block of an Inception or a residual network, before and after their normalization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bnviz.data import datasets
from bnviz.engine.block import Layer, kept
from bnviz.engine.inception import InceptionBlock
from bnviz.engine.normalizers import BatchNorm, NoNormalizer, Normalizer, WeightNorm
from bnviz.engine.residual import ResidualBlock
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.block_maps import BlockMaps, ConvolutionMaps, Statistics

BRANCHES = ("1×1", "3×3", "two 3×3", "average")
"""Of an Inception block: what the last convolution of each branch is, or what stands before its 1×1."""
SHOWN = 8
"""The feature maps shown of a block, as many of each convolution."""

Seen = list[tuple[Normalizer, Tensor, Tensor]]
"""Normalizers with what entered and what left them."""


def block_maps(trainer: Trainer, block: int, example: int) -> BlockMaps:
    """The BlockMaps of a network's block, counted from 1 behind the stem, in inference mode.

    example: held-out, counted from 1; beyond the last, the last. Of an Inception block each branch's last convolution
    is shown, of a residual block both. Raises ValueError for a block that is not there.
    """
    network = trainer.network
    stem, *blocks = network.layers
    found = [item for item in blocks if isinstance(item, (InceptionBlock, ResidualBlock))]
    if not 1 <= block <= len(found):
        allowed = f"1 to {len(found)}" if found else "a network of blocks: inception, residual"
        raise ValueError(f"block = {block} is not allowed; allowed is {allowed}")
    classes = datasets.load(trainer.experiment.dataset, trainer.experiment.image_side).classes
    test = trainer.recorder.test
    place = min(example, len(test)) - 1
    inputs, label = test.batch(torch.tensor([place], device=trainer.device))
    with one_thread(), torch.no_grad():
        network.eval()
        u = stem(network.input_normalizer(network.shaped(inputs)))
        for layer in found[: block - 1]:
            u = layer(u)
        seen = _seen(found[block - 1], u)
        network.train()
    each = SHOWN // len(seen)
    return BlockMaps(
        step=trainer.step,
        block=block,
        example=place + 1,
        name=classes[int(label)],
        convolutions=tuple(_convolution(name, *maps, each) for name, maps in seen),
    )


def _seen(block: Layer, u: Tensor) -> list[tuple[str, tuple[Normalizer, Tensor, Tensor]]]:
    """The convolutions shown of a block whose input is u: their names, and what passed their normalizers."""
    seen: Seen = []

    def watched(normalizer: Normalizer) -> Callable[[Tensor], Tensor]:
        def passing(x: Tensor) -> Tensor:
            y: Tensor = normalizer(x)
            seen.append((normalizer, x, y))
            return y

        return passing

    if isinstance(block, InceptionBlock):
        last: Seen = []
        for branch in block.parts:
            z = u
            for layer in branch.layers:
                z = layer.computed(z, watched(layer.normalizer), kept)[2]
            last.append(seen[-1])
        return list(zip(BRANCHES, last, strict=True))
    assert isinstance(block, ResidualBlock)
    block.computed(u, watched(block.first_normalizer), watched(block.second_normalizer), kept)
    return list(zip(("first", "second"), seen, strict=True))


def _convolution(name: str, normalizer: Normalizer, x: Tensor, y: Tensor, most: int) -> ConvolutionMaps:
    """What is shown of one convolution: its first `most` maps."""
    statistics = None
    if isinstance(normalizer, BatchNorm):
        deviation = (normalizer.running_var[:most] + normalizer.epsilon).sqrt()
        statistics = Statistics(_array(normalizer.running_mean[:most]), _array(deviation))
    return ConvolutionMaps(
        name=name,
        features=x.shape[1],
        before=_array(x[0, :most]),
        after=_array(y[0, :most]),
        normalized=not isinstance(normalizer, (NoNormalizer, WeightNorm)),
        statistics=statistics,
    )


def _array(values: Tensor) -> np.ndarray:
    return np.array(values.detach().cpu().numpy(), np.float32, order="C")
