"""Section 2's blow-up: b against a plain PyTorch script, and the loss that does not move."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.bias import ALONE_STEPS, biases, followed, with_bias
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment

SMALL = Experiment(
    hidden=(10, 8), batch_size=50, steps=80, activation="relu", init="kaiming", init_scale=1.0, device="cpu"
)
KINDS = ("batch-stop-mean", "batch-stop-statistics", "batch-no-affine")


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    with one_thread():
        yield


def normalized(x: Tensor, kind: str) -> Tensor:
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    if kind == "batch-stop-mean":
        mean = mean.detach()
        variance = ((x - mean) ** 2).mean(0)
    if kind == "batch-stop-statistics":
        mean, variance = mean.detach(), variance.detach()
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("kind", KINDS)
def test_b_alone_agrees_with_a_plain_pytorch_script(kind: str) -> None:
    experiment = SMALL.replace(normalizer=kind)
    trainer = Trainer(experiment)
    weights = [block.affine.weight.detach().double() for block in trainer.network.hidden]
    output = [value.detach().double() for value in trainer.network.output.parameters()]
    own = [torch.zeros(len(weight), dtype=torch.float64, requires_grad=True) for weight in weights]
    promised = 0.0
    for _ in range(ALONE_STEPS):
        x, labels = trainer.next_batch()
        trainer.step += 1
        x = x.double()
        for weight, bias in zip(weights, own, strict=True):
            x = normalized(x @ weight.T + bias, kind).relu()
        gradients = torch.autograd.grad(F.cross_entropy(x @ output[0].T + output[1], labels), own)
        promised += experiment.learning_rate * sum(float((item**2).sum()) for item in gradients)
        own = [
            (bias - experiment.learning_rate * gradient).detach().requires_grad_()
            for bias, gradient in zip(own, gradients, strict=True)
        ]
    found = followed(Trainer(experiment))
    expected = float(torch.cat(own).detach().norm())
    assert found["alone_bias"][-1] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert found["alone_promised"][-1] == pytest.approx(promised, rel=1e-4, abs=1e-8)
    assert found["alone_loss"] == pytest.approx(found["alone_loss"][0], abs=1e-5)
    assert (expected > 0.1) == (kind != "batch-no-affine")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_followed_is_the_training_itself(kind: str) -> None:
    experiment = SMALL.replace(normalizer=kind)
    trainer, followed_one = Trainer(experiment), with_bias(experiment)
    for one in (trainer, followed_one):
        one.advance(experiment.steps)
    for mine, theirs in zip(trainer.network.hidden, followed_one.network.hidden, strict=True):
        torch.testing.assert_close(mine.affine.weight, theirs.affine.weight, rtol=1e-3, atol=1e-4)
    found = followed(trainer)
    assert found["bias"][-1] == pytest.approx(
        float(torch.cat(biases(followed_one)).detach().norm()), abs=1e-6
    )
    assert found["steps"][0] == 0
    assert found["steps"][-1] == experiment.steps
    assert len({len(found[name]) for name in ("steps", "bias", "weights", "loss")}) == 1


def test_following_leaves_the_trainer_as_it_was() -> None:
    trainer, untouched = (Trainer(SMALL.replace(normalizer="batch-stop-mean")) for _ in range(2))
    trainer.advance(30)
    untouched.advance(30)
    followed(trainer)
    assert np.array_equal(trainer.order_rng.get_state(), untouched.order_rng.get_state())
    for one in (trainer, untouched):
        one.advance(50)
    states = (one.network.state_dict().values() for one in (trainer, untouched))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*states, strict=True))
