"""The board at 10,000 records: seconds to read, to build the tables, to write the site; and its pages in a browser.

The records are copies of a real one (`fc-logistic` on a simulated twin) with other names, scores and resamples: 90
tasks of 100 methods, and one of 1,000. There is no peer. Run: ``python tests/perf/bench_board.py``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from brainbench.benchmark.draws import PART, VALUES, DrawsPart, read_draws
from brainbench.benchmark.record import Record
from brainbench.benchmark.store import SEAL, Store
from brainbench.leaderboard.gathered import Gathered, gather
from brainbench.leaderboard.site import BoardSheet, write_site
from brainbench.leaderboard.site.names import address
from brainbench.leaderboard.tables import board_sheet

SHAPE = (*((f"toy-{k}", 100) for k in range(1, 91)), ("toy-large", 1000))
"""Tasks, and how many methods each has."""

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

READY = "performance.getEntriesByType('navigation')[0].domInteractive"
LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"

SORT = """() => {
  const table = document.querySelector("table[data-sortable]");
  const start = performance.now();
  table.querySelectorAll(".sort")[2].click();
  table.getBoundingClientRect();
  return performance.now() - start;
}"""
FILTER = """() => {
  const input = document.querySelector("input[type=search]");
  if (input === null) return NaN;
  const start = performance.now();
  input.value = "method-7";
  input.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
  return performance.now() - start;
}"""


def first_record(folder: Path) -> tuple[Record, Path]:
    """A real record and its folder, from a run on a small twin."""
    store = Store(folder / "first")
    call = "from brainbench.benchmark.cli import main; main()"
    options = [
        "run",
        "--task",
        "abide2-asd",
        "--method",
        "fc-logistic",
        "--data",
        "simulated",
        "--store",
        str(store.path),
    ]
    environment = {**os.environ, "BRAINBENCH_HOME": str(folder / "home")}
    subprocess.run([sys.executable, "-c", call, *options], check=True, env=environment, capture_output=True)
    return next(store.records()), next((store.path / "records").iterdir())


def copies(record: Record) -> Iterator[tuple[Record, float]]:
    """Records of other tasks and methods, and by how much their scores differ."""
    rng = np.random.default_rng(0)
    for task, rows in SHAPE:
        for number in range(rows):
            shift, name = float(rng.normal(0, 0.03)), f"method-{number}"
            scores = {key: score.model_copy(update=shifted(score, shift)) for key, score in record.scores.items()}
            yield (
                record.model_copy(
                    update={
                        "id": f"{task}--{name}--{number:08x}",
                        "task": record.task.model_copy(update={"name": task, "ref": task}),
                        "method": record.method.model_copy(update={"name": name, "ref": name}),
                        "scores": scores,
                    }
                ),
                shift,
            )


def shifted(score: Any, by: float) -> dict[str, float]:
    """The value and interval of a score, moved."""
    return {field: value + by for field in ("value", "low", "high") if (value := getattr(score, field)) is not None}


def fill(store: Store, record: Record, folder: Path) -> int:
    """Write the copies with their resamples, and return their number."""
    draws = read_draws(folder)
    assert draws is not None
    rng = np.random.default_rng(1)
    count = 0
    for copy, shift in copies(record):
        place = store.path / "records" / copy.id
        place.mkdir(parents=True)
        content = copy.model_dump_json(indent=1).encode()
        (place / "record.json").write_bytes(content)
        (place / SEAL).write_text(hashlib.sha256(content).hexdigest())
        noise = rng.normal(shift, 0.02, draws.values.shape[1])
        buffer = io.BytesIO()
        np.save(buffer, (draws.values + noise).astype(np.float32))
        (place / VALUES).write_bytes(buffer.getvalue())
        part = json.loads((folder / PART).read_text()) | {"sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
        (place / PART).write_text(DrawsPart(**part).model_dump_json())
        count += 1
    return count


def sheets(place: Gathered) -> list[BoardSheet]:
    """All boards, with their tests, as sheets."""
    return [
        BoardSheet(board_sheet(board), board.first, tuple(line.record for line in board.every))
        for board in place.boards()
    ]


def timed(what: str, steps: list[list[object]], function: Any, *arguments: Any) -> Any:
    """The value of a call, whose seconds are noted: those that went by, and those of this process."""
    start, own = time.perf_counter(), time.process_time()
    value = function(*arguments)
    steps.append([what, time.perf_counter() - start, time.process_time() - own])
    return value


def in_browser(site: Path, pages: list[str]) -> list[list[object]]:
    """Bytes of pages, and milliseconds until they can be used, from the disk; medians of five visits."""
    if CHROMIUM is None:
        return [[page, (site / page).stat().st_size / 1024, *["no chromium"] * 4] for page in pages]
    from playwright.sync_api import sync_playwright

    rows: list[list[object]] = []
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for where in pages:
            found = []
            for _ in range(5):
                page = browser.new_page()
                page.goto((site / where).as_uri())
                found.append([page.evaluate(READY), page.evaluate(LOADED), page.evaluate(SORT), page.evaluate(FILTER)])
                page.close()
            rows.append([where, (site / where).stat().st_size / 1024, *np.median(found, axis=0)])
        browser.close()
    return rows


def main() -> None:
    """Print seconds of each step, then the pages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "runs")
        count = fill(store, *first_record(folder))
        steps: list[list[object]] = []
        place = timed("read the records", steps, gather, store, None)
        shown = timed("rank, test, build tables", steps, sheets, place)
        site = folder / "site"
        pages = timed("write the site", steps, write_site, site, shown)
        files = [path for path in site.rglob("*") if path.is_file()]
        total = sum(path.stat().st_size for path in files)
        print(
            f"{count:,} records, {len(shown)} boards; {pages:,} pages, {len(files):,} files, {total / 2**20:.0f} MiB\n"
        )
        print(tabulate(steps, ["step", "seconds", "of the processor"], floatfmt=".2f"), "\n")
        looked = ["index.html", address("task", "toy-1"), address("task", "toy-large"), address("method", "method-0"),
                  address("record", place.records[0].id)]  # fmt: skip
        headers = ["page", "KiB", "parsed ms", "interactive ms", "sort ms", "filter ms"]
        print(tabulate(in_browser(site, looked), headers, floatfmt=".0f"))


if __name__ == "__main__":
    main()
