"""What is known of a tensor on its way through the network.

A **layer** is one call of an affine map. What it gives out is an **origin**; its normalizer's output, a pooled map and
a sum with another layer's output are origins too, of the same layer. A **part** is an origin's values in one
arrangement: all of them, or the quarter that a gate takes. A **value** is a part to which a function of numbers was
applied, known by what it makes of a grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from bnviz.engine.watch import drift, samples
from bnviz.engine.watch.evidence import GRID, SCALED, is_inexact, is_linear, name_of
from bnviz.engine.watch.measured import Measured, Summary
from bnviz.engine.watch.names import Owner
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.signature import Token

Cut = tuple[Any, ...]
"""How a part was cut out of its origin: equal for equal cuts."""

STATISTICAL = frozenset({"square", "abs"})
"""What is summed of them is a variance or a norm, not what a nonlinearity gives out."""


@dataclass(eq=False)
class Layer:
    """A call of an affine map.

    module: whose weight it is. weight: the parameter; None where it is computed from others. mixes: whether it
    makes units of others; a normalizer behind a nonlinearity does not, but scales and shifts each.
    """

    name: str
    number: int
    module: nn.Module
    weight: Tensor | None
    mixes: bool = True


class At(NamedTuple):
    """When and at which tensor was looked: how many operations had run, and where the tensor comes from."""

    place: int
    token: Token | None


@dataclass(eq=False)
class Before:
    """What a normalizer receives. sample: until it is measured. summary: None where it has no values."""

    units: Units | None
    at: At
    sample: samples.Sample | None = None
    summary: Summary | None = None

    def take(self, tensor: Tensor) -> None:
        """Keep a sample of its values."""
        sample = samples.take(tensor, self.units)
        self.sample = sample if sample.values.size else None

    def measure(self) -> None:
        """Measure the sample, and let it go."""
        sample, self.sample = self.sample, None
        if sample is not None:
            self.summary = Summary.of(sample)


@dataclass(eq=False)
class Origin:
    """Values that were made by mixing: no function of single numbers has been applied to them yet.

    layer: None for what comes after a nonlinearity. statistic_of: the layer of which it is a mean or a variance.
    normalizer: the class that normalized it. before: what that received. by_batch: whether it gave each unit of the
    batch its mean and its standard deviation; of a statistic, whether that is of the whole batch.
    joined: whether values of other layers were added or appended.
    """

    layer: Layer | None
    statistic_of: Layer | None = None
    normalizer: str = ""
    normalizing: nn.Module | None = None
    before: Before | None = None
    joined: bool = False
    by_batch: bool = False
    parts: dict[Cut, Part] = field(default_factory=dict)


@dataclass(eq=False)
class Part:
    """An arrangement of an origin's values: of all its units or of some.

    functions: the nonlinearities that were found to receive it. sample: taken before the first of them, and let go
    of once it is measured. problem: why it could not be measured. lost: whether no value of it is finite.
    root: the scaled or shifted values that were measured in place of its own. at: where its sample is from.
    """

    origin: Origin
    token: Cut
    units: Units | None
    functions: list[str] = field(default_factory=list)
    sample: samples.Sample | None = None
    measured: Measured | None = None
    problem: str = ""
    lost: bool = False
    root: Value | None = None
    chosen: np.ndarray | None = None
    at: At | None = None

    @property
    def taken(self) -> bool:
        """Whether its values were looked at."""
        return self.chosen is not None

    def take(self, tensor: Tensor, at: At) -> None:
        """Keep a sample of its values."""
        self.sample, self.at = samples.take(tensor, self.units), at
        self.chosen = self.sample.units

    def receive(self, function: str, floor: bool) -> None:
        """Note that a nonlinearity receives this part, and measure it, also by how much batches differ by chance."""
        if function not in self.functions:
            self.functions.append(function)
        self.measure(floor)

    def measure(self, floor: bool, reference: Measured | None = None) -> None:
        """Measure the sample; what has no values, or none that could be sorted, has a problem instead."""
        sample, self.sample = self.sample, None
        if sample is None:
            return
        unusual = sample.values.size - int(np.count_nonzero(np.isfinite(sample.values)))
        if not sample.values.size:
            self.problem = "no example reached it"
        elif unusual:
            self.problem = f"{unusual:,} of {sample.values.size:,} values are not finite numbers"
            self.lost = unusual == sample.values.size
        else:
            apart = drift.floor(sample.values, self.origin.by_batch) if floor else math.nan
            function = self.functions[0].removesuffix(SCALED) if len(self.functions) == 1 else ""
            self.measured = Measured.of(sample, function, apart, reference)


@dataclass(frozen=True, eq=False)
class Inner:
    """A function of values that were scaled or shifted by constants: the sigmoid of 2x is that of u = 2x.

    root: those values. sample: of them, taken there. shadow: what the function makes of GRID. plain: as of a Value.
    """

    root: Value
    sample: samples.Sample
    at: At
    shadow: Tensor
    plain: Tensor | None = None

    @property
    def function(self) -> str:
        """The name of the nonlinearity."""
        return _name(self.shadow, self.plain)


@dataclass(eq=False)
class Value:
    """A part, and the function that was applied to each of its numbers: `shadow`, its values on GRID.

    source: the part's own tensor, kept while its values may still be wanted. serial: when it was computed.
    consumed: whether any operation has used it. receiving: the part that the first nonlinearity received,
    where the values have been rearranged since. inner: the same function as one of scaled or shifted values.
    plain: what the function was before it was scaled or shifted in its turn; None where it was not.
    """

    part: Part
    shadow: Tensor = GRID
    serial: int = 0
    source: Tensor | None = None
    linear: bool = True
    consumed: bool = False
    receiving: Part | None = None
    inner: Inner | None = None
    plain: Tensor | None = None

    @classmethod
    def of(
        cls,
        part: Part,
        shadow: Tensor,
        serial: int,
        source: Tensor | None,
        receiving: Part | None = None,
        inner: Inner | None = None,
        plain: Tensor | None = None,
    ) -> Value:
        """A value whose function has that shadow."""
        linear = shadow is GRID or is_linear(shadow)
        if linear:
            return cls(part, shadow, serial, source)
        return cls(part, shadow, serial, None, linear, receiving=receiving or part, inner=inner, plain=plain)

    @property
    def identity(self) -> bool:
        """Whether no function was applied."""
        return self.shadow is GRID

    @property
    def layer(self) -> Layer | None:
        """The layer it comes from, with no nonlinearity in between."""
        return self.part.origin.layer if self.linear else None

    def function(self) -> str | None:
        """The name of the nonlinearity that was applied; None where there was none, or what it gives are no numbers."""
        if self.linear or not self.shadow.is_floating_point():
            return None
        return _name(self.shadow, self.plain)


def _name(shadow: Tensor, plain: Tensor | None) -> str:
    """The name of a function, or of what it was before it was scaled and shifted, if that alone has one."""
    name = name_of(shadow)
    if plain is None or not is_inexact(name):
        return name
    before = name_of(plain)
    return name if is_inexact(before) else before


@dataclass(frozen=True, eq=False)
class State:
    """Computed from parameters and buffers alone."""

    owner: Owner


@dataclass(frozen=True, eq=False)
class Constant:
    """Made during the pass out of no other tensor. value: of all its numbers, None where they differ."""

    value: float | None


Node = Value | State | Constant
