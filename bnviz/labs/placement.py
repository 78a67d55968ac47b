"""Lab placement: g(γ·x̂ + β) as in the paper, γ·g(x̂) + β as a summary of it writes, or no γ and β at all."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import histogram
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent, quotients

QUICK = Experiment(
    dataset="digits", hidden=(20, 20, 20), init="xavier", init_scale=1.0, learning_rate=0.5, steps=1200
)
FULL = QUICK.replace(dataset="mnist", steps=4000)

ARMS = {
    "without": ("no γ, β", "batch-no-affine", WITHOUT),
    "before": ("γ, β before", "batch", WITH),
    "after": ("γ, β after", "batch-after-activation", MORE[0]),
}
"""Words, the value of the field `normalizer`, and look."""
STEEPNESS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The steepness of the nonlinearities that the inspection asks for."""
NORMAL_BENT = 0.078
"""The share of a standard normal distribution that lies where a sigmoid's slope is below half of its maximum: outside
the range that is called nearly linear here."""

FREER = 2.0
"""How many times as many inputs must lie outside the nearly linear range: seeds differ by less than half of that."""
EXACT, MISSED = 1e-6, 0.05
"""The share of the variance of a four times steeper sigmoid that a unit may miss if it represents it, and must miss if
it does not. Rounding makes about 1e-15."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The three ways to write the layer."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name, label, base.replace(normalizer=normalizer)) for name, (label, normalizer, _) in ARMS.items()
    )


def found(result: Result, arm: str, what: str, count: int) -> np.ndarray:
    """What the inspection measured, (seeds, count); no rows before it has."""
    return np.array([item[what] for item in result.inspections(arm) if item], np.float64).reshape(-1, count)


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """How far the inputs leave the nearly linear range, in which layers, and what a unit could represent."""
    shown = result.shown(view)
    layers = len(shown[0].experiment.hidden)
    possible = by_setting.draw(
        {
            "": [
                Series(label, look, 100 * found(result, arm, "missed", len(STEEPNESS)))
                for arm, (label, _, look) in ARMS.items()
            ]
        },
        [f"{steepness:g} ×" for steepness in STEEPNESS],
        Scale("% of its variance missed"),
        title="What one unit can represent",
        subtitle="Wanted: a steeper or flatter nonlinearity of a unit’s x̂ in the last hidden layer. Shown: what is "
        "missing with the best γ, β and the best weight in the next layer. A dot for each seed.",
        setting_title="steepness wanted",
        **view.looks,
    )
    used = by_setting.draw(
        {
            "": [
                Series(label, look, found(result, arm, "bent", layers))
                for arm, (label, _, look) in ARMS.items()
            ]
        },
        [str(layer) for layer in range(1, layers + 1)],
        Scale("share", percent=True, reference=(NORMAL_BENT, "of a standard normal distribution")),
        title="Inputs outside the nearly linear range",
        subtitle="Share of inputs at which the nonlinearity’s slope is below half of its maximum, on the probe batch "
        "after training. A dot for each seed.",
        setting_title="layer, 1 at the input",
        **view.looks,
    )
    return (
        Drawing(
            "used",
            used,
            "Which network’s inputs leave the nearly linear range? Dotted: the share of a standard normal "
            "distribution.",
        ),
        Drawing(
            "inputs",
            histogram.draw(shown, layers, **view.looks),
            "The last hidden layer. Compare the widths of the three distributions.",
        ),
        Drawing("possible", possible, "At 0 a unit can represent the nonlinearity. " + _missing(result)),
    )


def _missing(result: Result) -> str:
    """What the units of the three networks miss of a steeper nonlinearity, in words."""
    steep = {
        arm: Measure(
            "", tuple(found(result, arm, "missed", len(STEEPNESS))[:, STEEPNESS.index(4.0)].tolist())
        )
        for arm in ARMS
    }
    if any(math.isnan(item.median) for item in steep.values()):
        return "Which units can be steeper?"
    without, before, after = (percent(item.median) for item in steep.values())
    return (
        f"A unit misses of a nonlinearity 4 times as steep: {without} without γ and β, {before} with γ, β before, and "
        f"{after} with γ, β after."
    )


def verdict(result: Result) -> Verdict:
    """Without γ, β before the nonlinearity its inputs are confined; with them, they leave."""
    layers = len(result.arms[0].experiment.hidden)
    bent = {arm: found(result, arm, "bent", layers) for arm in ARMS}
    most = {arm: tuple(values.max(axis=1).tolist()) for arm, values in bent.items()}
    steep = {
        arm: tuple(found(result, arm, "missed", len(STEEPNESS))[:, STEEPNESS.index(4.0)].tolist())
        for arm in ARMS
    }
    measured = {
        f"{what}_{arm}": Measure(f"{words}, {ARMS[arm][0]}", values[arm])
        for what, words, values in (
            ("bent", "share of inputs outside the nearly linear range, in the layer with most", most),
            ("missed", "share missed of a nonlinearity 4 times as steep", steep),
            ("accuracy", "final accuracy", {arm: result.each(final_accuracy, arm) for arm in ARMS}),
        )
        for arm in ARMS
    }
    measured["folded"] = Measure(
        "largest change of a score when γ, β after the nonlinearity are moved into the next layer’s weights",
        tuple(found(result, "after", "folded", 1)[:, 0].tolist()),
    )
    measured["freer"] = Measure(
        "times as many inputs outside the nearly linear range, with γ, β before as without",
        quotients(most["before"], most["without"]),
    )
    known = not any(map(math.isnan, [*most["before"], *most["after"], *most["without"]]))
    seeds = range(len(most["before"]))
    others = ("after", "without")
    freer = [all(most["before"][seed] >= FREER * most[arm][seed] for arm in others) for seed in seeds]
    only = [
        steep["before"][seed] <= EXACT and all(steep[arm][seed] >= MISSED for arm in others) for seed in seeds
    ]
    share = {arm: percent(measured[f"bent_{arm}"].median) for arm in ARMS}
    ends = {arm: percent(measured[f"accuracy_{arm}"].median) for arm in ARMS}
    return Verdict(
        holds=agreed([all(seed) for seed in zip(freer, only, strict=True)]) if known else None,
        sentence=f"In the layer with most of them, {share['before']} of the inputs lay outside the nearly linear range "
        f"with γ, β before the nonlinearity, {share['after']} with γ, β after it, and {share['without']} without. In "
        f"accuracy the networks ended at {ends['before']}, {ends['after']} and {ends['without']}."
        if known
        else "ReLU is linear on both sides of 0, so there is no nearly linear range. Use sigmoid or tanh.",
        criterion=f"In every seed: with γ, β before the nonlinearity at least {FREER:g} times as many inputs of some "
        "layer lie outside the nearly linear range as in any layer of the other two networks; and only there can a "
        f"unit represent a nonlinearity 4 times as steep (the others miss more than {percent(MISSED, 0)} of its "
        "variance). Nearly linear: the slope is at least half of its maximum.",
        measured=measured,
        answer=_answer({arm: measured[f"bent_{arm}"].median for arm in ARMS}) if known else None,
    )


def _answer(shares: dict[str, float]) -> str:
    most, second = sorted(shares, key=shares.__getitem__, reverse=True)[:2]
    return most if shares[most] >= FREER * shares[second] else "alike"


LAB = Lab(
    number=13,
    name="placement",
    title="γ and β: before or after?",
    quote="normalizing the inputs of a sigmoid would constrain them to the linear regime of the nonlinearity",
    section="3",
    question="Put γ and β before the sigmoid, after it, or leave them out. In which network do most inputs of the "
    "sigmoids leave the nearly linear range?",
    prediction=Choice(
        {
            "before": "γ, β before, as in the paper",
            "after": "γ, β after",
            "without": "no γ, β",
            "alike": f"none has {FREER:g} times as many as the next",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The paper applies γ and β to the normalized input, before the nonlinearity (Section 3.2). Some summaries of the paper
write them after it:

$$
\text{paper: } z = g(\gamma \hat x + \beta)
$$

$$
\text{summary: } z = \gamma\, g(\hat x) + \beta
$$

**Before the nonlinearity.** With $\gamma = \sqrt{\mathrm{Var}[x]}$ and $\beta = \mathrm{E}[x]$ the normalization is
undone. With a large γ the sigmoid becomes a step, with a small γ a straight line. β shifts it.

**After the nonlinearity.** The sigmoid always receives $\hat x$, with mean 0 and variance 1. The next layer computes
$W(\gamma z + \beta) = (W \operatorname{diag}\gamma)\,z + W\beta$. This is another weight matrix, and a constant that
the next normalization subtracts. So each such network equals one without γ and β that has other weights. The lab
moves γ and β into the next layer and compares the scores (“Every number that was measured”).

**What this means for training.** A network that can represent less need not be less accurate, as other layers can
make up for it. Compare the three accuracies in the verdict. And γ after the nonlinearity still changes how the
gradient moves the weights, although it adds nothing to what the network can represent.
""",
    inspection="bnviz.engine.inspections.placement:made_use_of",
)
