"""The entry: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from bnviz import web
from bnviz.security import SecurityHeaders, frames, security_headers
from bnviz.shortcut import Shortcut

INDEX = Path(st.__file__).parent / "static" / "index.html"
BASE = st.get_option("server.baseUrlPath")
ROUTES = web.routes(BASE)

app = st.App(
    Path(__file__).parent / "bnviz" / "ui" / "main.py",
    routes=ROUTES,
    middleware=[
        Middleware(SecurityHeaders, headers=security_headers(INDEX, frames())),
        Middleware(Shortcut, routes=ROUTES, base=web.prefix(BASE)),
    ],
    lifespan=web.lifespan,
)
