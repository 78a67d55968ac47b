"""What each kind of operation does to the streams of values: the rules by which a pass is followed.

A rule looks at an operation before it runs, when nothing has changed in place yet, and returns what is to be noted
of its output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from bnviz.engine.watch import operations, samples
from bnviz.engine.watch.evidence import GRID
from bnviz.engine.watch.names import AFFINE, Names, Owner, class_name, own
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.streams import STATISTICAL, Constant, Layer, Node, Origin, Part, State, Value
from bnviz.recording.watched import plain_name

ARITHMETIC = frozenset({"add", "sub", "rsub", "mul", "div", "addcmul", "addcdiv"})
SHIFTING = frozenset({"sub", "rsub", "div"})
"""What running statistics are used for; a table that is added is none."""

Follow = Callable[[Any], None]


class Call(NamedTuple):
    """An operation that is about to run."""

    function: Any
    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]
    tensors: list[Tensor]

    @property
    def in_place(self) -> bool:
        """Whether it changes its first argument."""
        return operations.is_in_place(self.function)

    def argument(self, name: str, otherwise: Any = None) -> Any:
        """An argument by the name that it has in ATen."""
        if name in self.named:
            return self.named[name]
        for place, item in enumerate(self.function._schema.arguments):
            if item.name == name:
                return self.args[place] if place < len(self.args) else otherwise
        return otherwise

    def on(self, change: Callable[[Tensor], Any]) -> Any:
        """The same operation on other tensors."""
        args = [_changed(item, change) for item in self.args]
        return self.function(*args, **{name: _changed(item, change) for name, item in self.named.items()})


class Tracker:
    """Knows what the tensors of one pass are.

    names: of the model's modules. running: the modules whose forward runs, the innermost last.
    asked: names of the modules to watch; None for all layers. floors: whether to measure by how much batches differ
    by chance.
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
        self._layers = 0
        self._serial = 0
        self._changed: dict[int, list[tuple[int, Part]]] = {}

    # What is known of a tensor

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
        for item in _tensors((output,)):
            self.nodes.pop(item, None)

    def make_origin(self, tensor: Tensor, origin: Origin, units: Units | None) -> Value:
        """A tensor holds new values."""
        part = Part(origin, (), units)
        origin.parts[()] = part
        value = Value(part, GRID, self._serial)
        self.nodes[tensor] = value
        return value

    def count_call(self, name: str) -> str:
        """A name, with " (2)" at its second call."""
        self.calls[name] += 1
        return plain_name(f"{name} ({self.calls[name]})") if self.calls[name] > 1 else name

    def finish(self, value: Value, *, summed: bool = False) -> None:
        """A function of a part's values ends here: the next operation mixes them."""
        name = value.function()
        if name is None or (summed and (name in STATISTICAL or len(torch.unique(value.shadow)) <= 2)):
            return  # a variance, a norm, or a count
        (value.receiving or value.part).receive(name, self.floors)

    def finish_all(self) -> None:
        """Finish what the pass leaves open, such as the sigmoid that a model ends with."""
        for node in list(self.nodes.values()):
            if isinstance(node, Value) and not node.linear and not node.consumed:
                self.finish(node)
        self.nodes = WeakTensorKeyDictionary()

    # The rules

    def plan(self, function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Follow:
        """What to note of an operation's output, decided before it runs."""
        self._serial += 1
        tensors = _tensors((args, tuple(named.values())) if named else args)
        call = Call(function, operations.base_name(function), args, named, tensors)
        name = call.name
        if not tensors or name.endswith("_like") or name.startswith("new_"):
            return self._make(call)
        if name in operations.COPIES or name == "copy":
            return self._copy(call)
        for item in tensors:
            if isinstance(node := self.node(item), Value):
                node.consumed = True
        if name in operations.MATRIX_PRODUCTS:
            return self._multiply(call)
        if name in operations.CONVOLVING:
            return self._convolve(call)
        values = [(item, node) for item in tensors if isinstance(node := self.node(item), Value)]
        if not values:
            return self._without_values(call)
        if name in operations.NORMS and isinstance(self.node(args[0]), Value):
            return self._normalize(call)
        if operations.is_elementwise(function, name):
            return self._apply(call, values)
        special: Mapping[str, Callable[[Call], Follow]] = {
            "glu": self._gate,
            "_prelu_kernel": self._named_function,
            "prelu": self._named_function,
            "rrelu_with_noise": self._named_function,
            "index_put": self._put,
        }
        if name in special:
            return special[name](call)
        if name in operations.MOVES:
            return self._move(call)
        if name in operations.REDUCTIONS:
            return self._reduce(call)
        if name in operations.JOINS:
            return self._join(call, values)
        if name in operations.SCATTERS or operations.keeps_axes(name):
            return self._mix(call, values, keep=True)
        return self._mix(call, values, keep=False)

    def _make(self, call: Call) -> Follow:
        """A tensor is made out of no values."""
        known = {
            "zeros": 0.0,
            "ones": 1.0,
            "zeros_like": 0.0,
            "ones_like": 1.0,
            "new_zeros": 0.0,
            "new_ones": 1.0,
        }
        filled = call.argument("fill_value")
        if call.name == "scalar_tensor":
            filled = call.args[0]
        value = float(filled) if isinstance(filled, int | float) else known.get(call.name)

        def follow(output: Any) -> None:
            for item in tree_leaves(output):
                if isinstance(item, Tensor):
                    self.nodes[item] = Constant(value)

        return follow

    def _copy(self, call: Call) -> Follow:
        """The same values in another place."""
        source = call.args[1] if call.name == "copy" else call.args[0]
        node = self.node(source) if isinstance(source, Tensor) else None
        if node is None and call.name in ("lift_fresh", "lift"):
            node = Constant(None)

        def follow(output: Any) -> None:
            if node is None:
                self.forget(output)
            elif isinstance(node, Value) and (source.shape != output.shape or _rounds(output, node)):
                units = node.part.units if source.shape == output.shape else None
                shadow = node.shadow.to(output.dtype) if _rounds(output, node) else node.shadow
                part = node.part if units is node.part.units else Part(node.part.origin, ("copy",), units)
                self.nodes[output] = Value.of(part, shadow, self._serial, node.source, node.receiving)
            else:
                self.nodes[output] = node

        return follow

    def _set_all(self, output: Any, node: Node | None) -> None:
        """All that an operation gave out is the same."""
        for item in _tensors((output,)):
            if node is None:
                self.nodes.pop(item, None)
            else:
                self.nodes[item] = node

    def _without_values(self, call: Call) -> Follow:
        """Parameters, buffers and constants give such again; of all else nothing is known."""
        nodes = [self.node(item) for item in call.tensors]
        if len(nodes) == 1 and isinstance(nodes[0], State) and call.name in operations.MOVES:
            return lambda output: self._set_all(output, nodes[0])
        states = [
            (item, node) for item, node in zip(call.tensors, nodes, strict=True) if isinstance(node, State)
        ]
        made = all(
            node is not None or item.numel() == 1 or not item.is_floating_point()
            for item, node in zip(call.tensors, nodes, strict=True)
        )
        result: Node | None = None
        if call.name == "embedding":
            return lambda output: void(self.make_origin(output, Origin(None), Units.along(output, -1)))
        if states and made:
            result = max(states, key=lambda pair: pair[0].dim())[1]
        elif all(isinstance(node, Constant) for node in nodes):
            filled = call.args[1] if call.name == "fill" and len(call.args) > 1 else None
            value = 0.0 if call.name == "zero" else filled
            kept = nodes[0] if call.name in operations.MOVES else None
            result = kept or Constant(float(value) if isinstance(value, int | float) else None)

        return lambda output: self._set_all(output, result)

    def _multiply(self, call: Call) -> Follow:
        """A product of matrices: an affine map, where one of them is made of parameters."""
        left, right = (call.args[place] for place in operations.MATRIX_PRODUCTS[call.name])
        nodes = self.node(left), self.node(right)
        vector = call.name in ("mv", "addmv")
        if all(isinstance(node, State) for node in nodes):
            return self._without_values(call)
        if isinstance(nodes[1], State):
            return self._start(call, left, nodes[1].owner, None if vector else -1)
        if isinstance(nodes[0], State):
            return self._start(call, right, nodes[0].owner, -1 if vector else -2)
        if self.running and isinstance(self.running[-1], AFFINE):  # of weights cast before the pass began
            return self._start(call, left, None, None if vector else -1)
        carried = None  # the axis that goes through the product unmixed
        if isinstance(nodes[1], Value) and (units := nodes[1].part.units) is not None:
            carried = -1 if units.axis == right.dim() - 1 and not vector else None
        if carried is None and isinstance(nodes[0], Value) and (units := nodes[0].part.units) is not None:
            carried = -2 if units.axis == left.dim() - 2 and not vector else None
        kept = nodes[1] if carried == -1 else nodes[0]
        numbers = kept.part.units.numbers if isinstance(kept, Value) and kept.part.units is not None else None
        values = [
            (item, node) for item, node in zip((left, right), nodes, strict=True) if isinstance(node, Value)
        ]
        origin = self._mixed(values)

        def follow(output: Tensor) -> None:
            units = None
            if carried is not None and numbers is not None and len(numbers) == output.shape[carried]:
                units = Units(output.dim() + carried, numbers)
            if values:
                self.make_origin(output, origin, units)
            else:
                self.forget(output)

        return follow

    def _convolve(self, call: Call) -> Follow:
        images, weight = call.args[:2]
        node = self.node(weight)
        if isinstance(node, State):
            return self._start(call, images, node.owner, 1)
        if self.running and isinstance(self.running[-1], AFFINE):
            return self._start(call, images, None, 1)
        values = [(item, node) for item in call.tensors if isinstance(node := self.node(item), Value)]
        return self._mix(call, values, keep=False)

    def _start(self, call: Call, given: Tensor, owner: Owner | None, axis: int | None) -> Follow:
        """An affine map of what is given: a new layer, with its units along an axis."""
        node = self.node(given)
        if isinstance(node, Value):
            self.finish(node)
        running = self.running[-1] if self.running else None
        if isinstance(running, AFFINE):
            module: nn.Module = running
            name, weight = self.names.called(running), own(running, "weight")
        else:
            assert owner is not None
            name, module = self.names.of_weight(owner), owner.module
            weight = own(module, owner.name)
        layer = Layer(self.count_call(name) if self.asked is None else name, self._layers, module, weight)
        self._layers += 1

        def follow(output: Tensor) -> None:
            units = (
                Units.along(output, axis)
                if axis is not None
                else Units(0, torch.zeros(len(output), dtype=torch.long))
            )
            value = self.make_origin(output, Origin(layer), units)
            if self.asked is not None and self._asked_by_owner(module):
                self._answer(value.part, output, module)

        return follow

    def _asked_by_owner(self, module: nn.Module) -> bool:
        """Whether a module was asked for whose weight is used though it is not called."""
        assert self.asked is not None
        return self.names.modules.get(module) in self.asked and module not in self.running

    def _answer(self, part: Part, output: Tensor, module: nn.Module) -> None:
        part.take(output)
        self.by_owner[part.origin] = module

    def _normalize(self, call: Call) -> Follow:
        """One of torch's normalizers."""
        given = call.args[0]
        node = self.node(given)
        assert isinstance(node, Value)
        if not node.linear:
            self.finish(node)
        origin = self._normalized(given, node, call.name)

        def follow(output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            self.forget(output)
            units = node.part.units
            if call.name in operations.CHANNEL_NORMS and (units is None or units.axis != 1):
                units = Units.along(first, 1)
            if call.name in operations.LAST_AXIS_NORMS and units is None:
                units = Units.along(first, -1)
            self.make_origin(first, origin, units)

        return follow

    def _normalized(self, given: Tensor, value: Value, operation: str) -> Origin:
        """The origin that a normalizer makes of a value; what it receives is measured once."""
        layer, before = value.layer, value.part.origin
        if layer is None:
            return Origin(None)
        if before.normalizer:
            return Origin(layer, None, before.normalizer, before.normalizing, before.before, before.joined)
        running = self.running[-1] if self.running else None
        alone = running is not None and not any(isinstance(part, AFFINE) for part in running.modules())
        alone = (
            alone and not any(item.dim() > 1 for item in running.parameters(recurse=False))
            if running
            else False
        )
        told = (
            class_name(running)
            if alone and running is not None
            else operation.replace("native_", "").strip("_")
        )
        summary = self._summary(given, value) if self.asked is None else None
        return Origin(layer, None, plain_name(told), running if alone else None, summary, before.joined)

    def _summary(self, given: Tensor, value: Value) -> samples.Summary | None:
        sample = samples.take(given, value.part.units)
        return samples.Summary.of(sample) if sample.values.size else None

    def _apply(self, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
        """A function of each number: alone, or together with numbers of other tensors."""
        known = {id(item) for item, _ in values}
        scaling = call.name in ("mul", "div")  # by zeros that stand for a first state, say
        wide = [
            item
            for item in call.tensors
            if id(item) not in known and (self._scalar(item) is None or (scaling and item.numel() > 1))
        ]
        shapes = {tuple(item.shape) for item, _ in values}
        if len({node.part for _, node in values}) == 1 and len(shapes) == 1 and not wide:
            return self._compose(call, values)
        return self._combine(call, values, wide)

    def _scalar(self, item: Tensor) -> Tensor | None:
        """The one number that a tensor stands for; None where it holds several."""
        node = self.node(item)
        if isinstance(node, Constant) and node.value is not None:
            return torch.tensor(node.value, dtype=torch.float64)
        if item.numel() != 1:
            return None
        number = item.detach().reshape(()).cpu()
        return number.double() if number.is_floating_point() else number

    def _compose(self, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
        """A further function of a part's numbers."""
        shadows = {id(item): node.shadow.clone() if call.in_place else node.shadow for item, node in values}

        def stand_in(item: Tensor) -> Any:
            return shadows[id(item)] if id(item) in shadows else self._scalar(item)

        with torch.no_grad():
            shadow = call.on(stand_in)
        shadow = shadow[0] if isinstance(shadow, tuple | list) else shadow
        part = values[0][1].part
        source = next((item if node.identity else node.source for item, node in values if node.linear), None)
        receiving = next((node.receiving for _, node in values if node.receiving is not None), None)
        value = Value.of(part, shadow, self._serial, source, receiving)
        if self._wanted(part) and source is not None and (not value.linear or call.in_place):
            part.take(source)
            self.parts.append(part)
        if call.in_place:
            value.source = None

        def follow(output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            self.forget(output)
            if call.in_place:
                self._change(first, part)
            self.nodes[first] = value

        return follow

    def _wanted(self, part: Part) -> bool:
        return self.asked is None and part.origin.layer is not None and not part.taken

    def _combine(self, call: Call, values: Sequence[tuple[Tensor, Value]], wide: Sequence[Tensor]) -> Follow:
        """Numbers of several tensors together: a bias, a normalizer by hand, a sum, a gate."""
        carriers = [(item, node) for item, node in values if node.layer is not None]
        layers = {node.part.origin.layer for _, node in carriers if node.part.origin.statistic_of is None}
        statistics = [node for _, node in values if node.part.origin.statistic_of in layers - {None}]
        states = [node for item in wide if isinstance(node := self.node(item), State)]
        running = call.name in SHIFTING and any(not node.owner.learned for node in states)
        normalizing = call.name in ARITHMETIC and bool(layers) and (bool(statistics) or running)
        for _, node in values:
            if not node.linear and not (normalizing and node in statistics):
                self.finish(node)
        given, latest = max(
            [pair for pair in carriers if pair[1].part.origin.statistic_of is None] or carriers or values,
            key=lambda pair: -1 if pair[1].layer is None else pair[1].layer.number,
        )
        added = len(values) > 1 or any(self.node(item) is None for item in wide)
        if normalizing:
            origin = self._normalized(given, latest, "normalization")
        else:
            before = latest.part.origin
            sources = {node.part.origin.statistic_of for _, node in values}
            origin = Origin(
                latest.layer,
                before.statistic_of if len(sources) == 1 else None,
                before.normalizer,
                before.normalizing,
                before.before,
                before.joined or added,
            )
        if call.in_place and isinstance(call.args[0], Tensor):
            mine = self.node(call.args[0])
            changed = mine.part if isinstance(mine, Value) else None
        else:
            changed = None
        owner = self.by_owner.get(latest.part.origin) if states and len(values) == 1 else None

        def follow(output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            self.forget(output)
            if changed is not None:
                self._change(first, changed)
            value = self.make_origin(first, origin, _aligned(latest.part.units, given, first))
            if owner is not None:  # the bias of a module that was asked for
                del self.by_owner[latest.part.origin]
                self._answer(value.part, first, owner)

        return follow

    def _mixed(self, values: Sequence[tuple[Tensor, Value]]) -> Origin:
        """The origin of what is mixed from values: of the latest layer among them."""
        for _, node in values:
            self.finish(node)
        carriers = [node for _, node in values if node.layer is not None]
        if not carriers:
            return Origin(None)
        latest = max(carriers, key=lambda node: -1 if node.layer is None else node.layer.number).part.origin
        joined = latest.joined or len({node.part.origin for _, node in values}) > 1
        return Origin(latest.layer, None, latest.normalizer, latest.normalizing, latest.before, joined)

    def _mix(self, call: Call, values: Sequence[tuple[Tensor, Value]], *, keep: bool) -> Follow:
        """Numbers in different places together. keep: whether every axis stays in its place."""
        origin = self._mixed(values)
        given, latest = (
            values[-1] if call.name in operations.SCATTERS else values[0] if values else (None, None)
        )

        def follow(output: Any) -> None:
            first = next((item for item in tree_leaves(output) if isinstance(item, Tensor)), None)
            self.forget(output)
            if first is None or not first.is_floating_point() or not values:
                return
            units = latest.part.units if keep and latest is not None else None
            if units is not None and given is not None:
                same = first.dim() == given.dim() and first.shape[units.axis] == given.shape[units.axis]
                units = units if same else None
            self.make_origin(first, origin, units)

        return follow

    def _join(self, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
        """Several tensors one after the other: where that is along their units, these are counted anew."""
        origin = self._mixed(values)
        latest = values[0][1]
        axis = int(call.argument("dim", 0) or 0)

        def follow(output: Tensor) -> None:
            units = latest.part.units
            stacked = call.name == "stack"
            along = axis % output.dim()
            if units is not None and stacked:
                units = Units(units.axis + (along <= units.axis), units.numbers)
            elif units is not None and along == units.axis:
                units = Units.along(output, along)
            self.make_origin(output, origin, units)

        return follow

    def _move(self, call: Call) -> Follow:
        """Values are taken elsewhere; the numbers of their units are moved in the same way."""
        given = call.args[0]
        node = self.node(given) if isinstance(given, Tensor) else None
        if not isinstance(node, Value):
            return self.forget
        shape, units, origin = given.shape, node.part.units, node.part.origin
        arrangement = repr(
            tree_map(lambda item: id(item) if isinstance(item, Tensor) else item, (call.args[1:], call.named))
        )
        token = (*node.part.token, call.name, arrangement)
        rest = tree_map(
            lambda item: item.cpu() if isinstance(item, Tensor) else item, (call.args[1:], call.named)
        )
        source = None
        if node.source is not None and not node.identity:
            source = operations.moved(
                lambda item: call.function(item, *call.args[1:], **call.named), node.source
            )

        def follow(output: Any) -> None:
            several = isinstance(output, tuple | list)
            outputs = list(output) if several else [output]
            missing = [place for place in range(len(outputs)) if (*token, place) not in origin.parts]
            if missing:
                moved = operations.move_units(
                    units, shape, lambda numbers: call.function(numbers, *rest[0], **rest[1]), outputs
                )
                for place in missing:
                    origin.parts[*token, place] = Part(origin, (*token, place), moved[place])
            sources = (list(source) if several else [source]) if source is not None else [None] * len(outputs)
            for place, item in enumerate(outputs):
                part = origin.parts[*token, place]
                value = Value(
                    part, node.shadow, self._serial, sources[place], node.linear, False, node.receiving
                )
                self.nodes[item] = value

        return follow

    def _reduce(self, call: Call) -> Follow:
        """A mean, a variance, a maximum: of a whole layer, or of what pooling takes together."""
        given = call.args[0]
        node = self.node(given)
        if not isinstance(node, Value):
            return self.forget
        statistic = call.name in operations.STATISTICS
        function = node.function()
        self.finish(node, summed=statistic)
        before = node.part.origin
        of_layer = statistic and (function is None or function in STATISTICAL)
        origin = Origin(
            node.layer,
            before.layer or before.statistic_of if of_layer else None,
            before.normalizer,
            before.normalizing,
            before.before,
            before.joined,
        )
        dims, keepdim = call.argument("dim"), bool(call.argument("keepdim", False))

        def follow(output: Any) -> None:
            for item in tree_leaves(output):
                if isinstance(item, Tensor) and item.is_floating_point():
                    self.make_origin(
                        item, origin, operations.reduce_units(node.part.units, given, item, dims, keepdim)
                    )
                elif isinstance(item, Tensor):
                    self.nodes.pop(item, None)

        return follow

    def _gate(self, call: Call) -> Follow:
        """A gated linear unit: the second half of its input goes through a sigmoid."""
        given = call.args[0]
        node = self.node(given)
        if not isinstance(node, Value):
            return self.forget
        if node.identity:
            axis = int(call.argument("dim", -1)) % given.dim()
            half = given.shape[axis] // 2
            numbers = None
            if node.part.units is not None:
                spread = node.part.units.spread(given.shape).narrow(axis, half, half)
                numbers = Units.read(spread)
            part = Part(node.part.origin, (*node.part.token, "gate"), numbers)
            if self._wanted(part):
                part.take(given.narrow(axis, half, half))
                self.parts.append(part)
            part.receive("sigmoid", self.floors)
        return self._mix(call, [(given, node)], keep=False)

    def _named_function(self, call: Call) -> Follow:
        """A nonlinearity with a number for each unit, or with chance: known by its name alone."""
        given = call.args[0]
        node = self.node(given)
        if isinstance(node, Value) and node.linear:
            source = given if node.identity else node.source
            if self._wanted(node.part) and source is not None:
                node.part.take(source)
                self.parts.append(node.part)
            node.part.receive("prelu" if "prelu" in call.name else "rrelu", self.floors)
            units = node.part.units
            changed = node.part if call.in_place else None

            def follow(output: Any) -> None:
                if changed is not None:
                    self._change(output, changed)
                self.make_origin(output, Origin(None), units)

            return follow
        return self._mix(call, [(given, node)] if isinstance(node, Value) else [], keep=True)

    def _put(self, call: Call) -> Follow:
        """x[mask] = number is a function of each number, if the mask is one of the same; else it is a mixture."""
        given, indices, number = call.args[:3]
        nodes = [self.node(given), *(self.node(item) for item in indices if item is not None)]
        values = [node for node in nodes if isinstance(node, Value)]
        if len(nodes) == len(values) == 2 and values[0].part is values[1].part and number.numel() == 1:
            return self._compose(call, [(given, values[0]), (indices[0], values[1])])
        pairs = [(item, node) for item in call.tensors if isinstance(node := self.node(item), Value)]
        return self._mix(call, pairs, keep=True)

    # Changes in place

    def _change(self, tensor: Tensor, part: Part) -> None:
        """The numbers of a part are others now: whoever holds them in another arrangement holds these."""
        storage = tensor.untyped_storage().data_ptr()
        self._changed.setdefault(storage, []).append((self._serial, part))

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


def _changed(item: Any, change: Callable[[Tensor], Any]) -> Any:
    """An argument with every tensor in it changed."""
    if isinstance(item, list | tuple):
        return [_changed(part, change) for part in item]
    return change(item) if isinstance(item, Tensor) else item


def _tensors(items: Sequence[Any]) -> list[Tensor]:
    """The tensors among arguments, also those in lists."""
    found: list[Tensor] = []
    for item in items:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, list | tuple):
            found += _tensors(item)
    return found


def _rounds(output: Tensor, value: Value) -> bool:
    """Whether a copy holds whole numbers or truth values of what were real numbers."""
    return not output.is_floating_point() and value.shadow.is_floating_point()


def _aligned(units: Units | None, given: Tensor, output: Tensor) -> Units | None:
    """Where units are after a tensor was broadcast to the shape of an output."""
    if units is None or given.shape == output.shape:
        return units
    axis = units.axis + output.dim() - given.dim()
    same = axis >= 0 and axis < output.dim() and output.shape[axis] == len(units.numbers)
    return Units(axis, units.numbers) if same else None


def void(_: object) -> None:
    """Nothing is given back."""
