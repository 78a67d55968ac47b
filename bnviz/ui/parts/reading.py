"""How to read the bands: beside the figure, and on the page About."""

BANDS = """\
Each panel follows one hidden layer through training. At every recorded step, one fixed batch of examples
that the network never trains on goes through it, and we look at the numbers that enter the layer’s nonlinearity.

- The **line** is the median: half of the numbers are below it.
- The **dark band** holds the middle 70 % of them, from the 15 % to the 85 % quantile, as in the paper’s
  Figure 1. The **light band** holds the middle 90 %.
- **Grey zones** at top and bottom are where a sigmoid or tanh is nearly flat: its slope is under 5 % of its
  largest. What lies there hardly learns.

Both networks always share the axes. A band that moves means that the layers above must keep adjusting to a
changing input. The paper calls this *internal covariate shift*.
"""
