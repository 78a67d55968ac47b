"""Which rule follows which operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.rules import affine, constants, gates, mixing, moves, normalizing, pointwise
from bnviz.engine.watch.streams import Value
from bnviz.engine.watch.tracker import Tracker

SPECIAL: Mapping[str, Callable[[Tracker, Call], Follow]] = {
    "glu": gates.gate,
    "_prelu_kernel": gates.named_function,
    "prelu": gates.named_function,
    "rrelu_with_noise": gates.named_function,
    "index_put": gates.put,
}


def plan(tracker: Tracker, function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Follow:
    """What to note of an operation's output, decided before it runs."""
    tracker.serial += 1
    call = Call.of(function, args, named)
    name = call.name
    if not call.tensors or name.endswith("_like") or name.startswith("new_"):
        return constants.make(tracker, call)
    if name in operations.COPIES or name == "copy":
        return moves.copy(tracker, call)
    values = [(item, node) for item in call.tensors if isinstance(node := tracker.node(item), Value)]
    for _, node in values:
        node.consumed = True
    if name in operations.MATRIX_PRODUCTS:
        return affine.multiply(tracker, call)
    if name in operations.CONVOLVING:
        return affine.convolve(tracker, call)
    if name == "_trilinear":
        return affine.bilinear(tracker, call)
    if not values:
        return constants.without_values(tracker, call)
    if name in operations.NORMS and isinstance(tracker.node(args[0]), Value):
        return normalizing.normalize(tracker, call)
    if operations.is_elementwise(function, name):
        return pointwise.apply(tracker, call, values)
    if name in SPECIAL:
        return SPECIAL[name](tracker, call)
    if name in operations.MOVES:
        return moves.move(tracker, call)
    if name in operations.TRANSFORMS:
        return mixing.transform(tracker, call)
    if name in operations.REDUCTIONS:
        return mixing.reduce(tracker, call)
    if name in operations.JOINS:
        return mixing.join(tracker, call, values)
    keep = name in operations.SCATTERS or operations.keeps_axes(name)
    return (None if keep else affine.of_unknown_kind(tracker, call)) or mixing.mix(
        tracker, call, values, keep=keep
    )
