"""Watch a network of your own while your own program trains it, and get a Recording.

    with watch(model) as recording:
        for inputs, labels in batches:
            ...                                   # your training step, as it is
            recording.step(loss=loss)             # only if the loss shall be recorded too
    recording.save("run.bnviz")

When a record is due, bnviz looks on as the model's own next forward pass is computed, and measures what each
nonlinearity receives as it measures its own networks. Nothing is run beside the training, so nothing in it changes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnviz.engine.trainer import made_on
from bnviz.engine.watch import requests
from bnviz.engine.watch.address import Address
from bnviz.engine.watch.followers import Followers
from bnviz.engine.watch.growing_recording import InTheMaking
from bnviz.engine.watch.names import Names, class_name
from bnviz.engine.watch.pass_recorder import PassRecorder
from bnviz.engine.watch.passes import Parts
from bnviz.engine.watch.probe import Probe
from bnviz.engine.watch.recorded import Recorded
from bnviz.engine.watch.reported import Number, Told
from bnviz.engine.watch.sender import Sender
from bnviz.engine.watch.updates import UpdateCounter
from bnviz.engine.watch.weight_changes import WeightChanges
from bnviz.recording.watched import WatchError, check_name, plain_name

EVERY = 50


def watch(
    model: nn.Module,
    probe: Any = None,
    *,
    every: int = EVERY,
    layers: Sequence[str] | None = None,
    name: str = "",
    to: str = "",
) -> Watcher:
    """Watch `model` from now on, until the Watcher is closed: it closes itself at the end of a with block.

    probe: None to look at the model's own passes, each on the mini-batch that the program trains on. Otherwise the
    inputs of a pass on the side, the same at each record: a tensor, a tuple of several inputs, or a dictionary of
    named ones. All that the pass changes is put back; what cannot be put back raises WatchError at once.
    every: record each so many updates, beside the first and the last. An update is a step of the first
    torch.optim.Optimizer that holds parameters of the model; where there is none, a call of `Watcher.step`.
    layers: names of modules as in model.named_modules(), to record what these give out, in place of what each
    nonlinearity receives of a layer.
    name: what figures call the network; otherwise the class of the model.
    to: the address of a running bnviz, such as "http://localhost:8501", that shows the records while they come.
    Raises WatchError for what cannot be watched, with one sentence. What else could not be done is in `notes`.
    """
    return Watcher(model, probe, every, layers, name, to)


class Watcher(InTheMaking):
    """A Recording in the making: says when a record is due, and lets go of the model at the end."""

    def __init__(
        self,
        model: nn.Module,
        probe: Any,
        every: int,
        layers: Sequence[str] | None,
        name: str,
        to: str = "",
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise WatchError(f"every = {every!r} is not allowed; allowed is a whole number from 1")
        if any(is_lazy(parameter) for parameter in model.parameters()):
            raise WatchError("the model is not built yet; run one batch through it before it is watched")
        address = Address.of(to) if to else None
        asked = None if layers is None else requests.known_names(layers, Names.of(model))
        self.model = model
        self.every = every
        called = check_name("name", name) if name else plain_name(class_name(model))
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        super().__init__(Recorded(called, asked, made_on(device), self._remarks))
        self._weights = WeightChanges()
        self._probe = None if probe is None else Probe(model, probe, self._recorded, self._weights)
        self._told = Told()
        self._followers = Followers()
        self._parts: Parts | None = None
        self._pass_recorder = PassRecorder(
            model,
            self._recorded,
            self._weights,
            self._count,
            grown=self._grown,
            nothing=self._nothing,
            stop=self._stop,
        )
        self._passes = self._pass_recorder.passes
        self._updates = UpdateCounter(model, every, self._before_update, self._after_update, self._last_step)
        if self._probe is None:
            self._parts = Parts(model)
            self._passes.arm()
        else:
            try:
                self._probe.first(self.updates)
            except BaseException:
                self._detach()
                raise
            self._parts = Parts(model)
        if address is not None:
            self._followers.add(Sender(address))
            self._show()

    @property
    def updates(self) -> int:
        """How many updates were counted."""
        return self._updates.count

    # From the program

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._detach()
        self.close()

    def step(
        self,
        loss: Number = None,
        accuracy: Number = None,
        test_loss: Number = None,
        test_accuracy: Number = None,
    ) -> None:
        """Say after an update what your program knows of it, and that it was made, if no optimizer of torch did.

        loss, accuracy: on the mini-batch; kept where the update is recorded. test_loss, test_accuracy: on
        held-out examples; an update for which they are told is recorded in any case.
        """
        if not self._updates.open:
            return
        if not self._passes.armed:
            self._passes.let_compile()
        self._updates.tell(self._parts is not None and self._parts.were_called())
        if not self.updates:
            return
        self._told.tell("train", loss, accuracy)
        self._told.tell("test", test_loss, test_accuracy)
        if (test_loss is not None or test_accuracy is not None) and not self._recorded.has(self.updates):
            self._due()
        self._hand_over()
        self._show()

    def close(self) -> None:
        """Record the last update and let go of the model; what was recorded stays."""
        if self._updates.open:
            self._tell_of_no_update()
            if self._updates.compiled and not self._updates.by_hand:
                reason = (
                    "compiled steps of an optimizer are not counted; call recording.step() after each update"
                )
                self._recorded.note("compiled", reason)
                warnings.warn(f"bnviz: {reason}", stacklevel=2)
            if not self._recorded.has(self.updates):
                if self._probe is not None:
                    self._due()
                    self._hand_over()
                else:
                    self._recorded.note(
                        "last", f"the last update, {self.updates:,}, is not recorded: no pass came after it"
                    )
            self._detach()
        if self._followers:
            self._followers.close(self._recorded.recordings)

    def live(self) -> None:
        """Show in a notebook the bands that grow while the cell still trains: call it before the loop.

        Raises ImportError where the package anywidget is missing, and LiveError outside of a notebook.
        """
        from bnviz.notebook.widget import live_bands  # it draws

        self._followers.add(live_bands())
        self._show()

    # When to record

    def _before_update(self, number: int) -> None:
        self._weights.before(self._updates.updated(self._recorded.weights))

    def _after_update(self, number: int) -> None:
        if self._passes.eager and not self._passes.armed:
            self._passes.let_compile()
        self._told.forget()
        if self._parts is not None:
            self._first_update(self._parts)
        if number % self.every == 0:
            self._weights.after(self._recorded.weights)
            self._due()
        elif self._weights.sizes:
            self._weights.forget()

    def _due(self) -> None:
        """A record is due: of the next pass, or of a pass of the probe now."""
        if not self._updates.open:
            return
        if self._probe is None:
            self._passes.arm()
        else:
            self._record(self._probe)
            self._show()

    def _record(self, probe: Probe) -> None:
        """Record, or say once why not and stop: whatever happens here, the training goes on."""
        try:
            probe.record(self.updates)
        except Exception as error:
            self._stop(error)

    def _count(self) -> int:
        return self.updates

    def _last_step(self) -> int:
        return self._recorded.last_step

    def _remarks(self) -> Sequence[str]:
        return self._updates.remarks

    def _first_update(self, parts: Parts) -> None:
        """Say after the first update if the model itself was never called."""
        parts.close()
        self._parts = None
        if parts.passes > 1 and self._probe is None:
            self._recorded.note(
                "several",
                f"{parts.passes:,} passes came before the first update: the first record is of the first of them, each "
                "later one of the first pass after an update, which may be of other data, such as a part of the batch",
            )
        if self._passes.seen or self._probe is not None:
            return
        reason = parts.why_never_called()
        self._recorded.note("never", f"nothing is recorded of {self._recorded.name}: {reason}")
        warnings.warn(f"bnviz records nothing of {self._recorded.name}: {reason}", stacklevel=2)

    def _tell_of_no_update(self) -> None:
        """Say at the end if the model has made passes, but no update of it was counted."""
        passes = 0 if self._parts is None else self._parts.passes
        if self.updates or passes < 2:
            return
        reason = (
            f"{passes:,} passes in training mode came, and no update was counted, as no optimizer of torch that holds "
            "parameters of the model made a step; call recording.step() after each update"
        )
        self._recorded.note("uncounted", reason)
        if passes > self.every:
            warnings.warn(f"bnviz: {reason}", stacklevel=3)

    # What was seen

    def _grown(self) -> None:
        """A pass was recorded."""
        self._hand_over()
        self._show()

    def _nothing(self) -> None:
        """A pass has shown nothing to record."""
        reason = requests.why_nothing(self._recorded.asked)
        warnings.warn(f"bnviz records nothing of {self._recorded.name}: {reason}", stacklevel=2)
        self._detach()

    def _hand_over(self) -> None:
        self._recorded.tell(self.updates, self._told.points)

    def _show(self) -> None:
        """Show what was recorded to whoever follows, if it has grown."""
        if self._followers:  # who waits for it sees it at once
            self._followers.show(self._recorded.measured(), lambda: self._recorded.recordings)

    # Ends

    def _stop(self, error: Exception) -> None:
        self._detach()
        reason = f"stopped watching at step {self.updates:,}: {error}"
        self._recorded.note("stopped", reason)
        warnings.warn(f"bnviz {reason}", stacklevel=2)

    def _detach(self) -> None:
        self._pass_recorder.close()
        self._updates.close()
        if self._parts is not None:
            self._parts.close()
        self._weights.forget()
