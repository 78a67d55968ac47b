"""A network: hidden layers, of which `block`, `inception` and `residual` say what each computes, and an output layer.

`forward` is for training; `probe` also returns the inputs of each normalizer and each nonlinearity.
`build` makes it from an Experiment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bnviz.engine.block import Block, HiddenLayer, Layer, Probe, Step, kept
from bnviz.engine.normalizers import Normalizer
from bnviz.engine.normalizers.base import Pair
from bnviz.experiment import Experiment


def unchanged(pre_activations: Tensor) -> Tensor:
    """The identity: layers without a nonlinearity make a deep linear network."""
    return pre_activations


ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky-relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "identity": unchanged,
}


def generator(seed: int, purpose: str, index: int = 0, device: torch.device | str = "cpu") -> Generator:
    """A random generator of its own for each purpose ("weights", "order", "noise") and index.

    Independent generators keep arms comparable: a further layer or a dropout draw changes no other draw.
    """
    words = np.random.SeedSequence([seed, index, *purpose.encode()]).generate_state(2, np.uint32)
    return Generator(device).manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def initialize(weight: Tensor, experiment: Experiment, rng: Generator) -> None:
    """Fill `weight` (outputs, inputs, …) as experiment.init and experiment.init_scale say."""
    scale = experiment.init_scale
    inputs = weight[0].numel()
    match experiment.init:
        case "gaussian":
            nn.init.normal_(weight, 0.0, scale, rng)
        case "uniform":
            nn.init.uniform_(weight, -scale / math.sqrt(inputs), scale / math.sqrt(inputs), rng)
        case "xavier":
            nn.init.xavier_normal_(weight, scale, rng)
        case "kaiming":
            nn.init.normal_(weight, 0.0, scale * math.sqrt(2.0 / inputs), rng)
        case "orthogonal":
            nn.init.orthogonal_(weight, scale, rng)
        case "zeros":
            nn.init.zeros_(weight)
        case unknown:
            raise ValueError(f"init = {unknown!r} is not allowed here")


class Network(nn.Module):
    """Hidden layers and an affine output layer, which is not normalized.

    last_normalizer, last_activation: of what the output layer receives, as pre-normalization and pre-activation have
    them. shape: of the images (channels, height, width), if the layers are convolutional; otherwise None.
    """

    def __init__(
        self,
        input_normalizer: Normalizer,
        blocks: Sequence[Layer],
        last_normalizer: Normalizer,
        output: nn.Linear | nn.Conv2d,
        shape: tuple[int, ...] | None = None,
        last_activation: Step = kept,
    ) -> None:
        super().__init__()
        self.input_normalizer = input_normalizer
        self.blocks = nn.ModuleList(blocks)
        self.last_normalizer = last_normalizer
        self.last_activation = last_activation
        self.output = output
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs). Returns the classes' scores before softmax, (B, classes)."""
        x = self.input_normalizer(self.shaped(x))
        for block in self.blocks:
            x = block(x)
        x = self.last_activation(self.last_normalizer(x))
        if x.dim() > 2:
            x = self.averaged(x)
        scores: Tensor = self.output(x)
        return scores

    def averaged(self, z: Tensor) -> Tensor:
        """Global average pooling, (B, F, height, width) -> (B, F).

        The gradient of Tensor.mean has the channels first in memory, which the last block would pay for. Convolutions
        without blocks keep it, and with it the bits of earlier recordings.
        """
        if all(isinstance(block, HiddenLayer) for block in self.blocks):
            return z.mean((2, 3))
        return z.permute(0, 2, 3, 1).flatten(1, 2).mean(1)

    @torch.no_grad()
    def probe(self, x: Tensor) -> list[Probe]:
        """The Probe of every hidden layer for x, (B, inputs), in training mode; changes no statistics."""
        probes = []
        x = self.input_normalizer.as_in_training(self.shaped(x))
        for block in self.layers:
            probe, x = block.probe(x)
            probes.append(probe)
        return probes

    def shaped(self, x: Tensor) -> Tensor:
        """x, (B, inputs), as the first block takes it: itself, or images (B, channels, height, width)."""
        if self.shape is None:
            return x
        return x.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)

    @property
    def layers(self) -> list[Layer]:
        """The hidden layers, from the input on."""
        return [block for block in self.blocks if isinstance(block, Layer)]

    @property
    def first_convolution(self) -> HiddenLayer | None:
        """The layer that sees the images; None if the network is fully connected."""
        first = self.layers[0]
        return first if self.shape is not None and isinstance(first, HiddenLayer) else None

    @property
    def hidden(self) -> list[HiddenLayer]:
        """The hidden layers where each has one affine map. Raises ValueError otherwise."""
        blocks = [block for block in self.blocks if isinstance(block, HiddenLayer)]
        if len(blocks) < len(self.blocks):
            raise ValueError(
                "architecture = 'inception' and 'residual' are not allowed here; allowed are 'mlp' and 'conv'"
            )
        return blocks

    @property
    def plain(self) -> list[Block]:
        """The hidden layers where all are of the paper's order, z = g(BN(Wu)). Raises ValueError otherwise."""
        blocks = [block for block in self.hidden if isinstance(block, Block)]
        if len(blocks) < len(self.blocks):
            raise ValueError(
                "norm_placement and residual are not allowed here; allowed are 'before' and 'none'"
            )
        return blocks

    def scale_and_shift(self) -> list[Pair | None]:
        """What Layer.scale_and_shift says of every hidden layer."""
        return [block.scale_and_shift() for block in self.layers]
