"""Lab effective-rate: what the length of the weights does to the learning rate, and weight decay to the length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import by_setting
from bnviz.figures.charts.over_steps import Curve, over_steps
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE
from bnviz.figures.frame.plot import Plot
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, quotients

QUICK = Experiment(
    dataset="digits",
    hidden=(50, 50),
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.5,
    steps=1250,
)
FULL = QUICK.replace(dataset="mnist", steps=2000)
DECAY = 0.01
"""Strong, so that it shows within the steps: alone it would halve the length in ln 2/(η·DECAY) = 140 steps."""
DECAYS = {"decay": DECAY, "free": 0.0}
WORDS = {"decay": "with weight decay", "free": "without weight decay"}
STARTS = (0.1, 1.0, 10.0)
"""What all initial weights are multiplied by."""
LOOKS = dict(zip(STARTS, MORE, strict=True))
LAYER = 2
"""The hidden layer whose weights are shown and judged. Its input is normalized, so that only the layer's own start
differs."""

SAME = 1.05
"""The longest over the shortest of three lengths that count as the same. Each step adds noise to a length in balance:
measured on digits, six seeds, 1.018 to 1.045."""
APART = 2.0
"""The same of lengths that count as apart."""
LATE = 10
"""Records, of a hundred, that a length or an angle at the end is the median of: one step may be an outlier."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Both kinds of network from every start, with weight decay and without."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            name(kind, decay, start),
            f"{LABELS[kind]}, {WORDS[decay]}, weights ×{start:g}",
            base.replace(
                normalizer=kind, weight_decay=DECAYS[decay], init_scale=min(100.0, start * base.init_scale)
            ),
        )
        for kind in KINDS
        for decay in DECAYS
        for start in STARTS
    )


def name(kind: str, decay: str, start: float) -> str:
    """The arm's name."""
    return f"{'bn' if kind == 'batch' else 'plain'}-{decay}-x{start:g}"


def late(result: Result, what: str, kind: str, decay: str, start: float) -> tuple[float, ...]:
    """The median of the last LATE records of the layer's "length" or "angle" in each seed.

    NaN before it is measured, and of a network that diverged.
    """
    arm = name(kind, decay, start)
    return tuple(
        float(np.median(item[what][-LATE:, LAYER - 1]))
        if item and len(item["steps"]) and recording.diverged_at is None
        else math.nan
        for item, recording in zip(result.inspections(arm), result.recordings(arm), strict=True)
    )


def spread(result: Result, kind: str, decay: str) -> tuple[float, ...]:
    """How many times the longest of the three starts' weights at the end are the shortest, in each seed."""
    lengths = np.array([late(result, "length", kind, decay, start) for start in STARTS])
    return quotients(lengths.max(axis=0).tolist(), lengths.min(axis=0).tolist())


def balance(result: Result) -> float:
    """√(2ηλ) in degrees: the angle at which growth by the gradient and decay are in balance (Wan et al. 2021)."""
    experiment = next(arm.experiment for arm in result.arms if arm.name == name("batch", "decay", 1.0))
    return math.degrees(math.sqrt(2 * experiment.learning_rate * experiment.weight_decay))


Quantity = Callable[[Mapping[str, Any]], np.ndarray]


def length(found: Mapping[str, Any]) -> np.ndarray:
    """‖W‖, (R,)."""
    return np.asarray(found["length"])[:, LAYER - 1]


def effective_rate(found: Mapping[str, Any]) -> np.ndarray:
    """η/‖W‖², (R,)."""
    return np.asarray(np.asarray(found["rate"]) / length(found) ** 2)


