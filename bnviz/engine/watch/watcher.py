"""Watch a network of your own while your own program trains it, and get a Recording.

    with watch(model, probe=x) as recording:
        for inputs, labels in batches:
            ...                                   # your training step, as it is
            recording.step(loss=loss)             # only if the loss shall be recorded too
    recording.save("run.bnviz")

Every so many updates the probe batch goes through the model once more, on the side, and what each nonlinearity
receives is measured as bnviz measures its own networks. Nothing in the model changes, nor does any chance.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from bnviz.engine.recorder import layer_row, unit_columns
from bnviz.engine.trainer import made_on
from bnviz.engine.watch.dataflow import Flow, Layer, chosen_units, is_normalizer
from bnviz.engine.watch.isolation import run_aside
from bnviz.recording import CurvePoint, Recording, Snapshot
from bnviz.recording.measure import Distribution
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS
from bnviz.recording.watched import Watched, WatchedLayer, WatchError, plain_name

EVERY = 50
PROBE_EXAMPLES = 50
"""The most that are used of a probe batch: fewer than bnviz takes for its own networks, so that a record each
50 updates of a small network costs less than a twentieth of them."""
UNKNOWN_EXAMPLES = 0
"""How many examples a number was computed on that the watched program has told."""

Probe = Tensor | Sequence[Any] | Mapping[str, Any]
Told = tuple[int, float | Tensor | None, float | Tensor | None]
"""What the program last said: of which update, its loss, its accuracy. That may turn out to be the last one."""


def watch(
    model: nn.Module,
    probe: Probe,
    *,
    every: int = EVERY,
    layers: Sequence[str] | None = None,
    name: str = "",
) -> Watcher:
    """Watch `model` from now on, until the Watcher is closed: it closes itself at the end of a with block.

    probe: a fixed batch that the model takes, held-out examples for choice; a tuple or a dictionary for a
    model of several inputs. The first axis counts examples, of which at most 50, evenly spaced, are used.
    every: record each so many updates, beside the first and the last. Updates are counted whenever a
    torch.optim.Optimizer that holds parameters of the model steps, else by `Watcher.step`.
    layers: names of modules as in model.named_modules(), to watch these instead of every Linear and every
    convolution whose output a nonlinearity receives, be it after a normalizer, pooling or an addition.
    name: what figures call the network; otherwise the class of the model.
    Raises WatchError for what cannot be watched, with one sentence.
    """
    return Watcher(model, probe, every, layers, name)


@dataclass(frozen=True, eq=False)
class Reference:
    """A layer as first recorded: what drift is measured from."""

    layer: WatchedLayer
    module: nn.Module
    values: Distribution


class Watcher:
    """A Recording in the making; whatever a Recording offers is offered here too, as of the latest record."""

    def __init__(
        self, model: nn.Module, probe: Probe, every: int, layers: Sequence[str] | None, name: str
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise WatchError(f"every = {every!r} is not allowed; allowed is a whole number from 1")
        if any(is_lazy(parameter) for parameter in model.parameters()):
            raise WatchError("the model is not built yet; run one batch through it before it is watched")
        names = {module: called for called, module in model.named_modules()}
        unknown = [called for called in layers or () if called not in names.values()]
        if unknown:
            allowed = ", ".join(filter(None, names.values()))
            raise WatchError(f"layers = {unknown[0]!r} is no module of the model; allowed are {allowed}")
        self.model = model
        self.every = every
        self.updates = 0
        self._names = names
        self._normalizers = frozenset(module for module in names if is_normalizer(module))
        self._asked = layers
        self._inputs, self._named_inputs = _thinned(probe)
        self._parameters = frozenset(id(parameter) for parameter in model.parameters())
        self._optimizer: Optimizer | None = None
        self._weights_before: dict[nn.Module, Tensor] = {}
        self._references: dict[str, Reference] = {}
        self._told: Told = (0, None, None)
        try:
            found = self._pass()
        except Exception as error:
            raise WatchError(f"the model does not run on the probe: {error}") from error
        if not found:
            raise WatchError(
                "no nonlinearity receives what a Linear or a convolution of this model gives out; name the "
                "modules to watch with layers=[…], as in model.named_modules()"
            )
        for layer in found:
            values = _needed(layer.values)
            kind = "" if layer.normalizer is None else plain_name(type(layer.normalizer).__name__)
            told = WatchedLayer(layer.name, values.shape[1], layer.activation, kind)
            self._references[layer.name] = Reference(told, layer.module, Distribution.of(values))
        watched = Watched(
            name or plain_name(type(model).__name__),
            tuple(item.layer for item in self._references.values()),
        )
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self.recording = Recording(watched, provenance=made_on(device))
        self._record(found)
        self._hooks = [
            register_optimizer_step_pre_hook(self._before_update),
            register_optimizer_step_post_hook(self._after_update),
        ]

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

    def __getattr__(self, name: str) -> Any:
        if name == "recording":  # it is asked for before it is there
            raise AttributeError(name)
        return getattr(self.recording, name)

    def __eq__(self, other: object) -> bool:
        """Equal to a Recording, or a Watcher, of the same numbers."""
        return self.recording == (other.recording if isinstance(other, Watcher) else other)

    __hash__ = None  # type: ignore[assignment]

    def step(
        self,
        loss: float | Tensor | None = None,
        accuracy: float | Tensor | None = None,
        test_loss: float | Tensor | None = None,
        test_accuracy: float | Tensor | None = None,
    ) -> None:
        """Say after an update what your program knows of it, and that it was made, if no optimizer of torch did.

        loss, accuracy: on the mini-batch; kept where the update is recorded. test_loss, test_accuracy: on
        held-out examples; an update for which they are told is recorded in any case.
        """
        if not self._hooks:
            return
        if self._optimizer is None:
            self._count()
        if self._told[0] != self.updates:
            self._told = (self.updates, loss, accuracy)
        held_out = test_loss is not None or test_accuracy is not None
        if held_out and self.recording.last_step != self.updates:
            self._record_if_possible()
        if self.recording.snapshots and self.recording.last_step == self.updates:
            self._tell("train", loss, accuracy)
            self._tell("test", test_loss, test_accuracy)

    def close(self) -> None:
        """Record the last update and let go of the model; what was recorded stays."""
        if self._hooks:
            if self.recording.last_step != self.updates:
                self._record_if_possible()
                step, loss, accuracy = self._told
                if step == self.updates == self.recording.last_step:
                    self._tell("train", loss, accuracy)
            self._detach()

    def _detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._optimizer = None
        self._told = (0, None, None)

    def _before_update(self, optimizer: Optimizer, *_: object) -> None:
        if self._optimizer is None and any(
            id(parameter) in self._parameters
            for group in optimizer.param_groups
            for parameter in group["params"]
        ):
            self._optimizer = optimizer
            self.updates = self.recording.last_step  # calls of `step` before it are not counted as updates
        if optimizer is self._optimizer and (self.updates + 1) % self.every == 0:
            self._weights_before = {
                reference.module: weight.detach().clone()
                for reference in self._references.values()
                if (weight := _own(reference.module, "weight")) is not None
            }

    def _after_update(self, optimizer: Optimizer, *_: object) -> None:
        if optimizer is self._optimizer:
            self._count()

    def _count(self) -> None:
        self.updates += 1
        if self.updates % self.every == 0:
            self._record_if_possible()

    def _record_if_possible(self) -> None:
        """Record, or say once why not and stop: whatever happens here, the training goes on."""
        if not self._hooks or self.recording.diverged_at is not None:
            return
        try:
            self._record(self._pass())
        except Exception as error:
            self._detach()
            warnings.warn(f"bnviz stopped watching at step {self.updates:,}: {error}", stacklevel=2)
        self._weights_before = {}

    def _pass(self) -> list[Layer]:
        device = next((parameter.device for parameter in self.model.parameters()), None)
        inputs = tuple(_moved(item, device) for item in self._inputs)
        named = {name: _moved(item, device) for name, item in self._named_inputs.items()}
        return Flow(self._names, self._normalizers, self._asked).follow(
            lambda: run_aside(self.model, inputs, named, self._normalizers)
        )

    def _record(self, found: Sequence[Layer]) -> None:
        """Add a Snapshot of what was found; a layer that this pass did not come by has no numbers in it."""
        by_name = {layer.name: layer for layer in found}
        rows, units, counts = [], [], []
        with np.errstate(invalid="ignore", over="ignore"):  # in a network about to diverge
            for name, reference in self._references.items():
                layer = by_name.get(name)
                if layer is None or _needed(layer.values).shape[1] != reference.layer.width:
                    rows.append([math.nan] * len(LAYER_COLUMNS))
                    units.append(np.full((reference.layer.width, len(UNIT_COLUMNS)), np.nan, np.float32))
                    counts.append(np.zeros(len(HISTOGRAM_EDGES) - 1, np.int32))
                    continue
                values = Distribution.of(_needed(layer.values))
                if not np.isfinite(values.pooled).all():
                    self.recording = self.recording.extended([], diverged_at=self.updates)
                    return
                before = None if layer.before is None else layer.before.ravel()
                then = reference.values if reference.values.per_unit.shape == values.per_unit.shape else None
                rows.append(layer_row(values, before, then, reference.layer.activation, self._sizes(layer)))
                units.append(unit_columns(values, _scale_and_shift(layer.normalizer, values)))
                counts.append(values.histogram())
        snapshot = Snapshot(self.updates, np.array(rows), np.concatenate(units), np.stack(counts))
        self.recording = self.recording.extended([snapshot])

    def _sizes(self, layer: Layer) -> tuple[float, float, float]:
        """Norm of the weights' gradient, norm of the weights, and the norm of their last change over it."""
        weight = _own(layer.module, "weight")
        if weight is None:
            return (math.nan, math.nan, math.nan)
        norm = _norm(weight)
        before = self._weights_before.get(layer.module)
        return (
            math.nan if weight.grad is None or not self.updates else _norm(weight.grad),
            norm,
            _norm(weight.detach() - before) / norm if before is not None and norm else math.nan,
        )

    def _tell(self, split: str, loss: float | Tensor | None, accuracy: float | Tensor | None) -> None:
        """Add numbers to the latest record, unless it has such already: then these belong to a later update."""
        latest = self.recording.snapshots[-1]
        if (loss is None and accuracy is None) or any(point.split == split for point in latest.curves):
            return
        told = CurvePoint(split, _number(loss), _number(accuracy), UNKNOWN_EXAMPLES)
        snapshots = (*self.recording.snapshots[:-1], replace(latest, curves=(*latest.curves, told)))
        self.recording = replace(self.recording, snapshots=snapshots)


