"""The entry: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from bnviz import web

app = st.App(
    Path(__file__).parent / "bnviz" / "ui" / "main.py",
    routes=web.routes(st.get_option("server.baseUrlPath")),
    lifespan=web.lifespan,
)
