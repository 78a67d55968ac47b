"""Full whitening, which Section 3 of the paper starts from and then simplifies.

Cov[x]^(−1/2)·(x − E[x]): every feature with mean 0 and variance 1, and no two features correlated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bnviz.engine.normalizers.base import DEFAULT, Normalizer, Settings, group_ids, scaled_and_shifted

WHITENING_EPSILON = 1e-2
"""Added to each eigenvalue of the covariance, so that directions in which the mini-batches hardly vary are
not blown up. With 1e-5, that of batch normalization, three layers of 100 units trained as well on digits
in mini-batches of 60, whose covariance is singular, but their inference by running statistics was wrong
on 86 % of the examples; with 1e-2 on 5 %."""


class InverseSquareRoot(torch.autograd.Function):
    """(C + εI)^(−1/2) of a covariance C, (F, F), with a derivative that repeated eigenvalues leave finite.

    With C + εI = U·diag(s²)·Uᵀ the result is U·diag(1/s)·Uᵀ, and its derivative along a symmetric dC is
    U·(K ∘ Uᵀ dC U)·Uᵀ with K_ij = (1/s_i − 1/s_j)/(s_i² − s_j²) (Daleckii and Krein 1951). Written as
    −1/(s_i·s_j·(s_i + s_j)) K has no difference in it, so it also holds where eigenvalues coincide, as
    they do in a covariance of fewer examples than features; autograd through torch.linalg.eigh, which
    differentiates the eigenvectors themselves, divides by zero there.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, epsilon: float) -> Tensor:
        """Covariance: (F, F), symmetric; positive semidefinite up to rounding."""
        eigenvalues, vectors = torch.linalg.eigh(covariance)
        roots = (eigenvalues.clamp_min(0.0) + epsilon).sqrt()  # s; rounding leaves some 0 slightly negative
        ctx.save_for_backward(roots, vectors)
        result: Tensor = (vectors / roots) @ vectors.T
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient with respect to the covariance."""
        roots, vectors = ctx.saved_tensors
        rows, columns = roots.unsqueeze(1), roots.unsqueeze(0)
        K = -1.0 / (rows * columns * (rows + columns))
        return vectors @ (K * (vectors.T @ gradient @ vectors)) @ vectors.T, None


def whitening_matrix(covariance: Tensor, epsilon: float = WHITENING_EPSILON) -> Tensor:
    """(C + εI)^(−1/2), (F, F), or NaN where C is not finite, as in a network that diverges."""
    if not covariance.isfinite().all():
        return torch.full_like(covariance, torch.nan)
    matrix: Tensor = InverseSquareRoot.apply(covariance, epsilon)  # type: ignore[no-untyped-call]
    return matrix


class Whitening(Normalizer):
    """ZCA whitening: y = γ·x̂ + β with x̂ = (C + εI)^(−1/2)·(x − μ), by the mini-batch's mean μ and covariance C.

    Gradients flow through both. In evaluation mode the moving averages of μ and of the unbiased C stand
    in for them, in the manner of Algorithm 2: the average of the whitening matrices themselves would be
    ruled by the 1/√ε of the directions that single mini-batches happened not to cover.
    Covariance and eigenvectors are computed in float64, on the CPU where the device has none.
    gamma, beta: (F,), learned. running_mean: (F,). running_covariance: (F, F).
    """

    running_mean: Tensor
    running_covariance: Tensor

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.momentum = settings.momentum
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_covariance", torch.eye(features))

    def forward(self, x: Tensor) -> Tensor:
        """Whiten by the batch's own statistics in training, by the running ones in evaluation mode."""
        if not self.training:
            return self.whitened(x, self.running_mean, _exact(self.running_covariance))
        mean, covariance = self.statistics(x)
        values = x.numel() // len(mean)
        with torch.no_grad():  # running statistics are observed, not learned
            unbiased = covariance * values / (values - 1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_covariance.lerp_(unbiased.to(self.running_covariance), self.momentum)
        return self.whitened(x, mean, covariance)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Whiten by x's own statistics and remember none of them."""
        return self.whitened(x, *self.statistics(x))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature share a mean; the covariance joins all features besides."""
        return group_ids(shape, apart=[1])

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean (F,) and the biased covariance (F, F), in float64, of the mini-batch x."""
        values = _rows(x)
        mean = values.mean(0)
        centered = _exact(values - mean)
        return mean, centered.T @ centered / len(values)

    def whitened(self, x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
        """γ·(C + εI)^(−1/2)·(x − μ) + β, shaped like x."""
        x_hat = (_rows(x) - mean) @ whitening_matrix(covariance).to(x)  # (values, F); the matrix is symmetric
        if x.dim() > 2:
            batch, features, height, width = x.shape
            x_hat = x_hat.view(batch, height, width, features).permute(0, 3, 1, 2)
        return scaled_and_shifted(x_hat, self.gamma, self.beta)


def _rows(x: Tensor) -> Tensor:
    """The values of x as (values, F): a row for each example, and for each position of a feature map."""
    return x if x.dim() == 2 else x.permute(0, 2, 3, 1).flatten(0, 2)


def _exact(x: Tensor) -> Tensor:
    """The values of x in float64, moved to the CPU from a device that has no float64."""
    return x.to("cpu" if x.device.type == "mps" else x.device, torch.float64)
