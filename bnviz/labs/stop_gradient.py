"""Lab stop-gradient: Section 2's blow-up, where the gradient step treats the statistics as constants."""

from __future__ import annotations

import numpy as np

from bnviz.experiment import Experiment
from bnviz.figures.charts.over_steps import Curve, over_steps
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import MORE, WITH
from bnviz.figures.frame.scale import Scale
from bnviz.labs.base import Arm, Drawing, Lab, Result, Setting, View
from bnviz.labs.predictions import Choice
from bnviz.labs.verdicts import Measure, Verdict, agreed, final_accuracy, percent, quotients

QUICK = Experiment(
    dataset="digits", activation="relu", init="kaiming", init_scale=1.0, learning_rate=0.1, steps=400
)
FULL = QUICK.replace(dataset="mnist", steps=1500)

ARMS = {
    "stop-mean": ("μ held constant", "batch-stop-mean", MORE[0]),
    "stop-statistics": ("μ and σ² held constant", "batch-stop-statistics", MORE[2]),
    "through": ("gradient through μ and σ²", "batch-no-affine", WITH),
}
"""Words, the value of the field `normalizer`, and look."""

UNBOUNDED = 0.5
"""Of its growth in the first half of the steps b must add at least this share in the second: it does not level off."""
UNMOVED = 0.01
"""The share of the predicted fall of the loss that counts as no fall. Rounding makes about a millionth of it."""
WELL = 1e-3
"""With the gradient through the statistics b may grow to this share of what it grows to without. Rounding makes
about a millionth of it."""


def arms(setting: Setting) -> tuple[Arm, ...]:
    """The mean held constant in the gradient, mean and variance so, and neither; all without γ and β."""
    base = setting.base(QUICK, FULL)
    return tuple(
        Arm(name, label, base.replace(normalizer=normalizer)) for name, (label, normalizer, _) in ARMS.items()
    )


def lines(result: Result, view: View, steps: str, values: str) -> list[Curve]:
    """What was measured over the steps, for each arm, in the seed that is shown."""
    seed = min(view.seed, result.setting.seed_count - 1)
    found = {name: result.inspections(name)[seed] for name in ARMS}
    return [
        Curve(label, look, found[name].get(steps, np.empty(0)), found[name].get(values, np.empty(0)))
        for name, (label, _, look) in ARMS.items()
    ]


def figures(result: Result, view: View) -> tuple[Drawing, ...]:
    """Where b alone learns: b and the loss. In training: b and the loss."""
    alone = lines(result, view, "alone_steps", "alone_loss")
    last = int(alone[0].steps[-1]) if alone[0].steps.size else 200
    promise = lines(result, view, "alone_steps", "alone_promised")[0]
    fall = alone[0].values[:1] - promise.values  # empty before there is anything
    promised = Curve(
        "predicted by the gradient", (MORE[1][0], "dot"), promise.steps, np.where(fall < 0, np.nan, fall)
    )
    whole = result.arms[0].experiment.steps
    held = "All other parameters keep their first values. "
    return (
        Drawing(
            "alone-b",
            over_steps.draw(
                {"": lines(result, view, "alone_steps", "alone_bias")},
                Scale("norm of b"),
                last,
                title="Only b learns: the norm of b",
                subtitle=f"{held}Norm of the b of all hidden layers together.",
                **view.looks,
            ),
            "The paper’s thought experiment. Does b keep growing, or does it level off?",
        ),
        Drawing(
            "alone-loss",
            over_steps.draw(
                {"": [*alone, promised]},
                Scale("cross-entropy (nats)"),
                last,
                title="Only b learns: the loss",
                subtitle=f"{held}Loss by mini-batch statistics on 512 fixed training examples. Dotted: the loss that "
                "the steps with μ constant predict; each predicts a fall of rate × squared gradient norm.",
                **view.looks,
            ),
            "The mean contains b, so subtracting the mean removes b again. " + _moved(result),
        ),
        Drawing(
            "training-b",
            over_steps.draw(
                {"": lines(result, view, "steps", "bias")},
                Scale("norm of b"),
                whole,
                title="All parameters learn: the norm of b",
                subtitle="Norm of the b of all hidden layers together, while W learns as well.",
                **view.looks,
            ),
            "The same in real training. Compare the network whose gradient passes through the statistics with the "
            "others.",
        ),
        Drawing(
            "training-loss",
            over_steps.draw(
                {"": lines(result, view, "steps", "loss")},
                Scale("cross-entropy (nats, log)", logarithmic=True),
                whole,
                title="All parameters learn: the loss",
                subtitle="Loss by mini-batch statistics on 512 fixed training examples.",
                **view.looks,
            ),
            "The wrong gradient is wrong for W too. Does the loss keep falling?",
        ),
    )


def _moved(result: Result) -> str:
    """How far the loss moved where b alone learns with the mean held constant, in words."""
    moved = [
        float(np.abs(np.asarray(item["alone_loss"]) - item["alone_loss"][0]).max())
        for item in result.inspections("stop-mean")
        if item
    ]
    if not moved:
        return "Does the loss move?"
    return f"With μ constant the loss moved by at most {short(max(moved))} nats."


