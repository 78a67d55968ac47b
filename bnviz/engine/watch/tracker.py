"""What is known of the tensors of one pass, while the rules follow it operation by operation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from bnviz.engine.watch.call import tensors_in
from bnviz.engine.watch.evidence import GRID, UNNAMED, is_inexact
from bnviz.engine.watch.names import Names
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.plan import MOST_NUMBERS, Reading
from bnviz.engine.watch.signature import Signer
from bnviz.engine.watch.streams import STATISTICAL, At, Layer, Node, Origin, Part, State, Value
from bnviz.recording.watched import plain_name

SHIFTED = "measured as its nonlinearity receives it, after it was scaled or shifted by constants"


class Tracker:
    """Knows what the tensors of one pass are.

    names: of the model's modules. running: the modules whose forward runs, the innermost last.
    asked: names of the modules to watch; None for all layers. floors: whether to measure by how much batches differ
    by chance. signer: knows where the tensors come from. readings: numbers that have decided something; None where
    they were too many to keep.
    """

    def __init__(
        self, names: Names, running: list[nn.Module], asked: frozenset[str] | None, floors: bool
    ) -> None:
        self.floors = floors
        self.names = names
        self.running = running
        self.asked = asked
        self.parts: list[Part] = []
        self.by_owner: dict[Origin, nn.Module] = {}
        self.nodes: Any = WeakTensorKeyDictionary()
        self.calls: Counter[str] = Counter()
        self.layers: list[Layer] = []
        self.serial = 0
        self.signer = Signer(names.owners)
        self.readings: list[Reading] | None = []
        self._changed: dict[int, list[tuple[int, Part]]] = {}

    def node(self, tensor: Tensor) -> Node | None:
        """What is known of a tensor; None of what came from outside, or was changed behind its back."""
        found: Node | None = self.nodes.get(tensor)
        if isinstance(found, Value) and self._changed and self._is_stale(tensor, found):
            return None
        if found is None:
            owner = self.names.owners.get(id(tensor))
            return None if owner is None else State(owner)
        return found

    def forget(self, output: Any) -> None:
        """Nothing is known of what an operation gave out."""
        for item in tensors_in((output,)):
            self.nodes.pop(item, None)

    def make_origin(self, tensor: Tensor, origin: Origin, units: Units | None) -> Value:
        """A tensor holds new values."""
        part = Part(origin, (), units)
        origin.parts[()] = part
        value = Value(part, GRID, self.serial)
        self.nodes[tensor] = value
        return value

    def count_call(self, name: str) -> str:
        """A name, with " (2)" at its second call."""
        self.calls[name] += 1
        return plain_name(f"{name} ({self.calls[name]})") if self.calls[name] > 1 else name

    def begin(self, module: nn.Module) -> Layer:
        """A normalizer begins a layer, which has no weights of its own."""
        layer = Layer(self.count_call(self.names.called(module)), len(self.layers), module, None, mixes=False)
        self.layers.append(layer)
        return layer

    def finish(self, value: Value, *, summed: bool = False) -> None:
        """A function of a part's values ends here: the next operation mixes them."""
        name = value.function()
        if name is None or (summed and (name in STATISTICAL or len(torch.unique(value.shadow)) <= 2)):
            return  # a variance, a norm, or a count
        part = value.receiving or value.part
        if value.inner is not None and is_inexact(name):
            inner, root = value.inner.function, value.inner.root
            fits = not is_inexact(inner) or (name == UNNAMED and inner != UNNAMED)
            if fits and part.sample is not None:
                part.sample, part.root = value.inner.sample, root
                part.sample.remark = SHIFTED
                part.at = value.inner.at
            if fits and part.root is root:
                name = inner
        part.receive(name, self.floors)

    def finish_all(self) -> None:
        """Finish what the pass leaves open, such as the sigmoid that a model ends with."""
        for node in list(self.nodes.values()):
            if isinstance(node, Value) and not node.linear and not node.consumed:
                self.finish(node)
        self.nodes = WeakTensorKeyDictionary()

    def wanted(self, part: Part) -> bool:
        """Whether a part is of a layer, and its values have not been looked at."""
        return self.asked is None and part.origin.layer is not None and not part.taken

    def answer(self, part: Part, output: Tensor, module: nn.Module) -> None:
        """A module was asked for, and this is what its weight gives out."""
        part.take(output, self.at(output))
        self.by_owner[part.origin] = module

    def at(self, tensor: Tensor) -> At:
        """Where a look at a tensor is made now."""
        return At(self.signer.count, self.signer.token(tensor))

    def read(self, tensor: Tensor) -> None:
        """The numbers of a tensor decide how the pass is followed; they are kept to see whether they stay."""
        token = self.signer.token(tensor)
        if token is None or tensor.numel() > MOST_NUMBERS:
            self.readings = None
        elif self.readings is not None:
            self.readings.append(Reading(self.signer.count, token, tensor.detach().to("cpu", copy=True)))

    def change(self, tensor: Tensor, part: Part) -> None:
        """The numbers of a part are others now: whoever holds them in another arrangement holds these."""
        storage = tensor.untyped_storage().data_ptr()
        self._changed.setdefault(storage, []).append((self.serial, part))

    def _is_stale(self, tensor: Tensor, value: Value) -> bool:
        try:
            changes = self._changed.get(tensor.untyped_storage().data_ptr(), ())
        except (RuntimeError, NotImplementedError):  # sparse and other tensors without a storage
            return False
        token = value.part.token
        for serial, part in changes:
            if serial > value.serial and part.origin is value.part.origin:
                shorter = min(len(token), len(part.token))
                if token[:shorter] == part.token[:shorter]:
                    return True
        return False
