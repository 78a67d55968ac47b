"""Lab saturation: deep networks of sigmoids, whose gradient vanishes, and which of them batch normalization trains.

The name stands in links. What is measured here is that the gradient vanishes, with saturation and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from bnviz.experiment import Experiment, presets
from bnviz.figures.charts.by_setting import Series, by_setting
from bnviz.figures.charts.figure_2 import Network, figure_2
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.lines import KINDS, LABELS, LOOKS, line
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, guessing, percent, quotients
from bnviz.recording import Recording

QUICK = Experiment(
    dataset="digits", init="xavier", init_scale=1.0, learning_rate=0.1, hidden=(40,), steps=400
)
FULL = QUICK.replace(dataset="mnist", hidden=(100,), steps=3000)
"""`hidden` gives the width of every layer; how many there are, DEPTHS tells."""
IMAGES = presets["inception"].replace(learning_rate=0.0075)
"""The deep network; the shallow one is its stem and its first block. The rate is that of the paper's BN-x5-Sigmoid."""
DEPTHS = {"shallow": 2, "deep": 6}
IMAGE_DEPTHS = {"shallow": 2, "deep": 4}
"""The stem and one block, and the stem and three blocks: 4 and 10 convolutions one behind the other."""
ACTIVATIONS = {"sigmoid": "sigmoid", "relu": "ReLU"}

FAILED, LEARNED = 0.5, 0.9
"""A network that ends below FAILED is said to have failed, from LEARNED on to have learned; what lies between is
slow. Networks whose gradient vanishes end near guessing, 10 %, and trainable ones well above 90 %."""
IMAGES_FAILED, IMAGES_LEARNED = 0.2, 0.3
"""The same for images, where training ends long before its best: guessing is 10 %. The network of sigmoids ended at 9 %
without batch norm and at 46 % with it (one seed); in inference mode it moves by 10 % between evaluations."""
EARLY = 0.1
"""The share of training over which the gradient is looked at: later, what is learned has no gradient either."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """Both nonlinearities, both depths, without batch norm and with it."""
    base = setting.base(QUICK, FULL, IMAGES)
    return tuple(
        Arm(
            name(depth, activation, kind),
            f"{depth} {ACTIVATIONS[activation]}, {LABELS[kind]}",
            base.replace(activation=activation, hidden=hidden, normalizer=kind),
        )
        for depth, hidden in _widths(base, setting).items()
        for activation in ACTIVATIONS
        for kind in KINDS
    )


def _widths(base: Experiment, setting: Setting) -> dict[str, tuple[int, ...]]:
    """Of the shallow and of the deep networks."""
    if setting.images:
        return {depth: base.hidden[:layers] for depth, layers in IMAGE_DEPTHS.items()}
    return {depth: base.hidden * layers for depth, layers in DEPTHS.items()}


def deepest(result: Result) -> int:
    """The number of layers, or of stem and blocks, of the deep networks."""
    return max(len(arm.experiment.hidden) for arm in result.arms)


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
    ends = by_setting.draw(
        {
            title: [
                line(result, kind, [name(depth, activation, kind) for depth in DEPTHS], final_accuracy)
                for kind in KINDS
            ]
            for activation, title in ACTIVATIONS.items()
        },
        _depths(result),
        Scale("accuracy", percent=True, reference=(guessing(result.shown(view)[0]), "guessing")),
        title="Accuracy at the end, shallow and deep",
        subtitle="Held-out accuracy; same learning rate and same steps for all. A dot for each seed.",
        setting_title="blocks behind the stem" if result.setting.images else "hidden layers",
        **view.looks,
    )
    layers = result.shown(view, "deep-sigmoid-plain")[0].layer_names
    short_names = [each.removeprefix("layer ") for each in layers]
    direction = "stem at the input" if result.setting.images else "layer, 1 at the input"
    gradients = by_setting.draw(
        _by_layer(result, early_gradient),
        short_names,
        Scale("gradient norm (log)", logarithmic=True),
        title="The gradient in each layer of the deep networks",
        subtitle=f"Norm of the loss gradient with respect to the layer’s weights, median over the first "
        f"{percent(EARLY, 0)} of training. A dot for each seed.",
        setting_title=direction,
        **view.looks,
    )
    flat = by_setting.draw(
        _by_layer(result, saturated),
        short_names,
        Scale("share", percent=True),
        title="Saturated sigmoids and dead ReLUs of the deep networks",
        subtitle="Sigmoid: share of inputs where the slope is below 5 % of its maximum. ReLU: share of units whose "
        "output is 0 for every probe example. Averaged over training; a dot for each seed.",
        setting_title=direction,
        **view.looks,
    )
    deep = [arm for arm in result.arms if arm.name.startswith("deep")]
    looks = (WITHOUT, WITH, (MORE[2][0], "dot"), MORE[0])
    curves = figure_2.draw(
        [
            Network(arm.label.removeprefix("deep "), look, result.shown(view, arm.name)[0])
            for arm, look in zip(deep, looks, strict=True)
        ],
        title="The four deep networks while they train",
        subtitle="Share of held-out examples classified correctly, in inference mode.",
        **view.looks,
    )
    return (
        Drawing(
            "accuracy",
            ends,
            f"Compare {_depths(result)[0]} with {_depths(result)[1]}: which networks lose accuracy with depth?",
        ),
        Drawing(
            "gradients",
            gradients,
            "Read from right to left, as the gradient goes. Where a line falls, the first layers get almost no "
            "gradient.",
        ),
        Drawing(
            "saturated",
            flat,
            "Are saturated sigmoids the reason? " + _reason(result),
        ),
        Drawing(
            "curves",
            curves,
            "Look for the networks that stay at guessing, and for how long.",
        ),
    )


def _depths(result: Result) -> list[str]:
    """What the shallow and the deep networks are called."""
    if result.setting.images:
        return ["1 block", f"{deepest(result) - 1} blocks"]
    return [f"{layers} layers" for layers in DEPTHS.values()]


def _reason(result: Result) -> str:
    """What share of the last layer's sigmoids was saturated where the deep network fails, in words."""
    shares = Measure("", result.each(partial(saturated, layer=deepest(result)), "deep-sigmoid-plain"))
    if not result.finished or math.isnan(shares.median):
        return "See what share of them is saturated without batch norm."
    return f"In this run {percent(shares.median)} of the last layer’s sigmoids were saturated without batch norm."


