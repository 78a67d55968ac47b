"""Lab landscape: is the loss smoother with batch normalization? Figure 4 of Santurkar et al. 2018, measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bnviz.data.classes import class_count
from bnviz.experiment import Experiment
from bnviz.figures import loss
from bnviz.figures.charts.along_gradient import Walks, along_gradient
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, LOOKS
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, quotients
from bnviz.recording.landscape import AlongGradient
from bnviz.recording.statistics import middle

QUICK = Experiment(
    dataset="digits",
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    batch_size=128,
    learning_rate=0.1,
    steps=300,
)
"""Three layers of 100 units, the mini-batch and the lower learning rate of Santurkar et al."""
FULL = QUICK.replace(dataset="mnist", steps=500)

SMOOTHER = 1.5
"""How many times larger a measure must be without batch norm to count as smoother with it. On MNIST, five seeds, the
range of the loss was 2.7 to 4.8 times as large, the change of the gradient 5.4 to 7.2 times, and β 2.0 to 2.5 times; on
digits 7.7 to 20, 21 to 31 and 5.3 to 7.9 times."""
BEGUN = 0.9
"""A network has begun to learn where its loss is below this share of that of guessing."""

MEASURES: dict[str, tuple[str, Callable[[AlongGradient], np.ndarray]]] = {
    "loss_range": ("range of the loss", lambda found: found.loss_range),
    "gradient_change": ("change of the gradient", lambda found: found.gradient_change),
    "smoothness": ("β-smoothness", lambda found: found.smoothness),
}
"""The three panels of the paper's Figure 4: their words, and the number at each recorded step."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The same network without normalization and with batch normalization."""
    base = setting.base(QUICK, FULL)
    return tuple(Arm(kind, LABELS[kind], base.replace(normalizer=kind)) for kind in KINDS)


def found(result: Result, arm: str) -> tuple[AlongGradient, ...]:
    """What the inspection found, in each seed."""
    return tuple(map(AlongGradient.of, result.inspections(arm)))


def medians(result: Result, arm: str, measure: str) -> tuple[float, ...]:
    """The median of a measure over the recorded steps, in each seed; NaN before it is measured."""
    return tuple(middle(MEASURES[measure][1](item)) for item in found(result, arm))


