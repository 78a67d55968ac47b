"""Lab stop-gradient: Section 2's blow-up, where the gradient step takes the statistics for constants."""

from __future__ import annotations

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.traces import Trace, traces
from bnviz.figures.frame.palette import MORE, WITH, WITHOUT
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, quotients

QUICK = Experiment(
    dataset="digits", activation="relu", init="kaiming", init_scale=1.0, learning_rate=0.1, steps=400
)
FULL = QUICK.replace(dataset="mnist", steps=1500)

ARMS = {
    "stop-mean": ("μ held constant", "batch-stop-mean", WITHOUT),
    "stop-statistics": ("μ and σ² held constant", "batch-stop-statistics", MORE[2]),
    "through": ("gradient through μ and σ²", "batch-no-affine", WITH),
}
"""Words, the value of the field `normalizer`, and look."""

UNBOUNDED = 0.5
"""Of its growth in the first half of the steps b must add at least this share in the second: it does not level off."""
UNMOVED = 0.01
"""The share of the promised fall of the loss that counts as no fall. Rounding makes about a millionth of it."""
WELL = 1e-3
"""With the gradient through the statistics b may grow to this share of what it grows to without. Rounding makes
about a millionth of it."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The mean held constant in the gradient, mean and variance so, and neither; all without γ and β."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name, label, base.replace(normalizer=normalizer)) for name, (label, normalizer, _) in ARMS.items()
    )


def lines(result: Result, view: View, steps: str, values: str) -> list[Trace]:
    """What was measured over the steps, for each arm, in the seed that is shown."""
    seed = min(view.seed, result.setting.seed_count - 1)
    found = {name: result.inspections(name)[seed] for name in ARMS}
    return [
        Trace(label, look, found[name].get(steps, np.empty(0)), found[name].get(values, np.empty(0)))
        for name, (label, _, look) in ARMS.items()
    ]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Where b alone learns: b and the loss. In training: b and the loss."""
    alone = lines(result, view, "alone_steps", "alone_loss")
    last = int(alone[0].steps[-1]) if alone[0].steps.size else 200
    promise = lines(result, view, "alone_steps", "alone_promised")[0]
    fall = alone[0].values[:1] - promise.values  # empty before there is anything
    promised = Trace(
        "what the gradient promised", (MORE[1][0], "dot"), promise.steps, np.where(fall < 0, np.nan, fall)
    )
    whole = result.arms[0].experiment.steps
    held = "Everything else is held still, from the initial weights on. "
    return (
        Drawing(
            "alone-b",
            traces.draw(
                {"": lines(result, view, "alone_steps", "alone_bias")},
                Scale("norm of b"),
                last,
                title="b alone learns: how large it gets",
                subtitle=f"{held}Norm of the b of all hidden layers together.",
                **view.looks,
            ),
            "The paper’s own thought. The gradient keeps asking for a larger b, and never gets what it asks for.",
        ),
        Drawing(
            "alone-loss",
            traces.draw(
                {"": [*alone, promised]},
                Scale("cross-entropy (nats)"),
                last,
                title="b alone learns: what the loss does",
                subtitle=f"{held}Loss by mini-batch statistics on 512 fixed training examples; dotted, what the steps "
                "with the mean held constant should have made of it: each promises rate × squared gradient norm.",
                **view.looks,
            ),
            "All three lines lie on each other and are level. b is subtracted again with the mean.",
        ),
        Drawing(
            "training-b",
            traces.draw(
                {"": lines(result, view, "steps", "bias")},
                Scale("norm of b"),
                whole,
                title="All parameters learn: how large b gets",
                subtitle="Norm of the b of all hidden layers together, while W learns as well.",
                **view.looks,
            ),
            "The same in real training. Where the gradient passes through the statistics, b stays where it was.",
        ),
        Drawing(
            "training-loss",
            traces.draw(
                {"": lines(result, view, "steps", "loss")},
                Scale("cross-entropy (nats, log)", logarithmic=True),
                whole,
                title="All parameters learn: what the loss does",
                subtitle="Loss by mini-batch statistics on 512 fixed training examples.",
                **view.looks,
            ),
            "The wrong gradient is wrong for W too: at first the loss falls, then it may well rise.",
        ),
    )


