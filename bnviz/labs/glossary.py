"""The words of the field, and the one meaning that each has on every page. In the order of the alphabet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A term of the field and what it means, in one sentence."""

    term: str
    meaning: str


GLOSSARY = (
    Entry("accuracy", "The percentage of held-out examples that a network classifies correctly."),
    Entry(
        "batch normalization",
        "A layer that brings each unit’s input to mean 0 and variance 1 over the mini-batch, then scales it by γ and "
        "shifts it by β; batch norm for short.",
    ),
    Entry("diverge", "Training diverges when the loss is no longer a finite number."),
    Entry(
        "drift",
        "How far the distribution of a unit’s inputs has moved from where it was at the beginning of training.",
    ),
    Entry(
        "effective learning rate",
        "The learning rate divided by the squared length of a layer’s weights: behind normalization, how fast their "
        "direction changes.",
    ),
    Entry(
        "effective rank",
        "How many directions the outputs of a layer take for a mini-batch; 1 if all point the same way.",
    ),
    Entry(
        "gradient",
        "The derivative of the loss with respect to each weight; the backward pass computes it from the last layer to "
        "the first.",
    ),
    Entry(
        "group normalization",
        "Like layer normalization, for groups of neighbouring units or feature maps, each on its own.",
    ),
    Entry("held-out examples", "Examples that are not used for training and only measure what was learned."),
    Entry(
        "inference",
        "Using the trained network: it classifies each example on its own, by population or running statistics.",
    ),
    Entry(
        "initialization",
        "How the initial weights are drawn; σ is their standard deviation where they are Gaussian.",
    ),
    Entry(
        "internal covariate shift",
        "The change in the distribution of a layer’s inputs that comes from learning in the layers below it.",
    ),
    Entry(
        "Jacobian",
        "The matrix of the derivatives of a layer’s outputs with respect to its inputs; its singular values say by "
        "which factors it lengthens a change.",
    ),
    Entry(
        "layer normalization",
        "Like batch normalization, but with mean and variance over the layer’s units, for each example on its own.",
    ),
    Entry("learning rate", "The factor by which the gradient is multiplied to make a training step."),
    Entry("loss", "The cross-entropy between the predicted class probabilities and the true class, in nats."),
    Entry("mini-batch", "The few training examples that one training step uses together."),
    Entry(
        "nonlinearity",
        "The function that a unit applies to its input, such as sigmoid, tanh or ReLU.",
    ),
    Entry(
        "overfitting", "Doing better on training examples than on held-out examples; the gap between the two."
    ),
    Entry(
        "population statistics",
        "The mean and variance over the training examples, which replace those of the mini-batch at inference.",
    ),
    Entry(
        "probe batch",
        "The held-out examples, the same at every step, on which the layers’ inputs are measured.",
    ),
    Entry(
        "residual",
        "A residual layer adds its input, unchanged, to what it computes; the gradient also passes by this identity.",
    ),
    Entry(
        "root mean square normalization",
        "Layer normalization without the mean: each example’s inputs are divided by the root of their mean square.",
    ),
    Entry(
        "running statistics",
        "Moving averages of the mini-batches’ means and variances, for use at inference.",
    ),
    Entry(
        "saturated",
        "A sigmoid or tanh is saturated where its slope is below 5 % of its maximum: there it passes on almost no "
        "gradient.",
    ),
    Entry(
        "seed",
        "The number that fixes all random choices of a training run: the initial weights and the order of examples.",
    ),
    Entry("step", "One update of all weights, from one mini-batch."),
    Entry("unit", "One neuron of a layer: it receives one number for each example and passes on one."),
    Entry(
        "vanishing gradient",
        "A gradient that becomes smaller in every layer of the backward pass, until the first layers do not learn.",
    ),
    Entry(
        "γ and β",
        "Two parameters of each unit, learned in training, that set the scale and the mean of its normalized input.",
    ),
)
