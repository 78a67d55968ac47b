"""Lab scale-invariance: what happens to a layer and to its gradients when its weights are multiplied by a number."""

from __future__ import annotations

import math

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, LOOKS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, percent, quotients
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
STARTS = (1.0, 30.0)
"""What the first layer's weights are multiplied by. From 10 a plain network still learns in some seeds, from 30 in none
of ten."""
SHORT = {"none": "plain", "batch": "batch norm"}
"""Of the kinds of network, where a phone has little room."""
FACTORS = (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)
"""The values of a, as in bnviz.engine.inspections.invariance, where the identities are measured."""
TENFOLD = FACTORS.index(10.0)
QUANTITIES = {
    "outputs": "outputs",
    "by_input": "gradient for u",
    "by_weights": "gradient for W",
}

EXACT = 1e-9
"""The relative deviation up to which an identity holds. Rounding in float64 makes about 1e-15 of every
operation."""
LEARNED = 0.9
"""A network that ends with this held-out accuracy has learned from its start. Those that do not end far below."""
MOST_DIGITS = -math.log10(np.finfo(np.float64).eps)


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Each network with the first layer as its scheme has it, and with one that is too large."""
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
    looks = dict(zip(QUANTITIES, MORE, strict=True))  # of quantities, so none of the two networks’ colours
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
    agreement = by_setting.draw(
        panels,
        [f"{factor:g}" for factor in FACTORS],
        Scale("digits that agree", reference=(-math.log10(EXACT), "9 digits")),
        title="W becomes aW: how many digits stay the same",
        subtitle="Decimal digits that agree with a = 1, in a trained network, in float64; the worst hidden layer. "
        "Gradient for W: a times the gradient for aW. A dot for each seed.",
        setting_title="a",
        **view.looks,
    )
    first = result.shown(view)[0]
    settings = [f"×{start:g}" for start in STARTS]
    names = {kind: [name(kind, start) for start in STARTS] for kind in KINDS}
    ends = by_setting.draw(
        {"": [line(result, kind, names[kind], final_accuracy) for kind in KINDS]},
        settings,
        Scale("accuracy", percent=True, reference=(guessing(first), "guessing")),
        title="Accuracy at the end, by the first layer’s weights",
        subtitle=f"Held-out accuracy after {first.experiment.steps:,} steps. A dot for each seed; a cross where "
        "training diverged.",
        setting_title="initial weights of the first layer",
        **view.looks,
    )
    gradients = by_setting.draw(
        {"": [line(result, kind, names[kind], first_gradient) for kind in KINDS]},
        settings,
        Scale("gradient norm (log)", logarithmic=True),
        title="The first layer’s gradient in the first step",
        subtitle="Norm of the gradient with respect to the first layer’s weights. A dot for each seed.",
        setting_title="initial weights of the first layer",
        **view.looks,
    )
    four = [(kind, start) for kind in KINDS for start in STARTS]
    curves = figure_2.draw(
        [
            Network(f"{SHORT[kind]}, ×{start:g}", _look(kind, start), item)
            for (kind, start), item in zip(
                four, result.shown(view, *(name(*which) for which in four)), strict=True
            )
        ],
        title="Accuracy on held-out data, by the first layer’s weights",
        subtitle="Share of held-out examples classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing(
            "agreement",
            agreement,
            "Left: the three identities with ε = 0. Middle: the ε of training breaks them for small weights. Right: "
            "the same network without batch norm. Higher: multiplying W by a changes less.",
        ),
        Drawing(
            "accuracy",
            ends,
            f"Does each network still learn when its initial weights are {STARTS[1]:g} times too large?",
        ),
        Drawing(
            "gradient",
            gradients,
            "The third identity during training, in float32. " + _shrunk(result),
        ),
        Drawing("curves", curves, "The four networks while they train."),
    )


def _look(kind: str, start: float) -> tuple[str, str]:
    """The kind's colour; dotted where the first layer's weights are too large."""
    colour, dash = LOOKS[kind]
    return (colour, dash if start == 1 else "dot")


def _shrunk(result: Result) -> str:
    """What larger weights did to the first gradient, in words."""
    ratios = {
        kind: Measure(
            "", quotients(*(result.each(first_gradient, name(kind, start)) for start in reversed(STARTS)))
        )
        for kind in KINDS
    }
    if any(math.isnan(item.median) for item in ratios.values()):
        return f"With batch norm it says: {STARTS[1]:g} times the weights, 1/{STARTS[1]:g} of the gradient."
    return (
        f"{STARTS[1]:g} times the weights have {short(ratios['batch'].median)} times the gradient with batch norm and "
        f"{short(ratios['none'].median)} times without it."
    )


def verdict(result: Result) -> Verdict:
    """The identities, and the network that learns from a first layer that is too large."""
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
    measured["gradient_ratio"] = Measure(
        f"first step’s gradient with batch norm: first layer ×1 over ×{STARTS[1]:g}", shrunk
    )
    worst = exact.max(axis=(1, 2))
    usable = bool(np.isfinite(worst).all()) and all(min(learned[kind, 1.0]) >= LEARNED for kind in KINDS)
    ends = {kind: measured[f"accuracy_{name(kind, STARTS[1]).replace('-', '_')}"].median for kind in KINDS}
    sentence = (
        f"For a from {FACTORS[0]:g} to {FACTORS[-1]:,.0f} the three identities held to {digits(worst).min():.0f} "
        "decimal digits with batch norm and ε = 0. With the ε of training they held to "
        f"{digits(trained[:, TENFOLD]).min():.0f} digits for a = {FACTORS[TENFOLD]:g} and to "
        f"{digits(trained[:, 0]).min():.0f} for a = {FACTORS[0]:g}. From a first layer {STARTS[1]:g} times too large "
        f"the network ended at {percent(ends['batch'])} with batch norm and at {percent(ends['none'])} without it."
    )
    return Verdict(
        holds=agreed(
            [
                bool(deviation <= EXACT) and with_it >= LEARNED > without
                for deviation, with_it, without in zip(
                    worst, learned["batch", STARTS[1]], learned["none", STARTS[1]], strict=True
                )
            ]
        )
        if usable
        else None,
        sentence=sentence
        if usable
        else f"In some seed a network did not reach {percent(LEARNED, 0)} from its usual start, or no gradient "
        "passed through it. Train for more steps.",
        criterion="In every seed: with batch norm (ε = 0) the outputs, the gradient for u and a times the gradient for "
        f"aW agree with those of a = 1 to {-math.log10(EXACT):.0f} decimal digits; and from a first layer "
        f"{STARTS[1]:g} times too large the network reaches {percent(LEARNED, 0)} held-out accuracy with batch norm "
        "and not without.",
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
    title="The scale of the weights cancels",
    quote="With Batch Normalization, back-propagation through a layer is unaffected by the scale of its "
    "parameters.",
    section="3.3",
    question=f"The first layer starts with weights that are {STARTS[1]:g} times too large. Which networks still reach "
    f"{percent(LEARNED, 0)} accuracy on held-out examples?",
    prediction=Choice(
        {
            "both": "both",
            "bn": "only the one with batch norm",
            "plain": "only the one without batch norm",
            "neither": "neither",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    inspection="bnviz.engine.inspections.invariance:deviations",
    explanation=r"""
