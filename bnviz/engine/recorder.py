"""When and what to record while a network trains. Recording leaves the network unchanged.

The probe batch and the examples that curves are computed on are fixed and evenly spaced over their split.
A convolutional layer's units are its channels: a unit's distribution is over the probe batch and all
positions, of which at most POSITIONS, evenly spaced, are measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.batches import Examples
from bnviz.engine.network import Network
from bnviz.engine.normalizers.base import Pair
from bnviz.experiment import Experiment
from bnviz.experiment.architecture import CONVOLUTIONAL as CONVOLUTIONAL_KINDS
from bnviz.experiment.architecture import IN_BLOCKS
from bnviz.recording import CurvePoint, Snapshot
from bnviz.recording.measure import Distribution, gradient_counts, quantiles, summary
from bnviz.recording.snapshot import BOUNDARY_POINTS, BOUNDARY_RANGE

POSITIONS = 4096
"""The most values that are measured of each channel of a convolutional layer."""
MOST_RECORDS = 300
"""The most records in a schedule: as many as a figure draws points of a curve."""
GRADIENTS = 4096
"""The most weights of a layer whose gradients are counted, evenly spaced."""
USUAL_PIXELS = 32 * 32
"""Of an image; of larger ones fewer are evaluated together."""


@dataclass(frozen=True)
class Amounts:
    """How much is measured of a network, and how often.

    probe: examples whose activations are recorded. test, train: examples of each split that loss and accuracy are
    evaluated on. last: held-out ones at the experiment's end, 0 for all. positions: the most values of each channel.
    at_once: images that are evaluated together, 0 for all. records: the most in a schedule. evaluate_every: curves are
    evaluated at every so many scheduled records, as an evaluation costs more than the rest of a record.
    """

    probe: int
    test: int
    train: int
    last: int
    positions: int
    at_once: int
    records: int
    evaluate_every: int


CONNECTED = Amounts(
    probe=256,
    test=1000,
    train=250,
    last=0,
    positions=POSITIONS,
    at_once=0,
    records=MOST_RECORDS,
    evaluate_every=4,
)
CONVOLUTIONAL = replace(CONNECTED, probe=64, at_once=500)
"""A convolution computes for every position what a layer of units computes once, and takes much memory for an image."""
BLOCKS = Amounts(
    probe=32,
    test=300,
    train=60,
    last=2000,
    positions=1024,
    at_once=100,
    records=64,
    evaluate_every=3,
)
"""Of blocks of convolutions, in which an image takes a third of its step's time to be evaluated. The feature maps of so
few images at once stay in the processor's caches: a quarter of the time."""


def schedule(steps: int, records: int = MOST_RECORDS) -> np.ndarray:
    """The steps to record: at most `records`, dense early and sparser later, with 0, 1 and the last."""
    spread = steps * np.linspace(0.0, 1.0, records - 1) ** 2
    return np.unique(np.concatenate([[0, 1], np.round(spread).astype(np.int64)]))


def amounts_of(experiment: Experiment) -> Amounts:
    """How much is measured of an Experiment's network."""
    if experiment.architecture in IN_BLOCKS:
        return BLOCKS
    return CONVOLUTIONAL if experiment.architecture in CONVOLUTIONAL_KINDS else CONNECTED


@dataclass(frozen=True)
class Update:
    """The latest update, tensor by tensor in the order of network.parameters().

    gradients: of the mini-batch's loss. steps: the update is −rate × steps.
    """

    gradients: Sequence[Tensor]
    steps: Sequence[Tensor]
    rate: float


