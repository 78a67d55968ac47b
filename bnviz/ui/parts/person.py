"""The person who looks at a page, among whom the trainers are shared fairly."""

from __future__ import annotations

import streamlit as st

from bnviz.runs import Person
from bnviz.ui.parts.library import credentials


def person() -> Person:
    """The person of this session. Streamlit knows no address of a person who sits at the server itself."""
    return Person(credentials().token, st.context.ip_address or "")
