"""The Trainer against an independent script in plain PyTorch, and against itself under all circumstances."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn
from torch.nn import functional as F

from bnviz.data import datasets
from bnviz.engine import recorder
from bnviz.engine.batches import stratified_subset
from bnviz.engine.build import build
from bnviz.engine.network import generator
from bnviz.engine.recorder import GRADIENTS, MOST_RECORDS, schedule
from bnviz.engine.trainer import Trainer, pick_device, train
from bnviz.experiment import Experiment, ExperimentError, Intervention
from bnviz.experiment.knob import NORMALIZERS
from bnviz.figures.frame.thinning import MOST_POINTS
from bnviz.recording import Recording
from bnviz.recording.snapshot import BOUNDARY_POINTS, BOUNDARY_RANGE, GRADIENT_EDGES

TINY = Experiment(
    hidden=(12, 9), batch_size=40, steps=50, learning_rate=0.3, init="xavier", init_scale=1.0, device="cpu"
)
POINTS = TINY.replace(dataset="spirals", hidden=(7, 5))
DIVERGES = TINY.replace(
    hidden=(20,) * 6,
    activation="relu",
    normalizer="none",
    init="kaiming",
    init_scale=2.0,
    learning_rate=100.0,
)
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


def inputs_of(split: datasets.Split, scale: float) -> torch.Tensor:
    return torch.from_numpy(split.inputs.reshape(len(split.inputs), -1).astype(np.float32)) * scale


def batches(experiment: Experiment, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Mini-batches as the Experiment's seed orders them: epoch after epoch, the incomplete last left out."""
    dataset = datasets.load(experiment.dataset)
    inputs, labels = inputs_of(dataset.train, dataset.scale), torch.from_numpy(dataset.train.labels.copy())
    chance = generator(experiment.seed, "order")
    drawn: list[torch.Tensor] = []
    while len(drawn) < count:
        order = torch.randperm(len(labels), generator=chance)
        drawn += [part for part in order.split(experiment.batch_size) if len(part) == experiment.batch_size]
    for index in drawn[:count]:
        yield inputs[index], labels[index]


def plain_network(experiment: Experiment) -> nn.Sequential:
    """Torch's own layers with the Experiment's initial weights."""
    dataset = datasets.load(experiment.dataset)
    start = build(experiment, dataset.shape, len(dataset.classes))
    width, layers = math.prod(dataset.shape), []
    for block, units in zip(start.hidden, experiment.hidden, strict=True):
        linear = nn.Linear(width, units, bias=experiment.normalizer == "none")
        with torch.no_grad():
            linear.weight.copy_(block.affine.weight)
            if linear.bias is not None:
                linear.bias.zero_()
        layers.append(linear)
        if experiment.normalizer == "batch":
            layers.append(nn.BatchNorm1d(units))
        layers.append(ACTIVATIONS[experiment.activation]())
        width = units
    output = nn.Linear(width, len(dataset.classes))
    with torch.no_grad():
        output.weight.copy_(start.output.weight)
        output.bias.zero_()
    return nn.Sequential(*layers, output)


def plain_training(experiment: Experiment, changes: Sequence[Intervention] = ()) -> nn.Sequential:
    """What anybody would write: torch.optim.SGD over those mini-batches."""
    net = plain_network(experiment)
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=experiment.learning_rate,
        momentum=experiment.momentum,
        weight_decay=experiment.weight_decay,
    )
    names = {"learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay"}
    for step, (x, y) in enumerate(batches(experiment, experiment.steps)):
        for change in changes:
            if change.step == step:
                optimizer.param_groups[0][names[change.field]] = change.value
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


def assert_same_network(trainer: Trainer, plain: nn.Sequential) -> None:
    """Equal parameters, in order, but for rounding; and equal running statistics."""
    mine = trainer.network
    linears = [layer for layer in plain if isinstance(layer, nn.Linear)]
    for block, linear in zip([block.affine for block in mine.hidden] + [mine.output], linears, strict=True):
        torch.testing.assert_close(block.weight, linear.weight, rtol=1e-3, atol=1e-5)
        if linear.bias is not None:
            torch.testing.assert_close(block.bias, linear.bias, rtol=1e-3, atol=1e-5)
    norms = [layer for layer in plain if isinstance(layer, nn.BatchNorm1d)]
    for block, norm in zip(mine.hidden if norms else [], norms, strict=True):
        for name, theirs in (
            ("gamma", norm.weight),
            ("beta", norm.bias),
            ("running_mean", norm.running_mean),
            ("running_var", norm.running_var),
        ):
            torch.testing.assert_close(getattr(block.normalizer, name), theirs, rtol=1e-3, atol=1e-5)


