"""The values of one layer of a network in training: NumPy arrays, float64, that are sent between processes.

Shapes: m examples in the mini-batch, F units. In a convolutional layer a unit is a channel, whose values
are a map of p × q positions for each example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.recording import Recording

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Members:
    """The examples of a mini-batch.

    names: what each is, the name of its class. pictures: (m, height, width), in colour (m, height, width, 3), from 0 to
    1; None where the examples are points in the plane.
    """

    names: tuple[str, ...]
    pictures: Array | None


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the mini-batch's loss with respect to the quantities of Algorithm 1.

    x_hat, x: like the layer's input. variance, mean, gamma, beta: (F,).
    """

    x_hat: Array
    variance: Array
    mean: Array
    x: Array
    gamma: Array
    beta: Array


@dataclass(frozen=True, eq=False)
class LayerBatch:
    """One mini-batch in one batch-normalization layer, in training mode.

    step: the updates made before. x, y: (m, F) or (m, F, p, q), what entered and what left the layer, y by
    the network's own kernel. gamma, beta, running_mean, running_variance: (F,).
    dy: ∂loss/∂y, like y. gradients: autograd's, for x, γ and β through the network's own kernel.
    crowd: (N, F) or (N, F, p, q), what enters the layer for a larger mini-batch of N training examples.
    """

    step: int
    layer: int
    members: Members
    x: Array
    y: Array
    gamma: Array
    beta: Array
    epsilon: float
    running_mean: Array
    running_variance: Array
    loss: float
    dy: Array
    gradients: Gradients
    crowd: Array

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite; those of a network that diverged are not."""
        return bool(np.isfinite(self.x).all() and np.isfinite(self.y).all() and np.isfinite(self.loss))


@dataclass(frozen=True, eq=False)
class Replies:
    """A layer's outputs and the network's answers, after one example of the mini-batch has changed.

    y: (m, F) or (m, F, p, q), the layer's output. right: (m,), the probability that the network gives each example's
    class. The row of an example that was dropped is NaN.
    """

    y: Array
    right: Array

    def value(self, example: int, unit: int, position: int | None = None) -> float:
        """Of an example, counted from 0, one unit's output, or that of a channel at a position; both from 1."""
        return float(self.of_unit(unit, position)[example])

    def of_unit(self, unit: int, position: int | None = None) -> Array:
        """(m,): every example's output of one unit, or of a channel at a position of its map. All count from 1."""
        values = self.y[:, unit - 1]
        return values if position is None else values.reshape(len(values), -1)[:, position - 1]


def largest_move(replies: Mapping[str, Replies], change: str, example: int) -> float:
    """How far any output of another example moves by the change of one, counted from 1. replies: by kind of change."""
    before, after = replies["none"].y, replies[change].y
    others = [row for row in range(len(before)) if row != example - 1]
    return float(np.abs(after - before)[others].max())


@dataclass(frozen=True, eq=False)
class Companions:
    """A mini-batch as it is, and after one of its examples was replaced, dropped or duplicated.

    step: the updates made before. replacement: the example that takes its place. training, inference: by kind of
    change, "none" among them; "drop" is missing from a mini-batch of two, which it would leave with one example and a
    variance of 0.
    """

    step: int
    members: Members
    replacement: Members
    training: dict[str, Replies]
    inference: dict[str, Replies]

    @property
    def positions(self) -> int:
        """Of a feature map; 1 in a fully connected layer."""
        return int(self.training["none"].y[0, 0].size)

    @property
    def middle(self) -> int:
        """The position in the middle of a feature map, counted from 1."""
        return middle_position(self.training["none"].y.shape[2:])

    @property
    def finite(self) -> bool:
        """Whether the layer's outputs are finite; those of a network that diverged are not."""
        return all(bool(np.isfinite(mode["none"].y).all()) for mode in (self.training, self.inference))


