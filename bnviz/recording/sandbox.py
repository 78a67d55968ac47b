"""A sandbox for a stranger's file: a process of its own reads it and hands back the Recording, written anew.

The reader checks all it can, but it unpacks with libraries in C++, which a hostile file may crash or fill with
data. So it runs in a process that holds no runs, within limits of memory and time. This process then reads what
`Recording.to_bytes` wrote there, never the file itself.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from bnviz.recording.file import UPLOAD_BYTES
from bnviz.recording.recording import Recording

COMMAND = ("-m", "bnviz.recording.sandbox")
SECONDS = 60
MEMORY_BYTES = 4 * 2**30
"""Of address space. Loading the libraries alone takes a good part of it."""

_REFUSED = 3


def read_stranger(content: bytes, most: int = UPLOAD_BYTES) -> Recording:
    """Read the content of a stranger's file. Raises ValueError, with one sentence, for all but a recording."""
    if len(content) > most:
        raise ValueError(
            f"This file is no recording of bnviz: it has {len(content):,} bytes, and {most:,} are allowed"
        )
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND, str(most)],
            input=content,
            capture_output=True,
            cwd=Path(__file__).parents[2],  # where `-m` finds this package
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError("This file is no recording of bnviz: it takes too long to read") from None
    if done.returncode == _REFUSED:
        raise ValueError(done.stderr.decode(errors="replace")[:300])
    if done.returncode:
        raise ValueError("This file is no recording of bnviz: it cannot be read safely")
    return Recording.load(io.BytesIO(done.stdout))


def main() -> int:
    """Read a file from standard input and write it anew to standard output, or why not to standard error."""
    _limit()
    try:
        recording = Recording.load(io.BytesIO(sys.stdin.buffer.read()), int(sys.argv[1]))
    except ValueError as error:
        sys.stderr.buffer.write(str(error).encode())
        return _REFUSED
    sys.stdout.buffer.write(recording.to_bytes())
    return 0


def _limit() -> None:
    """Bound what this process may take, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, SECONDS)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
