"""Section 2's blow-up: the growth of b in x = Wu + b, which the normalizer's mean subtracts again.

Two further trainings beside the lab's own: an equal one in which b is measured, and the paper's thought experiment,
in which b alone learns and all other parameters stay fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.experiment.progress import report

ALONE_STEPS = 200
RECORDS = 40
EXAMPLES = 512
"""Of the training set, evenly spaced, as one mini-batch: the loss that training itself sees, on fixed examples."""


def followed(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """How b and the loss change in training, and when b alone learns.

    steps, bias, weights, loss: (R,), in training: the norms of all hidden layers' b and W, and the loss by
    mini-batch statistics. alone_steps, alone_bias, alone_loss: (R,), when b alone learns.
    alone_promised: (R,), by how much the loss should have fallen by then if the gradients were right: the sum
    of learning rate × squared gradient norm.
    """
    with one_thread():
        training = _in_training(with_bias(trainer.experiment))
        alone = _alone(with_bias(trainer.experiment))
    return training | {f"alone_{name}": values for name, values in alone.items()}


def with_bias(experiment: Experiment) -> Trainer:
    """A Trainer whose hidden layers have a b, also where the gradient passes through the statistics.

    There `network.build` leaves b out as redundant: its gradient is zero up to rounding.
    """
    if experiment.normalizer != "batch-no-affine":
        return Trainer(experiment)
    trainer = Trainer(experiment.replace(normalizer="batch-stop-mean"))
    for block in trainer.network.hidden:
        assert block.affine.bias is not None
        block.normalizer = BatchNorm(len(block.affine.bias), affine=False).to(trainer.device)
    return trainer


def biases(trainer: Trainer) -> list[Tensor]:
    """The parameter b of every hidden layer."""
    return [block.affine.bias for block in trainer.network.hidden if block.affine.bias is not None]


def norm(tensors: list[Tensor]) -> float:
    """The norm of all of them together."""
    return float(torch.cat([tensor.detach().flatten() for tensor in tensors]).double().norm())


@torch.no_grad()
def loss_in_training(trainer: Trainer) -> float:
    """The loss by mini-batch statistics on EXAMPLES fixed training examples."""
    inputs, labels = trainer.train.batch(trainer.train.spread(EXAMPLES))
    return float(F.cross_entropy(trainer.network(inputs).double(), labels))


def _in_training(trainer: Trainer) -> dict[str, np.ndarray]:
    """The equal training, measured; it ends where the loss is not finite."""
    rows = []
    trainer.recorder.due = frozenset()  # the lab's own training was recorded
    piece = max(1, trainer.experiment.steps // RECORDS)
    weights = [block.affine.weight for block in trainer.network.hidden]
    while True:
        rows.append((trainer.step, norm(biases(trainer)), norm(weights), loss_in_training(trainer)))
        if trainer.ended:
            return _columns(rows, "steps", "bias", "weights", "loss")
        trainer.advance(piece)
        report(trainer.step / trainer.experiment.steps)


def _alone(trainer: Trainer) -> dict[str, np.ndarray]:
    """From the initial weights on, only b takes its gradient steps."""
    own = biases(trainer)
    places = [index for index, item in enumerate(trainer.parameters) if any(item is bias for bias in own)]
    rate = trainer.experiment.learning_rate
    promised = 0.0
    rows = [(0, 0.0, loss_in_training(trainer), promised)]
    while trainer.step < ALONE_STEPS:
        gradients = trainer.backward()
        if gradients is None:
            break
        with torch.no_grad():
            for bias, place in zip(own, places, strict=True):
                bias.sub_(rate * gradients[place])
        promised += rate * norm([gradients[place] for place in places]) ** 2
        trainer.step += 1
        if trainer.step % (ALONE_STEPS // RECORDS) == 0:
            rows.append((trainer.step, norm(own), loss_in_training(trainer), promised))
    return _columns(rows, "steps", "bias", "loss", "promised")


def _columns(rows: Sequence[tuple[float, ...]], *names: str) -> dict[str, np.ndarray]:
    return dict(zip(names, np.array(rows, np.float64).T, strict=True))
