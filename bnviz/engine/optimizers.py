"""From gradients to a step: the optimizers of an Experiment, written to be read beside their sources.

All subtract rate × step from the parameters. Each computes the step as PyTorch's optimizer of that name does, with its
defaults. g is the gradient, θ a parameter, λ the weight decay, μ the momentum.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from bnviz.experiment import Experiment

EPSILON = 1e-8
"""Added to what a step is divided by, so that it is never 0."""


class Optimizer(ABC):
    """Computes the step of each parameter, and keeps what it needs from step to step: tensors in lists, and a count.

    parameters: in the order of network.parameters(); they may change in place, not be replaced.
    taken: the steps so far, of an optimizer that counts them.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.taken = 0

    def kept(self) -> dict[str, list[Tensor]]:
        """The tensors that it keeps from step to step and changes in place, by the name of their list."""
        lists = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        return {name: value for name, value in lists.items() if name != "parameters"}

    @abstractmethod
    def step(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """What is multiplied by the rate and subtracted, shaped like the parameters.

        settings: momentum and weight decay as they are now. The tensors returned may be the optimizer's own: read
        them, do not write them.
        """

    def zeros(self) -> list[Tensor]:
        """A tensor of zeros like each parameter."""
        return [torch.zeros_like(parameter) for parameter in self.parameters]

    def decayed(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """Return g + λθ, the gradient of the loss with λ/2·‖θ‖² added to it."""
        if not settings.weight_decay:
            return gradients
        return list(torch._foreach_add(gradients, self.parameters, alpha=settings.weight_decay))


class Momentum(Optimizer):
    """v ← μv + g + λθ; the step is v. Without momentum it is plain stochastic gradient descent. As torch.optim.SGD."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters)
        self.velocities = self.zeros()

    def step(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """As in Optimizer."""
        steps = self.decayed(gradients, settings)
        if not settings.momentum:
            return steps
        torch._foreach_mul_(self.velocities, settings.momentum)
        torch._foreach_add_(self.velocities, steps)
        return self.along(steps, settings)

    def along(self, steps: list[Tensor], settings: Experiment) -> list[Tensor]:
        """The step, given g + λθ, after the velocities are new."""
        return self.velocities


class Nesterov(Momentum):
    """The step is g + λθ + μv, one step ahead of v (Nesterov 1983, as Sutskever et al. 2013 write it)."""

    def along(self, steps: list[Tensor], settings: Experiment) -> list[Tensor]:
        """As in Momentum."""
        return list(torch._foreach_add(steps, self.velocities, alpha=settings.momentum))


class RMSprop(Optimizer):
    """s ← 0.99 s + 0.01 g²; the step is g/(√s + ε), or its momentum (Tieleman & Hinton 2012).

    As torch.optim.RMSprop.
    """

    DECAY = 0.99

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters)
        self.squares = self.zeros()
        self.velocities = self.zeros()

    def step(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """As in Optimizer."""
        steps = self.decayed(gradients, settings)
        torch._foreach_mul_(self.squares, self.DECAY)
        torch._foreach_addcmul_(self.squares, steps, steps, value=1 - self.DECAY)
        sizes = torch._foreach_sqrt(self.squares)
        torch._foreach_add_(sizes, EPSILON)
        scaled = torch._foreach_div(steps, sizes)
        if not settings.momentum:
            return list(scaled)
        torch._foreach_mul_(self.velocities, settings.momentum)
        torch._foreach_add_(self.velocities, scaled)
        return self.velocities


class Adam(Optimizer):
    """The step is m̂/(√ŝ + ε), from averages of g and g² (Kingma & Ba 2015, Algorithm 1). As torch.optim.Adam.

    m ← β₁m + (1 − β₁)g and s ← β₂s + (1 − β₂)g², divided by 1 − β₁ᵗ and 1 − β₂ᵗ since both begin at 0. Weight decay
    is part of g, as in the loss.
    """

    BETA_1, BETA_2 = 0.9, 0.999

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters)
        self.means = self.zeros()
        self.squares = self.zeros()

    def step(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """As in Optimizer."""
        return self.scaled(self.decayed(gradients, settings))

    def scaled(self, steps: list[Tensor]) -> list[Tensor]:
        """m̂/(√ŝ + ε) after this gradient."""
        self.taken += 1
        torch._foreach_lerp_(self.means, steps, 1 - self.BETA_1)
        torch._foreach_mul_(self.squares, self.BETA_2)
        torch._foreach_addcmul_(self.squares, steps, steps, value=1 - self.BETA_2)
        sizes = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(sizes, math.sqrt(1 - self.BETA_2**self.taken))
        torch._foreach_add_(sizes, EPSILON)
        torch._foreach_mul_(sizes, 1 - self.BETA_1**self.taken)
        return list(torch._foreach_div(self.means, sizes))


class AdamW(Adam):
    """Adam's step plus λθ: the decay is not divided by √ŝ (Loshchilov & Hutter 2019). As torch.optim.AdamW."""

    def step(self, gradients: list[Tensor], settings: Experiment) -> list[Tensor]:
        """As in Optimizer."""
        return self.decayed(self.scaled(gradients), settings)


OPTIMIZER_CLASSES: Mapping[str, type[Optimizer]] = MappingProxyType(
    {"sgd": Momentum, "nesterov": Nesterov, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW}
)
"""By the name in an Experiment."""


def clipped(gradients: list[Tensor], longest: float) -> list[Tensor]:
    """The gradients, scaled down together if their common length exceeds `longest` (Pascanu et al. 2013).

    As torch.nn.utils.clip_grad_norm_, which adds 1e-6 to the length before dividing.
    """
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return list(torch._foreach_mul(gradients, torch.clamp(longest / (length + 1e-6), max=1.0)))
