"""Experiments worth starting from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnviz.experiment.experiment import Experiment

presets: Mapping[str, Experiment] = MappingProxyType(
    {
        "first-look": Experiment(),
        "figure-1": Experiment(dataset="mnist-binary", learning_rate=0.1, steps=50_000),
        "careless-start": Experiment(init_scale=0.01),
        "deep-relu": Experiment(hidden=(100,) * 8, activation="relu", init_scale=0.05),
        "convolutional": Experiment(
            architecture="conv", hidden=(16, 32), activation="relu", init="kaiming", init_scale=1.0
        ),
        "two-spirals": Experiment(
            dataset="spirals",
            hidden=(32, 32, 32),
            activation="tanh",
            init="xavier",
            init_scale=1.0,
            steps=4000,
        ),
    }
)
"""Experiments worth starting from, by name. `figure-1` is the network of the paper's Section 4.1; its
learning rate, 0.1, and its σ, 0.1, are choices of ours, as the paper prints neither."""
