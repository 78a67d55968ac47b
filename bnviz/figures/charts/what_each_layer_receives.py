"""What each layer receives: how its distribution moves while the network trains. The centre of bnviz.

After Figure 1(b, c) of Ioffe & Szegedy 2015, which draws the {15, 50, 85}th percentiles of the input of
one typical sigmoid of the last hidden layer over the course of training.
"""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import (
    axis_end,
    called,
    check_unit,
    chosen_layers,
    depth,
    last_step,
    listed,
    measured_on,
    short_name,
    units_called,
    zones,
)
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.layer_bands import LayerBands
from bnviz.figures.marks.marked_layer import mark_layer
from bnviz.figures.marks.zones import zone_label
from bnviz.recording import Recording


@PlotFunction
def bands(
    recordings: Sequence[Recording],
    layer: int | None = None,
    unit: int | None = None,
    where: str = "input",
    marked: int | None = None,
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """Quantile bands of each layer's values over the training steps, all panels on the same axes.

    Columns: q05, q15, q50, q85 and q95 of `Recording.layers`, with where = "before" those named before_…; of one unit
    q15, q50 and q85 of `Recording.units`. All are of the probe batch, normalized by its own statistics.

    layer: one layer, larger; None for all, of more than five for five of them. unit: one unit's 15, 50 and
    85 % as in the paper; None for all units pooled. where: "input", what the nonlinearity receives, or
    "before", what the normalizer receives (pooled only). marked: a layer with a frame around its panels, where it is
    shown. step: marked by a line. Raises ValueError.

    Not to be mistaken for a confidence band: it is the spread over examples and units. A pooled band that holds still
    can hide units that move in opposite directions; choose one unit to see them.
    """
    arms = arm_styles(recordings)
    layers = chosen_layers(recordings, layer)
    if unit is not None:
        check_unit(recordings, layers, unit)
        where = "input"  # one unit is recorded there alone
    layer_bands = LayerBands.of(recordings, layers, unit, where)
    by_layer = narrow and len(layers) > 1  # on a phone: layers below each other, arms side by side
    rows, columns = (len(layers), len(arms)) if by_layer else (len(arms), len(layers))
    frame = Frame(
        *titles(recordings, layers, unit, where),
        theme=theme,
        narrow=narrow,
        height=_height(rows, narrow, layer, theme),
        view=("bands", layer, unit, where, last_step(recordings)),
        head=46 if layer is None else 26,
        right=26,
    )
    grid = frame.panels(
        rows,
        columns,
        frame.steps_axis(last_step(recordings), columns, axis_end(recordings)),
        layer_bands.y_axis(frame, "" if frame.theme.large else layer_bands.called),
        gap_x=0.12 if by_layer else 0.05,
    )
    for a, arm in enumerate(arms):
        for i in range(len(layers)):
            panel = grid[i][a] if by_layer else grid[a][i]
            small = by_layer or columns > 3
            layer_bands.draw(frame, panel, arm, (a, i), axis_end(recordings), step, small)
    names = [called(recordings, number) for number in layers] if layer is None else []
    _headings(frame, grid, arms, names, by_layer)
    if where == "input":
        kinds = [recordings[0].activation(number) for number in layers]
        for i, kind in enumerate(kinds):
            if kind not in kinds[:i]:
                zone_label(
                    frame, grid[i][0] if by_layer else grid[0][i], kind, layer_bands.high, layer_bands.low
                )
    frame.axis_note("training step")
    if layer_bands.is_empty:
        frame.place_for_words(grid[0][0], invitation(recordings), xref="paper")
    said = ""
    if marked in layers:
        place = layers.index(marked)
        mark_layer(frame, grid[place] if by_layer else [row[place] for row in grid])
        said = f" A frame marks layer {marked}."
    return frame.plot(f"{bands_alt(layer_bands, arms)}{said}")


def titles(
    recordings: Sequence[Recording], layers: list[int], unit: int | None, where: str
) -> tuple[str, str]:
    """The title and the line below it."""
    units = units_called(recordings)
    watched = any(item.watched is not None for item in recordings)
    probe = measured_on(recordings) if watched else "held-out probe examples"
    one = len(layers) == 1 and depth(recordings) > 1
    which = called(recordings, layers[0]) if one else "each layer"
    if where == "before":
        title = f"What {which}’s normalizer receives" if one else "What each layer’s normalizer receives"
        said = "Before normalization; the arm without it for comparison"
    elif unit is not None:
        title = f"What unit {unit} of {which} receives"
        said = f"Input of this one of the {units}, after the normalizer where there is one"
    else:
        title = f"What {which}’s {units} receive"
        said = "Input of the nonlinearity, after the normalizer where there is one"
    if unit is None:
        said += f"; all units pooled, {probe}. Line: median; bands: 15–85 % and 5–95 %."
    else:
        said += f"; {probe}. Line: median; band: 15–85 %, as in the paper’s Figure 1."
    shown = listed(layers, depth(recordings)) if not one else ""
    return (f"{title}: {shown}" if shown else title), said


def _height(rows: int, narrow: bool, layer: int | None, theme: str) -> int:
    if theme.startswith("projector"):
        return 120 + 115 * rows  # with the two networks' numbers on one screen of 1280 × 720
    if layer is not None and not narrow:
        return 120 + 250 * rows
    return 150 + (150 if narrow else 185) * rows


def _headings(
    frame: Frame,
    grid: list[list[Panel]],
    arms: Sequence[ArmStyle],
    names: Sequence[str],
    by_layer: bool,
) -> None:
    """The arms' names in their colours, and the layers' names, once each; none where there is but one layer."""
    small = {"size": frame.size - 1, "color": frame.theme.quiet}
    for a, arm in enumerate(arms):
        panel = grid[0][a] if by_layer else grid[a][0]
        lifted = 22 if a == 0 and names and not by_layer else 3
        text = arm.heading(by_layer)
        font = {"size": frame.size - by_layer, "color": readable(arm.colour, frame.theme)}
        frame.header(panel, text, arm.colour, yshift=20 if by_layer else lifted, font=font)
    for i, name in enumerate(names):
        panel = grid[i][0] if by_layer else grid[0][i]
        frame.header(panel, short_name(name), frame.theme.quiet, font=small)


def invitation(recordings: Sequence[Recording]) -> str:
    """What stands where nothing was recorded yet."""
    zone = ", widen or reach<br>the grey zones" if zones(recordings[0].activation())[0] else " or widen"
    which = ", and in which network" if len(recordings) > 1 else ""
    return f"The bands grow here while training.<br>Watch whether they move{zone}{which}."


def bands_alt(layer_bands: LayerBands, arms: Sequence[ArmStyle]) -> str:
    """Two sentences for those who do not see the figure."""
    recordings, layers, unit = layer_bands.recordings, layer_bands.layers, layer_bands.unit
    whose = f"unit {unit}" if unit is not None else "all units pooled"
    said = (
        f"Quantile bands of the {layer_bands.called} over the training steps, {whose}, "
        "a panel for each layer and arm. "
    )
    parts = []
    for a, (arm, item) in enumerate(zip(arms, recordings, strict=True)):
        drawn = layer_bands.paths[a, len(layers) - 1]
        if not drawn.steps.size:
            parts.append(f"{arm.label} has no records yet")
            continue
        inner = drawn.values[1 if unit is None else 0], drawn.values[-2 if unit is None else -1]
        median = drawn.median
        parts.append(
            f"{arm.label}: in {called(recordings, layers[-1])} the median went from {short(median[0])} to "
            f"{short(median[-1])} and the 15–85 % band is now "
            f"{short(inner[1][-1] - inner[0][-1])} wide (step {drawn.steps[-1]:,})"
            + (f", diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        )
    return said + "; ".join(parts) + "."
