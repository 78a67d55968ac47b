"""Images moved, flipped and standardized on their way into the network: against plain loops and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bnviz.data import datasets
from bnviz.engine.augmentation import augmented
from bnviz.engine.replay import replay
from bnviz.engine.stack import StackedTrainer
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, ExperimentError

SHAPE = (2, 9, 17)
BASE = Experiment(hidden=(8,), steps=6, batch_size=20, device="cpu")


def pixels(count: int = 40) -> torch.Tensor:
    return torch.randint(1, 256, (count, 2 * 9 * 17), generator=torch.Generator().manual_seed(1)).byte()


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """out[y, x] = image[y + down, x + right], 0 beyond the edge; by a plain loop."""
    out = np.zeros_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            if 0 <= y + down < image.shape[1] and 0 <= x + right < image.shape[2]:
                out[:, y, x] = image[:, y + down, x + right]
    return out


@pytest.mark.parametrize("kind", ["shift", "shift-flip"])
def test_each_image_is_moved_by_up_to_an_eighth_and_half_are_flipped(kind: str) -> None:
    given = pixels(200)
    found = augmented(given, SHAPE, BASE.replace(augment=kind), step=3).view(-1, *SHAPE).numpy()
    flipped, moves = 0, set()
    for before, after in zip(given.view(-1, *SHAPE).numpy(), found, strict=True):
        ways = [
            (flip, down, right)
            for flip in (False, True)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if np.array_equal(after, moved(before, down, right)[:, :, :: -1 if flip else 1])
        ]
        ((flip, down, right),) = ways
        flipped += flip
        moves.add((down, right))
    assert len(moves) == 9
    assert (70 < flipped < 130) if kind == "shift-flip" else flipped == 0


def test_the_same_seed_and_step_give_the_same_images_and_others_do_not() -> None:
    experiment = BASE.replace(augment="shift-flip")
    first = augmented(pixels(), SHAPE, experiment, step=7)
    assert torch.equal(first, augmented(pixels(), SHAPE, experiment, step=7))
    assert not torch.equal(first, augmented(pixels(), SHAPE, experiment, step=8))
    assert not torch.equal(first, augmented(pixels(), SHAPE, experiment.replace(seed=1), step=7))
    assert augmented(pixels(), SHAPE, BASE, step=7).data_ptr() != first.data_ptr()


def test_only_training_images_are_changed_and_a_run_replays() -> None:
    experiment = BASE.replace(augment="shift")
    trainer, plain = Trainer(experiment), Trainer(BASE)
    assert not torch.equal(trainer.next_batch()[0], plain.next_batch()[0])
    assert torch.equal(trainer.next_batch()[1], plain.next_batch()[1])
    assert torch.equal(trainer.recorder.probe_inputs, plain.recorder.probe_inputs)
    for split in ("train", "test"):
        assert torch.equal(trainer.recorder.evaluated[split][0], plain.recorder.evaluated[split][0])
    assert replay(train(experiment)).agrees


def test_a_stack_sees_what_each_network_sees_alone() -> None:
    experiments = [BASE.replace(augment="shift-flip", learning_rate=rate) for rate in (0.1, 0.3)]
    stack = StackedTrainer(experiments)
    stack.advance(6)
    for place, experiment in enumerate(experiments):
        alone = Trainer(experiment)
        alone.advance(6)
        for mine, theirs in zip(stack.trainers[place].parameters, alone.parameters, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["digits", "textures"])
def test_standardized_channels_have_mean_0_and_deviation_1_over_the_training_images(name: str) -> None:
    trainer = Trainer(BASE.replace(dataset=name, input_normalization="per-channel", train_examples=500))
    dataset = datasets.load(name)
    everything, _ = trainer.train.batch(torch.arange(len(trainer.train)))
    channels = everything.view(-1, *dataset.shape).double()
    torch.testing.assert_close(
        channels.mean((0, 2, 3)), torch.zeros(dataset.shape[0]).double(), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        channels.std((0, 2, 3), unbiased=False), torch.ones(dataset.shape[0]).double(), atol=1e-5, rtol=0
    )
    # The held-out images by the training images' numbers, by NumPy.
    raw = dataset.test.inputs.astype(np.float64) * dataset.scale
    axes = (0, 2, 3)
    used = Trainer(BASE.replace(dataset=name, train_examples=500)).train
    own = used.inputs.view(-1, *dataset.shape).numpy().astype(np.float64) * dataset.scale
    expected = (raw - own.mean(axes, keepdims=True)) / own.std(axes, keepdims=True)
    held_out, _ = trainer.recorder.test.batch(torch.arange(len(raw)))
    np.testing.assert_allclose(held_out.view(raw.shape).numpy(), expected, atol=2e-5)


def test_points_are_neither_augmented_nor_standardized() -> None:
    for changes in ({"augment": "shift"}, {"input_normalization": "per-channel"}):
        with pytest.raises(ExperimentError, match="needs images"):
            BASE.replace(dataset="moons", **changes)
