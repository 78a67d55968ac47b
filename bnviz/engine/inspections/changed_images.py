"""A trained network on held-out images that were changed: by fixed statistics, and by statistics of those images.

Re-estimated statistics as in Schneider et al. 2020 with N = 0: each layer is normalized by the mean and variance of the
mini-batch of changed images that it is given; weights, γ and β stay. The changes are after Hendrycks & Dietterich 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bnviz.engine.block import Block
from bnviz.engine.inspections.inference import population_statistics, scores
from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.trainer import Trainer, one_thread

SEVERITIES = (1, 2, 3)
SIZES = (2, 8, 32, 128)
EXAMPLES = 2000
"""How many held-out examples are used, evenly spaced."""
ONE_CLASS = 32
"""Examples of a mini-batch of one class."""


def lower_contrast(x: Tensor, severity: int, rng: Generator) -> Tensor:
    """Every pixel nearer to its image's mean."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (0.5, 0.3, 0.15)[severity - 1] * (x - mean)


def brighter(x: Tensor, severity: int, rng: Generator) -> Tensor:
    """The same added to every pixel."""
    return (x + (0.2, 0.4, 0.6)[severity - 1]).clamp(0.0, 1.0)


def noisy(x: Tensor, severity: int, rng: Generator) -> Tensor:
    """Gaussian noise added to every pixel."""
    noise = torch.randn(x.shape, generator=rng)
    return (x + (0.2, 0.4, 0.6)[severity - 1] * noise).clamp(0.0, 1.0)


def blurred(x: Tensor, severity: int, rng: Generator) -> Tensor:
    """Convolved with a Gaussian, its deviation a share of the image's height; the edge is repeated outwards."""
    sigma = (0.04, 0.07, 0.1)[severity - 1] * x.shape[2]
    reach = min(int(np.ceil(3 * sigma)), min(x.shape[2:]) - 1)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    line = (line / line.sum()).to(x)
    channels = x.shape[1]
    for kernel, padding in (
        (line.view(1, 1, -1, 1), (0, 0, reach, reach)),
        (line.view(1, 1, 1, -1), (reach, reach, 0, 0)),
    ):
        x = F.conv2d(F.pad(x, padding, mode="replicate"), kernel.expand(channels, 1, -1, -1), groups=channels)
    return x


def inverted(x: Tensor, severity: int, rng: Generator) -> Tensor:
    """Every pixel moved toward 1 − x, at the last severity all the way."""
    return x + (0.7, 0.85, 1.0)[severity - 1] * (1.0 - 2.0 * x)


CHANGES: Mapping[str, Callable[[Tensor, int, Generator], Tensor]] = {
    "contrast": lower_contrast,
    "brightness": brighter,
    "noise": noisy,
    "blur": blurred,
    "inversion": inverted,
}
"""By name; of images from 0 to 1, (N, channels, height, width), at a severity, with a random generator."""


@torch.no_grad()
def on_changed_images(trainer: Trainer) -> Mapping[str, np.ndarray | float]:
    """Accuracy on changed held-out images.

    clean, fixed: a number and (changes, severities), by the population's statistics (Algorithm 2), which for a network
    without batch norm is the network itself. The others only with batch norm in every layer: clean_own, own: (sizes,)
    and (changes, severities, sizes), by those of each mini-batch of images; one_class: (changes, severities), of
    mini-batches of ONE_CLASS images of one class. NaN where there are too few images.
    """
    network, test = trainer.network, trainer.recorder.test
    chosen = test.spread(EXAMPLES)
    stored, labels = test.scaled(test.stored(chosen.to(test.inputs.device))), test.labels[chosen]
    images = stored.cpu().view(-1, *trainer.shape)
    rng = generator(trainer.experiment.seed, "changed images")
    hidden = network.hidden
    normalized = all(isinstance(item, Block) and isinstance(item.normalizer, BatchNorm) for item in hidden)
    with one_thread():
        fixed = _fixed(trainer, normalized)
        found = np.full((len(CHANGES), len(SEVERITIES)), np.nan)
        own, one_class = np.full((*found.shape, len(SIZES)), np.nan), found.copy()

        def seen(changed: Tensor) -> Tensor:
            pixels = changed.flatten(1).to(stored.device)
            return _standardized(trainer, pixels)

        for row, change in enumerate(CHANGES.values()):
            for column, severity in enumerate(SEVERITIES):
                inputs = seen(change(images, severity, rng))
                found[row, column] = _share(fixed(inputs), labels)
                if normalized:
                    own[row, column] = [in_batches(network, inputs, labels, size, rng) for size in SIZES]
                    one_class[row, column] = by_class(network, inputs, labels, rng)
        clean = seen(images)
        if not normalized:
            return {"clean": _share(fixed(clean), labels), "fixed": found}
        return {
            "clean": _share(fixed(clean), labels),
            "fixed": found,
            "clean_own": np.array([in_batches(network, clean, labels, size, rng) for size in SIZES]),
            "own": own,
            "one_class": one_class,
        }


def in_batches(network: Network, inputs: Tensor, labels: Tensor, size: int, rng: Generator) -> float:
    """Accuracy in random mini-batches of `size`, each by its own statistics; NaN where there are fewer examples."""
    count = len(inputs) // size
    if not count:
        return float("nan")
    order = torch.randperm(len(inputs), generator=rng)[: count * size].to(inputs.device)
    named = scores(network, inputs[order].view(count, size, -1)).argmax(2).flatten()
    return float((named == labels[order]).double().mean())


def by_class(network: Network, inputs: Tensor, labels: Tensor, rng: Generator) -> float:
    """The same in mini-batches of ONE_CLASS examples of one class, all that there are; NaN where there are too few."""
    batches = []
    for label in sorted(set(labels.tolist())):
        own = (labels == label).nonzero()[:, 0]
        own = own[torch.randperm(len(own), generator=rng).to(own.device)]
        batches += list(own[: len(own) // ONE_CLASS * ONE_CLASS].view(-1, ONE_CLASS))
    if not batches:
        return float("nan")
    order = torch.stack(batches)
    named = scores(network, inputs[order.flatten()].view(*order.shape, -1)).argmax(2)
    return float((named == labels[order]).double().mean())


def _fixed(trainer: Trainer, normalized: bool) -> Callable[[Tensor], Tensor]:
    """What gives the classes' scores of inputs, (N, inputs), by statistics that do not depend on them."""
    if not normalized:
        return trainer.recorder.scores
    population = population_statistics(trainer)
    return lambda inputs: scores(trainer.network, inputs[None], population)[0]


def _standardized(trainer: Trainer, pixels: Tensor) -> Tensor:
    """Pixels from 0 to 1 as the network sees them."""
    standard = trainer.train.standard
    if standard is None:
        return pixels
    channels = pixels.view(len(pixels), len(standard.mean), -1)
    return ((channels - standard.mean) / standard.std).view_as(pixels)


def _share(named: Tensor, labels: Tensor) -> float:
    """The share of right answers. named: the classes' scores."""
    return float((named.argmax(1) == labels).double().mean())
