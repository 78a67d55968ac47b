"""What a browser may ask to see of a run, read from a query, and the answers as JSON. No HTTP in here."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
import plotly.io

from bnviz.experiment import Experiment
from bnviz.figures.palette import ArmStyle, arm_styles
from bnviz.figures.registry import FIGURES
from bnviz.figures.story import readouts, story
from bnviz.recording import Recording

MAX_NUMBER = 1_000_000
"""Beyond any step, layer and unit."""


class Refused(Exception):
    """An answer other than what was asked for: an HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def fingerprint(recordings: Sequence[Recording]) -> str:
    """A short text that changes whenever what was recorded does.

    Training is deterministic, so within a run the recorded steps and the interventions tell recordings apart.
    """
    digest = hashlib.blake2b(digest_size=9)
    for recording in recordings:
        digest.update(recording.steps.tobytes())
        digest.update(repr((recording.interventions, recording.diverged_at)).encode())
    return digest.hexdigest()


def number(
    values: Mapping[str, Any], name: str, low: float, high: float, default: float | None = None
) -> float:
    """The number `name` from `low` to `high` in a JSON object. Raises Refused."""
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(
            422, f"{name} = {str(value)[:40]} is not allowed; allowed is a number from {low:g} to {high:,g}"
        )
    return float(value)


def whole_number(values: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """The whole number `name` from `low` to `high` in a query; None if absent. Raises Refused."""
    text = values.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and low <= int(text) <= high):
        raise Refused(
            422, f"{name} = {text[:40]!r} is not allowed; allowed is a whole number from {low} to {high:,}"
        )
    return int(text)


@functools.cache
def view_parameters(name: str) -> Mapping[str, Any]:
    """The view arguments that the figure `name` takes, and their types. Raises Refused."""
    if name not in FIGURES:
        raise Refused(404, f"there is no figure {name[:40]!r}; there are {', '.join(FIGURES)}")
    _, *parameters = inspect.signature(FIGURES[name].function, eval_str=True).parameters.values()
    return MappingProxyType({item.name: item.annotation for item in parameters})


def view_arguments(name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for the figure `name` that a query gives, absent ones left out. Raises Refused.

    Only types are checked here; the figure refuses values that it does not allow.
    """
    parameters = view_parameters(name)
    arguments: dict[str, Any] = {}
    for item, text in query.items():
        if item == "run":
            continue
        if item not in parameters:
            raise Refused(
                422, f"{item[:40]!r} is no view argument of {name}; there are {', '.join(parameters)}"
            )
        kind = parameters[item]
        if kind is bool:
            arguments[item] = whole_number(query, item, 0, 1) == 1
        elif kind in (int, int | None):
            arguments[item] = whole_number(query, item, 0, MAX_NUMBER)
        else:
            arguments[item] = text[:40]
    return arguments


def figure_json(name: str, recordings: Sequence[Recording], arguments: Mapping[str, Any]) -> bytes:
    """The figure as Plotly reads it, arrays in binary. Raises Refused for arguments that it does not allow."""
    try:
        figure = FIGURES[name].function(recordings, **arguments)
    except ValueError as error:
        raise Refused(422, str(error)) from error
    text: str = plotly.io.to_json(figure, validate=False, engine="orjson")
    return text.encode()


def words(recordings: Sequence[Recording], step: int | None, layer: int) -> bytes:
    """What is said beside the figures, as JSON: each arm's numbers, the story, what was changed on the way."""
    styles = arm_styles(recordings)
    arms = [
        {
            "name": style.label,
            "colour": style.colour,
            "dash": style.dash,
            "loss": loss,
            "accuracy": accuracy,
            "diverged_at": diverged_at,
        }
        for style, (_, _, _, loss, accuracy, diverged_at) in zip(
            styles, readouts(recordings, step), strict=True
        )
    ]
    return orjson.dumps(
        {"arms": arms, "story": story(recordings, step, layer), "changes": changes(recordings, styles)}
    )


def changes(recordings: Sequence[Recording], styles: Sequence[ArmStyle]) -> list[dict[str, Any]]:
    """Each Intervention that training has reached, with the letters of the arms it was made in."""
    arms: dict[tuple[int, str, float], list[str]] = {}
    for recording, style in zip(recordings, styles, strict=True):
        for item in recording.interventions:
            if item.step <= recording.last_step:
                arms.setdefault((item.step, item.field, item.value), []).append(style.letter)
    knobs = Experiment.knobs()
    return [
        {
            "step": step,
            "text": f"{knobs[field].label.lower()} {value:g}"
            + (f" in {' and '.join(letters)}" if len(letters) < len(styles) else ""),
        }
        for (step, field, value), letters in sorted(arms.items())
    ]
