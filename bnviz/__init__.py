"""bnviz: watch what happens inside a deep network while it trains, and what batch normalization changes.

Importing bnviz is quick: PyTorch is loaded when something trains, Plotly when something is drawn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bnviz.experiment import Experiment, ExperimentError, Intervention, presets
from bnviz.recording import Recording
from bnviz.version import __version__

if TYPE_CHECKING:
    from bnviz import figures
    from bnviz.engine.trainer import Trainer, train
    from bnviz.engine.watch.watcher import watch

__all__ = [
    "Experiment",
    "ExperimentError",
    "Intervention",
    "Recording",
    "Trainer",
    "__version__",
    "figures",
    "presets",
    "train",
    "watch",
]

_HOMES = {
    "figures": "bnviz.figures",
    "train": "bnviz.engine.trainer",
    "Trainer": "bnviz.engine.trainer",
    "watch": "bnviz.engine.watch.watcher",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bnviz' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if name == "figures" else getattr(module, name)
