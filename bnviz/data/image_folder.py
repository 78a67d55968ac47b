"""A user's own images below $BNVIZ_DATA: a sub-folder for each class, or ImageNet's layout.

ImageNet's: `train/<class>/` to learn from and `val/<class>/` held out. Otherwise a fifth of each class is held out.
What was read from many images is kept as one file.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bnviz.data.dataset import Dataset, DatasetError, Split, stratified_split
from bnviz.data.image_file import SUFFIXES, UNREAD_SUFFIXES, ImageReader, is_image
from bnviz.data.kept_array import kept
from bnviz.experiment import progress

LEARNED_FROM, HELD_OUT = "train", ("val", "valid", "validation", "test")
"""What the two sub-folders of ImageNet's layout may be called."""
KEPT_FROM = 500
"""From so many images on, what was read is kept: fewer are read in a moment."""
THREADS = 8
AT_ONCE = 256
"""Images that are compared together."""

State = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Listing:
    """The images of a folder. paths: those to learn from, then those held out. labels: of each."""

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray
    train_count: int


def state_of(name: str) -> State:
    """The files of a folder, their sizes and when they were written: it is read anew once these change."""
    if not os.environ.get("BNVIZ_DATA"):
        return ()
    folder = place(Path(os.environ["BNVIZ_DATA"]).expanduser(), name.removeprefix("folder:"))
    found = []
    for path in sorted(path for pattern in ("*/*", "*/*/*") for path in folder.glob(pattern)):
        try:
            about = path.stat()
        except OSError:  # a link that leads nowhere: reading it says so
            found.append((str(path), -1, -1))
        else:
            # The time of a folder says no more than the files in it, which stand in the list as well.
            found.append((str(path), about.st_size, 0 if path.is_dir() else about.st_mtime_ns))
    return tuple(found)


def place(data: Path, name: str) -> Path:
    """The folder of that name, whether its accents are written composed or decomposed."""
    exact = data / name
    if exact.is_dir() or not data.is_dir():
        return exact
    alike = [path for path in data.iterdir() if unicodedata.normalize("NFC", path.name) == name]
    return next((path for path in alike if path.is_dir()), exact)


@lru_cache(maxsize=4)
def read(name: str, size: int, state: State) -> Dataset:
    """The images of the folder, 256 levels a channel. Raises DatasetError.

    size: of their sides, 0 for grey ones of GREY_SIDE; with a size, they are in colour if any of them is.
    state: as `state_of` gives it.
    """
    from PIL import __version__ as decoder

    if not os.environ.get("BNVIZ_DATA"):
        raise DatasetError(f"{name} needs BNVIZ_DATA: set it to the folder that holds your folder of images")
    data = Path(os.environ["BNVIZ_DATA"]).expanduser().resolve()
    folder = place(data, name.removeprefix("folder:"))
    if not folder.is_dir():
        raise DatasetError(
            f"there is no folder {folder}: make it, with a sub-folder of images for each class"
        )
    listing, reader = listed(folder), ImageReader(data, size)
    decoded = partial(_decoded, listing.paths, reader, name)
    if len(listing.paths) < KEPT_FROM:
        inputs = np.stack(list(decoded()))
    else:
        shape = (len(listing.paths), *reader.shape)
        inputs = kept(f"{folder} {size}", f"{state} {size} Pillow {decoder}", shape, decoded)
    if size and not _coloured(inputs):
        inputs = inputs[:, :1]
    border = listing.train_count
    train, test = (Split(inputs[part], listing.labels[part]) for part in (slice(border), slice(border, None)))
    return Dataset(name, train, test, inputs.shape[1:], listing.classes, 1 / 255)


