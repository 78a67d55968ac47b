"""What is remembered of a pass, so that a later one that does the same costs what its measurements cost.

Names, units and nonlinearities follow from the operations and their order. Where a pass repeats these, tensor by
tensor, the rules need not be applied again: it is known before which operation which tensor is to be measured.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bnviz.engine.watch.names import Owner
from bnviz.engine.watch.signature import Signature, Token
from bnviz.engine.watch.streams import Before, Origin, Part

MOST_PLANS = 8
"""For as many shapes of inputs."""
MOST_NUMBERS = 4096
"""Of an index or another tensor whose numbers have decided something as many are kept to compare."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Numbers that have decided something. index: how many operations had run."""

    index: int
    token: Token
    numbers: Tensor

    def agrees(self, other: Reading) -> bool:
        """Whether another pass has read the same."""
        return (self.index, self.token) == (other.index, other.token) and torch.equal(
            self.numbers, other.numbers
        )


@dataclass(frozen=True, eq=False)
class PlannedLayer:
    """A layer to be measured: the part as it was found, without its values.

    index, token: before which operation which tensor is to be looked at. shifted: whether that holds its values as
    they were scaled or shifted.
    """

    name: str
    module: nn.Module
    weight: Tensor | None
    part: Part
    index: int
    token: Token
    shifted: bool

    @classmethod
    def of(cls, name: str, module: nn.Module, weight: Tensor | None, part: Part) -> PlannedLayer | None:
        """A layer as it was found; None where a tensor was measured that the pass itself does not have."""
        before = part.origin.before
        if part.at is None or part.at.token is None or (before is not None and before.at.token is None):
            return None
        return cls(name, module, weight, bare(part), part.at.place, part.at.token, part.root is not None)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What is the same in another pass that was followed to the same end."""
        origin = self.part.origin
        return (
            *(self.name, id(self.module), self.index, self.token, origin.before and origin.before.at),
            *(tuple(self.part.functions), origin.normalizer, id(origin.normalizing), origin.joined),
        )


class Look(NamedTuple):
    """Why a tensor is looked at. at: a reading, or the number of a layer; before: as its normalizer receives it."""

    token: Token
    at: Reading | int
    before: bool = False


@dataclass(frozen=True, eq=False)
class Looks:
    """When to look at which tensors. due: by how many operations have run.

    last_use: of each tensor. producing: the operations that give out such tensors. from_outside: whether any comes
    from elsewhere.
    """

    due: Mapping[int, Sequence[Look]]
    last_use: Mapping[Token, int]
    producing: frozenset[int]
    from_outside: bool

    @classmethod
    def of(cls, layers: Sequence[PlannedLayer], readings: Sequence[Reading]) -> Looks:
        """All that a plan asks for."""
        due: dict[int, list[Look]] = {}
        last_use: dict[Token, int] = {}

        def ask(index: int, look: Look) -> None:
            due.setdefault(index, []).append(look)
            last_use[look.token] = max(index, last_use.get(look.token, 0))

        for number, layer in enumerate(layers):
            before = layer.part.origin.before
            if before is not None and before.at.token is not None:
                ask(before.at.place, Look(before.at.token, number, before=True))
            ask(layer.index, Look(layer.token, number))
        for reading in readings:
            ask(reading.index, Look(reading.token, reading))
        producing = frozenset(token[0] for token in last_use if isinstance(token[0], int))
        return cls(due, last_use, producing, any(not isinstance(token[0], int) for token in last_use))


@dataclass(frozen=True, eq=False)
class Plan:
    """A pass as it was followed by the rules. owners: of the parameters and buffers that it used."""

    signatures: Sequence[Signature]
    layers: Sequence[PlannedLayer]
    readings: Sequence[Reading]
    owners: Sequence[Owner]

    @cached_property
    def looks(self) -> Looks:
        """When to look at which tensors."""
        return Looks.of(self.layers, self.readings)

    def agrees(self, other: Plan) -> bool:
        """Whether two passes did the same, and the same was found."""
        return (
            self.signatures == other.signatures
            and [layer.key for layer in self.layers] == [layer.key for layer in other.layers]
            and len(self.readings) == len(other.readings)
            and all(mine.agrees(theirs) for mine, theirs in zip(self.readings, other.readings, strict=True))
        )


class Plans:
    """Plans by the inputs and mode of a pass. One is relied on once two passes have agreed."""

    def __init__(self) -> None:
        self._once: dict[Hashable, Plan] = {}
        self._twice: dict[Hashable, Plan] = {}
        self._given_up = False

    def get(self, key: Hashable) -> Plan | None:
        """The plan of passes of this kind; None where they are to be followed by the rules."""
        return self._twice.get(key)

    def learn(self, key: Hashable, plan: Plan | None) -> None:
        """Remember a pass that the rules have followed; None for one that cannot be foretold."""
        before = self._once.get(key)
        full = before is None and len(self._once) >= MOST_PLANS
        if plan is None or self._given_up or full:
            return
        if before is not None and before.agrees(plan):
            self._twice[key] = plan
        else:
            self._once[key] = plan

    def give_up(self) -> None:
        """A pass went another way than planned: this network's passes are followed by the rules from now on."""
        self._given_up = True
        self._once.clear()
        self._twice.clear()


def bare(part: Part) -> Part:
    """A part as it was found, without its values."""
    found = part.origin
    before = None if found.before is None else Before(found.before.units, found.before.at)
    origin = Origin(
        found.layer, None, found.normalizer, found.normalizing, before, found.joined, found.by_batch
    )
    return Part(origin, part.token, part.units, list(part.functions))
