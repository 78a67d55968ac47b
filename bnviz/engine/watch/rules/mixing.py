"""Operations that make one number of several: where a nonlinearity ends, and which layer the result is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.streams import STATISTICAL, Origin, Value
from bnviz.engine.watch.tracker import Tracker


def mix(tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]], *, keep: bool) -> Follow:
    """Numbers in different places together. keep: whether every axis stays in its place."""
    origin = mixed(tracker, values)
    given, latest = values[-1] if call.name in operations.SCATTERS else values[0] if values else (None, None)

    def follow(output: Any) -> None:
        first = next((item for item in tree_leaves(output) if isinstance(item, Tensor)), None)
        tracker.forget(output)
        if first is None or not (first.is_floating_point() or first.is_complex()) or not values:
            return
        units = latest.part.units if keep and latest is not None else None
        if units is not None and given is not None:
            same = first.dim() == given.dim() and first.shape[units.axis] == given.shape[units.axis]
            units = units if same else None
        tracker.make_origin(first, origin, units)

    return follow


def transform(tracker: Tracker, call: Call) -> Follow:
    """A Fourier transform."""
    given = call.args[0]
    node = tracker.node(given)
    if not isinstance(node, Value):
        return tracker.forget
    axes = {axis % given.dim() for axis in call.args[1]}
    keep = node.part.units is not None and node.part.units.axis not in axes
    return mix(tracker, call, [(given, node)], keep=keep)


def join(tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
    """Several tensors one after the other: where that is along their units, these are counted anew."""
    origin = mixed(tracker, values)
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
        tracker.make_origin(output, origin, units)

    return follow


def reduce(tracker: Tracker, call: Call) -> Follow:
    """A mean, a variance, a maximum: of a whole layer, or of what pooling takes together."""
    given = call.args[0]
    node = tracker.node(given)
    if not isinstance(node, Value):
        return tracker.forget
    statistic = call.name in operations.STATISTICS
    function = node.function()
    tracker.finish(node, summed=statistic)
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
                units = operations.reduce_units(node.part.units, given, item, dims, keepdim)
                origin.by_batch = of_layer and units is not None and item.numel() == len(units.numbers)
                tracker.make_origin(item, origin, units)
            elif isinstance(item, Tensor):
                tracker.nodes.pop(item, None)

    return follow


def mixed(tracker: Tracker, values: Sequence[tuple[Tensor, Value]]) -> Origin:
    """The origin of what is mixed from values: of the latest layer among them."""
    for _, node in values:
        tracker.finish(node)
    carriers = [node for _, node in values if node.layer is not None]
    if not carriers:
        return Origin(None)
    latest = max(carriers, key=lambda node: -1 if node.layer is None else node.layer.number).part.origin
    joined = latest.joined or len({node.part.origin for _, node in values}) > 1
    return Origin(latest.layer, None, latest.normalizer, latest.normalizing, latest.before, joined)
