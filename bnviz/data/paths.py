"""The folder in which bnviz stores kept runs, classes with their votes, and lessons; and where datasets are."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """$BNVIZ_HOME or, where that is not set, the user's data folder; made if there is none. Raises OSError."""
    chosen = os.environ.get("BNVIZ_HOME")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("bnviz", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def dataset_folders(name: str) -> tuple[Path, ...]:
    """The folders to search for the files of a published dataset, in this order; the last keeps downloads."""
    import pooch

    data, chosen = os.environ.get("BNVIZ_DATA"), os.environ.get("BNVIZ_HOME")
    cache = Path(chosen).expanduser() if chosen else Path(pooch.os_cache("bnviz"))
    return tuple(place / name for place in (*([Path(data).expanduser()] if data else []), cache))
