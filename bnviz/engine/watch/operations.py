"""What operations of torch do with the axis that holds the units. None is ever guessed from an axis's length.

Names are those of ATen, without the underscore of an operation in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MATRIX_PRODUCTS: Mapping[str, tuple[int, int]] = {
    "mm": (0, 1),
    "bmm": (0, 1),
    "mv": (0, 1),
    "_sparse_mm": (0, 1),
    "_sparse_addmm": (1, 2),
    "addmm": (1, 2),
    "addmv": (1, 2),
    "baddbmm": (1, 2),
    "linear": (0, 1),
    "matmul": (0, 1),
    "_addmm_activation": (1, 2),
    "_grouped_mm": (0, 1),
    "_scaled_grouped_mm": (0, 1),
    "_scaled_mm": (0, 1),
    "_int_mm": (0, 1),
    "mkldnn_linear": (0, 1),
}
"""Where the two factors stand among the arguments."""

CONVOLVING = frozenset(
    {"convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution", "cudnn_convolution_transpose"}
    | {"convolution_overrideable", "_slow_conv2d_forward", "slow_conv3d_forward", "conv_depthwise3d"}
    | {"_conv_depthwise2d", "slow_conv_transpose2d", "slow_conv_dilated2d", "conv1d", "conv2d", "conv3d"}
)

BATCH_NORMS = frozenset(
    {"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"}
    | {"cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_with_update", "_batch_norm_no_update"}
    | {"_batch_norm_impl_index", "batch_norm", "_native_batch_norm_legit_functional"}
)
CHANNEL_NORMS = BATCH_NORMS | {"native_group_norm", "group_norm", "instance_norm"}
LAST_AXIS_NORMS = frozenset({"native_layer_norm", "layer_norm", "rms_norm", "_fused_rms_norm"})
NORMS = CHANNEL_NORMS | LAST_AXIS_NORMS
"""Those that torch has. What somebody wrote is known by what it does: it subtracts or divides by a layer's own
statistics."""

EMBEDDINGS = frozenset({"embedding", "_embedding_bag", "_embedding_bag_forward_only", "embedding_bag"})

TRANSFORMS = frozenset({"_fft_r2c", "_fft_c2c", "_fft_c2r"})
"""Fourier transforms mix values along the axes that they are given, and keep all others."""

COPIES = frozenset({"detach", "clone", "_to_copy", "contiguous", "lift_fresh", "alias", "positive", "lift"})

MOVES = frozenset(
    {"view", "_unsafe_view", "reshape", "_reshape_alias", "transpose", "t", "permute", "movedim", "expand"}
    | {"unsqueeze", "squeeze", "select", "slice", "split", "split_with_sizes", "chunk", "unbind", "narrow"}
    | {"index", "index_select", "gather", "repeat", "roll", "flip", "pixel_shuffle", "pixel_unshuffle"}
    | {"unfold", "diagonal", "unflatten", "flatten", "masked_select", "take_along_dim", "channel_shuffle"}
    | {
        "native_channel_shuffle",
        "repeat_interleave",
        "rot90",
        "unsafe_split",
        "unsafe_chunk",
        "_unsafe_index",
    }
    | {
        "view_as_real",
        "unsafe_split_with_sizes",
        "split_copy",
        "im2col",
        "squeeze_copy",
        "expand_copy",
        "swapaxes",
    }
)
"""They take values elsewhere and change none; where the units are afterwards is found by moving their numbers."""

STATISTICS = frozenset(
    {
        "mean",
        "sum",
        "var",
        "var_mean",
        "std",
        "std_mean",
        "norm",
        "linalg_vector_norm",
        "nanmean",
        "native_norm",
    }
)
RANGES = frozenset(
    {"amax", "amin", "max", "min", "median", "logsumexp", "any", "all", "argmax", "argmin", "prod"}
)
REDUCTIONS = STATISTICS | RANGES

KEEPING = frozenset(
    {"native_dropout", "_fused_dropout", "cumsum", "cumprod", "sort", "_softmax", "_log_softmax", "softmax"}
    | {
        "constant_pad_nd",
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d",
        "native_group_norm",
        "alpha_dropout",
    }
    | {"fake_quantize_per_tensor_affine_cachemask", "fake_quantize_per_channel_affine_cachemask"}
    | {"_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "_fused_moving_avg_obs_fq_helper"}
    | {"_fake_quantize_learnable_per_tensor_affine", "_fake_quantize_learnable_per_channel_affine"}
    | {"fractional_max_pool2d", "fractional_max_pool3d", "mkldnn_max_pool2d", "bernoulli", "feature_dropout"}
)
KEEPING_STEMS = (
    "max_pool",
    "avg_pool",
    "adaptive_",
    "upsample_",
    "_upsample_",
    "reflection_pad",
    "replication_pad",
)


def keeps_axes(name: str) -> bool:
    """Whether an operation mixes values, but along axes that hold no units, and leaves every axis in its place."""
    return name in KEEPING or name.startswith(KEEPING_STEMS)


JOINS = frozenset({"cat", "stack", "hstack", "vstack", "concat"})
SCATTERS = frozenset({"index_add", "scatter_add", "scatter_reduce", "index_copy", "scatter", "index_reduce"})
RANDOM = frozenset(
    {"bernoulli", "uniform", "normal", "random", "exponential", "cauchy", "geometric", "log_normal"}
)
FILLS = frozenset({"fill", "zero"})
ELEMENTWISE = frozenset(
    {
        "hardswish",
        "hardsigmoid",
        "log_sigmoid_forward",
        "threshold",
        "softplus",
        "celu",
        "selu",
        "elu",
        "rsub",
    }
)
"""Pointwise, though torch does not tag them so."""
NOT_ELEMENTWISE = frozenset({"native_dropout", "bernoulli", "copy"})


def base_name(function: Any) -> str:
    """ATen's name of an operation; the same for the one that works in place."""
    name: str = function.overloadpacket.__name__
    return name[:-1] if name.endswith("_") and not name.startswith("__") else name


