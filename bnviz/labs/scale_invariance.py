"""Lab scale-invariance: what becomes of a layer and its gradients when its weights are multiplied by a number."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures import accuracy
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, quotients
from bnviz.recording import Recording

QUICK = Experiment(
    dataset="digits",
    activation="relu",
    init="kaiming",
    init_scale=1.0,
    learning_rate=0.1,
    steps=500,
)
FULL = QUICK.replace(dataset="mnist", steps=2000)
STARTS = (1.0, 10.0)
FACTORS = (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)
"""The values of a, as in bnviz.engine.inspections.invariance, where the identities are measured."""
TENFOLD = FACTORS.index(10.0)
QUANTITIES = {
    "outputs": "outputs",
    "by_input": "gradient by u",
    "by_weights": "by W",
}

EXACT = 1e-9
"""The relative deviation up to which an identity holds. Rounding in float64 makes about 1e-15 of an operation."""
LEARNED = 0.9
"""A network that ends with this held-out accuracy has learned from its start. Those that do not end far below."""
MOST_DIGITS = -math.log10(np.finfo(np.float64).eps)


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Each network with the first layer as its scheme has it, and ten times as large."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            name(kind, start),
            LABELS[kind] + ("" if start == 1 else f", first layer ×{start:g}"),
            base.replace(normalizer=kind, first_layer_scale=start * base.first_layer_scale),
        )
        for kind in KINDS
        for start in STARTS
    )


def name(kind: str, start: float) -> str:
    """The arm's name."""
    return f"{'bn' if kind == 'batch' else 'plain'}-x{start:g}"


def deviations(result: Result, kind: str, epsilon: str) -> np.ndarray:
    """Relative deviations, the largest of all layers: (seeds, factors, quantities). NaN before they are measured.

    kind: of network. epsilon: "exact" for ε = 0, "trained" for that of training.
    """
    found = [
        np.asarray(item[epsilon]).max(axis=0) if item else np.full((len(FACTORS), len(QUANTITIES)), math.nan)
        for item in result.inspections(name(kind, 1.0))
    ]
    return np.stack(found)