def trained(experiment: Experiment, *arguments: object, **options: object) -> Trainer:
    trainer = Trainer(experiment)
    trainer.advance(experiment.steps, *arguments, **options)
    return trainer


def state(trainer: Trainer) -> list[torch.Tensor]:
    """Everything that the next step depends on, but for the order of examples."""
    chances = [block.dropout.rng.get_state() for block in trainer.network.hidden]
    return [*trainer.network.state_dict().values(), *trainer.optimizer.velocities, *chances]


def recorded(experiment: Experiment, *calls: int, interventions: Sequence[Intervention] = ()) -> Recording:
    """A Recording made by several calls of `advance`."""
    trainer, snapshots = Trainer(experiment), []
    for index, steps in enumerate(calls):
        snapshots += trainer.advance(steps, interventions if index == 0 else ())
    return Recording(experiment, tuple(interventions), tuple(snapshots), trainer.diverged_at)


@pytest.mark.parametrize("normalizer", ["none", "batch"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "tanh", "seed": 4},
        {"activation": "relu", "learning_rate": 0.1},
        {"momentum": 0.9, "learning_rate": 0.05},
        {"weight_decay": 0.05},
        {"momentum": 0.8, "weight_decay": 0.01, "learning_rate": 0.05},
        {"dataset": "spirals", "batch_size": 64},
    ],
    ids=str,
)
def test_fifty_steps_are_those_of_plain_pytorch(normalizer, changes):
    experiment = TINY.replace(normalizer=normalizer, **changes)
    assert_same_network(trained(experiment), plain_training(experiment))


def test_a_changed_learning_rate_is_that_of_a_run_changed_by_hand():
    changes = (
        Intervention(20, "learning_rate", 0.02),
        Intervention(35, "momentum", 0.5),
        Intervention(35, "weight_decay", 0.1),
        Intervention(0, "learning_rate", 0.5),
    )
    assert_same_network(trained(TINY, changes), plain_training(TINY, changes))
    unchanged = plain_training(TINY)[0].weight
    assert (trained(TINY, changes).network.hidden[0].affine.weight - unchanged).abs().max() > 1e-3


def test_an_intervention_made_while_training_is_replayed_to_the_same_bits():
    change = Intervention(17, "learning_rate", 0.05)
    trainer = Trainer(TINY)
    snapshots = [*trainer.advance(17), *trainer.advance(10, [change]), *trainer.advance(50)]
    live = Recording(TINY, (change,), tuple(snapshots))
    assert train(TINY, live.interventions) == live
    assert recorded(TINY, 5, 45, interventions=[change]) == live
    assert train(TINY).snapshots[-1].layers.tolist() != live.snapshots[-1].layers.tolist()


def test_an_intervention_that_comes_too_late_is_refused_and_changes_nothing():
    trainer = Trainer(TINY)
    trainer.advance(20)
    with pytest.raises(ExperimentError, match="step = 19 is past; allowed is 20 or more"):
        trainer.advance(10, [Intervention(25, "momentum", 0.5), Intervention(19, "learning_rate", 0.1)])
    assert trainer.step == 20
    trainer.advance(30)
    assert all(map(torch.equal, state(trainer), state(trained(TINY))))


@pytest.mark.parametrize("normalizer", [name for name in NORMALIZERS if name != "instance"])
def test_recording_leaves_the_weights_bit_identical(normalizer):
    experiment = TINY.replace(normalizer=normalizer, dropout=0.2, steps=30, groups=3)
    never = Trainer(experiment)
    never.recorder.due = frozenset()
    assert [item.step for item in never.advance(30)] == [0]
    for trainer in (trained(experiment), trained(experiment, every_step=True)):
        assert all(map(torch.equal, state(trainer), state(never)))
        assert torch.equal(trainer.order_rng.get_state(), never.order_rng.get_state())
        assert trainer.network.training


