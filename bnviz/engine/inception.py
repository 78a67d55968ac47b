"""An Inception block with its normalizers, after Szegedy et al. 2015 and the appendix of Ioffe & Szegedy 2015.

Four branches see the same input u: a 1×1 convolution; a 1×1 and a 3×3; a 1×1 and two 3×3, in place of the 5×5; the
average over 3×3 positions and a 1×1. Each convolution has a normalizer and a nonlinearity behind it. The block's
output is the branches' outputs, feature maps beside each other; so are the values that its Probe shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnviz.engine.block import HiddenLayer, Layer, Probe
from bnviz.engine.normalizers.base import Pair


class Branch(nn.Module):
    """Pooling where the branch has it, and convolutions one behind the other."""

    def __init__(self, convolutions: Sequence[HiddenLayer], pools: bool = False) -> None:
        super().__init__()
        self.pooling = (
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False) if pools else nn.Identity()
        )
        self.convolutions = nn.ModuleList(convolutions)

    @property
    def layers(self) -> list[HiddenLayer]:
        """The convolutions, from the input on."""
        return [item for item in self.convolutions if isinstance(item, HiddenLayer)]

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs, height, width) -> (B, features, height, width)."""
        for layer in self.convolutions:
            u = layer(u)
        return u

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """The last convolution's Probe, and its output, in training mode without dropout."""
        for layer in self.layers:
            probe, u = layer.probe(u)
        return probe, u


class InceptionBlock(Layer):
    """The branches' outputs, concatenated."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs, height, width) -> (B, F, height, width)."""
        return torch.cat([branch(u) for branch in self.branches], dim=1)

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """As in Layer."""
        probes, outputs = zip(*(branch.probe(u) for branch in self._branches), strict=True)
        pre_activations = torch.cat([probe.pre_activations for probe in probes], dim=1)
        before = pre_activations
        if any(probe.before is not probe.pre_activations for probe in probes):
            before = torch.cat([probe.before for probe in probes], dim=1)
        return Probe(before, pre_activations), torch.cat(outputs, dim=1)

    @property
    def weights(self) -> list[Tensor]:
        """Those of all convolutions, branch by branch."""
        return [layer.affine.weight for branch in self._branches for layer in branch.layers]

    def scale_and_shift(self) -> Pair | None:
        """Those of each branch's last normalizer, behind each other."""
        pairs = [branch.layers[-1].scale_and_shift() for branch in self._branches]
        if any(pair is None for pair in pairs):
            return None
        gammas, betas = zip(*(pair for pair in pairs if pair is not None), strict=True)
        return _behind_each_other(gammas), _behind_each_other(betas)

    @property
    def _branches(self) -> list[Branch]:
        return [branch for branch in self.branches if isinstance(branch, Branch)]


def _behind_each_other(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