def angle(found: Mapping[str, Any]) -> np.ndarray:
    """The angle that a step turns W, in degrees, (R,)."""
    return np.asarray(found["angle"])[:, LAYER - 1]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Length, effective rate and angle over training; the same lengths in a plain network; where all end."""
    first = result.shown(view)[0]
    theory = balance(result)
    told = f"Hidden layer {LAYER}. A line for each start: all initial weights × 0.1, 1 and 10."
    lengths = _over(
        result,
        view,
        "batch",
        length,
        Scale("‖W‖ (log)", logarithmic=True),
        title="The length of the weights, with batch norm",
        subtitle=told,
    )
    rates = _over(
        result,
        view,
        "batch",
        effective_rate,
        Scale("η/‖W‖² (log)", logarithmic=True),
        title="The effective learning rate, with batch norm",
        subtitle=f"{told} η is {first.experiment.learning_rate:g} in every step of all of them.",
    )
    angles = _over(
        result,
        view,
        "batch",
        angle,
        Scale("degrees (log)", logarithmic=True, reference=(theory, "√(2ηλ)") if theory else None),
        title="The angle that a step turns the weights, with batch norm",
        subtitle=f"{told} Dotted: √(2ηλ), where theory expects it with weight decay.",
    )
    plain = _over(
        result,
        view,
        "none",
        length,
        Scale("‖W‖ (log)", logarithmic=True),
        title="The length of the weights, without normalization",
        subtitle=told,
    )
    settings = [f"×{start:g}" for start in STARTS]
    accuracies = by_setting.draw(
        {
            WORDS[decay]: [
                line(result, kind, [name(kind, decay, start) for start in STARTS], final_accuracy)
                for kind in KINDS
            ]
            for decay in DECAYS
        },
        settings,
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy at the end, by the initial weights",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps. A dot for each seed; a cross where "
        "training diverged.",
        setting_title="all initial weights",
        **view.looks,
    )
    return (
        Drawing(
            "lengths",
            lengths,
            "Where do the three lines meet, and where do they stay apart? Without weight decay no line falls.",
        ),
        Drawing(
            "rates",
            rates,
            "The rate divided by the squared length: weights of twice the length learn at a quarter of the rate.",
        ),
        Drawing("angles", angles, f"How far each step turns the direction of the weights. {_angles(result)}"),
        Drawing(
            "plain",
            plain,
            "Without normalization the length has an effect on the loss; the gradient can make it longer or shorter.",
        ),
        Drawing("accuracy", accuracies, "From which starts does each network learn?"),
    )


def _over(
    result: Result, view: View, kind: str, quantity: Quantity, scale: Scale, *, title: str, subtitle: str
) -> Plot:
    """A panel with weight decay and one without, a line for each start, in the seed that is shown."""
    seed = min(view.seed, result.setting.seed_count - 1)

    def one(decay: str, start: float) -> Curve:
        found = result.inspections(name(kind, decay, start))[seed]
        steps = np.asarray(found["steps"]) if found else np.empty(0, np.int64)
        return Curve(f"×{start:g}", LOOKS[start], steps, quantity(found) if found else np.empty(0))

    return over_steps.draw(
        {WORDS[decay]: [one(decay, start) for start in STARTS] for decay in DECAYS},
        scale,
        result.shown(view)[0].experiment.steps,
        title=title,
        subtitle=subtitle,
        **view.looks,
    )


def _angles(result: Result) -> str:
    """The angles late in training with weight decay, in words."""
    turns = [Measure("", late(result, "angle", "batch", "decay", start)).median for start in STARTS]
    if not all(map(math.isfinite, turns)):
        return "Which start turns most?"
    told = ", ".join(f"{value:.2g}°" for value in turns)
    return f"With weight decay a late step turns them by {told}; theory: {balance(result):.2g}°."


def verdict(result: Result) -> Verdict:
    """With weight decay the three starts end at one length, and without it apart, both with batch norm."""
    spreads = {(kind, decay): spread(result, kind, decay) for kind in KINDS for decay in DECAYS}
    measured = {}
    for kind in KINDS:
        for decay in DECAYS:
            key, words = f"{'bn' if kind == 'batch' else 'plain'}_{decay}", f"{LABELS[kind]}, {WORDS[decay]}"
            measured[f"spread_{key}"] = Measure(
                f"longest over shortest ‖W‖ at the end, {words}", spreads[kind, decay]
            )
            for start in STARTS:
                place = f"{key}_x{start:g}".replace(".", "_")
                measured[f"length_{place}"] = Measure(
                    f"‖W‖ at the end, {words}, weights ×{start:g}", late(result, "length", kind, decay, start)
                )
                measured[f"angle_{place}"] = Measure(
                    f"degrees that a late step turns W, {words}, weights ×{start:g}",
                    late(result, "angle", kind, decay, start),
                )
    both = list(zip(spreads["batch", "decay"], spreads["batch", "free"], strict=True))
    usable = all(math.isfinite(value) for pair in both for value in pair)
    together, apart = (measured[f"spread_bn_{decay}"].median for decay in DECAYS)
    return Verdict(
        holds=agreed([with_it <= SAME and without >= APART for with_it, without in both]) if usable else None,
        sentence=f"With batch norm and weight decay the weights of layer {LAYER} ended "
        f"{_lengths(measured, 'bn_decay')} long, {short(together)} times apart; without weight decay "
        f"{_lengths(measured, 'bn_free')}, "
        f"{short(apart)} times apart. Late in training a step turned them by "
        f"{short(measured['angle_bn_decay_x1'].median)}° with weight decay, where theory has "
        f"{short(balance(result))}°, and by {short(measured['angle_bn_free_x1'].median)}° without it (start ×1)."
        if usable
        else "A network with batch norm diverged, so there are no three lengths to compare.",
        criterion=f"In every seed, with batch norm, layer {LAYER}: from initial weights × 0.1, 1 and 10 the longest "
        f"‖W‖ at the end is at most {SAME:g} times the shortest with weight decay, and at least {APART:g} times "
        "without. The plain network is reported, not judged.",
        measured=measured,
        answer=_answer(together <= SAME, apart <= SAME) if usable else None,
    )


def _lengths(measured: Mapping[str, Measure], key: str) -> str:
    values: Sequence[str] = [
        short(measured[f"length_{key}_x{start:g}".replace(".", "_")].median) for start in STARTS
    ]
    return f"{values[0]}, {values[1]} and {values[2]}"


def _answer(decay: bool, free: bool) -> str:
    if decay and free:
        return "both"
    return "decay" if decay else "free" if free else "neither"


LAB = Lab(
    number=23,
    name="effective-rate",
    title="Weight decay and learning rate",
    quote="regularization has an influence on the scale of weights, and thereby on the effective learning rate.",
    paper="van Laarhoven 2017",
    section="Abstract",
    question="A network with batch norm starts with all weights × 0.1, × 1 and × 10. When do the three end with "
    f"layer-{LAYER} weights of the same length, within {100 * (SAME - 1):.0f} %?",
    prediction=Choice(
        {
            "decay": "only with weight decay",
            "free": "only without weight decay",
            "both": "with weight decay and without it",
            "neither": "neither with it nor without it",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Behind batch norm the length of a layer’s weights has no effect on the loss (Section 3.3 of the paper). So the gradient
has no part along the weights, and it is shorter the longer they are:

$$
W \cdot \frac{\partial \ell}{\partial W} = 0, \qquad
\frac{\partial \ell}{\partial (aW)} = \frac1a \frac{\partial \ell}{\partial W}
$$

**Without weight decay the weights can only grow.** A step $-\eta g$ stands at a right angle to $W$ (Pythagoras):

$$
\lVert W_{t+1} \rVert^2 = \lVert W_t \rVert^2 + \eta^2 \lVert g_t \rVert^2
$$

Long weights get a short gradient, so they hardly grow: each start keeps its length.

**What learns is the direction** $W/\lVert W \rVert$. A step turns it as a step at this rate would turn weights of
length 1, the *effective learning rate*:

$$
\eta_{\text{eff}} = \frac{\eta}{\lVert W \rVert^2}
$$

**Weight decay** shortens the weights by the factor $1 - \eta\lambda$ in each step. Short weights get a long gradient
and grow; long ones shrink. Both come to the length at which growth and decay are in balance. In balance a step turns
the weights by an angle that the start does not enter (Wan et al. 2021):

$$
\eta^2 \lVert g \rVert^2 \approx 2\eta\lambda \lVert W \rVert^2
\quad\Rightarrow\quad \text{angle} \approx \sqrt{2\eta\lambda}
$$

So behind batch norm weight decay does not keep the function simple, as it does elsewhere. It sets the effective
learning rate (van Laarhoven 2017; Zhang et al. 2019).

**Without normalization.** The plain network’s starts can come together too. There weight decay changes the
function that the network computes, and from ten times the weights it may not learn at all.

**What to try next.** In the Playground set weight decay to 0.01 and compare two values of *Scale*. Then double the
learning rate and halve the weight decay: which of the curves stay the same?
""",
    inspection="bnviz.engine.inspections.effective_rate:over_training",
    inspection_trains=True,
)
