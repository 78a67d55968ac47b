"""An Experiment is everything that determines a training run; here every knob is declared, once.

From the one declaration of a field come its validation, its widget, its URL parameter, its
command-line option and its documentation. Adding a knob is adding one field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

MAX_LAYERS = 20
MAX_WIDTH = 1000
MAX_CONVOLUTIONS = 8
MAX_CHANNELS = 256
MAX_INTERVENTIONS = 1000

DATASETS = MappingProxyType(
    {
        "digits": "Digits, 8×8 pixels",
        "mnist": "MNIST, 28×28 pixels",
        "mnist-binary": "MNIST, black or white pixels",
        "spirals": "Two spirals, 2-D",
        "moons": "Two moons, 2-D",
        "circles": "Two circles, 2-D",
    }
)
POINT_DATASETS = ("spirals", "moons", "circles")
"""The datasets whose examples are points in the plane, not images."""

ARCHITECTURES = MappingProxyType({"mlp": "Fully connected", "conv": "Convolutional"})
ACTIVATIONS = MappingProxyType({"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"})
NORMALIZERS = MappingProxyType(
    {
        "none": "None",
        "batch": "Batch normalization",
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

    low, high: the range of a number; whole numbers have whole bounds.
    """

    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    suggestions: tuple[Any, ...] = ()

    @property
    def allowed(self) -> str:
        """What may be written into this field, as words that complete "allowed is …"."""
        if self.choices:
            open_ended = [f"{prefix}<name>" for prefix in self.prefixes]
            return "one of " + ", ".join([*self.choices, *open_ended])
        if self.low is None:
            return f"1 to {MAX_LAYERS} widths from 1 to {MAX_WIDTH}, such as 100-100-100"
        kind = "whole number" if isinstance(self.low, int) else "number"
        return f"a {kind} from {self.low:g} to {self.high:,.10g}"

    def check(self, value: Any) -> Any:
        """Return `value` if it is in range or among the choices. Raises ValueError otherwise."""
        if self.choices:
            known = value in self.choices
            prefixed = any(
                re.fullmatch(re.escape(prefix) + r"[\w-]{1,60}", value) for prefix in self.prefixes
            )
            accepted = known or prefixed
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


def refuse_truth(value: Any) -> Any:
    """Return `value` unless it is or holds True or False, which would pass for 1 or 0. Raises ValueError."""
    held = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(item, bool) for item in held):
        raise ValueError("no truth value is allowed")
    return value


MAX_WIDTHS_TEXT = 200
"""Characters: more than any allowed widths take, and few enough to read."""


def parse_widths(value: Any) -> Any:
    """Read layer widths from "100-100-100" (also with commas or spaces); other types pass through."""
    if not isinstance(value, str) or len(value) > MAX_WIDTHS_TEXT:
        return value
    parts = re.split(r"[-,\s]+", value.strip())
    return tuple(int(part) if part.isascii() and part.isdecimal() else part for part in parts)


Widths = Annotated[tuple[int, ...], BeforeValidator(parse_widths)]


