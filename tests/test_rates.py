"""How fast requests may come from one address."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bnviz.web import app
from bnviz.web.rate_limit import RATES, TOO_MANY, Rate, RequestRates
from tests.site import FakeManager, FakeRun, client_of, site_of

FEW = {"watch": Rate(5, 2.0), "drive": Rate(3, 1.0), "make": Rate(2, 0.5)}
PATHS = {
    "watch": ("GET", "/runs/run-1"),
    "drive": ("POST", "/runs/run-1/play"),
    "make": ("GET", "/exports/bands.png"),
}


async def there(request: object) -> PlainTextResponse:
    return PlainTextResponse("there")


@pytest.mark.parametrize("kind", RATES)
def test_an_address_has_a_burst_and_then_so_many_a_second_and_no_other_waits_for_it(kind: str) -> None:
    now = [0.0]
    limited = Starlette(
        routes=[Route("/{path:path}", there, methods=["GET", "POST"])],
        middleware=[Middleware(RequestRates, rates=FEW, clock=lambda: now[0])],
    )
    one, other = (TestClient(limited, client=(address, 1)) for address in ("10.0.0.1", "10.0.0.2"))

    def answered(site: TestClient, times: int, asked: str = kind) -> list[int]:
        return [site.request(*PATHS[asked]).status_code for _ in range(times)]

    burst, per_second = FEW[kind].burst, FEW[kind].per_second
    assert answered(one, burst + 2) == [200] * burst + [429] * 2
    assert answered(other, 1) == [200]
    for another in FEW.keys() - {kind}:
        assert answered(one, 1, another) == [200]
    now[0] += 1 / per_second
    assert answered(one, 2) == [200, 429]
    assert one.request(*PATHS[kind]).json() == {"error": TOO_MANY}
    now[0] += 1e6
    assert answered(one, burst + 1) == [200] * burst + [429]


def test_the_routes_of_the_server_are_limited_and_a_file_too_many_hinders_nobody_who_watches() -> None:
    routes = app.routes("", lambda: FakeManager(FakeRun()))
    site = client_of(routes)
    burst = RATES["make"].burst
    assert all(site.get("/bnviz/exports/formats").status_code == 200 for _ in range(burst))
    more = [site.get("/bnviz/exports/formats").status_code for _ in range(burst)]
    assert 429 in more
    assert site.get("/bnviz/runs/run-1").status_code == 200
    assert client_of(routes, "10.0.0.2").get("/bnviz/exports/formats").status_code == 200
    assert site_of(FakeManager(FakeRun())).get("/bnviz/exports/formats").status_code == 200
