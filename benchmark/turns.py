"""The cells still to run, in turn: those that another run on the same store computes are left to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from .executors import Work
from .leases import Leases
from .store import Finished

PAUSE = 1.0
"""Seconds between two looks at cells that others compute."""


class Turns(Iterator[Work]):
    """An iterator over works that an executor takes lazily, each under a lease.

    A cell whose lease another run holds is put last, and looked at again: finished by it, it is taken from the store;
    given up by it, it is run here. Where only such cells are left, the iterator waits.

    Parameters
    ----------
    works
        The cells to run, in order.
    leases
        The leases of this run.
    find
        A finished cell that this run may use, by its key; None where there is none.
    waiting
        Told of the number of cells that others compute whenever it changes while there is nothing else to do. Called
        from the executor's threads.
    """

    def __init__(
        self,
        works: Iterable[Work],
        leases: Leases,
        find: Callable[[str], Finished | None],
        waiting: Callable[[int], None],
    ) -> None:
        self._todo = deque(works)
        self._leases, self._find, self._waiting = leases, find, waiting
        self._elsewhere: deque[tuple[str, Finished]] = deque()
        self._closed = threading.Event()

    def __next__(self) -> Work:
        """The next cell to run, under a lease. Raises `StopIteration` when none is left, or `close` was called."""
        told = 0
        while self._todo and not self._closed.is_set():
            before = len(self._todo)
            for _ in range(before):
                work = self._todo.popleft()
                if self._closed.is_set() or not self._leases.take(work.key):
                    self._todo.append(work)
                elif (found := self._find(work.key)) is None:
                    return work
                else:
                    self._leases.release(work.key)
                    self._elsewhere.append((work.key, found))
            if len(self._todo) == before:
                if told != before:
                    told = before
                    self._waiting(told)
                self._closed.wait(PAUSE)
        raise StopIteration

    def elsewhere(self) -> Iterator[tuple[str, Finished]]:
        """The cells that other runs have finished since the last call."""
        while self._elsewhere:
            yield self._elsewhere.popleft()

    def close(self) -> None:
        """Hand out no more cells."""
        self._closed.set()
