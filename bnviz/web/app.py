"""The routes beside Streamlit's pages, assembled. What moves on a page is fetched from them, without a script run.

They stand in the file of their resource: health, runs, figures, maps, landscapes, exports, handouts, classes, feeds,
assets. Errors in any of them are answered by the table in `errors`. Nothing here blocks the event loop or imports
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from bnviz.data.lru import Held
from bnviz.runs import Run, RunManager
from bnviz.web.assets import AssetRoutes
from bnviz.web.classes import ClassRoutes
from bnviz.web.errors import error_handlers
from bnviz.web.exports import ExportRoutes
from bnviz.web.feeds import FeedRoutes
from bnviz.web.figures import FigureRoutes
from bnviz.web.handouts import HandoutRoutes
from bnviz.web.health import HealthRoutes
from bnviz.web.landscapes import LandscapeRoutes
from bnviz.web.maps import MapRoutes
from bnviz.web.rate_limit import RequestRates
from bnviz.web.runs import RunRoutes, find_run
from bnviz.web.state import chrome, lab_runs, manager, prefix, stills, token

PROBED = ("health", "host-config")
"""What Streamlit's script asks for to find out where its server is."""


def routes(base_path: str, manager: Callable[[], RunManager] = manager) -> list[BaseRoute]:
    """The routes to mount beside Streamlit's, given its server.baseUrlPath."""
    base, labs = prefix(base_path), lab_runs()
    root = base.removesuffix("bnviz")

    def find(run_id: str) -> Run:
        return find_run(manager(), run_id)

    figures = FigureRoutes(find, labs)

    def held() -> Mapping[str, Held]:
        return {**manager().held(), "figures": figures.cache.held(), "stills": stills().held()}

    return [
        mounted(
            base,
            [
                *HealthRoutes(held).all(),
                *RunRoutes(find, labs).all(),
                *figures.all(),
                *AssetRoutes().all(),
                *ExportRoutes(
                    find, labs, chrome, stills(), lambda: manager().sweeps, lambda: manager().measurements
                ).all(),
                *HandoutRoutes(find, labs, chrome).all(),
                *MapRoutes(base, manager).all(),
                *LandscapeRoutes(manager).all(),
                *ClassRoutes(base, manager, labs).all(),
                *FeedRoutes(manager, token()).all(),
            ],
        ),
        *(Route(f"{root}{{page}}/_stcore/{name}", not_here) for name in PROBED),
        *(Route(f"{root}playground{end}", to_the_first_page) for end in ("", "/")),
    ]


def mounted(base: str, routes: list[BaseRoute]) -> Mount:
    """The routes below `base`, with the limits of rates and the table of errors around them."""
    return Mount(
        base,
        routes=routes,
        middleware=[
            Middleware(RequestRates),
            Middleware(ExceptionMiddleware, handlers=error_handlers()),
        ],
    )


async def not_here(request: Request) -> Response:
    """Streamlit asks below a page's own path whether the server is there, and then below the root.

    It takes any answer but a success for no; a 404 would also stand as an error in the reader's console.
    """
    return Response(status_code=304)


async def to_the_first_page(request: Request) -> Response:
    """The Playground is the first page, and Streamlit knows a first page by the root's address alone."""
    query = request.url.query
    return RedirectResponse(
        f"{request.url.path.rstrip('/').removesuffix('playground')}{'?' * bool(query)}{query}", 307
    )
