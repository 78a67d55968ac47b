"""How many classes a dataset has, known without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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


def class_count(dataset: str) -> int | None:
    """The number of classes of the dataset `dataset`; None where only its files tell, as of a folder of images."""
    return CLASS_COUNTS.get(dataset)
