"""Lab saturation: which networks batch normalization makes trainable, by nonlinearity and depth."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.ladder import Series, ladder
from bnviz.figures.charts.race import Runner, race
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, LOOKS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, quotients
from bnviz.recording import Recording

QUICK = Experiment(
    dataset="digits", init="xavier", init_scale=1.0, learning_rate=0.1, hidden=(40,), steps=400
)
FULL = QUICK.replace(dataset="mnist", hidden=(100,), steps=3000)
"""`hidden` gives the width of every layer; how many there are, DEPTHS tells."""
DEPTHS = {"shallow": 2, "deep": 6}
ACTIVATIONS = {"sigmoid": "sigmoid", "relu": "ReLU"}

FAILED, LEARNED = 0.5, 0.9
"""A network that ends below FAILED is said to have failed, from LEARNED on to have learned; what lies between is
slow. Networks whose gradient vanishes end near guessing, 10 %, and trainable ones well above 90 %."""
EARLY = 0.1
"""The share of training over which the gradient is looked at: later, what is learned has no gradient either."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Both nonlinearities, both depths, without batch norm and with it."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(
            name(depth, activation, kind),
            f"{depth} {ACTIVATIONS[activation]}, {LABELS[kind]}",
            base.replace(activation=activation, hidden=base.hidden * layers, normalizer=kind),
        )
        for depth, layers in DEPTHS.items()
        for activation in ACTIVATIONS
        for kind in KINDS
    )


def name(depth: str, activation: str, kind: str) -> str:
    """The arm's name."""
    return f"{depth}-{activation}-{'bn' if kind == 'batch' else 'plain'}"


def early_gradient(recording: Recording, layer: int) -> float:
    """The median norm of the gradient with respect to a layer's weights, early in training; NaN before there is any."""
    early = recording.steps <= max(1.0, EARLY * recording.experiment.steps)
    norms = recording.layer_column(layer, "grad_norm")[early]
    norms = norms[np.isfinite(norms)]
    return float(np.median(norms)) if norms.size else math.nan


