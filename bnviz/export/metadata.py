"""The Stamp of a file, written into the metadata of PNG and PDF, and into comments of SVG and HTML.

A Stamp's texts may come from strangers. They are written so that they cannot end the comment they stand in.
"""

from __future__ import annotations

import html
import io
import json
import re

from bnviz.export.kinds import COLUMN_CENTIMETRES, CSS_DPI, PRINT_DPI, Kind
from bnviz.export.stamp import Stamp

KEY = "bnviz"
"""The name under which a Stamp stands, as JSON, in PNG, PDF and Parquet."""


def stamp_json(stamp: Stamp) -> str:
    """The Stamp as JSON on one line, in which no two hyphens, no tag and no entity occur."""
    text = json.dumps(stamp.to_dict(), ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.replace("--", "-\\u002d")


def comment(stamp: Stamp) -> str:
    """A comment for XML and HTML: every line of the Stamp, and the whole of it as JSON."""
    lines = [line.replace("--", "- -").removesuffix("-") for line in stamp.lines]
    told = "\n".join(line.replace("<", "‹").replace(">", "›") for line in lines)
    return f"<!-- made by bnviz\n{told}\n{stamp_json(stamp)}\n-->"


def stamped_svg(content: bytes, kind: Kind, stamp: Stamp, alt: str) -> bytes:
    """The SVG with the comment, a description for screen readers, and its size in print."""
    text = content.decode()
    start = re.search(r"<svg[^>]*>", text)
    if start is None:
        raise ValueError("this is no SVG")
    tag = start.group()
    if kind.column:
        width, height = (float(value) for value in re.findall(r'\b(?:width|height)="([\d.]+)"', tag)[:2])
        for name, size in (("width", COLUMN_CENTIMETRES), ("height", COLUMN_CENTIMETRES * height / width)):
            tag = re.sub(rf'\b{name}="[\d.]+"', f'{name}="{size:.3f}cm"', tag, count=1)
    told = f"<desc>{html.escape(alt)}</desc>"
    rest = text[start.end() :]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{comment(stamp)}\n{tag}{told}{rest}'.encode()


def stamped_png(content: bytes, kind: Kind, stamp: Stamp, alt: str) -> bytes:
    """The PNG with its texts and its resolution in print."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    for name, text in png_texts(stamp, alt).items():
        told.add_itxt(name, text)
    dots = PRINT_DPI if kind.column else kind.scale * CSS_DPI
    result = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(result, "PNG", pnginfo=told, dpi=(dots, dots))
    return result.getvalue()


def png_texts(stamp: Stamp, alt: str) -> dict[str, str]:
    """The texts in a PNG, by their names."""
    return {
        "Description": alt,
        "Software": "bnviz",
        "Source": stamp.link,
        "Comment": "\n".join(stamp.lines),
        KEY: stamp_json(stamp),
    }


def stamped_pdf(content: bytes, stamp: Stamp, title: str, alt: str) -> bytes:
    """The PDF with its texts."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.add_metadata(
        {
            "/Title": title,
            "/Subject": alt,
            "/Creator": "bnviz",
            "/Keywords": " | ".join(stamp.lines),
            f"/{KEY}": stamp_json(stamp),
        }
    )
    result = io.BytesIO()
    writer.write(result)
    return result.getvalue()
