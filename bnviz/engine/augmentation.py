"""Training images shifted and flipped at random (Krizhevsky et al. 2012, Section 4.1), the usual kinds alone.

What happens to a mini-batch depends on the seed and the step alone, so that a run can be replayed from any step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.network import generator
from bnviz.experiment import Experiment

SHIFT = 8
"""An image is moved by at most an eighth of its width, rounded down: 3 of 28 pixels, 4 of 32, as He et al. 2016 do."""


def augmented(pixels: Tensor, shape: tuple[int, ...], experiment: Experiment, step: int) -> Tensor:
    """The mini-batch of a step, each image moved in both directions by a few pixels and half of them flipped.

    pixels: (B, inputs), as they are stored. shape: of an image (channels, height, width). What comes in at the edge is
    0, which is black. Returns (B, inputs).
    """
    if experiment.augment == "none":
        return pixels
    rng = generator(experiment.seed, "augment", step, pixels.device)
    images = pixels.view(-1, *shape)
    count, channels, height, width = images.shape
    most = max(1, min(height, width) // SHIFT)
    draws = torch.rand((count, 3), generator=rng, device=pixels.device)
    moved = (draws[:, :2] * (2 * most + 1)).long()  # 0 stands for a move by −most
    rows = torch.arange(height, device=pixels.device) + moved[:, 0, None]
    columns = torch.arange(width, device=pixels.device) + moved[:, 1, None]
    if experiment.augment == "shift-flip":
        flips = draws[:, 2, None] < 0.5
        columns = torch.where(flips, columns.flip(1), columns)
    padded = F.pad(images, (most, most, most, most))
    return padded[
        torch.arange(count, device=pixels.device)[:, None, None, None],
        torch.arange(channels, device=pixels.device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ].flatten(1)
