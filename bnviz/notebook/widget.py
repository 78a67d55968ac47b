"""The bands of a watched network as a widget that grows while its cell still trains: `recording.live()`.

An anywidget, so that JupyterLab, VS Code and marimo show it. plotly.js comes from plotly's own package with the widget.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bnviz.export import plotly_js
from bnviz.export.notes import series_name, span
from bnviz.figures.charts.what_each_layer_receives import bands
from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.recording import Recording

SCRIPT = Path(__file__).with_name("widget.js")
PAUSE_SECONDS = 0.4
"""Between two drawings, and longer where drawing takes longer: SHARE is the most of the time that it may take."""

SHARE = 0.03
WITHOUT_PACKAGE = (
    "recording.live() needs the package anywidget: pip install anywidget, or bnviz[notebook]; the training goes on "
    "without it, and watch(model, to=...) shows it on a running bnviz"
)
WITHOUT_NOTEBOOK = (
    "recording.live() shows something in a notebook alone; in a script write "
    'watch(model, to="http://localhost:8501"), with a bnviz that runs there'
)


class LiveError(RuntimeError):
    """There is nothing in which a widget can be shown; the message says what to do instead."""


class LiveBands:
    """Draws what it is shown into a widget, a few times a second at most, and the last in any case.

    widget: has the traits figure, status and notes. done: called when nothing more will come.
    """

    def __init__(
        self,
        widget: Any,
        done: Callable[[LiveBands], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.widget = widget
        self._done, self._clock = done, clock
        self._latest: tuple[Recording, ...] = ()
        self._drawn: tuple[Recording, ...] = ()
        self._next = -1.0
        self._ended = False

    def show(self, recordings: Sequence[Recording]) -> None:
        """Draw what was recorded until now, unless something was drawn just before."""
        self._latest = tuple(recordings)
        if self._clock() >= self._next:
            self.draw()

    def draw(self, *_: object) -> None:
        """Draw the latest now."""
        shown = [item for item in self._latest if item.snapshots][:MAX_ARMS]
        if shown and self._latest is not self._drawn:
            began = self._clock()
            self.widget.figure = bands.draw(shown).json().decode()
            self.widget.notes = [f"{series_name(item)}: {note}" for item in shown for note in item.notes]
            self._drawn = self._latest
            self._next = self._clock() + max(PAUSE_SECONDS, (self._clock() - began) / SHARE)
        told = "; ".join(f"{series_name(item)}: {span(item)}" for item in shown) or "nothing was recorded yet"
        self.widget.status = f"{told}. {'The watch has ended.' if self._ended else 'Live.'}"

    def close(self) -> None:
        """Draw the last, and say that it is."""
        self._ended = True
        self.draw()
        self._done(self)


def live_bands() -> LiveBands:
    """A new widget, shown in the notebook now. Raises ImportError without anywidget, LiveError without a notebook."""
    show, shell = _notebook()
    widget = widget_class()()
    show(widget)
    if shell is None:
        return LiveBands(widget)

    def done(follower: LiveBands) -> None:
        shell.events.unregister("post_run_cell", follower.draw)

    follower = LiveBands(widget, done)
    shell.events.register(
        "post_run_cell", follower.draw
    )  # of a watch that nobody closes, the last record too
    return follower


@functools.cache
def widget_class() -> type[Any]:
    """The class of the widget. Raises ImportError, with a sentence, where anywidget is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError(WITHOUT_PACKAGE) from error

    class Bands(anywidget.AnyWidget):
        """figure: as `Plot.json`. status, notes: plain text."""

        _esm = script()
        figure = traitlets.Unicode("").tag(sync=True)
        status = traitlets.Unicode("").tag(sync=True)
        notes = traitlets.List(traitlets.Unicode()).tag(sync=True)

    return Bands


@functools.cache
def script() -> str:
    """plotly.js and ours as one module. A page that has a Plotly of its own keeps it."""
    return "\n".join(
        (
            "const before = window.Plotly;",
            plotly_js.PATH.read_text(encoding="utf-8"),
            "const Plotly = window.Plotly;",
            "if (before) window.Plotly = before;",
            SCRIPT.read_text(encoding="utf-8"),
        )
    )


def _notebook() -> tuple[Callable[[Any], None], Any]:
    """What shows a widget in the notebook that runs this program, and the IPython that it is, if it is one."""
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return lambda widget: marimo.output.append(marimo.ui.anywidget(widget)), None
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        raise LiveError(WITHOUT_NOTEBOOK)
    from IPython.display import display

    return display, shell
