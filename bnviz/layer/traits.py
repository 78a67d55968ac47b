"""What each normalizer by statistics does with the values that share them, in one table.

With μ and σ² of such a set: x̂ = (x − μ)/√(σ² + ε), or the part of it that the normalizer does, and y = γ·x̂ + β.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """subtracts: whether it subtracts μ. divides: whether it divides by √(σ² + ε). around_mean: whether σ² is around
    the mean; otherwise it is the mean square. scaled, shifted: whether it has γ, and β. corrected: whether x̂ is
    multiplied by r and moved by d, which are constants to the gradient (Ioffe 2017)."""

    subtracts: bool = True
    divides: bool = True
    around_mean: bool = True
    scaled: bool = True
    shifted: bool = True
    corrected: bool = False


TRAITS = {
    "batch": Traits(),
    "ghost-batch": Traits(),
    "layer": Traits(),
    "group": Traits(),
    "instance": Traits(),
    "rms": Traits(subtracts=False, around_mean=False, shifted=False),
    "mean-only": Traits(divides=False, scaled=False),
    "variance-only": Traits(subtracts=False, shifted=False),
    "batch-renorm": Traits(corrected=True),
}
"""By the normalizer's name. All but "instance" are defined for fully connected layers; all are for feature maps."""
