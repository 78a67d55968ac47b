"""The sections of the page Inside, as they stand on a page without a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from bnviz.experiment.knob import NORMALIZERS
from bnviz.export.handouts.animation import Look, Slide, animated
from bnviz.export.handouts.array_pool import ArrayPool
from bnviz.figures.charts import layer as figures
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.layer import arithmetic
from bnviz.layer import gradients as formulas
from bnviz.layer import numerals as n
from bnviz.layer.captured import Companions, Gradients, History, LayerBatch, SharedValues, largest_move
from bnviz.layer.sharing import content
from bnviz.layer.walk import UNITS_SHOWN, lines_of, unit_window, walk
from bnviz.site.inside.looked import AMONG, Looked

NEWEST = (0.001, 0.01, 0.03, 0.3, 1.0, 0.1)
"""Weights of the newest mini-batch in the running averages; the last is shown first."""
CHANGES = {"duplicate": "used twice", "drop": "left out", "replace": "replaced"}


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows. Cells are HTML that this package wrote, all text in it escaped."""

    caption: str
    heads: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]


@dataclass(frozen=True)
class Section:
    """What stands on the page, in this order.

    told: Markdown. part: "walk" or "sharing", a part of the app that moves, with its content, as plain data.
    """

    title: str
    told: str
    part: str = ""
    content: Mapping[str, Any] | None = None
    slides: tuple[Slide, ...] = ()
    tables: tuple[Table, ...] = ()


def section(looked: Looked, answers: Mapping[str, Any], pool: ArrayPool) -> Section:
    """The section that is looked at. answers: by the names of `Looked.jobs`."""
    match looked.section:
        case "arithmetic":
            return _arithmetic(answers["layer"], looked)
        case "scale":
            return _scale(answers["layer"], answers["history"], looked, pool)
        case "gradients":
            return _gradients(answers["layer"], answers["differences"], looked, pool)
        case "companions":
            return _companions({name: answers[name] for name in AMONG}, looked, pool)
        case "inference":
            return _inference(answers["history"], looked, pool)
        case "sharing":
            return _sharing(answers["sharing"])


def _arithmetic(batch: LayerBatch, looked: Looked) -> Section:
    units = unit_window(looked.unit, len(batch.gamma))
    walks = {str(unit): walk(batch, unit) for unit in units}
    return Section(
        "Batch normalization, line by line",
        f"{_these(batch, looked)} **Back** and **Forward**, or the arrow keys ← →, turn the lines. A unit’s number in "
        f"the table chooses the unit; {UNITS_SHOWN if len(units) == UNITS_SHOWN else len(units)} of them were "
        "recorded. Computed in double precision with all digits, shown rounded.",
        part="walk",
        content={
            "walks": walks,
            "unit": str(looked.unit),
            "line": min(looked.line, len(walks[str(looked.unit)]["lines"])),
        },
    )


def _scale(batch: LayerBatch, history: History, looked: Looked, pool: ArrayPool) -> Section:
    x = batch.crowd[:, looked.unit - 1]
    gamma, beta = float(batch.gamma[looked.unit - 1]), float(batch.beta[looked.unit - 1])
    undone = arithmetic.undoing(x, batch.epsilon)
    pairs = {
        "β larger by 1": (gamma, beta + 1.0),
        "β smaller by 1": (gamma, beta - 1.0),
        "γ doubled": (2 * gamma, beta),
        "γ halved": (gamma / 2, beta),
        "γ = 1, β = 0: normalized": (1.0, 0.0),
        "γ = √(Var + ε), β = E: the input again": undone,
        "as learned": (gamma, beta),
    }

    def drawn(pair: tuple[float, float]) -> Callable[[Look], Plot]:
        return lambda look: _figure(figures.before_and_after, look, x, *pair, batch.epsilon, unit=looked.unit)

    apart = float(np.abs(arithmetic.forward(x, *undone, batch.epsilon).y - x).max())
    return Section(
        "γ and β",
        "Without γ and β every unit’s output would have mean 0 and variance 1, whatever is best for the next "
        "nonlinearity. With γ and β training can choose both. In place of the app’s two sliders, choose a "
        "pair. As learned, "
        f"γ = {n.shown(gamma, 4)} and β = {n.shown(beta, 4)} in unit {looked.unit} of layer {looked.layer} after "
        f"{batch.step:,} updates. With γ = √(Var + ε) = {n.shown(undone[0], 4)} and β = E = {n.shown(undone[1], 4)} "
        f"the output is the input again: the largest |y − x| is {n.scientific(apart, 2)}.",
        slides=(
            _chosen(
                "before-and-after",
                f"{len(x):,} training examples as one mini-batch: what enters unit {looked.unit}, the same normalized, "
                "and what leaves it.",
                {label: drawn(pair) for label, pair in pairs.items()},
                pool,
                "γ and β",
            ),
            _chosen(
                "learned",
                f"γ and β of every unit of layer {looked.layer} over {len(history.batch_mean):,} steps of training, "
                f"unit {looked.unit} in blue.",
                {"": lambda look: _figure(figures.learned, look, history, looked.unit, looked.step)},
                pool,
            ),
        ),
    )


