"""An affine map and the batch normalization behind it as one affine map, which inference mode allows.

There E[x] and Var[x] are fixed, so that y = γ·(x − E[x])/√(Var[x] + ε) + β is linear in x (Ioffe & Szegedy 2015,
Algorithm 2, line 11). With x = Wu + b and s = γ/√(Var[x] + ε) it is y = (s·W)u + s·(b − E[x]) + β, but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bnviz.engine.block import AffineFirst, Block
from bnviz.engine.normalizers import BatchNorm


def is_foldable(layer: AffineFirst) -> bool:
    """Whether batch normalization, in inference mode, stands right behind the layer's affine map."""
    return not layer.training and type(layer) is Block and type(layer.normalizer) is BatchNorm


def folded(layer: AffineFirst) -> tuple[Tensor, Tensor]:
    """The weights and the bias of the one affine map. Raises ValueError where there is none."""
    normalizer, affine = layer.normalizer, layer.affine
    if not is_foldable(layer) or not isinstance(normalizer, BatchNorm):
        raise ValueError(
            "the layer is not allowed here; allowed is one with batch normalization, in inference mode"
        )
    scale = torch.rsqrt(normalizer.running_var + normalizer.epsilon)
    if normalizer.gamma is not None:
        scale = scale * normalizer.gamma
    shift = -normalizer.running_mean if affine.bias is None else affine.bias - normalizer.running_mean
    bias = scale * shift if normalizer.beta is None else torch.addcmul(normalizer.beta, scale, shift)
    return affine.weight * scale.view(-1, *[1] * (affine.weight.dim() - 1)), bias
