"""Everything that the Playground shows at first sight, in one figure: what each layer receives, and what is learned.

A row for each arm, a column for each layer; the last column has the accuracy and the loss of all arms, on the same
axis of steps, so that a step, a change of the learning rate and a divergence stand at one place in all panels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bnviz.figures.charts.accuracy import ACCURACY
from bnviz.figures.charts.decision_boundary import checked_points, draw_boundary, shown_map
from bnviz.figures.charts.loss import LOSS
from bnviz.figures.charts.what_each_layer_receives import bands_alt, invitation, titles
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import axis_end, called, check_unit, chosen_layers, last_step, short_name
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.arm_lines import ArmLines
from bnviz.figures.marks.layer_bands import LayerBands
from bnviz.figures.marks.zones import zone_label
from bnviz.figures.story import Readout, readouts
from bnviz.recording import Recording
from bnviz.recording.snapshot import BOUNDARY_RANGE

MOST_LAYERS = 3
"""Side by side; of more, the first, a middle and the last one."""

AXES = ("linear", "log")
INVITATION = "Drawn here<br>in training."
"""In a panel that is small where the page is enlarged."""


@PlotFunction
def overview(
    recordings: Sequence[Recording],
    layer: int | None = None,
    unit: int | None = None,
    where: str = "input",
    axis: str = "linear",
    points: tuple[Array, Array] | None = None,
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The bands of up to three layers, each arm's numbers in the heading of its row, and accuracy and loss beside them.

    Columns: those of `bands`, `accuracy` and `loss`. layer, unit, where: as in `bands`. axis: of the steps, "linear",
    which grows with training, or "log". points: two-dimensional training examples (N, 2) and classes (N,); then the
    last column shows each arm's decision boundary in place of the curves. The numbers in the headings are the latest
    evaluated at or before `step`. Raises ValueError.

    Not to be mistaken for numbers of the very step: accuracy and loss are evaluated at fewer steps than the bands.
    """
    if axis not in AXES:
        raise ValueError(f"axis = {axis!r} is not allowed; allowed is one of {', '.join(AXES)}")
    arms = arm_styles(recordings)
    layers = chosen_layers(recordings, layer, MOST_LAYERS)
    if unit is not None:
        check_unit(recordings, layers, unit)
        where = "input"
    layer_bands = LayerBands.of(recordings, layers, unit, where)
    printed = theme == "print"
    rows, columns = (len(layers) + 1, len(arms)) if narrow else (len(arms), len(layers) + 1)
    frame = Frame(
        *(titles(recordings, layers, unit, where) if printed else ("", "")),
        theme=theme,
        narrow=narrow,
        height=(60 if narrow else 80) + 60 * printed + (150 if narrow else 220) * rows,
        view=("overview", layer, unit, where, axis, last_step(recordings)),
        left=46,
        right=26,
        head=38 if narrow else 42,
    )
    end = axis_end(recordings)
    steps = frame.steps_axis(last_step(recordings), columns, end, axis == "log")
    grid = frame.panels(rows, columns, steps, layer_bands.y_axis(frame, ""), gap_x=0.12 if narrow else 0.05)

    def panel_of(arm: int, place: int) -> Panel:
        return grid[place][arm] if narrow else grid[arm][place]

    for a, arm in enumerate(arms):
        for i in range(len(layers)):
            layer_bands.draw(frame, panel_of(a, i), arm, (a, i), end, step, small=True)
    last = [panel_of(a, len(layers)) for a in range(len(arms))]
    if points is None:
        _curves(frame, last, recordings, arms, step, rows)
    else:
        _boundaries(frame, last, recordings, arms, points, step)
    numbers = readouts(recordings, step)
    _headings(frame, panel_of, arms, numbers, [called(recordings, item) for item in layers])
    if where == "input":
        zone_label(
            frame,
            panel_of(0, 0),
            recordings[0].activation(layers[0]),
            layer_bands.high,
            layer_bands.low,
            short=True,
        )
    frame.axis_note("training step")
    if layer_bands.is_empty:
        if narrow:
            frame.place_for_words(None, invitation(recordings), y=1 - 1.5 / max(rows, 3))
        else:
            frame.place_for_words(panel_of(0, min(1, len(layers) - 1)), invitation(recordings))
    told = "; ".join(f"{item.arm}: {_told(item)}" for item in numbers)
    return frame.plot(f"{bands_alt(layer_bands, arms).removesuffix('.')}; {told}.")


