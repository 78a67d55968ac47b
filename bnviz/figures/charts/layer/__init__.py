"""The charts of one normalization layer, for the page "Inside", and of the first convolution, for the Playground.

before_and_after      Unit …: before, normalized, and scaled and shifted
gamma_and_beta        How training moved γ and β
mean_and_variance     Three ways to know the mean and the variance
input_gradients       ∂ℓ/∂x, example by example
what_others_receive   What the others receive: y before and after
feature_maps          Examples and positions share one mean
entering_images       Images as they enter
first_filters         First filters, and their maps
block_maps            Inside block …: feature maps of its convolutions
"""

from bnviz.figures.charts.layer.before_and_after import before_and_after
from bnviz.figures.charts.layer.block_maps import maps_in_block
from bnviz.figures.charts.layer.entering_images import entering
from bnviz.figures.charts.layer.feature_maps import maps
from bnviz.figures.charts.layer.first_filters import filters_and_maps
from bnviz.figures.charts.layer.gamma_and_beta import learned
from bnviz.figures.charts.layer.input_gradients import input_gradients
from bnviz.figures.charts.layer.mean_and_variance import statistics
from bnviz.figures.charts.layer.what_others_receive import moves

__all__ = [
    "before_and_after",
    "entering",
    "filters_and_maps",
    "input_gradients",
    "learned",
    "maps",
    "maps_in_block",
    "moves",
    "statistics",
]
