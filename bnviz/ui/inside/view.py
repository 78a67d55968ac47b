"""What the Inside page shows: its link's parameters, and the network that it looks into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from bnviz.experiment import Experiment
from bnviz.experiment.normalization import BY_STATISTICS, OF_ONE_EXAMPLE
from bnviz.layer.networks import CHANNELS, STEPS
from bnviz.layer.traits import TRAITS
from bnviz.layer.walk import LINES
from bnviz.layer.walk_of_maps import lines_of_maps
from bnviz.layer.walk_of_unit import LINES_OF_RENORM, OF_ONE_UNIT
from bnviz.ui.parts.page_state import PageState, Parameter

PREFIX = "inside."
"""Stands before a parameter's name in the key of its control: all pages share one session."""

LEAST, MOST = 2, 16
"""Examples in the mini-batch that is shown."""

SECTIONS = {
    "arithmetic": "Line by line",
    "scale": "Try γ and β",
    "gradients": "Backward pass",
    "companions": "Other examples in the batch",
    "inference": "Training and inference",
    "maps": "Feature maps",
    "sharing": "Which values share a mean?",
}
LINES_OF = ("batch", *OF_ONE_EXAMPLE, "instance", *OF_ONE_UNIT)
"""The normalizers that are shown line by line, instance normalization with feature maps alone."""
MAPS_IN = ("arithmetic", "gradients", "companions")
"""The sections that show a fully connected layer or, where `maps` is set, one with feature maps."""
AMONG = tuple(TRAITS)
"""The normalizers with which one can change an example and watch the others."""
BACKWARD_OF = tuple(TRAITS)
"""The normalizers whose backward pass is shown."""
CHANGES = {"replace": "Replace it", "drop": "Leave it out", "duplicate": "Use it twice"}
NEWEST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ORDER = {"norm_placement": "before", "normalized_layers": "all", "residual": "none", "augment": "none"}
"""The order in which each layer of the paper computes, and images as they are: the page shows no other."""
FIXED = {"steps": STEPS, "normalizer": "batch", "architecture": "mlp"} | ORDER
"""Fields that the page sets itself. A network at a step does not depend on how long its run was to be."""
INSTEAD = {"architecture": ", where layers are fully connected or, under Feature maps, convolutional"}
"""What is shown in place of a field's value, where it is not evident."""
NETWORK = ("hidden", "activation", "init", "init_scale", "learning_rate", "batch_size", "seed")
"""The fields that have a control, besides the dataset."""


MOST_POSITIONS = 128 * 128


def _layers(view: View, experiment: Experiment) -> int:
    return len(experiment.hidden)


def _units(view: View, experiment: Experiment) -> int:
    return experiment.hidden[view.layer - 1]


def _channels(view: View, experiment: Experiment) -> int:
    return CHANNELS[view.map_layer - 1]


def _lines(view: View, experiment: Experiment) -> int:
    if view.maps:
        return lines_of_maps(TRAITS[view.lines_of])
    return LINES_OF_RENORM if view.lines_of == "batch-renorm" else LINES


@dataclass(frozen=True)
class View(PageState):
    """The page's parameters besides the fields of Experiment. Layers, units, lines and examples count from 1.

    gamma, beta: set by hand, None for the learned ones. constant: the gradient as if the statistics were
    constants. newest: the weight of the newest mini-batch in the running averages. map_layer, channel: of
    the network with feature maps. first, second: the normalizers whose shared values are compared, in a convolutional
    layer if `positions`. at: the value that is followed there, as its place in the flattened mini-batch.
    lines_of: the normalizer that is shown line by line. among: that of the network in which an example is changed.
    backward_of: that whose backward pass is shown. maps: whether these three are of the network with feature maps;
    position: of the value that is followed there.
    """

    section: Annotated[str, Parameter("What to look at", choices=SECTIONS)] = "arithmetic"
    step: Annotated[
        int,
        Parameter(
            "Steps of training",
            "The network as it stood after this many updates. It is really trained up to there.",
            high=STEPS,
        ),
    ] = 100
    layer: Annotated[int, Parameter("Layer", low=1, high=_layers)] = 1
    unit: Annotated[int, Parameter("Unit", low=1, high=_units)] = 1
    examples: Annotated[
        int,
        Parameter(
            "Mini-batch shown",
            "How many examples: the first that the next update would use. They pass through as one mini-batch.",
            low=LEAST,
            high=MOST,
        ),
    ] = 8
    lines_of: Annotated[str, Parameter("Normalization", choices=LINES_OF)] = "batch"
    maps: Annotated[
        bool,
        Parameter("Feature maps", "Show a convolutional layer, in another network on the same data."),
    ] = False
    line: Annotated[int, Parameter(low=1, high=_lines)] = 1
    gamma: Annotated[float | None, Parameter("γ", low=-1e6, high=1e6)] = None
    beta: Annotated[float | None, Parameter("β", low=-1e6, high=1e6)] = None
    constant: Annotated[
        bool,
        Parameter(
            "Treat μ and σ² as constants",
            "Section 2 of the paper: the gradient as if μ and σ² did not depend on x. This network does not use it.",
        ),
    ] = False
    example: Annotated[int, Parameter("Example", low=1, high=lambda view, experiment: view.examples)] = 1
    change: Annotated[str, Parameter("Change this example", choices=CHANGES)] = "replace"
    newest: Annotated[
        float, Parameter("Momentum of the running average: the weight of the newest mini-batch", high=1)
    ] = 0.1
    map_layer: Annotated[int, Parameter("Convolutional layer", low=1, high=len(CHANNELS))] = 1
    channel: Annotated[int, Parameter("Channel", low=1, high=_channels)] = 1
    first: Annotated[str, Parameter("Normalization", choices=BY_STATISTICS)] = "batch"
    second: Annotated[str, Parameter("Beside it", choices=BY_STATISTICS)] = "layer"
    positions: Annotated[
        bool,
        Parameter("Feature maps", "A convolutional layer: each channel has a value at every position."),
    ] = True
    at: Annotated[int, Parameter()] = 0
    among: Annotated[str, Parameter("Normalization", choices=AMONG)] = "batch"
    backward_of: Annotated[str, Parameter("Normalization", choices=BACKWARD_OF)] = "batch"
    position: Annotated[
        int,
        Parameter(
            "Position",
            "Of the value in its feature map, counted row by row from 1; 0 is the middle.",
            high=MOST_POSITIONS,
        ),
    ] = 0


def experiment_of(query: Mapping[str, str]) -> tuple[Experiment, tuple[str, ...]]:
    """The network that a link describes, fully connected and with batch normalization; and what was ignored."""
    base, ignored = Experiment.salvage(View.split(query)[1])
    fixed = [
        f"{name} = {Experiment.text(getattr(base, name))!r} is not looked into here{INSTEAD.get(name, '')}"
        for name in ("normalizer", "architecture", *ORDER)
        if getattr(base, name) != FIXED[name]
    ]
    return base.replace(**FIXED), (*ignored, *fixed)


def query_of(experiment: Experiment, view: View) -> dict[str, str]:
    """The link's parameters; what is at its default stays out."""
    texts = experiment.texts()
    mine = {
        name: text
        for name, text in texts.items()
        if name not in FIXED and text != Experiment.default_text(name)
    }
    return mine | view.to_query()
