"""Named datasets, each the same on every machine and at every call, whatever an Experiment's seed.

digits comes with scikit-learn; mnist and fashion-mnist are read from four files each, cifar-10 from an archive;
spirals, moons, circles and textures are drawn; folder:<name> holds a user's own images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from bnviz.data import cifar, image_folder, published, textures
from bnviz.data.dataset import Dataset, DatasetError, Split, stratified_split
from bnviz.data.idx_files import IdxFiles
from bnviz.experiment import Experiment

__all__ = ["LOADERS", "Dataset", "DatasetError", "Split", "load", "stratified_split"]

TRAIN_POINTS, TEST_POINTS = 1000, 500
FASHION_CLASSES = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


class Loader:
    """Loads datasets by name, and keeps the latest."""

    def __call__(self, name: str, image_size: int = 0) -> Dataset:
        """The dataset of that name; a second call returns the same object, unless a folder has changed.

        image_size: of a folder's images in colour; 0 for small grey ones. Raises DatasetError.
        """
        knob = Experiment.knobs()["dataset"]
        try:
            name = knob.check(name)
        except ValueError:
            raise DatasetError(f"dataset = {name[:60]!r} is not allowed; allowed is {knob.allowed}") from None
        if name in LOADERS:
            return _named(name)
        return image_folder.read(name, image_size, image_folder.state_of(name))

    def cache_clear(self) -> None:
        """Forget what is kept."""
        _named.cache_clear()
        image_folder.read.cache_clear()


load = Loader()


@lru_cache(maxsize=8)
def _named(name: str) -> Dataset:
    return LOADERS[name]()


def _divided(
    name: str, inputs: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], scale: float
) -> Dataset:
    train, test = (Split(inputs[chosen], labels[chosen]) for chosen in stratified_split(labels))
    return Dataset(name, train, test, inputs.shape[1:], classes, scale)


def _digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8×8 pixels with 17 grey levels."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    inputs = pixels.astype(np.uint8).reshape(-1, 1, 8, 8)
    return _divided("digits", inputs, labels.astype(np.int64), tuple("0123456789"), 1 / 16)


def _from_files(files: IdxFiles, classes: tuple[str, ...]) -> Dataset:
    """As published: 60,000 and 10,000 examples in 256 grey levels, in their published order."""
    train, test = (
        Split(
            files.read(f"{part}-images-idx3-ubyte")[:, np.newaxis],
            files.read(f"{part}-labels-idx1-ubyte").astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return Dataset(files.name, train, test, train.inputs.shape[1:], classes, 1 / 255)


def _mnist() -> Dataset:
    """Handwritten digits."""
    return _from_files(published.MNIST, tuple("0123456789"))


def _fashion_mnist() -> Dataset:
    """Articles of clothing in MNIST's format."""
    return _from_files(published.FASHION_MNIST, FASHION_CLASSES)


def _cifar_10() -> Dataset:
    """Photographs of ten kinds of things."""
    train, test = (Split(*part) for part in cifar.read())
    return Dataset("cifar-10", train, test, cifar.SHAPE, cifar.CLASSES, 1 / 255)


def _textures() -> Dataset:
    """Textures in colour, drawn by `data.textures`."""
    images, labels = textures.drawn()
    return _divided("textures", images, labels, tuple(textures.TEXTURES), 1 / 255)


def _mnist_binary() -> Dataset:
    """MNIST with each pixel 1 where it exceeds half of full brightness, else 0, for the paper's Figure 1."""
    grey = _mnist()
    train, test = (
        Split((split.inputs > 127).astype(np.uint8), split.labels) for split in (grey.train, grey.test)
    )
    return Dataset("mnist-binary", train, test, grey.shape, grey.classes, 1.0)


def _spiral(along: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Two arms of one and a half turns, half a turn apart."""
    angle = 3.0 * np.pi * along + np.pi * label
    radius = 0.1 + 1.2 * along
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


def _moon(along: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Two interleaved half circles."""
    angle = np.pi * along
    side = 1.0 - 2.0 * label
    return np.stack([0.8 * side * (np.cos(angle) - 0.5), 0.8 * side * (np.sin(angle) - 0.25)])


def _circle(along: np.ndarray, label: np.ndarray) -> np.ndarray:
    """A circle within a circle."""
    angle = 2.0 * np.pi * along
    radius = 1.1 - 0.6 * label
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


def _drawn(name: str, curve: Callable[[np.ndarray, np.ndarray], np.ndarray], noise: float) -> Dataset:
    """Points uniform along their class's curve, plus Gaussian noise with that standard deviation.

    curve: positions (N,) in [0, 1) and labels (N,) in; coordinates (2, N) out.
    """

    def split(points: int, seed: int) -> Split:
        generator = np.random.default_rng(seed)
        labels = generator.permutation(np.arange(points) % 2)
        places = curve(generator.random(points), labels).T + noise * generator.standard_normal((points, 2))
        return Split(places.astype(np.float32), labels.astype(np.int64))

    return Dataset(name, split(TRAIN_POINTS, 1), split(TEST_POINTS, 2), (2,), ("class 0", "class 1"), 1.0)


LOADERS: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {
        "digits": _digits,
        "mnist": _mnist,
        "mnist-binary": _mnist_binary,
        "fashion-mnist": _fashion_mnist,
        "textures": _textures,
        "cifar-10": _cifar_10,
        "spirals": lambda: _drawn("spirals", _spiral, 0.04),
        "moons": lambda: _drawn("moons", _moon, 0.1),
        "circles": lambda: _drawn("circles", _circle, 0.1),
    }
)
"""The function that makes each dataset but the folders of images."""
