"""The script that Streamlit runs for every page: the navigation over `pages/`."""

import streamlit as st

from bnviz.ui.parts import layout
from bnviz.ui.parts.served import PAGES

layout.frame()
page = st.navigation(
    [
        st.Page(PAGES / "start.py", title="Start", icon=":material/menu_book:"),
        st.Page(PAGES / "playground.py", title="Playground", icon=":material/play_circle:", default=True),
        st.Page(PAGES / "labs.py", title="Labs", icon=":material/science:"),
        st.Page(PAGES / "inside.py", title="Inside", icon=":material/calculate:"),
        st.Page(PAGES / "map.py", title="Map", icon=":material/grid_view:"),
        st.Page(PAGES / "landscape.py", title="Landscape", icon=":material/landscape:"),
        st.Page(PAGES / "depth.py", title="Depth", icon=":material/layers:"),
        st.Page(PAGES / "class.py", title="Class", icon=":material/groups:"),
        st.Page(PAGES / "compose.py", title="Write a lesson", url_path="compose", visibility="hidden"),
        st.Page(PAGES / "runs.py", title="Runs", icon=":material/bookmarks:"),
        st.Page(PAGES / "about.py", title="About", icon=":material/help:"),
    ],
    position="top",
)
page.run()
