"""Sees every operation of one pass, and says what each nonlinearity receives.

A TorchDispatchMode sees the operations that reach a device, whoever calls them: modules, functions, custom autograd
functions, TorchScript, the insides of attention. Each is run as it is, and notes are kept beside; a fault in the
notes never reaches the pass.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnviz.engine.watch import call, samples
from bnviz.engine.watch.names import RECURRENT, Names, inside, is_scripted, own
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.plan import Plan, PlannedLayer
from bnviz.engine.watch.rules import choice
from bnviz.engine.watch.signature import Signature
from bnviz.engine.watch.streams import Layer, Origin, Part, Value
from bnviz.engine.watch.tracker import Tracker
from bnviz.recording.watched import MAX_NAME, plain_name

PLAIN = (Tensor, nn.Parameter, nn.Buffer)
"""What a tensor's class may be; an operation of another gives out a copy that no operation has made."""


@dataclass(frozen=True, eq=False)
class Found:
    """A layer as it was seen in one pass: its values, its module, and the parameter whose size is looked at.

    module_name: as in model.named_modules(); "" where it is not known, or that of the model itself.
    """

    name: str
    part: Part
    module: nn.Module
    weight: Tensor | None
    module_name: str = ""

    @property
    def activation(self) -> str:
        """The nonlinearities that receive it, by name."""
        return ", ".join(self.part.functions)


