"""From a record's predictions to the file that a challenge takes, and what such a file is held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..benchmark.contracts import Progress
from ..benchmark.datasets.codabench import (
    PARCELS,
    SUBJECTS,
    Accepted,
    Expected,
    Rows,
    check_submission,
    phase_of,
    problems,
    refuse_all,
    rows_from,
    rows_of,
    write_submission,
)
from ..benchmark.errors import BadOption, DataMissing, StoreError
from ..benchmark.kinds import get_kind
from ..benchmark.record import Record
from ..benchmark.registry import load_dataset, load_task, refuse_unasked
from ..benchmark.rescoring import reload
from ..benchmark.store import read_cell

DATASET = "algonauts2025"

PHASES = {f"{DATASET}-friends": "friends", f"{DATASET}-ood": "ood"}
"""Task -> phase of the challenge that its predictions are for."""

COUNTS_HINT = (
    "give  --counts FOLDER  of its sub-0X_..._fmri_samples.npy, name the RECORD, or see `brainbench data list`"
)

Predictions = dict[str, dict[str, np.ndarray]]
"""Subject -> run -> (TR, parcel)."""


def export(
    record: Record,
    folder: Path,
    out: Path,
    progress: Progress,
    *,
    counts: Path | None = None,
    seed: int | None = None,
    simulated: bool = False,
) -> Accepted:
    """Write the predictions of a record as a Codabench zip, checked before it is written and after.

    Raises `BadOption` for a record of another task, or of a twin unless ``simulated``; `BadData` where predictions
    are not what the challenge expects.
    """
    phase = phase_of_record(record)
    twin = record.data.origin == "twin"
    if twin and not simulated:
        raise BadOption(
            f"{record.id} was made on simulated data: its predictions say nothing of the challenge's films",
            "run the method on real data, or, to try the format alone, add  --simulated",
        )
    if simulated and not twin:
        raise BadOption(f"{record.id} is of real data", "leave --simulated out")
    expected = expected_of(record, phase, counts, progress)
    found = predictions_of(record, folder, seed)
    refuse_all(list(problems(found, expected)), record.id, expected)
    write_submission(out, found, phase, simulated=twin)
    return check_submission(out, expected)


def check(
    path: Path,
    progress: Progress,
    *,
    phase: str | None = None,
    counts: Path | None = None,
    record: Record | None = None,
) -> Accepted:
    """Hold a file from anywhere against what the challenge expects: counts given, else a record's or installed data.

    Raises `BadData` with every reason, and `DataMissing` where no counts are at hand.
    """
    if phase not in (None, *PHASES.values()):
        raise BadOption(f"--phase {phase}", "phases are: friends, ood")
    chosen = phase or (phase_of_record(record) if record else phase_of(path))
    if record:
        return check_submission(path, expected_of(record, chosen, counts, progress))
    if counts:
        return check_submission(path, expectation(chosen, rows_from(counts, chosen), str(counts)))
    dataset = load_dataset(DATASET)
    if not dataset.installed():
        raise DataMissing("the numbers of TRs that the challenge expects are not at hand", COUNTS_HINT)
    data = dataset.load("real", progress)
    return check_submission(path, expectation(chosen, rows_of(data.items, chosen), f"the installed {data.name!r}"))


def phase_of_record(record: Record) -> str:
    """The phase that a record's predictions are for. Raises `BadOption` for another task or regime."""
    phase = PHASES.get(record.task.name)
    if phase is None:
        raise BadOption(
            f"{record.id} is of the task {record.task.name}", f"Codabench takes predictions of {' or '.join(PHASES)}"
        )
    return phase


def expected_of(record: Record, phase: str, counts: Path | None, progress: Progress) -> Expected:
    """What is expected of a record: by the counts that are given, or by the data that it was made on."""
    if counts:
        return expectation(phase, rows_from(counts, phase), str(counts))
    _, loaded = reload(record, progress)
    twin = loaded.data.origin == "twin"
    parcels = len(loaded.items.meta.get("parcels", ())) if twin else PARCELS
    source = f"the {'twin' if twin else 'data'} {record.data.name!r}"
    return expectation(phase, rows_of(loaded.items, phase), source, parcels)


def expectation(phase: str, rows: Rows, source: str, parcels: int = PARCELS) -> Expected:
    """What is expected by these numbers of TRs. Raises `DataMissing` where a subject of the challenge has none."""
    if lacking := [name for name in SUBJECTS if not rows.get(name)]:
        raise DataMissing(f"{source}: no numbers of TRs of {', '.join(lacking)} for the phase {phase!r}", COUNTS_HINT)
    return Expected(phase, rows, source, parcels)


def predictions_of(record: Record, folder: Path, seed: int | None = None) -> Predictions:
    """The predictions of a record's first seed, or of the one that is named; they stay on disk until used.

    Raises `BadOption` for a seed that was not run, and `StoreError` for cells that are missing or edited.
    """
    chosen = record.seeds[0] if seed is None else seed
    if chosen not in record.seeds:
        raise BadOption(f"--seed {chosen}: not run", f"seeds of {record.id} are: {', '.join(map(str, record.seeds))}")
    refuse_unasked(record.task.ref)
    task, _ = load_task(record.task.ref)
    found: Predictions = {}
    cells = [read_cell(path) for path in sorted((folder / "cells").glob("*"))]
    mine = [cell for cell in cells if cell is not None and cell.cell.seed == chosen]
    if len(mine) != len(record.split.folds) or None in cells:
        raise StoreError(
            f"{record.id} lacks finished predictions of seed {chosen}", "run it again: what is finished is kept"
        )
    for cell in mine:
        runs = get_kind(task.kind).load(cell.folder / "prediction", task.info)
        for name, run in zip(cell.ids, runs, strict=True):
            for subject, values in run.items():
                found.setdefault(subject, {})[name] = values
    return found
