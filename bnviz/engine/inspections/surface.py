"""The loss over a plane through the weights (Li et al. 2018), coarse to fine.

around: a plane of two random directions, filter-normalized: each row of a direction (the weights of one unit, or one
filter) is as long as that of the weights; biases, γ and β are not moved.
path: the plane of the two main directions of the path that the weights take in training (their Section 7).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from bnviz.engine.inspections.coming_batch import in_double
from bnviz.engine.network import Network, generator
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment

CELLS = 25
"""Points along each side: 8 · 3 + 1, so that each grid contains the coarser one."""
STRIDES = (8, 4, 2, 1)
EXAMPLES = 500
"""Training examples, evenly spaced, as one mini-batch."""
POINTS = 40
"""Of the path."""
CHUNK = 25
"""Losses in a piece."""
MARGIN = 0.2
"""How far the plane of the path goes beyond it, as a share of its extent."""

Piece = tuple[float, Mapping[str, Any]]


def around(experiment: Experiment, step: int) -> Iterator[Piece]:
    """The loss around the weights after `step` updates, from −1 to 1 along either direction.

    Of each piece the share of the work done, and: places: (n, 2), column and row; losses: (n,), in training mode. The
    first has axes: two arrays (CELLS,). If the network diverges before the step there is none.
    """
    trainer = unrecorded(experiment)
    trainer.advance(step)
    if trainer.diverged_at is None:
        axis = np.linspace(-1.0, 1.0, CELLS)
        first, second = (filter_normalized(trainer, number) for number in (1, 2))
        yield from _plane(trainer, weights(trainer), (first, second), (axis, axis), {})


def path(experiment: Experiment) -> Iterator[Piece]:
    """The loss over the plane of the path's two main directions, around the last weights.

    As `around`; the first piece also has steps: (P,); path: (P, 2), the weights at these steps in the plane; explained:
    (2,), the share of the path's variance along either direction; losses_on_path: (P,), at the weights themselves.
    """
    trainer = unrecorded(experiment)
    steps, visited = [], []
    for step in np.unique(np.linspace(0, experiment.steps, POINTS).astype(np.int64)).tolist():
        trainer.advance(step - trainer.step)
        if trainer.diverged_at is not None:
            return
        steps.append(step)
        visited.append(weights(trainer))
    moved = torch.stack(visited) - visited[-1]
    main, explained = main_directions(moved)
    coordinates = (moved @ main.T).numpy()
    axes = tuple(_wide(values) for values in coordinates.T)
    about = {"steps": np.array(steps), "path": coordinates, "explained": explained}
    about["losses_on_path"] = np.array(list(losses_at(trainer, visited)))
    yield from _plane(trainer, visited[-1], (main[0], main[1]), axes, about)


def unrecorded(experiment: Experiment) -> Trainer:
    """A Trainer that records nothing."""
    trainer = Trainer(experiment)
    trainer.recorder.due = frozenset()
    return trainer


def weights(trainer: Trainer) -> Tensor:
    """All parameters as one vector, (P,) float64, on the CPU."""
    return parameters_to_vector(trainer.network.parameters()).detach().cpu().double().clone()


def filter_normalized(trainer: Trainer, number: int) -> Tensor:
    """A random direction, (P,) float64: each row of each weight tensor as long as the weights' own. number: which."""
    rng = generator(trainer.experiment.seed, "direction", number)
    parts = []
    for parameter in trainer.network.parameters():
        own = parameter.detach().cpu().double()
        if own.dim() < 2:
            parts.append(torch.zeros_like(own).flatten())
            continue
        drawn = torch.randn(own.shape, generator=rng, dtype=torch.float64).flatten(1)
        rows = own.flatten(1)
        drawn *= rows.norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True)
        parts.append(drawn.flatten())
    return torch.cat(parts)


def main_directions(moved: Tensor) -> tuple[Tensor, np.ndarray]:
    """The two main directions, (2, P), of points (R, P), by principal components; the share of variance of each."""
    _, singular, directions = torch.linalg.svd(moved - moved.mean(0), full_matrices=False)
    shares = (singular**2 / (singular**2).sum()).numpy()
    return directions[:2], shares[:2]


def coarse_to_fine() -> list[tuple[int, int]]:
    """Every (column, row) once, those of coarser grids first."""
    order: dict[tuple[int, int], None] = {}
    for stride in STRIDES:
        places = range(0, CELLS, stride)
        order |= {(column, row): None for row in places for column in places}
    return list(order)


def losses_at(trainer: Trainer, points: list[Tensor]) -> Iterator[float]:
    """The loss in training mode at each vector of weights; infinite where it is no finite number."""
    inputs, labels = trainer.train.batch(trainer.train.spread(EXAMPLES).to(trainer.device))
    network = in_double(trainer)
    inputs, labels = inputs.cpu().double(), labels.cpu()
    for point in points:
        yield _loss(network, point, inputs, labels)


@torch.no_grad()
def _loss(network: Network, point: Tensor, inputs: Tensor, labels: Tensor) -> float:
    vector_to_parameters(point, network.parameters())
    with one_thread():
        loss = F.cross_entropy(network(inputs), labels).item()
    return loss if math.isfinite(loss) else math.inf


def _plane(
    trainer: Trainer,
    centre: Tensor,
    directions: tuple[Tensor, Tensor],
    axes: tuple[np.ndarray, ...],
    about: Mapping[str, Any],
) -> Iterator[Piece]:
    places = coarse_to_fine()
    for start in range(0, len(places), CHUNK):
        chosen = places[start : start + CHUNK]
        points = [
            centre + axes[0][column] * directions[0] + axes[1][row] * directions[1] for column, row in chosen
        ]
        found: dict[str, Any] = {
            "places": np.array(chosen),
            "losses": np.array(list(losses_at(trainer, points))),
        }
        if not start:
            found |= {"axes": axes, **about}
        yield min(1.0, (start + CHUNK) / len(places)), found


def _wide(values: np.ndarray) -> np.ndarray:
    """(CELLS,), evenly spaced over these values and a margin."""
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, CELLS)