def verdict(result: Result) -> Verdict:
    """Where the mean is held constant, b grows and the loss stays; where it is not, b stays."""
    found = {name: result.inspections(name) for name in ARMS}
    grown = {name: tuple(float(item["alone_bias"][-1]) for item in found[name]) for name in ARMS}
    later = {
        name: quotients(
            [float(item["alone_bias"][-1] - _middle(item["alone_bias"])) for item in found[name]],
            [_middle(item["alone_bias"]) for item in found[name]],
        )
        for name in ARMS
    }
    falls = {
        name: quotients(
            [float(item["alone_loss"][0] - item["alone_loss"][-1]) for item in found[name]],
            [float(item["alone_promised"][-1]) for item in found[name]],
        )
        for name in ARMS
    }
    measured: dict[str, Measure] = {}
    for name, (label, *_) in ARMS.items():
        key = name.replace("-", "_")
        measured |= {
            f"b_alone_{key}": Measure(f"norm of b at the end where b alone learns, {label}", grown[name]),
            f"b_later_{key}": Measure(
                f"its growth in the second half of the steps over that in the first, {label}", later[name]
            ),
            f"fall_{key}": Measure(
                f"fall of the loss, as a share of the fall promised, {label}", falls[name]
            ),
            f"b_training_{key}": Measure(
                f"norm of b at the end of training, {label}", _ends(result, name, "bias")
            ),
            f"loss_training_{key}": Measure(
                f"loss at the end of training, {label}", _ends(result, name, "loss")
            ),
            f"accuracy_{key}": Measure(f"final accuracy, {label}", result.each(final_accuracy, name)),
        }
        if name != "through":  # where next to nothing is promised
            measured[f"fall_{key}"] = Measure(
                f"fall of the loss over the fall promised, {label}", falls[name]
            )
    b, well = measured["b_alone_stop_mean"], measured["b_alone_through"]
    growing = [value >= UNBOUNDED for value in later["stop-mean"]]
    unmoved = [abs(value) <= UNMOVED for value in falls["stop-mean"]]
    kept = [right <= WELL * wrong for right, wrong in zip(grown["through"], grown["stop-mean"], strict=True)]
    return Verdict(
        holds=agreed([all(seed) for seed in zip(growing, unmoved, kept, strict=True)]),
        sentence=f"With the mean held constant, b alone learning grew to {b.median:.3g}{b.over_seeds}, in the second "
        f"half of the steps {measured['b_later_stop_mean'].median:.2g} times as much as in the first, and the loss "
        f"fell by {measured['fall_stop_mean'].median:.1g} of what its steps promised. With the gradient through the "
        f"statistics b came to {well.median:.1g}. In training, all learning, the three ended with a loss of "
        f"{measured['loss_training_stop_mean'].median:.2g} (mean constant), "
        f"{measured['loss_training_stop_statistics'].median:.2g} (variance too) and "
        f"{measured['loss_training_through'].median:.2g} (through both).",
        criterion=f"In every seed, where b alone learns with the mean held constant, b grows in the second half of the "
        f"steps at least {UNBOUNDED:g} times as much as in the first and the loss falls by at most {UNMOVED:.0%} of "
        f"what the steps promised; with the gradient through the statistics b stays below {WELL:g} of that.",
        measured=measured,
        answer=_answer(growing, unmoved),
    )


def _middle(values: np.ndarray) -> float:
    return float(values[len(values) // 2])


def _ends(result: Result, name: str, what: str) -> tuple[float, ...]:
    return tuple(float(item[what][-1]) for item in result.inspections(name))


def _answer(growing: list[bool], unmoved: list[bool]) -> str | None:
    grows, stays = agreed(growing), agreed(unmoved)
    if grows is None or stays is None:
        return None
    return {
        (True, True): "grows-stays",
        (True, False): "grows-falls",
        (False, True): "settles-stays",
        (False, False): "settles-falls",
    }[grows, stays]


LAB = Lab(
    number=11,
    name="stop-gradient",
    title="A gradient that forgets the statistics",
    quote="As the training continues, b will grow indefinitely while the loss remains fixed",
    section="2",
    question="Normalization subtracts the mean of x = Wu + b, but the gradient step takes that mean for a constant. "
    "Only b learns. What happens?",
    prediction=Choice(
        {
            "grows-falls": "b grows and the loss falls",
            "grows-stays": "b grows and grows, the loss does not move",
            "settles-falls": "b settles, the loss falls",
            "settles-stays": "b settles, the loss does not move",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Let $\hat x = x - \operatorname{E}[x]$ with $x = u + b$. Whoever forgets that $\operatorname{E}[x]$ depends on $b$
computes $\partial \hat x / \partial b = 1$ and takes the step $\Delta b = -\eta\, \partial \ell / \partial \hat x$.
Then

$$u + (b + \Delta b) - \operatorname{E}[u + (b + \Delta b)] = u + b - \operatorname{E}[u + b]$$

Nothing has changed, so the same examples give the same gradient again, and b takes the same step again. With the
gradient through the statistics, which batch normalization has (Section 3), $\partial \hat x / \partial b$ is
$1 - 1 = 0$: b receives no gradient at all, and is left out as redundant (Section 3.2).

Only the normalizer differs between the three networks. None has γ and β, since β would take over what b tries to do.
To measure b where it is redundant, it is put back for the measurement.

**The variance too.** The paper says that it can get worse when the activations are scaled as well. Then W too takes
steps toward a scale that is divided out again. Compare the two lines in the last two figures: whether it is worse, and
when, is for this run to say.

**"Blow up".** The paper reports that its model blew up. In the runs that this lab was made from, b grew step by step
as predicted, and while W learned as well the loss fell at first and then rose again, as the gradient is wrong for W
too; it did not become infinite.
""",
    inspection="bnviz.engine.inspections.bias:followed",
    inspection_trains=True,
)
