"""The images that enter a convolutional network, its first filters, and their feature maps for one example."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bnviz.data import datasets
from bnviz.engine.block import kept
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.first_layer import FirstLayer

SHOWN = 8
"""The most images of the mini-batch, and the most filters."""


def first_layer(trainer: Trainer, example: int) -> FirstLayer:
    """The FirstLayer of a network of images. example: held-out, counted from 1; beyond the last, the last.

    Raises ValueError for a network that is not convolutional.
    """
    network, shape = trainer.network, trainer.network.shape
    layer = network.first_convolution
    if layer is None or shape is None:
        raise ValueError(
            f"architecture = {trainer.experiment.architecture!r} has no filters; "
            "allowed is one of conv, inception, residual"
        )
    classes = datasets.load(trainer.experiment.dataset, trainer.experiment.image_side).classes
    test = trainer.recorder.test
    place = min(example, len(test)) - 1
    inputs, label = test.batch(torch.tensor([place], device=trainer.device))
    with one_thread(), torch.no_grad():
        images, labels = trainer.upcoming_batch()
        network.eval()
        seen = network.input_normalizer(network.shaped(inputs))
        _, pre_activations, _ = layer.computed(seen, layer.normalizer, kept)
        weight = layer.normalizer.weight(layer.affine.weight)
        network.train()
    return FirstLayer(
        step=trainer.step,
        batch=_array(images[:SHOWN].view(-1, *shape)),
        batch_names=tuple(classes[item] for item in labels[:SHOWN].tolist()),
        features=len(weight),
        filters=_array(weight[:SHOWN]),
        example=place + 1,
        picture=_array(inputs.view(shape)),
        name=classes[int(label)],
        maps=_array(pre_activations[0, :SHOWN]),
    )


def _array(values: Tensor) -> np.ndarray:
    return np.array(values.detach().cpu().numpy(), np.float32, order="C")