def _curves(
    frame: Frame,
    panels: Sequence[Panel],
    recordings: Sequence[Recording],
    arms: Sequence[ArmStyle],
    step: int | None,
    rows: int,
) -> None:
    """Accuracy in the first panel, loss in the second where there is one. rows: of panels in the figure."""
    for panel, (measure, split) in zip(panels, ((ACCURACY, "test"), (LOSS, "train")), strict=False):
        lines = ArmLines.of(recordings, measure, split)
        _own_axis(frame, panel, lines.y_axis(""))
        lines.draw(frame, panel, arms, step)
        lines.letters(frame, panel, arms, rows)
        words = "held-out accuracy" if measure is ACCURACY else "training loss"
        frame.header(
            panel, words, frame.theme.quiet, font={"size": frame.size - 1, "color": frame.theme.quiet}
        )
    for panel in panels[2:]:
        frame.axis(panel.x)["visible"] = frame.axis(panel.y)["visible"] = False


def _boundaries(
    frame: Frame,
    panels: Sequence[Panel],
    recordings: Sequence[Recording],
    arms: Sequence[ArmStyle],
    points: tuple[Array, Array],
    step: int | None,
) -> None:
    """Each arm's answer over the plane."""
    low, high = BOUNDARY_RANGE
    places = checked_points(points)
    for panel, arm, item in zip(panels, arms, recordings, strict=True):
        plane = {"range": [low, high], "tickvals": [-1, 0, 1], "showgrid": False, "constrain": "domain"}
        _own_axis(frame, panel, plane | {"scaleanchor": panel.x, "constraintoward": "top"})
        x_axis = frame.axis(panel.x)
        for name in ("matches", "ticktext", "type", "tickmode", "tickformat"):
            x_axis.pop(name, None)
        x_axis.update(plane | {"showticklabels": False})
        shown = shown_map(item, step)
        draw_boundary(frame, panel, arm, shown, places, bar=False, invite="" if frame.narrow else INVITATION)
        frame.header(panel, "answer over the plane", frame.theme.quiet, font={"size": frame.size - 1})


def _own_axis(frame: Frame, panel: Panel, properties: dict[str, object]) -> None:
    """Let the panel have a y axis that it shares with no other."""
    axis = frame.axis(panel.y)
    for name in ("matches", "nticks", "zeroline", "zerolinecolor", "zerolinewidth"):
        axis.pop(name, None)
    axis.update(properties | {"showticklabels": True})


def _headings(
    frame: Frame,
    panel_of: Callable[[int, int], Panel],
    arms: Sequence[ArmStyle],
    numbers: Sequence[Readout],
    names: Sequence[str],
) -> None:
    """Each arm's name and numbers above its row, the layers' names once."""
    small = {"size": frame.size - 1, "color": frame.theme.quiet}
    for a, (arm, readout) in enumerate(zip(arms, numbers, strict=True)):
        font = {"size": frame.size, "color": readable(arm.colour, frame.theme)}
        text = arm.heading(frame.narrow) if frame.narrow else f"{arm.heading(False)}{_numbers(readout)}"
        frame.header(panel_of(a, 0), text, arm.colour, yshift=20 if a == 0 or frame.narrow else 3, font=font)
    for i, name in enumerate(names):
        frame.header(panel_of(0, i), short_name(name), frame.theme.quiet, font=small)


def _numbers(readout: Readout) -> str:
    """The arm's latest accuracy and loss, to stand behind its name."""
    if readout.diverged_at is not None:
        return f"   diverged at step {readout.diverged_at:,}"
    accuracy = "" if readout.accuracy is None else f"   accuracy <b>{readout.accuracy:.1%}</b>"
    return accuracy + ("" if readout.loss is None else f"   loss <b>{short(readout.loss)}</b>")


def _told(readout: Readout) -> str:
    """The arm's latest accuracy and loss in words."""
    if readout.accuracy is None or readout.loss is None:
        return "nothing evaluated yet"
    return f"held-out accuracy {readout.accuracy:.1%}, training loss {short(readout.loss)}"
