"""An Experiment's network: hidden layers, of which `block` says what each computes, and an output layer.

W is a matrix (architecture "mlp") or a 3×3 convolution ("conv"), whose features are its channels.
`forward` is for training; `probe` also returns the inputs of each normalizer and each nonlinearity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bnviz.engine import normalizers
from bnviz.engine.block import (
    Block,
    Dropout,
    HiddenLayer,
    NormalizedAfter,
    PostNormalized,
    PreNormalized,
    Probe,
)
from bnviz.engine.normalizers import BatchNorm, NoNormalizer, Normalizer, Settings
from bnviz.engine.normalizers.base import Pair
from bnviz.experiment import Experiment
from bnviz.experiment.normalization import has_bias, is_normalized, passes_by

OUTPUT_INDEX = 20
"""Of the output layer's weights among the random generators: behind the 20 layers that networks once had at most.
Arms of different depth share these weights; layers from the 21st on have the numbers after it."""

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


class Network(nn.Module):
    """Hidden layers and an affine output layer, which is not normalized.

    last_normalizer: of what the output layer receives, as pre-normalization has it. shape: of the images (channels,
    height, width), if the layers are convolutional; otherwise None.
    """

    def __init__(
        self,
        input_normalizer: Normalizer,
        blocks: Sequence[HiddenLayer],
        last_normalizer: Normalizer,
        output: nn.Linear | nn.Conv2d,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.input_normalizer = input_normalizer
        self.blocks = nn.ModuleList(blocks)
        self.last_normalizer = last_normalizer
        self.output = output
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs). Returns the classes' scores before softmax, (B, classes)."""
        x = self.input_normalizer(self.shaped(x))
        for block in self.blocks:
            x = block(x)
        x = self.last_normalizer(x)
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
    def hidden(self) -> list[HiddenLayer]:
        """The hidden layers, from the input on."""
        return [block for block in self.blocks if isinstance(block, HiddenLayer)]

    @property
    def plain(self) -> list[Block]:
        """The hidden layers where all are of the paper's order, z = g(BN(Wu)). Raises ValueError otherwise."""
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        if len(blocks) < len(self.blocks):
            raise ValueError(
                "norm_placement and residual are not allowed here; allowed are 'before' and 'none'"
            )
        return blocks

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
    experiment = experiment.canonical()
    convolves = experiment.architecture == "conv"
    settings = Settings(
        epsilon=experiment.norm_epsilon,
        momentum=experiment.norm_momentum,
        groups=experiment.groups,
        ghost_batch=experiment.ghost_batch,
        renorm_start=experiment.renorm_start,
    )

    def normalizer_of(layer: int, features: int) -> Normalizer:
        rng = generator(experiment.seed, "noise", layer, device)
        return normalizers.make(experiment.normalizer, features, rng, settings)

    noise = generator(experiment.seed, "noise", device=device)
    inputs, side = (shape[0], min(shape[1:])) if convolves else (math.prod(shape), 0)
    widths = (inputs, *experiment.hidden)
    blocks = []
    for layer, (fan_in, features) in enumerate(itertools.pairwise(widths), start=1):
        normalizer = (
            normalizer_of(layer, features) if is_normalized(experiment, layer) else NoNormalizer(features)
        )
        affine = _affine(
            experiment, fan_in, features, _weights_index(layer), has_bias(experiment, layer), convolves
        )
        normalizer.start(affine.weight)
        pooling = nn.MaxPool2d(2) if side > POOLED_WIDTH else nn.Identity()
        side = side // 2 if side > POOLED_WIDTH else side
        activation = ACTIVATION_FUNCTIONS[experiment.activation]
        dropout = Dropout(experiment.dropout, noise)
        blocks.append(_kind(experiment, layer)(affine, normalizer, activation, pooling, dropout))
    output = _affine(experiment, widths[-1], classes, OUTPUT_INDEX, bias=True)
    input_normalizer = (
        BatchNorm(inputs, settings, affine=False)
        if experiment.normalizer == "input-only"
        else NoNormalizer(inputs)
    )
    in_weights = experiment.normalizer == "weight"  # of which nothing stands between layers
    last_normalizer: Normalizer = NoNormalizer(widths[-1])
    if isinstance(blocks[-1], PreNormalized) and is_normalized(experiment, len(blocks)) and not in_weights:
        last_normalizer = normalizer_of(len(blocks) + 1, widths[-1])
    network = Network(input_normalizer, blocks, last_normalizer, output, shape if convolves else None)
    return network.to(device)


def _kind(experiment: Experiment, layer: int) -> type[HiddenLayer]:
    """What a hidden layer computes. layer: counted from 1."""
    if experiment.residual != "none" and passes_by(experiment, layer):
        return {"pre": PreNormalized, "post": PostNormalized}[experiment.residual]
    after = experiment.norm_placement == "after" and is_normalized(experiment, layer)
    return NormalizedAfter if after else Block


def _weights_index(layer: int) -> int:
    """The number of a hidden layer's weights among the random generators. layer: counted from 1."""
    return layer - 1 if layer <= OUTPUT_INDEX else layer


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
