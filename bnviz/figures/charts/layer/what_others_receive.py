"""What the others receive: a unit's y for every other example before and after one example changed."""

from __future__ import annotations

import numpy as np

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import UNTABLED
from bnviz.figures.frame.theme import theme_named
from bnviz.layer.captured import Companions


@PlotFunction
def moves(
    found: Companions,
    change: str,
    example: int,
    unit: int,
    position: int | None = None,
    *,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Every other example's y of one unit before and after the change, in training and in inference mode.

    From `Companions`, by kind of `change`; of a channel at a position where it has feature maps. Not to be mistaken
    for training: the network stays the same, one example of its mini-batch is another.
    """
    others = np.array([row for row in range(len(found.training["none"].y)) if row != example - 1])
    modes = {"training mode": found.training, "inference mode": found.inference}
    values = np.concatenate(
        [
            replies[name].of_unit(unit, position)[others]
            for replies in modes.values()
            for name in ("none", change)
        ]
    )
    whose = f"unit {unit}" if position is None else f"channel {unit}, position {position}"
    frame = Frame(
        f"What the others receive: y of {whose} before and after",
        "Circle: before the change. Diamond: after it. The line between them is the move.",
        theme=theme,
        narrow=narrow,
        height=540 if narrow else 340,
        view=("moves", unit, position),
        head=46 if theme_named(theme).large else 24,
    )
    margin = 0.1 * float(np.ptp(values)) or 1.0
    panels = frame.row(
        2,
        {
            "range": [0.4, len(others) + 1.6],
            "tickmode": "array",
            "tickvals": (others + 1).tolist(),
            "showgrid": False,
        },
        {
            "range": [values.min() - margin, values.max() + margin],
            "nticks": 6,
            "title": {"text": "y"},
        },
        gap_y=46,
    )
    said = []
    looks = ((VERMILLION, "solid"), (BLUE, "solid"))
    for panel, (mode, replies), (colour, _) in zip(panels, modes.items(), looks, strict=True):
        before, after = (replies[name].of_unit(unit, position)[others] for name in ("none", change))
        gap = np.full(len(others), np.nan)
        frame.line(
            panel,
            np.repeat(others + 1.0, 3),
            np.stack([before, after, gap], 1).ravel(),
            line={"color": colour, "width": frame.theme.line * 1.3},
            hoverinfo="skip",
            name=f"move, {mode}",
            **UNTABLED,
        )
        for name, spots, symbol in (("before", before, "circle-open"), ("after", after, "diamond")):
            frame.line(
                panel,
                others + 1,
                spots,
                mode="markers",
                name=f"{name}, {mode}",
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 2, "color": colour}},
                hovertemplate=f"{name} %{{y:.4f}}<extra></extra>",
            )
        largest = float(np.abs(after - before).max())
        frame.header(panel, f"<b>{mode}</b>:{'<br>' if frame.theme.large else ' '}{moved(largest)}", colour)
        said.append(f"in {mode} {moved(largest)}")
    frame.axis_note("example")
    return frame.plot(f"The other {len(others)} examples' y of {whose}, before and after: {', '.join(said)}.")


def moved(largest: float) -> str:
    """The largest move in words; what double precision rounds is no move."""
    return "nothing moves" if largest < 1e-9 else f"moves by up to {rounded(largest)}"
