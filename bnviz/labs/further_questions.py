"""Two questions on each lab, for its worksheet: to be answered in a few lines, once the lab was run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

USUAL = (
    "Which number decided the verdict, and how far was it from the limit of the rule?",
    "What else could explain what you saw? Name one run that could tell the explanations apart.",
)
"""For a lab that is not named below."""

QUESTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "figure-1": (
            "The layer’s own weights change in both networks. Why do its inputs travel less with batch norm?",
            "Stable inputs and fast training come together here. Does this show that one is the cause of the other?",
        ),
        "learning-rate": (
            "A step doubles all weights of a layer. What happens to its output and to its next gradient, "
            "with batch norm and without?",
            "Is the highest rate that trains also the fastest? Use the second figure.",
        ),
        "initialization": (
            "A layer has 100 inputs and weights with σ = 0.01. By what factor does the signal shrink in each layer?",
            "From which scale does the network with batch norm fail too, if any, and what could be the reason?",
        ),
        "saturation": (
            "The slope of a sigmoid is at most 1/4. What is left of a gradient after six of them?",
            "Were the units that did not learn saturated? If not, what else kept the gradient small?",
        ),
        "fewer-steps": (
            "One change is batch norm, the other the learning rate. How much does each of them save?",
            "Why does the lab count steps to the plain network’s own accuracy, and not to a fixed one?",
        ),
        "regularizer": (
            "Where does chance enter the output of a network with batch norm, and where with dropout?",
            "What does the control without random mini-batches show that the others cannot?",
        ),
        "ensemble": (
            "Why can the ensemble be right on an example on which most of its members are wrong?",
            "What must differ between the members so that a further one helps?",
        ),
        "scale-invariance": (
            "Show by hand that BN(aWu) = BN(Wu) for a > 0, if ε = 0.",
            "What does ε change when the weights are very small?",
        ),
        "whitening": (
            "How does the work for whitening grow with the number of units n, and how that for batch norm?",
            "Why can 60 examples not give the full covariance of 400 units?",
        ),
        "input-only": (
            "The input is normalized. Why is the input of layer 3 not?",
            "Which part of the gain comes from the input alone? Give a number from the figure.",
        ),
        "stop-gradient": (
            "Write one step of b by hand. Why does the output not change?",
            "What does the right gradient with respect to b say, and why?",
        ),
        "inference": (
            "Why does the same image get another answer in another mini-batch?",
            "What would a user notice whose network normalizes by the mini-batch at inference?",
        ),
        "placement": (
            "Which γ and β before the nonlinearity undo the normalization?",
            "What can a unit do with γ before the sigmoid that it cannot do with γ after it?",
        ),
        "mechanism": (
            "What should the noisy network have done if stable inputs were the reason?",
            "How could a defender of the paper answer this experiment?",
        ),
        "map": (
            "Which pairs of rate and scale train with batch norm only? Describe where they lie.",
            "Is there a pair that trains without batch norm only? What could be the reason?",
        ),
        "batch-size": (
            "By what factor does the variance of the estimated mean grow from 32 examples to 2?",
            "Why does the size of the mini-batch not enter layer norm?",
        ),
        "small-batch-inference": (
            "What does a network with mini-batches of 2 compute in training that it does not compute at inference?",
            "Both networks have the same weights. Why do their accuracies differ?",
        ),
        "before-after": (
            "What does the paper say against normalizing after the nonlinearity?",
            "How many seeds would you want before you say that one place is better?",
        ),
        "renorm": (
            "What do the examples of one class have in common, and what does batch norm do with it?",
            "Where in practice do mini-batches hold few classes?",
        ),
        "family": (
            "Which of these normalizers divide by a deviation, and which do not? What follows for the rate?",
            "Which of them would you take for mini-batches of 2, and why?",
        ),
        "landscape": (
            "Why can a step of the gradient be trusted farther where the gradient changes slowly?",
            "Why is the comparison unfair when one network has not begun to learn?",
        ),
        "depth": (
            "By what factor does the gradient grow in each layer, if it grows 1000 times over 100 layers?",
            "The paper conjectures that the gradient keeps its length. Which of its two assumptions fails here?",
        ),
        "effective-rate": (
            "Why do the three starts come to the same length only with weight decay?",
            "Twice the length of the weights: by what factor does the effective rate change, and why?",
        ),
        "test-shift": (
            "For which change do new statistics help, and what do they take away from the images?",
            "Why do the statistics of images of one class do harm?",
        ),
        "length-direction": (
            "Why does the length of w have no effect on the output of a unit with batch norm?",
            "γ and β are few numbers. What do you conclude from how far they come alone?",
        ),
    }
)


def questions(lab: str) -> tuple[str, str]:
    """The two questions of the lab of that name."""
    return QUESTIONS.get(lab, USUAL)
