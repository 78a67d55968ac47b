"""Named datasets, each the same on every machine and at every call, whatever an Experiment's seed.

digits comes with scikit-learn; mnist and fashion-mnist are read from four files each, cifar-10 from an archive;
spirals, moons, circles and textures are drawn; folder:<name> holds a user's own images.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bnviz.data import cifar, published, textures
from bnviz.data.dataset import Dataset, DatasetError, Split
from bnviz.data.idx_files import IdxFiles
from bnviz.experiment import Experiment

__all__ = ["LOADERS", "Dataset", "DatasetError", "Split", "load", "stratified_split"]

TRAIN_POINTS, TEST_POINTS = 1000, 500
IMAGE_SIDE = 28
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
# Formats that Pillow decodes by itself; for EPS it would start another program.
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif")
UNREAD_SUFFIXES = frozenset(
    {
        ".heic",
        ".heif",
        ".jp2",
        ".j2k",
        ".jxl",
        ".svg",
        ".psd",
        ".raw",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".eps",
    }
    | {".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".pdf", ".exr"}
)
"""Images too, but bnviz does not read them: they are never left out without a word."""


class Loader:
    """Loads datasets by name, and keeps the latest."""

    def __call__(self, name: str) -> Dataset:
        """The dataset of that name; a second call returns the same object, unless a folder has changed.

        Raises DatasetError.
        """
        knob = Experiment.knobs()["dataset"]
        try:
            name = knob.check(name)
        except ValueError:
            raise DatasetError(f"dataset = {name[:60]!r} is not allowed; allowed is {knob.allowed}") from None
        return _named(name) if name in LOADERS else _folder(name, _state_of(name))

    def cache_clear(self) -> None:
        """Forget what is kept."""
        _named.cache_clear()
        _folder.cache_clear()


load = Loader()


@lru_cache(maxsize=8)
def _named(name: str) -> Dataset:
    return LOADERS[name]()


def stratified_split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of four fifths to train on and a fifth held out, in mixed order, each class in proportion.

    labels: (N,). The same for the same labels. A class of five or more examples has some on both sides. Of 4 or 5
    examples 2 are held out, since there are no statistics of a single one.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    every = 5 if len(labels) > 5 else (len(labels) + 1) // 2
    held_out = np.isin(
        order, by_class[::every]
    )  # every fifth of the sorted classes: a fifth of each, up to one
    return order[~held_out], order[held_out]


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


def _place(data: Path, name: str) -> Path:
    """The folder of that name, whether its accents are written composed or decomposed."""
    exact = data / name
    if exact.is_dir() or not data.is_dir():
        return exact
    alike = [path for path in data.iterdir() if unicodedata.normalize("NFC", path.name) == name]
    return next((path for path in alike if path.is_dir()), exact)


def _state_of(name: str) -> tuple[tuple[str, int, int], ...]:
    """The files of a folder, their sizes and when they were written: it is read anew once these change."""
    folder = _place(Path(os.environ.get("BNVIZ_DATA", "")).expanduser(), name.removeprefix("folder:"))
    found = []
    for path in sorted(folder.glob("*/*")) if os.environ.get("BNVIZ_DATA") else ():
        try:
            about = path.stat()
        except OSError:  # a link that leads nowhere: reading it says so
            continue
        found.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=4)
def _folder(name: str, state: tuple[tuple[str, int, int], ...]) -> Dataset:
    """Images below $BNVIZ_DATA, in a sub-folder for each class, as 28×28 pixels of 256 grey levels.

    state: as `_state_of` gives it.
    """
    if not os.environ.get("BNVIZ_DATA"):
        raise DatasetError(f"{name} needs BNVIZ_DATA: set it to the folder that holds your folder of images")
    data = Path(os.environ["BNVIZ_DATA"]).expanduser().resolve()
    folder = _place(data, name.removeprefix("folder:"))
    if not folder.is_dir():
        raise DatasetError(
            f"there is no folder {folder}: make it, with a sub-folder of images for each class"
        )
    places = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(places) < 2:
        raise DatasetError(f"{folder} needs 2 or more sub-folders, one for each class, and has {len(places)}")
    images: list[np.ndarray] = []
    labels: list[int] = []
    for label, place in enumerate(places):
        paths = sorted(path for path in place.iterdir() if _is_image(path))
        kinds = ", ".join(IMAGE_SUFFIXES)
        unread = sorted(path.name for path in place.iterdir() if path.suffix.lower() in UNREAD_SUFFIXES)
        if unread:
            raise DatasetError(
                f"{place} holds {len(unread)} images that cannot be read, such as {unread[0]}: save them as PNG or "
                f"JPEG, or take them out; {kinds} can be read"
            )
        if len(paths) < 2:
            raise DatasetError(
                f"{place} needs 2 or more images ({kinds}), as every class does, and has {len(paths)}"
            )
        images += [_grey(path, data) for path in paths]
        labels += [label] * len(paths)
    inputs = np.stack(images)[:, np.newaxis]
    return _divided(name, inputs, np.array(labels, np.int64), tuple(place.name for place in places), 1 / 255)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _grey(path: Path, data: Path) -> np.ndarray:
    """An image as (28, 28) uint8: upright as viewers show it, squeezed to a square, what is transparent on white."""
    from PIL import Image, ImageOps

    if not path.resolve().is_relative_to(data):
        raise DatasetError(f"{path} leads out of {data}: put the image itself there instead of a link")
    try:
        with path.open("rb") as file, Image.open(file, formats=IMAGE_FORMATS) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits, which convert("L") would cut off at 255
                shown = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
            elif image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                shown = Image.alpha_composite(white, image.convert("RGBA")).convert("L")
            else:
                shown = image.convert("L")
            return np.array(shown.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DatasetError(
            f"{path} cannot be read as an image: mend it or take it out of the folder"
        ) from None
