"""A user's own images, in a folder below $BNVIZ_DATA with a sub-folder for each class.

Or, as ImageNet is laid out, with `train/` and `val/`, each with a sub-folder for each class. What was read from many
images is kept as one file that is mapped into memory; another file, size or time of any image makes it stale.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bnviz.data.dataset import DatasetError
from bnviz.data.paths import home
from bnviz.experiment import progress

Array = np.ndarray
State = tuple[tuple[str, int, int], ...]

GREY_SIDE = 28
"""The side of the images in grey, which folders have where no size is chosen."""
KEPT_FROM = 500
"""From so many images on, what was read is kept: fewer are read in a moment."""
HELD_OUT, LEARNED_FROM = ("val", "valid", "validation", "test"), "train"
"""What sub-folders may be called that hold classes, not images."""
# Formats that Pillow decodes by itself; for EPS it would start another program.
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif")
UNREAD_SUFFIXES = frozenset(
    [
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
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".tga",
        ".ico",
        ".pdf",
        ".exr",
    ]
)
"""Images too, but bnviz does not read them: they are never left out without a word."""


@dataclass(frozen=True, eq=False)
class Images:
    """What a folder holds. inputs: (N, channels, side, side) uint8. labels: (N,). held_out: (N,), which of them its
    author holds out; None where the folder does not say."""

    inputs: Array
    labels: Array
    classes: tuple[str, ...]
    held_out: Array | None


@dataclass(frozen=True)
class _Listed:
    """The image files of a folder, class by class."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def state_of(name: str) -> State:
    """The files of a folder, their sizes and when they were written: it is read anew once these change.

    name: with "folder:" in front.
    """
    if not os.environ.get("BNVIZ_DATA"):
        return ()
    folder = _place(Path(os.environ["BNVIZ_DATA"]).expanduser(), name.removeprefix("folder:"))
    found = []
    for path in sorted([*folder.glob("*/*"), *folder.glob("*/*/*")]):
        try:
            about = path.stat()
        except OSError:  # a link that leads nowhere: reading it says so
            continue
        found.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(found)


def read(name: str, size: int, state: State) -> Images:
    """The images of a folder. size: of their sides, 0 for grey ones of GREY_SIDE. state: as `state_of` gives it.

    With a size, images are in colour if any of them is. Raises DatasetError.
    """
    if not os.environ.get("BNVIZ_DATA"):
        raise DatasetError(f"{name} needs BNVIZ_DATA: set it to the folder that holds your folder of images")
    data = Path(os.environ["BNVIZ_DATA"]).expanduser().resolve()
    folder = _place(data, name.removeprefix("folder:"))
    if not folder.is_dir():
        raise DatasetError(
            f"there is no folder {folder}: make it, with a sub-folder of images for each class"
        )
    parts = _parts(folder)
    if parts is None:
        listed = _listed(folder)
        held_out = None
    else:
        learned, held = (_listed(part) for part in parts)
        if learned.classes != held.classes:
            apart = sorted(set(learned.classes) ^ set(held.classes))
            raise DatasetError(
                f"{parts[0]} and {parts[1]} need the same classes; {apart[0]} is in one of them alone"
            )
        listed = _Listed(learned.paths + held.paths, learned.labels + held.labels, learned.classes)
        held_out = np.repeat([False, True], [len(learned.paths), len(held.paths)])
    inputs = _kept(name, size, state, listed, data)
    return Images(inputs, np.array(listed.labels, np.int64), listed.classes, held_out)


def _place(data: Path, name: str) -> Path:
    """The folder of that name, whether its accents are written composed or decomposed."""
    exact = data / name
    if exact.is_dir() or not data.is_dir():
        return exact
    alike = [path for path in data.iterdir() if unicodedata.normalize("NFC", path.name) == name]
    return next((path for path in alike if path.is_dir()), exact)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _parts(folder: Path) -> tuple[Path, Path] | None:
    """The folders to learn from and held out, of a folder laid out as ImageNet is; None of another."""
    names = {path.name.lower(): path for path in _subfolders(folder)}
    held_out = [names[name] for name in HELD_OUT if name in names]
    if LEARNED_FROM not in names or not held_out or not _subfolders(names[LEARNED_FROM]):
        return None
    return names[LEARNED_FROM], held_out[0]