class Observation(TorchDispatchMode):
    """Sees one pass.

    names: of the model's modules. asked: names of the modules to watch; None for all layers that a nonlinearity
    follows. floors: whether to measure by how much batches differ by chance. over: asked whether the pass was broken
    off, so that what is computed now is no part of it.
    refused: the modules asked for that gave out nothing to measure, and why.
    faults: what could not be followed. kinds: the classes of tensors that torch hides from it.
    """

    def __init__(
        self,
        names: Names,
        asked: frozenset[str] | None,
        floors: bool = True,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = names
        self.asked = asked
        self.refused: dict[str, str] = {}
        self.faults: list[str] = []
        self.kinds: set[str] = set()
        self.running: list[nn.Module] = []
        self.called: dict[nn.Module, None] = {}
        self.tracker = Tracker(names, self.running, asked, floors)
        self.open = False
        self._answers: list[Found] = []
        self._thread = 0
        self._opaque = 0
        self._over = over
        self._mute = False
        self._signatures: list[Signature] | None = []
        self._hooks: list[Any] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled while it sees a pass, so that torch need not guard each of its calls."""
        return False

    def begin(self) -> None:
        """Attach to the model's modules, and see every operation from now on."""
        self._thread = threading.get_ident()
        root, *inside = self.names.modules
        self.running.append(root)  # it takes no hook here: it may be about to call those it has
        for module in inside:
            if not is_scripted(module):
                self._hooks.append(module.register_forward_pre_hook(self._entered, prepend=True))
                self._hooks.append(module.register_forward_hook(self._left, always_call=True))
        self.open = True
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Let go of the model, and finish what is open."""
        if not self.open:
            return
        self.open = False
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        with torch.no_grad():
            self.tracker.finish_all()

    @property
    def found(self) -> list[Found]:
        """The layers in the order of the pass, each named once."""
        if self.asked is not None:
            by_owner = [
                Found(
                    self.tracker.count_call(self.names.called(module)),
                    origin.parts[()],
                    module,
                    own(module, "weight"),
                )
                for origin, module in self.tracker.by_owner.items()
            ]
            for item in by_owner:
                item.part.measure(self.tracker.floors)
            return [*self._answers, *by_owner]
        by_layer: dict[Layer, list[Part]] = {}
        for part in self.tracker.parts:
            if part.functions and part.origin.layer is not None:
                by_layer.setdefault(part.origin.layer, []).append(part)
        return [
            Found(name, part, layer.module, layer.weight, self.names.modules.get(layer.module, ""))
            for layer in sorted(by_layer, key=lambda item: item.number)
            for name, part in _told_apart(layer, by_layer[layer], self.names)
        ]

    @property
    def unreceived(self) -> list[str]:
        """The affine maps of which no nonlinearity received anything, by name in the order of the pass."""
        received = {part.origin.layer for part in self.tracker.parts if part.functions}
        return [layer.name for layer in self.tracker.layers if layer.mixes and layer not in received]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every operation of the pass."""
        named = dict(kwargs or {})
        if self._mute or self._over():
            return func(*args, **named)
        if call.holds_others(types):
            return NotImplemented
        self._sign(func, args, named)
        self.kinds.update(
            type(item).__name__ for item in args if isinstance(item, Tensor) and type(item) not in PLAIN
        )
        if self._opaque:
            output = func(*args, **named)
            self.tracker.signer.produced(output)
            return output
        follow = None
        try:
            follow = choice.plan(self.tracker, func, args, named)
        except Exception as error:
            self._note(func, error)
        output = func(*args, **named)
        self.tracker.signer.produced(output)
        try:
            if follow is None:
                self.tracker.forget(output)
            else:
                follow(output)
        except Exception as error:
            self._note(func, error)
        return output

    def plan(self, found: Sequence[Found]) -> Plan | None:
        """What another pass will do and show if it does the same; None where that cannot be foretold."""
        if self._signatures is None or self.tracker.readings is None or self.faults:
            return None
        layers = [
            PlannedLayer.of(item.name, item.module, item.weight, item.part) for item in found if item.part.at
        ]
        known = [layer for layer in layers if layer is not None]
        if len(known) < len(found):
            return None
        return Plan(self._signatures, known, self.tracker.readings, list(self.tracker.signer.used))

    def _sign(self, func: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if self._signatures is None:
            return
        try:
            self._signatures.append(self.tracker.signer.of(func, args, named))
        except Exception:  # a tensor without a shape, say: such a pass is followed by the rules each time
            self._signatures = None

    def _note(self, func: Any, error: Exception) -> None:
        self.faults.append(f"{func}: {type(error).__name__}: {error}")

    def _entered(self, module: nn.Module, inputs: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self.running.append(module)
        self.called[module] = None
        self._opaque += isinstance(module, RECURRENT)

    def _left(self, module: nn.Module, inputs: object, output: object) -> None:
        if threading.get_ident() != self._thread:
            return
        if self.running and self.running[-1] is module:
            self.running.pop()
            self._opaque -= isinstance(module, RECURRENT)
        asked = self.asked is not None and self.names.modules.get(module) in self.asked
        if not self.open or not (asked or isinstance(module, RECURRENT)):
            return
        self._mute = True
        try:
            with torch.no_grad(), torch._C._DisableFuncTorch():
                if isinstance(module, RECURRENT):
                    self._recur(output)
                if asked:
                    self._answer(module, output)
        except Exception as error:
            self._note(self.names.called(module), error)
        finally:
            self._mute = False

    def _recur(self, output: object) -> None:
        """The outputs of a recurrent module have its units along their last axis."""
        for item in tree_leaves(output):
            if isinstance(item, Tensor) and item.is_floating_point():
                self.tracker.make_origin(item, Origin(None), Units.along(item, -1))

    def _answer(self, module: nn.Module, output: object) -> None:
        """Take what a module gives out that was asked for."""
        found = samples.first_tensor(output)
        tensor = None if found is None else inside(found)
        if tensor is None:
            self.refused[self.names.modules[module]] = "it gives out no tensor of real numbers"
            return
        node = self.tracker.node(tensor)
        if isinstance(node, Value) and node.identity:
            part = node.part
        else:
            units = node.part.units if isinstance(node, Value) else None
            part = self.tracker.make_origin(tensor, Origin(None), units).part
        part.take(tensor, self.tracker.at(tensor))
        part.measure(self.tracker.floors)
        name = self.tracker.count_call(self.names.called(module))
        self._answers.append(Found(name, part, module, own(module, "weight")))


def _told_apart(layer: Layer, parts: Sequence[Part], names: Names) -> list[tuple[str, Part]]:
    """A name for each part of a layer: its own where it is the only one and whole, else with what it is of it."""
    told = [_part_name(layer, part, len(parts) > 1, names) for part in parts]
    several = {name: count for name, count in Counter(told).items() if count > 1}
    return [
        (
            _numbered(name, told[:place].count(name) + 1, several[name], part) if name in several else name,
            part,
        )
        for place, (name, part) in enumerate(zip(told, parts, strict=True))
    ]


def _numbered(name: str, number: int, of: int, part: Part) -> str:
    """What tells parts apart of which no more is known: their order, and what receives each."""
    ending = f", part {number} of {of} ({', '.join(part.functions)})"
    return plain_name(name[-(MAX_NAME - len(ending)) :] + ending)


def _part_name(layer: Layer, part: Part, several: bool, names: Names) -> str:
    whole = part.origin.parts[()].units
    units = part.units
    if units is not None and whole is not None and units is not whole and not part.origin.joined:
        some, every = torch.unique(units.numbers), torch.unique(whole.numbers)
        if 0 < len(some) < len(every):
            first, last = int(some[0]), int(some[-1])
            even = last - first + 1 == len(some)
            return plain_name(
                f"{layer.name}[{first}:{last + 1}]" if even else f"{layer.name}[{len(some)} units]"
            )
    if several and part.origin.normalizing is not None:
        return plain_name(f"{layer.name}, {names.called(part.origin.normalizing)}")
    return layer.name
