"""The form by which a student joins a class: the browser opens the class itself, in the same tab."""

from __future__ import annotations

from bnviz.classroom.codes import ALPHABET, EXAMPLE, LENGTH
from bnviz.ui.parts import link
from bnviz.ui.parts.component import component, data_of


def form() -> None:
    """Draw the form. A code that is none, or of no class, is answered by a sentence below it."""
    part = component("join", "bnviz_join", '<div data-bnviz class="bnviz-joining"></div>')
    data = data_of(
        "class_join.js",
        "class_join.css",
        view=link.frame().get("view", ""),
        alphabet=ALPHABET,
        length=LENGTH,
        example=EXAMPLE,
    )
    part(key="class.join", data=data)
