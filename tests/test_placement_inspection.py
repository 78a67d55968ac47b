"""What a layer can represent, against least squares, theory and a folded network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from bnviz.engine.inspections.placement import (
    HALF_SLOPE,
    STEEPNESS,
    made_use_of,
    missed,
    scores_in_training,
    without_affine,
)
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.labs import placement

SMALL = Experiment(
    hidden=(14, 10), batch_size=50, steps=150, init="xavier", init_scale=1.0, learning_rate=0.5, device="cpu"
)
KINDS = ("batch", "batch-after-activation", "batch-no-affine")


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def trained() -> dict[str, Trainer]:
    trainers = {kind: Trainer(SMALL.replace(normalizer=kind)) for kind in KINDS}
    for trainer in trainers.values():
        trainer.advance(SMALL.steps)
    return trainers


def test_the_slope_is_half_of_its_largest_at_the_edge_and_a_normal_distribution_seldom_gets_there() -> None:
    s = scipy.special.expit(HALF_SLOPE["sigmoid"])
    assert s * (1 - s) == pytest.approx(0.125)
    assert 1 - np.tanh(HALF_SLOPE["tanh"]) ** 2 == pytest.approx(0.5)
    assert pytest.approx(2 * scipy.stats.norm.sf(HALF_SLOPE["sigmoid"]), abs=5e-4) == placement.NORMAL_BENT
    assert placement.STEEPNESS == STEEPNESS


@pytest.mark.parametrize("steepness", STEEPNESS)
def test_what_is_missed_without_gamma_before_agrees_with_least_squares(
    steepness: float, trained: dict[str, Trainer]
) -> None:
    x_hat = np.random.default_rng(0).standard_normal((500, 3))
    shares = []
    for column in x_hat.T:
        wanted = scipy.special.expit(steepness * column)
        table = np.stack([scipy.special.expit(column), np.ones(500)], axis=1)
        rest = wanted - table @ np.linalg.lstsq(table, wanted, rcond=None)[0]
        shares.append(rest.var() / wanted.var())
    for kind in ("batch-after-activation", "batch-no-affine"):
        assert missed(trained[kind], x_hat, steepness) == pytest.approx(np.mean(shares), abs=1e-10)
    assert missed(trained["batch"], x_hat, steepness) < 1e-12


def test_gamma_and_beta_behind_the_nonlinearity_fold_into_the_next_layer(trained: dict[str, Trainer]) -> None:
    trainer = trained["batch-after-activation"]
    pairs = trainer.network.scale_and_shift()
    assert all(pair is not None and (pair[0] - 1).abs().max() > 0.01 for pair in pairs)
    inputs = trainer.recorder.probe_inputs
    with torch.no_grad():
        mine = scores_in_training(trainer.network, inputs)
        folded = scores_in_training(without_affine(trainer), inputs)
        bare = Trainer(trainer.experiment.replace(normalizer="batch-no-affine"))
        for theirs, block in zip(bare.network.hidden, trainer.network.hidden, strict=True):
            theirs.affine.load_state_dict(block.affine.state_dict())
        bare.network.output.load_state_dict(trainer.network.output.state_dict())
        unfolded = scores_in_training(bare.network, inputs)
    torch.testing.assert_close(mine, folded, rtol=1e-4, atol=1e-4)
    assert (mine - unfolded).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_scores_in_training_are_those_of_the_network_in_training(
    kind: str, trained: dict[str, Trainer]
) -> None:
    trainer = trained[kind]
    other = Trainer(trainer.experiment)
    other.network.load_state_dict(trainer.network.state_dict())
    inputs = trainer.recorder.probe_inputs
    with torch.no_grad():
        torch.testing.assert_close(
            scores_in_training(trainer.network, inputs), other.network(inputs).double()
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_inspection_counts_bent_inputs_and_leaves_the_trainer_as_it_was(
    kind: str, trained: dict[str, Trainer]
) -> None:
    trainer = trained[kind]
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    found = made_use_of(trainer)
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.state_dict().items())
    assert trainer.network.training
    for share, probe in zip(found["bent"], trainer.network.probe(trainer.recorder.probe_inputs), strict=True):
        s = scipy.special.expit(probe.pre_activations.numpy().astype(np.float64))
        assert share == pytest.approx((s * (1 - s) < 0.125).mean())
    assert np.isfinite(found["folded"]) == (kind == "batch-after-activation")


def test_relu_has_no_bend_to_count() -> None:
    found = made_use_of(Trainer(SMALL.replace(activation="relu", init="kaiming")))
    assert np.isnan(found["bent"]).all()
