"""Checkpoints: a Trainer made again from one ends in the same bits as the Trainer that was never disturbed."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from bnviz.data.lru import Held
from bnviz.engine.checkpoints import EPOCH, generators, restore, resumed, saved, tensors
from bnviz.engine.trainer import Trainer
from bnviz.engine.whole_step import Repeated, WholeStep
from bnviz.experiment import Experiment, Intervention
from bnviz.experiment.knob import NORMALIZERS, OPTIMIZERS, SCHEDULES, TRAINABLE
from bnviz.recording import Recording
from bnviz.recording.checkpoint import Checkpoint
from bnviz.runs.checkpoints import MOST, Checkpoints

BASE = Experiment(
    dataset="digits", hidden=(8, 6), steps=40, train_examples=200, batch_size=40, renorm_start=5, device="cpu"
)
CHANGES = (Intervention(3, "momentum", 0.8), Intervention(25, "learning_rate", 0.05))
SAVED = 13  # neither an epoch's end nor a record's step

EXPERIMENTS: dict[str, dict[str, Any]] = {
    **{f"normalizer {name}": {"normalizer": name} for name in NORMALIZERS if name != "instance"},
    "normalizer instance": {"normalizer": "instance", "architecture": "conv", "hidden": (2, 3)},
    **{f"optimizer {name}": {"optimizer": name, "learning_rate": 0.01} for name in OPTIMIZERS},
    **{f"schedule {name}": {"schedule": name} for name in SCHEDULES},
    "dropout": {"dropout": 0.3},
    "dropout and noise": {"dropout": 0.3, "normalizer": "noisy-batch"},
    "few classes": {"batch_classes": 2},
    "clipped": {"gradient_clipping": 0.1},
    "diverges": {"learning_rate": 100.0, "weight_decay": 1.0, "normalizer": "none"},
    "convolutions": {"architecture": "conv", "hidden": (2, 3), "dropout": 0.2},
    "inception": {"architecture": "inception", "hidden": (4, 8), "dropout": 0.2},
    "residual": {"architecture": "residual", "hidden": (4, 8), "dropout": 0.2},
    **{f"only {name} learns": {"trainable": name} for name in TRAINABLE if name != "all"},
    "pixels moved": {"augment": "shift"},
    "shortcuts": {"residual": "pre", "hidden": (8, 8, 8), "normalizer": "whiten"},
}


def experiment(name: str) -> Experiment:
    return BASE.replace(**EXPERIMENTS[name])


def interrupted(base: Experiment) -> tuple[Checkpoint, Trainer]:
    """The Checkpoint of SAVED, as another process receives it, and the Trainer that went on without it."""
    trainer = Trainer(base)
    trainer.advance(SAVED, CHANGES)
    checkpoint = pickle.loads(pickle.dumps(saved(trainer)))
    return checkpoint, trainer


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Bit for bit, NaN included."""
    fields = [field.name for field in dataclasses.fields(Checkpoint) if field.name != "arrays"]
    return (
        all(getattr(one, name) == getattr(other, name) for name in fields)
        and one.arrays.keys() == other.arrays.keys()
        and all(array.tobytes() == other.arrays[name].tobytes() for name, array in one.arrays.items())
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_trainer_made_from_a_checkpoint_ends_in_the_same_bits(name: str) -> None:
    base = experiment(name)
    checkpoint, undisturbed = interrupted(base)
    again = resumed(base, checkpoint)
    records = [
        Recording(base).extended(trainer.advance(base.steps, every_step=True))
        for trainer in (undisturbed, again)
    ]
    assert records[0] == records[1]
    assert same(saved(again), saved(undisturbed))
    assert again.ended


@pytest.mark.parametrize("name", ["normalizer batch", "diverges"])
def test_a_step_that_a_gpu_repeats_as_a_whole_goes_on_too(name: str) -> None:
    base = experiment(name)
    undisturbed, again = Trainer(base), Trainer(base)
    for trainer in (undisturbed, again):
        trainer.whole_step = WholeStep(trainer.network, trainer.optimizer, Repeated())
    undisturbed.advance(SAVED, CHANGES)
    restore(again, saved(undisturbed))
    records = [Recording(base).extended(trainer.advance(base.steps)) for trainer in (undisturbed, again)]
    assert records[0] == records[1]
    assert same(saved(again), saved(undisturbed))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_generator_that_a_trainer_holds_is_saved(name: str) -> None:
    trainer = Trainer(experiment(name))
    found = {id(item) for item in reached(trainer) if isinstance(item, Generator)}
    assert found == {id(item) for item in generators(trainer).values()}


def reached(root: object) -> Iterator[object]:
    """Every object held by `root`, directly or not, as far as bnviz's and torch.nn's own objects go."""
    waiting, seen = [root], {id(root)}
    while waiting:
        item = waiting.pop()
        yield item
        held: list[object] = []
        if isinstance(item, dict):
            held = list(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            held = list(item)
        elif type(item).__module__.startswith(("bnviz", "torch.nn")) and not isinstance(item, torch.Tensor):
            held = list(vars(item).values()) if hasattr(item, "__dict__") else []
        for value in held:
            if id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)


ALL = BASE.replace(
    normalizer="noisy-batch", dropout=0.3, optimizer="rmsprop", momentum=0.9, learning_rate=0.01
)


def test_no_part_of_a_checkpoint_can_be_left_out() -> None:
    checkpoint, undisturbed = interrupted(ALL)
    undisturbed.advance(ALL.steps)
    after = saved(undisturbed)
    fresh = saved(Trainer(ALL))
    changed = [
        name
        for name, array in checkpoint.arrays.items()
        if name not in fresh.arrays or not np.array_equal(array, fresh.arrays[name])
    ]
    assert {name.split(".")[0] for name in changed} == {
        "network",
        "optimizer",
        "generator",
        "order",
        "reference",
    }
    for name in changed:
        if name.startswith("reference") or name == EPOCH:
            continue
        part = {**checkpoint.arrays, name: fresh.arrays[name]}
        broken = resumed(ALL, dataclasses.replace(checkpoint, arrays=part))
        broken.advance(ALL.steps)
        assert not same(saved(broken), after), name
    parts: list[dict[str, Any]] = [
        {"settings": ALL},
        {"coming": ()},
        {"step": 0},
        {"arrays": {name: array for name, array in checkpoint.arrays.items() if "reference" not in name}},
        {"arrays": {**checkpoint.arrays, EPOCH: checkpoint.arrays[EPOCH][::-1].copy()}},
    ]
    for forgotten in parts:
        broken = resumed(ALL, dataclasses.replace(checkpoint, **forgotten))
        broken.advance(ALL.steps)
        assert not same(saved(broken), after), forgotten.keys()


def test_adams_count_of_steps_is_part_of_a_checkpoint() -> None:
    base = ALL.replace(optimizer="adam")
    checkpoint, undisturbed = interrupted(base)
    broken = resumed(base, dataclasses.replace(checkpoint, taken=0))
    for trainer in (undisturbed, broken):
        trainer.advance(base.steps)
    assert not same(saved(broken), saved(undisturbed))


def test_a_checkpoint_of_another_experiment_is_refused() -> None:
    checkpoint, _ = interrupted(BASE.replace(normalizer="none"))
    with pytest.raises(ValueError, match="holds no network"):
        resumed(BASE.replace(normalizer="batch"), checkpoint)


def test_a_checkpoint_does_not_change_with_its_trainer() -> None:
    trainer = Trainer(ALL)
    trainer.advance(SAVED)
    checkpoint = saved(trainer)
    before = {name: array.copy() for name, array in checkpoint.arrays.items()}
    trainer.advance(ALL.steps)
    assert all(np.array_equal(before[name], array) for name, array in checkpoint.arrays.items())
    assert set(tensors(trainer)) <= set(before)


def at(step: int, size: int = 100) -> Checkpoint:
    return Checkpoint(step, True, None, 0, BASE, (), {"weights": np.zeros(size, np.uint8)})


def test_the_nearest_checkpoint_is_one_with_the_same_changes_before_it() -> None:
    kept = Checkpoints(10_000)
    first, second = CHANGES
    other, earlier = Intervention(3, "momentum", 0.1), Intervention(1, "momentum", 0.1)
    kept.keep(BASE, (), at(2))
    kept.keep(BASE, (first,), at(10))
    kept.keep(BASE, (first, second), at(30))

    def nearest(changes: tuple[Intervention, ...], step: int, seed: int = 0) -> int | None:
        found = kept.nearest(BASE.replace(seed=seed), changes, step)
        return None if found is None else found.step

    assert nearest(CHANGES, 40) == 30
    assert nearest((first,), 40) == 10
    assert nearest(CHANGES, 29) == 10
    assert nearest((other,), 40) == 2
    assert nearest((earlier,), 40) is None
    assert nearest((), 40, seed=5) is None


def test_checkpoints_are_bounded_in_number_and_in_bytes() -> None:
    kept = Checkpoints(2000)
    for step in range(1, 100):
        kept.keep(BASE, (), at(step))
    steps = {item.step for step in range(1, 100) if (item := kept.nearest(BASE, (), step)) is not None}
    assert max(steps) == 99
    assert len(steps) == MOST
    assert max(np.diff(sorted(steps))) <= 3 * 99 / MOST  # spread over the whole training
    assert kept.held() == Held(MOST, 100 * MOST)
    for seed in range(1, 30):
        kept.keep(BASE.replace(seed=seed), (), at(1))
        assert kept.held().nbytes <= 2000
    assert kept.nearest(BASE, (), 99) is None  # not used for longest
    assert kept.nearest(BASE.replace(seed=29), (), 9) is not None
    kept.keep(BASE, (), at(5, size=3000))
    assert kept.held().nbytes <= 2000
    assert kept.nearest(BASE, (), 9) is None
