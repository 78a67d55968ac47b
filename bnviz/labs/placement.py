"""Lab placement: g(γ·x̂ + β) as in the paper, γ·g(x̂) + β as a summary of it writes, or no γ and β at all."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import histogram, loss
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import LATE, Measure, Verdict, agreed, final_accuracy, quotients
from bnviz.recording import Recording

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
"""The share of a standard normal distribution that lies where a sigmoid's slope is below half of its largest."""

FREER = 2.0
"""How many times as many inputs must lie where the nonlinearity bends: seeds differ by less than half of that."""
EXACT, MISSED = 1e-6, 0.05
"""The share of a four times steeper sigmoid that a layer may miss to be said to make it, and must miss to be said not
to. Rounding makes about 1e-15."""
SAME_LOSS = 1.2
"""Training losses within this factor count as alike."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The three ways to write the layer."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name, label, base.replace(normalizer=normalizer)) for name, (label, normalizer, _) in ARMS.items()
    )


def found(result: Result, arm: str, what: str, count: int) -> np.ndarray:
    """What the inspection measured, (seeds, count); no rows before it has."""
    return np.array([item[what] for item in result.inspections(arm) if item], np.float64).reshape(-1, count)


def training_loss(recording: Recording) -> float:
    """The cross-entropy on training examples that training settled at: the median of its LATE last evaluations.

    NaN before there is any or if training diverged.
    """
    values = [point.loss for item in recording.snapshots for point in item.curves if point.split == "train"]
    return float(np.median(values[-LATE:])) if values and recording.diverged_at is None else math.nan


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """What can be represented, what is made of it, and how each trains."""
    shown = result.shown(view)
    layers = len(shown[0].experiment.hidden)
    possible = ladder.draw(
        {
            "": [
                Series(label, look, 100 * found(result, arm, "missed", len(STEEPNESS)))
                for arm, (label, _, look) in ARMS.items()
            ]
        },
        [f"{steepness:g} ×" for steepness in STEEPNESS],
        Scale("% of its variance missed"),
        title="What one unit can and cannot represent",
        subtitle="Wanted: the nonlinearity, so many times as steep, of a unit’s x̂ in the last hidden layer. Shown: "
        "what is missing for the best γ, β and whatever weight the next layer gives the unit. A dot for each seed.",
        rung_title="steepness wanted",
        **view.looks,
    )
    used = ladder.draw(
        {
            "": [
                Series(label, look, found(result, arm, "bent", layers))
                for arm, (label, _, look) in ARMS.items()
            ]
        },
        [str(layer) for layer in range(1, layers + 1)],
        Scale("share", percent=True, reference=(NORMAL_BENT, "of a standard normal distribution")),
        title="Inputs that reach where the nonlinearity bends",
        subtitle="Share of inputs at which its slope is below half of its largest, on the probe batch after training. "
        "A dot for each seed.",
        rung_title="layer, 1 at the input",
        **view.looks,
    )
    return (
        Drawing(
            "possible",
            possible,
            "With γ before the nonlinearity nothing is missed. γ, β behind it miss exactly what is missed without: the "
            "next layer’s weights can do all that they do.",
        ),
        Drawing("used", used, "What training made of the freedom."),
        Drawing(
            "inputs",
            histogram.draw(shown, layers, **view.looks),
            "The last hidden layer. Without γ, β before the nonlinearity its inputs keep mean 0 and variance 1.",
        ),
        Drawing("loss", loss.draw(shown, **view.looks), "How each trains, on examples that it trains on."),
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
    losses = {arm: result.each(training_loss, arm) for arm in ARMS}
    measured = {
        f"{what}_{arm}": Measure(f"{words}, {ARMS[arm][0]}", values[arm])
        for what, words, values in (
            ("bent", "share of inputs where the nonlinearity bends, in the layer with most", most),
            ("missed", "share missed of a nonlinearity 4 times as steep", steep),
            ("loss", "late training loss", losses),
            ("accuracy", "final accuracy", {arm: result.each(final_accuracy, arm) for arm in ARMS}),
        )
        for arm in ARMS
    }
    measured["folded"] = Measure(
        "largest change of a score when γ, β after the nonlinearity are moved into the next layer’s weights",
        tuple(found(result, "after", "folded", 1)[:, 0].tolist()),
    )
    measured["freer"] = Measure(
        "times as many inputs where the nonlinearity bends, with γ, β before as without",
        quotients(most["before"], most["without"]),
    )
    known = not any(map(math.isnan, [*most["before"], *most["after"], *most["without"]]))
    seeds = range(len(most["before"]))
    others = ("after", "without")
    freer = [all(most["before"][seed] >= FREER * most[arm][seed] for arm in others) for seed in seeds]
    only = [
        steep["before"][seed] <= EXACT and all(steep[arm][seed] >= MISSED for arm in others) for seed in seeds
    ]
    share = {arm: f"{measured[f'bent_{arm}'].median:.1%}" for arm in ARMS}
    ends = {arm: f"{measured[f'loss_{arm}'].median:.2g}" for arm in ARMS}
    return Verdict(
        holds=agreed([all(seed) for seed in zip(freer, only, strict=True)]) if known else None,
        sentence=f"In the layer with most of them, {share['before']} of the inputs lay where the nonlinearity bends "
        f"with γ, β before it, {share['after']} with γ, β after it and {share['without']} without. A nonlinearity 4 "
        f"times as steep was missed by {measured['missed_before'].median:.1%}, "
        f"{measured['missed_after'].median:.1%} and {measured['missed_without'].median:.1%}. The training losses "
        f"settled at {ends['before']}, {ends['after']} and {ends['without']}; held-out accuracies were "
        f"{measured['accuracy_before'].median:.1%}, {measured['accuracy_after'].median:.1%} and "
        f"{measured['accuracy_without'].median:.1%} at the end."
        if known
        else "ReLU bends at 0 alone, so there is nothing to count: ask with sigmoid or tanh.",
        criterion=f"In every seed, with γ, β before the nonlinearity at least {FREER:g} times as many inputs of "
        "some layer lie where it bends as in any layer of the other two networks; and only so can a unit be 4 times as "
        f"steep (missing less than {EXACT:g} of its variance, the others more than {MISSED:.0%}).",
        measured=measured,
        answer=_answer({arm: measured[f"loss_{arm}"].median for arm in ARMS}),
    )


def _answer(losses: dict[str, float]) -> str | None:
    if any(map(math.isnan, losses.values())):
        return None
    best, second = sorted(losses, key=losses.__getitem__)[:2]
    return best if losses[second] >= SAME_LOSS * losses[best] else "alike"


LAB = Lab(
    number=13,
    name="placement",
    title="Where γ and β belong",
    quote="normalizing the inputs of a sigmoid would constrain them to the linear regime of the nonlinearity",
    section="3",
    question="γ and β before the sigmoid, after it, or none at all. Which network settles at the lowest training loss?",
    prediction=Choice(
        {
            "before": "before, as in the paper",
            "after": "after, as a summary in circulation writes it",
            "without": "none at all",
            "alike": f"the best two within a factor of {SAME_LOSS:g}",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The paper applies γ and β to what is normalized, before the nonlinearity (Section 3.2). One summary in circulation puts
them behind it:

$$\text{paper: } z = g(\gamma \hat x + \beta) \qquad\qquad \text{summary: } z = \gamma\, g(\hat x) + \beta$$

**What the paper’s can represent.** With $\gamma = \sqrt{\operatorname{Var}[x]}$ and $\beta = \operatorname{E}[x]$ the
normalization is undone; with a large γ the sigmoid becomes a step, with a small one a straight line, and β chooses
where it bends.

**What the summary’s cannot.** Its sigmoid always receives $\hat x$, of mean 0 and variance 1. And the next layer
computes $W(\gamma z + \beta) = (W \operatorname{diag}\gamma)\,z + W\beta$: another weight matrix, and a constant
that the next normalization subtracts. So every such network is one without γ and β, with other weights. The lab moves
γ and β into the next layer and compares the scores.

**What that means for training.** Less to represent is not less accuracy: the next layers make up for much of it, and
held-out accuracy often differs by less than the seeds do. γ behind the nonlinearity, which adds nothing to what can be
represented, still changes how the gradient moves the weights.
""",
    inspection="bnviz.engine.inspections.placement:made_use_of",
)
