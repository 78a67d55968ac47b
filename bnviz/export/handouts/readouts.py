"""The numbers beside the figures at every frame, as texts, so that the page's script need not know how to write one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.export.handouts.html import Html, tag
from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.palette import DASHES
from bnviz.figures.story import Readout, readouts
from bnviz.recording import Recording

MOST_CARDS = 5


@dataclass(frozen=True)
class Reader:
    """One network whose numbers are shown. name: for readers; look: colour and dash."""

    name: str
    look: tuple[str, str]
    recording: Recording

    @classmethod
    def of(cls, style: ArmStyle, recording: Recording) -> Reader:
        """A network under the name and the look that figures give it."""
        return cls(style.label, (style.colour, style.dash), recording)

    def at(self, step: int) -> tuple[str, str, str]:
        """Training loss, held-out accuracy, and a remark, as last evaluated at or before `step`."""
        return _words(readouts([self.recording], step)[0])


def _words(readout: Readout) -> tuple[str, str, str]:
    loss = (
        "–"
        if readout.loss is None
        else f"{readout.loss:.3f}"
        if readout.loss < 10
        else f"{readout.loss:,.1f}"
    )
    accuracy = "–" if readout.accuracy is None else f"{readout.accuracy:.1%}".replace("%", " %")
    gone = "" if readout.diverged_at is None else f"diverged at step {readout.diverged_at:,}"
    return loss, accuracy, gone


def cards(readers: Sequence[Reader], step: int) -> Html:
    """The numbers at one step, large, or of many networks in a table; the script finds each by its class."""
    if len(readers) > MOST_CARDS:
        head = [tag("th", text, scope="col") for text in ("", "held-out accuracy", "training loss")]
        body = [_row(reader, step) for reader in readers]
        return tag("div", tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body)), class_="wide")
    return tag("div", *(_card(reader, step) for reader in readers), class_="arms")


def _row(reader: Reader, step: int) -> Html:
    loss, accuracy, gone = reader.at(step)
    name = tag("span", line(reader.look), reader.name, class_="name")
    numbers = [tag("td", text, class_=kind) for text, kind in ((accuracy, "accuracy"), (loss, "loss"))]
    return tag("tr", tag("th", name, tag("span", gone, class_="gone"), scope="row"), *numbers, class_="row")


def _card(reader: Reader, step: int) -> Html:
    loss, accuracy, gone = reader.at(step)
    numbers = [
        tag("div", tag("span", text, class_=f"number {kind}"), tag("span", words, class_="unit"))
        for text, kind, words in (
            (accuracy, "accuracy", "held-out accuracy"),
            (loss, "loss", "training loss"),
        )
    ]
    name = tag("h3", line(reader.look), reader.name, class_="name")
    return tag("div", name, *numbers, tag("p", gone, class_="gone"), class_="arm row")


def line(look: tuple[str, str]) -> Html:
    """A short line in a network's colour and dash."""
    colour, dash = look
    stroke = tag(
        "line",
        x1="1", y1="5", x2="35", y2="5", stroke=colour, stroke_width="4", stroke_dasharray=DASHES[dash].thick or "none",
    )  # fmt: skip
    return tag("svg", stroke, viewbox="0 0 36 10", width="36", height="10", aria_hidden="true")
