"""The same example in different mini-batches (Section 3.4): the other examples change its output."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch

from bnviz.engine.network import generator
from bnviz.engine.trainer import Trainer, one_thread

BATCHES = 100
EXAMPLES = 12


@torch.no_grad()
def chances(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """The probability of the true class of held-out examples, in training mode.

    chances: (BATCHES, EXAMPLES) float64; each in a mini-batch of the training's size, whose other examples are
    drawn from the training set, the same for every network of a seed. Dropout draws anew in every mini-batch.
    inference: (EXAMPLES,) float64, by running statistics and without dropout.
    """
    test, train = trainer.recorder.test, trainer.train
    examples, labels = test.batch(test.spread(EXAMPLES))
    size = min(trainer.experiment.batch_size, len(train)) - 1
    rng = generator(trainer.experiment.seed, "companions")
    network = copy.deepcopy(
        trainer.network
    ).train()  # a copy, whose running statistics and generators may change
    found = np.empty((BATCHES, len(examples)))
    places = torch.arange(len(examples))
    with one_thread():
        for batch in range(BATCHES):
            chosen = torch.randperm(len(train), generator=rng)[:size]
            companions, _ = train.batch(chosen.to(trainer.device))
            for place in places:
                scores = network(torch.cat([examples[place : place + 1], companions]))[0]
                found[batch, place] = scores.double().softmax(0)[labels[place]].item()
        network.eval()
        by_inference = network(examples).double().softmax(1)[places, labels.cpu()]
    return {"chances": found, "inference": by_inference.cpu().numpy()}
