"""What a link to the page Inside looks at, as far as a recorded mini-batch can show it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bnviz.experiment import Experiment
from bnviz.experiment.job import Job
from bnviz.layer.networks import STEPS, ghost_batch, with_maps

AMONG = ("batch", "layer")
"""The normalizers with which an example is changed and the others are watched."""
GROUPS = 2

Section = Literal["arithmetic", "scale", "gradients", "companions", "inference", "sharing"]
_OF_TRAINING = Experiment(normalizer="batch", steps=STEPS)


class Looked(BaseModel):
    """The link's parameters, named as on the page Inside. Layers, units and examples count from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: Section = "arithmetic"
    step: int = Field(default=100, ge=1, le=STEPS)
    layer: int = Field(default=1, ge=1)
    unit: int = Field(default=1, ge=1)
    examples: int = Field(default=8, ge=2, le=16)
    example: int = Field(default=1, ge=1)
    line: int = Field(default=1, ge=1)
    first: str = "batch"
    second: str = "layer"
    positions: bool = True

    def jobs(self, network: Experiment) -> dict[str, Job]:
        """The networks to train, with what is asked of each, by the name of the answer."""
        at = network.replace(steps=self.step)
        batch = {"layer": self.layer, "examples": self.examples}
        match self.section:
            case "arithmetic":
                return {"layer": _asked(at, "layer:layer", **batch)}
            case "scale":
                return {"layer": _asked(at, "layer:layer", **batch)} | self._history(network)
            case "gradients":
                return {
                    "layer": _asked(at, "layer:layer", **batch),
                    "differences": _asked(at, "layer:differences", **batch, unit=self.unit),
                }
            case "companions":
                return {
                    name: _asked(
                        at.replace(normalizer=name), "layer:companions", **batch, example=self.example
                    )
                    for name in AMONG
                }
            case "inference":
                return self._history(network)
            case "sharing":
                return {"sharing": self._sharing(at)}

    def _history(self, network: Experiment) -> dict[str, Job]:
        return {"history": _asked(network, "layer:history", layer=self.layer)}

    def _sharing(self, at: Experiment) -> Job:
        network = with_maps(at) if self.positions else at
        layer = min(self.layer, len(network.hidden))
        return _asked(
            network,
            "sharing:sharing",
            layer=layer,
            examples=self.examples,
            names=(self.first, self.second),
            groups=GROUPS if network.hidden[layer - 1] % GROUPS == 0 else 1,
            ghost_batch=ghost_batch(self.examples),
        )


def read(settings: Mapping[str, str]) -> tuple[Looked, Experiment] | None:
    """What a link's parameters look at, and in which network; None for what only a server can show."""
    known = set(Experiment.knobs())
    try:
        looked = Looked.model_validate({name: text for name, text in settings.items() if name not in known})
    except ValidationError:
        return None
    network, ignored = Experiment.salvage({name: text for name, text in settings.items() if name in known})
    network = network.replace(normalizer=_OF_TRAINING.normalizer, steps=_OF_TRAINING.steps)
    fits = (
        looked.layer <= len(network.hidden)
        and looked.unit <= network.hidden[looked.layer - 1]
        and looked.example <= looked.examples
    )
    return None if ignored or network.architecture != "mlp" or not fits else (looked, network)


def _asked(network: Experiment, question: str, **arguments: Hashable) -> Job:
    return Job(
        network,
        "bnviz.engine.inspections.answering:answer",
        inspection_steps=network.steps if question == "layer:history" else 0,
        arguments=(("question", question), *arguments.items()),
    )
