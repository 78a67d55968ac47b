"""Which pages are looked at, at which sizes, and what each must show on its first screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bnviz.labs import all_labs


@dataclass(frozen=True)
class Size:
    """A screen. width, height: CSS pixels. query: what the page's link says about its view. zoom: pixels of the
    screen for one of CSS; at 2 the page is twice as large.
    """

    name: str
    width: int
    height: int
    theme: Literal["light", "dark"]
    query: str = ""
    touch: bool = False
    zoom: int = 1


SIZES = (
    Size("laptop", 1366, 768, "light"),
    Size("laptop-dark", 1366, 768, "dark"),
    Size("desktop", 1440, 1000, "light"),
    Size("phone", 390, 844, "light", touch=True),
    Size("phone-dark", 390, 844, "dark", touch=True),
    Size("projector", 1280, 720, "dark", "view=projector"),
    Size("zoomed", 683, 384, "light", zoom=2),
)


@dataclass(frozen=True)
class View:
    """A page to look at.

    stage: "opened"; "playing", after Play was pressed; "done", a lab predicted and run to its verdict.
    ready: a CSS selector; the page is looked at when it has such an element. first: CSS selectors; each must have an
    element wholly on the first screen. picture: the least share of the first figure that must be there, by the kind of
    screen; 0 asks for none.
    """

    name: str
    path: str
    stage: Literal["opened", "playing", "done"] = "opened"
    first: tuple[str, ...] = ()
    picture: float = 0.0
    picture_on_phone: float = 0.0
    ready: str = "[data-testid=stAppViewContainer]"

    def first_screen(self, size: Size) -> tuple[tuple[str, ...], float]:
        """What must be wholly on the first screen of this size, and the least share of the first figure."""
        if size.zoom > 1:
            return (), 0.0  # a quarter of the room: what is larger is reached by scrolling
        return self.first, self.picture_on_phone if size.touch else self.picture


PLAY = "button.bnviz-play"
PLOT = ".js-plotly-plot"

PAGES = (
    View("playground", "/", "playing", (PLAY, ".bnviz-where"), 0.95, 0.6),
    View(
        "playground-points",
        "/?dataset=spirals&hidden=32-32-32&activation=tanh&init=xavier&init_scale=1",
        "playing",
        (PLAY,),
        0.95,
        0.4,
    ),
    View("start", "/start"),
    View("lesson", "/class?lesson=the-paper&part=3", ready=".st-key-lesson"),
    View("labs", "/labs"),
    View("inside", "/inside?line=4", first=(".bnviz-turn", ".bnviz-made"), ready=".bnviz-walk table"),
    View("inside-scale", "/inside?section=scale", picture=0.85, picture_on_phone=0.85, ready=PLOT),
    View("map", "/map", "opened", (PLAY,), 0.85, 0.4, PLOT),
    View("landscape", "/landscape", "opened", (PLAY,), 0.85, 0.4, PLOT),
    View("landscape-surface", "/landscape?section=surface", ready=PLOT),
    View("depth", "/depth", "opened", (PLAY,), 0.85, 0.4, PLOT),
    View("class", "/class"),
    View("compose", "/compose"),
    View("runs", "/runs"),
    View("about", "/about"),
)


def lab_views(names: Iterable[str] | None = None) -> tuple[View, ...]:
    """The labs' pages, each to its verdict. names: of these labs; None for all."""
    chosen = all_labs() if names is None else names
    return tuple(View(f"lab-{name}", f"/labs?lab={name}", "done", (), 0.85, 0.4) for name in chosen)


def address(base: str, view: View, size: Size) -> str:
    """Where a browser of this size finds the view."""
    joined = "&" if "?" in view.path else "?"
    return f"{base}{view.path}{joined}{size.query}" if size.query else f"{base}{view.path}"
