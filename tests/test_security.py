"""Headers of every answer, and identifiers that nobody guesses."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit

from bnviz.classroom import codes
from bnviz.runs import RunManager
from bnviz.web.security import frames, security_headers
from tests.recordings import pair

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
BITS_A_SIGN = 6  # of URL-safe base 64


def test_sites_that_may_show_the_pages_are_named_in_the_environment() -> None:
    sites = frames({"BNVIZ_FRAMES": "https://a.example http://b.example:81"})
    assert sites == ("https://a.example", "http://b.example:81")
    assert frames({}) == ()
    policy = security_headers(INDEX, sites)["Content-Security-Policy"]
    assert "frame-ancestors 'self' https://a.example http://b.example:81" in policy


def test_pages_ask_no_other_server_run_no_plug_in_and_stand_alone() -> None:
    headers = security_headers(INDEX)
    policy = {
        name: set(values)
        for name, *values in (part.split() for part in headers["Content-Security-Policy"].split("; "))
    }
    assert policy["object-src"] == {"'none'"}
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == {"'self'"}
    for name, values in policy.items():
        others = {item for item in values if not item.startswith("'sha256-")}
        others -= {"'self'", "'none'", "data:", "blob:"}
        assert others == ({"'unsafe-inline'"} if name == "style-src" else set()), name
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "text", ["*; script-src *", "javascript:alert(1)", "example.org", "https://a.example,"]
)
def test_what_is_no_site_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="BNVIZ_FRAMES"):
        frames({"BNVIZ_FRAMES": text})


def test_identifiers_and_keys_have_96_bits_or_more() -> None:
    manager = RunManager(workers=1)
    first, second = manager.show(pair()), manager.show(pair())
    for text in (first.id, first.key, codes.new_key()):
        assert len(text) * BITS_A_SIGN >= 96
    assert len({first.id, first.key, second.id, second.key}) == 4
    manager.close()