def test_each_step_is_recorded_if_asked_for_with_the_same_numbers_as_on_schedule():
    snapshots = Trainer(TINY.replace(steps=1000)).advance(12, every_step=True)
    assert [item.step for item in snapshots] == list(range(13))
    scheduled = {item.step: item for item in Trainer(TINY.replace(steps=1000)).advance(12)}
    assert set(scheduled) <= set(range(13))
    for snapshot in snapshots:
        if snapshot.step in scheduled:
            np.testing.assert_array_equal(snapshot.layers, scheduled[snapshot.step].layers)


@pytest.mark.parametrize("calls", [(50,), (0, 50), (1,) * 50, (3, 0, 20, 27), (49, 100), (1000, 5)], ids=str)
def test_however_the_steps_are_divided_the_recording_is_the_same(calls):
    assert recorded(TINY, *calls) == train(TINY)


@pytest.mark.parametrize("normalizer", ["none", "batch", "noise"])
def test_a_copied_trainer_goes_on_by_itself_to_the_same_numbers(normalizer):
    trainer = Trainer(TINY.replace(normalizer=normalizer))
    trainer.advance(3)
    twin = copy.deepcopy(trainer)
    twin.advance(3)
    assert trainer.step == 3
    trainer.advance(3)
    assert all(map(torch.equal, state(trainer), state(twin)))
    trainer.advance(1)
    assert not all(map(torch.equal, state(trainer), state(twin)))


def test_a_trainer_stops_at_the_experiment_s_end():
    trainer = Trainer(TINY.replace(steps=5))
    assert [item.step for item in trainer.advance(100)] == [0, 1, 2, 3, 4, 5]
    before = state(trainer)
    assert trainer.advance(10) == []
    assert trainer.step == 5
    assert all(map(torch.equal, state(trainer), before))


def test_the_same_experiment_gives_the_same_recording_whatever_else_the_machine_does():
    experiment = TINY.replace(hidden=(100, 100), dropout=0.1, normalizer="noisy-batch")
    torch.manual_seed(1)
    first = train(experiment)
    threads, state_before = torch.get_num_threads(), torch.random.get_rng_state()
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        torch.manual_seed(2)
        np.random.seed(3)
        assert train(experiment) == first
    finally:
        torch.set_num_threads(threads)
        torch.random.set_rng_state(state_before)
        for burner in burners:
            burner.kill()
            burner.wait()


def test_training_leaves_torch_as_it_found_it():
    threads, chance = torch.get_num_threads(), torch.random.get_rng_state()
    train(TINY.replace(steps=3, dropout=0.5))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert torch.is_grad_enabled()


def test_another_seed_is_another_run():
    one, other = train(TINY), train(TINY.replace(seed=1))
    assert not np.array_equal(one.layer_values, other.layer_values)


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": "none"},
        {"hidden": (30,)},
        {"dropout": 0.5},
        {"learning_rate": 0.01, "momentum": 0.9},
        {"activation": "relu", "init": "orthogonal"},
        {"architecture": "conv", "hidden": (4,)},
        {"normalizer": "noisy-batch"},
    ],
    ids=str,
)
def test_arms_see_equal_batches(changes):
    seen: list[list[torch.Tensor]] = []
    for experiment in (TINY, TINY.replace(**changes)):
        trainer = Trainer(experiment)
        drawn = []
        original = trainer.next_batch
        trainer.next_batch = lambda original=original, drawn=drawn: drawn.append(original()) or drawn[-1]
        trainer.advance(50)
        seen.append([tensor for pair in drawn for tensor in pair])
    assert len(seen[0]) == 100
    assert all(map(torch.equal, *seen))


