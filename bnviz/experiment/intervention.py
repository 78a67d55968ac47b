"""An Intervention: a field changed while a network trains; part of its Recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.knob import ExperimentError, refuse_truth, short_repr

MAX_INTERVENTIONS = 1000

MAX_STEP = 1_000_000

CHANGEABLE = ("learning_rate", "momentum", "weight_decay")


class Intervention(BaseModel):
    """A change while training: before the update that follows `step`, `field` becomes `value`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    step: int
    field: str
    value: float

    def __init__(self, step: int, field: str, value: float) -> None:
        if field not in CHANGEABLE:
            allowed = ", ".join(CHANGEABLE)
            raise ExperimentError(
                f"{short_repr(field)} cannot be changed while training; allowed is {allowed}"
            )
        try:
            value = getattr(Experiment(**{field: value}), field)
            super().__init__(step=refuse_truth(step), field=field, value=value)
        except ValueError as error:
            if isinstance(error, ExperimentError):
                raise
            raise ExperimentError(_step_message(step)) from None
        if not 0 <= self.step <= MAX_STEP:
            raise ExperimentError(_step_message(step))

    @classmethod
    def parse_all(cls, text: str) -> tuple[Self, ...]:
        """Read "400:learning_rate:1.0,900:momentum:0.9", the URL form. Raises ExperimentError."""
        parts = list(filter(None, text.split(",", MAX_INTERVENTIONS)))
        if len(parts) > MAX_INTERVENTIONS:
            raise ExperimentError(
                f"there are more interventions than allowed; allowed are {MAX_INTERVENTIONS}"
            )
        interventions = []
        for part in parts:
            pieces = part.split(":")
            if len(pieces) != 3:
                raise ExperimentError(f"{short_repr(part)} is no intervention; allowed is step:field:value")
            step, name, value = pieces
            interventions.append(cls(step=step, field=name, value=value))  # type: ignore[arg-type]
        return tuple(interventions)

    @staticmethod
    def format_all(interventions: Iterable[Intervention]) -> str:
        """The inverse of `parse_all`."""
        return ",".join(f"{item.step}:{item.field}:{Experiment.text(item.value)}" for item in interventions)


def _step_message(step: Any) -> str:
    allowed = f"a whole number from 0 to {MAX_STEP:,}"
    return f"step = {short_repr(step)} is not allowed in an intervention; allowed is {allowed}"
