"""The same values in another place, or as other copies: their units go with them."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.streams import Constant, Part, Value
from bnviz.engine.watch.tracker import Tracker


def copy(tracker: Tracker, call: Call) -> Follow:
    """The same values in another place."""
    source = call.args[1] if call.name == "copy" else call.args[0]
    node = tracker.node(source) if isinstance(source, Tensor) else None
    if node is None and call.name in ("lift_fresh", "lift"):
        node = Constant(None)

    def follow(output: Any) -> None:
        if node is None:
            tracker.forget(output)
        elif isinstance(node, Value) and (source.shape != output.shape or _rounds(output, node)):
            units = node.part.units if source.shape == output.shape else None
            shadow = node.shadow.to(output.dtype) if _rounds(output, node) else node.shadow
            part = node.part if units is node.part.units else Part(node.part.origin, ("copy",), units)
            tracker.nodes[output] = Value.of(part, shadow, tracker.serial, node.source, node.receiving)
        else:
            tracker.nodes[output] = node

    return follow


def move(tracker: Tracker, call: Call) -> Follow:
    """Values are taken elsewhere; the numbers of their units are moved in the same way."""
    given = call.args[0]
    node = tracker.node(given) if isinstance(given, Tensor) else None
    if not isinstance(node, Value):
        return tracker.forget
    shape, units, origin = given.shape, node.part.units, node.part.origin
    arrangement = repr(
        tree_map(lambda item: id(item) if isinstance(item, Tensor) else item, (call.args[1:], call.named))
    )
    token = (*node.part.token, call.name, arrangement)
    for item in call.tensors[1:]:
        tracker.read(item)
    rest = tree_map(
        lambda item: item.cpu() if isinstance(item, Tensor) else item, (call.args[1:], call.named)
    )
    source = None
    if node.source is not None and not node.identity:
        source = operations.moved(lambda item: call.function(item, *call.args[1:], **call.named), node.source)

    def follow(output: Any) -> None:
        several = isinstance(output, tuple | list)
        outputs = list(output) if several else [output]
        missing = [place for place in range(len(outputs)) if (*token, place) not in origin.parts]
        if missing:
            moved = operations.move_units(
                units, shape, lambda numbers: _as_real(numbers, call, rest), outputs
            )
            for place in missing:
                origin.parts[*token, place] = Part(origin, (*token, place), moved[place])
        sources = (list(source) if several else [source]) if source is not None else [None] * len(outputs)
        for place, item in enumerate(outputs):
            part = origin.parts[*token, place]
            value = Value(
                part,
                node.shadow,
                tracker.serial,
                sources[place],
                node.linear,
                receiving=node.receiving,
                inner=node.inner,
                plain=node.plain,
            )
            tracker.nodes[item] = value

    return follow


def _as_real(numbers: Tensor, call: Call, rest: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    """The operation on the numbers of units, which are real where its own are complex."""
    if call.name == "view_as_real":  # a real and an imaginary part of each
        return numbers.unsqueeze(-1).expand(*numbers.shape, 2)
    return call.function(numbers, *rest[0], **rest[1])


def _rounds(output: Tensor, value: Value) -> bool:
    """Whether a copy holds whole numbers or truth values of what were real numbers."""
    return not output.is_floating_point() and value.shadow.is_floating_point()