def is_in_place(function: Any) -> bool:
    """Whether an operation changes its first argument."""
    name: str = function.overloadpacket.__name__
    return name.endswith("_") and not name.endswith("__")


def is_elementwise(function: Any, name: str) -> bool:
    """Whether each number that comes out depends on the numbers in its own place alone."""
    tagged = torch.Tag.pointwise in function.tags or name in ELEMENTWISE
    return tagged and name not in NOT_ELEMENTWISE


@dataclass(frozen=True)
class Units:
    """Which unit each place along an axis belongs to.

    axis: of the tensor, counted from the front. numbers: (length of the axis,) int64; several places may hold
    values of one unit, as after flattening the positions of a channel. plain: whether these are 0, 1, 2, …
    """

    axis: int
    numbers: Tensor
    plain: bool = False

    @classmethod
    def along(cls, tensor: Tensor, axis: int) -> Units | None:
        """A unit for each place of an axis, which may be counted from the end; None where there is no such axis."""
        if not -tensor.dim() <= axis < tensor.dim():
            return None
        axis %= tensor.dim()
        return cls(axis, torch.arange(tensor.shape[axis]), plain=tensor.shape[axis] > 0)

    def spread(self, shape: Sequence[int]) -> Tensor:
        """The unit of every place of a tensor of that shape, taking no memory for it."""
        view = [1] * len(shape)
        view[self.axis] = len(self.numbers)
        return self.numbers.to(torch.int32).view(view).expand(*shape)

    @classmethod
    def read(cls, spread: Tensor) -> Units | None:
        """The axis along which the units of a spread tensor change; None where several do."""
        if spread.dim() == 0:
            return None
        if not spread.numel():
            return None
        changing = [axis for axis, length in enumerate(spread.shape) if length > 1 and spread.stride(axis)]
        corner: tuple[Any, ...] = tuple(0 for _ in spread.shape)
        lines = {axis: spread[(*corner[:axis], slice(None), *corner[axis + 1 :])] for axis in changing}
        varying = [axis for axis, line in lines.items() if bool((line != line[0]).any())]
        if len(varying) > 1:
            return None
        axis = varying[0] if varying else spread.dim() - 1
        numbers = spread[(*corner[:axis], slice(None), *corner[axis + 1 :])].long().clone()
        view = [1] * spread.dim()
        view[axis] = len(numbers)
        if len(changing) > 1 and not bool((spread == numbers.to(spread.dtype).view(view)).all()):
            return None
        return cls(axis, numbers)


def moved(run: Callable[[Tensor], Any], tensor: Tensor) -> Any:
    """What an operation that moves values makes of a tensor, wherever that has them in memory."""
    try:
        return run(tensor)
    except RuntimeError:  # a view that needs the numbers side by side
        return run(tensor.contiguous())


def move_units(
    units: Units | None, shape: Sequence[int], run: Callable[[Tensor], Any], outputs: Sequence[Tensor]
) -> list[Units | None]:
    """Where the units are after an operation that moves values, one entry an output.

    run: the same operation on another tensor of that shape.
    """
    if units is None:
        return [None] * len(outputs)
    after = moved(run, units.spread(shape))
    found = list(after) if isinstance(after, tuple | list) else [after]
    return [
        Units.read(numbers) if numbers.shape == output.shape else None
        for numbers, output in zip(found, outputs, strict=True)
    ]


def reduce_units(
    units: Units | None, before: Tensor, after: Tensor, dims: Any, keepdim: bool
) -> Units | None:
    """Where the units are after a reduction over `dims`; None where these hold the units."""
    if units is None:
        return None
    reduced = (
        range(before.dim())
        if dims is None or dims == []
        else dims
        if isinstance(dims, list | tuple)
        else [dims]
    )
    axes = {axis % max(1, before.dim()) for axis in reduced}
    if units.axis in axes:
        return None
    axis = units.axis if keepdim else units.axis - sum(other < units.axis for other in axes)
    if axis >= after.dim() or after.shape[axis] != len(units.numbers):
        return None
    return Units(axis, units.numbers)
