"""Making the network of an Experiment: its layers, each with weights from a generator of its own."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from bnviz.engine import normalizers
from bnviz.engine.block import (
    AffineFirst,
    Block,
    ConvolutionOfAverages,
    Dropout,
    HiddenLayer,
    Layer,
    NormalizedAfter,
    PostNormalized,
    PreNormalized,
    kept,
)
from bnviz.engine.inception import Branch, InceptionBlock
from bnviz.engine.network import ACTIVATION_FUNCTIONS, Network, generator, initialize
from bnviz.engine.normalizers import (
    BatchNorm,
    NoNormalizer,
    Normalizer,
    PerActivationBatchNorm,
    Settings,
)
from bnviz.engine.residual import Parts, PostActivated, PreActivated
from bnviz.experiment import Experiment
from bnviz.experiment.architecture import CONVOLUTIONAL, IN_BLOCKS, branch_widths
from bnviz.experiment.normalization import has_bias, is_normalized, is_per_activation, passes_by

OUTPUT_INDEX = 20
"""Of the output layer's weights among the random generators: behind the 20 layers that networks once had at most.
Arms of different depth share these weights; layers from the 21st on have the numbers after it."""
INDICES_IN_A_BLOCK = 1000
"""The weights within layer k's block have the numbers from 1000·k on."""

POOLED_WIDTH = 4
"""Images this wide or narrower are no longer pooled."""


def build(
    experiment: Experiment, shape: tuple[int, ...], classes: int, device: torch.device | str = "cpu"
) -> Network:
    """The network of an Experiment at step 0 for examples of `shape`, as in Dataset.

    Layer k's weights come from a generator of (seed, k) alone: networks of one seed start equal
    wherever their shapes agree, on every device. Biases start at 0.
    """
    builder = Builder(experiment.canonical(), device)
    network = builder.network(shape, classes)
    return network.to(device)


