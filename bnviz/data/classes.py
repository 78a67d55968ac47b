"""How many classes and training examples a dataset has, and how large its images are, without loading it."""

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

TRAINING_COUNTS: Mapping[str, int] = MappingProxyType(
    {"digits": 1437, "textures": 4000, "cifar-10": 50_000, "spirals": 1000, "moons": 1000, "circles": 1000}
)
"""The training examples of datasets that have fewer than MNIST."""
MOST_COUNTED = 60_000
"""Those of MNIST, which stand for a folder's too."""

LOADED_IN_COLOUR = ("textures", "cifar-10")


def class_count(dataset: str) -> int | None:
    """The number of classes of the dataset `dataset`; None where only its files tell, as of a folder of images."""
    return CLASS_COUNTS.get(dataset)


def training_count(experiment: Experiment) -> int:
    """About how many training examples it learns from; of a folder of images as many as MNIST has."""
    count = TRAINING_COUNTS.get(experiment.dataset, MOST_COUNTED)
    return min(experiment.train_examples, count) if experiment.train_examples else count


def image_shape(experiment: Experiment) -> tuple[int, int, int]:
    """About how large its images are, (channels, height, width): MNIST's size stands for all small grey ones."""
    if experiment.dataset in LOADED_IN_COLOUR:
        return (3, 32, 32)
    side = experiment.image_side if experiment.dataset.startswith("folder:") else 0
    return (3, side, side) if side else (1, 28, 28)
