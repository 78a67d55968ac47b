"""The same example in different mini-batches (Section 3.4): the other examples change its output."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch

from bnviz.engine.network import generator
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment.architecture import IN_BLOCKS

BATCHES, EXAMPLES = 100, 12
BLOCK_BATCHES, BLOCK_EXAMPLES = 30, 4
"""The same for blocks of convolutions, in which a mini-batch takes as long as a step of training."""


@torch.no_grad()
def chances(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """The probability of the true class of held-out examples, in training mode.

    chances: (batches, examples) float64; each in a mini-batch of the training's size, whose other examples are
    drawn from the training set, the same for every network of a seed. Dropout draws anew in every mini-batch.
    inference: (examples,) float64, by running statistics and without dropout.
    """
    test, train = trainer.recorder.test, trainer.train
    blocks = trainer.experiment.architecture in IN_BLOCKS
    batches, count = (BLOCK_BATCHES, BLOCK_EXAMPLES) if blocks else (BATCHES, EXAMPLES)
    examples, labels = test.batch(test.spread(count))
    size = trainer.experiment.batch_of(len(train)) - 1
    rng = generator(trainer.experiment.seed, "companions")
    network = copy.deepcopy(
        trainer.network
    ).train()  # a copy, whose running statistics and generators may change
    found = np.empty((batches, len(examples)))
    places = torch.arange(len(examples))
    with one_thread():
        for batch in range(batches):
            chosen = torch.randperm(len(train), generator=rng)[:size]
            companions, _ = train.batch(chosen.to(trainer.device))
            for place in places:
                scores = network(torch.cat([examples[place : place + 1], companions]))[0]
                found[batch, place] = scores.double().softmax(0)[labels[place]].item()
        network.eval()
        by_inference = network(examples).double().softmax(1)[places, labels.cpu()]
    return {"chances": found, "inference": by_inference.cpu().numpy()}
