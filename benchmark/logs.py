"""What methods print: kept in one file of the store, which does not grow without end."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 32 << 20
"""The largest log; as much again is kept of what was printed before."""


def bound(log: Path) -> None:
    """Begin a log anew where it has grown too large; its end is kept beside it, as ``log.1.txt`` of a ``log.txt``.

    The file stays the same one: workers that live long have it open to append to.
    """
    with suppress(OSError):  # what cannot be kept short now, is later
        size = log.stat().st_size
        if size <= LOG_BYTES:
            return
        with open(log, "rb") as file, open(log.with_suffix(f".1{log.suffix}"), "wb") as before:
            file.seek(size - LOG_BYTES)
            shutil.copyfileobj(file, before)
        os.truncate(log, 0)
