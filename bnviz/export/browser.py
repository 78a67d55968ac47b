"""A browser that draws figures and prints pages for files: Chrome or Chromium, driven by Kaleido.

It starts with the first file, in a thread with an event loop of its own. It makes one file at a time; a few more
requests may wait. A browser that died or hangs is replaced.
Kaleido takes a third of a second to import, so it is imported with the first file. It comes with the extra "export".
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.util
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import plotly.graph_objects as go

from bnviz.export.kinds import Kind
from bnviz.export.sheet import font_style

if TYPE_CHECKING:
    from kaleido import Kaleido

SECONDS = 30.0
"""The time for one file, the browser's start included."""

WAITING = 12
"""Requests that may wait, or be served, at a time."""

NO_EXTRA = (
    "For this, the server needs bnviz’s extra “export”, and it is not installed: pip install 'bnviz[export]', or "
    "pip install -r requirements-export.txt."
)
NO_CHROME = "For this, the server needs Chrome or Chromium, and there is none."
NO_START = "For this, the server needs Chrome or Chromium, and it could not be started or did not answer."

_DRAWING = Path(__file__).with_name("drawing.js")
_PAGE_SCRIPT = """
const fonts = document.getElementById("fonts").textContent;
const draw = Plotly.toImage.bind(Plotly);
Plotly.toImage = async (figure, options) => {
  const text = await svgText(draw, figure, options, fonts);
  const address = options.format === "png" ? await pngAddress(text) : svgAddress(text);
  if (!options.imageDataOnly) return address;
  return options.format === "png" ? address.slice(address.indexOf(",") + 1) : text;
};
"""

PRINTING = {
    "preferCSSPageSize": True,
    "printBackground": True,
    "displayHeaderFooter": True,
    "generateTaggedPDF": True,
    "headerTemplate": "<span></span>",
    "footerTemplate": '<p style="width:100%;margin:0 15mm;font:8px sans-serif;color:#444;text-align:right">'
    '<span class="pageNumber"></span> / <span class="totalPages"></span></p>',
}
"""How Chrome's DevTools protocol is to print a page (Page.printToPDF)."""


class ChromeError(RuntimeError):
    """Chrome is missing or does not work. The message is a sentence."""


class ChromeBusyError(RuntimeError):
    """Too many requests are waiting. The message is a sentence."""


class _Page:
    """Kaleido's page with our typeface, and without MathJax, which Kaleido would fetch from the network."""

    def generate_index(self) -> str:
        """The page as HTML; Kaleido calls this."""
        from kaleido import PageGenerator

        script = f'<script type="module">{_DRAWING.read_text(encoding="utf-8")}{_PAGE_SCRIPT}</script>'
        page: str = PageGenerator(mathjax=False).generate_index()
        page = page.replace("</head>", f'<style id="fonts">{font_style()}</style></head>')
        return page.replace("</body>", f"{script}</body>")


class Chrome:
    """Draws figures and prints pages. Any thread may call its methods; the call returns when the file is made."""

    def __init__(self, seconds: float = SECONDS, waiting: int = WAITING) -> None:
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(waiting)
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._browser: Kaleido | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @staticmethod
    def path() -> str | None:
        """The program: $BROWSER_PATH, or Chrome or Chromium where it is usually installed.

        None if there is none, or without the packages that drive it.
        """
        if not _extra_is_installed():
            return None
        from choreographer.browsers.chromium import Chromium

        path = Chromium.find_browser(skip_local=False)
        return path if path and Path(path).is_file() else None

    def draw(self, figure: go.Figure, kind: Kind) -> bytes:
        """The picture of a figure that `sheet.ready` made. Raises ChromeError and ChromeBusyError."""
        layout = figure.layout
        options = {"format": kind.format, "width": layout.width, "height": layout.height, "scale": kind.scale}
        return self._make(lambda: self._drawn(figure, options))

    def print_page(self, page: str) -> bytes:
        """An HTML page that needs no other file, as PDF, its pages numbered. Raises ChromeError, ChromeBusyError."""
        return self._make(lambda: self._printed(page))

    def _make(self, work: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The result of `work` when its turn has come. If the browser died, `work` is done again with a new one."""
        if self.path() is None:
            raise ChromeError(why_none())
        if not self._places.acquire(blocking=False):
            raise ChromeBusyError("Many files are being made right now; please try again in a moment.")
        try:
            with self._turn:
                if self._closed:
                    raise ChromeError(NO_START)
                try:
                    return self._bytes(work)
                except Exception:  # of any type, as Kaleido has none for a browser that died
                    self._end_browser()
                try:
                    return self._bytes(work)
                except Exception as error:
                    self._end_browser()
                    raise ChromeError(NO_START) from error
        finally:
            self._places.release()

    def close(self) -> None:
        """End the browser and the thread; nothing is drawn after this."""
        with self._turn:
            self._closed = True
            self._end_browser()
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
                self._loop = self._thread = None

    def _bytes(self, work: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        made: bytes = self._run(work(), self._seconds)
        return made

    async def _open(self) -> Kaleido:
        if self._browser is None:
            from kaleido import Kaleido

            self._browser = Kaleido(page_generator=_Page(), timeout=None)
            await self._browser.open()
        return self._browser

    async def _drawn(self, figure: go.Figure, options: dict[str, Any]) -> bytes:
        picture: bytes = await (await self._open()).calc_fig(figure, opts=options)
        return picture

    async def _printed(self, page: str) -> bytes:
        browser = await self._open()
        tab = await browser.create_tab()
        try:
            tree = _result(await tab.send_command("Page.getFrameTree"))
            frame = tree["frameTree"]["frame"]["id"]
            _result(await tab.send_command("Page.setDocumentContent", {"frameId": frame, "html": page}))
            ready = {"expression": "document.fonts.ready.then(() => 1)", "awaitPromise": True}
            _result(await tab.send_command("Runtime.evaluate", ready))
            return base64.b64decode(_result(await tab.send_command("Page.printToPDF", PRINTING))["data"])
        finally:
            await browser.close_tab(tab)

    def _run(self, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        """Do the work in the event loop, which starts with the first. Raises TimeoutError."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="bnviz-chrome", daemon=True)
            self._thread.start()
        future: Future[Any] = asyncio.run_coroutine_threadsafe(_in_time(work, seconds), self._loop)
        return future.result()

    def _end_browser(self) -> None:
        browser, self._browser = self._browser, None
        if browser is None or self._loop is None:
            return
        with contextlib.suppress(Exception):
            self._run(browser.close(), 10)
        with contextlib.suppress(AttributeError, ProcessLookupError):  # one that never started has no process
            browser.subprocess.kill()


def why_none() -> str:
    """A sentence: why there is no browser to draw with."""
    return NO_CHROME if _extra_is_installed() else NO_EXTRA


def _extra_is_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("choreographer", "kaleido", "pypdf"))


def _result(answer: Any) -> dict[str, Any]:
    """The result of a DevTools command. Raises RuntimeError with Chrome's own message."""
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    brought: dict[str, Any] = answer["result"]
    return brought


async def _in_time(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """The work's result. Raises TimeoutError at once: a cancelled task may hang while it cleans up."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        raise TimeoutError
    return task.result()
