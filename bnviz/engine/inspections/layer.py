"""Reads one batch-normalization layer of a network that trains. Runs in a worker process.

Every function takes a Trainer and leaves it unchanged. Networks are read in double precision: the same
weights, so that finite differences exceed rounding errors. Dropout is left out, because it is random.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.data import datasets
from bnviz.engine.backprop import Autograd
from bnviz.engine.block import Block
from bnviz.engine.network import Network, generator
from bnviz.engine.normalizers import BatchNorm, Normalizer
from bnviz.engine.normalizers.base import feature_axes, per_feature, scaled_and_shifted
from bnviz.engine.recorder import schedule
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import Companions, Gradients, History, LayerBatch, Members, Replies
from bnviz.recording import Recording

CROWD = 250
"""How many training examples the histogram is of."""
CROWD_OF_MAPS = 32
"""The same in a convolutional layer, where each example has a map of values."""
POPULATION_BATCHES = 24
POPULATIONS = 40
"""How often population statistics are computed during the training; dense early, like records."""
NUDGE = 1e-5
"""The relative step of finite differences: in float64 their error is then about 1e-10 of the slope's scale."""

Normalize = Callable[[Normalizer, Tensor], Tensor]


def layer(trainer: Trainer, layer: int, examples: int) -> LayerBatch:
    """The layer on a mini-batch of the first `examples` that the next update would use.

    layer: counted from 1. Raises ValueError for a layer that is not there or has no batch normalization.
    """
    network = _double(trainer)
    normalizer = _normalizer(network, layer)
    inputs, labels, chosen = _coming(trainer, examples)
    with one_thread():
        with torch.no_grad():
            x = _reached(network, inputs, layer, _in_training)
            crowd_size = CROWD if x.dim() == 2 else CROWD_OF_MAPS
            crowd, _ = trainer.train.batch(trainer.train.spread(crowd_size))
            crowd_x = _reached(network, _exact(crowd), layer, _in_training)
        written, dy = _written_out(network, normalizer, x, labels, layer)
        x = x.requires_grad_()
        y = normalizer.as_in_training(x)  # the network's own kernel
        loss = F.cross_entropy(_onward(network, y, layer, _in_training), labels)
        dx, dgamma, dbeta = torch.autograd.grad(loss, [x, *_affine(normalizer)])
    gradients = Gradients(*(_array(item) for item in (*written, dx, dgamma, dbeta)))
    gamma, beta = _affine(normalizer)
    return LayerBatch(
        step=trainer.step,
        layer=layer,
        members=_members(trainer, chosen),
        x=_array(x),
        y=_array(y),
        gamma=_array(gamma),
        beta=_array(beta),
        epsilon=normalizer.epsilon,
        running_mean=_array(normalizer.running_mean),
        running_variance=_array(normalizer.running_var),
        loss=float(loss.detach()),
        dy=_array(dy),
        gradients=gradients,
        crowd=_array(crowd_x),
    )


@torch.no_grad()
def entering(trainer: Trainer, layer: int, examples: int) -> tuple[Tensor, Members]:
    """What enters the layer's normalizer for the first `examples` that the next update would use, and what they are.

    Float64, (m, F) or (m, F, p, q). layer: counted from 1. Raises ValueError as `layer` does.
    """
    network = _double(trainer)
    _block(network, layer)
    inputs, _, chosen = _coming(trainer, examples)
    with one_thread():
        return _reached(network, inputs, layer, _in_training), _members(trainer, chosen)


@torch.no_grad()
def differences(trainer: Trainer, layer: int, examples: int, unit: int) -> Gradients:
    """Central finite differences of the loss for one unit, counted from 1, of a fully connected layer.

    The fields of Gradients are those of this unit: x_hat and x (m,), the others (1,). As in the paper,
    ∂ℓ/∂σ² holds x and μ still, and ∂ℓ/∂μ lets σ² follow.
    """
    network = _double(trainer)
    normalizer = _normalizer(network, layer)
    inputs, labels, _ = _coming(trainer, examples)
    with one_thread():
        values = _reached(network, inputs, layer, _in_training)
        gamma, beta = (parameter[unit - 1] for parameter in _affine(normalizer))
        column = values[:, unit - 1].clone()
        others = normalizer.as_in_training(values)

        def loss(x_hat: Tensor, gamma: Tensor = gamma, beta: Tensor = beta) -> float:
            y = others.clone()
            y[:, unit - 1] = gamma * x_hat + beta
            return float(F.cross_entropy(_onward(network, y, layer, _in_training), labels))

        def normalized(x: Tensor, mean: Tensor | None = None, variance: Tensor | None = None) -> Tensor:
            mean = x.mean() if mean is None else mean
            variance = ((x - mean) ** 2).mean() if variance is None else variance
            return (x - mean) / torch.sqrt(variance + normalizer.epsilon)

        mean, variance = column.mean(), column.var(unbiased=False)
        x_hat = normalized(column)
        scale = float(torch.sqrt(variance + normalizer.epsilon))
        return Gradients(
            x_hat=np.array([_slope(lambda v: loss(v), x_hat, 1.0, at) for at in range(examples)]),
            variance=np.array([_slope(lambda v: loss(normalized(column, mean, v)), variance, scale**2)]),
            mean=np.array([_slope(lambda v: loss(normalized(column, v)), mean, scale)]),
            x=np.array([_slope(lambda v: loss(normalized(v)), column, scale, at) for at in range(examples)]),
            gamma=np.array([_slope(lambda v: loss(x_hat, gamma=v), gamma, 1.0)]),
            beta=np.array([_slope(lambda v: loss(x_hat, beta=v), beta, 1.0)]),
        )