def test_batches_are_those_of_the_seed_each_example_once_an_epoch_with_its_own_label():
    trainer = Trainer(POINTS.replace(batch_size=300, steps=9))
    dataset = datasets.load("spirals")
    labels = {
        tuple(point): label
        for point, label in zip(dataset.train.inputs.tolist(), dataset.train.labels, strict=True)
    }
    per_epoch = len(dataset.train.labels) // 300
    epochs: list[set[tuple[float, ...]]] = []
    for step, (x, y) in enumerate(batches(trainer.experiment, 9)):
        mine, mine_labels = trainer.next_batch()
        assert torch.equal(mine, x)
        assert torch.equal(mine_labels, y)
        assert all(
            labels[tuple(point)] == label for point, label in zip(mine.tolist(), mine_labels, strict=True)
        )
        if step % per_epoch == 0:
            epochs.append(set())
        epochs[-1] |= {tuple(point) for point in mine.tolist()}
        trainer.step += 1
    assert all(len(epoch) == 300 * per_epoch for epoch in epochs[:-1])


def test_a_batch_larger_than_the_training_set_is_the_training_set():
    trainer = Trainer(TINY.replace(batch_size=4096, steps=3))
    count = len(datasets.load("digits").train.labels)
    assert trainer.next_batch()[0].shape == (count, 64)
    assert [item.step for item in trainer.advance(3)] == [0, 1, 2, 3]
    few = Trainer(TINY.replace(train_examples=7, steps=3))
    assert few.next_batch()[0].shape == (7, 64)
    few.advance(3)
    assert few.diverged_at is None


@pytest.mark.parametrize("count", [2, 50, 333, 1000])
def test_fewer_training_examples_are_a_fair_and_fixed_choice_of_all(count):
    split = datasets.load("digits").train
    chosen = stratified_subset(split, count)
    assert len(chosen.labels) == len(chosen.inputs) == count
    share = np.bincount(split.labels, minlength=10) / len(split.labels)
    assert np.abs(np.bincount(chosen.labels, minlength=10) - share * count).max() <= 1
    rows = {row.tobytes(): place for place, row in enumerate(split.inputs)}
    places = [rows[row.tobytes()] for row in chosen.inputs]
    assert len(set(places)) == count or count > 900  # a few digits are drawn twice in the data
    np.testing.assert_array_equal(split.labels[places], chosen.labels)
    seeds = [Trainer(TINY.replace(train_examples=count, seed=seed)).train for seed in (0, 1)]
    assert torch.equal(seeds[0].inputs, seeds[1].inputs)
    assert stratified_subset(split, 0) is split
    assert stratified_subset(split, 10**6) is split


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100, 399, 400, 2000, 50_000, 1_000_000])
def test_the_schedule_has_0_1_and_the_last_step_and_is_dense_early(steps):
    due = schedule(steps)
    assert due[0] == 0
    assert due[1] == 1
    assert due[-1] == steps
    gaps = np.diff(due)
    assert gaps.min() >= 1
    assert len(due) <= MOST_RECORDS <= MOST_POINTS  # a figure draws every one
    if steps >= 400:
        assert len(due) >= 200
        assert np.median(gaps[:100]) < np.median(gaps[-100:])
    if steps > 5000:
        quarter = np.searchsorted(due, steps / 4)
        assert quarter == pytest.approx(len(due) / 2, abs=3)  # half the records in the first quarter
    assert gaps[-1] >= gaps.max() - 1 or steps < 400  # but for rounding


def test_a_recording_has_the_scheduled_steps():
    experiment = POINTS.replace(steps=700)
    assert train(experiment).steps.tolist() == schedule(700).tolist()


def test_all_who_train_on_the_same_examples_share_one_copy_of_them():
    one, other = Trainer(TINY), Trainer(TINY.replace(seed=5, normalizer="none"))
    assert one.train.inputs.data_ptr() == other.train.inputs.data_ptr()
    fewer = Trainer(TINY.replace(train_examples=100))
    assert len(fewer.train) == 100


def test_divergence_is_a_result_with_nothing_recorded_after_it():
    recording = train(DIVERGES)
    assert recording.diverged_at is not None
    assert 0 < recording.diverged_at < DIVERGES.steps
    assert recording.finished
    assert recording.last_step <= recording.diverged_at
    assert np.isfinite(recording.layer_values[:, :, :9]).all()
    assert recorded(DIVERGES, 1, 1, 1, 50) == recording
    assert train(DIVERGES) == recording


