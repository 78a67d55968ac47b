"""Outputs of a batch-normalized network by mini-batch statistics, and by population statistics (Algorithm 2).

Mini-batches of the same size are computed together: G mini-batches of s examples as one tensor (G, s, …).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from bnviz.engine.block import Block
from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.trainer import Trainer, one_thread

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CLASSES = (10, 5, 3, 2, 1)
SKEWED_SIZE = 32
SKEWED_BATCHES = 60
EXAMPLES = {"mlp": 2048, "conv": 512}
"""How many held-out examples are used, evenly spaced."""
SHUFFLES = 4
COMPANIES = 40
UNDECIDED = 0.75
"""The chosen example is the one whose true class has, by Algorithm 2, the probability nearest to this: an example
that is neither certain nor wrong."""
POPULATION_BATCHES = 1000
AT_ONCE = 2048
"""Examples in one tensor."""

Statistics = Sequence[tuple[Tensor, Tensor]]
"""μ and σ² of each hidden layer, (F,) each, or (G, F) for G mini-batches."""


@torch.no_grad()
def in_company(trainer: Trainer) -> Mapping[str, np.ndarray | float]:
    """Accuracy and one example's output by mini-batch statistics; {} for a network without batch norm.

    by_size: (len(SIZES),), accuracy in mini-batches of each size, NaN where there are not enough examples.
    flips: (len(SIZES),), the share of examples that are classified differently in two shuffles. by_classes:
    (len(CLASSES),), accuracy in mini-batches of SKEWED_SIZE made of so many classes. moving, population: accuracy
    by moving averages and by Algorithm 2. outputs: (COMPANIES, len(SIZES)), the probability of the chosen
    example's true class in different mini-batches. alone: that probability by Algorithm 2.
    """
    hidden = trainer.network.hidden
    if not all(isinstance(block, Block) and isinstance(block.normalizer, BatchNorm) for block in hidden):
        return {}
    test = trainer.recorder.test
    inputs, labels = test.batch(test.spread(EXAMPLES[trainer.experiment.architecture]))
    rng = generator(trainer.experiment.seed, "inference")
    network = trainer.network
    with one_thread():
        population = population_statistics(trainer)
        by_population = scores(network, inputs[None], population)[0]
        chances = by_population.double().softmax(1).gather(1, labels[:, None])[:, 0]
        chosen = int((chances - UNDECIDED).abs().argmin())
        accuracy, flips = zip(
            *(in_shuffles(network, inputs, labels, size, rng) for size in SIZES), strict=True
        )
        return {
            "by_size": np.array(accuracy),
            "flips": np.array(flips),
            "by_classes": np.array([skewed(network, inputs, labels, count, rng) for count in CLASSES]),
            "moving": _share(trainer.recorder.scores(inputs).argmax(1) == labels),
            "population": _share(by_population.argmax(1) == labels),
            "outputs": np.stack(
                [company(network, inputs, labels, chosen, size, rng) for size in SIZES], axis=1
            ),
            "alone": float(chances[chosen]),
        }


def scores(network: Network, batches: Tensor, statistics: Statistics | None = None) -> Tensor:
    """The classes' scores, (G, s, classes), of batches, (G, s, inputs), in parts that fit into memory.

    statistics: those of the population; None for each mini-batch's own.
    """
    return torch.cat([forward(network, part, statistics)[0] for part in in_parts(batches)])


def in_parts(batches: Tensor) -> list[Tensor]:
    """(G, s, …) cut along G into parts of about AT_ONCE examples."""
    groups = max(1, AT_ONCE // batches.shape[1])
    return [batches[start : start + groups] for start in range(0, len(batches), groups)]


def forward(
    network: Network, batches: Tensor, statistics: Statistics | None
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Scores (G, s, classes), and the mini-batches' own μ and biased σ², (G, F), of each layer.

    Written out, since torch's batch normalization refuses a mini-batch of one, of which Algorithm 1 makes x̂ = 0.
    """
    groups, size = batches.shape[:2]
    own = []
    x = network.shaped(batches.flatten(0, 1))
    for place, block in enumerate(network.plain):
        before = block.mapped(x)
        grouped = before.view(groups, size, *before.shape[1:])
        axes = [axis for axis in range(grouped.dim()) if axis not in (0, 2)]
        own.append((grouped.mean(axes), grouped.var(axes, unbiased=False)))
        mean, variance = own[-1] if statistics is None else statistics[place]
        shape = (-1, 1, before.shape[1], *[1] * (before.dim() - 2))  # (G or 1, 1, F, …)
        x_hat = (grouped - mean.view(shape)) / torch.sqrt(variance.view(shape) + block.normalizer.epsilon)
        pair = block.normalizer.scale_and_shift()
        if pair is not None:
            gamma, beta = pair
            assert gamma is not None
            assert beta is not None
            x_hat = gamma.view(shape) * x_hat + beta.view(shape)
        x = block.passed_on(x_hat.flatten(0, 1))
    if x.dim() > 2:
        x = x.mean((2, 3))
    return network.output(x).view(groups, size, -1), own


