"""One example of a mini-batch changed: what a layer and the network then give the others. Runs in a worker process."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bnviz.engine.inspections.coming_batch import as_array, coming, in_double, members_of
from bnviz.engine.inspections.passing import Normalize, block_of, in_inference, in_training, onward, reached
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import Companions, Replies


@torch.no_grad()
def companions(trainer: Trainer, layer: int, examples: int, example: int) -> Companions:
    """The mini-batch with its member `example`, counted from 1, replaced, dropped or duplicated.

    The layers may have any normalizer. The replacement is the training example that would come next. Everything is
    measured with the whole network, in training mode and in inference mode.
    """
    network = in_double(trainer).eval()
    block_of(network, layer)
    inputs, labels, chosen = coming(trainer, examples + 1)
    at = example - 1
    kept = list(range(examples))
    without = kept[:at] + kept[at + 1 :]
    variants = {
        "none": (kept, kept),
        "replace": ([*kept[:at], examples, *kept[at + 1 :]], kept),
        "duplicate": ([*kept, at], kept),
    }
    if examples > 2:
        variants["drop"] = (without, without)
    found: dict[str, dict[str, Replies]] = {"training": {}, "inference": {}}
    with one_thread():
        for name, (rows, places) in variants.items():
            for mode, normalize in (("training", in_training), ("inference", in_inference)):
                replies = _replies(network, inputs[rows], labels[rows], layer, normalize)
                found[mode][name] = _placed(replies, places, examples)
    return Companions(
        trainer.step,
        members_of(trainer, chosen[:examples]),
        members_of(trainer, chosen[examples:]),
        found["training"],
        found["inference"],
    )


def _replies(network: Network, inputs: Tensor, labels: Tensor, layer: int, normalize: Normalize) -> Replies:
    y = normalize(block_of(network, layer).normalizer, reached(network, inputs, layer, normalize))
    chances = onward(network, y, layer, normalize).softmax(1)
    return Replies(as_array(y), as_array(chances.gather(1, labels[:, None])[:, 0]))


def _placed(replies: Replies, places: list[int], examples: int) -> Replies:
    """The replies in the rows where their examples stood, NaN where there is none."""
    y = np.full((examples, *replies.y.shape[1:]), np.nan)
    right = np.full(examples, np.nan)
    y[places], right[places] = replies.y[: len(places)], replies.right[: len(places)]
    return Replies(y, right)