def begun(result: Result, arm: str) -> tuple[float, ...]:
    """The share of the recorded steps at which the network had begun to learn, in each seed; NaN before that."""
    shares = []
    for item, recording in zip(found(result, arm), result.recordings(arm), strict=True):
        classes = class_count(recording.experiment.dataset)
        guessing = math.log(classes) if classes else float(item.loss[0]) if item.loss.size else math.nan
        shares.append(float((item.loss < BEGUN * guessing).mean()) if item.loss.size else math.nan)
    return tuple(shares)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """The three panels, their medians in every seed, and the loss of the same networks."""
    seed = min(view.seed, result.setting.seed_count - 1)
    panels = along_gradient.draw(
        [Walks(LABELS[kind], LOOKS[kind], found(result, kind)[seed]) for kind in KINDS],
        result.arms[0].experiment.steps,
        **view.looks,
    )
    ends = by_setting.draw(
        {
            "": [
                Series(
                    LABELS[kind],
                    LOOKS[kind],
                    np.array([medians(result, kind, name) for name in MEASURES]).T,
                    joined=False,
                )
                for kind in KINDS
            ]
        },
        [words for words, _ in MEASURES.values()],
        Scale("median over the steps (log)", logarithmic=True),
        title="The three measures, in every seed",
        subtitle="Median over the recorded steps of training. A sign for each seed. Lower: smoother. The three have "
        "different units: compare up and down, not from left to right.",
        setting_title="what is measured",
        **view.looks,
    )
    return (
        Drawing(
            "along-gradient",
            panels,
            "The bands show how much the loss and its gradient change within one step, and up to four times as far. "
            "A narrower band and a lower line mean a smoother loss.",
        ),
        Drawing("medians", ends, "Is the network with batch norm lower in all three, and in every seed?"),
        Drawing(
            "loss",
            loss.draw(result.shown(view), **view.looks),
            "A network that has not begun to learn stands on a plateau. A plateau is smooth, whatever the network.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """All three measures are larger without batch normalization, where both networks learn."""
    values = {(arm, name): medians(result, arm, name) for arm in KINDS for name in MEASURES}
    ratios = {name: quotients(values["none", name], values["batch", name]) for name in MEASURES}
    shares = {arm: begun(result, arm) for arm in KINDS}
    measured = (
        {
            f"{name}_{arm}": Measure(f"{MEASURES[name][0]}, median over the steps, {LABELS[arm]}", item)
            for (arm, name), item in values.items()
        }
        | {
            f"{name}_ratio": Measure(f"{MEASURES[name][0]}: without over with batch norm", item)
            for name, item in ratios.items()
        }
        | {
            f"begun_{arm}": Measure(f"share of the steps at which it had begun to learn, {LABELS[arm]}", item)
            for arm, item in shares.items()
        }
        | {
            f"accuracy_{arm}": Measure(f"final accuracy, {LABELS[arm]}", result.each(final_accuracy, arm))
            for arm in KINDS
        }
    )
    trouble = _not_comparable(result, shares)
    seeds = [all(ratio >= SMOOTHER for ratio in seed) for seed in zip(*ratios.values(), strict=True)]
    told = ", ".join(
        f"the {MEASURES[name][0]} {short(measured[f'{name}_none'].median)} without batch norm and "
        f"{short(measured[f'{name}_batch'].median)} with it"
        for name in MEASURES
    )
    loss, change, smoothness = (f"{short(measured[f'{name}_ratio'].median)} times" for name in MEASURES)
    return Verdict(
        holds=None if trouble else agreed(seeds),
        sentence=f"Not comparable: {trouble} These were the numbers: {told}."
        if trouble
        else f"Median over the steps: {told}. Without batch norm they were {loss}, {change} and {smoothness} as large.",
        criterion="In every seed each of the three, as a median over the recorded steps, is at least "
        f"{SMOOTHER:g} times as large without batch norm as with it. Not comparable where a network diverged, or had "
        f"for more than half of the steps not begun to learn: its loss was not below {BEGUN:.0%} of that of guessing.",
        measured=measured,
        answer=None if trouble else _answer([measured[f"{name}_ratio"].median for name in MEASURES]),
    )


def _not_comparable(result: Result, shares: dict[str, tuple[float, ...]]) -> str:
    """Why the networks cannot be compared, as a sentence; "" where they can."""
    for arm, by_seed in shares.items():
        if any(recording.diverged_at is not None for recording in result.recordings(arm)):
            return f"the network ({LABELS[arm]}) diverged in some seed. Choose a lower learning rate."
        if any(math.isnan(share) for share in by_seed):
            return f"the network ({LABELS[arm]}) was not measured."
        if min(by_seed) < 0.5:
            return (
                f"the network ({LABELS[arm]}) had in some seed, for more than half of the steps, not begun to learn. "
                "On a plateau the loss is smooth, whatever the network. Train for more steps."
            )
    return ""


def _answer(ratios: list[float]) -> str:
    smoother = sum(ratio >= SMOOTHER for ratio in ratios)
    return "none" if not smoother else "all" if smoother == len(ratios) else "some"


LAB = Lab(
    number=21,
    name="landscape",
    title="Is the loss smoother?",
    quote="it makes the optimization landscape significantly smoother",
    paper="Santurkar et al. 2018",
    section="Abstract",
    question="Along the gradient, up to four steps far: the range of the loss, the change of the gradient, and this "
    f"change per distance (β). Which are at least {SMOOTHER:g} times smaller with batch norm?",
    prediction=Choice({"all": "all three", "some": "one or two of them", "none": "none of them"}),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Santurkar et al. (2018) doubt that internal covariate shift is the reason (see the lab *mechanism*), and give another
one: batch norm makes the loss smoother. A step follows the gradient at one point. It is a good step only if the
gradient is still about the same where the step ends.

Let $g = \nabla L(w)$ be the gradient of the step’s mini-batch. We walk from $w$ to $w - s\,g$, for $s$ from ½ to 4
times the learning rate, and measure what their Figure 4 shows:

$$
\max_s L(w - s g) - \min_s L(w - s g)
$$

$$
\max_s \lVert \nabla L(w - s g) - g \rVert
$$

$$
\beta = \max_s \frac{\lVert \nabla L(w - s g) - g \rVert}{\lVert s g \rVert}
$$

The first is the range of the loss ($s = 0$ included), the second the change of the gradient, the third the *effective
β-smoothness*. A function is β-smooth where its gradient changes by at most β per unit of distance.

**It depends on the setting.** The walk is longer at a higher learning rate. At a rate of 0.03 the range of the loss was
0.10 without and 0.14 with batch norm: not smaller; β was still 2.1 times smaller (measured on MNIST, one seed). At 0.3
and 0.5 the range was 6 to 14 times smaller, and β 1.3 to 1.5 times (measured on MNIST, 2 seeds).

**A plateau is smooth.** With five layers and weights from $\pm 1/\sqrt{\text{inputs}}$, PyTorch’s usual start, the
plain network did not begin to learn in 300 steps: β was 1.0 without and 15 with batch norm (measured on MNIST, one
seed). This is no argument against batch norm, and none for it. The lab then says *not comparable*.

**What this does not show.** The measures are taken in one direction, the gradient’s, and on one mini-batch. The
scale of the weights counts too: batch norm makes the loss independent of it, so that larger weights alone make a
smaller gradient and a smaller β (see the lab *scale-invariance*). A smaller β is then not a better path.

**What to try next.** The page **Landscape** measures the same for networks of your choice, the largest curvature in any
direction, and the loss over a plane.
""",
    inspection="bnviz.engine.inspections.smoothness:over_training",
    inspection_trains=True,
)
