"""What a browser may ask a run to do, read from the JSON object of a request. No HTTP in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnviz.runs import Run
from bnviz.views import RequestError

MOST_STEPS = 10_000
"""That one request may ask for one by one, each of them recorded."""


def act(run: Run, action: str, values: Mapping[str, Any]) -> None:
    """Do what was asked for. Raises RequestError or ExperimentError."""
    if action == "play":
        run.play(fresh=values.get("fresh") is True)
    elif action == "pause":
        run.pause()
    elif action == "reset":
        run.reset()
    elif action == "step":
        run.advance(int(number(values, "steps", 1, MOST_STEPS, 1)))
    elif action == "speed":
        run.set_speed(None if values.get("speed") is None else number(values, "speed", 0.1, 1e6))
    elif action == "intervene":
        arm = None if values.get("arm") is None else int(number(values, "arm", 0, len(run.arms) - 1))
        run.intervene(str(values.get("field"))[:40], number(values, "value", -1e9, 1e9), arm)
    else:
        raise RequestError(
            404, f"{action[:40]!r} is no action; there are play, pause, reset, step, speed, intervene"
        )


def number(
    values: Mapping[str, Any], name: str, low: float, high: float, default: float | None = None
) -> float:
    """The number `name` from `low` to `high` in a JSON object. Raises RequestError."""
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RequestError(
            422, f"{name} = {str(value)[:40]} is not allowed; allowed is a number from {low:g} to {high:,g}"
        )
    return float(value)
