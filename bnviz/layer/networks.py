"""The networks that the page Inside looks into, in the app and on the web site."""

from __future__ import annotations

from bnviz.experiment import Experiment

STEPS = 1000
"""The steps that are trained at most: a layer shows early what it does, and nobody should wait long."""

CHANNELS = (6, 12)
"""Of each layer of the network with feature maps."""


def with_maps(experiment: Experiment) -> Experiment:
    """The network with feature maps that learns the same. Raises ExperimentError for points in the plane."""
    return experiment.replace(architecture="conv", hidden=CHANNELS)


def ghost_batch(examples: int) -> int:
    """The size of a ghost batch in a mini-batch of so many examples: half of it, and two at least."""
    return max(2, examples // 2)
