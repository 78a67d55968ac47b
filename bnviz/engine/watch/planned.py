"""Sees a pass that has a plan: holds every operation against it, and measures what the plan says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bnviz.engine.watch import call
from bnviz.engine.watch.call import tensors_in
from bnviz.engine.watch.measured import Measured
from bnviz.engine.watch.names import Names
from bnviz.engine.watch.observation import Found
from bnviz.engine.watch.plan import Look, Plan, PlannedLayer, Reading, bare
from bnviz.engine.watch.signature import Signer, Token
from bnviz.engine.watch.streams import At, Before, Part
from bnviz.engine.watch.tracker import SHIFTED


class PlannedObservation(TorchDispatchMode):
    """Sees one pass.

    references: what drift is measured from, by the name of the layer. held: whether it did what the plan says; nothing
    is found in one that did not. Of what is found, small samples are not measured yet.
    """

    def __init__(self, plan: Plan, references: Mapping[str, Measured | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held = True
        self._plan = plan
        self._references = references
        self._signer = Signer(Names.owners_now(plan.owners))
        self._parts = [bare(layer.part) for layer in plan.layers]
        self._kept: dict[Token, Tensor] = {}
        self._looks = plan.looks

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled while it sees a pass, so that torch need not guard each of its calls."""
        return False

    def begin(self) -> None:
        """See every operation from now on."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """See none any more."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self._measure()
        self.held = self.held and self._signer.count == len(self._plan.signatures)
        self._kept.clear()

    @property
    def found(self) -> list[Found]:
        """The layers in the order of the pass."""
        return [
            Found(layer.name, part, layer.module, layer.weight)
            for layer, part in zip(self._plan.layers, self._parts, strict=True)
        ]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every operation of the pass."""
        named = kwargs or {}
        if call.holds_others(types):
            return NotImplemented
        if self.held:
            try:
                self._check(func, args, named)
            except Exception:  # whatever a stranger's tensor raises, it is none of the plan's
                self.held = False
        output = func(*args, **named)
        if self.held:
            self._produced(output)
        return output

    def _check(self, function: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Hold an operation against the plan, and measure what is to be measured before it."""
        signer, signatures = self._signer, self._plan.signatures
        if signer.count >= len(signatures) or not signer.agrees(
            signatures[signer.count], function, args, named
        ):
            self.held = False
            return
        if self._looks.from_outside:
            self._keep(tensors_in((args, tuple(named.values())) if named else args))
        if signer.count in self._looks.due:
            self._measure()

    def _produced(self, output: Any) -> None:
        index = self._signer.count
        self._signer.produced(output)
        if index in self._looks.producing:
            self._keep(tensors_in((output,)))

    def _keep(self, tensors: Sequence[Tensor]) -> None:
        """Keep a tensor that is to be measured until it is."""
        last_use = self._looks.last_use
        for item in tensors:
            token = self._signer.token(item)
            if token is not None and token in last_use and self._signer.count <= last_use[token]:
                self._kept[token] = item

    def _measure(self) -> None:
        index = self._signer.count
        for look in self._looks.due.get(index, ()):
            tensor = self._kept.get(look.token)
            if tensor is None:
                self.held = False
                return
            self._look(look, tensor)
        for token in [token for token in self._kept if self._looks.last_use[token] <= index]:
            del self._kept[token]

    def _look(self, look: Look, tensor: Tensor) -> None:
        if isinstance(look.at, Reading):
            self.held = self.held and torch.equal(tensor.detach().cpu(), look.at.numbers)
            return
        part = self._parts[look.at]
        if not look.before:
            self._values(part, self._plan.layers[look.at], tensor)
        elif part.origin.before is not None:
            self._before(part.origin.before, tensor)

    def _values(self, part: Part, layer: PlannedLayer, tensor: Tensor) -> None:
        part.take(tensor, At(self._signer.count, None))
        if layer.shifted and part.sample is not None:
            part.sample.remark = SHIFTED
        if part.sample is not None and not part.sample.small:
            part.measure(False, self._references.get(layer.name))

    def _before(self, before: Before, tensor: Tensor) -> None:
        before.take(tensor)
        if before.sample is not None and not before.sample.small:
            before.measure()
