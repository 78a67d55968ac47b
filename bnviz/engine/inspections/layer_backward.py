"""The backward pass through any normalizer by statistics. Runs in a worker process and leaves the Trainer unchanged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.coming_batch import as_array, coming, in_double, members_of
from bnviz.engine.inspections.layer_differences import NUDGE, slope
from bnviz.engine.inspections.passing import block_of, in_training, onward, reached
from bnviz.engine.normalizers import BatchRenorm, Normalizer
from bnviz.engine.normalizers.base import per_feature
from bnviz.engine.normalizers.renorm import limits
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import Correction, Gradients, SharedBatch, middle_position
from bnviz.layer.traits import TRAITS, Traits

MOST_NUDGED = 128
"""Values of a set that finite differences are taken of: of feature maps it may have thousands."""
KINK, ROUNDING = 1e-3, 1e-9
"""The slopes on the two sides of a value differ at a kink, such as that of max pooling between equal neighbours, which
images with a flat border have; elsewhere by less than this share of the largest slope, and rounding."""


def backward(
    trainer: Trainer, layer: int, examples: int, example: int, unit: int, position: int = 0
) -> SharedBatch:
    """The layer on the first `examples` of the mini-batch that the next update would use.

    layer, example, unit, position (of a feature map, 0 for its middle): counted from 1; finite differences are of the
    set of values that theirs shares with. Raises ValueError for a layer or a position that is not there, or a
    normalizer that takes no statistics of activations.
    """
    name = trainer.experiment.normalizer
    if name not in TRAITS:
        raise ValueError(f"normalizer = {name!r} is not allowed here; allowed is one of {', '.join(TRAITS)}")
    network = in_double(trainer)
    normalizer = block_of(network, layer).normalizer
    inputs, labels, chosen = coming(trainer, examples)

    def loss_of(y: Tensor) -> Tensor:
        return F.cross_entropy(onward(network, y, layer, in_training), labels)

    with one_thread():
        with torch.no_grad():
            x = reached(network, inputs, layer, in_training)
        positions = x[0, 0].numel()
        if not 0 <= position <= positions:
            raise ValueError(f"position = {position} is not allowed; allowed is 0 to {positions}")
        position = position or middle_position(x.shape[2:])
        ids = normalizer.shares(x.shape)
        assert ids is not None
        correction = _correction(normalizer, x)
        gamma, beta = _scale_and_shift(normalizer, x.shape[1])
        r, d = (torch.from_numpy(item) for item in (correction.r, correction.d))
        written = _WrittenOut(TRAITS[name], ids, normalizer.epsilon, r, d)
        own = [item for item in normalizer.scale_and_shift() or () if item is not None]
        x.requires_grad_()
        y = normalizer.as_in_training(x)
        loss = loss_of(y)
        dx, *of_own = torch.autograd.grad(loss, [x, *own])
        of_pair = dict(zip(map(id, own), of_own, strict=True))
        zero = torch.zeros(x.shape[1], dtype=x.dtype)
        dgamma, dbeta = (of_pair.get(id(item), zero) for item in normalizer.scale_and_shift() or ())
        steps = written.steps(x.detach(), gamma, beta)
        found = torch.autograd.grad(
            loss_of(steps[-1]), [steps[3], steps[1], steps[0], steps[-1]], allow_unused=True
        )
        sets = torch.zeros(int(ids.max()) + 1, dtype=x.dtype)
        dx_hat, dvariance, dmean, dy = (sets if item is None else item for item in found)
        with torch.no_grad():
            followed = ((example - 1) * x.shape[1] + unit - 1) * positions + position - 1
            nudged_at = _nudged(ids, followed)
            nudged = _differences(written, x.detach(), gamma, beta, loss_of, followed, nudged_at)
    arrays = (dx_hat, dvariance, dmean, dx, dgamma, dbeta)
    return SharedBatch(
        normalizer=name,
        step=trainer.step,
        layer=layer,
        members=members_of(trainer, chosen),
        x=as_array(x),
        y=as_array(y),
        dy=as_array(dy),
        ids=ids.numpy().copy(),
        gamma=as_array(gamma),
        beta=as_array(beta),
        epsilon=normalizer.epsilon,
        correction=correction,
        loss=float(loss.detach()),
        gradients=Gradients(*map(as_array, arrays)),
        nudged=nudged,
        nudged_at=nudged_at,
    )


def _nudged(ids: Tensor, followed: int) -> np.ndarray:
    """The places, within the set of the value `followed`, of those that finite differences are taken of."""
    flat = ids.flatten()
    places = (flat == flat[followed]).nonzero().flatten()
    spread = np.linspace(0, len(places) - 1, min(MOST_NUDGED, len(places))).round().astype(int)
    return np.union1d(spread, int((places == followed).nonzero()))


class _WrittenOut:
    """The normalizer's formulas, a set at a time, so that autograd can say what passes between them."""

    def __init__(self, traits: Traits, ids: Tensor, epsilon: float, r: Tensor, d: Tensor) -> None:
        self.traits, self.ids, self.epsilon, self.r, self.d = traits, ids, epsilon, r, d
        self.counts = torch.bincount(ids.flatten()).double()

    def steps(
        self,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor | None = None,
        variance: Tensor | None = None,
        x_hat: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """μ and σ² of each set, √(σ² + ε), x̂, y. Those that are given are taken as they are."""
        x = x.clone().requires_grad_(torch.is_grad_enabled())
        mean = self._average(x) if mean is None else mean
        around = mean[self.ids] if self.traits.around_mean else torch.zeros_like(x)
        variance = self._average((x - around) ** 2) if variance is None else variance
        root = torch.sqrt(variance + self.epsilon)
        if x_hat is None:
            x_hat = x - mean[self.ids] if self.traits.subtracts else x * 1.0
            x_hat = x_hat / root[self.ids] if self.traits.divides else x_hat
        r, d, gamma, beta = (per_feature(values, x) for values in (self.r, self.d, gamma, beta))
        y = gamma * (r * x_hat + d) + beta
        return mean, variance, root, x_hat, y

    def _average(self, values: Tensor) -> Tensor:
        sums = torch.zeros(len(self.counts), dtype=values.dtype)
        return sums.index_add(0, self.ids.flatten(), values.flatten()) / self.counts


def _differences(
    written: _WrittenOut,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    followed: int,
    nudged_at: np.ndarray,
) -> Gradients:
    """Central finite differences of the loss: of values in the set of `followed`, its statistics, its unit's γ and β.

    followed: a place in the flattened mini-batch. nudged_at: of the values, within the set. As in the paper, ∂ℓ/∂σ²
    holds x and μ still, and ∂ℓ/∂μ lets σ² follow.
    """
    mean, variance, root, x_hat, _ = written.steps(x, gamma, beta)
    own = int(written.ids.flatten()[followed])
    places = (written.ids == own).flatten().nonzero().flatten()[torch.from_numpy(nudged_at)]
    unit = followed // x[0, 0].numel() % x.shape[1]

    def placed(values: Tensor, index: Tensor | int, new: Tensor) -> Tensor:
        changed = values.clone(memory_format=torch.contiguous_format)
        changed.view(-1)[index] = new
        return changed

    def loss(**changes: Tensor) -> float:
        given = {"x": x, "gamma": gamma, "beta": beta} | changes
        return float(loss_of(written.steps(**given)[-1]))

    size = float(root[own])
    held = {"mean": mean}
    return Gradients(
        x_hat=_each(lambda v: loss(x_hat=placed(x_hat, places, v)), x_hat.flatten()[places], 1.0),
        variance=np.array(
            [slope(lambda v: loss(**held, variance=placed(variance, own, v)), variance[own], size**2)]
        ),
        mean=np.array([slope(lambda v: loss(mean=placed(mean, own, v)), mean[own], size)]),
        x=_each(lambda v: loss(x=placed(x, places, v)), x.flatten()[places], size),
        gamma=np.array([slope(lambda v: loss(gamma=placed(gamma, unit, v)), gamma[unit], 1.0)]),
        beta=np.array([slope(lambda v: loss(beta=placed(beta, unit, v)), beta[unit], 1.0)]),
    )


def _each(function: Callable[[Tensor], float], values: Tensor, scale: float) -> np.ndarray:
    """The central difference along each of the values; NaN at a kink, where it is the slope of neither side."""
    width, here = NUDGE * scale, function(values)
    nudges = torch.eye(len(values), dtype=values.dtype) * width
    both = np.array([(function(values + nudge), function(values - nudge)) for nudge in nudges])
    slopes = (both[:, 0] - both[:, 1]) / (2.0 * width)
    bends = np.abs(both.sum(1) - 2.0 * here) / width  # how far the slopes of the two sides are apart
    kinks = bends > KINK * np.abs(slopes).max() + ROUNDING
    return np.where(kinks, np.nan, slopes)


def _scale_and_shift(normalizer: Normalizer, units: int) -> tuple[Tensor, Tensor]:
    """γ and β, (F,) each: 1 and 0 where the normalizer has none."""
    gamma, beta = normalizer.scale_and_shift() or (None, None)
    ones = torch.ones(units, dtype=torch.float64)
    return (ones if gamma is None else gamma.detach()), (ones * 0 if beta is None else beta.detach())


@torch.no_grad()
def _correction(normalizer: Normalizer, x: Tensor) -> Correction:
    ones = np.ones(x.shape[1])
    if not isinstance(normalizer, BatchRenorm):
        return Correction(ones, 0 * ones, 0 * ones, ones, 1.0, 0.0)
    r, d = normalizer.corrections(*normalizer.statistics(x))
    mean, std = normalizer.running_mean, normalizer.running_std
    most_r, most_d = limits(int(normalizer.steps), normalizer.begin)
    return Correction(as_array(r), as_array(d), as_array(mean), as_array(std), most_r, most_d)