@dataclass(frozen=True, eq=False)
class ExampleBatch:
    """One mini-batch in a fully connected layer whose normalizer takes its statistics from each example alone.

    step: the updates made before. x, y: (m, F), what entered and what left the normalizer, y by the network's own
    module. ids: (m, F); values with equal numbers share their statistics. gamma, beta: (F,), 1 and 0 where it has
    none. centered: whether it subtracts a mean.
    """

    step: int
    layer: int
    members: Members
    x: Array
    y: Array
    ids: Array
    gamma: Array
    beta: Array
    epsilon: float
    centered: bool

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite; those of a network that diverged are not."""
        return bool(np.isfinite(self.x).all() and np.isfinite(self.y).all())


@dataclass(frozen=True, eq=False)
class Correction:
    """The constants of batch renormalization at the next step (Ioffe 2017, Algorithm 1), each (F,).

    r, d: 1 and 0 of the other normalizers. mean, std: the moving averages that they are made of. most_r, most_d: the
    limits of the step.
    """

    r: Array
    d: Array
    mean: Array
    std: Array
    most_r: float
    most_d: float


def middle_position(sides: Sequence[int]) -> int:
    """The position in the middle of a feature map of so many rows and columns, counted from 1; 1 where it has none."""
    return int(np.ravel_multi_index([side // 2 for side in sides], tuple(sides))) + 1 if sides else 1


@dataclass(frozen=True, eq=False)
class SharedBatch:
    """One mini-batch in a layer with any normalizer by statistics, forward and backward.

    normalizer: its name. x, y, dy: (m, F) or (m, F, p, q), what entered it, what left its own module, and ∂loss/∂y.
    ids: like x; values with equal numbers share their statistics. gamma, beta: (F,), 1 and 0 where it has none.
    gradients: autograd's; x_hat and x like x, variance and mean (sets,) through the formulas written out, gamma and
    beta (F,); x, gamma and beta through its own module. nudged: finite differences; x and x_hat of the followed
    value's set, where they are of its values `nudged_at` and NaN at a kink, the others of its set or unit alone.
    """

    normalizer: str
    step: int
    layer: int
    members: Members
    x: Array
    y: Array
    dy: Array
    ids: Array
    gamma: Array
    beta: Array
    epsilon: float
    correction: Correction
    loss: float
    gradients: Gradients
    nudged: Gradients
    nudged_at: Array

    def place(self, example: int, unit: int, position: int = 1) -> int:
        """Of a value in the flattened mini-batch. All are counted from 1, a feature map's positions row by row."""
        return int(((example - 1) * self.x.shape[1] + unit - 1) * self.positions + position - 1)

    def units(self, places: Array) -> Array:
        """The units, counted from 0, of values at these places."""
        return np.asarray(places // self.positions % self.x.shape[1])

    @property
    def positions(self) -> int:
        """Of a feature map; 1 in a fully connected layer."""
        return int(self.x[0, 0].size)

    @property
    def middle(self) -> int:
        """The position in the middle of a feature map, counted from 1."""
        return middle_position(self.x.shape[2:])

    def named(self, place: int) -> str:
        """A value at a place in words, such as "example 2, channel 3, row 1, column 4"."""
        example, unit, *position = np.unravel_index(place, self.x.shape)
        if not position:
            return f"example {example + 1}, unit {unit + 1}"
        row, column = position
        return f"example {example + 1}, channel {unit + 1}, row {row + 1}, column {column + 1}"

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite; those of a network that diverged are not."""
        return bool(np.isfinite(self.x).all() and np.isfinite(self.y).all() and np.isfinite(self.loss))


@dataclass(frozen=True, eq=False)
class Sharing:
    """Which values of a mini-batch a normalizer gives the same statistics, and what it makes of them.

    ids: int64, like the layer's input; values with equal numbers share. mean: (G,), what is subtracted from the values
    of each set, None where nothing is. scale: (G,), what they are divided by, None where they are not. y: like the
    layer's input, by the normalizer's own module with γ = 1 and β = 0.
    """

    ids: Array
    mean: Array | None
    scale: Array | None
    y: Array


@dataclass(frozen=True, eq=False)
class SharedValues:
    """One mini-batch before a layer's normalizer, and what several normalizers would make of it.

    step: the updates made before. x: (m, F) or (m, F, p, q). by: each normalizer's Sharing by its name.
    """

    step: int
    layer: int
    members: Members
    x: Array
    by: dict[str, Sharing]


@dataclass(frozen=True, eq=False)
class History:
    """One layer's statistics over a whole training.

    batch_mean, batch_variance: (T, F), of the mini-batch of each update; the variance is the biased one.
    values: how many values each of them is over, m, or m·p·q of a feature map.
    population_steps: (P,); population_mean, population_variance: (P, F), by Algorithm 2 with the network
    held still: averages over `population_batches` mini-batches of the training set, the variances × m/(m − 1).
    running_mean, running_variance: (F,), what the network itself has gathered at the end.
    gathering: the weight of the newest mini-batch with which it did so.
    """

    recording: Recording
    layer: int
    values: int
    batch_mean: Array
    batch_variance: Array
    population_steps: Array
    population_mean: Array
    population_variance: Array
    population_batches: int
    running_mean: Array
    running_variance: Array
    gathering: float
