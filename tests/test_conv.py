"""Convolutional networks: against the same network out of torch's own layers, and how they are measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnviz import Experiment, Recording
from bnviz.data import datasets
from bnviz.engine.build import build
from bnviz.engine.recorder import CONVOLUTIONAL, POSITIONS, as_table
from bnviz.engine.trainer import Trainer, one_thread, train
from bnviz.recording.snapshot import UNIT_COLUMNS

SMALL = Experiment(
    architecture="conv",
    hidden=(4, 6),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.1,
    batch_size=20,
    steps=20,
    device="cpu",
    dataset="digits",
)


@pytest.fixture(autouse=True)
def as_workers_do() -> Iterator[None]:
    """One thread: tensors are small here, and several would only wait for each other."""
    with one_thread():
        yield


def same_in_torch(trainer: Trainer) -> nn.Sequential:
    """Conv–BatchNorm–ReLU twice, pooled once (8 pixels wide, then 4), out of torch's own layers."""
    first, second = (block.affine for block in trainer.network.hidden)
    reference = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 10),
    )
    with torch.no_grad():
        reference[1].weight.copy_(first.weight)
        reference[5].weight.copy_(second.weight)
        reference[10].weight.copy_(trainer.network.output.weight)
        reference[10].bias.zero_()
    return reference


def test_a_convolutional_network_trains_as_the_same_network_out_of_torchs_layers() -> None:
    trainer, batches = Trainer(SMALL), Trainer(SMALL)
    reference = same_in_torch(trainer)
    optimizer = torch.optim.SGD(reference.parameters(), lr=SMALL.learning_rate)
    trainer.advance(20)
    for step in range(20):
        batches.step = step
        inputs, labels = batches.next_batch()
        optimizer.zero_grad()
        F.cross_entropy(reference(inputs), labels).backward()
        optimizer.step()
    for block, conv, norm in zip(trainer.network.hidden, (1, 5), (2, 6), strict=True):
        close = {"atol": 2e-4, "rtol": 2e-3}
        torch.testing.assert_close(block.affine.weight, reference[conv].weight, check_stride=False, **close)
        torch.testing.assert_close(block.normalizer.gamma, reference[norm].weight, **close)
        torch.testing.assert_close(block.normalizer.beta, reference[norm].bias, **close)
        torch.testing.assert_close(block.normalizer.running_mean, reference[norm].running_mean, **close)
        torch.testing.assert_close(block.normalizer.running_var, reference[norm].running_var, **close)
    inputs, _ = trainer.train.batch(torch.arange(50))
    ours, theirs = trainer.recorder.scores(inputs), reference.eval()(inputs)
    torch.testing.assert_close(ours, theirs.detach(), atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [((1, 28, 28), [28, 14, 7, 3, 3, 3]), ((1, 8, 8), [8, 4, 4, 4, 4, 4]), ((3, 5, 9), [5, 2, 2, 2, 2, 2])],
)
def test_maps_are_halved_after_each_block_until_they_are_4_wide(
    shape: tuple[int, ...], sides: list[int]
) -> None:
    network = build(SMALL.replace(hidden=(3,) * 6), shape, 10)
    x = torch.rand(2, int(np.prod(shape)))
    assert network(x).shape == (2, 10)
    assert [probe.before.shape[2] for probe in network.probe(x)] == sides


def test_convolutions_keep_channels_last_and_equal_weights_for_equal_seeds() -> None:
    narrow, wide = (build(SMALL.replace(hidden=(4, 6, last)), (1, 8, 8), 10) for last in (5, 9))
    for mine, theirs in zip(narrow.hidden[:2], wide.hidden[:2], strict=True):
        assert mine.affine.weight.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(mine.affine.weight, theirs.affine.weight)


def probed(trainer: Trainer) -> list[np.ndarray]:
    """Each block's inputs of the nonlinearity on the probe batch, (values, channels), all positions."""
    x = trainer.recorder.probe_inputs.view(-1, *datasets.load(trainer.experiment.dataset).shape)
    layers = []
    with torch.no_grad():
        for block in trainer.network.hidden:
            norm = nn.BatchNorm2d(block.affine.out_channels)
            y = norm(block.affine(x))
            layers.append(y.permute(0, 2, 3, 1).reshape(-1, y.shape[1]).numpy())
            x = block.pooling(torch.relu(y))
    return layers


def test_a_channels_quantiles_are_over_the_probe_batch_and_all_positions() -> None:
    trainer = Trainer(SMALL)
    (snapshot,) = trainer.advance(0)  # γ = 1, β = 0
    first = 0
    for values in probed(trainer):
        last = first + values.shape[1]
        expected = np.quantile(values, (0.15, 0.5, 0.85), axis=0).T
        np.testing.assert_allclose(snapshot.units[first:last, :3], expected, atol=1e-5)
        first = last
    assert snapshot.histogram.sum(1).tolist() == [4 * 64 * 8 * 8, 6 * 64 * 4 * 4]


@pytest.mark.parametrize("side", [28, 14, 9])
def test_of_large_maps_a_selection_over_all_images_and_positions_is_measured(side: int) -> None:
    image, row, column = torch.meshgrid(*map(torch.arange, (64, side, side)), indexing="ij")
    chosen = as_table(torch.stack([image, row * side + column], dim=1).float())
    assert chosen.shape == (POSITIONS, 2)
    images = np.bincount(chosen[:, 0].astype(int), minlength=64)
    assert images.max() - images.min() <= 1
    assert len(np.unique(chosen[:, 1])) > 0.8 * side * side
    assert len(np.unique(chosen, axis=0)) == POSITIONS


def test_a_recording_of_a_convolutional_network_has_a_row_for_each_channel_and_survives_a_file(
    tmp_path: Path,
) -> None:
    recording = train(SMALL)
    assert recording.unit_values.shape[1:] == (10, len(UNIT_COLUMNS))
    assert recording.units.groupby("layer").unit.max().tolist() == [4, 6]
    assert recording.layers[["mean", "std", "grad_norm", "drift", "before_std"]].iloc[-1].notna().all()
    recording.save(tmp_path / "run.bnviz")
    assert Recording.load(tmp_path / "run.bnviz") == recording


def test_evaluating_in_parts_gives_what_evaluating_at_once_gives() -> None:
    trainer = Trainer(SMALL)
    trainer.advance(5)
    inputs, _ = trainer.train.batch(torch.arange(CONVOLUTIONAL.at_once * 2 + 1))
    parts = trainer.recorder.scores(inputs)
    trainer.network.eval()
    with torch.no_grad():
        torch.testing.assert_close(parts, trainer.network(inputs))


def test_a_convolutional_network_learns() -> None:
    recording = train(SMALL.replace(hidden=(8, 16), batch_size=60, steps=100, momentum=0.9))
    assert recording.curves.accuracy.iloc[-1] > 0.7
