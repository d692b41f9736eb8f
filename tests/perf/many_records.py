"""A store of many records for speed tables: copies of a real one with other names, scores and resamples."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from brainbench.benchmark.draws import PART, VALUES, Draws, read_draws
from brainbench.benchmark.record import Record, ScorePart
from brainbench.benchmark.stats import interval
from brainbench.benchmark.store import SEAL, Store

Shape = Sequence[tuple[str, int]]
"""Tasks, and how many methods each has."""

TEN_THOUSAND: Shape = (*((f"toy-{k}", 100) for k in range(1, 91)), ("toy-large", 1000))
HUNDRED_THOUSAND: Shape = (*((f"toy-{k}", 200) for k in range(1, 491)), ("toy-large", 2000))

NOISE = 0.02
"""Standard deviation of what is added to each resample of a score, beside the shift of its record."""


def first_record(folder: Path) -> tuple[Record, Path]:
    """A real record and its folder, from a run on a small twin."""
    store = Store(folder / "first")
    call = "from brainbench.benchmark.cli import main; main()"
    chosen = ["--task", "abide2-asd", "--method", "fc-logistic", "--data", "simulated", "--store", str(store.path)]
    environment = {**os.environ, "BRAINBENCH_HOME": str(folder / "home")}
    subprocess.run([sys.executable, "-c", call, "run", *chosen], check=True, env=environment, capture_output=True)
    return next(store.records()), next((store.path / "records").iterdir())


def fill(store: Store, shape: Shape, record: Record, folder: Path) -> int:
    """Write copies of a record with their resamples into a store, and return their number."""
    draws = read_draws(folder)
    assert draws is not None
    rng = np.random.default_rng(0)
    count = 0
    for task, name in names(shape):
        shift = rng.normal(0, 0.03)
        values = (draws.values + rng.normal(shift, NOISE, draws.values.shape[1])).astype(np.float32)
        write(store, renamed(record, task, name, count), float(shift), values, draws)
        count += 1
    return count


def names(shape: Shape) -> Iterator[tuple[str, str]]:
    """Task and method of each record."""
    for task, rows in shape:
        for number in range(rows):
            yield task, f"method-{number}"


def renamed(record: Record, task: str, name: str, number: int) -> Record:
    """The record under another task and method."""
    return record.model_copy(
        update={
            "id": f"{task}--{name}--{number:08x}",
            "task": record.task.model_copy(update={"name": task, "ref": task}),
            "method": record.method.model_copy(update={"name": name, "ref": name}),
        }
    )


def moved(score: ScorePart, shift: float, row: np.ndarray | None) -> ScorePart:
    """A score with another value, and the interval of its resamples."""
    if score.value is None or row is None:
        return score
    low, high = interval(row)
    return score.model_copy(update={"value": score.value + shift, "low": low, "high": high})


def write(store: Store, record: Record, shift: float, values: np.ndarray, draws: Draws) -> None:
    """Write a record's folder as `Store.save` does, without its split and cells."""
    rows = dict(zip(draws.metrics, values, strict=True))
    scores = {name: moved(score, shift, rows.get(name)) for name, score in record.scores.items()}
    content = record.model_copy(update={"scores": scores}).model_dump_json(indent=1).encode()
    folder = store.path / "records" / record.id
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(content)
    (folder / SEAL).write_text(hashlib.sha256(content).hexdigest())
    buffer = io.BytesIO()
    np.save(buffer, values)
    (folder / VALUES).write_bytes(buffer.getvalue())
    part = {
        "metrics": draws.metrics,
        "resamples": values.shape[1],
        "seed": draws.seed,
        "clusters": draws.of_what.clusters,
        "units": draws.of_what.units,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    (folder / PART).write_text(json.dumps(part))
