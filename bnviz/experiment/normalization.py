"""How an Experiment's settings of normalization go together: which have an effect, and which exclude each other.

Layers are counted from 1 at the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnviz.experiment.architecture import CONVOLUTIONAL, IN_BLOCKS, convolution_widths
from bnviz.experiment.knob import ALL_LAYERS, NORMALIZERS, layer_numbers, short_repr

if TYPE_CHECKING:
    from bnviz.experiment.experiment import Experiment

MAX_UNITS = 20_000
"""Units of all layers together: what is recorded of a network grows with them."""

NO_LAYERS = frozenset({"none", "input-only"})
"""The normalizers that stand in no hidden layer."""

SUBTRACTS_BIAS = frozenset(
    {
        "batch",
        "batch-no-affine",
        "batch-after-activation",
        "whiten",
        "l1",
        "noisy-batch",
        "batch-renorm",
        "ghost-batch",
        "mean-only",
        "instance",
    }
)
"""Those that would subtract a bias in front of them again, so that none stands there unless it is asked for."""

RUNNING_STATISTICS = (SUBTRACTS_BIAS - {"instance"}) | {
    "variance-only",
    "batch-stop-mean",
    "batch-stop-statistics",
    "input-only",
}
"""Those that keep running statistics, which norm_momentum averages."""

NEED_TWO = RUNNING_STATISTICS - {"batch-renorm", "mean-only"}
"""Those that take a variance over the examples of a mini-batch, and have nothing else to divide by."""

EPSILON = (RUNNING_STATISTICS - {"whiten", "mean-only"}) | {
    "layer",
    "group",
    "instance",
    "rms",
    "weight-standardized",
}
"""Those that add norm_epsilon to a variance."""

OF_ONE_EXAMPLE = ("layer", "group", "rms")
"""Those that take the statistics of a fully connected layer from each example alone."""

BY_STATISTICS = ("batch", "layer", "group", "instance", "rms", "ghost-batch", "mean-only", "variance-only")
"""Those that subtract a mean, divide by a deviation, or both, and do nothing else before γ and β."""

NOTHING_LEARNED = NO_LAYERS | {"batch-no-affine", "batch-stop-mean", "batch-stop-statistics", "noise"}
"""Those without a parameter of their own."""

LEARN = frozenset(NORMALIZERS) - NOTHING_LEARNED
"""Those that learn something themselves: γ or β, and what else they have."""

GROUPS = frozenset({"group", "weight-standardized"})
"""Those that form groups of features."""


def is_normalized(experiment: Experiment, layer: int) -> bool:
    """Whether a normalizer belongs to this layer."""
    chosen = experiment.normalized_layers
    return experiment.normalizer not in NO_LAYERS and (chosen == ALL_LAYERS or layer in layer_numbers(chosen))


def is_per_activation(experiment: Experiment, layer: int) -> bool:
    """Whether batch normalization takes each position of this layer's feature maps by itself.

    What a pre-activation network normalizes behind its last layer belongs to that layer.
    """
    last = layer > len(experiment.hidden) - experiment.per_activation
    maps = experiment.architecture in CONVOLUTIONAL
    return bool(experiment.per_activation and last and maps and experiment.normalizer == "batch")


def passes_by(experiment: Experiment, layer: int) -> bool:
    """Whether the identity can pass by this layer: its width is that of the layer before it, and it is no block."""
    if experiment.architecture in IN_BLOCKS:
        return False
    return layer > 1 and experiment.hidden[layer - 2] == experiment.hidden[layer - 1]


def has_bias(experiment: Experiment, layer: int) -> bool:
    """Whether the layer's affine map has a bias: by itself where the next thing done is not to subtract it."""
    if experiment.bias != "auto":
        return experiment.bias == "kept"
    residual = experiment.residual != "none" and passes_by(experiment, layer)
    stands_before = experiment.norm_placement == "before" or experiment.normalizer == "batch-after-activation"
    followed = not residual and stands_before
    return not (followed and is_normalized(experiment, layer) and experiment.normalizer in SUBTRACTS_BIAS)