def test_a_run_diverges_at_the_step_at_which_plain_pytorch_s_loss_is_no_number():
    experiment = TINY.replace(weight_decay=1.0, learning_rate=30.0, activation="relu", normalizer="none")
    net = plain_network(experiment)
    optimizer = torch.optim.SGD(net.parameters(), lr=30.0, weight_decay=1.0)
    steps_taken = 0
    for x, y in batches(experiment, experiment.steps):
        loss = F.cross_entropy(net(x), y)
        if not math.isfinite(loss.item()):
            break
        steps_taken += 1
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    never = Trainer(experiment)
    never.recorder.due = frozenset()
    never.advance(50)
    assert never.diverged_at == steps_taken < 50
    assert train(experiment).diverged_at in (
        steps_taken - 1,
        steps_taken,
    )  # a record of the network itself may tell first
    assert never.advance(10) == []
    assert never.step == steps_taken


def test_a_network_that_is_infinite_from_the_start_diverges_at_once():
    experiment = DIVERGES.replace(init="gaussian", init_scale=100.0, hidden=(100,) * 20)
    recording = train(experiment)
    assert recording.diverged_at == 0
    assert recording.steps.tolist() == [0]


def test_a_learning_rate_of_0_changes_no_weight_and_is_recorded_as_such():
    recording = train(TINY.replace(learning_rate=0.0))
    start = build(TINY, (1, 8, 8), 10)
    trainer = trained(TINY.replace(learning_rate=0.0))
    assert torch.equal(trainer.network.output.weight, start.output.weight)
    assert recording.layer_column(1, "update_ratio")[1:].max() == 0.0
    assert recording.layer_column(1, "drift").max() == 0.0


@pytest.mark.parametrize(
    "changes", [{}, {"normalizer": "none", "momentum": 0.9, "weight_decay": 0.02}], ids=str
)
def test_gradient_norm_and_update_ratio_are_those_of_autograd_and_of_the_weights(changes):
    experiment = TINY.replace(**changes)
    trainer = Trainer(experiment)
    trainer.advance(6)
    before = copy.deepcopy(trainer.network)
    *_, (x, y) = batches(experiment, 7)
    F.cross_entropy(before(x), y).backward()
    (snapshot,) = trainer.advance(1, every_step=True)
    recording = Recording(experiment, (), (snapshot,))
    for layer, (old, new) in enumerate(zip(before.hidden, trainer.network.hidden, strict=True), start=1):
        then, now = old.affine.weight.detach(), new.affine.weight.detach()
        expected = {
            "grad_norm": old.affine.weight.grad.norm().item(),
            "weight_norm": now.norm().item(),
            "update_ratio": ((now - then).norm() / now.norm()).item(),
        }
        for column, value in expected.items():
            assert recording.layer_column(layer, column)[0] == pytest.approx(value, rel=1e-4)
        edges = [*GRADIENT_EDGES[1:-1], np.inf]  # the first bin is of exact zeros
        magnitudes = old.affine.weight.grad.abs().numpy().ravel()
        counts = np.histogram(magnitudes[magnitudes > 0], edges)[0]
        counted = snapshot.gradients[layer - 1]
        assert counted.sum() == magnitudes.size
        # rounding may move a gradient that lies at an edge
        assert np.abs(counted - [np.count_nonzero(magnitudes == 0), *counts]).sum() <= 4


def test_of_a_layer_with_many_weights_so_many_gradients_are_counted_all_over_it():
    trainer = Trainer(TINY.replace(hidden=(300, 300)))
    (snapshot,) = trainer.advance(1)[1:]
    assert snapshot.gradients.sum(axis=1).tolist() == [GRADIENTS, GRADIENTS]
    (chosen,) = trainer.recorder.counted_weights[1]
    rows, columns = np.divmod(chosen.numpy(), 300)
    assert len(np.unique(rows)) == len(np.unique(columns)) == 300
    assert snapshot.gradients[0][0] > 100  # the corner pixels of the digits are always 0


def test_there_is_no_update_to_measure_at_step_0():
    recording = train(TINY.replace(steps=1))
    for column in ("grad_norm", "update_ratio"):
        first, second = recording.layer_column(1, column)
        assert math.isnan(first)
        assert second > 0
    assert recording.layer_column(1, "weight_norm")[0] > 0


