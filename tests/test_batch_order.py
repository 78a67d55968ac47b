"""The order of the training examples: the usual one, and mini-batches of few classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bnviz.engine.batch_order import BatchOrder, together
from bnviz.engine.network import generator
from bnviz.engine.replay import replay
from bnviz.engine.stack import train_stacked
from bnviz.engine.trainer import Trainer, train
from bnviz.experiment import Experiment, ExperimentError

BASE = Experiment(hidden=(12, 10), steps=60, batch_size=30)


def order(seed: int = 0, labels: torch.Tensor | None = None, **changes: int) -> BatchOrder:
    experiment = BASE.replace(seed=seed, **changes)
    if labels is None:
        labels = Trainer(experiment.replace(batch_classes=0)).train.labels
    return BatchOrder(experiment, labels, generator(seed, "order"))


def test_the_usual_order_is_a_shuffle_of_all_examples_in_each_epoch() -> None:
    mine = order()
    rng = generator(0, "order")
    epochs = [torch.randperm(1437, generator=rng) for _ in range(3)]
    assert mine.batches == 47
    for step in range(3 * 47):
        epoch, place = divmod(step, 47)
        assert torch.equal(mine.at(step), epochs[epoch][30 * place : 30 * place + 30])


@pytest.mark.parametrize("classes", [1, 2, 5, 10])
def test_a_mini_batch_has_so_many_classes_in_equal_parts_and_an_epoch_no_example_twice(classes: int) -> None:
    mine = order(batch_classes=classes)
    epochs = []
    for epoch in range(2):
        batches = [mine.at(epoch * mine.batches + place) for place in range(mine.batches)]
        for batch in batches:
            counts = mine.labels[batch].bincount()
            assert sorted(counts[counts > 0].tolist()) == [30 // classes] * classes
        epochs.append(torch.cat(batches))
        assert len(epochs[-1].unique()) == len(epochs[-1]) > 1437 - 30 * 10
    assert not torch.equal(*epochs)


def test_all_classes_come_in_a_random_order() -> None:
    mine = order(batch_classes=1)
    first = [int(mine.labels[mine.at(step)[0]]) for step in range(mine.batches)]
    counts = np.bincount(first)
    assert (counts == [(mine.labels == label).sum() // 30 for label in range(10)]).all()
    assert len({tuple(first[start : start + 10]) for start in (0, 10, 20, 30)}) == 4
    other = order(1, batch_classes=1)
    assert first != [int(other.labels[other.at(step)[0]]) for step in range(other.batches)]


@pytest.mark.parametrize("classes", [0, 1, 2])
def test_the_coming_mini_batch_can_be_seen_and_is_still_the_one_that_comes(classes: int) -> None:
    mine, untouched = order(batch_classes=classes), order(batch_classes=classes)
    for step in range(3 * mine.batches):
        seen = mine.coming(step, 30)
        assert torch.equal(seen, mine.coming(step, 30))
        assert torch.equal(seen, mine.at(step))
        assert torch.equal(seen, untouched.at(step))


def test_as_many_mini_batches_are_made_as_the_largest_class_allows() -> None:
    assert len(together([9, 1], 2)) == 1
    assert len(together([3, 3, 3, 3], 2)) == 6
    assert len(together([5, 2, 2, 1], 2)) == 5
    labels = torch.tensor([0] * 90 + [1] * 10)
    mine = order(labels=labels, batch_size=4, batch_classes=2)
    assert mine.batches == 5
    for step in range(10):
        assert sorted(mine.labels[mine.at(step)].tolist()) == [0, 0, 1, 1]


def test_every_way_to_train_sees_the_same_mini_batches_and_a_replay_agrees() -> None:
    experiments = [BASE.replace(batch_classes=1, seed=seed) for seed in (0, 1)]
    alone = [train(item) for item in experiments]
    for one, stacked in zip(alone, train_stacked(experiments), strict=True):
        np.testing.assert_allclose(stacked.layer_values, one.layer_values, rtol=2e-3, atol=2e-3)
    assert replay(alone[0]).agrees
    assert alone[0] != train(BASE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_classes": 7}, "does not divide batch_size = 30"),
        ({"batch_classes": 1, "train_examples": 100}, "these 100 training examples of 10 classes"),
        ({"batch_classes": 15}, "of 10 classes"),
        ({"batch_classes": 2, "train_examples": 25}, "batch_classes = 2 is not allowed"),
    ],
)
def test_what_the_examples_do_not_suffice_for_is_refused(changes: dict[str, int], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        Trainer(BASE.replace(**changes))
