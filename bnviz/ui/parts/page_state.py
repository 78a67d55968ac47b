"""The state of a page: each parameter of its link declared once, with one reader and one writer for all pages.

A page lists its parameters as the fields of a frozen dataclass, as Experiment lists its knobs:

    @dataclass(frozen=True)
    class View(PageState):
        layer: Annotated[int, Parameter("Layer", high=lambda view, depth: depth)] = 0
        before: Annotated[bool, Parameter("before normalization")] = False
        at: Annotated[int | None, Parameter(high=1000)] = None

The type says how a text is read: bool, int, float, str or tuple[str, ...]; None stands for "not set".

A page asks for its state, then sets its controls to it, and only then draws them. So the control, the page and the
link say the same, and a control that a visit does not draw is not forgotten.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, get_args, get_origin, get_type_hints

import streamlit as st

from bnviz.experiment import Experiment

MOST = 10**9
"""The highest whole number where nothing else bounds it."""


@dataclass(frozen=True)
class Parameter:
    """What a field of a PageState says about itself besides its type and default.

    low, high: the range of a number; high may depend on the state read so far and on what the page is about.
    choices: the values allowed, where they can be listed. most: characters of a text. none: the text for None.
    check: called with a value, the state read so far and what the page is about; refuses the value by a ValueError
    that says what is allowed.
    """

    label: str = ""
    help: str = ""
    low: float = 0
    high: float | Callable[[Any, Any], float] = MOST
    choices: Collection[Any] = ()
    most: int = 2000
    none: str = ""
    check: Callable[[Any, Any, Any], None] | None = None

    def read(self, text: str, kind: type, state: PageState, about: Any) -> Any:
        """The value that a text stands for. Raises ValueError with words that complete "allowed is …"."""
        if self.none and text == self.none:
            return None
        if kind is tuple:
            parts = tuple(dict.fromkeys(filter(None, text.split(","))))
            if self.choices and not set(parts) <= set(self.choices):
                raise ValueError(f"some of {', '.join(self.choices)}")
            return parts
        choices = (
            {"true": True, "false": False} if kind is bool else {str(item): item for item in self.choices}
        )
        if choices:
            if text not in choices:
                raise ValueError(f"one of {', '.join(choices)}")
            if self.check is not None:
                self.check(choices[text], state, about)
            return choices[text]
        if kind in (int, float):
            return self._number(text, kind, self.high(state, about) if callable(self.high) else self.high)
        if len(text) > self.most:
            raise ValueError(f"a text of at most {self.most} characters")
        if self.check is not None:
            self.check(text, state, about)
        return text

    def _number(self, text: str, kind: type, high: float) -> float:
        try:
            number: float | None = kind(text) if len(text) < 40 else None
        except ValueError:
            number = None
        if number is None or not self.low <= number <= high:  # refuses NaN too
            range_ = f"a {'whole ' * (kind is int)}number from {self.low:,.10g} to {high:,.10g}"
            raise ValueError(f"{self.none} or {range_}" if self.none else range_)
        return number


@dataclass(frozen=True)
class PageState:
    """What a page shows, as its link says it. Each subclass is a frozen dataclass whose fields have a Parameter."""

    @classmethod
    @functools.cache
    def parameters(cls) -> dict[str, Parameter]:
        """Every field's Parameter by the field's name, in the order of declaration."""
        hints = get_type_hints(cls, include_extras=True)
        return {item.name: get_args(hints[item.name])[1] for item in fields(cls)}

    @classmethod
    @functools.cache
    def _kinds(cls) -> dict[str, type]:
        """Every field's type: int for int | None, tuple for tuple[str, ...]."""
        hints = get_type_hints(cls)
        kinds = {name: next(iter(get_args(hints[name])), hints[name]) for name in cls.parameters()}
        return {name: tuple if get_origin(hints[name]) is tuple else kind for name, kind in kinds.items()}

    @classmethod
    def salvage(cls, query: Mapping[str, str], about: Any = None) -> tuple[Self, tuple[str, ...]]:
        """The state that a link's parameters describe; what is not allowed is left at its default.

        about: what the page is about, for bounds that depend on it. Returns the state with one sentence for each
        parameter that was ignored.
        """
        state, kinds = cls(), cls._kinds()
        ignored = [f"{name[:40]!r} is no parameter of this page" for name in query if name not in kinds]
        for name, parameter in cls.parameters().items():
            if text := query.get(name, ""):
                try:
                    state = replace(state, **{name: parameter.read(text, kinds[name], state, about)})
                except ValueError as error:
                    ignored.append(f"{name} = {text[:40]!r} is not allowed; allowed is {error}")
        return state, tuple(ignored)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        usual = type(self)()
        values = {name: getattr(self, name) for name in self.parameters()}
        changed = {name: value for name, value in values.items() if value != getattr(usual, name)}
        return {name: _text(value) or self.parameters()[name].none for name, value in changed.items()}

    @classmethod
    def split(cls, query: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Of a link's parameters those declared here, and the others."""
        mine = {name: text for name, text in query.items() if name in cls.parameters()}
        return mine, {name: text for name, text in query.items() if name not in mine}

    @classmethod
    def asked(
        cls, query: Mapping[str, str] | None, prefix: str, about: Any = None
    ) -> tuple[Self, tuple[str, ...]]:
        """The state that the link asks for or, where `query` is None, the controls; see `link.opened` and `salvage`.

        prefix: what stands before a parameter's name in the key of its control.
        """
        if query is None:
            session, names = st.session_state, cls.parameters()
            said = {name: session[prefix + name] for name in names if prefix + name in session}
            query = cls(
                **{name: tuple(item) if isinstance(item, list) else item for name, item in said.items()}
            ).to_query()
        return cls.salvage(query, about)

    def set_controls(self, prefix: str) -> None:
        """Set the controls, before they are drawn. Streamlit forgets those that are not drawn unless they are set."""
        for name in self.parameters():
            value = getattr(self, name)
            st.session_state[prefix + name] = list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """A value as the text that stands for it in a link; "" for None."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else Experiment.text(value)