def without_effect(experiment: Experiment) -> dict[str, str]:
    """The fields that change nothing in this network, each with the reason as a sentence."""
    name = experiment.normalizer
    layers = range(1, len(experiment.hidden) + 1)
    by = {layer for layer in layers if passes_by(experiment, layer)}
    reasons = {}
    if not experiment.dataset.startswith("folder:"):
        reasons["image_size"] = "These images have one size."
    if name not in GROUPS:
        reasons["groups"] = "This normalization forms no groups."
    if name != "ghost-batch":
        reasons["ghost_batch"] = "This normalization forms no ghost batches."
    if name != "batch-renorm":
        reasons["renorm_start"] = "Only batch renormalization has this schedule."
    if not any(is_normalized(experiment, layer) and is_per_activation(experiment, layer) for layer in layers):
        reasons["per_activation"] = (
            "Only batch normalization of feature maps has this choice."
            if name != "batch" or experiment.architecture not in CONVOLUTIONAL
            else "None of the last layers is normalized."
        )
    if name not in RUNNING_STATISTICS:
        reasons["norm_momentum"] = "This normalization keeps no running statistics."
    if name not in EPSILON:
        reasons["norm_epsilon"] = "This normalization does not add this ε."
    if name in NO_LAYERS:
        reasons["norm_placement"] = reasons["normalized_layers"] = "No hidden layer is normalized."
    elif name == "weight":
        reasons["norm_placement"] = "Weights are normalized: on neither side of the nonlinearity."
    elif name == "batch-after-activation":
        reasons["norm_placement"] = "This normalization has a part on either side of the nonlinearity."
    elif experiment.residual != "none" and not any(
        is_normalized(experiment, layer) for layer in {*layers} - by
    ):
        reasons["norm_placement"] = (
            "All normalized layers have an identity around them, which says where it stands."
        )
    if experiment.architecture == "residual" and name not in NO_LAYERS:
        reasons.setdefault("norm_placement", "The residual blocks say where it stands.")
    if experiment.architecture == "inception":
        reasons["residual"] = "Nothing passes by an Inception block."
    elif experiment.architecture == "residual":
        if experiment.residual != "pre":
            reasons["residual"] = (
                "The blocks normalize behind each convolution already; pre-activation changes it."
            )
    elif not by:
        reasons["residual"] = "No layer is as wide as the one before it."
    return reasons


def canonical_changes(experiment: Experiment) -> dict[str, Any]:
    """The values with which the same network is written with as many defaults as possible."""
    changes: dict[str, Any] = {name: experiment.default(name) for name in without_effect(experiment)}
    layers = range(1, len(experiment.hidden) + 1)
    if experiment.normalizer not in NO_LAYERS and all(is_normalized(experiment, layer) for layer in layers):
        changes["normalized_layers"] = ALL_LAYERS
    if experiment.per_activation > len(layers):
        changes.setdefault("per_activation", len(layers))
    automatic = experiment.replace(bias="auto")
    if all(has_bias(automatic, layer) == has_bias(experiment, layer) for layer in layers):
        changes["bias"] = "auto"
    return changes


def conflicts(experiment: Experiment) -> list[str]:
    """One sentence for each pair of fields of normalization whose values do not go together."""
    found = []
    name, hidden = experiment.normalizer, experiment.hidden
    if sum(hidden) > MAX_UNITS:
        found.append(
            f"hidden = {short_repr(experiment.text(hidden))} has {sum(hidden):,} units; allowed is {MAX_UNITS:,} in all"
        )
    if experiment.normalized_layers != ALL_LAYERS and max(layer_numbers(experiment.normalized_layers)) > len(
        hidden
    ):
        found.append(
            f"normalized_layers = {short_repr(experiment.normalized_layers)} goes beyond the {len(hidden)} layers of "
            f"hidden; allowed is all, or numbers from 1 to {len(hidden)}, such as 1,3"
        )
    widths = [
        width
        for layer in range(1, len(hidden) + 1)
        if is_normalized(experiment, layer)
        for width in convolution_widths(experiment, layer)
    ]
    connected = experiment.architecture not in CONVOLUTIONAL
    if name == "instance" and connected:
        found.append(
            "normalizer = 'instance' needs feature maps, and a unit of architecture = 'mlp' has one value in an "
            "example; allowed is architecture = 'conv', or normalizer = 'layer' and others"
        )
    if name in GROUPS and widths:
        most = min(widths) // 2 if connected else min(widths)  # a group of one unit has no variance
        allowed = [count for count in range(1, most + 1) if all(width % count == 0 for width in widths)]
        if experiment.groups not in allowed:
            told = f"one of {', '.join(map(str, allowed))}" if allowed else "none for layers of one unit"
            found.append(
                f"groups = {experiment.groups} does not divide every normalized layer's width into groups of "
                f"{'two units' if connected else 'a map'} or more; allowed with hidden = "
                f"{short_repr(experiment.text(hidden))} is {told}"
            )
    if name == "layer" and connected and 1 in widths:
        found.append(
            "normalizer = 'layer' makes a layer of one unit constant; allowed is a width of 2 or more"
        )
    if name == "weight" and (
        experiment.init == "zeros" or 0 in (experiment.init_scale, experiment.first_layer_scale)
    ):
        found.append(
            "normalizer = 'weight' divides by the length of the weights, which start at 0 here; allowed is an init "
            "other than 'zeros', and init_scale and first_layer_scale above 0"
        )
    if name == "batch-after-activation" and experiment.architecture == "residual":
        found.append(
            "architecture = 'residual' does not go together with normalizer = 'batch-after-activation'; "
            "allowed is architecture = 'conv', or another normalizer"
        )
    elif name == "batch-after-activation" and experiment.residual != "none":
        found.append(
            f"residual = {experiment.residual!r} does not go together with normalizer = 'batch-after-activation'; "
            "allowed is residual = 'none', or another normalizer"
        )
    return found
