"""Controls that a link hides or locks, so that a class sees only what the lesson is about.

`?hide=seed,momentum&lock=dataset` leaves two controls out and shows one that cannot be changed;
`?hide=all` leaves only the networks on the page. It guides a class and protects nothing: whoever edits the
link sees the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from bnviz.experiment import Experiment

ALL = "all"
EXTRA = ("vary", "preset")
"""Controls that are no field of Experiment: the field in which the arms differ, and the presets."""


def controls() -> tuple[str, ...]:
    """The names that a link may hide or lock."""
    return (*Experiment.knobs(), *EXTRA)


@dataclass(frozen=True)
class Restrictions:
    """Names of controls, those of Experiment's fields among them."""

    hidden: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()

    @classmethod
    def salvage(cls, query: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """The Restrictions of a link's `hide` and `lock`, and one sentence for each that names something else."""
        hidden, wrong_hidden = _names("hide", query.get("hide", ""))
        locked, wrong_locked = _names("lock", query.get("lock", ""))
        return cls(hidden, locked - hidden), (*wrong_hidden, *wrong_locked)

    @classmethod
    def of(cls, hide: Iterable[str], lock: Iterable[str]) -> Self:
        """The Restrictions of these names. Raises ValueError for a name that is no control's."""
        restrictions, wrong = cls.salvage({"hide": ",".join(hide), "lock": ",".join(lock)})
        if wrong:
            raise ValueError("; ".join(wrong))
        return restrictions

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is empty stays out."""
        everything = controls()
        return {
            name: ALL if set(everything) <= names else ",".join(item for item in everything if item in names)
            for name, names in (("hide", self.hidden), ("lock", self.locked))
            if names
        }


def _names(parameter: str, text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    allowed = controls()
    given = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in given if part not in allowed and part != ALL]
    names = set(allowed) if ALL in given else {part for part in given if part in allowed}
    if not wrong:
        return frozenset(names), ()
    sentence = (
        f"{parameter} = {wrong[0][:40]!r} is not allowed; allowed is {ALL} or some of {', '.join(allowed)}"
    )
    return frozenset(names), (sentence,)