def _by_layer(result: Result, number: Callable[[Recording, int], float]) -> dict[str, list[Series]]:
    """For each nonlinearity the lines of the deep networks: a number for each layer."""
    layers = range(1, deepest(result) + 1)
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
    last = partial(early_gradient, layer=deepest(result))
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
            result.each(partial(saturated, layer=deepest(result)), "deep-sigmoid-plain"),
        ),
    }
    failing, learning = (IMAGES_FAILED, IMAGES_LEARNED) if result.setting.images else (FAILED, LEARNED)
    deep_ends = {key: values for key, values in ends.items() if key.startswith("deep")}
    failed = {key for key, values in deep_ends.items() if np.median(values) < failing}
    what, first_layer, last_layer = (
        ("The Inception network", "the stem", "the last block")
        if result.setting.images
        else ("The network of six layers", "layer 1", f"layer {deepest(result)}")
    )
    return Verdict(
        holds=agreed(
            [
                plain < failing and normalized >= learning and sigmoid > relu
                for plain, normalized, sigmoid, relu in zip(
                    deep_plain, deep_bn, gains["sigmoid"], gains["relu"], strict=True
                )
            ]
        ),
        sentence=f"{what} ended with sigmoids at {percent(measured['accuracy_deep_sigmoid_plain'].median)} without "
        f"batch norm and at {percent(measured['accuracy_deep_sigmoid_bn'].median)} with it, with ReLU at "
        f"{percent(measured['accuracy_deep_relu_plain'].median)} and "
        f"{percent(measured['accuracy_deep_relu_bn'].median)}. With sigmoids the gradient of {first_layer} was "
        f"{short(measured['arriving_plain'].median)} times that of {last_layer} without batch norm, and "
        f"{short(measured['arriving_bn'].median)} times with it.",
        criterion=f"In every seed: the deep sigmoid network ends below {percent(failing, 0)} without batch norm and at "
        f"{percent(learning, 0)} or more with it, and batch norm raises its accuracy more than that of the deep ReLU "
        "network.",
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
    title="Deep networks of sigmoids",
    quote="makes it notoriously hard to train models with saturating nonlinearities",
    section="1 (quoted from the abstract, on training without batch normalization)",
    question="Four deep networks: with sigmoids or ReLU, with batch norm or without. "
    f"Which of them end below {percent(FAILED, 0)} accuracy (with images: below {percent(IMAGES_FAILED, 0)})?",
    prediction=Choice(
        {
            "none": "none",
            "sigmoid-plain": "only sigmoid without batch norm",
            "both-plain": "sigmoid and ReLU, both without batch norm",
            "both-sigmoid": "sigmoid, with and without batch norm",
            "other": "another combination",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    images=True,
    explanation=r"""
In the backward pass every layer multiplies the gradient by the slope of its nonlinearity. The slope of a sigmoid is

$$
\sigma'(x) = \sigma(x)\,(1-\sigma(x)) \le \tfrac14
$$

It is almost 0 where the sigmoid is saturated. The slope of ReLU is 1 where its input is positive.

**The paper’s account.** The layers below change and push $x$ into the saturated zones. There the gradient vanishes.
Batch normalization keeps $x$ out of them.

**Another way to lose the gradient.** It also vanishes where no sigmoid is saturated. Each layer multiplies the
gradient by at most ¼ times its weights. And a layer whose inputs hardly vary passes on even less variation. Batch
normalization restores the variation in every layer of the forward pass. In the backward pass it divides by the small
standard deviation. The third figure shows which of the two ways this run took.

**To see saturation itself**, open the lab *initialization* and look at its largest initial weights.

**Depth matters.** Compare the shallow sigmoid network: it has the same nonlinearity and the same learning rate.
""",
)
