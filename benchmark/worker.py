"""The worker process: reads staged folders, fits, predicts, writes. It never holds a test label.

Protocol: each line on standard input is the path of a staged folder; each line on standard output
is one JSON message: ``{"progress": [label, done, total]}`` or ``{"done": status}``. What methods
print goes to standard error, which the parent keeps as a log.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import BaseModel

from .contracts import Context, Kind, Method, TaskInfo, Train, silent
from .errors import BrainbenchError, PluginBroken, Skipped
from .items import Items

PROGRESS_SECONDS = 0.1

STATUSES = ("ok", "skipped", "failed", "timeout", "out-of-memory")
"""How a cell can end."""


class Outcome(BaseModel):
    """How a cell ended: ``outcome.json`` in the output folder.

    Attributes
    ----------
    status
        ok, skipped, failed, timeout or out-of-memory.
    reason
        Why, in one line; "" when ok.
    error
        Class of the error that a method raised; "" for none.
    report
        The method's own facts; of several items predicted apart, those of the first.
    items
        Position -> reason of the items that failed, where items are predicted apart.
    fit_seconds, predict_seconds, peak_memory
        Wall seconds, and bytes of resident memory at the most.
    isolated
        Whether it ran in a sandbox, to which labels are closed.
    host
        Name of the machine; "" where it is not known. Both are said by the parent process, never by the worker.
    """

    status: str
    reason: str = ""
    error: str = ""
    report: dict[str, Any] = {}
    items: dict[int, str] = {}
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    peak_memory: int = 0
    isolated: bool = False
    host: str = ""


def main() -> None:
    """Serve cells until standard input closes or the parent, whose process id is the argument, is gone."""
    messages = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    folders = os.fdopen(os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a method that asks gets an end of file, not a wait
    threading.Thread(target=_die_with_parent, args=(int(sys.argv[1]),), daemon=True).start()
    for line in folders:
        serve_cell(Path(line.rstrip("\n")), messages)


def serve_cell(folder: Path, messages: IO[str]) -> None:
    """Run a staged cell, write how it ended, and say so."""
    outcome = run_cell(folder, _reporter(messages))
    (folder / "out" / "outcome.json").write_text(outcome.model_dump_json())
    sys.stdout.flush()
    print(json.dumps({"done": outcome.status}), file=messages, flush=True)


def run_cell(folder: Path, progress: Callable[[str, int, int], None]) -> Outcome:
    """Fit and predict one staged cell; every failure becomes an outcome with its reason."""
    (folder / "out" / "prediction").mkdir(parents=True, exist_ok=True)
    _reset_peak()
    try:
        outcome = _fit_predict(folder, progress)
    except Exception as error:
        outcome = _failure(error)
    return outcome.model_copy(update={"peak_memory": peak_memory()})


def _failure(error: Exception) -> Outcome:
    """What an error says of a cell; one that a method did not foresee leaves its traceback in the log."""
    if isinstance(error, ItemsError):
        found = {row: _failure(cause) for row, cause in error.causes.items()}
        first = next(iter(found.values()))
        return first.model_copy(update={"items": {row: outcome.reason for row, outcome in found.items()}})
    name = type(error).__name__
    if isinstance(error, MemoryError):
        return Outcome(status="out-of-memory", reason=f"MemoryError: {error}", error=name)
    if isinstance(error, Skipped):
        return Outcome(status="skipped", reason=error.message, error=name)
    if isinstance(error, BrainbenchError):
        return Outcome(status="failed", reason=str(error).replace("\n", " "), error=name)
    traceback.print_exception(error)
    out_of_memory = "out of memory" in str(error).lower()
    status = "out-of-memory" if out_of_memory else "failed"
    return Outcome(status=status, reason=f"{name}: {error}"[:500], error=name)


class ItemsError(Exception):
    """Errors at some of several items that are predicted apart: position -> error."""

    def __init__(self, causes: dict[int, Exception]) -> None:
        super().__init__(f"{len(causes)} items failed")
        self.causes = causes


def _fit_predict(folder: Path, progress: Callable[[str, int, int], None]) -> Outcome:
    from .kinds import get_kind
    from .registry import load_method
    from .source import source_hash
    from .staging import Job, load_sources, load_test, load_train

    job = Job.model_validate_json((folder / "job.json").read_text())
    info = job.info
    kind = get_kind(job.kind)
    method_class, entry = load_method(job.method)
    # The files of this package's own are looked at where a run begins.
    if job.source and entry.origin != "built-in" and source_hash(method_class) != job.source:
        raise PluginBroken(f"the files of {job.method} here are not those of the plan", "type the same command again")
    method = method_class(**job.options)
    if info.kind not in method.supports:
        return Outcome(status="skipped", reason=f"{job.method} does not do {info.kind}")
    if reason := lacking(method, info) or method.skip(info):
        return Outcome(status="skipped", reason=reason)
    train = load_train(folder / "train.parquet", kind, info)
    if not len(train.inputs) and job.few and not method.zero_shot:
        return Outcome(status="skipped", reason="it learns from labelled scans of the task, and zero shots give none")
    context = Context(
        task=info,
        seed=job.seed,
        workdir=_fresh(folder / "work"),
        device=job.device,
        threads=job.threads,
        progress=progress,
        checkpoint=Path(job.checkpoint) if job.checkpoint else None,
        save=Path(job.save) if job.save else None,
        sources=load_sources(folder, job),
        support=train if job.few else None,
        shared=Path(job.shared) if job.shared else None,
    )
    items, _ = load_test(folder, kind, info)
    make = partial(method_class, **job.options)
    if kind.apart:
        prediction, report, seconds = _apart(make, kind, train, items, context)
    else:
        prediction, report, seconds = _together(make(), kind, train, items, context)
    kind.save(prediction, folder / "out" / "prediction", info)
    report = json.loads(json.dumps(report, default=_plain))
    return Outcome(status="ok", report=report, fit_seconds=seconds[0], predict_seconds=seconds[1])


def lacking(method: Method, info: TaskInfo) -> str | None:
    """Why a method cannot read what the task's items hold, or None."""
    missing = [name for name in method.reads if info.inputs and name not in info.inputs]
    words = {"series": "ROI series", "volume": "4-D volumes"}
    told = ", ".join(words.get(name, name) for name in missing)
    held = ", ".join(words.get(name, name) for name in info.inputs)
    return f"it reads {told}; the task's items hold {held}" if missing else None