@pytest.mark.parametrize("reference_step", [0, 1, 13])
def test_drift_is_measured_from_its_reference_step_where_it_is_0(reference_step):
    experiment = TINY.replace(steps=50_000)
    assert 13 not in schedule(50_000)
    trainer = Trainer(experiment, reference_step)
    dataset = datasets.load("digits")
    x = inputs_of(dataset.test, dataset.scale)[np.linspace(0, len(dataset.test.labels) - 1, 256).astype(int)]
    snapshots = trainer.advance(reference_step)
    then = [probe.pre_activations.numpy() for probe in trainer.network.probe(x)]
    snapshots += trainer.advance(30 - reference_step, every_step=True)
    now = [probe.pre_activations.numpy() for probe in trainer.network.probe(x)]
    recording = Recording(experiment, (), tuple(snapshots), reference_step=reference_step)
    assert reference_step in recording.steps
    for layer, (a, b) in enumerate(zip(then, now, strict=True), start=1):
        drift = dict(zip(recording.steps.tolist(), recording.layer_column(layer, "drift"), strict=True))
        assert all(math.isnan(value) for step, value in drift.items() if step < reference_step)
        assert drift[reference_step] == 0.0
        expected = np.mean([wasserstein_distance(*pair) for pair in zip(a.T, b.T, strict=True)])
        assert drift[30] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_a_record_describes_the_network_at_its_step_on_the_held_out_probe_batch(normalizer):
    experiment = TINY.replace(normalizer=normalizer)
    snapshots = Trainer(experiment).advance(50)
    recording = Recording(experiment, (), tuple(snapshots))
    plain = plain_training(experiment)
    dataset = datasets.load("digits")
    x = inputs_of(dataset.test, dataset.scale)[np.linspace(0, len(dataset.test.labels) - 1, 256).astype(int)]
    layer = 0
    for module in plain:
        entering, x = x, module.train()(x)
        if isinstance(module, nn.Sigmoid):
            layer += 1
            values = entering.detach().numpy().astype(np.float64)
            expected = {
                "mean": values.mean(),
                "std": values.std(),
                "q05": np.quantile(values, 0.05),
                "q50": np.quantile(values, 0.5),
                "q95": np.quantile(values, 0.95),
                "saturated": (np.abs(values) > 4.357).mean(),
            }
            for column, value in expected.items():
                assert recording.layer_column(layer, column)[-1] == pytest.approx(value, rel=1e-3, abs=2e-3)
            for unit in (1, values.shape[1]):
                median = np.quantile(values[:, unit - 1], 0.5)
                assert recording.unit_column(layer, unit, "q50")[-1] == pytest.approx(
                    median, rel=1e-3, abs=2e-3
                )
        if isinstance(module, nn.Linear) and layer < 2:
            before = x.detach().numpy().std()
            assert recording.layer_column(layer + 1, "before_std")[-1] == pytest.approx(before, rel=1e-3)
    assert layer == 2


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_curves_are_loss_and_accuracy_in_inference_mode_of_an_independent_network(normalizer):
    experiment = TINY.replace(normalizer=normalizer, learning_rate=0.5)
    recording = train(experiment)
    plain = plain_training(experiment).eval()
    dataset = datasets.load("digits")
    last = recording.curves[recording.curves.step == 50].set_index("split")
    with torch.no_grad():
        scores = plain(inputs_of(dataset.test, dataset.scale))
    labels = torch.from_numpy(dataset.test.labels.copy())
    assert last.examples["test"] == len(labels)  # at the end, all of them
    assert last.loss["test"] == pytest.approx(F.cross_entropy(scores, labels).item(), rel=1e-3)
    wrong_by_rounding = 1 / len(labels)
    accuracy = (scores.argmax(1) == labels).double().mean().item()
    assert last.accuracy["test"] == pytest.approx(accuracy, abs=1.5 * wrong_by_rounding)
    chosen = np.linspace(0, len(dataset.train.labels) - 1, last.examples["train"]).astype(int)
    with torch.no_grad():
        scores = plain(inputs_of(dataset.train, dataset.scale)[chosen])
    expected = F.cross_entropy(scores, torch.from_numpy(dataset.train.labels[chosen])).item()
    assert last.loss["train"] == pytest.approx(expected, rel=1e-3)