def _listed(folder: Path) -> _Listed:
    """The images of a folder with a sub-folder for each class. Raises DatasetError."""
    places = _subfolders(folder)
    if len(places) < 2:
        raise DatasetError(f"{folder} needs 2 or more sub-folders, one for each class, and has {len(places)}")
    found: list[Path] = []
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
        found += paths
        labels += [label] * len(paths)
    return _Listed(tuple(found), tuple(labels), tuple(place.name for place in places))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _kept(name: str, size: int, state: State, listed: _Listed, data: Path) -> Array:
    """The images, from what is kept of this very state of the folder, or read now."""
    if len(listed.paths) < KEPT_FROM:
        return _read_all(name, size, listed.paths, data)
    whose = hashlib.sha256(f"{data}\n{name}".encode()).hexdigest()[:16]
    which = hashlib.sha256(repr((size, state)).encode()).hexdigest()[:16]
    try:
        shelf = home() / "images"
        shelf.mkdir(exist_ok=True)
        path = shelf / f"{whose}-{size}-{which}.npy"
        if not path.exists():
            partial_path = shelf / f".{uuid.uuid4().hex}.npy"
            np.save(partial_path, _read_all(name, size, listed.paths, data))
            partial_path.replace(path)
            for stale in shelf.glob(f"{whose}-{size}-*.npy"):
                if stale != path:
                    stale.unlink(missing_ok=True)
        kept: Array = np.load(path, mmap_mode="r")
        return kept
    except OSError:  # the folder cannot be written: read again each time
        return _read_all(name, size, listed.paths, data)


def _read_all(name: str, size: int, paths: Sequence[Path], data: Path) -> Array:
    """All images, (N, channels, side, side), read by several threads: Pillow decodes without Python's lock."""
    if not size:
        return np.stack(list(_each(name, paths, partial(_grey, data=data))))[:, np.newaxis]
    images = np.stack(list(_each(name, paths, partial(_coloured, data=data, side=size))))
    coloured = any(
        (part[:, 0] != part[:, 1]).any() or (part[:, 1] != part[:, 2]).any()
        for part in np.array_split(images, max(1, len(images) // 256))
    )
    return images if coloured else np.ascontiguousarray(images[:, :1])


def _each(name: str, paths: Sequence[Path], reader: Callable[[Path], Array]) -> Iterator[Array]:
    with (
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        tqdm(total=len(paths), unit="image", desc=name, disable=None) as bar,
    ):
        for number, image in enumerate(pool.map(reader, paths), start=1):
            yield image
            bar.update()
            progress.report(number / len(paths))


def _grey(path: Path, data: Path) -> Array:
    """An image as (28, 28) uint8: upright as viewers show it, squeezed to a square, what is transparent on white."""
    return _opened(path, data, "L", GREY_SIDE)


def _coloured(path: Path, data: Path, side: int) -> Array:
    """The same in colour, (3, side, side): its middle, cut to a square, since squeezing would show."""
    return np.moveaxis(_opened(path, data, "RGB", side), -1, 0)


def _opened(path: Path, data: Path, mode: str, side: int) -> Array:
    from PIL import Image, ImageOps

    if not path.resolve().is_relative_to(data):
        raise DatasetError(f"{path} leads out of {data}: put the image itself there instead of a link")
    try:
        with path.open("rb") as file, Image.open(file, formats=IMAGE_FORMATS) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits, which convert("L") would cut off at 255
                shown = Image.fromarray((np.asarray(image) // 256).astype(np.uint8)).convert(mode)
            elif image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                shown = Image.alpha_composite(white, image.convert("RGBA")).convert(mode)
            else:
                shown = image.convert(mode)
            if mode == "L":
                return np.array(shown.resize((side, side), Image.Resampling.BILINEAR))
            return np.array(ImageOps.fit(shown, (side, side), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DatasetError(
            f"{path} cannot be read as an image: mend it or take it out of the folder"
        ) from None
