"""Staged tables of folds, for the further methods and seeds of a fold, which are given the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

from .staging import Shown

MOST_BYTES = 64 << 20
"""What is kept of all folds together; of one fold at most a quarter."""


class Shelf:
    """Keeps the bytes of staged tables in memory: files would be open to methods, which may alter what they get.

    What was asked for longest ago goes first. Several threads may stage at once.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Shown, dict[str, bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def stage(self, key: Hashable, folder: Path, make: Callable[[], Shown]) -> Shown:
        """Write tables into an empty folder as ``make`` does, which is called where none of this key are kept."""
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
        if found:
            for name, content in found[1].items():
                (folder / name).write_bytes(content)
            return found[0]
        shown = make()
        self._keep(key, shown, folder)
        return shown

    def _keep(self, key: Hashable, shown: Shown, folder: Path) -> None:
        files = list(folder.iterdir())
        if sum(file.stat().st_size for file in files) > MOST_BYTES // 4:
            return
        contents = {file.name: file.read_bytes() for file in files}
        with self._lock:
            self._kept[key] = shown, contents
            while sum(sum(map(len, kept.values())) for _, kept in self._kept.values()) > MOST_BYTES:
                self._kept.popitem(last=False)
