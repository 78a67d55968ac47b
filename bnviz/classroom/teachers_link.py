"""The key in a teacher's link, with which a lesson shows its notes. It is made once for a server's home."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from bnviz.data.paths import home

FILE = "teacher.key"


def teachers_key() -> str:
    """The key. Raises OSError where the home cannot be written."""
    return _kept(home() / FILE)


def is_teacher(key: str) -> bool:
    """Whether a link's key is the teacher's; takes the same time for a wrong one."""
    return bool(key) and hmac.compare_digest(key[:200].encode(), teachers_key().encode())


@cache
def _kept(path: Path) -> str:
    with (
        suppress(FileExistsError),
        path.open("x", encoding="ascii") as file,
    ):  # the first of several servers writes it
        path.chmod(0o600)
        file.write(secrets.token_urlsafe(18))
    return path.read_text(encoding="ascii").strip()
