"""The lab effective-rate: lengths and angles against a plain program, and a verdict that follows from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz.engine.inspections.effective_rate import over_training
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.labs import find
from bnviz.labs.base import Result, Setting, View
from bnviz.labs.effective_rate import DECAY, DECAYS, LATE, LAYER, STARTS, balance
from bnviz.recording.outcome import Outcome
from bnviz.runs.pool import train_many
from tests.recordings import recording

SMALL = Experiment(
    hidden=(12, 9),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    batch_size=40,
    learning_rate=0.5,
    weight_decay=0.02,
    steps=30,
    device="cpu",
)


@pytest.mark.parametrize("normalizer", ["batch", "none"])
def test_lengths_and_angles_are_those_of_a_plain_program(normalizer: str) -> None:
    """nn.Sequential, torch.optim.SGD and arccos, from the same weights and mini-batches."""
    trainer = Trainer(SMALL.replace(normalizer=normalizer))
    maps = [*(layer.affine for layer in trainer.network.hidden), trainer.network.output]
    linears = [nn.Linear(it.in_features, it.out_features, bias=it.bias is not None) for it in maps]
    for linear, source in zip(linears, maps, strict=True):
        linear.load_state_dict(source.state_dict())
    norms = [nn.BatchNorm1d(width) if normalizer == "batch" else nn.Identity() for width in SMALL.hidden]
    model = nn.Sequential(linears[0], norms[0], nn.ReLU(), linears[1], norms[1], nn.ReLU(), linears[2])
    sgd = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=0.02)
    lengths, angles = [], []
    for step in range(SMALL.steps):
        trainer.step = step
        before = [linear.weight.detach().double().numpy().ravel().copy() for linear in linears[:2]]
        inputs, labels = trainer.next_batch()
        loss = F.cross_entropy(model(inputs), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        after = [linear.weight.detach().double().numpy().ravel() for linear in linears[:2]]
        lengths.append([np.sqrt((old**2).sum()) for old in before])
        angles.append(
            [
                np.degrees(np.arccos(old @ new / np.sqrt((old @ old) * (new @ new))))
                for old, new in zip(before, after, strict=True)
            ]
        )
    found = over_training(Trainer(SMALL.replace(normalizer=normalizer)))
    assert np.array_equal(found["steps"], np.arange(SMALL.steps))  # fewer than the records there may be
    assert np.allclose(found["length"], lengths, rtol=1e-4)
    assert np.allclose(found["angle"], angles, rtol=1e-3)
    assert np.array_equal(found["rate"], np.full(SMALL.steps, 0.5))


def test_behind_batch_norm_a_step_without_decay_lengthens_the_weights_by_pythagoras() -> None:
    found = over_training(Trainer(SMALL.replace(normalizer="batch", weight_decay=0.0)))
    length, turn = found["length"], np.radians(found["angle"])
    assert np.allclose(length[1:], length[:-1] / np.cos(turn[:-1]), rtol=1e-4)
    plain = over_training(Trainer(SMALL.replace(normalizer="none", weight_decay=0.0)))
    assert not np.allclose(
        plain["length"][1:], plain["length"][:-1] / np.cos(np.radians(plain["angle"][:-1])), rtol=1e-4
    )


def test_a_second_training_leaves_the_trainer_as_it_is() -> None:
    looked_into, left_alone = (Trainer(SMALL) for _ in range(2))
    over_training(looked_into)
    for name, value in left_alone.network.state_dict().items():
        assert torch.equal(looked_into.network.state_dict()[name], value), name
    assert looked_into.step == 0


def measured(experiment: Experiment, good: bool) -> Outcome:
    """A network that nobody trained: with weight decay all end at one length, if `good`."""
    start = experiment.init_scale
    same = (experiment.weight_decay > 0) == good
    end = 2.0 if same else 20.0 * start
    steps = np.arange(0, experiment.steps, max(1, experiment.steps // 100))
    length = np.geomspace(10 * start, end, len(steps) - LATE)
    column = np.concatenate([length, np.full(LATE, end)])[:, None].repeat(2, axis=1)
    found = {"steps": steps, "length": column, "angle": 1 / column, "rate": np.full(len(steps), 0.5)}
    return Outcome(recording(experiment, 3), found)


def result(goods: tuple[bool, ...], setting: Setting | None = None) -> Result:
    lab, setting = find("effective-rate"), setting or Setting(quick=True, seeds=len(goods))
    jobs = lab.jobs(setting)
    return lab.result(
        setting, [measured(job.experiment, goods[place % len(goods)]) for place, job in enumerate(jobs)]
    )


def test_the_verdict_can_come_out_false_and_unclear() -> None:
    lab = find("effective-rate")
    holds = lab.verdict(result((True, True)))
    assert (holds.holds, holds.answer) == (True, "decay")
    assert holds.measured["spread_bn_decay"].median == 1.0
    assert holds.measured["spread_bn_free"].median == pytest.approx(100.0)
    fails = lab.verdict(result((False, False)))
    assert (fails.holds, fails.answer) == (False, "free")
    assert lab.verdict(result((True, False))).holds is None
    # Lengths 6 % apart are not the same, and lengths 1.9 times apart are not apart.
    for factors in ({"bn-decay-x10": 1.06}, {"bn-free-x1": 0.1, "bn-free-x10": 0.019}):
        good = result((True,))
        outcomes = dict(good.outcomes)
        for arm, factor in factors.items():
            (one,) = outcomes[arm]
            longer = np.asarray(one.inspection["length"]) * factor
            outcomes[arm] = (Outcome(one.recording, {**one.inspection, "length": longer}),)
        assert lab.verdict(good.replace(outcomes=outcomes)).holds is False


def test_networks_that_do_not_learn_show_no_balance() -> None:
    """Really trained, at a learning rate of 0: each start keeps its length, with weight decay too."""
    lab, setting = find("effective-rate"), Setting(quick=True, steps=3, changes={"learning_rate": 0.0})
    found = lab.result(setting, train_many(lab.jobs(setting), workers=1))
    verdict = lab.verdict(found)
    assert (verdict.holds, verdict.answer) == (False, "neither")
    assert verdict.measured["spread_bn_decay"].median == pytest.approx(100.0, rel=1e-3)
    assert verdict.measured["angle_bn_decay_x1"].median == 0.0
    assert lab.figures(found, View())


def test_only_starts_and_decay_differ_and_theory_is_of_this_setting() -> None:
    lab = find("effective-rate")
    arms = lab.arms(Setting(quick=True))
    batch = [arm.experiment for arm in arms if arm.experiment.normalizer == "batch"]
    assert {(it.weight_decay, it.init_scale) for it in batch} == {
        (decay, start) for decay in DECAYS.values() for start in STARTS
    }
    for other in batch[1:]:
        assert set(batch[0].differences(other)) <= {"init_scale", "weight_decay"}
    assert len(batch[0].hidden) == LAYER
    assert balance(result((True,))) == pytest.approx(math.degrees(math.sqrt(2 * 0.5 * DECAY)))


@pytest.mark.slow
def test_really_trained_the_starts_meet_with_decay_alone() -> None:
    lab, setting = find("effective-rate"), Setting(quick=True, seeds=2)
    verdict = lab.verdict(lab.result(setting, train_many(lab.jobs(setting), workers=2)))
    assert verdict.holds is True
    assert max(verdict.measured["spread_bn_decay"].values) <= 1.05
    assert min(verdict.measured["spread_bn_free"].values) > 20
    assert 0.6 < verdict.measured["angle_bn_decay_x1"].median / 5.73 < 1.2
