"""What a field of Experiment says about itself, and the values that fields may have."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MAX_LAYERS = 100

LAYERS_IN_FULL = 20
"""Up to so many layers every width is written out; of more, equal neighbours are written once, as in 100x50."""

MAX_WIDTH = 1000

MAX_CONVOLUTIONS = 8

MAX_CHANNELS = 256

MAX_PREFIXED = 60
"""Characters after a prefix, such as those of a folder's name."""

DATASETS = MappingProxyType(
    {
        "digits": "Digits, 8×8 pixels",
        "mnist": "MNIST, 28×28 pixels",
        "mnist-binary": "MNIST, black or white pixels",
        "fashion-mnist": "Fashion-MNIST, 28×28 pixels",
        "textures": "Textures, 32×32 in colour",
        "cifar-10": "CIFAR-10, 32×32 in colour",
        "spirals": "Two spirals, 2-D",
        "moons": "Two moons, 2-D",
        "circles": "Two circles, 2-D",
    }
)

POINT_DATASETS = ("spirals", "moons", "circles")
"""The datasets whose examples are points in the plane, not images."""

ARCHITECTURES = MappingProxyType(
    {"mlp": "Fully connected", "conv": "Convolutional", "inception": "Inception", "residual": "Residual"}
)

ACTIVATIONS = MappingProxyType(
    {
        "sigmoid": "Sigmoid",
        "tanh": "Tanh",
        "relu": "ReLU",
        "leaky-relu": "Leaky ReLU",
        "elu": "ELU",
        "selu": "SELU",
        "gelu": "GELU",
        "silu": "SiLU (Swish)",
        "softplus": "Softplus",
        "identity": "None: a deep linear network",
    }
)

OPTIMIZERS = MappingProxyType(
    {
        "sgd": "SGD, with momentum",
        "nesterov": "SGD, with Nesterov momentum",
        "rmsprop": "RMSprop",
        "adam": "Adam",
        "adamw": "AdamW",
    }
)

SCHEDULES = MappingProxyType(
    {
        "constant": "Constant",
        "step": "A tenth after each third",
        "cosine": "Cosine, to 0",
        "one-cycle": "One cycle: up, then down",
        "exponential": "Exponential, to a hundredth",
    }
)

NORMALIZERS = MappingProxyType(
    {
        "none": "None",
        "batch": "Batch normalization",
        "layer": "Layer normalization",
        "group": "Group normalization",
        "instance": "Instance normalization",
        "rms": "RMS normalization",
        "weight": "Weight normalization",
        "weight-standardized": "Weight standardization with group normalization",
        "batch-renorm": "Batch renormalization",
        "ghost-batch": "Ghost batch normalization",
        "mean-only": "BN, mean only",
        "variance-only": "BN, variance only",
        "dynamic-tanh": "Dynamic tanh",
        "batch-no-affine": "Batch normalization without γ, β",
        "batch-after-activation": "γ, β after the nonlinearity",
        "input-only": "Network input only",
        "whiten": "Full whitening",
        "l1": "ℓ₁ normalization",
        "batch-stop-mean": "BN, mean held constant in the gradient",
        "batch-stop-statistics": "BN, mean and variance held constant in the gradient",
        "noisy-batch": "BN with moving noise after it",
        "noise": "Moving noise without BN",
    }
)

NORM_PLACEMENTS = MappingProxyType({"before": "Before the nonlinearity", "after": "After the nonlinearity"})

TRAINABLE = MappingProxyType(
    {
        "all": "All",
        "normalizer": "γ and β alone",
        "two-weights": "Two weights of each unit",
        "output": "The output layer alone",
    }
)

BIASES = MappingProxyType(
    {
        "auto": "Unless it is subtracted again",
        "kept": "In every layer",
        "none": "In no hidden layer",
    }
)

IMAGE_SIZES = MappingProxyType({"28-grey": "28×28, grey", "28": "28×28", "32": "32×32", "64": "64×64"})

AUGMENTATIONS = MappingProxyType({"none": "None", "shift": "Shifted", "shift-flip": "Shifted and flipped"})

INPUT_NORMALIZATIONS = MappingProxyType({"none": "None", "per-channel": "Per channel"})

RESIDUALS = MappingProxyType(
    {
        "none": "None",
        "pre": "Pre-normalization",
        "post": "Post-normalization",
    }
)

ALL_LAYERS = "all"
"""The value of a field that names layers: every one."""

INITS = MappingProxyType(
    {
        "gaussian": "Gaussian, σ = scale",
        "uniform": "Uniform, ± scale/√inputs",
        "xavier": "Xavier (Glorot) × scale",
        "kaiming": "Kaiming (He) × scale",
        "orthogonal": "Orthogonal × scale",
        "zeros": "All zeros",
    }
)

DEVICES = MappingProxyType(
    {"auto": "GPU if there is one", "cpu": "CPU", "cuda": "CUDA GPU", "mps": "Apple GPU"}
)


class ExperimentError(ValueError):
    """A value that an Experiment does not allow; the message names the field, the value, what is allowed."""


