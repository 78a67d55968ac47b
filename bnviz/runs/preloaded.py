"""What the fork server loads: to import this module is to take a few steps of training.

So everything that training loads is there when a trainer process is forked. On the CPU: a GPU that was in use before
a fork cannot be used after it. An error here stops nothing: each trainer process says what is wrong when it trains.
"""

from __future__ import annotations

import gc
from contextlib import suppress

from bnviz.experiment import Experiment
from bnviz.runs.actor import built

SMALL = Experiment(hidden=(8, 8), steps=5, device="cpu")
"""Trained as a warm-up."""

with suppress(Exception):
    built(SMALL).advance(SMALL.steps)

# A collection in a forked process writes into every object that it looks at, and so copies the memory that is shared.
gc.collect()
gc.freeze()
