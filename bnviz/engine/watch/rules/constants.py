"""What is made of no values of the network: constants, and what parameters and buffers alone give."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from bnviz.engine.watch import operations
from bnviz.engine.watch.call import Call, Follow, tensors_in
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.streams import Constant, Node, Origin, State
from bnviz.engine.watch.tracker import Tracker


def make(tracker: Tracker, call: Call) -> Follow:
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
                tracker.nodes[item] = Constant(value)

    return follow


def without_values(tracker: Tracker, call: Call) -> Follow:
    """Parameters, buffers and constants give such again; of all else nothing is known."""
    nodes = [tracker.node(item) for item in call.tensors]
    if len(nodes) == 1 and isinstance(nodes[0], State) and call.name in operations.MOVES:
        return lambda output: _set_all(tracker, output, nodes[0])
    states = [(item, node) for item, node in zip(call.tensors, nodes, strict=True) if isinstance(node, State)]
    made = all(
        node is not None or item.numel() == 1 or not item.is_floating_point()
        for item, node in zip(call.tensors, nodes, strict=True)
    )
    result: Node | None = None
    if call.name in operations.EMBEDDINGS:
        return lambda output: _looked_up(tracker, output)
    if states and made:
        result = max(states, key=lambda pair: pair[0].dim())[1]
    elif all(isinstance(node, Constant) for node in nodes):
        filled = call.args[1] if call.name == "fill" and len(call.args) > 1 else None
        value = 0.0 if call.name == "zero" else filled
        kept = nodes[0] if call.name in operations.MOVES else None
        result = kept or Constant(float(value) if isinstance(value, int | float) else None)

    return lambda output: _set_all(tracker, output, result)


def _set_all(tracker: Tracker, output: Any, node: Node | None) -> None:
    """All that an operation gave out is the same."""
    for item in tensors_in((output,)):
        if node is None:
            tracker.nodes.pop(item, None)
        else:
            tracker.nodes[item] = node


def _looked_up(tracker: Tracker, output: Any) -> None:
    """Rows of a table are values that come from outside."""
    tracker.forget(output)
    first = tensors_in((output,))[0]
    tracker.make_origin(first, Origin(None), Units.along(first, -1))
