"""A training step's loss and gradients, in two ways that agree bit for bit.

`Autograd` takes any network. `ChainRule` applies the chain rule layer by layer, as on paper, through the
statistics too. It takes fully connected networks, plain or with batch, layer, group, RMS or weight normalization. It
does the operations that autograd does, but builds no graph, which takes a fifth of a step in small networks.

Shapes: B examples in the mini-batch, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.block import Block, HiddenLayer, NormalizedAfter
from bnviz.engine.network import Network, unchanged
from bnviz.engine.normalizers import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    NoNormalizer,
    Normalizer,
    RMSNorm,
    WeightNorm,
)
from bnviz.recording.nonlinearities import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE

aten = torch.ops.aten

MEAN, NONE_IGNORED = 1, -100
"""PyTorch's codes: the loss is the mean over the examples; no label is ignored."""


class Differentiation(Protocol):
    """Computes a mini-batch's loss and then, if the loss is finite, its gradients."""

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy, a scalar, of inputs (B, inputs) and labels (B,), in training mode."""

    def gradients(self) -> Sequence[Tensor]:
        """Those of the last loss, for each of network.parameters() in their order."""


def differentiation(network: Network) -> Differentiation:
    """The faster one of the two that takes this network."""
    return ChainRule(network) if ChainRule.takes(network) else Autograd(network)


class Autograd:
    """By PyTorch's autograd, for every network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.parameters = list(network.parameters())

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """As in Differentiation."""
        self.last = F.cross_entropy(self.network(inputs), labels)
        return self.last

    def gradients(self) -> tuple[Tensor, ...]:
        """As in Differentiation."""
        gradients = torch.autograd.grad(self.last, self.parameters)
        self.last = self.last.detach()  # frees the graph, which a deep copy of the Trainer could not copy
        return gradients


class ChainRule:
    """Link by link, forward and then backward. The network's parameters may change in place, not be replaced."""

    def __init__(self, network: Network) -> None:
        affine = [_affine(block) for block in network.hidden]
        links: list[Link] = []
        for own, block in zip(affine, network.hidden, strict=True):
            normalization, nonlinearity = _normalization(block.normalizer), Nonlinearity(block.activation)
            after = isinstance(block, NormalizedAfter)
            links += [own, nonlinearity, *normalization] if after else [own, *normalization, nonlinearity]
        links.append(Affine(network.output))
        self.forward_links: list[Link] = [*_normalization(network.input_normalizer), *links]
        self.backward_links = links[:0:-1]
        self.first = affine[0]  # its input needs no gradient
        self.cross_entropy = CrossEntropy(network.output.weight.dtype)

    @staticmethod
    def takes(network: Network) -> bool:
        """Whether all layers are of the kinds below, fully connected, without dropout, and on the CPU."""
        if network.shape is not None:
            return False
        normalizers = [network.input_normalizer, *(block.normalizer for block in network.hidden)]
        return (
            all(parameter.device.type == "cpu" for parameter in network.parameters())
            and all(type(block) in (Block, NormalizedAfter) for block in network.hidden)
            and all(
                type(normalizer) in (NoNormalizer, WeightNorm, *NORMALIZATIONS) for normalizer in normalizers
            )
            and all(block.activation in NONLINEARITIES for block in network.hidden)
            and not any(block.dropout.share for block in network.hidden)
        )

    @torch.no_grad()
    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """As in Differentiation."""
        values = inputs
        for link in self.forward_links:
            values = link.forward(values)
        return self.cross_entropy.forward(values, labels)

    @torch.no_grad()
    def gradients(self) -> list[Tensor]:
        """As in Differentiation."""
        gradient = self.cross_entropy.backward()
        found: list[Tensor] = []
        for link in self.backward_links:
            own, gradient = link.backward(gradient)
            found[:0] = own
        return [*self.first.gradients(gradient), *found]


