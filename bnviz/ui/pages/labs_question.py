"""A lab's question: the prediction to make before it is run, and how much is run."""

from __future__ import annotations

import streamlit as st

from bnviz.labs.base import Lab
from bnviz.labs.predictions import Choice, Slider
from bnviz.ui.pages.labs_visit import MOST_SEEDS, MOST_STEPS, PREFIX, Visit
from bnviz.ui.parts import link


def predict(lab: Lab, visit: Visit) -> None:
    """Ask for a prediction, or show in one line the one that was made."""
    if visit.said:
        with st.expander(f"You said: **{lab.prediction.words(visit.said)}**", key="labs.answered"):
            st.markdown(lab.question)
        return
    st.markdown(f"**Before you run it, predict.** {lab.question}")
    answer: str | None
    if isinstance(lab.prediction, Choice):
        options = lab.prediction.options
        answer = st.radio(
            "Your prediction",
            list(options),
            index=None,
            format_func=options.__getitem__,
            key=f"labs.choice.{lab.name}",
            label_visibility="collapsed",
            on_change=link.touch,
        )
    else:
        answer = ",".join(f"{_slide(lab, item):.6g}" for item in lab.prediction.sliders)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            "Lock in my answer",
            type="primary",
            disabled=answer is None,
            key="labs.commit",
            on_click=commit,
            args=(answer,),
        )
        with st.popover("Size of the run", type="tertiary"):
            _size(lab, visit)


def _size(lab: Lab, visit: Visit) -> None:
    """The settings that are set rarely."""
    said = visit.parameters()
    for name in ("full", "images") if lab.images else ("full",):
        st.toggle(said[name].label, key=PREFIX + name, help=said[name].help, on_change=link.touch)
    for name, most in (("steps", MOST_STEPS), ("seeds", MOST_SEEDS)):
        st.number_input(
            said[name].label,
            min_value=0,
            max_value=most,
            step=1000 if name == "steps" else 1,
            key=PREFIX + name,
            on_change=link.touch,
        )


def _slide(lab: Lab, item: Slider) -> float:
    return st.select_slider(
        item.label,
        item.notches,
        value=item.notches[item.start_notch],
        format_func=item.shown,
        key=f"labs.slider.{lab.name}.{item.label}",
        on_change=link.touch,
    )


def commit(answer: str) -> None:
    """The prediction is made; "" takes it back."""
    st.session_state["labs.said"] = answer
    link.touch()
