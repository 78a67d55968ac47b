"""bnviz: watch what happens inside a deep network while it trains, and what batch normalization changes.

Importing bnviz is quick: PyTorch is loaded when something trains, Plotly when something is drawn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bnviz.experiment import Experiment, ExperimentError, Intervention, presets
from bnviz.recording import Recording

if TYPE_CHECKING:
    from bnviz import figures
    from bnviz.training import Trainer, train
    from bnviz.watching import watch

__version__ = "0.1.0"
__all__ = [
    "Experiment",
    "ExperimentError",
    "Intervention",
    "Recording",
    "Trainer",
    "figures",
    "presets",
    "train",
    "watch",
]

_HOMES = {
    "figures": "bnviz.figures",
    "train": "bnviz.training",
    "Trainer": "bnviz.training",
    "watch": "bnviz.watching",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bnviz' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if name == "figures" else getattr(module, name)
