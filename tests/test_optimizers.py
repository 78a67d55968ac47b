"""Optimizers, schedules and gradient clipping against torch's own, step for step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from bnviz import Recording, figures
from bnviz.engine.network import ACTIVATION_FUNCTIONS
from bnviz.engine.optimizers import OPTIMIZER_CLASSES, clipped
from bnviz.engine.stack import stackable
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.knob import ACTIVATIONS, OPTIMIZERS, SCHEDULES
from bnviz.experiment.schedule import rate_factor
from bnviz.recording.nonlinearities import NONLINEARITIES, SLOPE_SHARE

STEPS = 200
WARMED_UP = [name for name in SCHEDULES if name != "one-cycle"]
SMALL = Experiment(hidden=(8, 8), batch_size=16, steps=STEPS, init="kaiming", init_scale=1.0)

TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "nesterov": lambda parameters, **named: torch.optim.SGD(parameters, nesterov=True, **named),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def torchs(experiment: Experiment, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    takes_momentum = experiment.optimizer in ("sgd", "nesterov", "rmsprop")
    named = {"momentum": experiment.momentum} if takes_momentum else {}
    return TORCHS[experiment.optimizer](
        parameters, lr=experiment.learning_rate, weight_decay=experiment.weight_decay, **named
    )


def rates_of(
    rate: float, steps: int, make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
) -> list[float]:
    """The rates of a scheduler of torch, step by step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def torchs_rates(experiment: Experiment) -> list[float]:
    """Those of the warm-up, then those of the schedule from its beginning."""
    warmup, rest, rate = experiment.warmup, experiment.steps - experiment.warmup, experiment.learning_rate
    schedulers: dict[str, Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]] = {
        "constant": lambda own: lr_scheduler.ConstantLR(own, factor=1.0),
        "step": lambda own: lr_scheduler.StepLR(own, math.ceil(rest / 3), gamma=0.1),
        "cosine": lambda own: lr_scheduler.CosineAnnealingLR(own, T_max=rest),
        "exponential": lambda own: lr_scheduler.ExponentialLR(own, gamma=0.01 ** (1 / rest)),
        "one-cycle": lambda own: lr_scheduler.OneCycleLR(
            own, max_lr=rate, total_steps=rest, cycle_momentum=False
        ),
    }
    first = rates_of(
        rate,
        warmup,
        lambda own: lr_scheduler.LinearLR(own, start_factor=1 / (warmup + 1), total_iters=max(1, warmup)),
    )
    return first + rates_of(rate, rest, schedulers[experiment.schedule])


def as_anybody_would(experiment: Experiment) -> list[torch.Tensor]:
    """The parameters after training the same network on the same mini-batches by torch's optimizer and scheduler."""
    mine = Trainer(experiment)
    network, parameters = mine.network, list(mine.network.parameters())
    optimizer = torchs(experiment, parameters)
    rates = torchs_rates(experiment)
    for mine.step in range(experiment.steps):
        inputs, labels = mine.next_batch()
        optimizer.zero_grad()
        optimizer.param_groups[0]["lr"] = rates[mine.step]
        F.cross_entropy(network(inputs), labels).backward()
        if experiment.gradient_clipping:
            nn.utils.clip_grad_norm_(parameters, experiment.gradient_clipping)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def trained(experiment: Experiment) -> list[torch.Tensor]:
    trainer = Trainer(experiment)
    trainer.advance(experiment.steps)
    assert trainer.diverged_at is None
    return [parameter.detach() for parameter in trainer.parameters]


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05},
        {"optimizer": "nesterov", "momentum": 0.9, "learning_rate": 0.05},
        {"optimizer": "rmsprop", "learning_rate": 0.003},
        {"optimizer": "rmsprop", "momentum": 0.5, "learning_rate": 0.003},
        {"optimizer": "adam", "learning_rate": 0.003},
        {"optimizer": "adamw", "learning_rate": 0.003},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_an_optimizer_takes_the_steps_of_torchs_own(changes, decay):
    experiment = SMALL.replace(weight_decay=decay, **changes)
    for mine, theirs in zip(trained(experiment), as_anybody_would(experiment), strict=True):
        if experiment.optimizer in ("sgd", "nesterov"):
            assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "warmup"), [*((name, 0) for name in SCHEDULES), *((name, 30) for name in WARMED_UP)]
)
def test_a_schedule_gives_the_rates_of_torchs_own(schedule, warmup):
    experiment = SMALL.replace(schedule=schedule, warmup=warmup, learning_rate=0.3)
    mine = [0.3 * rate_factor(experiment, step) for step in range(STEPS)]
    assert mine == pytest.approx(torchs_rates(experiment), rel=1e-9)


@pytest.mark.parametrize("schedule", ["step", "cosine", "one-cycle", "exponential"])
def test_a_network_trained_by_a_schedule_is_the_one_that_torch_trains(schedule):
    warmup = 10 if schedule in WARMED_UP else 0
    experiment = SMALL.replace(schedule=schedule, warmup=warmup, momentum=0.9, learning_rate=0.1)
    for mine, theirs in zip(trained(experiment), as_anybody_would(experiment), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "steps", "warmup"), list(itertools.product(SCHEDULES, (1, 2, 3, 7), (0, 1, 9)))
)
def test_the_rate_is_a_share_of_the_one_that_is_set_however_short_the_run(schedule, steps, warmup):
    experiment = SMALL.replace(schedule=schedule, steps=steps, warmup=warmup if schedule in WARMED_UP else 0)
    assert all(0.0 <= rate_factor(experiment, step) <= 1.0 for step in range(steps + 1))


