"""What the widths in an Experiment's `hidden` mean for each kind of network.

Layers are counted from 1 at the input. In "mlp" and "conv" each is one affine map. In "inception" and "residual" the
first is a 3×3 convolution with stride 2, the stem, and each of the others is a block of several convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bnviz.experiment.knob import MAX_CHANNELS, MAX_CONVOLUTIONS, short_repr

if TYPE_CHECKING:
    from bnviz.experiment.experiment import Experiment

CONVOLUTIONAL = frozenset({"conv", "inception", "residual"})
"""The kinds whose units are feature maps."""

IN_BLOCKS = frozenset({"inception", "residual"})
"""The kinds that begin with a stem and go on with blocks."""

BRANCHES = 4
"""The branches of an Inception block."""


@dataclass(frozen=True)
class BranchWidths:
    """The feature maps within an Inception block (Szegedy et al. 2015, with two 3×3 in place of the 5×5).

    single: of the 1×1 convolution. reduced: of the 1×1 before a 3×3, and before two of them. three: of the 3×3.
    double: of each of the two 3×3. pooled: of the 1×1 behind the pooling.
    """

    single: int
    reduced: int
    three: int
    double: int
    pooled: int

    @property
    def all(self) -> tuple[int, ...]:
        """Of each convolution, branch by branch."""
        reduced, double = self.reduced, self.double
        return (self.single, reduced, self.three, reduced, double, double, self.pooled)


def branch_widths(features: int) -> BranchWidths:
    """Of a block that gives `features` maps: a quarter from each branch, what is left over from the first."""
    quarter = features // BRANCHES
    return BranchWidths(features - 3 * quarter, max(1, quarter // 2), quarter, quarter, quarter)


def convolution_widths(experiment: Experiment, layer: int) -> tuple[int, ...]:
    """The features of each affine map in a layer: what a normalizer there receives."""
    features = experiment.hidden[layer - 1]
    if layer == 1 or experiment.architecture not in IN_BLOCKS:
        return (features,)
    if experiment.architecture == "inception":
        return branch_widths(features).all
    received = experiment.hidden[layer - 2] if experiment.residual == "pre" else features
    return received, features


def layer_names(experiment: Experiment) -> tuple[str, ...]:
    """What each layer is called: "layer 1" and so on, or "stem", "block 1" and so on."""
    count = len(experiment.hidden)
    if experiment.architecture in IN_BLOCKS:
        return ("stem", *(f"block {number}" for number in range(1, count)))
    return tuple(f"layer {number}" for number in range(1, count + 1))


def conflicts(experiment: Experiment, has_images: bool) -> list[str]:
    """One sentence for each value that does not go together with the kind of network."""
    found: list[str] = []
    kind, hidden = experiment.architecture, experiment.hidden
    if kind not in CONVOLUTIONAL:
        return found
    if not has_images:
        found.append(
            f"architecture = {kind!r} needs images and dataset = {experiment.dataset!r} has none; "
            "allowed is architecture = 'mlp', or dataset = 'digits' and others of images"
        )
    if len(hidden) > MAX_CONVOLUTIONS or max(hidden) > MAX_CHANNELS:
        found.append(
            f"hidden = {short_repr(experiment.text(hidden))} is too large for architecture = {kind!r}; "
            f"allowed is 1 to {MAX_CONVOLUTIONS} layers of 1 to {MAX_CHANNELS} channels"
        )
    if kind == "inception" and any(width < BRANCHES for width in hidden[1:]):
        found.append(
            f"hidden = {short_repr(experiment.text(hidden))} has a block of fewer than {BRANCHES} channels; "
            f"allowed with architecture = 'inception' are {BRANCHES} and more in each block, such as 16-48-64-64"
        )
    return found
