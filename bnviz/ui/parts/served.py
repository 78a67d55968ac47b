"""Where the entry of the app and its pages are: beside the package in a checkout, within it where it is installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_INSTALLED = _PACKAGE / "served"
_FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

APP = _FOLDER / "app.py"
PAGES = _FOLDER / "pages"