def saturated(recording: Recording, layer: int) -> float:
    """The share of a layer's sigmoids that is saturated, or of its ReLUs that is dead, averaged over the records."""
    column = "dead" if recording.experiment.activation == "relu" else "saturated"
    values = recording.layer_column(layer, column)
    return float(values.mean()) if values.size else math.nan


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Accuracy by depth, and by layer the gradient and the share saturated in the deep networks."""
    ends = ladder.draw(
        {
            title: [
                line(result, kind, [name(depth, activation, kind) for depth in DEPTHS], final_accuracy)
                for kind in KINDS
            ]
            for activation, title in ACTIVATIONS.items()
        },
        [f"{layers} layers" for layers in DEPTHS.values()],
        Scale("accuracy", percent=True, reference=(guessing(result.shown(view)[0]), "guessing")),
        title="Accuracy at the end, shallow and deep",
        subtitle="Held-out accuracy; same learning rate and same steps for all. A dot for each seed.",
        rung_title="hidden layers",
        **view.looks,
    )
    layers = range(1, DEPTHS["deep"] + 1)
    gradients = ladder.draw(
        _by_layer(result, early_gradient),
        [str(layer) for layer in layers],
        Scale("gradient norm (log)", logarithmic=True),
        title="How much of the gradient arrives at each layer of the deep networks",
        subtitle=f"Norm of the loss gradient with respect to the layer’s weights, median over the first {EARLY:.0%} of "
        "training. A dot for each seed.",
        rung_title="layer, 1 at the input",
        **view.looks,
    )
    flat = ladder.draw(
        _by_layer(result, saturated),
        [str(layer) for layer in layers],
        Scale("share", percent=True),
        title="Saturated sigmoids and dead ReLUs of the deep networks",
        subtitle="Sigmoid: share of inputs where the slope is below 5 % of its maximum. ReLU: share of units silent "
        "for every probe example. Averaged over training; a dot for each seed.",
        rung_title="layer, 1 at the input",
        **view.looks,
    )
    deep = [arm for arm in result.arms if arm.name.startswith("deep")]
    looks = (WITHOUT, WITH, (MORE[2][0], "dot"), MORE[0])
    curves = race.draw(
        [
            Runner(arm.label.removeprefix("deep "), look, result.shown(view, arm.name)[0])
            for arm, look in zip(deep, looks, strict=True)
        ],
        title="The four deep networks while they train",
        subtitle="Share of held-out examples classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing("accuracy", ends, "Depth is what the sigmoid without batch norm cannot take."),
        Drawing(
            "gradients", gradients, "A line that falls steeply to the left: the first layers learn nothing."
        ),
        Drawing(
            "saturated",
            flat,
            "Whether flat zones are the reason. In this setting, look before you believe it.",
        ),
        Drawing(
            "curves",
            curves,
            "How long the sigmoids without batch norm stay at guessing, if they ever leave it.",
        ),
    )


def _by_layer(result: Result, number: Callable[[Recording, int], float]) -> dict[str, list[Series]]:
    """For each nonlinearity the lines of the deep networks: a number for each layer."""
    layers = range(1, DEPTHS["deep"] + 1)
    return {
        title: [
            Series(
                LABELS[kind],
                LOOKS[kind],
                np.array(
                    [
                        [number(recording, layer) for layer in layers]
                        for recording in result.recordings(name("deep", activation, kind))
                    ]
                ),
            )
            for kind in KINDS
        ]
        for activation, title in ACTIVATIONS.items()
    }


def verdict(result: Result) -> Verdict:
    """Deep sigmoids fail without batch norm, and learn with it."""
    ends = {arm.name: result.each(final_accuracy, arm.name) for arm in result.arms}
    deep_plain, deep_bn = ends["deep-sigmoid-plain"], ends["deep-sigmoid-bn"]
    gains = {
        activation: tuple(
            np.subtract(
                ends[name("deep", activation, "batch")], ends[name("deep", activation, "none")]
            ).tolist()
        )
        for activation in ACTIVATIONS
    }
    first = partial(early_gradient, layer=1)
    last = partial(early_gradient, layer=DEPTHS["deep"])
    arriving = {
        kind: quotients(
            result.each(first, name("deep", "sigmoid", kind)),
            result.each(last, name("deep", "sigmoid", kind)),
        )
        for kind in KINDS
    }
    measured = {
        f"accuracy_{key.replace('-', '_')}": Measure(f"final accuracy, {key}", ends[key]) for key in ends
    }
    measured |= {
        "gain_sigmoid": Measure("accuracy gained by batch norm, deep sigmoid", gains["sigmoid"]),
        "gain_relu": Measure("accuracy gained by batch norm, deep ReLU", gains["relu"]),
        "arriving_plain": Measure(
            "gradient norm of layer 1 over that of the last, deep sigmoid", arriving["none"]
        ),
        "arriving_bn": Measure("the same with batch norm", arriving["batch"]),
        "saturated_plain": Measure(
            "saturated share of the last layer, deep sigmoid",
            result.each(partial(saturated, layer=DEPTHS["deep"]), "deep-sigmoid-plain"),
        ),
    }
    failed = {key for key, values in ends.items() if key.startswith("deep") and np.median(values) < FAILED}
    return Verdict(
        holds=agreed(
            [
                plain < FAILED and normalized >= LEARNED and sigmoid > relu
                for plain, normalized, sigmoid, relu in zip(
                    deep_plain, deep_bn, gains["sigmoid"], gains["relu"], strict=True
                )
            ]
        ),
        sentence=f"Six layers of sigmoids ended at {measured['accuracy_deep_sigmoid_plain'].median:.1%} without and "
        f"{measured['accuracy_deep_sigmoid_bn'].median:.1%} with batch norm; six of ReLU at "
        f"{measured['accuracy_deep_relu_plain'].median:.1%} and {measured['accuracy_deep_relu_bn'].median:.1%}. Of the "
        f"gradient at the last sigmoid layer {measured['arriving_plain'].median:.1e} of its norm arrived at the first "
        f"without, {measured['arriving_bn'].median:.2g} with it, while only "
        f"{measured['saturated_plain'].median:.1%} of the last layer’s sigmoids were saturated without it.",
        criterion=f"In every seed, the deep sigmoid network ends below {FAILED:.0%} without batch norm and at "
        f"{LEARNED:.0%} or more with it, and it gains more by it than the deep ReLU network.",
        measured=measured,
        answer=ANSWERS.get(frozenset(failed), "other"),
    )


ANSWERS = {
    frozenset(): "none",
    frozenset({"deep-sigmoid-plain"}): "sigmoid-plain",
    frozenset({"deep-sigmoid-plain", "deep-relu-plain"}): "both-plain",
    frozenset({"deep-sigmoid-plain", "deep-sigmoid-bn"}): "both-sigmoid",
}

LAB = Lab(
    number=4,
    name="saturation",
    title="Saturating nonlinearities become trainable",
    quote="makes it notoriously hard to train models with saturating nonlinearities",
    section="1 (quoted from the abstract, on training without batch normalization)",
    question=f"Four deep networks, {DEPTHS['deep']} hidden layers each: sigmoid or ReLU, with batch norm or without. "
    f"Which of them end below {FAILED:.0%}?",
    prediction=Choice(
        {
            "none": "none of them",
            "sigmoid-plain": "only the sigmoids without batch norm",
            "both-plain": "sigmoid and ReLU without batch norm",
            "both-sigmoid": "the sigmoids, with and without batch norm",
            "other": "others",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
The gradient on its way back is multiplied, in every layer, by the slope of the nonlinearity. A sigmoid’s slope is

$$\sigma'(x) = \sigma(x)\,(1-\sigma(x)) \le \tfrac14$$

and almost 0 where the sigmoid is saturated. ReLU’s slope is 1 wherever it is not 0.

The paper’s account: changes in the layers below push $x$ into the saturated zones, and batch normalization keeps it
out of them. That is one way to lose the gradient; this lab’s networks mostly show another. Started with Xavier’s
weights, few of the plain network’s sigmoids are saturated. But a layer whose inputs hardly vary passes on hardly any
variation, and each layer multiplies the gradient by at most ¼ times its weights, so that little is left at the first.
Batch normalization restores the variation in every layer on the way up, and divides by the small standard deviation
on the way back. To see saturation itself, start the lab *initialization* with large weights.

Two layers do without: the shallow networks all learn, only at different speeds.
""",
)
