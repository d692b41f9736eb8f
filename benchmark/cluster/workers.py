"""A scheduler and its workers, looked at every second: how many slots there are, and whether anybody is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

LOOK_SECONDS = 1.0
"""How often the scheduler is asked."""

TOLD_SECONDS = 5.0
"""How long a run is without workers before that is said."""


class Workers:
    """The workers of a scheduler, asked for in a thread of its own, since a scheduler that hangs does not answer.

    Parameters
    ----------
    client
        Connected to the scheduler.
    patience
        Seconds without any worker after which `check` raises; infinity where jobs may wait in a queue for days.
    say
        Told once when a run waits for workers.
    refused
        Filled with why a queue takes no jobs; `check` raises then, unless there are workers.
    """

    def __init__(
        self, client: Client, patience: float, say: Callable[[str], None], refused: Sequence[str] = ()
    ) -> None:
        self.client, self._patience, self._say, self._refused = client, patience, say, refused
        self.changed = threading.Condition()
        self._address = client.scheduler.address
        self.slots = 0
        self._alone = time.monotonic()
        self._said = False
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        self._look()
        threading.Thread(target=self._look_on, daemon=True).start()

    def stop(self) -> None:
        """Look no more; whoever waits for `changed` is woken."""
        self._stop.set()
        with self.changed:
            self.changed.notify_all()

    def check(self) -> None:
        """Raise `ClusterError` when the scheduler is gone, or has had no worker for long."""
        address = self._address
        if self.client.status in ("closing", "closed"):
            raise ClusterError(
                f"the scheduler {address} is gone",
                "finished cells are kept: start it and its workers again, and type the same command",
            )
        seconds = 0.0 if self.slots else time.monotonic() - self._alone
        if self._refused and not self.slots:
            raise ClusterError(
                f"the queue refuses the job: {self._refused[-1]}", "change --profile; --dry-run prints the script"
            )
        if seconds > self._patience:
            raise ClusterError(
                f"no worker at {address} for {seconds:.0f} s",
                f"finished cells are kept: start one (dask worker {address}), and type the same command",
            )
        if seconds > TOLD_SECONDS and not self._said:
            self._said = True
            self._say(f"waiting for workers at {address}")

    def _look_on(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            found: dict[str, Any] = self.client.scheduler_info()["workers"]
        except Exception:  # a scheduler that is gone; the client finds that out by itself
            return
        slots = sum(worker["nthreads"] for worker in found.values())
        if slots:
            self._alone, self._said = time.monotonic(), False
        with self.changed:
            self.slots = slots
            self.changed.notify_all()
