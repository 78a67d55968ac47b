"""An Experiment's network: z = g(BN(Wu)), Section 3.2 of the paper, layer after layer.

W is a matrix (architecture "mlp") or a 3×3 convolution ("conv"), whose features are its channels.
`forward` is for training; `probe` also returns the inputs of each normalizer and each nonlinearity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bnviz.engine import normalizers
from bnviz.engine.normalizers import BatchNorm, NoNormalizer, Normalizer
from bnviz.engine.normalizers.base import Pair
from bnviz.experiment import Experiment
from bnviz.experiment.knob import MAX_LAYERS

POOLED_WIDTH = 4
"""Images this wide or narrower are no longer pooled."""


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


@dataclass(frozen=True)
class Probe:
    """The values inside one hidden layer, each (B, F) or (B, F, height, width).

    before: the input of the normalizer. pre_activations: the input of the nonlinearity.
    """

    before: Tensor
    pre_activations: Tensor


class Dropout(nn.Module):
    """Sets each value to 0 with probability `share` in training, by a random generator of its own."""

    def __init__(self, share: float, rng: Generator) -> None:
        super().__init__()
        self.share = share
        self.rng = rng

    def forward(self, z: Tensor) -> Tensor:
        """In training, z with some values 0 and the others scaled up to keep the mean; else z itself."""
        if not self.share or not self.training:
            return z
        kept = torch.rand(z.shape, generator=self.rng, device=z.device) >= self.share
        return z * kept / (1.0 - self.share)


class Block(nn.Module):
    """One hidden layer: affine map, normalizer, nonlinearity, pooling where the layer has it, dropout."""

    def __init__(
        self,
        affine: nn.Linear | nn.Conv2d,
        normalizer: Normalizer,
        activation: str,
        pooling: nn.Module,
        dropout: Dropout,
    ) -> None:
        super().__init__()
        self.affine = affine
        self.normalizer = normalizer
        self.activation = ACTIVATION_FUNCTIONS[activation]
        self.pooling = pooling
        self.dropout = dropout

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs) -> (B, F), or (B, inputs, height, width) -> (B, F, height, width), halved if pooled."""
        z: Tensor = self.dropout(self.passed_on(self.normalizer(self.mapped(u))))
        return z

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """The layer's Probe of u in training mode without dropout, and its output."""
        before = self.mapped(u)
        pre_activations = self.normalizer.as_in_training(before)
        return Probe(before, pre_activations), self.passed_on(pre_activations)

    def mapped(self, u: Tensor) -> Tensor:
        """Wu + b, with W as the normalizer makes it of the affine map's parameter."""
        weight, bias = self.normalizer.weight(self.affine.weight), self.affine.bias
        if isinstance(self.affine, nn.Conv2d):
            return F.conv2d(u, weight, bias, padding=self.affine.padding)
        return F.linear(u, weight, bias)

    def passed_on(self, pre_activations: Tensor) -> Tensor:
        """The layer's output before dropout, given the input of its nonlinearity."""
        z: Tensor = self.pooling(self.normalizer.after_activation(self.activation(pre_activations)))
        return z


class Network(nn.Module):
    """Hidden blocks and an affine output layer, which is not normalized.

    shape: of the images (channels, height, width), if the blocks are convolutional; otherwise None.
    """

    def __init__(
        self,
        input_normalizer: Normalizer,
        blocks: list[Block],
        output: nn.Linear | nn.Conv2d,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.input_normalizer = input_normalizer
        self.blocks = nn.ModuleList(blocks)
        self.output = output
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs). Returns the classes' scores before softmax, (B, classes)."""
        x = self.input_normalizer(self.shaped(x))
        for block in self.blocks:
            x = block(x)
        if x.dim() > 2:
            x = x.mean((2, 3))  # global average pooling
        scores: Tensor = self.output(x)
        return scores

    @torch.no_grad()
    def probe(self, x: Tensor) -> list[Probe]:
        """The Probe of every hidden layer for x, (B, inputs), in training mode; changes no statistics."""
        probes = []
        x = self.input_normalizer.as_in_training(self.shaped(x))
        for block in self.hidden:
            probe, x = block.probe(x)
            probes.append(probe)
        return probes

    def shaped(self, x: Tensor) -> Tensor:
        """x, (B, inputs), as the first block takes it: itself, or images (B, channels, height, width)."""
        if self.shape is None:
            return x
        return x.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)

    @property
    def hidden(self) -> list[Block]:
        """The hidden blocks, from the input on."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def scale_and_shift(self) -> list[Pair | None]:
        """What Normalizer.scale_and_shift says of every hidden layer."""
        return [block.normalizer.scale_and_shift() for block in self.hidden]


def build(
    experiment: Experiment, shape: tuple[int, ...], classes: int, device: torch.device | str = "cpu"
) -> Network:
    """The network of an Experiment at step 0 for examples of `shape`, as in Dataset.

    Layer k's weights come from a generator of (seed, k) alone: networks of one seed start equal
    wherever their shapes agree, on every device. Biases start at 0.
    """
    convolves = experiment.architecture == "conv"
    noise = generator(experiment.seed, "noise", device=device)
    inputs, side = (shape[0], min(shape[1:])) if convolves else (math.prod(shape), 0)
    widths = (inputs, *experiment.hidden)
    blocks = []
    for index, (fan_in, features) in enumerate(itertools.pairwise(widths)):
        rng = generator(experiment.seed, "noise", index + 1, device)
        normalizer = normalizers.make(experiment.normalizer, features, rng)
        affine = _affine(experiment, fan_in, features, index, normalizer.keeps_bias, convolves)
        normalizer.start(affine.weight)
        pooling = nn.MaxPool2d(2) if side > POOLED_WIDTH else nn.Identity()
        side = side // 2 if side > POOLED_WIDTH else side
        dropout = Dropout(experiment.dropout, noise)
        blocks.append(Block(affine, normalizer, experiment.activation, pooling, dropout))
    # The index of the deepest network, so that arms of different depth share these weights too.
    output = _affine(experiment, widths[-1], classes, MAX_LAYERS, bias=True)
    input_normalizer = (
        BatchNorm(inputs, affine=False) if experiment.normalizer == "input-only" else NoNormalizer(inputs)
    )
    return Network(input_normalizer, blocks, output, shape if convolves else None).to(device)


def _affine(
    experiment: Experiment, inputs: int, outputs: int, index: int, bias: bool, convolves: bool = False
) -> nn.Linear | nn.Conv2d:
    # On "meta" torch draws no weights, which would advance its global generator.
    layer: nn.Linear | nn.Conv2d = (
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=bias, device="meta")
        if convolves
        else nn.Linear(inputs, outputs, bias=bias, device="meta")
    )
    layer.to_empty(device="cpu")
    with torch.no_grad():
        initialize(layer.weight, experiment, generator(experiment.seed, "weights", index))
        if index == 0:
            layer.weight.mul_(experiment.first_layer_scale)
        if convolves:  # with the channels last in memory, a CPU is 1.5 times as fast
            layer.weight = nn.Parameter(layer.weight.contiguous(memory_format=torch.channels_last))
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
