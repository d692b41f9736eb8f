"""Graphics cards of a Dask worker: each cell has one of its own."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_turn = threading.Lock()
_users: Counter[str] = Counter()


@contextmanager
def a_card(needed: bool) -> Iterator[dict[str, str]]:
    """The variable that shows a cell one card, the least used one of those that this process may use."""
    cards = _cards() if needed else []
    if not cards:
        yield {}
        return
    with _turn:
        card = min(cards, key=lambda name: _users[name])
        _users[card] += 1
    try:
        yield {"CUDA_VISIBLE_DEVICES": card}
    finally:
        with _turn:
            _users[card] -= 1


def _cards() -> list[str]:
    """Names of the cards: what the queue gave this job, else all of the machine."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
