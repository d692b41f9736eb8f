"""The site of 10,000 records: seconds to read, to build the tables, to write the pages; and these in a browser.

The records are those of `many_records`: 90 tasks of 100 methods, and one of 1,000. There is no peer. Run:
``python tests/perf/bench_site.py``.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from many_records import TEN_THOUSAND, fill, first_record
from tabulate import tabulate

from brainbench.benchmark.store import Store
from brainbench.leaderboard.gathered import Gathered, gather
from brainbench.leaderboard.site import BoardSheet, write_site
from brainbench.leaderboard.site.names import address
from brainbench.leaderboard.tables import board_sheet

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
        count = fill(store, TEN_THOUSAND, *first_record(folder))
        steps: list[list[object]] = []
        place = timed("find the records", steps, gather, store, None)
        shown = timed("read, rank, test, build tables", steps, sheets, place)
        site = folder / "site"
        pages = timed("write the site", steps, write_site, site, shown)
        files = [path for path in site.rglob("*") if path.is_file()]
        total = sum(path.stat().st_size for path in files)
        print(
            f"{count:,} records, {len(shown)} boards; {pages:,} pages, {len(files):,} files, {total / 2**20:.0f} MiB\n"
        )
        print(tabulate(steps, ["step", "seconds", "of the processor"], floatfmt=".2f"), "\n")
        looked = ["index.html", address("task", "toy-1"), address("task", "toy-large"), address("method", "method-0"),
                  address("record", shown[0].record.id)]  # fmt: skip
        headers = ["page", "KiB", "parsed ms", "interactive ms", "sort ms", "filter ms"]
        print(tabulate(in_browser(site, looked), headers, floatfmt=".0f"))


if __name__ == "__main__":
    main()
