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


def stratified_split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of four fifths to train on and a fifth held out, in mixed order, each class in proportion.

    labels: (N,). The same for the same labels. A class of five or more examples has some on both sides. Of 4 or 5
    examples 2 are held out, since there are no statistics of a single one.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    every = 5 if len(labels) > 5 else (len(labels) + 1) // 2
    held_out = np.isin(
        order, by_class[::every]
    )  # every fifth of the sorted classes: a fifth of each, up to one
    return order[~held_out], order[held_out]