def digits(deviation: np.ndarray) -> np.ndarray:
    """How many decimal digits agree, from 0 to those that float64 has."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(-np.log10(deviation), 0.0, MOST_DIGITS))


def first_gradient(recording: Recording) -> float:
    """The norm of the gradient with respect to the first layer's weights in the first step; NaN before it."""
    norms = recording.layer_column(1, "grad_norm")[recording.steps == 1]
    return float(norms[0]) if norms.size else math.nan


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Digits that agree, over a; and how the networks learn from a first layer too large."""
    looks = dict(zip(QUANTITIES, (WITH, MORE[0], MORE[2]), strict=True))
    panels = {
        heading: [
            Series(label, looks[key], digits(deviations(result, kind, epsilon)[:, :, place]))
            for place, (key, label) in enumerate(QUANTITIES.items())
        ]
        for heading, kind, epsilon in (
            ("batch norm, ε = 0", "batch", "exact"),
            ("batch norm, ε = 10⁻⁵", "batch", "trained"),
            ("no normalization", "none", "exact"),
        )
    }
    agreement = ladder.draw(
        panels,
        [f"{factor:g}" for factor in FACTORS],
        Scale("digits that agree", reference=(-math.log10(EXACT), "9 digits")),
        title="The layer’s weights W become aW: how many digits stay the same",
        subtitle="Of a trained network, in float64: decimal digits that agree with a = 1, in the norm, in the "
        "worst of the hidden layers. By W: a times the gradient with respect to aW. A dot for each seed.",
        rung_title="a",
        **view.looks,
    )
    first = result.shown(view)[0]
    rungs = [f"×{start:g}" for start in STARTS]
    names = {kind: [name(kind, start) for start in STARTS] for kind in KINDS}
    ends = ladder.draw(
        {"": [line(result, kind, names[kind], final_accuracy) for kind in KINDS]},
        rungs,
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy at the end, by the first layer’s start",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps. A dot for each seed; a cross where "
        "training diverged.",
        rung_title="initial weights of the first layer",
        **view.looks,
    )
    gradients = ladder.draw(
        {"": [line(result, kind, names[kind], first_gradient) for kind in KINDS]},
        rungs,
        Scale("gradient norm (log)", logarithmic=True),
        title="The first step’s gradient with respect to the first layer’s weights",
        subtitle="With batch norm ten times the weights have a tenth of the gradient. A dot for each seed.",
        rung_title="initial weights of the first layer",
        **view.looks,
    )
    return (
        Drawing(
            "agreement",
            agreement,
            "Left: the identities. Middle: the ε that keeps training from dividing by zero breaks them a "
            "little, the more the smaller the weights. Right: without batch norm nothing of the kind holds.",
        ),
        Drawing("accuracy", ends, "What it is worth in training."),
        Drawing(
            "gradient",
            gradients,
            "The consequence of the third identity, measured in training as it ran, in float32.",
        ),
        Drawing(
            "curves", accuracy.draw(result.shown(view), **view.looks), "The four networks while they train."
        ),
    )


def verdict(result: Result) -> Verdict:
    """The identities, and the network that learns in spite of its start."""
    exact, trained, plain = (
        deviations(result, *which) for which in (("batch", "exact"), ("batch", "trained"), ("none", "exact"))
    )
    learned = {
        (kind, start): result.each(final_accuracy, name(kind, start)) for kind in KINDS for start in STARTS
    }
    shrunk = quotients(*(result.each(first_gradient, name("batch", start)) for start in STARTS))
    measured = {
        f"{key}_{which}": Measure(f"{label}: largest relative deviation, {words}", tuple(values.tolist()))
        for which, words, found in (
            ("bn", "batch norm with ε = 0", exact),
            ("bn_epsilon", "batch norm with ε = 1e-5", trained),
            ("plain", "no normalization", plain),
        )
        for (key, label), values in zip(QUANTITIES.items(), found.max(axis=1).T, strict=True)
    }
    for (kind, start), values in learned.items():
        measured[f"accuracy_{name(kind, start).replace('-', '_')}"] = Measure(
            f"final accuracy, {LABELS[kind]}, first layer ×{start:g}", values
        )
    measured["gradient_ratio"] = Measure("first step’s gradient with batch norm: ×1 over ×10 start", shrunk)
    worst = exact.max(axis=(1, 2))
    usable = bool(np.isfinite(worst).all()) and all(min(learned[kind, 1.0]) >= LEARNED for kind in KINDS)
    ends = {kind: measured[f"accuracy_{name(kind, 10.0).replace('-', '_')}"].median for kind in KINDS}
    sentence = (
        f"With W multiplied by {FACTORS[0]:g} to {FACTORS[-1]:g}, outputs and gradients kept to the identities "
        f"within {worst.max():.0e} with batch norm and ε = 0; with the ε of training within "
        f"{trained[:, TENFOLD].max():.0e} for a = {FACTORS[TENFOLD]:g}, and not for the smallest a. From a "
        f"first layer ten times too large the network ended at {ends['batch']:.1%} with batch norm and at "
        f"{ends['none']:.1%} without."
    )
    return Verdict(
        holds=agreed(
            [
                bool(deviation <= EXACT) and with_it >= LEARNED > without
                for deviation, with_it, without in zip(
                    worst, learned["batch", 10.0], learned["none", 10.0], strict=True
                )
            ]
        )
        if usable
        else None,
        sentence=sentence
        if usable
        else f"In some seed a network did not reach {LEARNED:.0%} from its usual start, or no gradient passed "
        "through it: train for more steps.",
        criterion=f"In every seed, the outputs, the gradient by u and a times the gradient by aW agree with "
        f"those of a = 1 to {EXACT:.0e} with batch norm (ε = 0), and from a first layer ten times too large the "
        f"network reaches {LEARNED:.0%} held-out accuracy with batch norm and does not without.",
        measured=measured,
        answer=_answer(ends["none"] >= LEARNED, ends["batch"] >= LEARNED) if usable else None,
    )


def _answer(plain: bool, normalized: bool) -> str:
    if plain and normalized:
        return "both"
    return "bn" if normalized else "plain" if plain else "neither"


LAB = Lab(
    number=8,
    name="scale-invariance",
    title="The scale of the weights drops out",
    quote="With Batch Normalization, back-propagation through a layer is unaffected by the scale of its "
    "parameters.",
    section="3.3",
    question="The first layer starts with weights ten times too large. Which networks still reach "
    f"{LEARNED:.0%} on held-out examples?",
    prediction=Choice(
        {
            "both": "both, with batch norm and without",
            "bn": "only the one with batch norm",
            "plain": "only the one without",
            "neither": "neither",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    inspection="bnviz.engine.inspections.invariance:deviations",
    explanation=r"""
Multiply a layer’s weights by $a > 0$: its mean and its standard deviation over the mini-batch are multiplied by
$a$ as well, and divided out again.

$$\mathrm{BN}((aW)u) = \mathrm{BN}(Wu), \qquad
\frac{\partial\,\mathrm{BN}((aW)u)}{\partial u} = \frac{\partial\,\mathrm{BN}(Wu)}{\partial u}, \qquad
\frac{\partial\,\mathrm{BN}((aW)u)}{\partial (aW)} = \frac1a \cdot \frac{\partial\,\mathrm{BN}(Wu)}{\partial W}$$

What goes up to the next layer and what comes back down to the one before do not know how large the weights are. The
weights themselves receive a smaller gradient the larger they are, so that their growth slows itself.

**With $\varepsilon$ it holds nearly.** $\sqrt{a^2\sigma^2 + \varepsilon}$ is not $a\sqrt{\sigma^2 + \varepsilon}$.
The identities are exact for $\varepsilon = 0$; training uses $10^{-5}$, and the difference shows where $a\sigma$
is small.

**It is no free lunch.** A layer ten times too large has a tenth of the gradient for ten times the weights: a step
turns it a hundred times less. The network learns because its other layers do, and ends a little lower.

**What does not show it.** ReLU passes the factor of 10 on to the loss. A sigmoid or tanh does not: in our trials
the plain network of tanh learned from the large start as well, and that of sigmoids even sooner.
""",
)
