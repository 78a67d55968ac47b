"""Sharpness against a Hessian built in full, and gradient descent on all training examples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz.data import datasets
from bnviz.engine.inspections.sharpness import followed, hessian, largest_curvature, steps_of
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.comparison import Comparison
from bnviz.runs.cost import step_millions
from tests.test_smoothness import torchs_own

TINY = Experiment(
    dataset="moons",
    train_examples=60,
    hidden=(4, 3),
    activation="tanh",
    init="xavier",
    init_scale=1.0,
    batch_size=0,
    learning_rate=0.5,
    steps=30,
    device="cpu",
)


def in_full(trainer: Trainer) -> tuple[float, np.ndarray]:
    """The loss and the whole Hessian, by torch.autograd.functional on torch's own modules."""
    inputs, labels = trainer.train.batch(torch.arange(len(trainer.train)))
    twin = torchs_own(trainer)
    start = nn.utils.parameters_to_vector(twin.parameters()).detach()
    names = [(name, item.shape) for name, item in twin.named_parameters()]

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = torch.split(vector, [math.prod(shape) for _, shape in names])
        values = {name: part.view(shape) for (name, shape), part in zip(names, parts, strict=True)}
        return F.cross_entropy(torch.func.functional_call(twin, values, (inputs.double(),)), labels)

    return loss(start).item(), torch.autograd.functional.hessian(loss, start).numpy()


@pytest.mark.parametrize("normalizer", ["none", "batch"])
@pytest.mark.parametrize("step", [0, 20])
def test_the_largest_eigenvalue_is_that_of_the_hessian_built_in_full(normalizer: str, step: int) -> None:
    trainer = Trainer(TINY.replace(normalizer=normalizer))
    trainer.advance(step)
    before = [item.clone() for item in trainer.network.state_dict().values()]
    loss, sharpness = largest_curvature(trainer)
    after = trainer.network.state_dict().values()
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    expected, whole = in_full(trainer)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert sharpness == pytest.approx(np.linalg.eigvalsh(whole)[-1], rel=1e-3)
    inputs, labels = trainer.train.batch(torch.arange(len(trainer.train)))
    products, _ = hessian(trainer.network.double(), inputs.double(), labels)
    # The order of parameters differs where b, γ and β stand: eigenvalues do not know of it.
    np.testing.assert_allclose(
        np.linalg.eigvalsh(products @ np.eye(len(whole))), np.linalg.eigvalsh(whole), atol=1e-9
    )


def test_the_curvature_of_a_network_whose_loss_is_no_number_is_unknown() -> None:
    trainer = Trainer(TINY.replace(normalizer="none"))
    with torch.no_grad():
        trainer.network.output.weight.fill_(math.nan)
    assert math.isnan(largest_curvature(trainer)[1])


def test_what_is_followed_is_the_training_itself_with_its_limit() -> None:
    experiment = TINY.replace(schedule="cosine", steps=20)
    rows = [row for _, row in followed(experiment)]
    assert [row["step"] for row in rows] == steps_of(20) == list(range(21))
    shares = [share for share, _ in followed(experiment)]
    assert all(a < b for a, b in itertools.pairwise(shares))
    assert shares[-1] == 1.0
    trainer = Trainer(experiment)
    trainer.advance(7)
    assert (rows[7]["loss"], rows[7]["sharpness"]) == largest_curvature(trainer)
    assert rows[0]["limit"] == 2 / 0.5
    assert rows[10]["limit"] > rows[5]["limit"]


# Gradient descent on all training examples


def test_all_training_examples_are_a_mini_batch_as_large_as_they_are_many() -> None:
    whole, counted = TINY.replace(batch_size=0), TINY.replace(batch_size=60)
    same = zip(train(whole).snapshots, train(counted).snapshots, strict=True)
    assert all(np.array_equal(a.layers, b.layers, equal_nan=True) and a.curves == b.curves for a, b in same)
    digits = Experiment(batch_size=0, steps=2, hidden=(5,), device="cpu")
    trainer = Trainer(digits)
    count = len(datasets.load("digits").train.labels)
    assert (trainer.order.size, trainer.order.batches) == (count, 1)
    assert sorted(trainer.order.at(0).tolist()) == list(range(count))
    sizes = (0, 1437)
    assert len({step_millions(Experiment(batch_size=size, train_examples=1437)) for size in sizes}) == 1


def test_the_step_is_that_of_gradient_descent_by_torchs_own_optimizer() -> None:
    trainer = Trainer(TINY)
    twin = torchs_own(trainer)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5)
    inputs, labels = trainer.train.batch(torch.arange(len(trainer.train)))
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(twin(inputs.double()), labels).backward()
        optimizer.step()
    trainer.advance(5)
    expected = F.cross_entropy(twin(inputs.double()), labels).item()
    assert largest_curvature(trainer)[0] == pytest.approx(expected, rel=1e-4)


def test_links_without_it_mean_what_they_meant_and_nonsense_is_refused() -> None:
    assert Experiment().batch_size == 60
    assert Experiment.from_query("batch_size=0").batch_size == 0
    assert "batch_size=0" in Experiment(batch_size=0).to_query()
    assert Experiment.knobs()["batch_size"].phrase(0) == "mini-batch all training examples"
    assert Comparison.salvage({"batch_size": "0"})[0].arms[0].batch_size == 0
    with pytest.raises(ExperimentError, match="batch_size = 0, all training examples"):
        Experiment(batch_size=0, batch_classes=2)
    with pytest.raises(ExperimentError, match="whole number from 0 to 4,096"):
        Experiment(batch_size=-1)
