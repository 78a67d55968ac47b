"""What a dataset is, whatever it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class DatasetError(ValueError):
    """A dataset that cannot be loaded; the message is one sentence that a page can show."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples: inputs (N, *shape), uint8 or float32; labels (N,) int64; both read-only."""

    inputs: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        self.inputs.setflags(write=False)
        self.labels.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to learn from and examples held out.

    shape: of one example, (channels, height, width) or (2,).
    classes: the names that labels stand for, classes[label].
    scale: the network sees inputs × scale.
    """

    name: str
    train: Split
    test: Split
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    scale: float