class Link(Protocol):
    """One function y = f(x) of the chain; `forward` saves what `backward` needs."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute y."""

    def backward(self, gradient: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """From ∂ℓ/∂y: the gradients of its own parameters, and ∂ℓ/∂x."""


class Affine:
    """y = xWᵀ + b, or without b: ∂ℓ/∂W = (∂ℓ/∂y)ᵀx, ∂ℓ/∂b = Σ ∂ℓ/∂y over the mini-batch, ∂ℓ/∂x = (∂ℓ/∂y)W."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, F)."""
        self.x = x
        return F.linear(x, self.weight, self.bias)

    def gradients(self, gradient: Tensor) -> list[Tensor]:
        """Of W, and of b if there is one."""
        of_weight = torch.mm(gradient.t(), self.x)
        return [of_weight] if self.bias is None else [of_weight, gradient.sum(0)]

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link."""
        return self.gradients(gradient), torch.mm(gradient, self.weight)


class NormalizedAffine(Affine):
    """y = xWᵀ + b with W = g·v/‖v‖, weight normalization: ∂ℓ/∂W is passed on to v and g."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, normalizer: WeightNorm) -> None:
        super().__init__(layer)
        self.v, self.g = layer.weight, normalizer.g

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, F)."""
        self.weight, self.norms = aten._weight_norm_interface.default(self.v, self.g.view(-1, 1), 0)
        return super().forward(x)

    def gradients(self, gradient: Tensor) -> list[Tensor]:
        """Of v, of b if there is one, and of g."""
        of_weight, *of_bias = super().gradients(gradient)
        of_v, of_g = aten._weight_norm_interface_backward.default(
            of_weight, self.v, self.g.view(-1, 1), self.norms, 0
        )
        return [of_v, *of_bias, of_g.flatten()]


class Normalization:
    """Algorithm 1, y = γx̂ + β, and Section 3's gradients through it.

    With g = ∂ℓ/∂y, means and sums over the mini-batch, they come to ∂ℓ/∂γ = Σ g·x̂, ∂ℓ/∂β = Σ g and
    ∂ℓ/∂x = γ/√(σ² + ε) · (g − mean(g) − x̂·mean(g·x̂)).
    """

    def __init__(self, normalizer: BatchNorm) -> None:
        self.gamma, self.beta = normalizer.gamma, normalizer.beta
        self.running = (normalizer.running_mean, normalizer.running_var)
        self.momentum, self.epsilon = normalizer.momentum, normalizer.epsilon
        self.wanted = [True, self.gamma is not None, self.beta is not None]

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, F); updates the running statistics."""
        self.x = x
        y: Tensor
        y, *self.statistics = torch.native_batch_norm(
            x, self.gamma, self.beta, *self.running, True, self.momentum, self.epsilon
        )
        return y

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link."""
        of_x, *own = aten.native_batch_norm_backward.default(
            gradient, self.x, self.gamma, *self.running, *self.statistics, True, self.epsilon, self.wanted
        )
        return ([] if self.gamma is None else own), of_x


class LayerNormalization:
    """y = γx̂ + β, and the gradients of Normalization with means over the features, for each example by itself."""

    def __init__(self, normalizer: LayerNorm) -> None:
        self.gamma, self.beta, self.epsilon = normalizer.gamma, normalizer.beta, normalizer.epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, F)."""
        self.x = x
        y: Tensor
        y, *self.statistics = torch.native_layer_norm(x, x.shape[1:], self.gamma, self.beta, self.epsilon)
        return y

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link."""
        of_x, *own = aten.native_layer_norm_backward.default(
            gradient, self.x, self.x.shape[1:], *self.statistics, self.gamma, self.beta, [True, True, True]
        )
        return own, of_x


class GroupNormalization:
    """The same for each group of features of an example."""

    def __init__(self, normalizer: GroupNorm) -> None:
        self.gamma, self.beta = normalizer.gamma, normalizer.beta
        self.groups, self.epsilon = normalizer.groups, normalizer.epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, F)."""
        batch, features = x.shape
        self.x, self.sizes = x, (batch, features, 1, self.groups)
        y: Tensor
        y, *self.statistics = torch.native_group_norm(x, self.gamma, self.beta, *self.sizes, self.epsilon)
        return y

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link."""
        of_x, *own = aten.native_group_norm_backward.default(
            gradient, self.x, *self.statistics, self.gamma, *self.sizes, [True, True, True]
        )
        return own, of_x


class RMSNormalization:
    """y = γ·x·r with r = 1/√(mean(x²) + ε), the mean over the features of one example.

    With g = ∂ℓ/∂y: ∂ℓ/∂γ = Σ g·x·r over the mini-batch, and ∂ℓ/∂x = γ·g·r − x·r³·mean(γ·g·x).
    """

    def __init__(self, normalizer: RMSNorm) -> None:
        self.gamma, self.epsilon = normalizer.gamma, normalizer.epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, F)."""
        self.x = x
        self.r = x.pow(2).mean(1, keepdim=True).add_(self.epsilon).rsqrt_()
        self.divided = x * self.r
        return self.divided * self.gamma

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link."""
        of_divided = gradient * self.gamma
        of_r = (of_divided * self.x).sum(1, keepdim=True)
        of_mean = -0.5 * of_r * self.r.pow(3)
        of_x = of_divided * self.r + (of_mean / self.x.shape[1]) * (2.0 * self.x)
        return [(gradient * self.divided).sum(0)], of_x


class Nonlinearity:
    """z = g(y), and ∂ℓ/∂y = g′(y)·∂ℓ/∂z.

    Of some the slope follows from z alone: σ′ = z(1 − z), tanh′ = 1 − z², ReLU′ = 1 where z > 0.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.kernel = NONLINEARITIES[function]

    def forward(self, y: Tensor) -> Tensor:
        """(B, F) -> (B, F)."""
        self.y, self.z = y, self.function(y)
        return self.z

    def backward(self, gradient: Tensor) -> tuple[list[Tensor], Tensor]:
        """As in Link; it has no parameters."""
        return [], self.kernel(gradient, self.y, self.z)


