"""Progress bars of a run: all cells, and what each running cell is doing."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ..cells import Cell
from ..executors import Event
from ..plan import Plan
from ..store import Store
from .options import errors


class Bars:
    """One bar over all cells and one for each running cell, on standard error."""

    def __init__(self, plan: Plan, store: Store) -> None:
        keys = {cell.key for _, cell in plan.cells}
        self.total = len(keys)
        self.finished = sum(store.finished(key) is not None for key in keys)
        console = errors()
        self._plain = None if console.is_terminal else console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._overall = self._progress.add_task("cells", total=self.total, completed=self.finished)
        self._bars: dict[str, TaskID] = {}
        self._said: set[tuple[str, str]] = set()
        if self.finished:
            console.print(f"{self.finished} of {self.total} cells are finished already", markup=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bars off the screen."""
        self._progress.stop()

    def watch(self, cell: Cell, event: Event) -> None:
        """Follow a cell."""
        if event.what == "started":
            self._progress.update(self._overall, description="cells")
            self._bars[event.key] = self._progress.add_task(cell.label, total=None)
        elif event.what == "progress":
            if (event.key, event.label) not in self._said:
                self._said.add((event.key, event.label))
                self._tell(f"         {cell.label}: {event.label}")
            self._progress.update(
                self._bars[event.key],
                description=f"{cell.label}: {event.label}",
                completed=event.done,
                total=event.total,
            )
        elif event.what == "lost":
            self._progress.remove_task(self._bars.pop(event.key))
            self._tell(f"lost     {cell.label}: {event.label}; it is run again")
        elif event.outcome is not None:
            if event.key in self._bars:
                self._progress.remove_task(self._bars.pop(event.key))
            self._progress.advance(self._overall)
            self.finished += event.outcome.status == "ok"
            seconds = event.outcome.fit_seconds + event.outcome.predict_seconds
            where = ", by another run" if event.what == "elsewhere" else ""
            why = f": {event.outcome.reason}" if event.outcome.reason else ""
            self._tell(f"{event.outcome.status:8} {cell.label} ({seconds:.1f} s{where}){why}")

    def waiting(self, cells: int) -> None:
        """Say that nothing is left but cells that other runs on this store compute."""
        told = f"waiting for {cells} cell{'s' * (cells != 1)} that another run computes"
        self._progress.update(self._overall, description=told)
        self._tell(told)

    def _tell(self, text: str) -> None:
        """One line of a log, where there are no bars; of what methods say, the signs that can be printed."""
        if self._plain:
            line = "".join(sign for sign in text.replace("\n", " ") if sign.isprintable())
            self._plain.print(line, markup=False, soft_wrap=True)