def _coloured(images: np.ndarray) -> bool:
    """Whether red, green and blue differ in any of the images (N, 3, side, side)."""
    return any((part != part[:, :1]).any() for part in np.array_split(images, max(1, len(images) // AT_ONCE)))


def listed(folder: Path) -> Listing:
    """The folder's images, each side in mixed order, always the same. Raises DatasetError."""
    if parts := _parts(folder):
        return _in_two_parts(folder, *parts)
    places = _folders(folder)
    if len(places) < 2:
        raise DatasetError(f"{folder} needs 2 or more sub-folders, one for each class, and has {len(places)}")
    paths, labels = _images(places, least=2)
    order = np.concatenate(sides := stratified_split(labels))
    return Listing(
        tuple(item.name for item in places), tuple(paths[i] for i in order), labels[order], len(sides[0])
    )


def _parts(folder: Path) -> tuple[Path, Path] | None:
    """The folders to learn from and held out, of a folder laid out as ImageNet is; None of another.

    A class may be called "train": then images stand in it, not sub-folders alone.
    """
    by_name = {item.name.lower(): item for item in _folders(folder)}
    held_out = next((by_name[name] for name in HELD_OUT if name in by_name), None)
    learned_from = by_name.get(LEARNED_FROM)
    if learned_from is None or held_out is None:
        return None
    of_classes = all(
        _folders(part) and not any(map(is_image, part.iterdir())) for part in (learned_from, held_out)
    )
    return (learned_from, held_out) if of_classes else None


def _in_two_parts(folder: Path, learned_from: Path, held_out: Path) -> Listing:
    others = [item.name for item in _folders(folder) if item not in (learned_from, held_out)]
    if others:
        raise DatasetError(
            f"{folder} has {learned_from.name} to learn from, {held_out.name} held out, and also "
            f"{', '.join(others[:3])}: take out what is neither"
        )
    train, test = (_folders(part) for part in (learned_from, held_out))
    names = tuple(item.name for item in train)
    if different := sorted(set(names) ^ {item.name for item in test}):
        raise DatasetError(
            f"{folder} needs the same classes in {learned_from.name} and {held_out.name}, and only one of them has "
            f"{', '.join(different[:3])}"
        )
    if len(names) < 2:
        raise DatasetError(f"{learned_from} needs 2 or more sub-folders, one for each class, and has 1")
    paths: list[Path] = []
    labels: list[np.ndarray] = []
    for places, least in ((train, 2), (test, 1)):
        found, of_each = _images(places, least)
        order = np.random.default_rng(0).permutation(len(found))
        paths += [found[i] for i in order]
        labels.append(of_each[order])
    return Listing(names, tuple(paths), np.concatenate(labels), len(labels[0]))


def _folders(folder: Path) -> list[Path]:
    """The sub-folders, in the order of their names; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(places: list[Path], least: int) -> tuple[list[Path], np.ndarray]:
    """The images of each class, `least` or more, and their labels (N,) int64."""
    paths: list[Path] = []
    labels: list[int] = []
    kinds = ", ".join(SUFFIXES)
    for label, of_class in enumerate(places):
        inside = sorted(of_class.iterdir())
        unread = [path.name for path in inside if path.suffix.lower() in UNREAD_SUFFIXES]
        if unread:
            raise DatasetError(
                f"{of_class} holds {len(unread)} images that cannot be read, such as {unread[0]}: save them as PNG or "
                f"JPEG, or take them out; {kinds} can be read"
            )
        images = [path for path in inside if is_image(path)]
        if len(images) < least:
            raise DatasetError(
                f"{of_class} needs {least} or more images ({kinds}), as every class does, and has {len(images)}"
            )
        paths += images
        labels += [label] * len(images)
    return paths, np.array(labels, np.int64)


def _decoded(paths: tuple[Path, ...], reader: ImageReader, name: str) -> Iterator[np.ndarray]:
    """The images one by one, decoded by several threads; reports progress."""
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1))
    try:
        images = tqdm(pool.map(reader, paths), total=len(paths), unit="image", desc=name, disable=None)
        for number, image in enumerate(images, start=1):
            progress.report(number / len(paths))
            yield image
    finally:
        pool.shutdown(cancel_futures=True)
