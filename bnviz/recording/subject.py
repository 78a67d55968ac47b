"""What a Recording is of: an Experiment that bnviz trained, or a Watched network that another program trained."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol


class Subject(Protocol):
    """What figures and files ask of a network, whoever trained it. Immutable and hashable.

    part: the name under which it stands in a recording's file.
    """

    part: ClassVar[str]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many units each layer has, from the input on."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What each layer is called, from the input on."""

    @property
    def activation(self) -> str:
        """The nonlinearity of all layers; "" where they differ or have none."""

    def layer_activation(self, layer: int) -> str:
        """The nonlinearity of a layer, counted from 1; "" where there is no such layer, or it has none."""

    @property
    def normalized(self) -> bool:
        """Whether the network has a normalizer."""

    @property
    def planned_steps(self) -> int | None:
        """How many steps the whole run takes; None where nobody knows beforehand."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, from which an equal one can be built."""
