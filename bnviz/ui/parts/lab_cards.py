"""The labs to choose from: a card each, grouped by what their claims are about."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import streamlit as st

from bnviz.labs import all_labs
from bnviz.labs.base import Lab, Result, Setting, View
from bnviz.runs import cost
from bnviz.runs.lab_run import LabRun
from bnviz.ui.parts import memory, thumbnails
from bnviz.web import state

COLUMNS: Final = 2
GROUPS: Final = {
    "What it does": ("figure-1", "fewer-steps", "regularizer", "ensemble"),
    "What it allows": ("learning-rate", "initialization", "saturation", "map"),
    "How it works": (
        "scale-invariance",
        "whitening",
        "input-only",
        "stop-gradient",
        "inference",
        "placement",
        "before-after",
        "effective-rate",
        "length-direction",
    ),
    "What is disputed": ("mechanism", "landscape", "depth"),
    "Limits and other normalizers": ("batch-size", "small-batch-inference", "renorm", "test-shift", "family"),
}
OTHERS: Final = "Other claims"
"""The group of the labs that GROUPS does not name."""
_DONE: Final = "labs.done"


@dataclass(frozen=True)
class Done:
    """A lab that was run to its verdict. word: the verdict's; picture: its first figure, as SVG, if of this visit."""

    word: str
    picture: str | None


def note(lab: Lab, lab_run: LabRun) -> None:
    """Remember the verdict and the figure of a lab that is done."""
    result = lab_run.result()
    _all_done()[lab.name] = Done(lab.verdict(result).word, picture(lab, result))


def find(name: str) -> Done | None:
    """What is remembered of a lab; None if it was not done in this visit, nor in an earlier one with this browser."""
    return _all_done().get(name)


def recall() -> None:
    """Remember the labs that were done in this browser before, and let it keep those of this visit."""
    done = _all_done()
    for name, word in memory.verdicts({name: item.word for name, item in done.items()}).items():
        if name not in done and name in all_labs():
            done[name] = Done(word, None)


def _forget() -> None:
    _all_done().clear()
    memory.forget()


def show(open_lab: Callable[[str], None]) -> None:
    """Draw the cards. open_lab: called with the name of the lab that is chosen."""
    recall()
    st.caption(cost.MEASURED_ON)
    for title, labs in groups():
        st.header(title, anchor=False)
        for start in range(0, len(labs), COLUMNS):
            row = labs[start : start + COLUMNS]
            for column, lab in zip(st.columns(COLUMNS, gap="small"), row, strict=False):
                with column:
                    _card(lab, open_lab)
    if _all_done():
        st.button("Forget which labs are done", key="labs.forget", on_click=_forget, type="tertiary")


def groups() -> Iterator[tuple[str, list[Lab]]]:
    """Each group's title and labs, every lab in one of them."""
    left = all_labs()
    for title, names in GROUPS.items():
        yield title, [left[name] for name in names if name in left]
    named = {name for names in GROUPS.values() for name in names}
    if others := [lab for name, lab in left.items() if name not in named]:
        yield OTHERS, others


def in_order() -> list[Lab]:
    """All labs in the order in which they are shown."""
    return [lab for _, labs in groups() for lab in labs]


def _card(lab: Lab, open_lab: Callable[[str], None]) -> None:
    done = find(lab.name)
    with st.container(border=True, height="stretch", gap="xsmall", key=f"lab-card-{lab.name}"):
        st.html(_image((done and done.picture) or _empty(lab.name)))
        st.button(
            lab.title,
            key=f"open.{lab.name}",
            on_click=open_lab,
            args=(lab.name,),
            type="tertiary",
        )
        st.markdown(lab.question)
        st.caption(_needs(lab.name, state.manager().workers))
        if done:
            st.markdown(f":material/done_all: **Done:** {done.word}.")


def _image(svg: str) -> str:
    """The picture as an image, since Streamlit drops SVG from HTML. It says nothing that the text does not."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img class="bnviz-card-picture" alt="" src="data:image/svg+xml;base64,{data}">'


@cache
def _empty(name: str) -> str:
    """The lab's first figure before anything is trained."""
    lab = all_labs()[name]
    return picture(lab, lab.nothing_yet(Setting(quick=True)))


def picture(lab: Lab, result: Result) -> str:
    """The first of the lab's figures that has axes, small, as SVG."""
    plots = [item.plot for item in lab.figures(result, View())]
    return thumbnails.svg(next((plot for plot in plots if "xaxis" in plot.layout), plots[0]))


@cache
def _needs(name: str, workers: int) -> str:
    """What the lab trains, and about how long that takes in as many processes: in each of its settings."""
    lab = all_labs()[name]
    settings = [Setting(quick=True), Setting(), *([Setting(images=True)] if lab.images else [])]
    quick, full, *images = (lab.jobs(setting) for setting in settings)
    again = ", each trained twice" if lab.inspection_trains else ""
    times = [cost.in_words(cost.seconds(jobs, workers)) for jobs in (quick, full, *images)]
    said = (
        f"{len(quick)} networks{again} · small digits: about {times[0]} · "
        f"full size, {len(full)} networks on MNIST: about {times[1]}"
    )
    return f"{said} · images: about {times[2]}" if images else said


def _all_done() -> dict[str, Done]:
    found: dict[str, Done] = st.session_state.setdefault(_DONE, {})
    return found