def test_curves_are_evaluated_at_the_start_now_and_then_and_at_the_end():
    recording = train(POINTS)
    steps = recording.curves[recording.curves.split == "test"].step.tolist()
    assert steps[0] == 0
    assert steps[-1] == POINTS.steps
    assert len(recording.steps) / 6 < len(steps) < len(recording.steps) / 2
    assert steps == recording.curves[recording.curves.split == "train"].step.tolist()
    assert recording.curves.loss[0] == pytest.approx(math.log(2), abs=0.5)


def test_curves_are_computed_on_a_part_of_the_held_out_examples_and_at_the_end_on_all(monkeypatch):
    monkeypatch.setattr(recorder, "CONNECTED", replace(recorder.CONNECTED, test=50))
    curves = train(TINY.replace(steps=10)).curves.query("split == 'test'")
    assert curves.examples.tolist() == [50] * (len(curves) - 1) + [len(datasets.load("digits").test.labels)]


def test_the_boundary_is_the_probability_of_class_1_on_the_plane():
    trainer = Trainer(POINTS)
    snapshot = trainer.advance(50)[-1]
    axis = np.linspace(*BOUNDARY_RANGE, BOUNDARY_POINTS)
    assert snapshot.boundary is not None
    for row, column in ((0, 0), (5, 40), (40, 5), (47, 47)):
        point = torch.tensor([[axis[column], axis[row]]], dtype=torch.float32)
        with torch.no_grad():
            chance = trainer.network.eval()(point).softmax(1)[0, 1].item()
        assert snapshot.boundary[row, column] == pytest.approx(255 * chance, abs=0.51)
    assert snapshot.boundary.std() > 0


def test_batch_normalization_learns_from_a_careless_start_where_the_plain_network_does_not():
    careless = Experiment(init_scale=0.01, steps=200, device="cpu")
    accuracy = {
        name: train(careless.replace(normalizer=name)).curves.query("split == 'test'").accuracy.iloc[-1]
        for name in ("none", "batch")
    }
    assert accuracy["batch"] > 0.85
    assert accuracy["none"] < 0.2


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_every_normalizer_trains_and_is_recorded(architecture, normalizer):
    if (normalizer, architecture) == ("instance", "mlp"):
        pytest.skip("a unit has one value in an example")
    experiment = TINY.replace(architecture=architecture, hidden=(6, 4), normalizer=normalizer, steps=3)
    recording = train(experiment)
    assert recording.diverged_at is None
    assert recording.steps.tolist() == [0, 1, 2, 3]
    assert np.isfinite(recording.layer_values[:, :, :9]).all()
    assert np.isfinite(recording.layer_values[1:, :, 11:15]).all()
    assert recording.unit_values.shape == (4, 10, 5)


def test_the_device_is_the_field_s_else_the_environment_s_else_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.delenv("BNVIZ_DEVICE", raising=False)
    assert pick_device("auto").type == "cpu"
    monkeypatch.setenv("BNVIZ_DEVICE", "cuda")
    with pytest.raises(
        ExperimentError, match="device = 'cuda' is not on this machine; allowed is one of auto, cpu"
    ):
        Trainer(TINY.replace(device="auto"))
    assert Trainer(TINY.replace(device="cpu")).device.type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("BNVIZ_DEVICE", "cpu")
    assert pick_device("auto").type == "cpu"
    monkeypatch.setenv("BNVIZ_DEVICE", "")
    assert pick_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    monkeypatch.setenv("BNVIZ_DEVICE", "banana")
    with pytest.raises(ExperimentError, match="device = 'banana' is not on this machine"):
        pick_device("auto")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU on this machine")
def test_a_gpu_trains_the_same_network_but_for_rounding():
    cpu, gpu = train(TINY), train(TINY.replace(device="cuda"))
    np.testing.assert_allclose(gpu.layer_values[:, :, :9], cpu.layer_values[:, :, :9], rtol=0.02, atol=0.02)
    assert train(TINY.replace(device="cuda")) == gpu


def test_a_recording_says_what_made_it():
    made = train(TINY.replace(steps=1)).provenance
    assert made.torch == str(torch.__version__)
    assert type(made.torch) is str
    assert made.device == "cpu"
    assert made.python == ".".join(map(str, sys.version_info[:3]))
    assert made.date.endswith("+00:00")
