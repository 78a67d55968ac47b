"""What every nonlinearity of somebody's network receives, found by following tensors through one pass.

Modules say which tensor a Linear or a convolution, and which a normalizer, has given out; a
torch.overrides.TorchFunctionMode sees every function that is called on a tensor, whether a module calls it or the
network's own forward. So nn.ReLU, F.relu, torch.relu and x.relu_() are all found, wherever they stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bnviz.engine.recorder import as_table
from bnviz.experiment.knob import MAX_WIDTH
from bnviz.recording.watched import WatchError, plain_name

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
AFFINE = (nn.Linear, *CONVOLUTIONS)
NONLINEARITIES = frozenset(
    {"relu", "sigmoid", "tanh", "gelu", "silu", "mish", "elu", "selu", "celu", "softplus", "softsign"}
    | {"leaky_relu", "prelu", "rrelu", "relu6", "hardtanh", "hardsigmoid", "hardswish"}
)


def is_normalizer(module: nn.Module) -> bool:
    """Whether a module normalizes: one of torch's, or one of that name that holds no Linear or convolution."""
    named = "norm" in type(module).__name__.lower()
    return named and not any(isinstance(part, AFFINE) for part in module.modules())


@dataclass(eq=False)
class Layer:
    """A call of a Linear or a convolution, and what became of its output.

    name: as the network calls the module, such as "head.fc1", or "Linear 0" where that is but a number; with
    " (2)" at its second call.
    values, before: (N, F) float32, what the nonlinearity and what the normalizer received; None until then.
    activation: "" for a module that was asked for by name and has no nonlinearity of its own.
    """

    name: str
    module: nn.Module
    number: int
    values: np.ndarray | None = None
    before: np.ndarray | None = None
    activation: str = ""
    normalizer: nn.Module | None = None

    def table(self, tensor: Any) -> np.ndarray:
        """A copy of a tensor as (N, F): what comes later in the pass may work in place. Raises WatchError."""
        if not isinstance(tensor, Tensor) or tensor.dim() < 2 or not tensor.is_floating_point():
            raise WatchError(f"{self.name} gives out no batch of numbers that could be measured")
        convolves = isinstance(self.module, CONVOLUTIONS)
        features = _count_features(self.module)
        axis = 1 if convolves and tensor.dim() > 2 else -1
        if features is not None and tensor.shape[axis] != features:
            axis = next((i for i in range(1, tensor.dim()) if tensor.shape[i] == features), axis)
        table = as_table(tensor.detach().float(), axis)
        if table.shape[1] > MAX_WIDTH:
            return table[:, chosen_units(table.shape[1])]
        return table.copy()


class Known(NamedTuple):
    """A tensor, kept so that no other takes its place in memory, and the layer that it came from."""

    tensor: Tensor
    layer: Layer


class Flow(TorchFunctionMode):
    """Follows one pass of a network; afterwards `layers` holds what was found, in the order of the pass.

    names: every module's name. normalizers: those of them that normalize.
    asked: names of the modules to watch; None for all that a nonlinearity follows.
    A tensor belongs to the latest Linear or convolution it was computed from; the first nonlinearity that
    receives such a tensor makes them a layer. So behind a residual addition it is the whole sum.
    """

    def __init__(
        self, names: Mapping[nn.Module, str], normalizers: Set[nn.Module], asked: Sequence[str] | None
    ) -> None:
        super().__init__()
        self.names = names
        self.normalizers = normalizers
        self.asked = None if asked is None else frozenset(asked)
        self.calls: Counter[str] = Counter()
        self.found: list[Layer] = []
        self.known: dict[int, Known] = {}

    @property
    def layers(self) -> list[Layer]:
        """The layers whose values are known, in the order of the pass."""
        return [layer for layer in self.found if layer.values is not None]

    def follow(self, run: Callable[[], object]) -> list[Layer]:
        """Run the network and return what was found; no hook stays behind, even if it fails."""
        with ExitStack() as hooks:
            for module in self.names:
                if module in self.normalizers:
                    hooks.callback(module.register_forward_hook(self.normalized).remove)
                elif self._starts_layer(module):
                    hooks.callback(module.register_forward_hook(self.computed).remove)
            with self:
                run()
        return self.layers

    def computed(self, module: nn.Module, inputs: object, output: object) -> None:
        """A hook: a Linear, a convolution or a module that was asked for has given something out."""
        if not isinstance(output, Tensor):
            return
        name = self.names[module]
        self.calls[name] += 1
        call = f" ({self.calls[name]})" if self.calls[name] > 1 else ""
        told = name if any(map(str.isalpha, name)) else f"{type(module).__name__} {name}".strip()
        layer = Layer(plain_name(told + call), module, len(self.found))
        self.found.append(layer)
        self.known[id(output)] = Known(output, layer)
        if self.asked is not None and self.names[module] in self.asked:
            layer.values = layer.table(output)

    def normalized(self, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """A hook: a normalizer has given something out."""
        given = inputs[0] if inputs else None
        layer = self._layer_of([given])
        asked = self.asked is not None and self.names[module] in self.asked
        if layer is not None and not layer.activation and isinstance(output, Tensor) and output is not given:
            layer.normalizer = module
            if self._wanted(layer):
                layer.before = layer.table(given)
                self.known[id(output)] = Known(output, layer)
                layer.values = layer.table(output) if layer.values is not None else None
        if asked:
            self.computed(module, inputs, output)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every function that is called on a tensor during the pass."""
        named = kwargs or {}
        kind = getattr(func, "__name__", "").removesuffix("_")
        if kind in NONLINEARITIES:
            given = args[0] if args else named.get("input")
            layer = self._layer_of([given])
            if layer is not None and not layer.activation:
                layer.activation = kind
                if self._wanted(layer):
                    layer.values = layer.table(given)
            output = func(*args, **named)
            self.known.pop(id(output), None)  # it may be its own input, worked on in place
            return output
        layer = self._layer_of([*args, *named.values()])
        output = func(*args, **named)
        if layer is not None:
            for tensor in output if isinstance(output, tuple | list) else (output,):
                if isinstance(tensor, Tensor):
                    self.known[id(tensor)] = Known(tensor, layer)
        return output

    def _wanted(self, layer: Layer) -> bool:
        return self.asked is None or self.names[layer.module] in self.asked

    def _starts_layer(self, module: nn.Module) -> bool:
        asked = self.asked is not None and self.names[module] in self.asked
        return asked or isinstance(module, AFFINE)

    def _layer_of(self, given: Iterable[object]) -> Layer | None:
        """The latest layer that any of the tensors, also those in lists, was computed from."""
        layers = []
        for item in given:
            for tensor in item if isinstance(item, tuple | list) else (item,):
                known = self.known.get(id(tensor))
                if known is not None:
                    layers.append(known.layer)
        return max(layers, key=lambda layer: layer.number, default=None)


def chosen_units(features: int) -> np.ndarray:
    """The units of a layer that are measured: all of them, or MAX_WIDTH evenly spaced ones."""
    return np.linspace(0, features - 1, min(features, MAX_WIDTH)).round().astype(int)


def _count_features(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, CONVOLUTIONS) else None
