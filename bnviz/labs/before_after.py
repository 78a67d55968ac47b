"""Lab before-after: the whole normalization before the nonlinearity, as in the paper, or after it."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import histogram
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, final_accuracy, percent, steps_to

QUICK = Experiment(
    dataset="digits", hidden=(50, 50, 50), init="xavier", init_scale=1.0, learning_rate=0.5, steps=300
)
FULL = QUICK.replace(dataset="mnist", hidden=(100, 100, 100), steps=2000)

REPEATS, APART = 3, 100
"""How many networks of each kind there are, for each seed of the setting, and how far apart their seeds lie. One shows
nothing here: seeds differ by as much as the two places do."""
ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}
PLACES = {"before": ("before", WITH), "after": ("after", MORE[0])}
"""Words for a line, and its look, by the value of the field `norm_placement`."""

TARGET = 0.9
"""The accuracy whose first reaching is told as speed."""
LEAST = 0.01
"""By how much every network of one place must be better than every network of the other: a point. Measured on digits,
ten seeds: the medians differ by 0.6 points or less, and the seeds of one place by up to 3. On MNIST, nine seeds: with
sigmoid the medians are 5.4 and 3.2 %, and every network that is normalized after it is better; with tanh and ReLU the
medians differ by 0.1 and 0.3 points."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Both places with three nonlinearities, REPEATS networks of each."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            f"{activation}-{place}-{repeat}",
            f"{name}, normalized {place}",
            base.replace(
                activation=activation,
                norm_placement=place,
                init="kaiming" if activation == "relu" else base.init,
                seed=base.seed + APART * repeat,
            ),
        )
        for activation, name in ACTIVATIONS.items()
        for place in PLACES
        for repeat in range(REPEATS)
    )


def by_seed(result: Result, activation: str, place: str) -> list[tuple[float, float]]:
    """Of each seed's network the held-out error at the end, and the step at which TARGET was reached."""
    return [
        (1 - final_accuracy(recording), steps_to(recording, TARGET))
        for repeat in range(REPEATS)
        for recording in result.recordings(f"{activation}-{place}-{repeat}")
    ]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Error at the end, when 90 % were reached, and what the nonlinearity receives in the two places."""

    def lines(column: int, factor: float = 1.0) -> list[Series]:
        return [
            Series(
                label,
                look,
                np.array(
                    [
                        [factor * pair[column] for pair in by_seed(result, kind, place)]
                        for kind in ACTIVATIONS
                    ],
                    float,
                ).T,
            )
            for place, (label, look) in PLACES.items()
        ]

    error = by_setting.draw(
        {"": lines(0, 100.0)},
        list(ACTIVATIONS.values()),
        Scale("held-out error (%)"),
        title="Held-out error at the end, by the nonlinearity",
        subtitle="Percentage of held-out examples classified wrongly. Normalized before the nonlinearity, or after it. "
        "A dot for each seed.",
        setting_title="nonlinearity",
        **view.looks,
    )
    speed = by_setting.draw(
        {"": lines(1)},
        list(ACTIVATIONS.values()),
        Scale("steps"),
        title=f"Steps to {percent(TARGET, 0)} accuracy",
        subtitle="The first evaluated step at which so many held-out examples are classified correctly. A dot for "
        "each seed.",
        setting_title="nonlinearity",
        **view.looks,
    )
    shown = result.shown(view, "tanh-after-0", "tanh-before-0")  # the second is drawn blue, as above
    small = (
        " Small digits are too few to tell the places apart: choose the full size."
        if result.setting.quick
        else ""
    )
    return (
        Drawing("error", error, f"Are the dots of the two places separated or mixed?{small}"),
        Drawing("steps", speed, "Which place reaches it sooner, and by how many steps?"),
        Drawing(
            "inputs",
            histogram.draw(shown, **view.looks),
            "The last hidden layer, tanh. Normalized after the nonlinearity, its input is not normalized itself.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Before is the better place if it is better somewhere beyond the seeds, and after is so nowhere."""
    measured, better, told = {}, {}, []
    for activation, name in ACTIVATIONS.items():
        ends = {place: tuple(end for end, _ in by_seed(result, activation, place)) for place in PLACES}
        reached = {place: tuple(step for _, step in by_seed(result, activation, place)) for place in PLACES}
        for place in PLACES:
            measured[f"error_{activation}_{place}"] = Measure(
                f"held-out error at the end, {name}, normalized {place}", ends[place]
            )
            measured[f"steps_{activation}_{place}"] = Measure(
                f"steps to {percent(TARGET, 0)}, {name}, normalized {place}", reached[place]
            )
        better[activation] = _better(ends)
        middle = {place: measured[f"error_{activation}_{place}"].median for place in PLACES}
        sooner = {place: measured[f"steps_{activation}_{place}"].median for place in PLACES}
        told.append(
            f"{name[0].upper()}{name[1:]}: error {percent(middle['before'])} if normalized before, "
            f"{percent(middle['after'])} if after ({_WORDS[better[activation]]}); steps to {percent(TARGET, 0)} "
            f"accuracy: {_steps(sooner['before'])} and {_steps(sooner['after'])}"
        )
    found = set(better.values())
    return Verdict(
        holds="before" in found and "after" not in found,
        sentence=f"{'. '.join(told)}.",
        criterion="With some nonlinearity every network that is normalized before it ends with a lower error than "
        f"every network that is normalized after it, by at least {100 * LEAST:g} point; and with none it is the other "
        "way round. Otherwise the seeds show no difference, or one against the claim.",
        measured=measured,
        answer=found.pop() if len(found) == 1 else "depends",
    )


_WORDS = {"before": "before is better", "after": "after is better", "alike": "no difference beyond the seeds"}


def _steps(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "never"


def _better(ends: dict[str, tuple[float, ...]]) -> str:
    """The place all of whose networks end with a lower error than all of the other's, by LEAST; else "alike"."""
    if max(ends["before"]) <= min(ends["after"]) - LEAST:
        return "before"
    return "after" if max(ends["after"]) <= min(ends["before"]) - LEAST else "alike"


LAB = Lab(
    number=18,
    name="before-after",
    title="Before or after the nonlinearity?",
    quote="We add the BN transform immediately before the nonlinearity",
    section="3.2",
    question="The same network is normalized before its nonlinearity, as in the paper, or after it. It is trained with "
    "sigmoid, tanh and ReLU, from three seeds each. Which place gives the lower error?",
    prediction=Choice(
        {
            "before": "before, with all three",
            "after": "after, with all three",
            "alike": "neither: the seeds differ as much",
            "depends": "it depends on the nonlinearity",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The paper normalizes $Wu$, the input of the nonlinearity:

$$
z = g(\mathrm{BN}(Wu))
$$

One can also normalize its output, which is the next layer’s input $u$:

$$
z = \mathrm{BN}(g(Wu))
$$

**The paper's reason.** $u$ comes out of a nonlinearity. Its distribution changes its shape in training, and a fixed
mean and variance do not fix the shape. $Wu + b$ is “more likely to have a symmetric, non-sparse distribution”, so
normalizing it gives a more stable distribution.

**What is different.** Before the nonlinearity, γ and β decide how much of the nonlinearity is used. After it, they
scale and shift what the next layer multiplies with its weights; the nonlinearity receives what $Wu + b$ happens to be.
Look at the third figure.

**What it is not.** This is not the lab “γ and β: before or after?”, in which the normalization stays before the
nonlinearity and only γ and β move.

This question is asked more often than any other about batch norm, and public answers contradict each other. A small
network cannot decide it for all networks. It can show how large the difference is, beside that between two seeds.
""",
)
