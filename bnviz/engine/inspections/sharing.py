"""Which values of one real mini-batch share their statistics, by normalizer. Runs in a worker process.

All normalizers are given the same values: those that enter a layer of a network trained with batch normalization.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch

from bnviz.engine import normalizers
from bnviz.engine.inspections.layer import entering
from bnviz.engine.network import generator
from bnviz.engine.normalizers import EPSILON, GroupNorm, LayerNorm, RMSNorm, Settings
from bnviz.engine.trainer import Trainer
from bnviz.experiment.normalization import BY_STATISTICS, OF_ONE_EXAMPLE
from bnviz.layer.captured import ExampleBatch, SharedValues, Sharing

NO_MEAN, NO_DEVIATION = ("rms", "variance-only"), ("mean-only",)
"""Of BY_STATISTICS those that subtract nothing, and those that divide by nothing."""


@torch.no_grad()
def of_one_example(trainer: Trainer, layer: int, examples: int) -> ExampleBatch:
    """The layer on the first `examples` of the next mini-batch, in a network trained with one of OF_ONE_EXAMPLE.

    layer: counted from 1. Raises ValueError for a layer that is not there or has another normalizer.
    """
    x, members = entering(trainer, layer, examples)
    normalizer = copy.deepcopy(trainer.network.hidden[layer - 1].normalizer).cpu().double()
    if not isinstance(normalizer, LayerNorm | GroupNorm | RMSNorm):
        raise ValueError(f"normalizer is not allowed here; allowed is one of {', '.join(OF_ONE_EXAMPLE)}")
    gamma, beta = normalizer.scale_and_shift()
    ids = normalizer.shares(x.shape)
    return ExampleBatch(
        step=trainer.step,
        layer=layer,
        members=members,
        x=x.numpy(),
        y=normalizer(x).numpy(),
        ids=ids.numpy(),
        gamma=gamma.numpy(),
        beta=np.zeros(x.shape[1]) if beta is None else beta.numpy(),
        epsilon=normalizer.epsilon,
        centered=not isinstance(normalizer, RMSNorm),
    )


def sharing(
    trainer: Trainer, layer: int, examples: int, names: Sequence[str], groups: int, ghost_batch: int
) -> SharedValues:
    """The layer's input for the first `examples` of the next mini-batch, and what each normalizer shares in it.

    names: of BY_STATISTICS. groups: of "group". ghost_batch: of "ghost-batch". Raises ValueError for a normalizer that
    is not defined for this layer.
    """
    x, members = entering(trainer, layer, examples)
    settings = Settings(groups=groups, ghost_batch=ghost_batch)
    by = {}
    for name in dict.fromkeys(names):
        if name not in BY_STATISTICS:
            raise ValueError(
                f"normalizer = {name!r} is not allowed here; allowed is one of {', '.join(BY_STATISTICS)}"
            )
        module = normalizers.make(name, x.shape[1], generator(0, "sharing"), settings).double()
        with torch.no_grad():
            y = module.as_in_training(x)
        ids = module.shares(x.shape)
        assert ids is not None
        by[name] = shared(name, x.numpy(), ids.numpy(), y.numpy())
    return SharedValues(trainer.step, layer, members, x.numpy(), by)


def shared(name: str, x: np.ndarray, ids: np.ndarray, y: np.ndarray) -> Sharing:
    """The statistics of each set of values that share them, by plain sums over the set."""
    flat, values = ids.ravel(), x.ravel()
    counts = np.bincount(flat)
    mean = np.bincount(flat, values) / counts
    around = np.zeros_like(values) if name == "rms" else mean[flat]
    variance = np.bincount(flat, (values - around) ** 2) / counts  # biased
    return Sharing(
        ids,
        None if name in NO_MEAN else mean,
        None if name in NO_DEVIATION else np.sqrt(variance + EPSILON),
        y,
    )
