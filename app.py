"""The entry: `streamlit run app.py`."""

from bnviz import fork_server

fork_server.start()  # before the other imports: it loads torch beside them

# isort: split
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

import bnviz
from bnviz.web import state
from bnviz.web.app import routes
from bnviz.web.fast_path import FastPath
from bnviz.web.security import SecurityHeaders, frames, security_headers

INDEX = Path(st.__file__).parent / "static" / "index.html"
BASE = st.get_option("server.baseUrlPath")
ROUTES = routes(BASE)

app = st.App(
    Path(bnviz.__file__).parent / "ui" / "parts" / "navigation.py",
    routes=ROUTES,
    middleware=[
        Middleware(SecurityHeaders, headers=security_headers(INDEX, frames())),
        Middleware(FastPath, routes=ROUTES, base=state.prefix(BASE)),
    ],
    lifespan=state.lifespan,
)