class Experiment(BaseModel):
    """Everything that determines a training run. Immutable, validated, hashable.

    Raises ExperimentError with a message for each field that is unknown or not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    dataset: Annotated[
        str,
        Knob(
            "Examples",
            "What the network learns to tell apart. Digits come with bnviz; MNIST is fetched once.",
            "Data",
            choices=DATASETS,
            prefixes=("folder:",),
        ),
    ] = "digits"
    train_examples: Annotated[
        int,
        Knob(
            "Training examples",
            "How many examples to learn from, each class in proportion; 0 takes all. Few can be learned by heart.",
            "Data",
            low=0,
            high=1_000_000,
            suggestions=(0, 100, 250, 500, 1000, 5000),
        ),
    ] = 0
    batch_size: Annotated[
        int,
        Knob(
            "Mini-batch",
            "How many examples each training step sees.",
            "Data",
            low=2,
            high=4096,
            suggestions=(2, 10, 30, 60, 120, 250),
        ),
    ] = 60
    architecture: Annotated[
        str,
        Knob(
            "Kind of network",
            "What a layer is: every unit sees all units before it, or 3×3 filters move over an image.",
            "Network",
            choices=ARCHITECTURES,
        ),
    ] = "mlp"
    hidden: Annotated[
        Widths,
        Knob(
            "Hidden layers",
            "The width of each hidden layer, from the input on, such as 100-100-100; channels if convolutional.",
            "Network",
            suggestions=((100,), (100, 100), (100, 100, 100), (100,) * 5, (100,) * 8, (50,) * 12, (16, 32)),
        ),
    ] = (100, 100, 100)
    activation: Annotated[
        str, Knob("Nonlinearity", "What each unit does to its input.", "Network", choices=ACTIVATIONS)
    ] = "sigmoid"
    normalizer: Annotated[
        str,
        Knob(
            "Normalization",
            "What happens to each unit’s input before the nonlinearity.",
            "Network",
            choices=NORMALIZERS,
        ),
    ] = "batch"
    dropout: Annotated[
        float,
        Knob(
            "Dropout",
            "The share of units silenced at random in each step.",
            "Network",
            low=0.0,
            high=0.95,
            suggestions=(0.0, 0.1, 0.25, 0.5),
        ),
    ] = 0.0
    init: Annotated[
        str, Knob("Initial weights", "How the weights are drawn before training.", "Start", choices=INITS)
    ] = "gaussian"
    init_scale: Annotated[
        float,
        Knob(
            "Scale",
            "The standard deviation σ of Gaussian weights; for the other schemes, a factor on them.",
            "Start",
            low=0.0,
            high=100.0,
            suggestions=(0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        ),
    ] = 0.1
    first_layer_scale: Annotated[
        float,
        Knob(
            "First layer ×",
            "A factor on the first hidden layer’s initial weights alone: 10 starts it ten times too large.",
            "Start",
            low=0.0,
            high=1000.0,
            suggestions=(0.1, 1.0, 10.0, 100.0),
        ),
    ] = 1.0
    seed: Annotated[
        int,
        Knob(
            "Seed",
            "Fixes all chance: initial weights, order of examples, dropout.",
            "Start",
            low=0,
            high=2**31 - 1,
            suggestions=(0, 1, 2, 3, 4, 5),
        ),
    ] = 0
    learning_rate: Annotated[
        float,
        Knob(
            "Learning rate",
            "How far each step moves the weights.",
            "Learning",
            low=0.0,
            high=100.0,
            suggestions=(0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 3.0, 10.0, 30.0),
        ),
    ] = 0.5
    momentum: Annotated[
        float,
        Knob(
            "Momentum",
            "How much of the last step is carried into the next.",
            "Learning",
            low=0.0,
            high=0.999,
            suggestions=(0.0, 0.5, 0.9, 0.99),
        ),
    ] = 0.0
    weight_decay: Annotated[
        float,
        Knob(
            "Weight decay",
            "How strongly weights are pulled toward zero.",
            "Learning",
            low=0.0,
            high=1.0,
            suggestions=(0.0, 0.0001, 0.001, 0.01),
        ),
    ] = 0.0
    steps: Annotated[
        int,
        Knob(
            "Steps",
            "How many mini-batches the whole run takes.",
            "Learning",
            low=1,
            high=1_000_000,
            suggestions=(500, 1000, 2000, 5000, 10_000, 50_000),
        ),
    ] = 2000
    device: Annotated[str, Knob("Device", "Where to train.", "Learning", choices=DEVICES)] = "auto"

    def __init__(self, /, **values: Any) -> None:
        fields = type(self).model_fields
        unknown = [name for name in values if name not in fields]
        messages = [_unknown_message(unknown)] if unknown else []
        for name in unknown:
            del values[name]
        try:
            super().__init__(**values)
        except ValidationError as error:
            messages += _messages(error, values)
        if messages:
            raise ExperimentError("; ".join(messages))
        if conflicts := self._conflicts():
            raise ExperimentError("; ".join(conflicts))

    def _conflicts(self) -> list[str]:
        """One sentence for each pair of fields whose values do not go together."""
        conflicts = []
        if self.train_examples == 1:
            conflicts.append("train_examples = 1 is not allowed; allowed is 0 for all, or 2 and more")
        if self.architecture == "conv":
            if self.dataset in POINT_DATASETS:
                conflicts.append(
                    f"architecture = 'conv' needs images and dataset = {self.dataset!r} has none; "
                    f"allowed is architecture = 'mlp', or dataset = 'digits' and others of images"
                )
            if len(self.hidden) > MAX_CONVOLUTIONS or max(self.hidden) > MAX_CHANNELS:
                conflicts.append(
                    f"hidden = {_shown(self.text(self.hidden))} is too large for architecture = 'conv'; "
                    f"allowed is 1 to {MAX_CONVOLUTIONS} layers of 1 to {MAX_CHANNELS} channels"
                )
        return conflicts

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """Every field's Knob by the field's name, in the order of declaration."""
        return {
            name: knob
            for name, info in cls.model_fields.items()
            for knob in info.metadata
            if isinstance(knob, Knob)
        }

    @classmethod
    def default(cls, name: str) -> Any:
        """The default of the field `name`."""
        return cls.model_fields[name].default

    @staticmethod
    def text(value: Any) -> str:
        """A field's value as the text that stands for it in a URL or an input box."""
        if isinstance(value, tuple):
            return "-".join(map(str, value))
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else str(value)

    @classmethod
    def default_text(cls, name: str) -> str:
        """The default of the field `name`, as text."""
        return cls.text(cls.default(name))

    def replace(self, /, **changes: Any) -> Self:
        """A copy with some fields changed, validated like a new Experiment."""
        return type(self)(**(self.model_dump() | changes))

    def to_json(self) -> str:
        """All fields as a JSON object."""
        return json.dumps(self.model_dump())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ExperimentError."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ExperimentError(f"this is no JSON: {error}") from None
        if not isinstance(values, dict):
            raise ExperimentError(f"an Experiment is a JSON object, not {type(values).__name__}")
        return cls(**values)

    def to_query(self) -> str:
        """The fields that differ from their defaults as a URL query, such as "dataset=mnist&steps=500"."""
        return urlencode(
            {name: text for name, text in self.texts().items() if text != self.default_text(name)}
        )

    def texts(self) -> dict[str, str]:
        """Every field as the text that stands for it in a URL or an input box."""
        return {name: self.text(value) for name, value in self.model_dump().items()}

    @classmethod
    def from_query(cls, query: str) -> Self:
        """The inverse of `to_query`. Raises ExperimentError; `salvage` is the forgiving form."""
        return cls(**dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True)))

    @classmethod
    def salvage(cls, values: Mapping[str, Any], base: Self | None = None) -> tuple[Self, tuple[str, ...]]:
        """The Experiment that `values` describe, fields that are not allowed left as in `base`.

        Returns it with one short sentence for each field that was ignored, and one for all unknown names.
        """
        result = base if base is not None else cls()
        fields = cls.model_fields
        known = [name for name in values if name in fields]
        unknown = [name for name in values if name not in fields]
        ignored: dict[str, str] = {}
        for names in (known, ignored):  # once more, as a value may only go together with a later field's
            for name in list(names):
                try:
                    result = result.replace(**{name: values[name]})
                    ignored.pop(name, None)
                except ExperimentError as error:
                    ignored[name] = str(error)
        return result, (*ignored.values(), *([_unknown_message(unknown)] if unknown else []))

    def differences(self, other: Experiment) -> dict[str, tuple[Any, Any]]:
        """The fields in which two Experiments differ, each with both values."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


MAX_STEP = 1_000_000
CHANGEABLE = ("learning_rate", "momentum", "weight_decay")


class Intervention(BaseModel):
    """Something changed while training: before the update that follows `step`, `field` becomes `value`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    step: int
    field: str
    value: float

    def __init__(self, step: int, field: str, value: float) -> None:
        if field not in CHANGEABLE:
            allowed = ", ".join(CHANGEABLE)
            raise ExperimentError(f"{_shown(field)} cannot be changed while training; allowed is {allowed}")
        try:
            value = getattr(Experiment(**{field: value}), field)
            super().__init__(step=refuse_truth(step), field=field, value=value)
        except ValueError as error:
            if isinstance(error, ExperimentError):
                raise
            raise ExperimentError(_step_message(step)) from None
        if not 0 <= self.step <= MAX_STEP:
            raise ExperimentError(_step_message(step))

    @classmethod
    def parse_all(cls, text: str) -> tuple[Self, ...]:
        """Read "400:learning_rate:1.0,900:momentum:0.9", the URL form. Raises ExperimentError."""
        parts = list(filter(None, text.split(",", MAX_INTERVENTIONS)))
        if len(parts) > MAX_INTERVENTIONS:
            raise ExperimentError(
                f"there are more interventions than allowed; allowed are {MAX_INTERVENTIONS}"
            )
        interventions = []
        for part in parts:
            pieces = part.split(":")
            if len(pieces) != 3:
                raise ExperimentError(f"{_shown(part)} is no intervention; allowed is step:field:value")
            step, name, value = pieces
            interventions.append(cls(step=step, field=name, value=value))  # type: ignore[arg-type]
        return tuple(interventions)

    @staticmethod
    def format_all(interventions: Iterable[Intervention]) -> str:
        """The inverse of `parse_all`."""
        return ",".join(f"{item.step}:{item.field}:{Experiment.text(item.value)}" for item in interventions)


