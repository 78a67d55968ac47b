"""The numbers beside the figures at every frame, as texts: the page's script formats none."""

from __future__ import annotations

from dataclasses import dataclass

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import DASHES
from bnviz.figures.story import Readout, readouts
from bnviz.recording import Recording

MOST_CARDS = 5
"""Networks whose numbers stand side by side; of more there is a table."""


@dataclass(frozen=True)
class ShownNetwork:
    """A network whose numbers are shown. look: colour and dash."""

    name: str
    look: tuple[str, str]
    recording: Recording

    @classmethod
    def of(cls, style: ArmStyle, recording: Recording) -> ShownNetwork:
        """A network with the name and the look that figures give it."""
        return cls(style.label, (style.colour, style.dash), recording)

    @property
    def colour(self) -> str:
        """Its colour in the figures."""
        return self.look[0]

    @property
    def dashes(self) -> str:
        """Its dash in the figures, as SVG's `stroke-dasharray`."""
        return DASHES[self.look[1]].thick or "none"

    def at(self, step: int) -> tuple[str, str, str]:
        """Training loss, held-out accuracy, and a remark on divergence, as last evaluated at or before `step`."""
        return _words(readouts([self.recording], step)[0])


def _words(readout: Readout) -> tuple[str, str, str]:
    loss = "–" if readout.loss is None else short(readout.loss)
    accuracy = "–" if readout.accuracy is None else f"{readout.accuracy:.1%}".replace("%", " %")
    gone = "" if readout.diverged_at is None else f"diverged at step {readout.diverged_at:,}"
    return loss, accuracy, gone
