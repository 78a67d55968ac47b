"""Records the model's own forward passes: follows each that is due, by the rules or as it is planned."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from bnviz.engine.watch.names import Names
from bnviz.engine.watch.observation import Observation
from bnviz.engine.watch.passes import TRAINING, Passes, mode_of
from bnviz.engine.watch.plan import Plans
from bnviz.engine.watch.planned import PlannedObservation
from bnviz.engine.watch.recorded import Recorded
from bnviz.engine.watch.signature import Signature, of_inputs
from bnviz.engine.watch.weight_changes import WeightChanges


class PassRecorder:
    """Adds a record to `recorded` of each pass that `passes` tells of, one of a step and mode.

    step: asked for the number of updates so far. After a pass one of these is called: `nothing` where there is nothing
    to record in the network, and `grown` beside it, or where there is a record; `stop` where bnviz failed.
    """

    def __init__(
        self,
        model: nn.Module,
        recorded: Recorded,
        weights: WeightChanges,
        step: Callable[[], int],
        *,
        grown: Callable[[], None],
        nothing: Callable[[], None],
        stop: Callable[[Exception], None],
    ) -> None:
        self.model = model
        self.passes = Passes(model, self._begins, self._ends)
        self._recorded = recorded
        self._weights = weights
        self._step = step
        self._grown, self._nothing, self._stop = grown, nothing, stop
        self._plans = Plans()
        self._kind: Signature = ()
        self._mode = mode_of(model)
        self._observation: Observation | PlannedObservation | None = None

    def close(self) -> None:
        """Tell of no more passes."""
        if self._observation is not None:  # of a pass that was broken off
            self._observation.end()
            self._observation = None
        self.passes.disarm()
        self.passes.let_compile()

    def _begins(self, inputs: object) -> None:
        self._mode = mode_of(self.model)
        series = self._recorded.series(self._mode)
        if series is not None and series.last_step == self._step():
            return
        try:
            self._kind = (self._mode, torch.is_grad_enabled(), of_inputs(inputs))
            plan = self._plans.get(self._kind) if series is not None and series.begun else None
            observation = (
                Observation(
                    Names.of(self.model),
                    self._recorded.asked,
                    floors=series is None,
                    over=lambda: self.passes.broken_off,
                )
                if plan is None or series is None
                else PlannedObservation(plan, series.measured)
            )
            observation.begin()
            self._observation = observation
        except Exception as error:
            self._stop(error)

    def _ends(self, failed: bool) -> None:
        observation, self._observation = self._observation, None
        if observation is None:
            return
        try:
            with torch._C._DisableFuncTorch():  # vmap and grad transform what the pass computes, not this
                observation.end()
            if failed:
                return
            if isinstance(observation, PlannedObservation):
                if not observation.held:
                    self._plans.give_up()
                    return  # the next pass is recorded in its place
                series = self._recorded.series(self._mode)
                assert series is not None
                series.add(self._step(), observation.found, self._weights.sizes)
            else:
                found = self._recorded.add(self._mode, observation, self._step(), self._weights.sizes)
                if not self._recorded.begun:
                    self._nothing()
                self._plans.learn(self._kind, observation.plan(found))
        except Exception as error:
            self._stop(error)
            return
        self._grown()
        if self._mode == TRAINING:
            self.passes.disarm()