def _gradients(batch: LayerBatch, nudged: Gradients, looked: Looked, pool: ArrayPool) -> Section:
    dy = batch.dy[:, looked.unit - 1]
    lines = lines_of(batch, looked.unit)
    whole, constant = arithmetic.backward(lines, dy), arithmetic.as_if_constant(lines, dy)
    shown = formulas.BackwardPass(batch, looked.unit, looked.example, False, nudged)
    return Section(
        "The backward pass",
        f"{_these(batch, looked)} ℓ is the loss of this mini-batch, {n.scientific(batch.loss, 4)}. Backpropagation "
        "brings ∂ℓ/∂y of every example to the layer. The six formulas take it on to x, γ and β. They go through the "
        "mean and the variance too: both depend on every example. *Differs by* is the largest difference from the "
        "formula’s value over all examples. Finite differences are central ones, through the whole rest of the "
        "network, in double precision.",
        slides=(
            _chosen(
                "input-gradients",
                "∂ℓ/∂x of each example: through the statistics, and as if these were constants.",
                {
                    "": lambda look: _figure(
                        figures.input_gradients, look, whole.x, constant.x, unit=looked.unit
                    )
                },
                pool,
            ),
        ),
        tables=(
            _table(
                f"The six gradients of unit {looked.unit}, for example {looked.example} where there is one for each",
                formulas.HEADS,
                shown.gradients(),
            ),
            _table("The same ∂ℓ/∂x in one line, simplified", formulas.HEADS, [shown.in_one_line()]),
            _table("What the sums add up, example by example", *shown.terms()),
        ),
    )


def _companions(found: Mapping[str, Companions], looked: Looked, pool: ArrayPool) -> Section:
    def drawn(name: str, change: str) -> Callable[[Look], Plot]:
        return lambda look: _figure(figures.moves, look, found[name], change, looked.example, looked.unit)

    choices = {
        f"{NORMALIZERS[name]}, example {looked.example} {words}": drawn(name, change)
        for name in reversed(AMONG)
        for change, words in CHANGES.items()
        if change in found[name].training
    }
    moved = {
        name: n.apart(largest_move(own.training, "replace", looked.example)) for name, own in found.items()
    }
    others = looked.examples - 1
    return Section(
        "The other examples of the mini-batch",
        "Does an example’s output depend on the others in its mini-batch? "
        f"Of {looked.examples} examples one is changed, and the other {others} are watched, in layer {looked.layer} "
        f"after {looked.step:,} updates. When another example takes the place of example {looked.example}, the "
        f"other outputs move by up to **{moved['batch']}** in a network trained with batch normalization, "
        f"over all units, in training mode; in one trained with layer normalization, by {moved['layer']}.",
        slides=(
            _chosen(
                "moves",
                f"y of unit {looked.unit} for the other examples, before and after the change.",
                choices,
                pool,
                "Network and change",
            ),
        ),
    )


def _inference(history: History, looked: Looked, pool: ArrayPool) -> Section:
    def drawn(newest: float) -> Callable[[Look], Plot]:
        return lambda look: _figure(figures.statistics, look, history, looked.unit, newest, looked.step)

    return Section(
        "Training and inference",
        "In inference an output must not depend on other examples. So the layer needs fixed numbers in place of the "
        "mini-batch’s: the population’s mean and variance (Algorithm 2). Libraries do not compute them at the end; "
        "they keep running averages during training. How well these follow depends on the weight of the newest "
        f"mini-batch. The lines are computed from {len(history.batch_mean):,} recorded mini-batches of unit "
        f"{looked.unit} in layer {looked.layer}; this network itself uses the weight {history.gathering:g}.",
        slides=(
            _chosen(
                "statistics",
                "Statistics of each mini-batch, their running averages, and the population’s.",
                {f"{newest:g}": drawn(newest) for newest in NEWEST},
                pool,
                "Weight of the newest mini-batch",
            ),
        ),
    )


def _sharing(values: SharedValues) -> Section:
    names = list(values.by)
    feature = "channels" if values.x.ndim > 2 else "units"
    return Section(
        "Which values share a mean?",
        f"Rows are the {len(values.x)} examples, columns the {feature} of layer {values.layer}; blue is positive, "
        "orange negative. Point at a value, or use the arrow keys: what shares its statistics is outlined. Both "
        f"pictures show the same values, of a network trained for {values.step:,} steps with batch normalization, "
        "before γ and β.",
        part="sharing",
        content=content(values, NORMALIZERS, {name: "RMS" if name == "rms" else "σ" for name in names}),
    )


def _these(batch: LayerBatch, looked: Looked) -> str:
    """Which examples of which network are shown."""
    return (
        f"These are the first {looked.examples} examples that update {batch.step + 1:,} would use, in layer "
        f"{looked.layer} of a network that was trained for {batch.step:,} updates, as a mini-batch of their own."
    )


def _figure(make: PlotFunction[...], look: Look, *arguments: Any, **options: Any) -> Plot:
    return make.draw(*arguments, **options, theme=look.theme, narrow=look.narrow)


def _chosen(
    name: str, caption: str, draw: Mapping[str, Callable[[Look], Plot]], pool: ArrayPool, asked: str = ""
) -> Slide:
    """A figure for each choice; the last is shown first. Time stands still: there is one frame."""
    frames = {label: _at_any_step(own) for label, own in draw.items()}
    return animated(name, caption, frames, [0], pool, asked)


def _at_any_step(draw: Callable[[Look], Plot]) -> Callable[[int, Look], Plot]:
    return lambda step, look: draw(look)


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return Table(caption, tuple(map(Markup, heads)), tuple(tuple(map(Markup, row)) for row in rows))