@dataclass(frozen=True)
class Knob:
    """What a field of Experiment says about itself besides its type and default.

    low, high: the range of a number; whole numbers have whole bounds. unit: what a value counts, where it counts
    something. zero: what 0 means, where it is no number. why: what forbids a number out of the range. form: of a
    field that names layers, what may be written into it. before: the word that stands before a choice where no label
    does.
    """

    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    suggestions: tuple[Any, ...] = ()
    unit: str = ""
    zero: str = ""
    why: str = ""
    form: str = ""
    before: str = ""

    def words(self, value: Any) -> str:
        """A value as a reader is told it: "Sigmoid", "3 × 100", "2,000"; a text that is no choice stays as it is."""
        if isinstance(value, str):
            return self.choices.get(value, value)
        if isinstance(value, tuple):
            alike = len(set(value)) == 1
            return f"{len(value)} × {value[0]}" if alike else widths_text(value)
        if self.zero and value == 0:
            return self.zero
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"

    def phrase(self, value: Any) -> str:
        """A value in words that need no label: "Sigmoid", "3 × 100 units", "learning rate 0.03"."""
        if self.choices:
            if not self.before:
                return self.words(value)
            return (
                f"no {self.before}" if value == "none" else f"{self.before} {lower_first(self.words(value))}"
            )
        return (
            f"{self.words(value)} {self.unit}" if self.unit else f"{self.label.lower()} {self.words(value)}"
        )

    @property
    def allowed(self) -> str:
        """What may be written into this field, as words that complete "allowed is …"."""
        if self.choices:
            open_ended = [f"{prefix}<name>" for prefix in self.prefixes]
            named = f"; a <name> has 1 to {MAX_PREFIXED} letters, digits, - and _" if open_ended else ""
            return "one of " + ", ".join([*self.choices, *open_ended]) + named
        if self.form:
            return self.form
        if self.low is None:
            return f"1 to {MAX_LAYERS} widths from 1 to {MAX_WIDTH}, such as 100-100-100 or, short, 100x3"
        kind = "whole number" if isinstance(self.low, int) else "number"
        return f"a {kind} from {self.low:g} to {self.high:,.10g}{self.why and f', since {self.why}'}"

    def check(self, value: Any) -> Any:
        """Return `value` if it is in range or among the choices. Raises ValueError otherwise.

        A name's accents are composed: some systems write the folder "Käfer" with a sign of its own for the dots.
        """
        if self.choices:
            value = unicodedata.normalize("NFC", value)
            known = value in self.choices
            prefixed = any(
                re.fullmatch(re.escape(prefix) + rf"[\w-]{{1,{MAX_PREFIXED}}}", value)
                for prefix in self.prefixes
            )
            accepted = known or prefixed
        elif self.form:
            accepted = value == ALL_LAYERS or bool(layer_numbers(value))
        elif self.low is not None and self.high is not None:
            accepted = self.low <= value <= self.high  # false for NaN as well
        else:
            accepted = 1 <= len(value) <= MAX_LAYERS and all(1 <= width <= MAX_WIDTH for width in value)
        if not accepted:
            raise ValueError(self.allowed)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        typed = core_schema.no_info_before_validator_function(refuse_truth, handler(source))
        return core_schema.no_info_after_validator_function(self.check, typed)


def lower_first(text: str) -> str:
    """The text as it stands within a sentence: "ReLU" and "BN" keep their capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def refuse_truth(value: Any) -> Any:
    """Return `value` unless it is or holds True or False, which would pass for 1 or 0. Raises ValueError."""
    held = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(item, bool) for item in held):
        raise ValueError("no truth value is allowed")
    return value


MAX_WIDTHS_TEXT = 600
"""Characters: more than any allowed widths take, and few enough to read."""


def parse_widths(value: Any) -> Any:
    """Read layer widths from "100-100-100" (also with commas or spaces); other types pass through.

    "100x3" is three layers of 100; a part that is none, or names too many layers, is left for the check to refuse.
    """
    if not isinstance(value, str) or len(value) > MAX_WIDTHS_TEXT:
        return value
    widths: list[int | str] = []
    for part in re.split(r"[-,\s]+", value.strip()):
        found = re.fullmatch(r"([0-9]+)(?:[x×]([0-9]{1,3}))?", part)
        widths += [part] if found is None else [int(found[1])] * int(found[2] or 1)
    return tuple(widths)


def widths_text(widths: Sequence[int]) -> str:
    """Layer widths as `parse_widths` reads them: "100-100-100"; of very many, "100x50" is fifty layers of 100."""
    if len(widths) <= LAYERS_IN_FULL:
        return "-".join(map(str, widths))
    runs = [(width, len(list(alike))) for width, alike in itertools.groupby(widths)]
    return "-".join(f"{width}x{count}" if count > 1 else str(width) for width, count in runs)


MAX_LAYERS_TEXT = 400
"""Characters: more than any list of layers takes, and few enough to read."""


def layer_numbers(text: str) -> tuple[int, ...]:
    """The layers that "1,3" or "1,10-50" names, in order; () where it names none, or what no network has."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part.strip())
        if found is None:
            return ()
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= MAX_LAYERS:
            return ()
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def parse_layers(value: Any) -> Any:
    """A list of layers in the one way in which it is kept, "1,3,10-50"; what is none passes through."""
    if not isinstance(value, str) or len(value) > MAX_LAYERS_TEXT:
        return value
    numbers = layer_numbers(value)
    starts = [number for number in numbers if number - 1 not in numbers]
    ends = [number for number in numbers if number + 1 not in numbers]
    parts = []
    for start, end in zip(starts, ends, strict=True):
        few = range(start, end + 1) if end - start < 2 else ()
        parts += [str(number) for number in few] or [f"{start}-{end}"]
    return ",".join(parts) or value.strip()


Layers = Annotated[str, BeforeValidator(parse_layers)]


Widths = Annotated[tuple[int, ...], BeforeValidator(parse_widths)]


def short_repr(value: Any) -> str:
    """A value as it may stand in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
