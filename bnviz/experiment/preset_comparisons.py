"""Comparisons worth starting from: every preset without and with batch normalization, and some of more arms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnviz.experiment.comparison import FAMILY, Comparison
from bnviz.experiment.experiment import Experiment
from bnviz.experiment.presets import presets

preset_comparisons: Mapping[str, Comparison] = MappingProxyType(
    {name: Comparison(base) for name, base in presets.items()}
    | {
        "family": Comparison(Experiment(), values=FAMILY),
        "batch-of-two": Comparison(
            Experiment(batch_size=2), values=("none", "batch", "layer", "group", "batch-renorm")
        ),
    }
)
"""Comparisons worth starting from, by name. `batch-of-two` is after Wu & He 2018, Figure 1: batch normalization
suffers from small mini-batches, group normalization does not. Its network is ours."""
