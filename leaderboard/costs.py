"""What a row cost: parameters, seconds, memory, device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from ..benchmark.record import Record
from .table import Cell
from .wording import scaled


def fit_seconds(record: Record) -> Cell:
    """Seconds of fitting, all cells."""
    return seconds_cell(record, [cost.fit_seconds for cost in record.environment.cells.values()])


def predict_seconds(record: Record) -> Cell:
    """Seconds of predicting, all cells."""
    return seconds_cell(record, [cost.predict_seconds for cost in record.environment.cells.values()])


def seconds_cell(record: Record, parts: list[float]) -> Cell:
    """A sum of seconds; none where nothing was run, as for predictions made elsewhere."""
    if not parts or record.status == "skipped":
        return Cell("-")
    return Cell(f"{sum(parts):.1f}", value=sum(parts))


def peak_memory(record: Record) -> Cell:
    """Most memory of a cell in MiB."""
    peak = max((cost.peak_memory for cost in record.environment.cells.values()), default=0)
    return Cell(str(peak >> 20), value=peak / 2**20) if peak else Cell("-")


def device(record: Record) -> Cell:
    """Type of device; the note says with how many threads."""
    where = record.environment
    return Cell(where.device, note=f"{where.threads} of {where.cores} cores")


def parameters(record: Record) -> Cell:
    """The largest number of parameters that a cell reports; its parts stand in the note."""
    counts = [counted_parts(cell.report) for cell in record.cells]
    parts = max(counts, key=lambda found: sum(found.values()), default={})
    total = sum(parts.values())
    told = "" if len(parts) < 2 else " + ".join(f"{name} {count:,}" for name, count in parts.items())
    return Cell(scaled(total), value=total, note=told or f"{total:,}") if parts else Cell("-", note="not reported")


def counted_parts(report: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a report that add up: the one of all parts, else those of its parts.

    ``trained`` ones count again what others count, and are left out.
    """
    whole = report.get("parameters")
    if isinstance(whole, Mapping):
        every = whole.get("all")
        whole = every.get("total") if isinstance(every, Mapping) else None
    named = {"all": whole, "probe": report.get("probe_parameters")}
    if not is_count(whole):
        named = {
            name.removesuffix("_parameters"): value
            for name, value in report.items()
            if name.endswith("_parameters") and "trained" not in name
        }
    return {name: value for name, value in named.items() if is_count(value)}


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value from a report is a plausible number of parameters."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15
