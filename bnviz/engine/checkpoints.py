"""Saving a Trainer as a Checkpoint, and making a Trainer that goes on from one to the same bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Generator, Tensor

from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.recording.checkpoint import Checkpoint
from bnviz.recording.measure import Distribution

EPOCH = "order.epoch"
REFERENCE = "reference."


def saved(trainer: Trainer) -> Checkpoint:
    """The Trainer's whole state, copied: it may go on at once."""
    arrays = {name: _copied(tensor) for name, tensor in tensors(trainer).items()}
    arrays |= {name: _copied(rng.get_state()) for name, rng in generators(trainer).items()}
    arrays[EPOCH] = _copied(trainer.order.epoch)
    for index, values in enumerate(trainer.recorder.reference or ()):
        arrays[f"{REFERENCE}{index}"] = values.per_unit.copy()
    return Checkpoint(
        step=trainer.step,
        started=trainer.started,
        diverged_at=trainer.diverged_at,
        taken=trainer.optimizer.taken,
        settings=trainer.settings,
        coming=tuple(trainer.coming),
        arrays=arrays,
    )


def resumed(experiment: Experiment, checkpoint: Checkpoint, reference_step: int = 0) -> Trainer:
    """A Trainer of the same Experiment and reference step, at the Checkpoint's step.

    Raises ValueError for a Checkpoint of another network or optimizer; ExperimentError, DatasetError as Trainer does.
    """
    trainer = Trainer(experiment, reference_step)
    restore(trainer, checkpoint)
    return trainer


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Bring a new Trainer to the Checkpoint's step. Raises ValueError for one of another network or optimizer."""
    arrays = checkpoint.arrays
    state, rngs = tensors(trainer), generators(trainer)
    if missing := sorted((state.keys() | rngs.keys() | {EPOCH}) - arrays.keys()):
        raise ValueError(f"the checkpoint holds no {missing[0]}; it is of another experiment")
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.tensor(arrays[name]))  # in place: the optimizer and the backward pass hold it
    for name, rng in rngs.items():
        rng.set_state(torch.tensor(arrays[name]))
    trainer.order.epoch = torch.tensor(arrays[EPOCH], device=trainer.device)
    trainer.recorder.reference = _reference(arrays)
    trainer.optimizer.taken = checkpoint.taken
    trainer.step, trainer.started = checkpoint.step, checkpoint.started
    trainer.diverged_at, trainer.settings = checkpoint.diverged_at, checkpoint.settings
    trainer.coming = list(checkpoint.coming)
    if trainer.whole_step is not None:
        trainer.whole_step.go_on_from(checkpoint.step, checkpoint.diverged_at is None)


def tensors(trainer: Trainer) -> dict[str, Tensor]:
    """What training changes in place: parameters, statistics of the normalizers, and the optimizer's tensors."""
    of_network = {f"network.{name}": tensor for name, tensor in trainer.network.state_dict().items()}
    of_optimizer = {
        f"optimizer.{name}.{index}": tensor
        for name, kept in trainer.optimizer.kept().items()
        for index, tensor in enumerate(kept)
    }
    return of_network | of_optimizer


def generators(trainer: Trainer) -> dict[str, Generator]:
    """The random generators: of the order, and those of the network, for dropout and noise, each once."""
    found = [trainer.order_rng, *_generators_of(trainer.network)]
    return {f"generator.{index}": rng for index, rng in enumerate(found)}


def _generators_of(network: Network) -> list[Generator]:
    held = (value for module in network.modules() for value in vars(module).values())
    return list({id(value): value for value in held if isinstance(value, Generator)}.values())


def _reference(arrays: Mapping[str, np.ndarray]) -> list[Distribution] | None:
    count = sum(name.startswith(REFERENCE) for name in arrays)
    return [Distribution(arrays[f"{REFERENCE}{index}"]) for index in range(count)] or None


def _copied(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy())
