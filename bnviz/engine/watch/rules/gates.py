"""Nonlinearities that are known by the operation alone: gated linear units, PReLU, and x[mask] = number."""

from __future__ import annotations

from typing import Any

from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.rules import mixing, pointwise
from bnviz.engine.watch.streams import At, Origin, Part, Value
from bnviz.engine.watch.tracker import Tracker


def gate(tracker: Tracker, call: Call) -> Follow:
    """A gated linear unit: the second half of its input goes through a sigmoid."""
    given = call.args[0]
    node = tracker.node(given)
    if not isinstance(node, Value):
        return tracker.forget
    if node.identity:
        axis = int(call.argument("dim", -1)) % given.dim()
        half = given.shape[axis] // 2
        numbers = None
        if node.part.units is not None:
            spread = node.part.units.spread(given.shape).narrow(axis, half, half)
            numbers = Units.read(spread)
        part = Part(node.part.origin, (*node.part.token, "gate"), numbers)
        if tracker.wanted(part):
            part.take(given.narrow(axis, half, half), At(tracker.signer.count, None))
            tracker.parts.append(part)
        part.receive("sigmoid", tracker.floors)
    return mixing.mix(tracker, call, [(given, node)], keep=False)


def named_function(tracker: Tracker, call: Call) -> Follow:
    """A nonlinearity with a number for each unit, or with chance: known by its name alone."""
    given = call.args[0]
    node = tracker.node(given)
    if isinstance(node, Value) and node.linear:
        source = given if node.identity else node.source
        if tracker.wanted(node.part) and source is not None:
            node.part.take(source, tracker.at(source))
            tracker.parts.append(node.part)
        node.part.receive("prelu" if "prelu" in call.name else "rrelu", tracker.floors)
        units = node.part.units
        changed = node.part if call.in_place else None

        def follow(output: Any) -> None:
            if changed is not None:
                tracker.change(output, changed)
            tracker.make_origin(output, Origin(None), units)

        return follow
    return mixing.mix(tracker, call, [(given, node)] if isinstance(node, Value) else [], keep=True)


def put(tracker: Tracker, call: Call) -> Follow:
    """x[mask] = number is a function of each number, if the mask is one of the same; else it is a mixture."""
    given, indices, number = call.args[:3]
    nodes = [tracker.node(given), *(tracker.node(item) for item in indices if item is not None)]
    values = [node for node in nodes if isinstance(node, Value)]
    if len(nodes) == len(values) == 2 and values[0].part is values[1].part and number.numel() == 1:
        return pointwise.compose(tracker, call, [(given, values[0]), (indices[0], values[1])])
    pairs = [(item, node) for item in call.tensors if isinstance(node := tracker.node(item), Value)]
    return mixing.mix(tracker, call, pairs, keep=True)
