"""An Inception block with its normalizers, after Szegedy et al. 2015 and the appendix of Ioffe & Szegedy 2015.

Four branches see the same input u: a 1×1 convolution; a 1×1 and a 3×3; a 1×1 and two 3×3, in place of the 5×5; the
average over 3×3 positions and a 1×1. Each convolution has a normalizer and a nonlinearity behind it. The block's
output is the branches' outputs, feature maps beside each other; so are the values that its Probe shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.block import AffineFirst, Layer, Probe, averaged_if_asked, convolved, kept
from bnviz.engine.folded import folded, is_foldable
from bnviz.engine.normalizers.base import Pair


class Branch(nn.Module):
    """Convolutions one behind the other, the first of them 1×1."""

    def __init__(self, convolutions: Sequence[AffineFirst]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)

    @property
    def layers(self) -> list[AffineFirst]:
        """The convolutions, from the input on."""
        return [item for item in self.convolutions if isinstance(item, AffineFirst)]

    def forward(self, y: Tensor) -> Tensor:
        """What the first convolution gives, (B, features, height, width), to the branch's output, as large."""
        first, *others = self.layers
        z = first.followed(y, first.normalizer, first.dropout)[2]
        for layer in others:
            z = layer(z)
        return z

    def inferred(self, y: Tensor) -> Tensor:
        """The same in inference mode. y: what the first convolution gives with its normalizer folded into it."""
        first, *others = self.layers
        z = first.followed(y, kept, kept)[2]
        for layer in others:
            z = layer.followed(convolved(layer.affine, z, *folded(layer)), kept, kept)[2]
        return z

    def probe(self, y: Tensor) -> tuple[Probe, Tensor]:
        """The last convolution's Probe, and its output, in training mode without dropout. y: as in `forward`."""
        first, *others = self.layers
        probe, z = first.probed(*first.followed(y, first.normalizer.as_in_training, kept))
        for layer in others:
            probe, z = layer.probe(z)
        return probe, z


class InceptionBlock(Layer):
    """The branches' outputs, concatenated."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs, height, width) -> (B, F, height, width)."""
        if all(is_foldable(layer) for branch in self.parts for layer in branch.layers):
            maps = self.first_maps(u, [folded(branch.layers[0]) for branch in self.parts])
            outputs = [branch.inferred(y) for branch, y in zip(self.parts, maps, strict=True)]
        else:
            maps = self.first_maps(u, self.firsts)
            outputs = [branch(y) for branch, y in zip(self.parts, maps, strict=True)]
        return torch.cat(outputs, dim=1)

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """As in Layer."""
        maps = self.first_maps(u, self.firsts)
        each = [branch.probe(y) for branch, y in zip(self.parts, maps, strict=True)]
        probes, outputs = zip(*each, strict=True)
        pre_activations = torch.cat([probe.pre_activations for probe in probes], dim=1)
        before = pre_activations
        if any(probe.before is not probe.pre_activations for probe in probes):
            before = torch.cat([probe.before for probe in probes], dim=1)
        return Probe(before, pre_activations), torch.cat(outputs, dim=1)

    @property
    def firsts(self) -> list[tuple[Tensor, Tensor | None]]:
        """The filters and the bias of each branch's first convolution."""
        layers = [branch.layers[0] for branch in self.parts]
        return [(layer.normalizer.weight(layer.affine.weight), layer.affine.bias) for layer in layers]

    def first_maps(self, u: Tensor, firsts: Sequence[tuple[Tensor, Tensor | None]]) -> list[Tensor]:
        """What each branch's first convolution gives, in one convolution of all their filters: half the time.

        firsts: as the property gives them, or folded.
        """
        weights, biases = zip(*firsts, strict=True)
        bias = None if biases[0] is None else torch.cat(biases)
        together = F.conv2d(u, torch.cat(weights), bias)
        maps = torch.split(together, [len(weight) for weight in weights], dim=1)
        return [
            averaged_if_asked(branch.layers[0].affine, each.contiguous(memory_format=torch.channels_last))
            for branch, each in zip(self.parts, maps, strict=True)
        ]

    @property
    def weights(self) -> list[Tensor]:
        """Those of all convolutions, branch by branch."""
        return [layer.affine.weight for branch in self.parts for layer in branch.layers]

    def scale_and_shift(self) -> Pair | None:
        """Those of each branch's last normalizer, behind each other."""
        pairs = [branch.layers[-1].scale_and_shift() for branch in self.parts]
        if any(pair is None for pair in pairs):
            return None
        gammas, betas = zip(*(pair for pair in pairs if pair is not None), strict=True)
        return _behind_each_other(gammas), _behind_each_other(betas)

    @property
    def parts(self) -> list[Branch]:
        """The branches, in the order of their outputs."""
        return [branch for branch in self.branches if isinstance(branch, Branch)]


def _behind_each_other(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
