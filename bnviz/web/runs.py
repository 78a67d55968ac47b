"""What a browser may ask a run to do, read from the JSON object of a request. No HTTP in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.palette import DASHES
from bnviz.figures.story import changes, readouts, story
from bnviz.recording import Recording
from bnviz.runs import Run
from bnviz.web.requests import RequestError

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


def words(recordings: Sequence[Recording], step: int | None, layer: int | None) -> bytes:
    """What is said beside the figures, as JSON: each arm's numbers, the story, what was changed on the way.

    Raises RequestError for a layer that there is not.
    """
    if len(recordings) > MAX_ARMS:
        return orjson.dumps({"arms": [], "story": "", "changes": []})
    styles = arm_styles(recordings)
    arms = [
        {
            "name": readout.arm,
            "colour": style.colour,
            "dashes": DASHES[style.dash].thick,
            "loss": readout.loss,
            "accuracy": readout.accuracy,
            "diverged_at": readout.diverged_at,
        }
        for style, readout in zip(styles, readouts(recordings, step), strict=True)
    ]
    try:
        told = story(recordings, step, layer)
    except ValueError as error:
        raise RequestError(422, str(error)) from error
    return orjson.dumps({"arms": arms, "story": told, "changes": changes(recordings, styles)})