def _together(
    method: Method, kind: Kind, train: Train, items: Items, context: Context
) -> tuple[Any, dict[str, Any], np.ndarray]:
    """Fit and predict all items at once: the prediction, the method's report, and seconds of both."""
    start = time.perf_counter()
    method.fit(train, context)
    fitted = time.perf_counter()
    prediction = kind.check(method.predict(kind.view(items, context.task), context), items, context.task)
    return prediction, method.report(), np.array([fitted - start, time.perf_counter() - fitted])


def _apart(
    make: Callable[[], Method], kind: Kind, train: Train, items: Items, context: Context
) -> tuple[Any, dict[str, Any], np.ndarray]:
    """The same for each item by itself: a new method object, a folder and a seed of its own.

    Goes on after a failure. Raises `ItemsError` at the end when there was one.
    """
    parts: list[Any] = []
    first: dict[str, Any] = {}
    seconds = np.zeros(2)
    causes: dict[int, Exception] = {}
    for row in range(len(items)):
        seed = int(np.random.SeedSequence([context.seed, row]).generate_state(1)[0])
        own = replace(context, seed=seed, workdir=_fresh(context.workdir / str(row)))
        if len(items) > 1:
            own = replace(own, progress=silent)
        try:
            part, report, spent = _together(make(), kind, train, items.take([row]), own)
        except Exception as error:
            causes[row] = error
        else:
            parts.append(part)
            first = first or report
            seconds += spent
        shutil.rmtree(own.workdir, ignore_errors=True)
        if len(items) > 1:
            context.progress("networks", row + 1, len(items))
    if causes:
        raise ItemsError(causes)
    return kind.concat(parts), first, seconds


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays as plain JSON values."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _reporter(messages: IO[str]) -> Callable[[str, int, int], None]:
    """A progress function that sends at most ten messages a second."""
    last_time, last_label = 0.0, ""

    def report(label: str, done: int, total: int) -> None:
        nonlocal last_time, last_label
        now = time.monotonic()
        if label != last_label or done >= total or now - last_time > PROGRESS_SECONDS:
            last_time, last_label = now, label
            print(json.dumps({"progress": [str(label), int(done), int(total)]}), file=messages, flush=True)

    return report


def _die_with_parent(parent: int) -> None:
    """End this process when the parent is gone, also by kill -9."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _reset_peak() -> None:
    """Start a new high-water mark of memory, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_memory() -> int:
    """Highest resident memory in bytes, since `_reset_peak` where the system can."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


if __name__ == "__main__":
    main()
