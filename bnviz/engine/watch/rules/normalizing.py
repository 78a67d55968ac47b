"""Normalizers: what they receive is measured, and what they give out is still of the same layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.names import AFFINE, class_name, is_scripted
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.streams import Before, Origin, Value
from bnviz.engine.watch.tracker import Tracker
from bnviz.recording.watched import plain_name


def normalize(tracker: Tracker, call: Call) -> Follow:
    """One of torch's normalizers."""
    given = call.args[0]
    node = tracker.node(given)
    assert isinstance(node, Value)
    if not node.linear:
        tracker.finish(node)
    by_batch = call.name in operations.BATCH_NORMS and bool(
        call.argument("training", call.name == "_batch_norm_with_update")
    )
    origin = normalized(tracker, given, node, call.name, by_batch)

    def follow(output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) else output
        tracker.forget(output)
        units = node.part.units
        if call.name in operations.CHANNEL_NORMS and (units is None or units.axis != 1):
            units = Units.along(first, 1)
        if call.name in operations.LAST_AXIS_NORMS and units is None:
            units = Units.along(first, -1)
        tracker.make_origin(first, origin, units)

    return follow


def normalized(tracker: Tracker, given: Tensor, value: Value, operation: str, by_batch: bool) -> Origin:
    """The origin that a normalizer makes of a value; what it receives is measured once.

    by_batch: whether it takes its statistics of each unit from the whole batch.
    """
    layer, before = value.layer, value.part.origin
    running = tracker.running[-1] if tracker.running else None
    alone = running if running is not None and _only_normalizes(running) else None
    if layer is None:
        if alone is None or tracker.asked is not None or not any(True for _ in alone.parameters()):
            return Origin(None)
        layer = tracker.begin(alone)  # its scale and shift are an affine map of each unit
    elif before.normalizer:
        by_batch = by_batch or before.by_batch
        return Origin(
            layer, None, before.normalizer, before.normalizing, before.before, before.joined, by_batch
        )
    told = class_name(alone) if alone is not None else operation.replace("native_", "").strip("_")
    received = _received(tracker, given, value) if tracker.asked is None else None
    return Origin(layer, None, plain_name(told), alone, received, before.joined, by_batch)


def _only_normalizes(module: nn.Module) -> bool:
    """Whether a module holds no map, so that the normalizer in it goes by the module's name."""
    if any(isinstance(part, AFFINE) or is_scripted(part) for part in module.modules()):
        return False
    return all(item.dim() <= 1 for item in module.parameters(recurse=False))


def _received(tracker: Tracker, given: Tensor, value: Value) -> Before:
    before = Before(value.part.units, tracker.at(given))
    before.take(given)
    before.measure()
    return before
