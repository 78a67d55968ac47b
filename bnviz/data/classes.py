"""How many classes a dataset has, and how large its images are, known without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnviz.experiment import Experiment

CLASS_COUNTS: Mapping[str, int] = MappingProxyType(
    {
        "digits": 10,
        "mnist": 10,
        "mnist-binary": 10,
        "fashion-mnist": 10,
        "textures": 10,
        "cifar-10": 10,
        "spirals": 2,
        "moons": 2,
        "circles": 2,
    }
)

LOADED_IN_COLOUR = ("textures", "cifar-10")


def class_count(dataset: str) -> int | None:
    """The number of classes of the dataset `dataset`; None where only its files tell, as of a folder of images."""
    return CLASS_COUNTS.get(dataset)


def image_shape(experiment: Experiment) -> tuple[int, int, int]:
    """About how large its images are, (channels, height, width): MNIST's size stands for all small grey ones."""
    if experiment.dataset in LOADED_IN_COLOUR:
        return (3, 32, 32)
    side = experiment.image_side if experiment.dataset.startswith("folder:") else 0
    return (3, side, side) if side else (1, 28, 28)
