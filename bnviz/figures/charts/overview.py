"""Everything that the Playground shows at first sight, in one figure: what each layer receives, and what is learned.

Of two arms each has a row, and each layer a column; of more, each arm has a column and each layer a row. Last come the
accuracy and the loss of all arms, on the same axis of steps, so that a step, a change of the learning rate and a
divergence stand at one place in all panels.
"""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.charts.accuracy import ACCURACY
from bnviz.figures.charts.decision_boundary import checked_points, draw_boundary, shown_map
from bnviz.figures.charts.loss import LOSS
from bnviz.figures.charts.what_each_layer_receives import bands_alt, invitation, titles
from bnviz.figures.frame.arm_grid import MOST_IN_ROWS, ArmGrid
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import axis_end, called, check_unit, chosen_layers, last_step, short_name
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.theme import theme_named
from bnviz.figures.marks.arm_headings import head, headings
from bnviz.figures.marks.arm_lines import ArmLines
from bnviz.figures.marks.layer_bands import LayerBands
from bnviz.figures.marks.marked_layer import mark_layer
from bnviz.figures.marks.zones import zone_label
from bnviz.figures.story import Readout, readouts
from bnviz.recording import Recording
from bnviz.recording.snapshot import BOUNDARY_RANGE

MOST_LAYERS = 3
"""Shown at once; of more, the first, a middle and the last one."""

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
    marked: int | None = None,
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The bands of up to three layers, each arm's numbers in its heading, and accuracy and loss beside them.

    Columns: those of `bands`, `accuracy` and `loss`. layer, unit, where: as in `bands`. axis: of the steps, "linear",
    which grows with training, or "log". points: two-dimensional training examples (N, 2) and classes (N,); then the
    each arm's decision boundary stands in place of the curves. marked: a layer with a frame around its panels, where it
    is shown. The numbers in the headings are the latest
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
    printed, many = theme == "print", len(arms) > MOST_IN_ROWS
    plane = points is not None
    frame = Frame(
        *(titles(recordings, layers, unit, where) if printed else ("", "")),
        theme=theme,
        narrow=narrow,
        height=_height(len(arms), len(layers), narrow, plane, theme) + 60 * printed,
        view=("overview", layer, unit, where, axis, last_step(recordings)),
        left=62 if many else 46,
        right=26,
        head=head(len(arms), narrow, theme),
    )
    end = axis_end(recordings)
    columns = len(layers) + 1 if many == narrow else len(arms)
    steps = frame.steps_axis(last_step(recordings), max(columns, 4 * many), end, axis == "log", many)
    y_axis = layer_bands.y_axis(frame, "")
    grid = (
        ArmGrid.of_many(frame, len(arms), len(layers), steps, y_axis, each=plane)
        if many
        else ArmGrid.of_few(frame, len(arms), len(layers), steps, y_axis)
    )
    for a, arm in enumerate(arms):
        for i in range(len(layers)):
            layer_bands.draw(frame, grid.layers[a][i], arm, (a, i), end, step, small=True, crowded=many)
    if points is None:
        _curves(frame, grid, recordings, arms, step)
    else:
        _boundaries(frame, grid.learned, recordings, arms, points, step)
    numbers = readouts(recordings, step)
    names = [short_name(called(recordings, item)) for item in layers]
    headings(frame, grid, arms, numbers, names)
    if where == "input":
        zone_label(
            frame,
            grid.layers[0][0],
            recordings[0].activation(layers[0]),
            layer_bands.high,
            layer_bands.low,
            short=True,
        )
    _name_steps(frame, grid)
    if layer_bands.is_empty and not (many and narrow and plane):  # where there is no room for words
        _invite(frame, grid, recordings)
    told = "; ".join(f"{item.arm}: {_told(item)}" for item in numbers)
    said = ""
    if marked in layers:
        mark_layer(frame, [row[layers.index(marked)] for row in grid.layers])
        said = f" A frame marks layer {marked}."
    return frame.plot(f"{bands_alt(layer_bands, arms).removesuffix('.')}; {told}.{said}")


def _height(arms: int, layers: int, narrow: bool, plane: bool, theme: str) -> int:
    """Of the whole figure, in pixels at the usual size of type. plane: with a boundary for each arm."""
    if arms <= MOST_IN_ROWS:
        return 60 + 150 * (layers + 1) if narrow else 80 + 220 * arms
    if narrow:
        return 84 + 92 * arms + 150 * (not plane)
    large = theme_named(theme).large  # there the whole is to fit on 1280 × 720
    return (80 if large else 140) + max((120 if large else 130) * (layers + plane), 300)


def _name_steps(frame: Frame, grid: ArmGrid) -> None:
    """The title of the axes of steps, below the lowest of them."""
    low = frame.axis(grid.layers[-1][-1].y)["domain"][0]
    if frame.narrow or len(grid.layers) <= MOST_IN_ROWS or not low:
        frame.axis_note("training step")
        return
    shift = -20 * frame.theme.size / 13
    frame.note("training step", x=0.5, y=low, xref="paper", yref="paper", yanchor="top", yshift=shift)


def _invite(frame: Frame, grid: ArmGrid, recordings: Sequence[Recording]) -> None:
    """Say where the bands will grow, before anything was recorded."""
    words = invitation(recordings)
    if len(grid.layers) > MOST_IN_ROWS:
        panel = grid.layers[len(grid.layers) // 2][0 if frame.narrow else len(grid.layers[0]) // 2]
        frame.place_for_words(panel, words, xref="paper", x=0.45)
    else:
        panel = grid.layers[0][min(1, len(grid.layers[0]) - 1)]
        if frame.theme.large and len(grid.layers[0]) == 1:
            words = INVITATION
        frame.place_for_words(panel, words, **({"xref": "paper"} if frame.narrow else {}))


def _curves(
    frame: Frame,
    grid: ArmGrid,
    recordings: Sequence[Recording],
    arms: Sequence[ArmStyle],
    step: int | None,
) -> None:
    """Accuracy in the first panel of what is learned, loss in the second where there is one."""
    panels, rows = grid.learned, grid.curve_rows
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
        few = len(arms) <= MOST_IN_ROWS
        invite = INVITATION if few and not frame.narrow else ""
        draw_boundary(frame, panel, arm, shown, places, bar=False, invite=invite)
        if few or (frame.narrow and panel is panels[0]):
            words = "answer over the plane" if few else "answer"
            frame.header(panel, words, frame.theme.quiet, font={"size": frame.size - 1})
        elif not frame.narrow:
            y_axis = frame.axis(panel.y)
            y_axis["title"] = {"text": "answer" if panel is panels[0] else ""}
            y_axis["showticklabels"] = panel is panels[0]


def _own_axis(frame: Frame, panel: Panel, properties: dict[str, object]) -> None:
    """Let the panel have a y axis that it shares with no other."""
    axis = frame.axis(panel.y)
    for name in ("matches", "nticks", "zeroline", "zerolinecolor", "zerolinewidth"):
        axis.pop(name, None)
    axis.update(properties | {"showticklabels": True})


def _told(readout: Readout) -> str:
    """The arm's latest accuracy and loss in words."""
    if readout.accuracy is None or readout.loss is None:
        return "nothing evaluated yet"
    return f"held-out accuracy {readout.accuracy:.1%}, training loss {short(readout.loss)}"