class Recorder:
    """Measures one network.

    reference_step: the step that drift is measured from; drift before it is NaN.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Network,
        train: Examples,
        test: Examples,
        reference_step: int = 0,
    ) -> None:
        self.experiment = experiment
        self.network = network
        self.test = test
        self.reference_step = reference_step
        self.reference: list[Distribution] | None = None
        self.amounts = amounts = amounts_of(experiment)
        steps = schedule(experiment.steps, amounts.records).tolist()
        self.due = frozenset([*steps, reference_step])
        self.evaluations = frozenset([*steps[:: amounts.evaluate_every], experiment.steps])
        pixels = max(USUAL_PIXELS, math.prod((network.shape or ())[1:]))
        self.at_once = amounts.at_once * USUAL_PIXELS // pixels
        self.probe_inputs, _ = test.batch(test.spread(amounts.probe))
        self.evaluated = {
            "train": train.batch(train.spread(amounts.train)),
            "test": test.batch(test.spread(amounts.test)),
        }
        self.plane = _plane(self.probe_inputs.device) if self.probe_inputs.shape[1] == 2 else None
        places = {id(parameter): place for place, parameter in enumerate(network.parameters())}
        self.hidden_weights = [[places[id(weight)] for weight in layer.weights] for layer in network.layers]
        self.counted_weights = [_evenly(layer.weights) for layer in network.layers]
        counted = [sum(map(len, chosen)) for chosen in self.counted_weights]
        self.layer_of_counted = np.repeat(np.arange(len(counted)), counted)

    def snapshot(self, step: int, update: Update | None) -> Snapshot:
        """Measure the network after `step` updates, the last of which was `update` (None at step 0)."""
        # A network about to diverge overflows here; the Trainer handles it.
        with np.errstate(invalid="ignore", over="ignore"):
            probes = self.network.probe(self.probe_inputs)
            inputs = [Distribution.of(self.as_table(probe.pre_activations)) for probe in probes]
            if step == self.reference_step:
                self.reference = inputs
            rows = []
            for index, (probe, values, sizes) in enumerate(
                zip(probes, inputs, self.step_sizes(update), strict=True)
            ):
                normalized = probe.before is not probe.pre_activations
                before = self.as_table(probe.before).ravel() if normalized else None
                reference = None if self.reference is None else self.reference[index]
                rows.append(layer_row(values, before, reference, self.experiment.activation, sizes))
            evaluated = step in self.evaluations or step not in self.due
            return Snapshot(
                step=step,
                layers=np.array(rows, np.float64),
                units=self.unit_rows(inputs),
                histogram=np.stack([values.histogram() for values in inputs]),
                curves=self.evaluate(step) if evaluated else (),
                boundary=self.boundary() if evaluated else None,
                gradients=None if update is None else self.gradient_rows(update),
            )

    def as_table(self, values: Tensor) -> np.ndarray:
        """What is measured of a layer's values, (N, F)."""
        return as_table(values, most=self.amounts.positions)

    def unit_rows(self, inputs: Sequence[Distribution]) -> np.ndarray:
        """(all units, 5) float32 in the order of UNIT_COLUMNS."""
        pairs = self.network.scale_and_shift()
        return np.concatenate([unit_columns(*both) for both in zip(inputs, pairs, strict=True)])

    def step_sizes(self, update: Update | None) -> list[tuple[float, float, float]]:
        """For each hidden layer's weights: norm of gradient, norm, and the update's norm over their own."""
        weights = _norms([layer.weights for layer in self.network.layers])
        if update is None:
            return [(math.nan, norm, math.nan) for norm in weights]
        gradients = _norms([[update.gradients[place] for place in places] for places in self.hidden_weights])
        steps = _norms([[update.steps[place] for place in places] for places in self.hidden_weights])
        return [
            (gradient, norm, update.rate * step / norm if norm else math.nan)
            for gradient, norm, step in zip(gradients, weights, steps, strict=True)
        ]

    def gradient_rows(self, update: Update) -> np.ndarray:
        """(L, bins) int32: how many gradients of each hidden layer's weights have a magnitude between GRADIENT_EDGES.

        Of GRADIENTS weights at most, the same at every step.
        """
        values = [
            update.gradients[place].take(index)
            for places, chosen in zip(self.hidden_weights, self.counted_weights, strict=True)
            for place, index in zip(places, chosen, strict=True)
        ]
        return gradient_counts(
            torch.cat(values).cpu().numpy(), self.layer_of_counted, len(self.counted_weights)
        )

    def evaluate(self, step: int) -> tuple[CurvePoint, ...]:
        """Loss and accuracy in inference mode; at the experiment's end on every held-out example.

        Blocks of convolutions are then evaluated on a part of them.
        """
        evaluated = dict(self.evaluated)
        if step == self.experiment.steps:
            evaluated["test"] = self.test.batch(self.test.spread(self.amounts.last or len(self.test)))
        points = []
        for split, (inputs, labels) in evaluated.items():
            scores = self.scores(inputs)
            loss = float(F.cross_entropy(scores, labels))
            correct = (scores.argmax(1) == labels).float().mean()
            accuracy = math.nan if math.isnan(loss) else float(correct)  # NaN has no largest score
            points.append(CurvePoint(split, loss, accuracy, len(labels)))
        return tuple(points)

    def boundary(self) -> np.ndarray | None:
        """For two-dimensional data, 255 × the probability of class 1 over the plane, as in Snapshot."""
        if self.plane is None:
            return None
        chances = self.scores(self.plane).softmax(1)[:, 1]
        return (255 * chances).round().byte().view(BOUNDARY_POINTS, BOUNDARY_POINTS).cpu().numpy()

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        """The network's scores in inference mode; it is in training mode again afterwards."""
        self.network.eval()
        parts = math.ceil(len(inputs) / self.at_once) if self.at_once else 1
        scores = torch.cat([self.network(part) for part in inputs.chunk(parts)])
        self.network.train()
        return scores


