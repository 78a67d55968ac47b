"""All first screens on one picture, to be looked over at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

COLUMNS = 5
CELL = (400, 310)
MARGIN, CAPTION = 5, 18


def contact_sheet(pictures: Sequence[Path], out: Path) -> None:
    """Write one picture with a small copy of each, named below its file. Pixels: CELL each, COLUMNS in a row."""
    wide, tall = CELL
    sheet = Image.new("RGB", (COLUMNS * wide, max(1, math.ceil(len(pictures) / COLUMNS)) * tall), "white")
    draw = ImageDraw.Draw(sheet)
    for index, path in enumerate(pictures):
        left, top = index % COLUMNS * wide, index // COLUMNS * tall
        with Image.open(path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((wide - 2 * MARGIN, tall - CAPTION - MARGIN))
        sheet.paste(small, (left + MARGIN, top + CAPTION))
        draw.text((left + MARGIN, top + 3), path.stem, fill="black")
    sheet.save(out)