Multiply a layer’s weights by $a > 0$. Its mean and its standard deviation over the mini-batch are multiplied by $a$
too. Normalization divides by the standard deviation, so $a$ cancels:

$$
\mathrm{BN}((aW)u) = \mathrm{BN}(Wu)
$$

$$
\frac{\partial\,\mathrm{BN}((aW)u)}{\partial u} = \frac{\partial\,\mathrm{BN}(Wu)}{\partial u}
$$

$$
\frac{\partial\,\mathrm{BN}((aW)u)}{\partial (aW)} = \frac1a \cdot \frac{\partial\,\mathrm{BN}(Wu)}{\partial W}
$$

The next layer receives the same outputs, and the layer before receives the same gradient, however large the weights
are. The weights themselves get a smaller gradient the larger they are, so their growth slows down.

**With $\varepsilon$ the identities hold only nearly:** $\sqrt{a^2\sigma^2 + \varepsilon}$ is not
$a\sqrt{\sigma^2 + \varepsilon}$. They are exact for $\varepsilon = 0$. Training uses $10^{-5}$, and the difference
shows where $a\sigma$ is small.

**It has a cost.** A layer with weights $a$ times too large gets $1/a$ of the gradient. A step changes its direction
$a^2$ times less. So the network must learn with its other layers. Compare where it ends from both starts.

**It depends on the nonlinearity.** ReLU passes the factor on to the next layer. The output of a sigmoid or tanh is
bounded. With tanh a plain network ended at 96 % from initial weights ten times too large, and at 97 % from the usual
ones (measured on digits, 3 seeds).
""",
)
