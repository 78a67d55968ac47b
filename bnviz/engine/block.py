"""One hidden layer, with its normalizer in one of the places that the literature names.

u is the layer's input, z its output, A its affine map Wu + b, g its nonlinearity, N its normalizer. Pooling, where a
convolutional layer has it, is the last thing done; dropout silences what g lets through.

Block            z = g(N(A(u)))      Ioffe & Szegedy 2015, Section 3.2
NormalizedAfter  z = N(g(A(u)))      the order that is asked about most
PreNormalized    z = u + A(g(N(u)))  He et al. 2016, "Identity Mappings", Figure 4e; Xiong et al. 2020, Pre-LN
PostNormalized   z = N(u + g(A(u)))  Vaswani et al. 2017; Xiong et al. 2020, Post-LN
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bnviz.engine.normalizers import NoNormalizer, Normalizer
from bnviz.engine.normalizers.base import Pair


@dataclass(frozen=True)
class Probe:
    """The values inside one hidden layer, each (B, F) or (B, F, height, width).

    before: the input of the normalizer; of a layer without one the same tensor as pre_activations.
    pre_activations: the input of the nonlinearity.
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


Step = Callable[[Tensor], Tensor]


class Layer(nn.Module, ABC):
    """What the network and the recorder see of a hidden layer, whether it has one affine map or several."""

    @abstractmethod
    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """The layer's Probe of u in training mode without dropout, and its output."""

    @property
    @abstractmethod
    def weights(self) -> list[Tensor]:
        """Those of its affine maps."""

    @abstractmethod
    def scale_and_shift(self) -> Pair | None:
        """What Normalizer.scale_and_shift says, for the features of the Probe."""


class HiddenLayer(Layer):
    """An affine map, a normalizer, a nonlinearity, pooling where the layer has it, dropout."""

    def __init__(
        self,
        affine: nn.Linear | nn.Conv2d,
        normalizer: Normalizer,
        activation: Step,
        pooling: nn.Module,
        dropout: Dropout,
    ) -> None:
        super().__init__()
        self.affine = affine
        self.normalizer = normalizer
        self.activation = activation
        self.pooling = pooling
        self.dropout = dropout

    @abstractmethod
    def computed(self, u: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The inputs of the normalizer and of the nonlinearity, and the layer's output, given its input."""

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs) -> (B, F), or (B, inputs, height, width) -> (B, F, height, width), halved if pooled."""
        return self.computed(u, self.normalizer, self.dropout)[2]

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """The layer's Probe of u in training mode without dropout, and its output."""
        return self.probed(*self.computed(u, self.normalizer.as_in_training, kept))

    def probed(self, before: Tensor, pre_activations: Tensor, z: Tensor) -> tuple[Probe, Tensor]:
        """The Probe of what was computed, and the output."""
        if isinstance(self.normalizer, NoNormalizer):
            before = pre_activations
        return Probe(before, pre_activations), z

    @property
    def weights(self) -> list[Tensor]:
        """The affine map's."""
        return [self.affine.weight]

    def scale_and_shift(self) -> Pair | None:
        """The normalizer's."""
        return self.normalizer.scale_and_shift()

    def mapped(self, u: Tensor) -> Tensor:
        """Wu + b, with W as the normalizer makes it of the affine map's parameter."""
        return mapped(self.affine, self.normalizer, u)


class AffineFirst(HiddenLayer, ABC):
    """A hidden layer whose affine map is the first thing done, so that layers of one input can share it."""

    @abstractmethod
    def followed(self, y: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As `computed`, given the affine map's output y."""

    def computed(self, u: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in HiddenLayer."""
        return self.followed(self.mapped(u), normalize, drop)


class Block(AffineFirst):
    """z = g(N(A(u)))."""

    def followed(self, y: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in AffineFirst."""
        pre_activations = normalize(y)
        return y, pre_activations, drop(self.passed_on(pre_activations))

    def passed_on(self, pre_activations: Tensor) -> Tensor:
        """The layer's output before dropout, given the input of its nonlinearity."""
        z: Tensor = self.pooling(self.normalizer.after_activation(self.activation(pre_activations)))
        return z


class NormalizedAfter(AffineFirst):
    """z = N(g(A(u))): γ and β, too, stand behind the nonlinearity."""

    def followed(self, y: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in AffineFirst."""
        before = self.activation(y)
        return before, y, drop(self.pooling(normalize(before)))


class PreNormalized(HiddenLayer):
    """z = u + A(g(N(u))), for a layer as wide as the one before it; the identity is never normalized."""

    def computed(self, u: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in HiddenLayer."""
        pre_activations = normalize(u)
        return u, pre_activations, self.pooling(u + self.mapped(drop(self.activation(pre_activations))))


class PostNormalized(HiddenLayer):
    """z = N(u + g(A(u))), for a layer as wide as the one before it."""

    def computed(self, u: Tensor, normalize: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in HiddenLayer."""
        pre_activations = self.mapped(u)
        before = u + drop(self.activation(pre_activations))
        return before, pre_activations, self.pooling(normalize(before))


def mapped(affine: nn.Linear | nn.Conv2d, normalizer: Normalizer, u: Tensor) -> Tensor:
    """Wu + b, with W as the normalizer makes it of the affine map's parameter."""
    weight, bias = normalizer.weight(affine.weight), affine.bias
    if not isinstance(affine, nn.Conv2d):
        return F.linear(u, weight, bias)
    return convolved(affine, u, weight, bias)


def convolved(affine: nn.Linear | nn.Conv2d, u: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Wu + b with this weight and bias in place of the convolution's own."""
    if not isinstance(affine, nn.Conv2d):
        raise TypeError("affine is not allowed here; allowed is a convolution")
    return averaged_if_asked(affine, F.conv2d(u, weight, bias, affine.stride, affine.padding))


def averaged_if_asked(affine: nn.Module, y: Tensor) -> Tensor:
    """A convolution's output y, averaged where the convolution is one of averages."""
    return average_of_neighbours(y) if isinstance(affine, ConvolutionOfAverages) else y


class ConvolutionOfAverages(nn.Conv2d):
    """A 1×1 convolution of the averages over 3×3 positions, fewer at the image's edge.

    The two commute: the averages are taken of what the convolution gives, which has fewer channels here.
    """


def average_of_neighbours(y: Tensor) -> Tensor:
    """Over 3×3 positions, those outside of the image left out. (B, F, height, width) -> the same shape."""
    return F.avg_pool2d(y, 3, stride=1, padding=1, count_include_pad=False)


def kept(z: Tensor) -> Tensor:
    """z: what dropout does where nothing is silenced."""
    return z