def test_a_change_of_the_learning_rate_is_multiplied_by_the_schedule():
    experiment = SMALL.replace(schedule="cosine", learning_rate=0.1)
    trainer = Trainer(experiment)
    trainer.advance(100, [Intervention(50, "learning_rate", 0.4)])
    gradients = trainer.backward()
    assert gradients is not None
    assert trainer.update(gradients).rate == pytest.approx(0.4 * 0.5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_chart_of_the_learning_rate_draws_what_each_step_was_multiplied_by(schedule):
    experiment = SMALL.replace(schedule=schedule, warmup=7 if schedule in WARMED_UP else 0, steps=60)
    changes = [Intervention(20, "learning_rate", 0.4), Intervention(31, "learning_rate", 0.1)]
    trainer, taken = Trainer(experiment), []
    update = trainer.update
    trainer.update = lambda gradients: taken.append(update(gradients)) or taken[-1]
    snapshots = trainer.advance(60, changes)
    recording = Recording(experiment, tuple(changes)).extended(snapshots)
    (line,) = figures.learning_rate([recording]).data
    assert {0, 19, 20, 30, 31, 60} <= set(line.x)
    drawn = dict(zip(line.x, line.y, strict=True))
    assert all(drawn[at] == pytest.approx(item.rate) for at, item in enumerate(taken) if at in drawn)


def test_one_cycle_takes_no_warm_up_since_it_has_its_own():
    with pytest.raises(ExperimentError, match="rises by itself"):
        SMALL.replace(schedule="one-cycle", warmup=5)


def test_gradients_are_clipped_as_torch_clips_them():
    experiment = SMALL.replace(gradient_clipping=0.5, learning_rate=0.5)
    unclipped = trained(experiment.replace(gradient_clipping=0.0))
    for mine, theirs, free in zip(trained(experiment), as_anybody_would(experiment), unclipped, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
        assert not torch.equal(mine, free)


def test_clipping_shortens_long_gradients_and_leaves_short_ones():
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    shortened = clipped(gradients, 1.0)
    assert math.sqrt(sum(float((item**2).sum()) for item in shortened)) == pytest.approx(1.0, abs=1e-5)
    assert all(torch.equal(own, item) for own, item in zip(clipped(gradients, 6.0), gradients, strict=True))
    assert [float(item.sum()) for item in gradients] == [3.0, 4.0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_recorded_update_is_what_the_weights_moved(optimizer):
    experiment = SMALL.replace(optimizer=optimizer, momentum=0.5, learning_rate=0.01, weight_decay=0.01)
    trainer = Trainer(experiment)
    trainer.advance(3)
    before = [block.affine.weight.detach().clone() for block in trainer.network.hidden]
    (snapshot,) = trainer.advance(1, every_step=True)
    after = [block.affine.weight.detach() for block in trainer.network.hidden]
    column = list(train(SMALL.replace(steps=1)).layers.columns).index("update_ratio") - 2
    for row, old, new in zip(snapshot.layers, before, after, strict=True):
        assert row[column] == pytest.approx(float((new - old).norm() / new.norm()), rel=1e-3)


def test_every_optimizer_of_an_experiment_is_built_and_named():
    assert set(OPTIMIZER_CLASSES) == set(OPTIMIZERS) == set(TORCHS)


def test_only_plain_descent_is_stacked():
    assert stackable([SMALL, SMALL.replace(seed=1)])
    for changes in (
        {"optimizer": "adam"},
        {"schedule": "cosine"},
        {"warmup": 3},
        {"gradient_clipping": 1.0},
    ):
        assert not stackable([SMALL.replace(**changes), SMALL.replace(seed=1, **changes)])


def test_new_fields_leave_the_experiments_of_yesterday_as_they_were():
    assert Experiment().to_query() == ""
    assert Experiment.from_json('{"learning_rate": 0.1}').optimizer == "sgd"


# Nonlinearities.

TORCH_ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_nonlinearity_is_torchs_in_the_network_and_in_the_figures(name):
    x = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    expected = TORCH_ACTIVATIONS[name]()(x)
    assert torch.equal(ACTIVATION_FUNCTIONS[name](x), expected)
    kind = NONLINEARITIES[name]
    np.testing.assert_allclose(kind.value(x.numpy()), expected.numpy(), rtol=1e-6, atol=1e-6)
    assert kind.lowest <= float(expected.min()) + 1e-3
    assert float(expected.max()) <= kind.highest


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_flat_zone_begins_where_the_slope_stays_below_5_percent_of_its_largest(name):
    x = torch.linspace(-30, 30, 600_001, dtype=torch.float64, requires_grad=True)
    TORCH_ACTIVATIONS[name]()(x).sum().backward()
    assert x.grad is not None
    steep = x.detach()[x.grad.abs() >= SLOPE_SHARE * x.grad.abs().max()]
    kind = NONLINEARITIES[name]
    if name == "leaky-relu":  # its slope is 1 % below 0 on purpose, and is not called flat
        assert kind.zones == []
        return
    for edge, measured in zip(kind.flat, (float(steep.min()), float(steep.max())), strict=True):
        assert edge == pytest.approx(measured, abs=2e-4) if math.isfinite(edge) else abs(measured) >= 30
    assert kind.silent == (
        float(x.grad[x.detach() < min(0.0, kind.flat[0])].abs().sum()) == 0.0 and bool(kind.zones)
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_a_network_of_each_nonlinearity_trains_and_is_recorded(name, normalizer):
    recording = train(SMALL.replace(activation=name, normalizer=normalizer, steps=20, learning_rate=0.05))
    kind = NONLINEARITIES[name]
    saturated, dead = recording.layers["saturated"], recording.layers["dead"]
    assert saturated.isna().all() != kind.saturates
    assert dead.isna().all() != kind.silent
