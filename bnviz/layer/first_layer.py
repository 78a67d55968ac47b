"""What enters a network of images, and what its first layer makes of it, as read from the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first convolution of a network after `step` updates.

    batch: (n, channels, height, width), the first images of the mini-batch that the next update would use, as the
    network sees them: augmented and standardized where that is set. batch_names: their classes. filters: (k, channels,
    3, 3), the first of the layer's `features` filters. example: which held-out example, counted from 1. picture:
    (channels, height, width), the example as the network sees it. name: its class. maps: (k, height, width), what the
    nonlinearity receives from each of these filters for the example, in inference mode. All float32.
    """

    step: int
    batch: np.ndarray
    batch_names: tuple[str, ...]
    features: int
    filters: np.ndarray
    example: int
    picture: np.ndarray
    name: str
    maps: np.ndarray
