"""Reads one batch-normalization layer of a network that trains. Runs in a worker process.

Every function takes a Trainer and leaves it unchanged. Networks are read in double precision: the same
weights, so that finite differences exceed rounding errors. Dropout is left out, because it is random.

A question to a layer names a function of this module, "layer:history"; each stands in a module of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.coming_batch import as_array, coming, exact, in_double, members_of
from bnviz.engine.inspections.layer_companions import companions
from bnviz.engine.inspections.layer_differences import differences
from bnviz.engine.inspections.layer_history import history
from bnviz.engine.inspections.passing import affine, batch_norm_of, block_of, in_training, onward, reached
from bnviz.engine.network import Network
from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.normalizers.base import feature_axes, per_feature, scaled_and_shifted
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import Gradients, LayerBatch, Members

__all__ = ["companions", "differences", "entering", "history", "layer"]

CROWD = 250
"""How many training examples the histogram is of."""
CROWD_OF_MAPS = 32
"""The same in a convolutional layer, where each example has a map of values."""


def layer(trainer: Trainer, layer: int, examples: int) -> LayerBatch:
    """The layer on a mini-batch of the first `examples` that the next update would use.

    layer: counted from 1. Raises ValueError for a layer that is not there or has no batch normalization.
    """
    network = in_double(trainer)
    normalizer = batch_norm_of(network, layer)
    inputs, labels, chosen = coming(trainer, examples)
    with one_thread():
        with torch.no_grad():
            x = reached(network, inputs, layer, in_training)
            crowd_size = CROWD if x.dim() == 2 else CROWD_OF_MAPS
            crowd, _ = trainer.train.batch(trainer.train.spread(crowd_size))
            crowd_x = reached(network, exact(crowd), layer, in_training)
        written, dy = _written_out(network, normalizer, x, labels, layer)
        x = x.requires_grad_()
        y = normalizer.as_in_training(x)  # the network's own kernel
        loss = F.cross_entropy(onward(network, y, layer, in_training), labels)
        dx, dgamma, dbeta = torch.autograd.grad(loss, [x, *affine(normalizer)])
    gradients = Gradients(*(as_array(item) for item in (*written, dx, dgamma, dbeta)))
    gamma, beta = affine(normalizer)
    return LayerBatch(
        step=trainer.step,
        layer=layer,
        members=members_of(trainer, chosen),
        x=as_array(x),
        y=as_array(y),
        gamma=as_array(gamma),
        beta=as_array(beta),
        epsilon=normalizer.epsilon,
        running_mean=as_array(normalizer.running_mean),
        running_variance=as_array(normalizer.running_var),
        loss=float(loss.detach()),
        dy=as_array(dy),
        gradients=gradients,
        crowd=as_array(crowd_x),
    )


@torch.no_grad()
def entering(trainer: Trainer, layer: int, examples: int) -> tuple[Tensor, Members]:
    """What enters the layer's normalizer for the first `examples` that the next update would use, and what they are.

    Float64, (m, F) or (m, F, p, q). layer: counted from 1. Raises ValueError as `layer` does.
    """
    network = in_double(trainer)
    block_of(network, layer)
    inputs, _, chosen = coming(trainer, examples)
    with one_thread():
        return reached(network, inputs, layer, in_training), members_of(trainer, chosen)


def _written_out(
    network: Network, normalizer: BatchNorm, x: Tensor, labels: Tensor, layer: int
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Autograd's ∂ℓ/∂x̂, ∂ℓ/∂σ², ∂ℓ/∂μ through Algorithm 1 written out, and ∂ℓ/∂y."""
    x = x.detach().requires_grad_()
    axes = feature_axes(x)
    mean = x.mean(axes)
    variance = ((x - per_feature(mean, x)) ** 2).mean(axes)
    x_hat = (x - per_feature(mean, x)) / torch.sqrt(per_feature(variance, x) + normalizer.epsilon)
    y = scaled_and_shifted(x_hat, *affine(normalizer))
    loss = F.cross_entropy(onward(network, y, layer, in_training), labels)
    *written, dy = torch.autograd.grad(loss, [x_hat, variance, mean, y])
    return tuple(written), dy
