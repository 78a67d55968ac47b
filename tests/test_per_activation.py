"""Batch normalization of each position of a feature map by itself, in the last layers of a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bnviz.engine.build import build
from bnviz.engine.normalizers import BatchNorm, PerActivationBatchNorm
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment, ExperimentError

BASE = Experiment(
    dataset="digits",
    architecture="inception",
    hidden=(4, 8, 8),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    batch_size=16,
    learning_rate=0.05,
    steps=3,
    device="cpu",
)
SHAPE = (6, 3, 4, 5)


def images(seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    values = 0.7 + 2.3 * torch.randn(SHAPE, generator=rng, dtype=torch.float64)
    return values.contiguous(memory_format=torch.channels_last)


def by_position(values: Tensor) -> Tensor:
    """(F·p·q,) in the order of torch's flatten -> (p·q·F,), as the module keeps them."""
    return values.view(SHAPE[1:]).permute(1, 2, 0).flatten()


def test_it_is_torchs_batch_normalization_of_every_element_in_outputs_gradients_and_running_statistics() -> (
    None
):
    ours = PerActivationBatchNorm(3, (4, 5)).double()
    theirs = nn.BatchNorm1d(60).double()
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for values in theirs.parameters():
            values.copy_(torch.randn(60, generator=rng))
        ours.gamma.copy_(by_position(theirs.weight))
        ours.beta.copy_(by_position(theirs.bias))
    for batch in range(4):
        mine, others = images(batch).requires_grad_(), images(batch).requires_grad_()
        y, expected = ours(mine), theirs(others.flatten(1)).view(SHAPE)
        torch.testing.assert_close(y, expected)
        weights = images(9)
        of_x, of_gamma, of_beta = torch.autograd.grad(
            (weights * y + y**3).sum(), [mine, ours.gamma, ours.beta]
        )
        wanted = torch.autograd.grad(
            (weights * expected + expected**3).sum(), [others, theirs.weight, theirs.bias]
        )
        torch.testing.assert_close(of_x, wanted[0])
        torch.testing.assert_close((of_gamma, of_beta), tuple(map(by_position, wanted[1:])))
    torch.testing.assert_close(ours.as_in_training(images(3)), y)
    torch.testing.assert_close(ours.running_mean, by_position(theirs.running_mean))
    torch.testing.assert_close(ours.running_var, by_position(theirs.running_var))
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(images(7)), theirs(images(7).flatten(1)).view(SHAPE))


def test_values_of_one_feature_at_one_position_share_their_statistics() -> None:
    ids = PerActivationBatchNorm(3, (4, 5)).shares(SHAPE)
    assert len(ids.unique()) == 60
    assert (ids == ids[0]).all()


@pytest.mark.parametrize(
    ("architecture", "residual", "hidden"),
    [
        ("inception", "none", (4, 8, 8)),
        ("residual", "none", (4, 4, 8)),
        ("residual", "pre", (4, 4, 8)),
        ("conv", "none", (4, 6)),
    ],
)
def test_the_last_layers_alone_have_it_and_train(architecture: str, residual: str, hidden: tuple) -> None:
    experiment = BASE.replace(architecture=architecture, residual=residual, hidden=hidden, per_activation=1)
    trainer = Trainer(experiment)
    *others, last = trainer.network.layers
    assert not any(
        isinstance(module, PerActivationBatchNorm) for layer in others for module in layer.modules()
    )
    assert any(isinstance(module, PerActivationBatchNorm) for module in last.modules())
    assert not any(
        isinstance(module, BatchNorm) for module in [*last.modules(), trainer.network.last_normalizer]
    )
    assert len(trainer.advance(3)) == 4
    # With β = 0 every position has mean 0 over the mini-batch; in the layer before it only the whole map has.
    fresh = build(experiment, (1, 8, 8), 10)
    before, own = (probe.pre_activations for probe in fresh.probe(trainer.recorder.probe_inputs)[-2:])
    if architecture != "residual" or residual == "pre":  # else what passes by is added
        assert own.mean(0).abs().max() < 1e-4
    assert before.mean(0).abs().max() > 1e-2


def test_a_unit_has_no_single_gamma_and_none_is_recorded() -> None:
    snapshot = Trainer(BASE.replace(per_activation=1)).advance(0)[0]
    assert torch.isnan(torch.tensor(snapshot.units[-8:, 3:])).all()
    assert torch.isfinite(torch.tensor(snapshot.units[:-8, 3:])).all()


def test_where_it_has_no_effect_it_is_said_and_left_out() -> None:
    for fields in ({"normalizer": "layer"}, {"normalizer": "none"}, {"normalized_layers": "1"}):
        experiment = BASE.replace(per_activation=1, **fields)
        assert "per_activation" in experiment.without_effect
        assert experiment.canonical().per_activation == 0
    connected = BASE.replace(architecture="mlp", per_activation=1)
    assert "per_activation" in connected.without_effect
    assert "per_activation" not in BASE.replace(per_activation=1).without_effect
    assert BASE.replace(per_activation=5).canonical() == BASE.replace(per_activation=3).canonical()
    with pytest.raises(ExperimentError, match="batch_size = 1 is not allowed"):
        BASE.replace(per_activation=1, batch_size=1)
    assert BASE.replace(batch_size=1).batch_size == 1
