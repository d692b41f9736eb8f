"""Batches that are read while the one before is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np


def identity(rows: np.ndarray) -> Any:
    """The rows themselves."""
    return rows


@contextmanager
def ahead(load: Callable[[np.ndarray], Any], parts: Sequence[np.ndarray], threaded: bool) -> Iterator[Iterator[Any]]:
    """What ``load`` makes of the parts, in their order.

    Parameters
    ----------
    load
        Called in that order, from one thread at a time.
    threaded
        Call it for the next part while the one before is in use: reading costs no time where it takes less than
        computing. Without it, and for `identity`, each part is made when it is asked for.
    """
    if not threaded or load is identity:
        yield map(load, parts)
        return
    with ThreadPoolExecutor(1) as pool:
        yield _each(load, parts, pool)


def _each(load: Callable[[np.ndarray], Any], parts: Sequence[np.ndarray], pool: ThreadPoolExecutor) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for part in parts:
        waiting.append(pool.submit(load, part))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
