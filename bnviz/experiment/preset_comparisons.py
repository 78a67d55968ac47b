"""Comparisons worth starting from: of each preset the field in which the arms differ, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnviz.experiment.comparison import FAMILY, USUAL, Comparison
from bnviz.experiment.experiment import Experiment
from bnviz.experiment.presets import presets

DIFFERENCES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "family": ("normalizer", FAMILY),
        "batch-of-two": ("normalizer", ("none", "batch", "layer", "group", "batch-renorm")),
        "residual-50": ("residual", ("none", "pre")),
        "transformer-block": ("residual", ("post", "pre")),
    }
)
"""Of presets that compare something else than a network without and with batch normalization."""


def _comparison(name: str, base: Experiment) -> Comparison:
    """The preset's arms; what differs is at its default in what they share, as a link leaves it."""
    vary, values = DIFFERENCES.get(name, USUAL)
    return Comparison(base.replace(**{vary: Experiment.default(vary)}), vary, values)


preset_comparisons: Mapping[str, Comparison] = MappingProxyType(
    {name: _comparison(name, base) for name, base in presets.items()}
)
"""Comparisons worth starting from, by name. `batch-of-two` is after Wu & He 2018, Figure 1: batch normalization
suffers from small mini-batches, group normalization does not. Its network is ours."""
