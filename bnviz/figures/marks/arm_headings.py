"""What stands above the panels of the overview: each arm's name and numbers, and the layers' names."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from bnviz.figures.frame.arm_grid import MOST_IN_ROWS, ArmGrid
from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.theme import readable, theme_named
from bnviz.figures.story import Readout

NAME_WIDTHS = {3: 28, 4: 22, 5: 17}
"""Characters of an arm's name that fit above its column, by the number of columns."""

NARROW_NAME = 22
"""Characters of an arm's name that fit on a phone, before its numbers."""


def headings(
    frame: Frame,
    grid: ArmGrid,
    arms: Sequence[ArmStyle],
    numbers: Sequence[Readout],
    names: Sequence[str],
) -> None:
    """Write them. names: of the layers shown."""
    if len(arms) > MOST_IN_ROWS:
        _headings_of_many(frame, grid, arms, numbers, names)
    else:
        _headings(frame, grid, arms, numbers, names)


def head(arms: int, narrow: bool, theme: str) -> int:
    """Room for the headings above the panels, in pixels at the usual size of type."""
    if narrow:
        return 38
    if arms <= MOST_IN_ROWS:
        return 42
    lines = 3 if arms == MOST_IN_ROWS + 1 else 4
    return lines * (14 if theme_named(theme).large else 18) + 2


def _headings(
    frame: Frame,
    grid: ArmGrid,
    arms: Sequence[ArmStyle],
    numbers: Sequence[Readout],
    names: Sequence[str],
) -> None:
    """Each arm's name and numbers above its row, the layers' names once."""
    for a, (arm, readout) in enumerate(zip(arms, numbers, strict=True)):
        font = {"size": frame.size, "color": readable(arm.colour, frame.theme)}
        text = arm.heading(frame.narrow) if frame.narrow else f"{arm.heading(False)}{_numbers(readout)}"
        lifted = 20 if a == 0 or frame.narrow else 3
        frame.header(grid.layers[a][0], text, arm.colour, yshift=lifted, font=font)
    for i, name in enumerate(names):
        _name_layer(frame, grid.layers[0][i], name)


def _headings_of_many(
    frame: Frame,
    grid: ArmGrid,
    arms: Sequence[ArmStyle],
    numbers: Sequence[Readout],
    names: Sequence[str],
) -> None:
    """Each arm's name and numbers above its column, the layers' names beside their rows; on a phone the other way."""
    for a, (arm, readout) in enumerate(zip(arms, numbers, strict=True)):
        if frame.narrow:
            name = shorten(arm.label, NARROW_NAME, placeholder=" …")
            text = f"<b>{name}</b>{_numbers(readout).replace('   ', '  ')}"
        else:
            said = _numbers(readout)
            if len(arms) > MOST_IN_ROWS + 1:
                said = said.replace("   loss", "<br>loss")
            text = f"{arm.heading(True, NAME_WIDTHS[len(arms)])}<br>{said.strip()}"
        lifted = 20 if a == 0 and frame.narrow else 3
        start = 10 - frame.left if frame.narrow else 0  # on a phone the whole width is needed
        frame.header(grid.layers[a][0], text, arm.colour, yshift=lifted, crowded=True, xshift=start)
    for i, name in enumerate(names):
        if frame.narrow:
            _name_layer(frame, grid.layers[0][i], name)
        else:
            frame.axis(grid.layers[0][i].y)["title"] = {"text": name}


def _name_layer(frame: Frame, panel: Panel, name: str) -> None:
    font = {"size": frame.size - 1, "color": frame.theme.quiet}
    frame.header(panel, name, frame.theme.quiet, font=font)


def _numbers(readout: Readout) -> str:
    """The arm's latest accuracy and loss, to stand behind its name."""
    if readout.diverged_at is not None:
        return f"   diverged at step {readout.diverged_at:,}"
    accuracy = "" if readout.accuracy is None else f"   accuracy <b>{readout.accuracy:.1%}</b>"
    return accuracy + ("" if readout.loss is None else f"   loss <b>{short(readout.loss)}</b>")
