"""Affine maps: a product with what is made of parameters begins a new layer, and says which axis holds its units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow, tensors_in
from bnviz.engine.watch.names import AFFINE, Owner, own
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.rules import constants, mixing
from bnviz.engine.watch.streams import Layer, Origin, State, Value
from bnviz.engine.watch.tracker import Tracker


def multiply(tracker: Tracker, call: Call) -> Follow:
    """A product of matrices: an affine map, where one of them is made of parameters."""
    left, right = (call.args[place] for place in operations.MATRIX_PRODUCTS[call.name])
    nodes = tracker.node(left), tracker.node(right)
    vector = call.name in ("mv", "addmv")
    if isinstance(nodes[0], State) and isinstance(nodes[1], State):
        running = tracker.running[-1] if tracker.running else None
        own_weight = isinstance(running, AFFINE) and nodes[1].owner.module is running
        if not (own_weight and left.dim() > 1 and nodes[0].owner.module is not running):
            return constants.without_values(tracker, call)
    if isinstance(nodes[1], State):
        return _start(tracker, call, left, nodes[1].owner, None if vector else -1)
    if isinstance(nodes[0], State):
        return _start(tracker, call, right, nodes[0].owner, -1 if vector else -2)
    if tracker.running and isinstance(tracker.running[-1], AFFINE):  # of weights cast before the pass began
        return _start(tracker, call, left, None, None if vector else -1)
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
    origin = mixing.mixed(tracker, values)

    def follow(output: Tensor) -> None:
        units = None
        if carried is not None and numbers is not None and len(numbers) == output.shape[carried]:
            units = Units(output.dim() + carried, numbers)
        if values:
            tracker.make_origin(output, origin, units)
        else:
            tracker.forget(output)

    return follow


def convolve(tracker: Tracker, call: Call) -> Follow:
    """A convolution: an affine map, where its kernel is made of parameters."""
    images, weight = call.args[:2]
    node = tracker.node(weight)
    if isinstance(node, State):
        return _start(tracker, call, images, node.owner, 1)
    if tracker.running and isinstance(tracker.running[-1], AFFINE):
        return _start(tracker, call, images, None, 1)
    values = [(item, node) for item in call.tensors if isinstance(node := tracker.node(item), Value)]
    return mixing.mix(tracker, call, values, keep=False)


def bilinear(tracker: Tracker, call: Call) -> Follow:
    """A bilinear map of two inputs."""
    first, weight, second = call.args[:3]
    node = tracker.node(weight)
    if isinstance(node, State):
        return _start(
            tracker, call, first if isinstance(tracker.node(first), Value) else second, node.owner, -1
        )
    values = [(item, node) for item in call.tensors if isinstance(node := tracker.node(item), Value)]
    return mixing.mix(tracker, call, values, keep=False)


def of_unknown_kind(tracker: Tracker, call: Call) -> Follow | None:
    """An operation that is none of those known, such as one of the program's own; None where it mixes no parameters.

    What it makes of a learned matrix and of values is a new layer, of which no axis is known to hold the units.
    """
    if "attention" in call.name:  # what is learned there is added to products of values
        return None
    values = [item for item in call.tensors if isinstance(tracker.node(item), Value)]
    states = [
        node for item in call.tensors if item.dim() > 1 and isinstance(node := tracker.node(item), State)
    ]
    learned = [node.owner for node in states if node.owner.learned]
    return _start(tracker, call, values[0], learned[0], None, known=False) if learned else None


def _start(
    tracker: Tracker, call: Call, given: Tensor, owner: Owner | None, axis: int | None, known: bool = True
) -> Follow:
    """An affine map of what is given: a new layer, with its units along an axis.

    axis: None for a single unit. known: whether it is known where the units are.
    """
    node = tracker.node(given)
    if isinstance(node, Value):
        tracker.finish(node)
    running = tracker.running[-1] if tracker.running else None
    if isinstance(running, AFFINE):
        module: nn.Module = running
        name, weight = tracker.names.called(running), own(running, "weight")
    else:
        assert owner is not None
        name, module = tracker.names.of_weight(owner), owner.module
        weight = own(module, owner.name)
    called = tracker.count_call(name) if tracker.asked is None else name
    layer = Layer(called, len(tracker.layers), module, weight)
    tracker.layers.append(layer)

    def follow(outputs: Any) -> None:
        tracker.forget(outputs)
        output = next(
            item for item in tensors_in((outputs,)) if item.is_floating_point() or item.is_complex()
        )
        units = None if axis is None else Units.along(output, axis)
        if axis is None and known:
            units = Units(0, torch.zeros(len(output), dtype=torch.long))
        value = tracker.make_origin(output, Origin(layer), units)
        if tracker.asked is not None and _asked_by_owner(tracker, module):
            tracker.answer(value.part, output, module)

    return follow


def _asked_by_owner(tracker: Tracker, module: nn.Module) -> bool:
    """Whether a module was asked for whose weight is used though it is not called."""
    assert tracker.asked is not None
    return tracker.names.modules.get(module) in tracker.asked and module not in tracker.running
