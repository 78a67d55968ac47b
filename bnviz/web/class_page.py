"""The page of a class: one small HTML document, the same for students, the teacher and the projector.

It is not a Streamlit page, since each of these is a session that runs a script on the server. A hundred phones that
only fetch what is new cost a laptop little. bnviz/ui/static/class.js fills the page.
"""

from __future__ import annotations

import functools
from pathlib import Path

from bnviz.export.templates import environment
from bnviz.web import assets

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only this server's scripts run. plotly.js needs inline styles, and blobs to make images."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


_TEMPLATES = environment(Path(__file__).with_name("templates"))


def page(base: str, code: str) -> str:
    """The HTML. base: where the routes are. code: a code in its normal form."""
    template = _TEMPLATES.get_template("class.html")
    return template.render(base=base, code=code, url=functools.partial(assets.url, base))