def verdict(result: Result) -> Verdict:
    """Where the mean is held constant, b grows and the loss stays; where it is not, b stays."""
    found = {name: result.inspections(name) for name in ARMS}
    grown = {name: tuple(float(item["alone_bias"][-1]) for item in found[name]) for name in ARMS}
    later = {
        name: quotients(
            [float(item["alone_bias"][-1] - _halfway(item["alone_bias"])) for item in found[name]],
            [_halfway(item["alone_bias"]) for item in found[name]],
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
            f"b_alone_{key}": Measure(f"norm of b at the end where only b learns, {label}", grown[name]),
            f"b_later_{key}": Measure(
                f"growth of b in the second half of the steps over that in the first, {label}", later[name]
            ),
            f"fall_{key}": Measure(
                f"fall of the loss, as a share of the predicted fall, {label}", falls[name]
            ),
            f"b_training_{key}": Measure(
                f"norm of b at the end of training, {label}", _ends(result, name, "bias")
            ),
            f"loss_training_{key}": Measure(
                f"loss at the end of training, {label}", _ends(result, name, "loss")
            ),
            f"accuracy_{key}": Measure(f"final accuracy, {label}", result.each(final_accuracy, name)),
        }
    # Through the statistics the gradient of b is rounding alone, and so is the fall that it predicts.
    del measured["fall_through"]
    b, well = measured["b_alone_stop_mean"], measured["b_alone_through"]
    growing = [value >= UNBOUNDED for value in later["stop-mean"]]
    unmoved = [abs(value) <= UNMOVED for value in falls["stop-mean"]]
    kept = [right <= WELL * wrong for right, wrong in zip(grown["through"], grown["stop-mean"], strict=True)]
    return Verdict(
        holds=agreed([all(seed) for seed in zip(growing, unmoved, kept, strict=True)]),
        sentence=f"Only b learns: with μ held constant its norm grew to {short(b.median)}{b.over_seeds}. In the second "
        f"half of the steps it grew {short(measured['b_later_stop_mean'].median)} times as much as in the first. "
        f"The loss fell by {_share(measured['fall_stop_mean'].median)} of what the gradient predicted. With the "
        f"gradient through μ and σ² the norm stayed at {short(well.median)}. All parameters learn: the loss ended at "
        f"{short(measured['loss_training_stop_mean'].median)} with μ constant, at "
        f"{short(measured['loss_training_stop_statistics'].median)} with μ and σ² constant, and at "
        f"{short(measured['loss_training_through'].median)} with the gradient through both.",
        criterion="In every seed, where only b learns: with μ held constant, b grows in the second half of the steps "
        f"at least {UNBOUNDED:g} times as much as in the first, and the loss falls by at most {percent(UNMOVED, 0)} of "
        f"what the gradient predicts; with the gradient through μ and σ², b stays below {WELL:g} times that size.",
        measured=measured,
        answer=_answer(growing, unmoved),
    )


def _share(value: float) -> str:
    """A share in words; what is 0 but for rounding may be a little below 0."""
    return "less than 0.1 %" if abs(value) < 5e-4 else percent(value)


def _halfway(values: np.ndarray) -> float:
    """The value after half of the steps."""
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
    title="A gradient without the statistics",
    quote="As the training continues, b will grow indefinitely while the loss remains fixed",
    section="2",
    question="We subtract the mean of x = Wu + b, but the gradient treats this mean as a constant. Only b learns. What "
    "happens?",
    prediction=Choice(
        {
            "grows-falls": "b grows without end, the loss falls",
            "grows-stays": "b grows without end, the loss stays",
            "settles-falls": "b levels off, the loss falls",
            "settles-stays": "b levels off, the loss stays",
        }
    ),
    arms=arms,
    figures=figures,
    verdict=verdict,
    explanation=r"""
Let $\hat x = x - \mathrm{E}[x]$ with $x = u + b$. A gradient that ignores that $\mathrm{E}[x]$ depends on $b$ has
$\partial \hat x / \partial b = 1$, and takes the step $\Delta b = -\eta\, \partial \ell / \partial \hat x$. Then

$$
\begin{matrix}
u + (b + \Delta b) - \mathrm{E}[u + (b + \Delta b)] \\
= u + b - \mathrm{E}[u + b]
\end{matrix}
$$

Nothing has changed. So the same examples give the same gradient again, and b takes the same step again. Batch
normalization differentiates through the statistics (Section 3). Then $\partial \hat x / \partial b$ is $1 - 1 = 0$: b
gets no gradient. The paper leaves it out as redundant (Section 3.2).

**The three networks** differ only in the normalizer. None has γ and β, as β would do what b tries to do. Where b is
redundant, it is put back so that it can be measured.

**The variance too.** The paper says that it can get worse when the activations are scaled as well. Then W also takes
steps toward a scale that is divided out again. Compare the two lines in the last two figures: is it worse here, and
when?

**“Blow up”.** The paper reports that its model blew up. The last two figures show what happens here when W learns
too: how far b grows, and whether the loss stays finite.
""",
    inspection="bnviz.engine.inspections.bias:followed",
    inspection_trains=True,
)
