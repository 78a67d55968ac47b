"""What a visitor could try: other files, scripts in texts, requests elsewhere, other sites' frames."""

from __future__ import annotations

import http.client
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser import ROOT, Server
from tests.in_browser.conftest import Opener
from tests.recordings import pair

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCRIPT = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>[x](javascript:window.hit=1)'
PAGES = (
    "",
    "labs",
    "labs?lab=figure-1&said=still,moves",
    "inside",
    "map",
    "landscape",
    "depth",
    "class",
    "runs",
    "about",
)
PARAMETERS = (
    *("dataset", "hidden", "vary", "steps", "changes", "beside", "lab", "said", "section"),
    *("lesson", "part", "view", "hide", "lock"),
)
ROUTES = (
    "/{}",
    "/static/{}",
    "/media/{}",
    "/app/static/{}",
    "/component/{}",
    "/_stcore/bidi-components/{}",
    "/_stcore/upload_file/{}",
    "/bnviz/assets/1/{}",
    "/bnviz/runs/{}",
    "/bnviz/figures/{}",
    "/bnviz/labs/{}",
    "/bnviz/maps/{}",
    "/bnviz/c/{}",
    "/bnviz/classes/{}/qr.svg",
    "/bnviz/exports/{}",
    "/bnviz/exports/figures/{}.png",
    "/bnviz/exports/lessons/{}.html",
    "/bnviz/exports/recordings/{}",
)
CLIMBS = ("../", "..%2f", "%2e%2e/", "..%5c", "%252e%252e%252f")
TARGETS = ("etc/passwd", f"{ROOT}/app.py".lstrip("/"))
REVEALED = (b"root:", b"streamlit run app.py")


def raw(server: Server, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """An answer to exactly this path, which no client has tidied."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def there(page: Page) -> Page:
    """The page, once it is drawn to its last line."""
    expect(page.get_by_text("Every curve here was measured").first).to_be_visible()
    return page


def harmless(page: Page) -> None:
    """No text of a visitor became a part of the page, and no script in it ran."""
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x], a[href^='javascript']").count() == 0


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_reveals_a_file_outside(server: Server, route: str) -> None:
    climbs = [climb * 12 + target for climb in CLIMBS for target in TARGETS]
    for climb in (*climbs, quote("/etc/passwd", safe=""), "/etc/passwd", "%00", "app.py"):
        status, _, content = raw(server, "GET", route.format(climb))
        assert not any(item in content for item in REVEALED), climb
        assert status < 500, climb


@pytest.mark.parametrize(
    "path",
    ["/", "/labs", "/bnviz/health", "/bnviz/runs/none", "/_stcore/health", "/static/none.js", "/none/none"],
)
def test_every_answer_carries_the_headers(server: Server, path: str) -> None:
    _, headers, _ = raw(server, "GET", path)
    policy = headers["content-security-policy"]
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'self'" in policy
    assert scripts is not None
    assert "unsafe" not in scripts[1]


def test_a_class_page_keeps_its_own_stricter_headers(server: Server) -> None:
    _, headers, _ = raw(server, "GET", "/bnviz/c/abcdefgh")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


def test_no_other_site_may_read_or_drive(server: Server) -> None:
    elsewhere = {"Origin": "https://elsewhere.example"}
    for path in ("/bnviz/runs/x/play", "/bnviz/classes/abcdefgh/vote", "/bnviz/maps/x/play"):
        _, headers, _ = raw(server, "OPTIONS", path, **elsewhere, Access_Control_Request_Method="POST")
        assert "access-control-allow-origin" not in headers
    websocket = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    status, _, _ = raw(server, "GET", "/_stcore/stream", **elsewhere, **websocket)
    assert status == 403


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_text_in_a_link_is_shown_as_text_and_the_page_breaks_none_of_its_rules(
    open_page: Opener, path: str
) -> None:
    page = open_page("bnviz/health")
    broken: list[str] = []
    page.on("console", lambda item: broken.append(item.text) if "Security Policy" in item.text else None)
    hostile = urlencode({name: SCRIPT for name in (*PARAMETERS, SCRIPT) if f"{name}=" not in path})
    page.goto(f"{page.url.removesuffix('bnviz/health')}{path}{'&' if '?' in path else '?'}{hostile}")
    there(page).wait_for_timeout(200)
    harmless(page)
    assert broken == []


def test_a_folder_dataset_cannot_climb(open_page: Opener) -> None:
    page = open_page(f"?dataset={quote('folder:../../..')}")
    expect(page.get_by_text("Ignored:")).to_be_visible()


def test_a_hostile_file_and_its_name_are_shown_as_text(open_page: Opener) -> None:
    page = there(open_page("runs"))
    page.get_by_role("button", name="Open files").click()
    name = "<img src=x onerror=window.hit=1>.bnviz"
    files: list[Any] = [
        {"name": name, "mimeType": "application/zip", "buffer": pair()[0].to_bytes()},
        {"name": f"bad{name}", "mimeType": "text/html", "buffer": SCRIPT.encode()},
    ]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.get_by_text("no recording of bnviz").first).to_be_visible()
    harmless(page)


def test_a_run_that_costs_too_much_is_refused_in_a_sentence(open_page: Opener) -> None:
    page = open_page("?steps=300000")
    expect(
        page.get_by_text("steps = 300,000 is not allowed on this server; allowed is 200,000.")
    ).to_be_visible()
