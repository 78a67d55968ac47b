"""Figure 1 of Ioffe & Szegedy 2015 (Section 4.1) in its own layout, drawn from what was just measured.

(a) held-out accuracy against the training steps; (b, c) the {15, 50, 85}th percentiles of the input of one
typical sigmoid of the last hidden layer, without and with batch normalization.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import reach, rounded_up, usual
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import check_unit, depth, elapsed, last_step, units_called
from bnviz.figures.frame.lines import LINE
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.frame.theme import readable, theme_named
from bnviz.figures.frame.thinning import thin
from bnviz.figures.marks.lines import diverged, level
from bnviz.recording import Recording
from bnviz.recording.evaluations import Curve, curve
from bnviz.recording.layer_inputs import QuantilePath, quantile_path, typical_unit

LEAST_ACCURACY = 0.7
"""Where the printed axis of (a) starts."""
LEAST_REACH = 2.0
"""The printed ticks of (b, c) are -2, 0 and 2."""


@PlotFunction
def figure_one(
    plain: Recording,
    normalized: Recording,
    unit: int | None = None,
    *,
    target: float | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """The three panels side by side, on a phone below each other; (b) and (c) on the same axes.

    Columns: `accuracy` of `Recording.curves`, held-out; q15, q50 and q85 of `Recording.units`. unit: of the last hidden
    layer, the same in both networks; None for each network's own typical unit. Both networks are equally deep.
    target: an accuracy; where each network first reaches it is marked in (a).
    Raises ValueError for a unit that is not there.

    Not to be mistaken for the paper's own measurement: the data, the width and the number of steps are those of the
    two recordings. One unit is shown, and others may do otherwise.
    """
    recordings = (plain, normalized)
    arms = arm_styles(recordings)
    layer = depth(recordings)
    if unit is not None:
        check_unit(recordings, [layer], unit)
    shown = [unit or typical_unit(item, layer) for item in recordings]
    paths = [
        quantile_path(item, layer, number, "input") for item, number in zip(recordings, shown, strict=True)
    ]
    frame = Frame(
        "The paper’s Figure 1, as measured here",
        f"(a) held-out accuracy; (b, c) input of one of the {units_called(recordings)} of the last hidden layer"
        f"{'' if unit else ', the most typical one'}: 15th, 50th and 85th percentile over held-out examples.",
        theme=theme,
        narrow=narrow,
        height=760 if narrow else 370,
        view=("figure-one", unit, last_step(recordings)),
        head=46 if theme_named(theme).large else 26,
        right=24,
    )
    last = last_step(recordings)
    axis_x = frame.steps_axis(last, 1 if narrow else 3)
    panels = frame.row(3, axis_x, {"nticks": 5}, gap_x=0.07, each_y=True)
    _accuracy_axis(frame, recordings)
    _input_axes(frame, recordings, paths)
    for row, (arm, item) in enumerate(zip(arms, recordings, strict=True)):
        drawn = curve(item, "test", "accuracy")
        frame.line(
            panels[0],
            drawn.steps,
            drawn.values,
            **_look(frame, arm),
            name=arm.label,
            hovertemplate="%{y:.1%}",
        )
        if target is not None:
            _reached(frame, panels[0], arm, drawn, target, row, last)
        end = float(drawn.values[-1]) if drawn.steps.size else LEAST_ACCURACY
        diverged(frame, panels[0], arm, item.diverged_at, end, last)
    if target is not None:
        level(frame, panels[0], target)
    frame.header(panels[0], "(a) accuracy", frame.theme.ink)
    for index, (arm, panel, number, drawn_path) in enumerate(
        zip(arms, panels[1:], shown, paths, strict=True)
    ):
        kept = thin(drawn_path.values) if drawn_path.steps.size else np.empty(0, int)
        for row, name in ((0, "15 %"), (2, "85 %"), (1, "median")):
            look: dict[str, Any] = (
                _look(frame, arm) if row == 1 else {"line": {"width": 1, "color": arm.colour}}
            )
            if row == 2:
                look |= {"fill": "tonexty", "fillcolor": frame.theme.fill(arm.colour, strong=False)}
            frame.line(
                panel,
                drawn_path.steps[kept],
                drawn_path.values[row][kept],
                name=f"{arm.letter} {name}",
                hovertemplate="%{y:.3~g}<extra>" + name + "</extra>",
                **look,
            )
        words = (f"({'bc'[index]}) {arm.name}", f"unit {number}")
        frame.header(panel, ("<br>" if frame.theme.large else ", ").join(words), arm.colour)
    frame.axis_note("training step")
    if not any(item.steps.size for item in recordings):
        frame.place_for_words(panels[0], "The figure is drawn here<br>while both networks train.")
    return frame.plot(_alt(recordings, arms, shown, paths, target))


def _reached(
    frame: Frame, panel: Panel, arm: ArmStyle, drawn: Curve, target: float, row: int, last: int
) -> None:
    """A ring where the curve first reaches the target, and the step in words, in a row of its own below it or above."""
    step = _first(drawn, target)
    if step is None:
        return
    frame.line(
        panel,
        np.array([step]),
        np.array([float(drawn.values[drawn.steps == step][0])]),
        mode="markers",
        name=f"{arm.letter}, step {step:,}",
        hovertemplate="%{y:.1%}",
        **tabled(note=f"{arm.label} first reaches {target:.1%} at step {step:,}."),
        marker={
            "symbol": "circle-open",
            "size": 11,
            "color": arm.colour,
            "line": {"color": arm.colour, "width": frame.theme.line},
        },
    )
    late = step > 0.75 * last  # no room to its right; to its left the curve still goes up and down
    low, high = frame.axis("y")["range"]
    below = target > (low + high) / 2  # a network that has hardly learned ends near the axis: no room there
    away = 9 + LINE * frame.size * row
    frame.note(
        f"step {step:,}",
        xref=panel.x,
        x=step,
        xanchor="right" if late else "left",
        xshift=-8 if late else 8,  # the curve comes up steeply beside it
        yref=panel.y,
        y=target,
        yanchor="top" if below else "bottom",
        yshift=-away if below else away,
        font={"size": frame.size - 2, "color": readable(arm.colour, frame.theme)},
    )


def _first(drawn: Curve, target: float) -> int | None:
    reached = np.flatnonzero(drawn.values >= target)
    return int(drawn.steps[reached[0]]) if reached.size else None


def _look(frame: Frame, arm: ArmStyle) -> dict[str, Any]:
    return {"line": {"color": arm.colour, "width": frame.theme.line, "dash": arm.dash}}


def _accuracy_axis(frame: Frame, recordings: tuple[Recording, Recording]) -> None:
    """0.7 to 1 as printed; from 0 where a network ends below it, as ours may after fewer steps."""
    finals = [
        drawn.values[-1] for item in recordings if (drawn := curve(item, "test", "accuracy")).steps.size
    ]
    low = LEAST_ACCURACY if min(finals, default=1.0) >= LEAST_ACCURACY + 0.05 else 0.0
    frame.axis("y").update({"range": [low, 1.0], "tickformat": ".0%", "dtick": 0.1 if low else 0.2})


def _input_axes(frame: Frame, recordings: tuple[Recording, Recording], paths: list[QuantilePath]) -> None:
    """One range for (b) and (c), symmetric about 0, wide enough for what each usually receives."""
    whole = elapsed(recordings)
    bounds = [
        usual(item.steps, np.abs(item.values).max(axis=0), whole) if item.steps.size else 0.0
        for item in paths
    ]
    limit = rounded_up(1.06 * reach(bounds, 10.0), LEAST_REACH)
    for name in ("y2", "y3"):
        frame.axis(name).update(
            {
                "range": [-limit, limit],
                "matches": "y2" if name == "y3" else None,
                "zeroline": True,
                "zerolinecolor": frame.theme.grid,
                "zerolinewidth": 1,
            }
        )


def _alt(
    recordings: tuple[Recording, Recording],
    arms: tuple[ArmStyle, ...],
    shown: list[int],
    paths: list[QuantilePath],
    target: float | None,
) -> str:
    """What the three panels show, in words."""
    parts = []
    for arm, item, number, drawn in zip(arms, recordings, shown, paths, strict=True):
        accuracy = curve(item, "test", "accuracy")
        if not drawn.steps.size or not accuracy.steps.size:
            parts.append(f"{arm.label} has no records yet")
            continue
        middle = drawn.median
        parts.append(
            f"{arm.label} reaches {accuracy.values[-1]:.1%} at step {accuracy.steps[-1]:,}; the median input of its "
            f"unit {number} moves between {short(middle.min())} and {short(middle.max())}"
        )
        if target is not None and (step := _first(accuracy, target)) is not None:
            parts.append(f"{arm.label} first reaches {target:.1%} at step {step:,}")
    return (
        "Three panels: held-out accuracy over the training steps, and the 15th, 50th and 85th percentile of one "
        "unit’s input without and with batch normalization. " + "; ".join(parts) + "."
    )