def population_statistics(trainer: Trainer) -> Statistics:
    """Algorithm 2: E[x] = E_B[μ_B] and Var[x] = m/(m−1)·E_B[σ²_B] over training mini-batches of the training's size.

    In a convolutional layer m is the number of values, examples times positions. All layers are taken from the
    network as it trains, with mini-batch statistics below them, as the moving averages are.
    """
    size = trainer.experiment.batch_of(len(trainer.train))
    order = torch.randperm(len(trainer.train), generator=generator(trainer.experiment.seed, "population"))
    count = min(POPULATION_BATCHES, len(order) // size)
    groups = order[: count * size].view(count, size).to(trainer.device)
    means: list[list[Tensor]] = [[] for _ in trainer.network.hidden]
    variances: list[list[Tensor]] = [[] for _ in trainer.network.hidden]
    for part in in_parts(groups):
        inputs, _ = trainer.train.batch(part.flatten())
        _, own = forward(trainer.network, inputs.view(*part.shape, -1), None)
        for place, (mean, variance) in enumerate(own):
            means[place].append(mean)
            variances[place].append(variance)
    values = [size * positions for positions in _positions(trainer)]
    return [
        (torch.cat(mean).mean(0), torch.cat(variance).mean(0) * m / (m - 1))
        for mean, variance, m in zip(means, variances, values, strict=True)
    ]


def in_shuffles(
    network: Network, inputs: Tensor, labels: Tensor, size: int, rng: Generator
) -> tuple[float, float]:
    """Accuracy in mini-batches of `size`, and the share classified differently in two of SHUFFLES shuffles.

    NaN where there are fewer than `size` examples.
    """
    count = len(inputs) // size
    if not count:
        return float("nan"), float("nan")
    named = torch.full((SHUFFLES, len(inputs)), -1, device=inputs.device)
    for row in named:
        order = torch.randperm(len(inputs), generator=rng)[: count * size].to(inputs.device)
        row[order] = scores(network, inputs[order].view(count, size, -1)).argmax(2).flatten()
    first, second = named[0], named[1]
    both = (first >= 0) & (second >= 0)
    right = (named == labels)[named >= 0]
    return _share(right), _share((first != second)[both])


def skewed(network: Network, inputs: Tensor, labels: Tensor, count: int, rng: Generator) -> float:
    """Accuracy in mini-batches whose examples are of `count` classes, drawn anew for each; NaN if there are fewer."""
    present = torch.from_numpy(np.unique(labels.cpu().numpy()))
    if count > len(present):
        return float("nan")
    right = []
    for _ in range(SKEWED_BATCHES):
        classes = present[torch.randperm(len(present), generator=rng)[:count]].to(labels.device)
        pool = torch.isin(labels, classes).nonzero()[:, 0]
        drawn = pool[torch.randperm(len(pool), generator=rng)[:SKEWED_SIZE].to(pool.device)]
        right.append(scores(network, inputs[drawn][None])[0].argmax(1) == labels[drawn])
    return _share(torch.cat(right))


def company(
    network: Network, inputs: Tensor, labels: Tensor, chosen: int, size: int, rng: Generator
) -> np.ndarray:
    """The probability of the chosen example's true class in COMPANIES mini-batches of `size`, (COMPANIES,)."""
    others = torch.tensor([place for place in range(len(inputs)) if place != chosen])
    if size > len(inputs):
        return np.full(COMPANIES, np.nan)
    rows = []
    for _ in range(COMPANIES):
        drawn = others[torch.randperm(len(others), generator=rng)[: size - 1]]
        rows.append(torch.cat([torch.tensor([chosen]), drawn]))
    found = scores(network, inputs[torch.stack(rows).to(inputs.device)])[:, 0]
    return np.asarray(found.double().softmax(1)[:, int(labels[chosen])].cpu().numpy())


def _positions(trainer: Trainer) -> list[int]:
    """How many positions each hidden layer has: 1 unless it is convolutional."""
    probes = trainer.network.probe(trainer.recorder.probe_inputs[:2])
    return [probe.before[0, 0].numel() for probe in probes]


def _share(right: Tensor) -> float:
    return float(right.double().mean())
