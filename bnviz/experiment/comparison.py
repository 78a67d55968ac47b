"""Two to five arms that differ in one field, and the parameters of a link to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention
from bnviz.experiment.knob import ExperimentError

ARM_PARAMETERS = ("a", "b", "c", "d", "e")
LEAST_ARMS, MOST_ARMS = 2, len(ARM_PARAMETERS)
CHANGES_PARAMETERS = ("changes", *(f"changes_{name}" for name in ARM_PARAMETERS))
PARAMETERS = ("vary", *ARM_PARAMETERS, *CHANGES_PARAMETERS)
"""The link's parameters besides the fields of Experiment."""

USUAL = ("normalizer", ("none", "batch"))
"""What differs, and its values, where a link does not say so."""

FAMILY = ("none", "batch", "layer", "group", "rms")
"""The normalizers worth comparing first, in this order."""

Changes = tuple[tuple[Intervention, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that determines two to five arms.

    base: what they share. vary: the field in which they differ; values: its value in each arm, as texts.
    interventions: what is changed while they train, in each arm; without any, nothing is. Raises ExperimentError for
    another number of arms, and for interventions of another number of arms.
    """

    base: Experiment
    vary: str = USUAL[0]
    values: tuple[str, ...] = USUAL[1]
    interventions: Changes = ()

    def __post_init__(self) -> None:
        if not LEAST_ARMS <= len(self.values) <= MOST_ARMS:
            raise ExperimentError(
                f"{len(self.values)} arms are not allowed; allowed are {LEAST_ARMS} to {MOST_ARMS}"
            )
        if not self.interventions:
            object.__setattr__(self, "interventions", ((),) * len(self.values))
        if len(self.interventions) != len(self.values):
            raise ExperimentError(
                f"interventions in {len(self.interventions)} arms are not allowed; "
                f"allowed are interventions in each of the {len(self.values)}"
            )

    @property
    def arms(self) -> tuple[Experiment, ...]:
        """Arm A, arm B and so on, each in canonical form. Raises ExperimentError where a value is not allowed."""
        return tuple(self.base.replace(**{self.vary: value}).canonical() for value in self.values)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        texts = self.base.texts()
        query = {
            name: text
            for name, text in texts.items()
            if name != self.vary and text != Experiment.default_text(name)
        }
        if (self.vary, self.values) != USUAL:
            query |= {"vary": self.vary} | dict(zip(ARM_PARAMETERS, self.values, strict=False))
        return query | changes_query(self.interventions)

    @classmethod
    def salvage(cls, query: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """The Comparison that a link's parameters describe, defaults in place of what is not allowed.

        A third arm is there where the link has its value, c, a fourth where it has c and d, and so on. Returns the
        Comparison with one short sentence for each parameter that was ignored.
        """
        knobs = Experiment.knobs()
        base, ignored = Experiment.salvage(
            {name: text for name, text in query.items() if name not in PARAMETERS}
        )
        sentences = list(ignored)
        vary = query.get("vary", USUAL[0])
        if vary not in knobs:
            sentences.append(f"vary = {vary[:40]!r} is not allowed; allowed is one of {', '.join(knobs)}")
            vary = USUAL[0]
        values = list(suggested_values(base, vary))
        for index, name in enumerate(ARM_PARAMETERS):
            if name not in query:
                continue
            if index > len(values):
                sentences.append(f"arm {name.upper()}: there is no arm {ARM_PARAMETERS[index - 1].upper()}")
                continue
            try:
                values[index : index + 1] = [base.replace(**{vary: query[name]}).texts()[vary]]
            except ExperimentError as error:
                sentences.append(f"arm {name.upper()}: {error}")
                values[index:] = values[index:] or [further_value(base, vary, values) or values[0]]
        changes = {}
        for name in CHANGES_PARAMETERS:
            try:
                changes[name] = Intervention.parse_all(query.get(name, ""))
            except ExperimentError as error:
                sentences.append(f"{name}: {error}")
                changes[name] = ()
        for letter in ARM_PARAMETERS[len(values) :]:
            if changes[f"changes_{letter}"]:
                sentences.append(f"changes_{letter}: there is no arm {letter.upper()}")
        both = changes["changes"]
        own = (changes[f"changes_{letter}"] for letter in ARM_PARAMETERS[: len(values)])
        return cls(base, vary, tuple(values), tuple(both + mine for mine in own)), tuple(sentences)


def counted(count: int) -> str:
    """So many networks in words, such as "Three networks"."""
    return f"{('One', 'Two', 'Three', 'Four', 'Five')[count - 1]} network{'s' * (count > 1)}"


def letters(count: int) -> str:
    """The letters of so many arms in words, such as "A, B and C"."""
    named = [name.upper() for name in ARM_PARAMETERS[:count]]
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))


def changes_query(interventions: Sequence[Sequence[Intervention]]) -> dict[str, str]:
    """The link's parameters for the changes in each arm; those that are common to all are written once."""
    first = interventions[0] if interventions else ()
    common = [item for item in first if all(item in others for others in interventions)]
    own = ([item for item in items if item not in common] for items in interventions)
    parts = dict(zip(CHANGES_PARAMETERS, (common, *own), strict=False))
    return {name: Intervention.format_all(items) for name, items in parts.items() if items}


def suggested_values(base: Experiment, vary: str, count: int = LEAST_ARMS) -> tuple[str, ...]:
    """`count` values of the field `vary` worth comparing; two at least, fewer than `count` where there are not so many.

    For the normalizer they are those of FAMILY; otherwise the base's own, then others.
    """
    own = base.texts()[vary]
    values = list(USUAL[1]) if vary == USUAL[0] else [own, further_value(base, vary, [own]) or own]
    while len(values) < count and (value := further_value(base, vary, values)) is not None:
        values.append(value)
    return tuple(values[:count])


def further_value(base: Experiment, vary: str, values: Sequence[str]) -> str | None:
    """A value of the field `vary` worth comparing with `values`; None where none is offered that makes another network.

    Of numbers, the next one higher than all of `values`, where there is one.
    """
    knob = Experiment.knobs()[vary]
    offered: Sequence[str] = offered_texts(vary) if vary != USUAL[0] else (*FAMILY, *offered_texts(vary))
    known = {None, *(_network(base, vary, text) for text in values)}
    if knob.low is not None:
        highest = max(float(item) for item in values)
        offered = sorted(offered, key=lambda text: float(text) <= highest)
    return next((text for text in offered if _network(base, vary, text) not in known), None)


def _network(base: Experiment, name: str, text: str) -> Experiment | None:
    """The arm with this value, in canonical form; None where it does not go together with the other fields."""
    try:
        return base.replace(**{name: text}).canonical()
    except ExperimentError:
        return None


def offered_texts(name: str) -> tuple[str, ...]:
    """The values that a widget for the field offers, as texts."""
    knob = Experiment.knobs()[name]
    return tuple(knob.choices) or tuple(Experiment.text(value) for value in knob.suggestions)
