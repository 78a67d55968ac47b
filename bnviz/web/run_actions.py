"""What a request may have a run do: one model for each action, and what each does. No HTTP in here."""

from __future__ import annotations

from typing import Literal, assert_never

from pydantic import Field

from bnviz.runs import Run
from bnviz.web.requests import ActionReader, JsonObject, real, text, whole, whole_number

MAX_STEPS = 10_000
"""Steps that one request may have trained and recorded one by one."""


class Play(JsonObject):
    """Train to the end, or play kept recordings back. fresh: train in any case, a finished run from its start."""

    action: Literal["play"] = "play"
    fresh: bool = Field(False, description="true or false")


class Pause(JsonObject):
    """Stop training."""

    action: Literal["pause"] = "pause"


class Reset(JsonObject):
    """Go back to step 0 and pause."""

    action: Literal["reset"] = "reset"


class Step(JsonObject):
    """Train some steps and record each."""

    action: Literal["step"] = "step"
    steps: int = whole(1, MAX_STEPS, 1)


class Speed(JsonObject):
    """Train at most so many steps a second; None for as many as can be."""

    action: Literal["speed"] = "speed"
    speed: float | None = real(0.1, 1e6, None)


class Intervene(JsonObject):
    """Change a knob from the current step on, in one arm or, with None, in all."""

    action: Literal["intervene"] = "intervene"
    field: str = text(40)
    value: float = real(-1e9, 1e9)
    arm: int | None = whole(0, 99, None)


RunAction = Play | Pause | Reset | Step | Speed | Intervene

run_actions: ActionReader[RunAction] = ActionReader(RunAction)


def perform(run: Run, action: RunAction) -> None:
    """Have the run do it. Raises RequestError for an arm that it does not have, and ExperimentError."""
    match action:
        case Play():
            run.play(fresh=action.fresh)
        case Pause():
            run.pause()
        case Reset():
            run.reset()
        case Step():
            run.advance(action.steps)
        case Speed():
            run.set_speed(action.speed)
        case Intervene():
            arm = action.arm if action.arm is None else whole_number("arm", action.arm, 0, len(run.arms) - 1)
            run.intervene(action.field, action.value, arm)
        case _:
            assert_never(action)
