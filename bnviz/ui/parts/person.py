"""Who looks at a page, for what is shared out fairly."""

from __future__ import annotations

import streamlit as st

from bnviz.runs import Person
from bnviz.ui.parts.library import credentials


def person() -> Person:
    """The visitor of this page. Streamlit knows no address of those who sit at the server itself."""
    return Person(credentials().token, st.context.ip_address or "")