class CrossEntropy:
    """ℓ = mean of −log softmax at the labels: ∂ℓ/∂scores = (softmax − one-hot)/B."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.one = torch.ones((), dtype=dtype)  # ∂ℓ/∂ℓ

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """(B, classes), (B,) -> ()."""
        self.labels = labels
        self.logarithms = torch.log_softmax(scores, 1)
        loss: Tensor
        loss, self.weight = aten.nll_loss_forward.default(self.logarithms, labels, None, MEAN, NONE_IGNORED)
        return loss

    def backward(self) -> Tensor:
        """∂ℓ/∂scores, (B, classes)."""
        gradient = aten.nll_loss_backward.default(
            self.one, self.logarithms, self.labels, None, MEAN, NONE_IGNORED, self.weight
        )
        of_scores: Tensor = aten._log_softmax_backward_data.default(
            gradient, self.logarithms, 1, self.logarithms.dtype
        )
        return of_scores


NONLINEARITIES: dict[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    torch.sigmoid: lambda gradient, y, z: aten.sigmoid_backward.default(gradient, z),
    torch.tanh: lambda gradient, y, z: aten.tanh_backward.default(gradient, z),
    torch.relu: lambda gradient, y, z: aten.threshold_backward.default(gradient, z, threshold=0.0),
    F.leaky_relu: lambda gradient, y, z: aten.leaky_relu_backward.default(gradient, y, LEAKY_SLOPE, False),
    F.elu: lambda gradient, y, z: aten.elu_backward.default(gradient, 1.0, 1.0, 1.0, False, y),
    F.selu: lambda gradient, y, z: aten.elu_backward.default(gradient, SELU_ALPHA, SELU_SCALE, 1.0, False, y),
    F.gelu: lambda gradient, y, z: aten.gelu_backward.default(gradient, y),
    F.silu: lambda gradient, y, z: aten.silu_backward.default(gradient, y),
    F.softplus: lambda gradient, y, z: aten.softplus_backward.default(gradient, y, 1.0, 20.0),
    unchanged: lambda gradient, y, z: gradient,
}
"""Each nonlinearity's kernel that computes ∂ℓ/∂y from ∂ℓ/∂z, y and z."""


NORMALIZATIONS: dict[type[Normalizer], Callable[..., Link]] = {
    BatchNorm: Normalization,
    LayerNorm: LayerNormalization,
    GroupNorm: GroupNormalization,
    RMSNorm: RMSNormalization,
}
"""The link for each kind of normalizer that is taken."""


def _affine(layer: HiddenLayer) -> Affine:
    if isinstance(layer.normalizer, WeightNorm):
        return NormalizedAffine(layer.affine, layer.normalizer)
    return Affine(layer.affine)


def _normalization(normalizer: Normalizer) -> list[Link]:
    link = NORMALIZATIONS.get(type(normalizer))
    return [] if link is None else [link(normalizer)]
