"""Where the panels of the overview stand: a panel for each arm and layer, and beside them those of what is learned.

One or two arms have a row each. More have a column each, so that on one screen every panel is as high as it is wide
and the arms' bands stand side by side on one y axis; on a phone they have a row each. There, two arms have a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bnviz.figures.frame.frame import Frame, Panel

MOST_IN_ROWS = 2
"""More arms have a column each where there is width for them."""

LEARNED = 2
"""Panels of what is learned by all arms: accuracy and loss."""

GAP_COLUMNS = 0.018
"""Between columns without tick labels, as a share of the width."""

GAP_ROWS = 24
"""Pixels between rows where no row but the first has a heading."""


@dataclass(frozen=True)
class ArmGrid:
    """Panels of the overview.

    layers: by arm, then by layer. learned: by arm, if every arm has one of its own; otherwise for accuracy, then loss,
    and those after them stay blank. rows: of the layers' panels. curve_rows: of so many rows as high as `learned`'s.
    """

    layers: tuple[tuple[Panel, ...], ...]
    learned: tuple[Panel, ...]
    rows: int
    curve_rows: int

    @classmethod
    def of_few(
        cls, frame: Frame, arms: int, layers: int, steps: Mapping[str, Any], y: Mapping[str, Any]
    ) -> Self:
        """A row for each arm, on a phone a column; the last column, or row, is of what is learned."""
        rows, columns = (layers + 1, arms) if frame.narrow else (arms, layers + 1)
        roomy = frame.narrow or (frame.theme.large and layers == 1)  # as beside a lesson on a projector
        grid = frame.panels(rows, columns, dict(steps), dict(y), gap_x=0.12 if roomy else 0.05)
        by_arm = list(zip(*grid, strict=True)) if frame.narrow else grid
        return cls(
            tuple(tuple(row[:layers]) for row in by_arm), tuple(row[layers] for row in by_arm), rows, rows
        )

    @classmethod
    def of_many(
        cls,
        frame: Frame,
        arms: int,
        layers: int,
        steps: Mapping[str, Any],
        y: Mapping[str, Any],
        each: bool,
    ) -> Self:
        """A column for each arm, on a phone a row. each: every arm has a panel of its own of what is learned."""
        x, y = dict(steps), dict(y)
        gap_y = round(
            (GAP_ROWS + 6 * frame.narrow) * frame.theme.size / 13
        )  # on a phone each row has a heading
        first = arms * layers
        if frame.narrow and each:
            rows = frame.panels(arms, layers + 1, x, y, gap_x=0.09, gap_y=gap_y)
            return cls(tuple(tuple(row[:-1]) for row in rows), tuple(row[-1] for row in rows), arms, arms)
        if frame.narrow:
            rows = frame.panels(arms, layers, x, y, gap_x=0.03, gap_y=gap_y, up=(1.3 / (arms + 1.3), 1.0))
            below = (0.0, 0.9 / (arms + 1.3))
            curves = frame.panels(1, LEARNED, x, y, gap_x=0.16, up=below, first=first)[0]
            return cls(tuple(map(tuple, rows)), tuple(curves), arms, arms + 1)
        if each:
            apart = (
                0.6 if frame.theme.large else 0.4
            )  # of a row: the labels and the title of the axes of steps
            share = (1 + apart) / (layers + 1 + apart)
            rows = frame.panels(layers, arms, x, y, gap_x=GAP_COLUMNS, gap_y=gap_y, up=(share, 1.0))
            below = (0.0, 1 / (layers + 1 + apart))
            planes = frame.panels(1, arms, x, y, gap_x=GAP_COLUMNS, up=below, first=first)[0]
            return cls(tuple(zip(*rows, strict=True)), tuple(planes), layers, layers + 1)
        rows = frame.panels(
            layers, arms, x, y, gap_x=GAP_COLUMNS, gap_y=gap_y, across=(0.0, (arms + 0.1) / (arms + 1.6))
        )
        beside = ((arms + 0.55) / (arms + 1.6), 1.0)
        column = frame.panels(LEARNED, 1, x, y, gap_y=round(1.6 * gap_y), across=beside, first=first)
        return cls(tuple(zip(*rows, strict=True)), tuple(row[0] for row in column), layers, LEARNED)
