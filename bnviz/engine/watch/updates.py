"""Counts the updates of a model: one step of the first optimizer that holds its parameters.

An accumulated gradient, a step that a GradScaler skips and the many evaluations of a closure are no updates.
Where no optimizer of torch holds the parameters, the program counts by hand.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


class UpdateCounter:
    """Counts from its making on until `close`.

    before: called with the number that an update about to be made will have, if that is a multiple of `every`.
    after: called once any is made.
    recorded: the latest recorded step. count: updates so far. compiled: whether steps of an optimizer are compiled,
    which cannot be counted.
    """

    def __init__(
        self,
        model: nn.Module,
        every: int,
        before: Callable[[int], None],
        after: Callable[[int], None],
        recorded: Callable[[], int],
    ) -> None:
        self.count = 0
        self._recorded = recorded
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._weights, self._gradients = self._look()
        self.compiled = False
        self._counted = False  # since the program said that an update was made
        self.by_hand = 0
        self.skipped = 0
        self._based = 0
        self._counting = ""
        self.others: Counter[str] = Counter()
        self._parameters = frozenset(id(parameter) for parameter in model.parameters())
        self._every = every
        self._before = before
        self._after = after
        self._optimizer: weakref.ref[Optimizer] | None = None
        self._stepping: FrameType | None = None
        self._waiting: bool | None = None
        self._hooks = [
            register_optimizer_step_pre_hook(self._about_to_step),
            register_optimizer_step_post_hook(self._stepped),
        ]

    @property
    def open(self) -> bool:
        """Whether it still counts."""
        return bool(self._hooks)

    def close(self) -> None:
        """Let go of the optimizers."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def tell(self, called: bool) -> None:
        """The program says that an update was made; it counts where no optimizer of torch does.

        called: whether the model was, since the program said so before. Where an optimizer waits that holds its
        parameters, and the model was called or gradients came while the weights stayed, that was no update.
        """
        counted, self._counted = self._counted, False
        if counted or (self._optimizer is not None and not self.compiled):
            return
        if self._waiting is None:
            self._waiting = any(self._holds(item) for item in _living_optimizers())
        if self._waiting:
            before = self._weights, self._gradients
            self._weights, self._gradients = self._look()
            if self._weights == before[0] and (called or self._gradients != before[1]):
                return
        self.count += 1
        self.by_hand += 1
        self._after(self.count)

    def _look(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Something that differs if the weights do, and something that differs if their gradients do."""
        smallest = min(self._trained, key=Tensor.numel, default=None)
        values = () if smallest is None else (float(smallest.detach().double().sum()),)
        weights = tuple((item.data_ptr(), item._version) for item in self._trained)
        gradients = tuple(
            (id(item.grad), None if item.grad is None else item.grad._version) for item in self._trained
        )
        return (*weights, *values), gradients

    @property
    def remarks(self) -> list[str]:
        """What was counted, in words."""
        counting = None if self._optimizer is None else self._optimizer()
        told = []
        if self._optimizer is not None:
            name = "an optimizer" if counting is None else type(counting).__name__
            told.append(
                f"an update is a step of {name}, the first optimizer that held parameters of the model"
            )
        elif self.by_hand:
            told.append("updates were counted by calls of recording.step")
        if self.by_hand and self._optimizer is not None and self._based:
            told.append(
                f"{self.by_hand:,} calls of recording.step came before the first step of an optimizer and were counted"
                " as updates: make the optimizer before the first of them"
            )
        if self.skipped:
            told.append(
                f"{self.skipped:,} steps were skipped for gradients that were not finite, and are not counted"
            )
        for name, steps in self.others.items():
            told.append(
                f"{steps:,} steps of {name}, which holds parameters of the model too, are not counted"
            )
        return told

    def _holds(self, optimizer: Optimizer) -> bool:
        return any(
            id(parameter) in self._parameters
            for group in optimizer.param_groups
            for parameter in group["params"]
        )

    def updated(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Those of the weights that the counted optimizer updates."""
        optimizer = None if self._optimizer is None else self._optimizer()
        if optimizer is None:
            return []
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        return [weight for weight in weights if id(weight) in held]

    def _about_to_step(self, optimizer: Optimizer, *_: object) -> None:
        if torch.compiler.is_compiling():
            self.compiled = True  # all that is traced of bnviz; compiled steps cannot call it
            return
        caller = sys._getframe(1)
        if self._stepping is not None and _within(caller, self._stepping):
            return  # a step that calls the one of its base class
        if self._optimizer is not None and optimizer is self._optimizer():
            self._stepping = caller
            if (self.count + 1) % self._every == 0:
                self._before(self.count + 1)
            return
        if self._optimizer is None or self._optimizer() is None:
            if not self._holds(optimizer):
                return
            if self._optimizer is None:
                self.count = self._based = (
                    self._recorded()
                )  # calls of `tell` before it are not counted as updates
            self._optimizer, self._counting = weakref.ref(optimizer), type(optimizer).__name__
            self._stepping = caller
            if (self.count + 1) % self._every == 0:
                self._before(self.count + 1)

    def _stepped(self, optimizer: Optimizer, *_: object) -> None:
        if torch.compiler.is_compiling() or self._optimizer is None:
            return
        if optimizer is not self._optimizer():
            if self._holds(optimizer):
                self.others[type(optimizer).__name__] += 1
            return
        if self._stepping is not sys._getframe(1):
            return  # of the base class, or of a step that was broken off
        self._stepping = None
        if _was_skipped(optimizer):
            self.skipped += 1
            return
        self.count += 1
        self._counted = True
        self._after(self.count)


def _was_skipped(optimizer: Optimizer) -> bool:
    """Whether a fused optimizer was told by a GradScaler to leave the weights alone."""
    found: Any = vars(optimizer).get("found_inf")
    return isinstance(found, Tensor) and bool(found.item())


def _within(frame: FrameType | None, outer: FrameType) -> bool:
    """Whether a call was made by another that still runs."""
    while frame is not None and frame is not outer:
        frame = frame.f_back
    return frame is outer


def _living_optimizers() -> list[Optimizer]:
    """All optimizers that there are; a type is asked, not the object, which may stand for something not made yet."""
    return [item for item in gc.get_objects() if issubclass(type(item), Optimizer)]
