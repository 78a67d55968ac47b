"""A probe: the same inputs at each record, in a pass on the side of which nothing may stay."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from bnviz.engine.watch.isolation import inputs_of, run_aside
from bnviz.engine.watch.names import Names
from bnviz.engine.watch.observation import Observation
from bnviz.engine.watch.passes import TRAINING, mode_of
from bnviz.engine.watch.recorded import Recorded
from bnviz.engine.watch.weight_changes import WeightChanges
from bnviz.recording.watched import WatchError


class Probe:
    """Adds records of a pass on the side to `recorded`. inputs: as the person gave them. Raises WatchError."""

    def __init__(self, model: nn.Module, inputs: Any, recorded: Recorded, weights: WeightChanges) -> None:
        self.model = model
        self._inputs = inputs_of(inputs)
        self._recorded = recorded
        self._weights = weights
        self._mode = mode_of(model)

    def first(self, step: int) -> None:
        """Record for the first time. Raises WatchError for what cannot be watched, before it does harm."""
        try:
            left = self._run(step)
        except WatchError:
            raise
        except Exception as error:
            hint = "; a list or tuple stands for several inputs, write probe=([...],) for a single one that is a list"
            several = len(self._inputs[0]) > 1
            raise WatchError(
                f"the model does not run on the probe: {error}{hint if several else ''}"
            ) from error
        if left:
            raise WatchError(
                f"a pass of the probe changes {', '.join(left[:3])}, which cannot be put back; write watch(model) "
                "without a probe, which looks at the model's own passes"
            )
        series = self._recorded.series(self._mode)
        if series is None or series.recording is None:
            raise WatchError(
                "; ".join(str(note) for note in self._recorded.notes if note.layer == "")
                or "nothing was found"
            )

    def record(self, step: int) -> None:
        """Record again. Raises WatchError where the pass leaves a trace, and whatever the model raises."""
        left = self._run(step)
        if left:
            raise WatchError(f"a pass of the probe changes {', '.join(left[:3])}, which cannot be put back")

    def _run(self, step: int) -> list[str]:
        """Add a record, unless the pass changes what cannot be put back: returns the names of that."""
        self._mode = mode_of(self.model) if not self.model.training else TRAINING
        observation = Observation(
            Names.of(self.model), self._recorded.asked, floors=False
        )  # the same examples each time

        def observed(run: Any) -> None:
            stance = _eagerly()
            observation.begin()
            try:
                output = run()  # kept until the end: what a model ends with is looked at then
            finally:
                observation.end()
                if stance is not None:
                    stance.__exit__(None, None, None)
            del output

        left = run_aside(self.model, self._inputs, observed)
        if not left:
            self._recorded.add(self._mode, observation, step, self._weights.sizes)
        return left


def _eagerly() -> Any:
    """Have torch.compile run eagerly what it has compiled; None where it is not loaded."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else None
