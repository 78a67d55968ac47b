"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if SHARED_DATA.is_dir():
    os.environ.setdefault("BNVIZ_DATA", str(SHARED_DATA))

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing here
settings.load_profile("any machine")