def _shown(value: Any) -> str:
    """A value as it may stand in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _messages(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """One sentence for each field in a pydantic error."""
    knobs = Experiment.knobs()
    names = dict.fromkeys(str(item["loc"][0]) for item in error.errors())
    return [
        f"{name} = {_shown(values.get(name))} is not allowed; allowed is {knobs[name].allowed}"
        for name in names
    ]


def _unknown_message(names: Sequence[str]) -> str:
    """One short sentence about names that are no fields, however many."""
    shown = ", ".join(_shown(name) for name in names[:3])
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    verb = "is no field" if len(names) == 1 else "are no fields"
    return f"{shown}{more} {verb} of an experiment; fields are {', '.join(Experiment.model_fields)}"


def _step_message(step: Any) -> str:
    allowed = f"a whole number from 0 to {MAX_STEP:,}"
    return f"step = {_shown(step)} is not allowed in an intervention; allowed is {allowed}"


presets: Mapping[str, Experiment] = MappingProxyType(
    {
        "first-look": Experiment(),
        "figure-1": Experiment(dataset="mnist-binary", learning_rate=0.1, steps=50_000),
        "careless-start": Experiment(init_scale=0.01),
        "deep-relu": Experiment(hidden=(100,) * 8, activation="relu", init_scale=0.05),
        "convolutional": Experiment(
            architecture="conv", hidden=(16, 32), activation="relu", init="kaiming", init_scale=1.0
        ),
        "two-spirals": Experiment(
            dataset="spirals",
            hidden=(32, 32, 32),
            activation="tanh",
            init="xavier",
            init_scale=1.0,
            steps=4000,
        ),
    }
)
"""Experiments worth starting from, by name. `figure-1` is the network of the paper's Section 4.1; its
learning rate, 0.1, and its σ, 0.1, are choices of ours, as the paper prints neither."""
