"""The networks of the page Depth as figure, link and stamp. The routes are those of maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np

from bnviz.data.classes import class_count
from bnviz.experiment.depths import KINDS, LADDER, Depths, Passage, Place
from bnviz.experiment.knob import ACTIVATIONS
from bnviz.experiment.plan import Plan
from bnviz.export.stamp import ArmStamp, Stamp
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.signal_in_depth import LABELS, LOOKS, Network, signal_in_depth
from bnviz.figures.frame.plot import Plot
from bnviz.figures.frame.scale import Scale
from bnviz.recording import Provenance
from bnviz.recording.signal import Signal, expected_growth

Scores = Mapping[Any, tuple[Any, ...]]
PAGE_HEIGHT = 500
"""Of the figure of six panels, so that all of it is on a laptop's first screen."""


def drawn_depths(plan: Plan, scores: Scores, *, theme: str, narrow: bool) -> Plot:
    """The figure of a Passage or of Depths, as far as it is done. Raises TypeError for another Plan."""
    if isinstance(plan, Passage):
        return _passage(plan, scores, theme, narrow)
    if isinstance(plan, Depths):
        return _depths(plan, scores, theme, narrow)
    raise TypeError(f"{type(plan).__name__} is not allowed here; allowed are Passage and Depths")


def _passage(plan: Passage, scores: Scores, theme: str, narrow: bool) -> Plot:
    networks = []
    for cell in plan.cells:
        found: Signal = scores[cell][0] if cell in scores else Signal.nothing()
        networks.append(
            Network(LABELS[cell.kind], LOOKS[cell.kind], found, expected_growth(plan.experiment(cell)))
        )
    return signal_in_depth.draw(
        networks,
        depth=len(plan.base.hidden),
        setting=in_words(plan),
        height=PAGE_HEIGHT,
        theme=theme,
        narrow=narrow,
    )


def _depths(plan: Depths, scores: Scores, theme: str, narrow: bool) -> Plot:
    lines = []
    for kind in plan.kinds:
        values, lost = (np.full((plan.seeds, len(LADDER)), fill) for fill in (np.nan, False))
        for column, depth in enumerate(LADDER):
            for row, score in enumerate(scores.get(Place(kind, depth), ())):
                values[row, column] = score.accuracy
                lost[row, column] = score.diverged_at is not None
        lines.append(Series(LABELS[kind], LOOKS[kind], values, lost.astype(bool)))
    classes = class_count(plan.base.dataset)
    return by_setting.draw(
        {"": lines},
        [str(depth) for depth in LADDER],
        Scale("accuracy", percent=True, reference=(1 / classes, "guessing") if classes else None),
        title="Which depths train",
        subtitle=f"Held-out accuracy. {in_words(plan)} A dot for each network; a cross where training diverged.",
        setting_title="hidden layers",
        theme=theme,
        narrow=narrow,
    )


def in_words(plan: Passage | Depths) -> str:
    """What the networks have in common, one or two sentences."""
    base = plan.base
    nonlinearity = "no nonlinearity" if base.activation == "identity" else ACTIVATIONS[base.activation]
    common = f"{base.hidden[0]} units, {nonlinearity}, mini-batch of {base.batch_size}"
    if isinstance(plan, Passage):
        return f"{len(base.hidden)} layers of {common}, seed {base.seed}."
    return f"Layers of {common}; {base.steps:,} steps at learning rate {base.learning_rate:g}."


def depth_query(plan: Passage | Depths) -> dict[str, str]:
    """The parameters of the link that shows these networks on the page Depth."""
    base = plan.base
    query = {
        "width": base.hidden[0],
        "batch_size": base.batch_size,
        "activation": base.activation,
        "kinds": ",".join(plan.kinds),
        "seed": base.seed,
    }
    if isinstance(plan, Passage):
        query |= {"depth": len(base.hidden)}
    else:
        query |= {
            "half": "training",
            "steps": base.steps,
            "learning_rate": f"{base.learning_rate:g}",
            "seeds": plan.seeds,
        }
    return {name: str(value) for name, value in query.items()}


def depth_stamp(plan: Plan, provenance: Provenance, address: str) -> Stamp:
    """Where the numbers come from: a network of each kind, and what was varied. Raises TypeError as above."""
    if not isinstance(plan, (Passage, Depths)):
        raise TypeError(f"{type(plan).__name__} is not allowed here; allowed are Passage and Depths")
    arms = tuple(ArmStamp(plan.base.replace(**KINDS[kind]), (), None, provenance) for kind in plan.kinds)
    link = f"{address}/depth?{urlencode(depth_query(plan))}" if address else ""
    if isinstance(plan, Passage):
        return Stamp(arms, 0, link, "Measured at initialization, on one mini-batch; nothing is trained")
    remark = f"Depths {', '.join(map(str, LADDER))}, {plan.seeds} {'network' if plan.seeds == 1 else 'networks'} each"
    return Stamp(arms, plan.base.steps, link, remark)
