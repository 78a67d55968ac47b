"""Functions of single numbers: alone, which may be nonlinearities, or of numbers of several tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bnviz.engine.watch import samples
from bnviz.engine.watch.call import Call, Follow
from bnviz.engine.watch.evidence import GRID, is_linear, is_linear_in
from bnviz.engine.watch.operations import Units
from bnviz.engine.watch.rules.normalizing import normalized
from bnviz.engine.watch.streams import Constant, Inner, Origin, State, Value
from bnviz.engine.watch.tracker import Tracker

ARITHMETIC = frozenset({"add", "sub", "rsub", "mul", "div", "addcmul", "addcdiv"})
SHIFTING = frozenset({"sub", "rsub", "div"})
"""What running statistics are used for; a table that is added is none."""


def apply(tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
    """A function of each number: alone, or together with numbers of other tensors."""
    known = {id(item) for item, _ in values}
    scaling = call.name in ("mul", "div")  # by zeros that stand for a first state, say
    wide = [
        item
        for item in call.tensors
        if id(item) not in known and (_scalar(tracker, item) is None or (scaling and item.numel() > 1))
    ]
    shapes = {tuple(item.shape) for item, _ in values}
    if len({node.part for _, node in values}) == 1 and len(shapes) == 1 and not wide:
        return compose(tracker, call, values)
    return _combine(tracker, call, values, wide)


def _scalar(tracker: Tracker, item: Tensor) -> Tensor | None:
    """The one number that a tensor stands for; None where it holds several."""
    node = tracker.node(item)
    if isinstance(node, Constant) and node.value is not None:
        return torch.tensor(node.value, dtype=torch.float64)
    if item.numel() != 1:
        return None
    number = item.detach().reshape(()).cpu()
    tracker.read(item)
    return number.double() if number.is_floating_point() else number


def compose(tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Follow:
    """A further function of a part's numbers."""
    shadows = {id(item): node.shadow.clone() if call.in_place else node.shadow for item, node in values}

    def stand_in(item: Tensor) -> Any:
        return shadows[id(item)] if id(item) in shadows else _scalar(tracker, item)

    with torch.no_grad():
        shadow = call.on(stand_in)
    shadow = shadow[0] if isinstance(shadow, tuple | list) else shadow
    part = values[0][1].part
    source = next((item if node.identity else node.source for item, node in values if node.linear), None)
    receiving = next((node.receiving for _, node in values if node.receiving is not None), None)
    inner = _inner(tracker, call, values)
    alone = values[0][1] if len(values) == 1 else None
    plain = None if alone is None or alone.linear else _plain(shadow, alone)
    value = Value.of(part, shadow, tracker.serial, source, receiving, inner, plain)
    if tracker.wanted(part) and source is not None and (not value.linear or call.in_place):
        part.take(source, tracker.at(source))
        tracker.parts.append(part)
    if call.in_place:
        value.source = None

    def follow(output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) else output
        tracker.forget(output)
        if call.in_place:
            tracker.change(first, part)
        tracker.nodes[first] = value

    return follow


def _plain(shadow: Tensor, before: Value | Inner) -> Tensor | None:
    """What a nonlinearity was before an operation, if that only scales or shifts what it gives out."""
    if not is_linear_in(shadow, before.shadow):
        return None
    return before.shadow if before.plain is None else before.plain


def _inner(tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]]) -> Inner | None:
    """The function as one of scaled or shifted values; None where it is not a function of such alone."""
    roots = {node.inner.root if node.inner is not None else node for _, node in values}
    if len(roots) > 1 or tracker.asked is not None:
        return None
    root = roots.pop()
    if not root.linear or root.identity:
        return None
    shadows = {id(item): GRID if node.inner is None else node.inner.shadow for item, node in values}
    if call.in_place:
        shadows = {key: shadow.clone() for key, shadow in shadows.items()}
    inner = next((node.inner for _, node in values if node.inner is not None), None)
    with torch.no_grad():
        shadow = call.on(lambda item: shadows[id(item)] if id(item) in shadows else _scalar(tracker, item))
    shadow = shadow[0] if isinstance(shadow, tuple | list) else shadow
    if inner is not None:
        return Inner(
            root, inner.sample, inner.at, shadow, _plain(shadow, inner) if len(values) == 1 else None
        )
    if is_linear(shadow):
        return None
    given = values[0][0]
    return Inner(root, samples.take(given, root.part.units), tracker.at(given), shadow)


def _combine(
    tracker: Tracker, call: Call, values: Sequence[tuple[Tensor, Value]], wide: Sequence[Tensor]
) -> Follow:
    """Numbers of several tensors together: a bias, a normalizer by hand, a sum, a gate."""
    carriers = [(item, node) for item, node in values if node.layer is not None]
    layers = {node.part.origin.layer for _, node in carriers if node.part.origin.statistic_of is None}
    statistics = [node for _, node in values if node.part.origin.statistic_of in layers - {None}]
    states = [node for item in wide if isinstance(node := tracker.node(item), State)]
    running = call.name in SHIFTING and any(not node.owner.learned for node in states)
    normalizing = call.name in ARITHMETIC and bool(layers) and (bool(statistics) or running)
    for _, node in values:
        if not node.linear and not (normalizing and node in statistics):
            tracker.finish(node)
    given, latest = max(
        [pair for pair in carriers if pair[1].part.origin.statistic_of is None] or carriers or values,
        key=lambda pair: -1 if pair[1].layer is None else pair[1].layer.number,
    )
    added = len(values) > 1 or any(tracker.node(item) is None for item in wide)
    if normalizing:
        by_batch = any(node.part.origin.by_batch for node in statistics)
        origin = normalized(tracker, given, latest, "normalization", by_batch)
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
            before.by_batch and not added,
        )
    if call.in_place and isinstance(call.args[0], Tensor):
        mine = tracker.node(call.args[0])
        changed = mine.part if isinstance(mine, Value) else None
    else:
        changed = None
    owner = tracker.by_owner.get(latest.part.origin) if states and len(values) == 1 else None

    def follow(output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) else output
        tracker.forget(output)
        if changed is not None:
            tracker.change(first, changed)
        value = tracker.make_origin(first, origin, _aligned(latest.part.units, given, first))
        if owner is not None:  # the bias of a module that was asked for
            del tracker.by_owner[latest.part.origin]
            tracker.answer(value.part, first, owner)

    return follow


def _aligned(units: Units | None, given: Tensor, output: Tensor) -> Units | None:
    """Where units are after a tensor was broadcast to the shape of an output."""
    if units is None or given.shape == output.shape:
        return units
    axis = units.axis + output.dim() - given.dim()
    same = axis >= 0 and axis < output.dim() and output.shape[axis] == len(units.numbers)
    return Units(axis, units.numbers) if same else None
