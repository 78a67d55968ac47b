"""A sandbox for a stranger's file: a process of its own reads it and hands back the Recording, written anew.

The reader checks all it can, but it unpacks with libraries in C++, which a hostile file may crash or fill with
data. So it runs in a process that holds no runs, within limits of memory and time. This process then reads what
`Recording.to_bytes` wrote there, never the file itself.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from bnviz.recording.file import GROWTH, UPLOAD_BYTES
from bnviz.recording.recording import Recording

COMMAND = ("-m", "bnviz.recording.sandbox")
SECONDS = 60
MEMORY_BYTES = 4 * 2**30
"""Of address space. Loading the libraries alone takes a good part of it."""

KEPT = "kept"
"""The argument with which the process reads one file after the other, until its input ends."""

_REFUSED = 3
_FRAME = struct.Struct(">BQ")
"""Before each file and each answer of a kept process: how it went, 0 or _REFUSED, and how many bytes follow."""


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


class KeptSandbox:
    """A sandbox that reads many files of one stranger in one process: starting one takes most of a second.

    Calls from several threads are made one after the other. A process that fails is replaced at the next call.
    """

    def __init__(self, most: int = UPLOAD_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, content: bytes) -> Recording:
        """As `read_stranger`."""
        if len(content) > self._most:
            raise ValueError(
                f"This file is no recording of bnviz: it has {len(content):,} bytes, and {self._most:,} are allowed"
            )
        with self._lock:
            result, answer = self._ask(content)
        if result == _REFUSED:
            raise ValueError(answer.decode(errors="replace")[:300])
        return Recording.load(io.BytesIO(answer))

    def close(self) -> None:
        """End the process; another `read` starts a new one."""
        with self._lock:
            self._end()

    def _ask(self, content: bytes) -> tuple[int, bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND, str(self._most), KEPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],  # where `-m` finds this package
            )
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(_FRAME.pack(0, len(content)) + content)
            self._process.stdin.flush()
            answer = _framed(self._process.stdout, GROWTH * self._most)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self._end()
            raise ValueError("This file is no recording of bnviz: it cannot be read safely")
        return answer

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main() -> int:
    """Read a file from standard input and write it anew to standard output, or why not to standard error."""
    most = int(sys.argv[1])
    _limit()
    if KEPT in sys.argv:
        while (asked := _framed(sys.stdin.buffer, most)) is not None:
            _limit()
            result, answer = _read(asked[1], most)
            sys.stdout.buffer.write(_FRAME.pack(result, len(answer)) + answer)
            sys.stdout.buffer.flush()
        return 0
    result, answer = _read(sys.stdin.buffer.read(), most)
    (sys.stderr if result else sys.stdout).buffer.write(answer)
    return result


def _read(content: bytes, most: int) -> tuple[int, bytes]:
    """0 and the recording written anew, or _REFUSED and why."""
    try:
        return 0, Recording.load(io.BytesIO(content), most).to_bytes()
    except ValueError as error:
        return _REFUSED, str(error).encode()


def _framed(stream: IO[bytes], most: int) -> tuple[int, bytes] | None:
    """What follows in the stream; None where it ends, or would be longer than `most`."""
    head = stream.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    result, length = _FRAME.unpack(head)
    content = stream.read(length) if length <= most else b""
    return (result, content) if len(content) == length else None


def _limit() -> None:
    """Bound what this process may take from now on, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(time.process_time()) + SECONDS
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
