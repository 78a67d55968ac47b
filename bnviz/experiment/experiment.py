"""An Experiment is everything that determines a training run; here every knob is declared, once.

From the one declaration of a field come its validation, its widget, its URL parameter, its
command-line option and its documentation. Adding a knob is adding one field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from bnviz.experiment import architecture, normalization
from bnviz.experiment.knob import (
    ACTIVATIONS,
    ALL_LAYERS,
    ARCHITECTURES,
    AUGMENTATIONS,
    BIASES,
    DATASETS,
    DEVICES,
    IMAGE_SIZES,
    INITS,
    INPUT_NORMALIZATIONS,
    MAX_CONVOLUTIONS,
    MAX_LAYERS,
    NORM_PLACEMENTS,
    NORMALIZERS,
    OPTIMIZERS,
    POINT_DATASETS,
    RESIDUALS,
    SCHEDULES,
    TRAINABLE,
    ExperimentError,
    Knob,
    Layers,
    Widths,
    short_repr,
    widths_text,
)


class Experiment(BaseModel):
    """Everything that determines a training run. Immutable, validated, hashable.

    Raises ExperimentError with a message for each field that is unknown or not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    part: ClassVar[str] = "experiment"
    """The name under which it stands in a recording's file."""

    dataset: Annotated[
        str,
        Knob(
            "Examples",
            "What the network learns to tell apart. Digits come with bnviz; MNIST is downloaded once.",
            "Data",
            choices=DATASETS,
            prefixes=("folder:",),
        ),
    ] = "digits"
    train_examples: Annotated[
        int,
        Knob(
            "Training examples",
            "How many examples to learn from, each class in proportion; 0 takes all. Few lead to overfitting.",
            "Data",
            low=0,
            high=1_000_000,
            suggestions=(0, 100, 250, 500, 1000, 5000),
            unit="training examples",
            zero="all",
        ),
    ] = 0
    batch_size: Annotated[
        int,
        Knob(
            "Mini-batch",
            "How many examples each training step sees. 0: all training examples, which is gradient descent.",
            "Data",
            low=0,
            high=4096,
            suggestions=(0, 2, 10, 30, 60, 120, 250),
            zero="all training examples",
        ),
    ] = 60
    batch_classes: Annotated[
        int,
        Knob(
            "Classes in a mini-batch",
            "How many classes, drawn at random, each mini-batch has, with equally many examples of each. 0: all "
            "examples are shuffled together.",
            "Data",
            low=0,
            high=1000,
            suggestions=(0, 1, 2, 5),
            unit="classes in a mini-batch",
            zero="any",
        ),
    ] = 0
    image_size: Annotated[
        str,
        Knob(
            "Image size",
            "The size, in pixels, of the images in a folder. They keep their colours, unless all of them are grey.",
            "Data",
            choices=IMAGE_SIZES,
        ),
    ] = "28-grey"
    augment: Annotated[
        str,
        Knob(
            "Augmentation",
            "Change the training images at random in every step: move each by a few pixels, and flip half of them from "
            "left to right. A flipped shoe is still a shoe; a flipped 2 is not a 2.",
            "Data",
            choices=AUGMENTATIONS,
        ),
    ] = "none"
    input_normalization: Annotated[
        str,
        Knob(
            "Input normalization",
            "Subtract from each channel its mean over the training images, and divide by its standard deviation. It is "
            "done once, before training.",
            "Data",
            choices=INPUT_NORMALIZATIONS,
        ),
    ] = "none"
    architecture: Annotated[
        str,
        Knob(
            "Kind of network",
            "What a layer is: every unit sees all units before it, or 3×3 filters move over an image. Inception and "
            "Residual begin with one convolution of stride 2, the stem; each further layer is a block of several.",
            "Network",
            choices=ARCHITECTURES,
        ),
    ] = "mlp"
    hidden: Annotated[
        Widths,
        Knob(
            "Hidden layers",
            "The width of each hidden layer, from the input on, such as 100-100-100; channels if convolutional. "
            "50x30 is thirty layers of 50. Inception and Residual: the channels of the stem, then of each block.",
            "Network",
            suggestions=(
                (100,),
                (100, 100),
                (100, 100, 100),
                (100,) * 5,
                (100,) * 8,
                (50,) * 12,
                (50,) * 50,
                (16, 32),
                (16, 48, 64, 64),
            ),
            unit="units",
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
    groups: Annotated[
        int,
        Knob(
            "Groups",
            "Into how many groups of neighbouring units or feature maps a layer is divided; each is normalized on its "
            "own. It must divide every normalized layer’s width.",
            "Network",
            low=1,
            high=500,
            suggestions=(1, 2, 4, 5, 8, 10, 16),
        ),
    ] = 2
    ghost_batch: Annotated[
        int,
        Knob(
            "Ghost batch",
            "How many examples of the mini-batch are normalized together.",
            "Network",
            low=2,
            high=4096,
            suggestions=(2, 5, 10, 20, 30),
        ),
    ] = 10
    renorm_start: Annotated[
        int,
        Knob(
            "Plain steps",
            "How many first steps are plain batch normalization. Then the limits of the correction grow: of d to 5 "
            "after 5 times as many steps, of r to 3 after 8 times as many. The paper: 5,000, 25,000 and 40,000.",
            "Network",
            low=0,
            high=100_000,
            suggestions=(0, 50, 100, 500, 5000),
        ),
    ] = 100
    norm_placement: Annotated[
        str,
        Knob(
            "Placement",
            "Where a layer is normalized: before its nonlinearity, g(BN(Wu)), as in the paper; or after it, BN(g(Wu)).",
            "Network",
            choices=NORM_PLACEMENTS,
            before="normalized",
        ),
    ] = "before"
    normalized_layers: Annotated[
        Layers,
        Knob(
            "Normalized layers",
            "All hidden layers, or a list such as 1,3, counted from the input.",
            "Network",
            suggestions=(ALL_LAYERS, "1", "1,3", "2,3"),
            form=f"all, or layers from 1 to {MAX_LAYERS}, such as 1,3 or 1,10-50",
        ),
    ] = ALL_LAYERS
    per_activation: Annotated[
        int,
        Knob(
            "Per-activation layers",
            "In how many of the last layers batch normalization takes each position of a feature map by itself, with "
            "a mean, a variance, γ and β of its own. Otherwise all positions of a map are normalized together.",
            "Network",
            low=0,
            high=MAX_CONVOLUTIONS,
            suggestions=(0, 1, 2),
            zero="none",
        ),
    ] = 0
    norm_momentum: Annotated[
        float,
        Knob(
            "Running average",
            "The weight of the newest mini-batch in the running statistics. This is PyTorch’s convention, new = 0.9 × "
            "old + 0.1 × batch for 0.1; the paper and Keras name the old one’s weight, 0.9.",
            "Network",
            low=0.0,
            high=1.0,
            suggestions=(0.001, 0.01, 0.1, 0.5, 1.0),
        ),
    ] = 0.1
    norm_epsilon: Annotated[
        float,
        Knob(
            "Epsilon",
            "ε, added to the variance before its root is taken.",
            "Network",
            low=0.0,
            high=10.0,
            suggestions=(1e-8, 1e-5, 1e-3, 0.1, 1.0),
        ),
    ] = 1e-5
    bias: Annotated[
        str,
        Knob(
            "Bias b",
            "Which hidden layers have a bias, Wu + b. Batch normalization right behind it subtracts it again.",
            "Network",
            choices=BIASES,
            before="bias",
        ),
    ] = "auto"
    residual: Annotated[
        str,
        Knob(
            "Residual",
            "An identity around each layer that is as wide as the one before it. Pre-normalization: u + W·g(BN(u)), "
            "with a last normalization before the output. Post-normalization: BN(u + g(Wu)).",
            "Network",
            choices=RESIDUALS,
            before="residual",
        ),
    ] = "none"
    dropout: Annotated[
        float,
        Knob(
            "Dropout",
            "The share of units set to 0 at random in each step.",
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
            "Fixes all random choices: initial weights, order of examples, dropout.",
            "Start",
            low=0,
            high=2**31 - 1,
            suggestions=(0, 1, 2, 3, 4, 5),
        ),
    ] = 0
    optimizer: Annotated[
        str,
        Knob(
            "Optimizer",
            "How a step follows from the gradients. RMSprop and Adam divide each weight’s step by the usual size of "
            "its gradient: try learning rate 0.001.",
            "Learning",
            choices=OPTIMIZERS,
        ),
    ] = "sgd"
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
    schedule: Annotated[
        str,
        Knob(
            "Learning rate over time",
            "What multiplies the learning rate from step to step. The paper’s rate falls exponentially.",
            "Learning",
            choices=SCHEDULES,
        ),
    ] = "constant"
    warmup: Annotated[
        int,
        Knob(
            "Warm-up",
            "Over how many first steps the learning rate rises evenly to its value.",
            "Learning",
            low=0,
            high=1_000_000,
            suggestions=(0, 10, 100, 500, 1000),
            unit="steps of warm-up",
            zero="none",
        ),
    ] = 0
    momentum: Annotated[
        float,
        Knob(
            "Momentum",
            "How much of the last step is carried into the next. Adam and AdamW ignore it: they keep averages of their "
            "own, with 0.9 and 0.999.",
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
    gradient_clipping: Annotated[
        float,
        Knob(
            "Gradient clipping",
            "A gradient that is longer than this, over all weights together, is shortened to this length. 0: no "
            "gradient is shortened.",
            "Learning",
            low=0.0,
            high=1_000_000.0,
            suggestions=(0.0, 0.1, 1.0, 10.0),
            zero="none",
        ),
    ] = 0.0
    trainable: Annotated[
        str,
        Knob(
            "Parameters that learn",
            "All others stay as they were drawn. γ and β: whatever the normalization learns. Two weights of each unit: "
            "two of its inputs’ weights, drawn at random, as many as γ and β are.",
            "Learning",
            choices=TRAINABLE,
            before="learns:",
        ),
    ] = "all"
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
        if self.batch_classes and self.batch_size % self.batch_classes:
            conflicts.append(
                f"batch_classes = {self.batch_classes} does not divide batch_size = {self.batch_size:,} into equal "
                "parts; allowed is 0, or a number that does"
            )
        if self.batch_classes and not self.batch_size:
            conflicts.append(
                f"batch_classes = {self.batch_classes} is not allowed with batch_size = 0, all training examples; "
                "allowed is 0, or a batch_size of 1 to 4,096"
            )
        if self.schedule == "one-cycle" and self.warmup:
            conflicts.append(
                f"warmup = {self.warmup} is not allowed: schedule = 'one-cycle' rises by itself; allowed is 0"
            )
        layers = range(1, len(self.hidden) + 1)
        positions = (
            self.architecture in architecture.CONVOLUTIONAL
            and self.normalizer != "input-only"
            and not any(normalization.is_per_activation(self, layer) for layer in layers)
        )
        if self.batch_size == 1 and self.normalizer in normalization.NEED_TWO and not positions:
            conflicts.append(
                f"batch_size = 1 is not allowed with normalizer = {self.normalizer!r}, since statistics of a "
                "mini-batch need two examples; allowed is 2 to 4,096, or normalizer = 'layer' and others"
            )
        for name in ("augment", "input_normalization"):
            if self.dataset in POINT_DATASETS and getattr(self, name) != "none":
                conflicts.append(
                    f"{name} = {getattr(self, name)!r} needs images and dataset = {self.dataset!r} has none; "
                    "allowed is 'none', or dataset = 'digits' and others of images"
                )
        if self.trainable == "normalizer" and self.normalizer not in normalization.LEARN:
            conflicts.append(
                f"trainable = 'normalizer' leaves nothing that learns with normalizer = {self.normalizer!r}; allowed "
                "is trainable = 'all', or normalizer = 'batch' and others with γ or β"
            )
        conflicts += architecture.conflicts(self, has_images=self.dataset not in POINT_DATASETS)
        return [*conflicts, *normalization.conflicts(self)]

    def batch_of(self, examples: int) -> int:
        """How many examples a mini-batch has where there are so many training examples."""
        return min(self.batch_size, examples) if self.batch_size else examples

    def canonical(self) -> Self:
        """The same network, with the default for every setting of normalization that has no effect on it."""
        return self.replace(**normalization.canonical_changes(self))

    @property
    def without_effect(self) -> Mapping[str, str]:
        """The settings of normalization that change nothing in this network, each with the reason."""
        return normalization.without_effect(self)

    @property
    def image_side(self) -> int:
        """The side of a folder's images in colour; 0 for small grey ones."""
        return 0 if self.image_size == self.default("image_size") else int(self.image_size)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many units each hidden layer has, from the input on."""
        return self.hidden

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What each layer is called, from the input on: "layer 1", or "stem", "block 1", and so on."""
        return architecture.layer_names(self)

    def layer_activation(self, layer: int) -> str:
        """The nonlinearity of a layer: the same for all."""
        return self.activation

    @property
    def normalized(self) -> bool:
        """Whether the network has a normalizer."""
        return self.normalizer != "none"

    @property
    def planned_steps(self) -> int:
        """How many steps the whole run takes."""
        return self.steps

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
        """A field's value as text, for a URL or an input box."""
        if isinstance(value, tuple):
            return widths_text(value)
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else str(value)

    @classmethod
    def default_text(cls, name: str) -> str:
        """The default of the field `name`, as text."""
        return cls.text(cls.default(name))

    def replace(self, /, **changes: Any) -> Self:
        """A copy with some fields changed, validated like a new Experiment."""
        return type(self)(**(self.model_dump() | changes))

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as plain data for JSON."""
        return self.model_dump()

    def to_json(self) -> str:
        """All fields as a JSON object."""
        return json.dumps(self.to_dict())

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
            {name: text for name, text in self.texts().items() if text != self.default_text(name)}, safe=","
        )

    def texts(self) -> dict[str, str]:
        """Every field as text, for a URL or an input box."""
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


def _messages(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """One sentence for each field in a pydantic error."""
    knobs = Experiment.knobs()
    names = dict.fromkeys(str(item["loc"][0]) for item in error.errors())
    return [
        f"{name} = {short_repr(values.get(name))} is not allowed; allowed is {knobs[name].allowed}"
        for name in names
    ]


def _unknown_message(names: Sequence[str]) -> str:
    """One short sentence about names that are no fields, however many."""
    shown = ", ".join(short_repr(name) for name in names[:3])
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    verb = "is no field" if len(names) == 1 else "are no fields"
    return f"{shown}{more} {verb} of an experiment; fields are {', '.join(Experiment.model_fields)}"