def _thinned(probe: Probe) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The probe as positional and named inputs: of every tensor some examples, evenly spaced, copied."""
    positional = probe if isinstance(probe, list | tuple) else () if isinstance(probe, Mapping) else (probe,)
    named = dict(probe) if isinstance(probe, Mapping) else {}
    return tuple(_some(item) for item in positional), {name: _some(item) for name, item in named.items()}


def _some(item: Any) -> Any:
    if not isinstance(item, Tensor) or item.dim() == 0:
        return item
    chosen = torch.linspace(0, len(item) - 1, min(PROBE_EXAMPLES, len(item)), dtype=torch.float64).long()
    return item.detach()[chosen.to(item.device)]


def _moved(item: Any, device: torch.device | None) -> Any:
    return item.to(device) if isinstance(item, Tensor) and device is not None else item


def _needed(values: np.ndarray | None) -> np.ndarray:
    if values is None:
        raise WatchError("a layer without values cannot be measured")
    return values


def _own(module: nn.Module, name: str) -> Tensor | None:
    """A module's own parameter; None where it has none of this name, or computes it from others."""
    parameters: dict[str, Tensor | None] = vars(module)["_parameters"]  # named_parameters takes much longer
    return parameters.get(name)


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor.detach().float()))


def _scale_and_shift(normalizer: nn.Module | None, values: Distribution) -> tuple[Tensor, Tensor] | None:
    """A normalizer's γ and β, one of each for every measured unit; None where it has others or none."""
    if normalizer is None:
        return None
    for names in (("weight", "bias"), ("gamma", "beta")):
        gamma, beta = (_own(normalizer, name) for name in names)
        if gamma is not None and beta is not None and gamma.dim() == beta.dim() == 1:
            chosen = torch.as_tensor(chosen_units(len(gamma)), device=gamma.device)
            if len(chosen) == len(values.per_unit):
                return gamma.detach()[chosen].float(), beta.detach()[chosen].float()
    return None


def _number(value: float | Tensor | None) -> float:
    return math.nan if value is None else float(value.detach() if isinstance(value, Tensor) else value)
