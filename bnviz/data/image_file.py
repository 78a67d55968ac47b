"""One image file as an array: upright as viewers show it, square, what is transparent on white."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from bnviz.data.dataset import DatasetError

if TYPE_CHECKING:
    from PIL import Image

# Formats that Pillow decodes by itself; for EPS it would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif")
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
GREY_SIDE = 28
"""The side of the images in grey, which folders have where no size is chosen."""
LARGE = 16_000_000
"""Pixels of an image that is decoded alone, so that several at once do not fill the memory."""


@dataclass(frozen=True)
class ImageReader:
    """Reads images below the folder `data`, from several threads at once.

    size: of their sides in colour; 0 for grey ones of GREY_SIDE.
    """

    data: Path
    size: int
    _alone: Lock = field(default_factory=Lock, compare=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (channels, height, width)."""
        return (3, self.size, self.size) if self.size else (1, GREY_SIDE, GREY_SIDE)

    def __call__(self, path: Path) -> np.ndarray:
        """The image in `shape`, uint8. Raises DatasetError."""
        from PIL import Image

        if not path.resolve().is_relative_to(self.data):
            raise DatasetError(
                f"{path} leads out of {self.data}: put the image itself there instead of a link"
            )
        try:
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as opened:
                if opened.width * opened.height < LARGE:
                    return self._pixels(opened)
                with self._alone:
                    return self._pixels(opened)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise DatasetError(
                f"{path} cannot be read as an image: mend it or take it out of the folder"
            ) from None

    def _pixels(self, opened: Image.Image) -> np.ndarray:
        from PIL import Image, ImageOps

        mode = "RGB" if self.size else "L"
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits, which convert("L") would cut off at 255
            shown = Image.fromarray((np.asarray(image) // 256).astype(np.uint8)).convert(mode)
        elif image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            shown = Image.alpha_composite(white, image.convert("RGBA")).convert(mode)
        else:
            shown = image.convert(mode)
        if not self.size:  # squeezed, as folders have always been where no size is chosen
            return np.array(shown.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BILINEAR))[np.newaxis]
        # The middle, cut to a square, since squeezing would show.
        small = ImageOps.fit(shown, (self.size, self.size), Image.Resampling.BILINEAR)
        return np.ascontiguousarray(np.moveaxis(np.asarray(small), -1, 0))


def is_image(path: Path) -> bool:
    """Whether the file is, by its name, an image that can be read."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