def layer_row(
    values: Distribution,
    before: np.ndarray | None,
    reference: Distribution | None,
    activation: str,
    sizes: tuple[float, float, float],
) -> list[float]:
    """One layer's numbers in the order of LAYER_COLUMNS.

    before: (N·F,), the input of the normalizer; None where there is none.
    reference: the distribution that drift is measured from. sizes: as `Recorder.step_sizes` gives them.
    """
    mean, std, shares = values.summary()
    before_mean, before_std, before_shares = (mean, std, shares) if before is None else summary(before)
    drift = math.nan if reference is None else values.drift_from(reference)
    measured = [values.saturated(activation), values.dead(activation), *sizes, drift]
    return [mean, std, *shares, *measured, before_mean, before_std, *before_shares]


def unit_columns(values: Distribution, pair: Pair | None) -> np.ndarray:
    """(F, 5) float32 in the order of UNIT_COLUMNS. pair: gamma and beta, (F,) each; NaN where there are none."""
    columns = np.full((len(values.per_unit), 5), np.nan, np.float32)
    columns[:, :3] = quantiles(values.per_unit, (0.15, 0.50, 0.85))
    for column, parameter in enumerate(pair or (), start=3):
        if parameter is not None:
            columns[:, column] = parameter.detach().cpu().numpy()
    return columns


def as_table(values: Tensor, axis: int = 1, most: int = POSITIONS) -> np.ndarray:
    """A layer's values as (N, F): a row for each example, or each position of each image, `most` at most.

    axis: of the units, where values have more than two.
    """
    if values.dim() > 2:
        values = values.movedim(axis, -1).flatten(0, -2)
        chosen = torch.linspace(0, len(values) - 1, min(most, len(values)), dtype=torch.float64).long()
        values = values[chosen.to(values.device)]
    return values.cpu().numpy()


def _evenly(weights: Sequence[Tensor]) -> list[Tensor]:
    """For each of a layer's tensors of weights the indices of those that are counted, of all together evenly spaced."""
    ends = torch.tensor([0, *(weight.numel() for weight in weights)]).cumsum(0)
    count = int(ends[-1])
    chosen = torch.linspace(0, count - 1, min(GRADIENTS, count), dtype=torch.float64).long()
    return [
        (chosen[(chosen >= low) & (chosen < high)] - low).to(weight.device)
        for weight, low, high in zip(weights, ends[:-1], ends[1:], strict=True)
    ]


@torch.no_grad()
def _norms(layers: Sequence[Sequence[Tensor]]) -> list[float]:
    """For each layer that of all its tensors' numbers together."""
    norms = iter(torch._foreach_norm([tensor for tensors in layers for tensor in tensors]))  # one call
    return [math.hypot(*(float(next(norms)) for _ in tensors)) for tensors in layers]


def _plane(device: torch.device) -> Tensor:
    """The points of the boundary's grid, (BOUNDARY_POINTS², 2), rows along the second coordinate."""
    axis = torch.linspace(*BOUNDARY_RANGE, BOUNDARY_POINTS)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns.ravel(), rows.ravel()], dim=1).to(device)
