"""The loss over a plane against torch's own modules, loaded with the weights of each point."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz.engine.inspections import surface
from bnviz.engine.inspections.surface import CELLS, around, coarse_to_fine, filter_normalized, path, weights
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.figures import landscapes
from bnviz.recording.landscape import Plane
from tests.test_smoothness import torchs_own

TINY = Experiment(
    dataset="moons",
    train_examples=60,
    hidden=(4, 3),
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    batch_size=20,
    learning_rate=0.5,
    steps=30,
    device="cpu",
)
PAIR = tuple(TINY.replace(normalizer=kind) for kind in ("none", "batch"))


@pytest.fixture(scope="module")
def planes():
    return {
        experiment: (Plane.joined([row for _, row in around(experiment, 20)]), list(path(experiment)))
        for experiment in PAIR
    }


def loss_by_torch(trainer: Trainer) -> float:
    inputs, labels = trainer.train.batch(torch.arange(len(trainer.train)))
    with torch.no_grad():
        return F.cross_entropy(torchs_own(trainer)(inputs.double()), labels).item()


def at(experiment: Experiment, step: int) -> Trainer:
    trainer = Trainer(experiment)
    trainer.advance(step)
    trainer.network.double()
    return trainer


@pytest.mark.parametrize("experiment", PAIR, ids=["none", "batch"])
def test_the_loss_at_a_point_of_the_plane_is_that_of_torchs_modules_with_its_weights(experiment, planes):
    plane, _ = planes[experiment]
    trainer = at(experiment, 20)
    first, second = (filter_normalized(trainer, number) for number in (1, 2))
    middle = weights(trainer)
    for row, column in ((0, 0), (3, 20), (12, 12), (24, 7)):
        point = middle + plane.across[column] * first + plane.up[row] * second
        nn.utils.vector_to_parameters(point, trainer.network.parameters())
        assert plane.losses[row, column] == pytest.approx(loss_by_torch(trainer), rel=1e-6)  # of float32
    assert not np.isnan(plane.losses).any()
    assert plane.across[12] == plane.up[12] == 0


def test_each_row_of_a_direction_is_as_long_as_the_weights_and_biases_do_not_move():
    trainer = at(PAIR[1], 20)
    other = at(PAIR[0], 20)
    parts = nn.utils.parameters_to_vector(trainer.network.parameters())
    for number in (1, 2):
        direction = filter_normalized(trainer, number)
        assert direction.shape == parts.shape
        place = 0
        for parameter in trainer.network.parameters():
            own = direction[place : place + parameter.numel()].view(parameter.shape)
            place += parameter.numel()
            if parameter.dim() < 2:
                assert not own.any()
            else:
                torch.testing.assert_close(own.norm(dim=1), parameter.detach().norm(dim=1))
    # The same random numbers in both networks: the first unit's direction is the same but for its length.
    one, two = (F.normalize(filter_normalized(item, 1)[:2], dim=0) for item in (trainer, other))
    torch.testing.assert_close(one, two)
    assert not torch.equal(filter_normalized(trainer, 1), filter_normalized(trainer, 2))


@pytest.mark.parametrize("experiment", PAIR, ids=["none", "batch"])
def test_the_path_is_that_of_training_in_its_principal_plane(experiment, planes):
    plane = Plane.joined([row for _, row in planes[experiment][1]])
    visited = []
    for step, own_loss in zip(plane.steps.tolist(), plane.on_path.tolist(), strict=True):
        trainer = at(experiment, step)
        assert own_loss == pytest.approx(loss_by_torch(trainer), rel=1e-9)
        visited.append(weights(trainer).numpy())
    moved = np.array(visited) - visited[-1]
    covariance = np.cov(moved.T)
    values, vectors = np.linalg.eigh(covariance)
    np.testing.assert_allclose(plane.explained, values[::-1][:2] / values.sum(), rtol=1e-9)
    expected = moved @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(plane.path), np.abs(expected), atol=1e-9)  # a direction has no sign
    np.testing.assert_array_equal(plane.path[-1], 0)
    assert plane.across[0] < plane.path[:, 0].min() < plane.path[:, 0].max() < plane.across[-1]
    assert np.isfinite(plane.losses).all()


def test_the_plane_comes_coarse_to_fine_and_each_point_once():
    order = coarse_to_fine()
    assert len(order) == len(set(order)) == CELLS**2
    assert all(column % 8 == row % 8 == 0 for column, row in order[:16])
    pieces = list(around(TINY, 5))
    assert [share for share, _ in pieces] == sorted({share for share, _ in pieces})
    assert pieces[-1][0] == 1.0
    sizes = [
        len(Plane.joined([row for _, row in pieces[:count]]).grid[0]) for count in range(len(pieces) + 1)
    ]
    assert sizes == sorted(sizes)
    assert set(sizes) == {0, 4, 7, 13, 25}


def test_a_loss_that_is_no_number_is_infinite_and_a_network_that_diverged_has_no_plane():
    trainer = at(TINY, 0)
    lost = weights(trainer) * math.nan
    assert next(surface.losses_at(trainer, [lost])) == math.inf
    wild = TINY.replace(learning_rate=100.0, weight_decay=1.0, normalizer="none", steps=400)
    assert list(around(wild, 400)) == list(path(wild)) == []


@pytest.mark.parametrize("shape", ["contours", "surface"])
@pytest.mark.parametrize("looks", [{}, {"theme": "projector-dark", "narrow": True}], ids=str)
def test_both_networks_are_drawn_with_the_same_colours_for_the_same_loss(shape, looks, planes):
    found = [[row for _, row in planes[item][1]] for item in PAIR]
    plot = landscapes.draw("bnviz.engine.inspections.surface:path", PAIR, found, shape=shape, **looks)
    go.Figure(plot.figure().to_dict())
    kind, ends = ("surface", ("cmin", "cmax")) if shape == "surface" else ("heatmap", ("zmin", "zmax"))
    drawn = [trace for trace in plot.data if trace["type"] == kind]
    assert len(drawn) == 2
    assert len({tuple(trace[end] for end in ends) for trace in drawn}) == 1
    for trace, pieces in zip(drawn, found, strict=True):
        np.testing.assert_allclose(trace["z"], np.log10(Plane.joined(pieces).losses))
    assert "of the path’s variance" in plot.layout["meta"]["alt"]
    for function in landscapes.PLANES:
        empty = landscapes.draw(function, PAIR, ((), ()), shape=shape, **looks)
        assert "nothing yet" in empty.layout["meta"]["alt"]
