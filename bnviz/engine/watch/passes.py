"""The model's own forward passes: hooks on it while a record is due, and none at other times.

While a record is due torch.compile runs what it has compiled eagerly, so that nothing of bnviz is ever traced.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

TRAINING, EVALUATION, WITHOUT_GRADIENT = "training", "evaluation", "training without gradients"


def mode_of(model: nn.Module) -> str:
    """In which mode a pass that begins now runs."""
    if not model.training:
        return EVALUATION
    return TRAINING if torch.is_grad_enabled() else WITHOUT_GRADIENT


class Hook:
    """A hook on somebody else's module. In a copy of the module, and in a file of it, it does nothing."""

    def __init__(self, call: Callable[..., None] | None = None) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> None:
        """Tell who watches the module."""
        if self._call is not None:
            self._call(*arguments)

    @property
    def __name__(self) -> str:
        """TorchScript asks for it, which cannot have a hook that Python runs. Raises AttributeError."""
        raise AttributeError(
            "bnviz is about to look on at this module, and its hook cannot be scripted; script the module before "
            "watch(...), or after recording.close()"
        )

    def __reduce__(self) -> tuple[type[Hook], tuple[()]]:
        """What copies and files hold of it."""
        return Hook, ()


class Passes:
    """Tells of the model's forward passes while it is armed.

    began, ended: called at the beginning of a pass with its inputs, and at its end with whether it failed.
    """

    def __init__(
        self, model: nn.Module, began: Callable[[object], None], ended: Callable[[bool], None]
    ) -> None:
        self.model = model
        self.seen = 0
        self.compiled = 0
        self._began = began
        self._ended = ended
        self._depth = 0
        self._outer: tuple[int, FrameType] | None = None  # of the pass: its thread, and the call of the model
        self._hooks: list[Any] = []
        self._stance: Any = None

    def arm(self) -> None:
        """Tell of passes from now on."""
        if self._hooks:
            return
        if isinstance(self.model, torch.jit.ScriptModule):  # it takes no hooks of its own
            self._hooks = [
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave, always_call=True),
            ]
        else:
            self._hooks = [
                self.model.register_forward_pre_hook(Hook(self._enter), prepend=True, with_kwargs=True),
                self.model.register_forward_hook(Hook(self._leave), always_call=True),
            ]
        self._have_eager()

    def _have_eager(self) -> None:
        if self._stance is None and "torch._dynamo" in sys.modules:
            try:
                self._stance = torch.compiler.set_stance("force_eager")
            except (
                RuntimeError
            ):  # called from what is compiled, such as a step of an optimizer: tried at the pass
                self._stance = None

    def disarm(self) -> None:
        """Leave the model as it was, and tell of no pass."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._depth, self._outer = 0, None

    def let_compile(self) -> None:
        """Have torch.compile go on as it did. Not from within a pass: it may be one of what it has compiled."""
        if self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None

    @property
    def eager(self) -> bool:
        """Whether torch.compile runs eagerly what it has compiled."""
        return self._stance is not None

    @property
    def broken_off(self) -> bool:
        """Whether a pass that began has ended without a hook, as a KeyboardInterrupt ends it."""
        return self._outer is not None and not is_running(self._outer[1])

    @property
    def armed(self) -> bool:
        """Whether it tells of passes."""
        return bool(self._hooks)

    def _enter(self, module: nn.Module, *inputs: object) -> None:
        if _is_traced() or module is not self.model:
            return
        if self._outer is not None:
            if self._outer[0] != threading.get_ident():
                return  # another pass at the same time
            if self.broken_off:
                self._depth, self._outer = 0, None
                self._ended(True)
        self._depth += 1
        if self._depth == 1:
            self._outer = threading.get_ident(), sys._getframe(2)
            self._have_eager()
            self.seen += 1
            self._began(inputs)

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:
        if _is_traced() or module is not self.model:
            return
        if self._outer is None or self._outer[0] != threading.get_ident():
            return
        self._depth -= 1
        if not self._depth:
            self._outer = None
            self._ended(output is None and sys.exc_info()[0] is not None)


def is_running(call: FrameType) -> bool:
    """Whether a call is one of those that have led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not call:
        frame = frame.f_back
    return frame is call


def _is_traced() -> bool:
    """Whether somebody calls the model to write down what it does: nothing is computed then that could be measured."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch.fx._symbolic_trace.is_fx_symbolic_tracing()
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
    )


class Parts:
    """Which modules of a model are called until the first update, in case the model itself is not.

    passes: how often the model itself was, while it trains.
    """

    def __init__(self, model: nn.Module) -> None:
        self.called: dict[nn.Module, None] = {}
        self.passes = 0
        self._model = model
        self._calls = 0
        self._hooks = [
            module.register_forward_pre_hook(Hook(self._enter))
            for module in model.modules()
            if not isinstance(module, torch.jit.ScriptModule)
        ]

    def were_called(self) -> bool:
        """Whether a module was called since this was last asked."""
        calls, self._calls = self._calls, 0
        return calls > 0

    def close(self) -> None:
        """Let go of the modules."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def why_never_called(self) -> str:
        """What is to be told where the model itself was not called, and what to write instead."""
        called = self._outermost()
        if called:
            instead = ", ".join(f"watch(model.{name})" for name in called[:5])
            return (
                f"its own forward was not called before the first update, only parts of it; write {instead}"
            )
        return (
            "its forward was not called before the first update; watch the module that the program calls, and "
            "compile a model before it is watched"
        )

    def _outermost(self) -> list[str]:
        """The names of the called modules that stand in no other called module."""
        names = [name for name, module in self._model.named_modules() if name and module in self.called]
        return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]

    def _enter(self, module: nn.Module, inputs: object) -> None:
        if not _is_traced():
            self.called[module] = None
            self._calls += 1
            self.passes += module is self._model and mode_of(self._model) == TRAINING
