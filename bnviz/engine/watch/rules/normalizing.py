"""Normalizers: what they receive is measured, and what they give out is still of the same layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bnviz.engine.watch import operations, samples
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
    origin = normalized(tracker, given, node, call.name)

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


def normalized(tracker: Tracker, given: Tensor, value: Value, operation: str) -> Origin:
    """The origin that a normalizer makes of a value; what it receives is measured once."""
    layer, before = value.layer, value.part.origin
    if layer is None:
        return Origin(None)
    if before.normalizer:
        return Origin(layer, None, before.normalizer, before.normalizing, before.before, before.joined)
    running = tracker.running[-1] if tracker.running else None
    alone = running is not None and not any(
        isinstance(part, AFFINE) or is_scripted(part) for part in running.modules()
    )
    alone = (
        alone and not any(item.dim() > 1 for item in running.parameters(recurse=False)) if running else False
    )
    told = (
        class_name(running) if alone and running is not None else operation.replace("native_", "").strip("_")
    )
    received = _received(tracker, given, value) if tracker.asked is None else None
    return Origin(layer, None, plain_name(told), running if alone else None, received, before.joined)


def _received(tracker: Tracker, given: Tensor, value: Value) -> Before:
    sample = samples.take(given, value.part.units)
    summary = samples.Summary.of(sample) if sample.values.size else None
    return Before(summary, value.part.units, tracker.at(given))
