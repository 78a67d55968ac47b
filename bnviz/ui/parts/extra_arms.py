"""Arms of kept runs beside those that train on the Playground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from bnviz.experiment.comparison import ARM_PARAMETERS, LEAST_ARMS, MOST_ARMS
from bnviz.recording import Recording
from bnviz.recording.library import LibraryError
from bnviz.ui.parts import arm_choice, link

PARAMETER: Final = "beside"
"""The link's parameter that names them, as `ArmChoice.text`, with commas between them."""


@dataclass(frozen=True)
class ExtraArms:
    """The arms that can be shown, by their texts and Recordings, and a sentence for each that cannot."""

    texts: tuple[str, ...]
    recordings: tuple[Recording, ...]
    ignored: tuple[str, ...]


def room(playground: Mapping[str, str]) -> int:
    """How many arms can be shown beside those of the Playground's link."""
    return MOST_ARMS - max(LEAST_ARMS, sum(name in playground for name in ARM_PARAMETERS))


def find(texts: Sequence[str], most: int) -> ExtraArms:
    """The arms of these texts; of more than `most` the first."""
    found: dict[str, Recording] = {}
    ignored = []
    if len(texts) > most:
        ignored.append(
            f"{PARAMETER} = {len(texts)} arms is not allowed; allowed are {most}, beside the "
            f"{MOST_ARMS - most} that train"
        )
    for text in texts[:most]:
        try:
            found[text] = arm_choice.recording(text)
        except LibraryError as error:
            ignored.append(f"{PARAMETER} = {text[:40]!r}: {error}".rstrip("."))
    return ExtraArms(tuple(found), tuple(found.values()), tuple(ignored))


def show(count: int, key: str) -> None:
    """Say how many there are, and offer to do without. key: of the session state that names them."""
    if count:
        named = "a kept network" if count == 1 else f"{count} kept networks"
        st.button(
            f"Beside them: {named}",
            icon=":material/close:",
            help="Show the networks that train alone again.",
            key="playground.alone",
            on_click=_drop,
            args=(key,),
            width="stretch",
        )


def _drop(key: str) -> None:
    st.session_state[key] = []
    link.touch()