class Builder:
    """Makes the parts of one network, from the input on.

    size: height and width of the feature maps where it has arrived; 0 and 0 in a fully connected network.
    """

    def __init__(self, experiment: Experiment, device: torch.device | str) -> None:
        self.experiment = experiment
        self.device = device
        self.settings = Settings(
            epsilon=experiment.norm_epsilon,
            momentum=experiment.norm_momentum,
            groups=experiment.groups,
            ghost_batch=experiment.ghost_batch,
            renorm_start=experiment.renorm_start,
        )
        self.activation = ACTIVATION_FUNCTIONS[experiment.activation]
        self.dropout = Dropout(experiment.dropout, generator(experiment.seed, "noise", device=device))

    def network(self, shape: tuple[int, ...], classes: int) -> Network:
        """The whole network. shape, classes: as in `build`."""
        experiment = self.experiment
        convolves = experiment.architecture in CONVOLUTIONAL
        self.size = (shape[1], shape[2]) if convolves else (0, 0)
        inputs = shape[0] if convolves else math.prod(shape)
        blocks = self.blocks(inputs) if experiment.architecture in IN_BLOCKS else self.layers(inputs)
        width = experiment.hidden[-1]
        output = self.matrix(width, classes, OUTPUT_INDEX, bias=True)
        if experiment.architecture in IN_BLOCKS:
            self.start_output(output)
        input_normalizer = (
            BatchNorm(inputs, self.settings, affine=False)
            if experiment.normalizer == "input-only"
            else NoNormalizer(inputs)
        )
        last = blocks[-1]
        ends_open = isinstance(last, (PreNormalized, PreActivated))
        in_weights = experiment.normalizer == "weight"  # of which nothing stands between layers
        last_normalizer: Normalizer = NoNormalizer(width)
        if ends_open and is_normalized(experiment, len(blocks)) and not in_weights:
            last_normalizer = self.normalizer(len(blocks) + 1, len(blocks), width)
        last_activation = self.activation if isinstance(last, PreActivated) else kept
        return Network(
            input_normalizer, blocks, last_normalizer, output, shape if convolves else None, last_activation
        )

    def layers(self, inputs: int) -> list[Layer]:
        """Those with one affine map each: matrices, or 3×3 convolutions that pool while images are large."""
        experiment = self.experiment
        convolves = experiment.architecture in CONVOLUTIONAL
        made: list[Layer] = []
        for layer, (fan_in, features) in enumerate(itertools.pairwise((inputs, *experiment.hidden)), start=1):
            bias = has_bias(experiment, layer)
            make = self.filters if convolves else self.matrix
            affine = make(fan_in, features, _weights_index(layer), bias)
            normalizer = self.normalizer(layer, layer, features)
            normalizer.start(affine.weight)
            pools = min(self.size) > POOLED_WIDTH
            pooling = nn.MaxPool2d(2) if pools else nn.Identity()
            if pools:
                self.size = (self.size[0] // 2, self.size[1] // 2)
            kind = _kind(experiment, layer)
            made.append(kind(affine, normalizer, self.activation, pooling, self.dropout))
        return made

    def blocks(self, inputs: int) -> list[Layer]:
        """A stem, and blocks of several convolutions."""
        stem, *widths = self.experiment.hidden
        made: list[Layer] = [self.convolution(1, 0, inputs, stem, kernel=3, stride=2, drops=not widths)]
        make = self.inception if self.experiment.architecture == "inception" else self.residual
        for layer, (fan_in, features) in enumerate(itertools.pairwise((stem, *widths)), start=2):
            made.append(make(layer, fan_in, features))
        return made

    def inception(self, layer: int, inputs: int, features: int) -> InceptionBlock:
        """An Inception block. layer: counted from 1."""
        widths = branch_widths(features)
        numbers = itertools.count()

        def chain(*sizes: tuple[int, int]) -> list[AffineFirst]:
            """Convolutions of these kernels and features, one behind the other."""
            before, made = inputs, list[AffineFirst]()
            for place, (kernel, width) in enumerate(sizes, start=1):
                drops = place == len(sizes)
                made.append(self.convolution(layer, next(numbers), before, width, kernel, drops=drops))
                before = width
            return made

        return InceptionBlock(
            [
                Branch(chain((1, widths.single))),
                Branch(chain((1, widths.reduced), (3, widths.three))),
                Branch(chain((1, widths.reduced), (3, widths.double), (3, widths.double))),
                Branch(
                    [self.convolution(layer, next(numbers), inputs, widths.pooled, kernel=1, averages=True)]
                ),
            ]
        )

    def residual(self, layer: int, inputs: int, features: int) -> PostActivated | PreActivated:
        """A residual block, of stride 2 where it is not as wide as the layer before. layer: counted from 1."""
        experiment = self.experiment
        base = INDICES_IN_A_BLOCK * layer
        bias = has_bias(experiment, layer)
        before = experiment.residual == "pre"
        stride = 1 if inputs == features else 2
        first = self.filters(inputs, features, base, bias, stride=stride)
        second = self.filters(features, features, base + 1, bias)
        passing_by = (
            nn.Identity()
            if stride == 1
            else self.filters(inputs, features, base + 2, bias=False, kernel=1, stride=stride)
        )
        in_front = before and experiment.normalizer != "weight"
        before_first = self.normalizer(base, layer, inputs) if in_front else None
        self.halve(stride)
        first_normalizer = before_first or self.normalizer(base, layer, features)
        second_normalizer = self.normalizer(base + 1, layer, features)
        first_normalizer.start(first.weight)
        second_normalizer.start(second.weight)
        parts = Parts(
            first, second, passing_by, first_normalizer, second_normalizer, self.activation, self.dropout
        )
        return PreActivated(parts) if before else PostActivated(parts)

    def convolution(
        self,
        layer: int,
        number: int,
        inputs: int,
        features: int,
        kernel: int,
        stride: int = 1,
        drops: bool = True,
        averages: bool = False,
    ) -> AffineFirst:
        """One convolution with its normalizer and nonlinearity.

        number: within the block. drops: has dropout. averages: sees the averages of its input.
        """
        index = INDICES_IN_A_BLOCK * layer + number if layer > 1 else 0
        bias = has_bias(self.experiment, layer)
        affine = self.filters(inputs, features, index, bias, kernel, stride, averages)
        self.halve(stride)
        normalizer = self.normalizer(index or 1, layer, features)
        normalizer.start(affine.weight)
        dropout = self.dropout if drops else Dropout(0.0, self.dropout.rng)
        kind = _affine_first(self.experiment, layer)
        return kind(affine, normalizer, self.activation, nn.Identity(), dropout)

    def halve(self, stride: int) -> None:
        """Know that a convolution of this stride, 1 or 2, has made the maps smaller."""
        self.size = (-(-self.size[0] // stride), -(-self.size[1] // stride))

    def normalizer(self, index: int, layer: int, features: int) -> Normalizer:
        """The normalizer of a layer, counted from 1. index: of its generator."""
        if layer <= len(self.experiment.hidden) and not is_normalized(self.experiment, layer):
            return NoNormalizer(features)
        if is_per_activation(self.experiment, layer):
            return PerActivationBatchNorm(features, self.size, self.settings)
        rng = generator(self.experiment.seed, "noise", index, self.device)
        return normalizers.make(self.experiment.normalizer, features, rng, self.settings)

    def matrix(self, inputs: int, outputs: int, index: int, bias: bool) -> nn.Linear:
        """A fully connected map. index: of its weights' generator."""
        # On "meta" torch draws no weights, which would advance its global generator.
        layer = nn.Linear(inputs, outputs, bias=bias, device="meta")
        self.start(layer, index)
        return layer

    def filters(
        self,
        inputs: int,
        outputs: int,
        index: int,
        bias: bool,
        kernel: int = 3,
        stride: int = 1,
        averages: bool = False,
    ) -> nn.Conv2d:
        """A convolution that keeps the image's size, but for its stride.

        index: of its weights' generator. averages: it sees the averages of its input.
        """
        kind = ConvolutionOfAverages if averages else nn.Conv2d
        layer = kind(inputs, outputs, kernel, stride, kernel // 2, bias=bias, device="meta")
        self.start(layer, index)
        # With the channels last in memory, a CPU is 1.5 times as fast.
        weight = layer.weight.detach()
        in_blocks = self.experiment.architecture in IN_BLOCKS
        last = channels_last(weight) if in_blocks else weight.contiguous(memory_format=torch.channels_last)
        layer.weight = nn.Parameter(last)
        return layer

    @torch.no_grad()
    def start_output(self, output: nn.Linear) -> None:
        """As PyTorch starts it and as networks of blocks usually have it: uniform within ±1/√width.

        He et al. 2015 double the variance for the ReLU behind a layer, and none is behind this one.
        """
        usual = self.experiment.replace(init="uniform", init_scale=1.0)
        initialize(output.weight, usual, generator(self.experiment.seed, "weights", OUTPUT_INDEX))

    @torch.no_grad()
    def start(self, layer: nn.Linear | nn.Conv2d, index: int) -> None:
        """Give a layer the weights and the bias that it starts with."""
        layer.to_empty(device="cpu")
        initialize(layer.weight, self.experiment, generator(self.experiment.seed, "weights", index))
        if index == 0:
            layer.weight.mul_(self.experiment.first_layer_scale)
        if layer.bias is not None:
            layer.bias.zero_()


def channels_last(weight: Tensor) -> Tensor:
    """The same numbers, (outputs, inputs, height, width), with strides that say that channels are last.

    Tensor.contiguous leaves the strides of one input channel or of 1×1 filters, which fit both orders; PyTorch then
    takes the channels to be first, also in what the convolution gives, and every later layer converts.
    """
    return torch.empty_like(weight, memory_format=torch.channels_last).copy_(weight)


def _kind(experiment: Experiment, layer: int) -> type[HiddenLayer]:
    """What a hidden layer of one affine map computes. layer: counted from 1."""
    if experiment.residual != "none" and passes_by(experiment, layer):
        return {"pre": PreNormalized, "post": PostNormalized}[experiment.residual]
    return _affine_first(experiment, layer)


def _affine_first(experiment: Experiment, layer: int) -> type[AffineFirst]:
    """The same where nothing passes by."""
    after = experiment.norm_placement == "after" and is_normalized(experiment, layer)
    return NormalizedAfter if after else Block


def _weights_index(layer: int) -> int:
    """The number of a hidden layer's weights among the random generators. layer: counted from 1."""
    return layer - 1 if layer <= OUTPUT_INDEX else layer
