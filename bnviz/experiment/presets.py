"""Experiments worth starting from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnviz.experiment.experiment import Experiment

RELU = Experiment(activation="relu", init="kaiming", init_scale=1.0)

presets: Mapping[str, Experiment] = MappingProxyType(
    {
        "first-look": Experiment(),
        "figure-1": Experiment(dataset="mnist-binary", learning_rate=0.1, steps=50_000),
        "careless-start": Experiment(init_scale=0.01),
        "deep-relu": Experiment(hidden=(100,) * 8, activation="relu", init_scale=0.05),
        "convolutional": Experiment(
            architecture="conv", hidden=(16, 32), activation="relu", init="kaiming", init_scale=1.0
        ),
        "inception": RELU.replace(
            dataset="fashion-mnist",
            architecture="inception",
            hidden=(16, 48, 64, 64),
            batch_size=32,
            learning_rate=0.0015,
            momentum=0.9,
            steps=1600,
        ),
        "two-spirals": Experiment(
            dataset="spirals",
            hidden=(32, 32, 32),
            activation="tanh",
            init="xavier",
            init_scale=1.0,
            steps=4000,
        ),
        "family": RELU.replace(hidden=(100,) * 5, learning_rate=0.1),
        "batch-of-two": RELU.replace(batch_size=2, learning_rate=0.03),
        "residual-50": RELU.replace(hidden=(50,) * 50, learning_rate=0.1, residual="pre"),
        "transformer-block": RELU.replace(
            hidden=(50,) * 24, learning_rate=0.1, normalizer="layer", residual="pre", activation="gelu"
        ),
    }
)
"""Experiments worth starting from, by name. `figure-1` is the network of the paper's Section 4.1; its
learning rate, 0.1, and its σ, 0.1, are choices of ours, as the paper prints neither. `inception` is a small
network of the kind of Section 4.2, at the rate, the mini-batch and the momentum of that section."""
