"""Three ways to know a unit's mean and variance: from the mini-batch, a running average, the population."""

from __future__ import annotations

import numpy as np

from bnviz.figures.frame.frame import Frame, side_by_side
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION, faded
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.theme import theme_named
from bnviz.figures.marks.lines import scrubber
from bnviz.layer.arithmetic import running_average, unbiased
from bnviz.layer.captured import History


@PlotFunction
def statistics(
    history: History, unit: int, newest: float, step: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
    """One unit's mini-batch statistics, running averages and population statistics over training.

    From `History.batch_mean`, `batch_variance` (here unbiased) and `population_…`. newest: the weight of the newest
    mini-batch in the running averages, which are computed anew from the statistics of every mini-batch.

    Not to be mistaken for what this network used in inference: its own weight of the newest may be another. The scatter
    of the dots is the noise of mini-batches, not movement of the population.
    """
    taken = len(history.batch_mean)
    frame = Frame(
        f"Layer {history.layer}, unit {unit}: three ways to know the mean and the variance",
        f"Dots: mini-batches of {history.values:,} values. Line: running average, weight of the newest {newest:g}. "
        f"Diamonds: the population, from {history.population_batches} mini-batches without training in between.",
        theme=theme,
        narrow=narrow,
        height=640 if narrow else 400,
        view=("statistics", history.layer, unit),
        head=44 if theme_named(theme).large else 22,
    )
    _, columns = side_by_side(2, narrow)
    panels = frame.row(
        2,
        frame.steps_axis(max(1, taken), columns),
        {"nticks": 6, "hoverformat": ".3~f"},
        gap_x=0.08,
        gap_y=44,
        each_y=True,
    )
    said = []
    steps = np.arange(taken + 1)
    for panel, (name, batches, populations, start) in zip(panels, _kinds(history, unit), strict=True):
        average = running_average(batches, newest, start)
        settled = average[taken // 4 :]  # its start says nothing of the unit, and may be far away
        low, high = frame.own_y(
            panel, np.concatenate([np.quantile(batches, [0.002, 0.998]), settled, populations])
        )
        if not low <= start <= high:
            frame.panel_note(
                panel,
                f"the running average{'<br>' if frame.theme.large else ' '}starts at {start:g}, outside",
                xanchor="right",
                x=1.0,
                align="right",
            )
        frame.line(
            panel,
            steps[:taken],
            batches,
            mode="markers",
            name=f"{name} of mini-batches",
            marker={"size": 3.5, "color": faded(frame.theme.quiet, 0.6)},
            hovertemplate="mini-batch %{y:.4~g}<extra></extra>",
        )
        frame.line(
            panel,
            steps,
            average,
            name=f"running average of the {name}",
            line={"color": BLUE, "width": 1.3 * frame.theme.line},
            hovertemplate="running %{y:.4~g}<extra></extra>",
        )
        frame.line(
            panel,
            history.population_steps,
            populations,
            mode="markers+lines",
            name=f"{name} of the population",
            marker={"symbol": "diamond", "size": 7, "color": VERMILLION},
            line={"color": VERMILLION, "width": 1, "dash": "dot"},
            hovertemplate="population %{y:.4~g}<extra></extra>",
        )
        scrubber(frame, panel, step)
        gap = "<br>" if frame.theme.large else "   "
        text = f"<b>{name}</b>{gap}running {rounded(average[-1])}, population {rounded(populations[-1])}"
        frame.header(panel, text, frame.theme.ink, crowded=True)
        said.append(
            f"the {name} ends at {rounded(average[-1])} running and {rounded(populations[-1])} in the population"
        )
    frame.axis_note("step")
    return frame.plot(
        f"Mean and variance of unit {unit} over {taken:,} steps, of mini-batches, as running average and of the "
        f"population: {'; '.join(said)}."
    )


def _kinds(history: History, unit: int) -> list[tuple[str, Array, Array, float]]:
    """Name, mini-batches, populations and start of the running average, for the mean and the variance."""
    at = unit - 1
    variances = unbiased(history.batch_variance[:, at], history.values)
    return [
        ("mean", history.batch_mean[:, at], history.population_mean[:, at], 0.0),
        ("variance", variances, history.population_variance[:, at], 1.0),
    ]
