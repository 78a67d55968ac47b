"""A part of a lesson beside the page that it opens: its text, numbers of the run, its question, what to try."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from bnviz.classroom import teachers_link
from bnviz.classroom.lesson_part import Part, Place, Try, shown, texts
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.experiment import ExperimentError
from bnviz.runs import Run
from bnviz.ui.parts import layout, link, live, memory
from bnviz.ui.parts.served import PAGES
from bnviz.web import state

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_STYLE = Path(__file__).parents[1] / "static" / "lesson.css"
_PLAY = "lesson.play"
_SAID = "lesson.said"
_RUN = "lesson.run"
_MOST_TERMS = 6


@dataclass(frozen=True)
class Beside:
    """The part that is shown. place: where what is measured is told."""

    plan: LessonPlan
    number: int
    part: Part
    place: DeltaGenerator

    def follow(self, run: Run) -> None:
        """Tell what is measured in this run, pause it where the part says, and play it after a button of try."""
        st.session_state[_RUN] = run.id
        run.pause_at(self.part.until)
        if st.session_state.pop(_PLAY, False):
            run.play()
        if self.part.measured or (self.part.ask and self.part.ask.named):
            with self.place:
                live.lesson(run, self.plan.name, self.number, _said(self.plan, self.number))


def show(page: Place, plan: LessonPlan, number: str) -> Beside:
    """Draw the part that the link means; the page "class" opens the page that it belongs to."""
    count, part = plan.part(number)
    if page == "class" and part.place != page:
        go(plan, count)
    memory.places({plan.name: count})
    st.html(f"<style>{_STYLE.read_text()}{_marks(part)}</style>")
    alone = "lesson-alone" if part.place == "class" else "lesson-beside"
    with st.container(key=alone), st.container(border=True, key="lesson"):
        st.caption(f"{layout.plain(plan.title)} · part {count} of {len(plan.parts)}")
        st.markdown(f"## {layout.plain(part.title)}")
        if part.text:
            st.markdown(part.shown_text)
        if part.terms:
            st.html(_glossary(part))
        if part.ask:
            _ask(plan, count, part)
        place = st.container(key="lesson-measured")
        _tries(plan, count, part)
        if part.notes and teachers_link.is_teacher(link.frame().get("teacher", "")):
            with st.expander("Teacher’s notes", icon=":material/school:"):
                st.markdown(shown(part.notes))
        _ways(plan, count)
    return Beside(plan, count, part, place)


def go(plan: LessonPlan, number: int) -> None:
    """Open a part of a lesson, counted from 1, on the page that it belongs to. Does not return."""
    st.switch_page(PAGES / f"{plan.parts[number - 1].place}.py", query_params=plan.query(number) | _kept())


def _ways(plan: LessonPlan, number: int) -> None:
    with st.container(horizontal=True, gap="small", key="lesson-ways"):
        if number > 1:
            _turn_button(plan, number - 1, "Back")
        if number < len(plan.parts):
            _turn_button(plan, number + 1, "Next")
        if st.button("Leave", key="lesson.leave", type="tertiary", help="Leave the lesson"):
            st.switch_page(PAGES / "start.py", query_params=_kept())


def _turn_button(plan: LessonPlan, number: int, word: str) -> None:
    onward = word == "Next"
    pressed = st.button(
        word,
        key=f"lesson.{word}",
        type="primary" if onward else "secondary",
        help=plan.parts[number - 1].title,
        icon=":material/arrow_forward:" if onward else ":material/arrow_back:",
        icon_position="right" if onward else "left",
    )
    if pressed:
        go(plan, number)


def _ask(plan: LessonPlan, number: int, part: Part) -> None:
    """The question; once an answer is locked in, what was said, and what is right as soon as that is known."""
    ask, said = part.ask, _said(plan, number)
    if ask is None:
        return
    st.markdown(f"**{layout.plain(ask.question)}**")
    if not said:
        key = f"lesson.option.{plan.name}.{number}"
        chosen = st.radio(
            ask.question,
            range(1, len(ask.options) + 1),
            index=None,
            format_func=lambda option: layout.plain(ask.options[option - 1]),
            key=key,
            label_visibility="collapsed",
        )
        lock = partial(_lock, plan.name, number, chosen or 0)
        st.button("Lock in my answer", key="lesson.lock", disabled=not chosen, on_click=lock)
    elif ask.answer is not None:
        right = ask.answer == said
        st.markdown(f"You said: *{layout.plain(ask.options[said - 1])}*.")
        answer = "Right." if right else f"The answer is: *{layout.plain(ask.options[ask.answer - 1])}*."
        st.markdown(
            f"{':material/check_circle:' if right else ':material/info:'} {answer} {shown(ask.explanation)}"
        )


def _said(plan: LessonPlan, number: int) -> int:
    """The option that was locked in, counted from 1; 0 for none."""
    said: dict[tuple[str, int], int] = st.session_state.setdefault(_SAID, {})
    return said.get((plan.name, number), 0)


def _lock(plan: str, number: int, option: int) -> None:
    st.session_state.setdefault(_SAID, {})[plan, number] = option


def _tries(plan: LessonPlan, number: int, part: Part) -> None:
    if not part.tries:
        return
    st.caption("Try:")
    with st.container(horizontal=True, gap="small", key="lesson-tries"):
        for index, item in enumerate(part.tries):
            pressed = st.button(item.label, key=f"lesson.try.{number}.{index}")
            if pressed and item.change:
                _change(item)
            elif pressed:
                _open(plan, number, texts(item.set))
        if st.button(
            "As at first", key=f"lesson.again.{number}", type="tertiary", help="The networks of this part"
        ):
            _open(plan, number, {}, play=False)


def _open(plan: LessonPlan, number: int, changed: dict[str, str], play: bool = True) -> None:
    """Open the part with other settings, and train at once."""
    st.session_state[_PLAY] = play
    place = plan.parts[number - 1].place
    st.switch_page(PAGES / f"{place}.py", query_params=plan.query(number) | changed | _kept())


def _change(item: Try) -> None:
    """Change a setting of the run that is shown, from its present step on, and let it train on."""
    run = state.manager().get(st.session_state.get(_RUN, ""))
    if run is None:
        return
    try:
        for field, value in item.change.items():
            run.intervene(field, value)
        run.play()
    except ExperimentError as error:
        layout.notice_ignored((str(error),), key="ignored-try")


def _glossary(part: Part) -> str:
    """The terms that the text uses, each with its meaning on hover, focus and touch."""
    terms = " ".join(
        f'<span class="bnviz-term" tabindex="0">{entry.term}<span role="tooltip">{entry.meaning}</span></span>'
        for entry in part.terms[:_MOST_TERMS]
    )
    return f'<p class="bnviz-terms"><span class="bnviz-terms-word">Words:</span> {terms}</p>'


def _marks(part: Part) -> str:
    """The rule that marks what the text speaks of."""
    places = {"play": "#bnviz-play", "question": ".st-key-lab-question"}
    where = ", ".join(places.get(name, f".st-key-{name}") for name in part.highlight)
    rule = "outline: 3px solid var(--bnviz-mark); outline-offset: 4px; border-radius: 4px;"
    return f":is({where}) {{ {rule} }}" if where else ""


def _kept() -> dict[str, str]:
    """The parameters that are kept from page to page."""
    return {name: text for name, text in link.frame().items() if name in ("view", "teacher")}
