"""A layer's values, sampled where there are many.

Positions are drawn by chance that is the same at every record and belongs to nobody's random state. Even steps would
fall in step with the data: every second column of a map that a stride of 2 has made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from bnviz.engine.watch.operations import Units
from bnviz.experiment.knob import MAX_WIDTH

ROWS = 4096
"""The most values of a unit that are measured."""
VALUES, FEWEST_ROWS = 2**20, 256
"""The most values of a layer that are measured, but for this many of each unit."""
CHUNK = 2**16
SMALL_BYTES = 2**18
"""Up to so many bytes of values are kept for a while."""


@dataclass(eq=False)
class Sample:
    """Values of a layer, (N, F) float32: N of each of F units.

    units: the numbers of the measured units. each: how many values a unit has. all_units: how many there are.
    moments: mean and standard deviation of all values, where not all are in the sample.
    remark: what could not be known.
    """

    values: np.ndarray
    units: np.ndarray
    each: int
    all_units: int
    moments: tuple[float, float] | None
    remark: str = ""
    rows: int = field(init=False)

    @property
    def small(self) -> bool:
        """Whether it may be kept for a while, to be measured together with others."""
        return self.values.nbytes <= SMALL_BYTES

    def __post_init__(self) -> None:
        self.rows = len(self.values)

    def hand_over(self) -> np.ndarray:
        """The values, which the sample has no longer: only one copy of them is to be in memory."""
        values, self.values = self.values, np.empty((0, self.values.shape[1]), self.values.dtype)
        return values

    @property
    def told(self) -> str:
        """How many values are measured of how many."""
        rows, units = self.rows, len(self.units)
        of_units = f"{units:,} units" if units == self.all_units else f"{units:,} of {self.all_units:,} units"
        of_rows = f"{rows:,}" if rows == self.each else f"{rows:,} of {self.each:,}"
        return f"{of_rows} values of each of {of_units}"


def take(tensor: Tensor, units: Units | None) -> Sample:
    """A sample of a tensor's values, copied: what comes later in the pass may work in place."""
    tensor = tensor.detach()
    if units is not None and units.plain and units.axis == tensor.dim() - 1:
        width = tensor.shape[-1]
        rows = tensor.numel() // width
        if width <= MAX_WIDTH and rows <= min(ROWS, max(FEWEST_ROWS, VALUES // width)):
            whole = np.array(tensor.float().numpy(force=True).reshape(rows, width))  # a copy
            return Sample(whole, _numbers(width), rows, width, None)
    remark = ""
    places = None if units is None else _places(units)
    if places is None:
        remark = "which axis holds its units is not known: all values are measured as those of one unit"
        tensor = tensor.reshape(-1, 1)
        units, places = Units(1, torch.zeros(1, dtype=torch.long)), np.zeros((1, 1), np.int64)
    assert units is not None
    by_unit = tensor.movedim(units.axis, -1)  # (…, K)
    numbers = units.numbers.numpy()[places[:, 0]]
    all_units, alike = places.shape
    if all_units > MAX_WIDTH:
        chosen = _chosen(all_units, MAX_WIDTH)
        places, numbers = places[chosen], numbers[chosen]
    rows = math.prod(by_unit.shape[:-1])
    most = VALUES if remark else min(ROWS, max(FEWEST_ROWS, VALUES // len(places)))
    if rows * alike > most:
        kept = min(rows, max(1, most // alike))
        at = np.unravel_index(_chosen(rows, kept), by_unit.shape[:-1])
        part = by_unit[tuple(torch.as_tensor(index, device=tensor.device) for index in at)]  # (kept, K)
        if alike > most:
            places = places[:, _chosen(alike, most)]
    else:
        part = by_unit.reshape(rows, by_unit.shape[-1])
    everything = places.size == part.shape[1] and (places.ravel() == np.arange(places.size)).all()
    if not everything:
        part = part[:, torch.as_tensor(places.ravel(), device=tensor.device)]
    table = part.to("cpu", torch.float32)  # (rows, F · alike)
    if (
        table.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    ):  # what comes later may change it
        table = table.clone()
    values = table.numpy()
    if places.shape[1] > 1:
        values = values.reshape(len(values), *places.shape).transpose(0, 2, 1).reshape(-1, len(places))
    moments = None if values.size == tensor.numel() else _moments(tensor)
    return Sample(values, numbers, rows * alike, all_units, moments, remark)


def first_tensor(output: object) -> Tensor | None:
    """The first tensor of real numbers in what a module gives out, such as the outputs of an LSTM."""
    for item in torch.utils._pytree.tree_leaves(output):
        if isinstance(item, Tensor) and item.is_floating_point():
            return _held(item)
        if is_dataclass(item) and not isinstance(item, type):
            found = first_tensor([getattr(item, part.name) for part in fields(item)])
            if found is not None:
                return found
    return None


def _held(tensor: Tensor) -> Tensor:
    """The numbers of a tensor that is a shell around others, such as a nested one."""
    if is_traceable_wrapper_subclass(tensor):
        inside = (getattr(tensor, name) for name in tensor.__tensor_flatten__()[0])
        return next((_held(item) for item in inside if item.is_floating_point()), tensor)
    return tensor


@lru_cache(maxsize=256)
def _chosen(count: int, most: int) -> np.ndarray:
    """`most` of the numbers up to `count`, by chance, in order; the same at every call."""
    if most >= count:
        return np.arange(count)
    chosen = np.random.default_rng(0).choice(count, most, replace=False, shuffle=False)
    chosen.sort()
    return chosen


def _places(units: Units) -> np.ndarray | None:
    """(F, places of a unit along the axis); None where some units have more places than others."""
    if units.plain:
        return _single_places(len(units.numbers))
    numbers = units.numbers.numpy()
    if not len(numbers):
        return None
    _, counts = np.unique(numbers, return_counts=True)
    if (counts != counts[0]).any():
        return None
    return np.argsort(numbers, kind="stable").reshape(len(counts), counts[0])


@lru_cache(maxsize=64)
def _numbers(units: int) -> np.ndarray:
    """The numbers 0, 1, 2, and so on."""
    return np.arange(units)


@lru_cache(maxsize=64)
def _single_places(units: int) -> np.ndarray:
    """The places of units that have one each, in their order."""
    return np.arange(units).reshape(-1, 1)


def _moments(tensor: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all values, in float64 and without a copy of them all."""
    mean, squares, count = 0.0, 0.0, 0
    step = max(1, CHUNK // max(1, math.prod(tensor.shape[1:])))
    for part in torch.split(tensor, step):
        values = part.double()
        size = values.numel()
        middle = float(values.mean())
        values -= middle
        apart = middle - mean
        squares += float(values.square_().sum()) + apart**2 * count * size / (count + size)
        count += size
        mean += apart * size / count
    return mean, math.sqrt(squares / count)
