"""Two arms that differ in one field, and the parameters of a link to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.intervention import Intervention
from bnviz.experiment.knob import ExperimentError

ARM_PARAMETERS = ("a", "b")
CHANGES_PARAMETERS = ("changes", "changes_a", "changes_b")
PARAMETERS = ("vary", *ARM_PARAMETERS, *CHANGES_PARAMETERS)
"""The link's parameters besides the fields of Experiment."""


@dataclass(frozen=True)
class Comparison:
    """Everything that determines two arms.

    base: what they share. vary: the field in which they differ; values: its two values, as texts.
    interventions: what is changed while they train, in arm A and in arm B.
    """

    base: Experiment
    vary: str = "normalizer"
    values: tuple[str, str] = ("none", "batch")
    interventions: tuple[tuple[Intervention, ...], tuple[Intervention, ...]] = ((), ())

    @property
    def arms(self) -> tuple[Experiment, Experiment]:
        """Arm A and arm B, each in canonical form. Raises ExperimentError where a value is not allowed."""
        first, second = (self.base.replace(**{self.vary: value}).canonical() for value in self.values)
        return first, second

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        texts = self.base.texts()
        query = {
            name: text
            for name, text in texts.items()
            if name != self.vary and text != Experiment.default_text(name)
        }
        if (self.vary, self.values) != ("normalizer", ("none", "batch")):
            query |= {"vary": self.vary, "a": self.values[0], "b": self.values[1]}
        return query | changes_query(*self.interventions)

    @classmethod
    def salvage(cls, query: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """The Comparison that a link's parameters describe, defaults in place of what is not allowed.

        Returns it with one short sentence for each parameter that was ignored.
        """
        knobs = Experiment.knobs()
        base, ignored = Experiment.salvage(
            {name: text for name, text in query.items() if name not in PARAMETERS}
        )
        sentences = list(ignored)
        vary = query.get("vary", "normalizer")
        if vary not in knobs:
            sentences.append(f"vary = {vary[:40]!r} is not allowed; allowed is one of {', '.join(knobs)}")
            vary = "normalizer"
        values = list(suggested_values(base, vary))
        for index, name in enumerate(ARM_PARAMETERS):
            if name not in query:
                continue
            try:
                values[index] = base.replace(**{vary: query[name]}).texts()[vary]
            except ExperimentError as error:
                sentences.append(f"arm {name.upper()}: {error}")
        changes = {}
        for name in CHANGES_PARAMETERS:
            try:
                changes[name] = Intervention.parse_all(query.get(name, ""))
            except ExperimentError as error:
                sentences.append(f"{name}: {error}")
                changes[name] = ()
        both, first, second = (changes[name] for name in CHANGES_PARAMETERS)
        return cls(base, vary, (values[0], values[1]), (both + first, both + second)), tuple(sentences)


def changes_query(first: Sequence[Intervention], second: Sequence[Intervention]) -> dict[str, str]:
    """The link's parameters for the changes in arm A and in arm B; common changes are written once."""
    parts = (
        [item for item in first if item in second],
        [item for item in first if item not in second],
        [item for item in second if item not in first],
    )
    return {
        name: Intervention.format_all(items)
        for name, items in zip(CHANGES_PARAMETERS, parts, strict=True)
        if items
    }


def suggested_values(base: Experiment, vary: str) -> tuple[str, str]:
    """Two values of the field `vary` worth comparing: the base's own, and another one."""
    if vary == "normalizer":
        return "none", "batch"
    knob = Experiment.knobs()[vary]
    own = base.texts()[vary]
    others = [text for text in offered_texts(vary) if text != own and _allowed(base, vary, text)]
    higher = [text for text in others if knob.low is not None and float(text) > float(own)]
    return own, (higher or others or [own])[0]


def _allowed(base: Experiment, name: str, text: str) -> bool:
    """Whether the value goes together with the other fields of `base`."""
    try:
        base.replace(**{name: text})
    except ExperimentError:
        return False
    return True


def offered_texts(name: str) -> tuple[str, ...]:
    """The values that a widget for the field offers, as texts."""
    knob = Experiment.knobs()[name]
    return tuple(knob.choices) or tuple(Experiment.text(value) for value in knob.suggestions)
