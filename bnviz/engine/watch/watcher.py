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

import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bnviz.engine.trainer import made_on
from bnviz.engine.watch import requests
from bnviz.engine.watch.followers import Followers
from bnviz.engine.watch.isolation import inputs_of, run_aside
from bnviz.engine.watch.names import Names, class_name
from bnviz.engine.watch.observation import Found, Observation
from bnviz.engine.watch.passes import EVALUATION, TRAINING, Parts, Passes, mode_of
from bnviz.engine.watch.plan import Plans
from bnviz.engine.watch.planned import PlannedObservation
from bnviz.engine.watch.sender import Address, Sender
from bnviz.engine.watch.series import Series
from bnviz.engine.watch.signature import Signature, of_inputs
from bnviz.engine.watch.updates import UpdateCounter
from bnviz.engine.watch.weight_changes import WeightChanges
from bnviz.recording import CurvePoint, Recording
from bnviz.recording.watched import MAX_NOTES, Note, WatchError, check_name, plain_name

EVERY = 50
UNKNOWN_EXAMPLES = 0
"""How many examples a number was computed on that the watched program has told."""

Number = float | Tensor | None


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


class Watcher:
    """A Recording in the making; whatever a Recording offers is offered here too, as of the latest record."""

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
        names = Names.of(model)
        self._asked = None if layers is None else requests.known_names(layers, names)
        self.model = model
        self.every = every
        self._name = check_name("name", name) if name else plain_name(class_name(model))
        self._probe = None if probe is None else inputs_of(probe)
        self._series: dict[str, Series] = {}
        self._notes: dict[str, Note] = {}
        self._told: dict[str, CurvePoint] = {}
        self._weights = WeightChanges()
        self._followers = Followers()
        self._observation: Observation | PlannedObservation | None = None
        self._plans = Plans()
        self._kind: Signature = ()
        self._mode = mode_of(model)
        self._parts: Parts | None = None
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self._provenance = made_on(device)
        self._passes = Passes(model, self._pass_begins, self._pass_ends)
        self._updates = UpdateCounter(model, every, self._before_update, self._after_update, self._last_step)
        if self._probe is None:
            self._parts = Parts(model)
            self._passes.arm()
        else:
            try:
                self._first_probe()
            except BaseException:
                self._detach()
                raise
            self._parts = Parts(model)
        if address is not None:
            self._followers.add(Sender(address))
            self._show()

    # What a Recording offers

    @property
    def recording(self) -> Recording:
        """What was recorded in training, or in another mode where nothing was. Raises WatchError before a record."""
        series = self._main
        if series is None or not series.begun:
            told = "; ".join(str(note) for note in self.notes)
            raise WatchError(
                f"nothing was recorded yet: {told or 'the model has made no pass since it is watched'}"
            )
        others = (item for item in self._series.values() if item is not series and item.last_step is not None)
        return replace(self._with_notes(series), other_modes=tuple(map(self._with_notes, others)))

    @property
    def evaluation(self) -> Recording | None:
        """What was recorded in evaluation mode, a series of its own; None where nothing was."""
        series = self._series.get(EVALUATION)
        return None if series is None or not series.begun else self._with_notes(series)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was measured and what was not, and why; also before anything was."""
        return self._all_notes(self._main)

    @property
    def updates(self) -> int:
        """How many updates were counted."""
        return self._updates.count

    def __str__(self) -> str:
        """What was recorded, and the notes, a line each; each mode's series apart and by its name."""
        if self._main is None or self._main.recording is None:
            return "\n".join(
                [f"{self._name}: nothing was recorded yet", *(f"  {note}" for note in self.notes)]
            )
        return "\n".join(map(str, self._recordings or (self.recording,)))

    def _repr_html_(self) -> str:
        """What a notebook shows of it: each mode's series apart and by its name."""
        from bnviz.notebook.page import recording_html, text_html  # it draws

        return recording_html(self._recordings) if self._recordings else text_html(str(self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # it is asked for before it is there
            raise AttributeError(name)
        return getattr(self.recording, name)

    def __eq__(self, other: object) -> bool:
        """Equal to a Recording, or a Watcher, of the same numbers."""
        return self.recording == (other.recording if isinstance(other, Watcher) else other)

    __hash__ = None  # type: ignore[assignment]

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
        self._tell("train", loss, accuracy)
        self._tell("test", test_loss, test_accuracy)
        if (test_loss is not None or test_accuracy is not None) and not self._recorded():
            self._due()
        self._hand_over()
        self._show()

    def close(self) -> None:
        """Record the last update and let go of the model; what was recorded stays."""
        if self._updates.open:
            if self._updates.compiled and not self._updates.by_hand:
                reason = (
                    "compiled steps of an optimizer are not counted; call recording.step() after each update"
                )
                self._note("compiled", reason)
                warnings.warn(f"bnviz: {reason}", stacklevel=2)
            if not self._recorded():
                if self._probe is not None:
                    self._due()
                    self._hand_over()
                else:
                    self._note(
                        "last", f"the last update, {self.updates:,}, is not recorded: no pass came after it"
                    )
            self._detach()
        if self._followers:
            self._followers.close(self._recordings)

    def live(self) -> None:
        """Show in a notebook the bands that grow while the cell still trains: call it before the loop.

        Raises ImportError where the package anywidget is missing, and LiveError outside of a notebook.
        """
        from bnviz.notebook.widget import live_bands  # it draws

        self._followers.add(live_bands())
        self._show()

    # When to record

    def _before_update(self, number: int) -> None:
        self._weights.before(self._updates.updated(self._watched_weights()))

    def _after_update(self, number: int) -> None:
        if self._passes.eager and not self._passes.armed:
            self._passes.let_compile()
        if self._told:
            self._told = {}
        if self._parts is not None:
            self._first_update(self._parts)
        if number % self.every == 0:
            self._weights.after(self._watched_weights())
            self._due()
        elif self._weights.sizes:
            self._weights.forget()

    def _watched_weights(self) -> list[Tensor]:
        """The weights of all recorded layers, each once."""
        weights = (weight for series in self._series.values() for weight in series.weights)
        return list({id(weight): weight for weight in weights}.values())

    def _due(self) -> None:
        """A record is due: of the next pass, or of a pass of the probe now."""
        if not self._updates.open or (self._main is not None and self._main.ended):
            return
        if self._probe is None:
            self._passes.arm()
        else:
            self._record_probe()
            self._show()

    def _last_step(self) -> int:
        return max((series.last_step or 0 for series in self._series.values()), default=0)

    def _recorded(self) -> bool:
        return any(series.last_step == self.updates or series.ended for series in self._series.values())

    def _first_update(self, parts: Parts) -> None:
        """Say after the first update if the model itself was never called."""
        parts.close()
        self._parts = None
        if parts.passes > 1 and self._probe is None:
            self._note(
                "several",
                f"{parts.passes:,} passes came before the first update: the first record is of the first of them, each "
                "later one of the first pass after an update, which may be of other data, such as a part of the batch",
            )
        if self._passes.seen or self._probe is not None:
            return
        reason = parts.why_never_called()
        self._note("never", f"nothing is recorded of {self._name}: {reason}")
        warnings.warn(f"bnviz records nothing of {self._name}: {reason}", stacklevel=2)

    # The model's own passes

    def _pass_begins(self, inputs: object) -> None:
        self._mode = mode_of(self.model)
        series = self._series.get(self._mode)
        if series is not None and (series.ended or series.last_step == self.updates):
            return
        try:
            self._kind = (self._mode, torch.is_grad_enabled(), of_inputs(inputs))
            recorded = series is not None and series.begun
            plan = self._plans.get(self._kind) if recorded else None
            observation = (
                Observation(Names.of(self.model), self._asked, self._mode not in self._series)
                if plan is None
                else PlannedObservation(plan, self._series[self._mode].measured)
            )
            observation.begin()
            self._observation = observation
        except Exception as error:
            self._stop(error)

    def _pass_ends(self, failed: bool) -> None:
        observation, self._observation = self._observation, None
        if observation is None:
            return
        try:
            observation.end()
            if failed:
                return
            if isinstance(observation, PlannedObservation):
                if not observation.held:
                    self._plans.give_up()
                    return  # the next pass is recorded in its place
                self._series[self._mode].add(self.updates, observation.found, self._weights.sizes)
            else:
                self._plans.learn(self._kind, observation.plan(self._add(observation)))
        except Exception as error:
            self._stop(error)
            return
        self._hand_over()
        self._show()
        if self._mode == TRAINING:
            self._passes.disarm()

    # A probe

    def _first_probe(self) -> None:
        """Record the probe once, and refuse what cannot be watched before it does harm."""
        try:
            left = self._run_probe()
        except WatchError:
            raise
        except Exception as error:
            hint = "; a list or tuple stands for several inputs, write probe=([...],) for a single one that is a list"
            several = self._probe is not None and len(self._probe[0]) > 1
            raise WatchError(
                f"the model does not run on the probe: {error}{hint if several else ''}"
            ) from error
        if left:
            raise WatchError(
                f"a pass of the probe changes {', '.join(left[:3])}, which cannot be put back; write watch(model) "
                "without a probe, which looks at the model's own passes"
            )
        series = self._series[self._mode]
        if series.recording is None:
            raise WatchError(
                "; ".join(str(note) for note in self.notes if note.layer == "") or "nothing was found"
            )

    def _run_probe(self) -> list[str]:
        assert self._probe is not None
        self._mode = mode_of(self.model) if not self.model.training else TRAINING
        observation = Observation(
            Names.of(self.model), self._asked, floors=False
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

        left = run_aside(self.model, self._probe, observed)
        if not left:
            self._add(observation, told=False)
        return left

    def _record_probe(self) -> None:
        """Record, or say once why not and stop: whatever happens here, the training goes on."""
        try:
            left = self._run_probe()
            if left:
                raise WatchError(
                    f"a pass of the probe changes {', '.join(left[:3])}, which cannot be put back"
                )
        except Exception as error:
            self._stop(error)

    # What was seen

    def _add(self, observation: Observation, told: bool = True) -> Sequence[Found]:
        """Add a record of a pass to the series of its mode, and return what was found.

        told: whether to warn where there is nothing to record.
        """
        series = self._series.get(self._mode)
        if series is None:
            series = self._series[self._mode] = Series(self._name, self._mode, self._provenance)
        found = observation.found
        for reason in observation.faults[:1]:
            series.note(
                "",
                "fault",
                f"{len(observation.faults):,} operations could not be followed, the first: {reason}",
            )
        if observation.kinds:
            series.note(
                "",
                "kinds",
                f"tensors of class {', '.join(sorted(observation.kinds))} cannot be followed; give the network plain "
                "ones, such as inputs.as_subclass(torch.Tensor)",
            )
        for name, reason in requests.unmet(self._asked or frozenset(), observation, found):
            series.note("", f"asked {name}", reason)
        if not found and not series.begun:
            reason = requests.NOTHING_FOUND if self._asked is None else requests.NOTHING_ASKED
            series.note("", "nothing", f"nothing is recorded: {reason}")
            if told and not any(other.begun for other in self._series.values()):
                warnings.warn(f"bnviz records nothing of {self._name}: {reason}", stacklevel=2)
                self._detach()
            return found
        series.add(self.updates, found, self._weights.sizes)
        return found

    def _tell(self, split: str, loss: Number, accuracy: Number) -> None:
        """Keep numbers of the program until the record of their update is made; the first of each split counts."""
        if (loss is None and accuracy is None) or split in self._told:
            return
        self._told[split] = CurvePoint(split, _number(loss), _number(accuracy), UNKNOWN_EXAMPLES)

    def _hand_over(self) -> None:
        for series in self._series.values():
            series.tell(self.updates, tuple(self._told.values()))

    def _show(self) -> None:
        """Show what was recorded to whoever follows, if it has grown."""
        if self._followers:  # who waits for it sees it at once
            for series in self._series.values():
                series.measure()
            recorded = [series.measured_recording for series in self._series.values()]
            self._followers.show(recorded, lambda: self._recordings)

    # Ends

    def _stop(self, error: Exception) -> None:
        self._detach()
        reason = f"stopped watching at step {self.updates:,}: {error}"
        self._note("stopped", reason)
        warnings.warn(f"bnviz {reason}", stacklevel=2)

    def _detach(self) -> None:
        if self._observation is not None:  # a pass was broken off by other than an Exception
            self._observation.end()
            self._observation = None
        self._passes.disarm()
        self._passes.let_compile()
        self._updates.close()
        if self._parts is not None:
            self._parts.close()
        self._weights.forget()

    # Words

    @property
    def _recordings(self) -> tuple[Recording, ...]:
        """What was recorded in each mode, that of training first; empty before the first record."""
        main = self._main
        order = sorted(self._series.values(), key=lambda series: series is not main)
        return tuple(
            self._with_notes(series)
            for series in order
            if series.recording is not None and series.recording.snapshots
        )

    @property
    def _main(self) -> Series | None:
        """The series of training; where that has no record, another that has."""
        order = sorted(self._series.values(), key=lambda series: series.mode != TRAINING)
        recorded = [series for series in order if series.last_step is not None]
        begun = [series for series in order if series.begun]
        return next(iter(recorded or begun or order), None)

    def _note(self, kind: str, text: str) -> None:
        self._notes.setdefault(kind, Note.of("", text))

    def _all_notes(self, main: Series | None) -> tuple[Note, ...]:
        notes = [*self._notes.values()]
        notes += [Note.of("", text) for text in self._updates.remarks]
        for series in self._series.values():
            if series is not main and series.recording is not None and series.recording.snapshots:
                told = f"{len(series.recording.snapshots):,} passes in {series.mode} mode are recorded apart"
                notes.append(
                    Note.of("", told + (", see recording.evaluation" if series.mode == EVALUATION else ""))
                )
        if main is not None:
            notes += main.notes
        return tuple(notes[:MAX_NOTES])

    def _with_notes(self, series: Series) -> Recording:
        recording = series.recording
        assert recording is not None
        watched = recording.watched
        assert watched is not None
        return replace(recording, subject=replace(watched, notes=self._all_notes(series)))


def _eagerly() -> Any:
    """Have torch.compile run eagerly what it has compiled; None where it is not loaded."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else None


def _number(value: Number) -> float:
    return math.nan if value is None else float(value.detach() if isinstance(value, Tensor) else value)