@torch.no_grad()
def companions(trainer: Trainer, layer: int, examples: int, example: int) -> Companions:
    """The mini-batch with its member `example`, counted from 1, replaced, dropped or duplicated.

    The layers may have any normalizer. The replacement is the training example that would come next. Everything is
    measured with the whole network, in training mode and in inference mode.
    """
    network = _double(trainer).eval()
    _block(network, layer)
    inputs, labels, chosen = _coming(trainer, examples + 1)
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
            for mode, normalize in (("training", _in_training), ("inference", _in_inference)):
                replies = _replies(network, inputs[rows], labels[rows], layer, normalize)
                found[mode][name] = _placed(replies, places, examples)
    return Companions(_members(trainer, chosen[examples:]), found["training"], found["inference"])


def history(trainer: Trainer, layer: int) -> History:
    """Train the Trainer's experiment again, to its end, and collect the layer's statistics at every step."""
    trainer = Trainer(trainer.experiment)
    means: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    values: list[int] = []

    def gather(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if module.training:
            x = arguments[0].detach()
            mean = x.mean(feature_axes(x))
            means.append(mean.cpu().numpy())
            variances.append(((x - per_feature(mean, x)) ** 2).mean(feature_axes(x)).cpu().numpy())
            values.append(x.numel() // x.shape[1])

    normalizer = _normalizer(trainer.network, layer)
    normalizer.register_forward_pre_hook(gather)
    trainer.differentiation = Autograd(trainer.network)  # which calls modules, and so their hooks
    snapshots = trainer.advance(0)
    stops = schedule(trainer.experiment.steps, POPULATIONS).tolist()
    populations = []
    for stop in stops:
        snapshots += trainer.advance(stop - trainer.step)
        if trainer.diverged_at is not None:
            break
        populations.append((trainer.step, *_population(trainer, layer)))
    recording = Recording(trainer.experiment, provenance=trainer.provenance)
    features = len(normalizer.running_mean)
    taken = len(means[: trainer.step])
    return History(
        recording=recording.extended(snapshots, diverged_at=trainer.diverged_at),
        layer=layer,
        values=values[0] if values else 0,
        batch_mean=np.array(means[:taken], np.float64).reshape(taken, features),
        batch_variance=np.array(variances[:taken], np.float64).reshape(taken, features),
        population_steps=np.array([step for step, *_ in populations], np.int64),
        population_mean=np.array([mean for _, mean, _, _ in populations]),
        population_variance=np.array([variance for _, _, variance, _ in populations]),
        population_batches=populations[0][3],
        running_mean=_array(normalizer.running_mean),
        running_variance=_array(normalizer.running_var),
        gathering=normalizer.momentum,
    )


@torch.no_grad()
def _population(trainer: Trainer, layer: int) -> tuple[np.ndarray, np.ndarray, int]:
    """E[x] and Var[x] of Algorithm 2 with the network held still, each (F,), and over how many mini-batches."""
    size = min(trainer.experiment.batch_size, len(trainer.train))
    batches = min(POPULATION_BATCHES, len(trainer.train) // size)
    order = torch.randperm(len(trainer.train), generator=generator(0, "population")).to(trainer.device)
    means, variances = [], []
    with one_thread():
        for index in order[: batches * size].view(batches, size):
            inputs, _ = trainer.train.batch(index)
            x = _reached(trainer.network, inputs, layer, _in_training).double()
            means.append(x.mean(feature_axes(x)))
            variances.append(x.transpose(0, 1).flatten(1).var(1))  # σ²·m/(m − 1)
    return _array(torch.stack(means).mean(0)), _array(torch.stack(variances).mean(0)), batches


def _written_out(
    network: Network, normalizer: BatchNorm, x: Tensor, labels: Tensor, layer: int
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Autograd's ∂ℓ/∂x̂, ∂ℓ/∂σ², ∂ℓ/∂μ through Algorithm 1 written out, and ∂ℓ/∂y."""
    x = x.detach().requires_grad_()
    axes = feature_axes(x)
    mean = x.mean(axes)
    variance = ((x - per_feature(mean, x)) ** 2).mean(axes)
    x_hat = (x - per_feature(mean, x)) / torch.sqrt(per_feature(variance, x) + normalizer.epsilon)
    y = scaled_and_shifted(x_hat, *_affine(normalizer))
    loss = F.cross_entropy(_onward(network, y, layer, _in_training), labels)
    *written, dy = torch.autograd.grad(loss, [x_hat, variance, mean, y])
    return tuple(written), dy


def _replies(network: Network, inputs: Tensor, labels: Tensor, layer: int, normalize: Normalize) -> Replies:
    y = normalize(_block(network, layer).normalizer, _reached(network, inputs, layer, normalize))
    chances = _onward(network, y, layer, normalize).softmax(1)
    return Replies(_array(y), _array(chances.gather(1, labels[:, None])[:, 0]))


def _placed(replies: Replies, places: list[int], examples: int) -> Replies:
    """The replies in the rows where their examples stood, NaN where there is none."""
    y = np.full((examples, *replies.y.shape[1:]), np.nan)
    right = np.full(examples, np.nan)
    y[places], right[places] = replies.y[: len(places)], replies.right[: len(places)]
    return Replies(y, right)


def _slope(function: Callable[[Tensor], float], value: Tensor, scale: float, at: int | None = None) -> float:
    """The central difference of `function` at `value`, along its element `at` if it has several."""
    width = NUDGE * scale
    nudge = torch.zeros_like(value)
    nudge[... if at is None else at] = width
    return (function(value + nudge) - function(value - nudge)) / (2.0 * width)


def _in_training(normalizer: Normalizer, x: Tensor) -> Tensor:
    return normalizer.as_in_training(x)


def _in_inference(normalizer: Normalizer, x: Tensor) -> Tensor:
    y: Tensor = normalizer(x)  # of a network in evaluation mode
    return y


def _reached(network: Network, inputs: Tensor, layer: int, normalize: Normalize) -> Tensor:
    """What enters the layer's normalizer."""
    u = network.shaped(inputs)
    for block in network.plain[: layer - 1]:
        u = _passed(block, block.mapped(u), normalize)
    x: Tensor = network.plain[layer - 1].mapped(u)
    return x


def _onward(network: Network, y: Tensor, layer: int, normalize: Normalize) -> Tensor:
    """The network's scores if the layer's normalizer delivers y."""
    u = network.plain[layer - 1].passed_on(y)
    for block in network.plain[layer:]:
        u = _passed(block, block.mapped(u), normalize)
    scores: Tensor = network.output(u.mean((2, 3)) if u.dim() > 2 else u)
    return scores


def _passed(block: Block, x: Tensor, normalize: Normalize) -> Tensor:
    return block.passed_on(normalize(block.normalizer, x))


def _block(network: Network, layer: int) -> Block:
    if not 1 <= layer <= len(network.plain):
        raise ValueError(f"layer = {layer} is not allowed; allowed is 1 to {len(network.plain)}")
    return network.plain[layer - 1]


def _normalizer(network: Network, layer: int) -> BatchNorm:
    normalizer = _block(network, layer).normalizer
    if not isinstance(normalizer, BatchNorm) or normalizer.gamma is None:
        raise ValueError("normalizer is not allowed here; allowed is 'batch'")
    return normalizer


def _affine(normalizer: BatchNorm) -> tuple[Tensor, Tensor]:
    assert normalizer.gamma is not None
    assert normalizer.beta is not None
    return normalizer.gamma, normalizer.beta


def _double(trainer: Trainer) -> Network:
    """A copy of the network in float64, on the CPU: not every device has float64."""
    return copy.deepcopy(trainer.network).cpu().double()


def _coming(trainer: Trainer, examples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels and indices of the first `examples` of the mini-batch that the next update would use.

    If that mini-batch has fewer, the order of the epoch goes on.
    """
    size = min(trainer.experiment.batch_size, len(trainer.train))
    place = trainer.step % (len(trainer.train) // size)
    order = trainer.order
    if place == 0:
        order = torch.randperm(len(trainer.train), generator=trainer.order_rng.clone_state())
    chosen = torch.roll(order, -place * size)[:examples]
    inputs, labels = trainer.train.batch(chosen.to(trainer.device))
    return _exact(inputs), labels.cpu(), chosen.cpu()


def _members(trainer: Trainer, chosen: Tensor) -> Members:
    dataset = datasets.load(trainer.experiment.dataset)
    inputs, labels = trainer.train.batch(chosen.to(trainer.device))
    names = tuple(dataset.classes[label] for label in labels.tolist())
    if len(dataset.shape) < 3 or math.prod(dataset.shape[1:]) > 32 * 32:
        return Members(names, None)
    pictures = _exact(inputs).view(-1, *dataset.shape).mean(1)
    return Members(names, _array(pictures.clamp(0.0, 1.0)))


def _exact(inputs: Tensor) -> Tensor:
    return inputs.cpu().double()


def _array(values: Tensor) -> np.ndarray:
    return np.array(values.detach().cpu().double().numpy())
