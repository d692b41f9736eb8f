"""The store: finished cells (the cache) and records, each a folder written whole or not at all.

::

    cells/KEY/          cell.json, outcome.json, ids.json, prediction/     one finished cell
    records/ID/         record.json, record.sha256, split.json, draws.npy, draws.json, cells/FOLD-SEED/...
    work/HOST.PID-.../  staged cells in flight; removed when their process is gone
    log.txt             what methods printed
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from .cells import Cell
from .draws import Draws, read_draws, write_draws
from .errors import StoreError
from .files import ended, host, seal, whole_folder, write_error
from .index import INDEX, Place, place_of, places, record_names, refuse
from .migrations import is_read, parse_record, unreadable
from .record import Record
from .splits import SplitManifest
from .worker import Outcome

SEAL = "record.sha256"
"""SHA-256 of a record's file as it was written. Of the bytes: a field that a later version adds changes no old hash."""


CELL_SEAL = "cell.sha256"
SEALED = ("cell.json", "outcome.json", "ids.json", "prediction.sha256")
"""What a finished cell's seal covers, as ``sha256sum`` prints it. Records have a seal of their own, of the scores."""


WORTH_SECONDS = 1.0
"""What took less to compute is not forced to the disk: where a loss of power takes it, its seal tells."""


LOOKS = 3
"""How often a record is read before it counts as edited."""


class Ids(BaseModel):
    """Item ids of a prediction, in its order."""

    ids: tuple[str, ...]


class Finished(BaseModel):
    """A finished cell read from the store."""

    cell: Cell
    outcome: Outcome
    ids: tuple[str, ...]
    prediction: str
    folder: Path


class Store:
    """A folder of cells and records.

    Parameters
    ----------
    path
        The folder; made when first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make the folders, and remove what a killed run left in flight."""
        try:
            for name in ("cells", "records", "work"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, self.path) from error
        for folder in (self.path / "work").iterdir():
            if ended(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def work_folder(self, key: str) -> Path:
        """An empty folder to stage a cell in."""
        folder = self.work_path(key)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise write_error(error, folder) from error
        return folder

    def work_path(self, key: str) -> Path:
        """Where a cell is staged by this process."""
        return self.path / "work" / f"{host()}.{os.getpid()}-{key}"

    @property
    def log(self) -> Path:
        """The file that keeps what methods print."""
        return self.path / "log.txt"

    def finished(self, key: str) -> Finished | None:
        """A finished cell, or None where there is none or it is damaged."""
        folder = self.path / "cells" / key
        return read_cell(folder) if is_sealed(folder) else None

    def keep(self, cell: Cell, outcome: Outcome, ids: tuple[str, ...], prediction: Path) -> Finished:
        """Put a finished cell into the cache."""
        folder = self.path / "cells" / cell.key
        lasting = outcome.fit_seconds + outcome.predict_seconds > WORTH_SECONDS
        with whole_folder(folder, lasting) as new:
            digest = write_cell(new, cell, outcome, ids, prediction)
            (new / CELL_SEAL).write_text(seal(new, SEALED))
        return Finished(cell=cell, outcome=outcome, ids=ids, prediction=digest, folder=folder)

    def save(self, record: Record, split: SplitManifest, cells: list[Finished], draws: Draws | None = None) -> Path:
        """Write a record with its split, its cells' predictions and the resamples of its scores."""
        folder = self.path / "records" / record.id
        with whole_folder(folder) as new:
            content = record.model_dump_json(indent=1).encode()
            (new / "record.json").write_bytes(content)
            (new / SEAL).write_text(hashlib.sha256(content).hexdigest())
            (new / "split.json").write_text(split.model_dump_json())
            for done in cells:
                shutil.copytree(
                    done.folder,
                    new / "cells" / cell_folder(done.cell.fold, done.cell.seed),
                    ignore=shutil.ignore_patterns(CELL_SEAL),
                )
            if draws is not None:
                write_draws(new, draws)
        return folder

    def draws(self, record: Record) -> Draws | None:
        """The resamples of a record's scores; None where there are none, or they are damaged: `rescore` makes them."""
        try:
            return read_draws(self.path / "records" / record.id)
        except StoreError:
            return None

    def records(self, wanted: Callable[[Place], bool] | None = None) -> Iterator[Record]:
        """All records that can be read, or those whose place is wanted; a damaged or edited one is left out (`doctor`).

        Raises `StoreError` where one stands elsewhere than the index of the store says.
        """
        if wanted is None:
            yield from self._readable(record_names(self.path / "records"))
            return
        for name, place in self.places().items():
            if wanted(place):
                yield from self.read_at(place, [name])

    def places(self) -> dict[str, Place]:
        """Folder -> place of each record of `records`, in their order; from an index where there are many."""
        with collector_paused():
            return places(self.path, SEAL, read_record)

    def read_at(self, place: Place, names: Iterable[str]) -> list[Record]:
        """The records of folders that stand at one place, as `places` says. Raises `StoreError` where one does not."""
        with collector_paused():
            found = list(self._readable(names))
        if moved := next((record.id for record in found if place_of(record) != place), None):
            raise refuse(self.path / INDEX, moved)
        return found

    def _readable(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            with suppress(StoreError):
                yield read_record(self.path / "records" / name / "record.json")

    def find(self, name: str) -> tuple[Record, Path]:
        """A record by its id, the beginning of it, or its folder's path."""
        folder = Path(name)
        if not (folder / "record.json").is_file():
            start = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)  # a task is written with an @, its folder without
            names = record_names(self.path / "records") if name else []
            matches = [self.path / "records" / known for known in names if known.startswith(start)]
            if len(matches) != 1:
                problem = "no record" if not matches else f"{len(matches)} records begin with"
                listed = f"one of: {', '.join(path.name for path in matches[:5])}" if matches else ""
                raise StoreError(f"{problem} {name!r} in {self.path}", listed or "see `brainbench leaderboard --ids`")
            folder = matches[0]
        return read_record(folder / "record.json"), folder


def cell_folder(fold: str, seed: int) -> str:
    """Folder name of a cell inside a record."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{fold}-seed{seed}")


def write_cell(folder: Path, cell: Cell, outcome: Outcome, ids: tuple[str, ...], prediction: Path) -> str:
    """Write a finished cell's files, and return the hash of its predictions."""
    (folder / "cell.json").write_text(cell.model_dump_json())
    (folder / "outcome.json").write_text(outcome.model_dump_json())
    (folder / "ids.json").write_text(Ids(ids=ids).model_dump_json())
    shutil.copytree(prediction, folder / "prediction")
    digest = digest_folder(folder / "prediction")
    (folder / "prediction.sha256").write_text(digest)
    return digest


def is_sealed(folder: Path) -> bool:
    """Whether a finished cell's files are those that were written; of an older one, which has no seal, nobody knows."""
    try:
        return (folder / CELL_SEAL).read_text() == seal(folder, SEALED)
    except FileNotFoundError:
        return not (folder / CELL_SEAL).exists()
    except (OSError, ValueError):
        return False


def read_cell(folder: Path) -> Finished | None:
    """A finished cell from its folder; None where it is missing, damaged or edited."""
    try:
        cell = Cell.model_validate_json((folder / "cell.json").read_text())
        outcome = Outcome.model_validate_json((folder / "outcome.json").read_text())
        ids = Ids.model_validate_json((folder / "ids.json").read_text()).ids
        prediction = (folder / "prediction.sha256").read_text()
    except (OSError, ValueError):
        return None
    if prediction != digest_folder(folder / "prediction"):
        return None
    return Finished(cell=cell, outcome=outcome, ids=ids, prediction=prediction, folder=folder)


def digest_folder(folder: Path) -> str:
    """SHA-256 over names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder)}\0{content}\n".encode())
    return digest.hexdigest()


def read_record(path: Path) -> Record:
    """A record from its file, of this or an earlier schema. Raises `StoreError` when it is damaged or edited.

    A folder without a hash, as earlier versions wrote it, is read as it is.
    """
    try:
        raw, intact = _with_seal(path)
        with collector_paused():
            record = parse_record(raw)
    except (OSError, ValueError) as error:
        raise _not_a_record(path, raw_schema(path), str(error).splitlines()[0]) from None
    if not intact:
        raise StoreError(
            f"{path}: edited: it is not the file that was written", "run the method again: finished cells are kept"
        )
    return record


@contextmanager
def collector_paused() -> Iterator[None]:
    """A block without the collector of cycles: models have none, and it would take most of the time of reading them."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _with_seal(path: Path) -> tuple[bytes, bool]:
    """A record's bytes, and whether they are those that its hash tells, where there is one.

    Read again where they are not: another run may have put its record there between the two.
    """
    for _ in range(LOOKS):
        raw, sealed = path.read_bytes(), _sealed(path.parent)
        intact = sealed is None or sealed == hashlib.sha256(raw).hexdigest()
        if intact:
            break
    return raw, intact


def _sealed(folder: Path) -> str | None:
    """The hash beside a record; None for none."""
    try:
        return (folder / SEAL).read_text().strip()
    except FileNotFoundError:
        return None


def raw_schema(path: Path) -> object:
    """The schema version that a file names which cannot be read as a record; None for none."""
    try:
        content = json.loads(path.read_bytes())
        return content.get("schema_version") if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError):
        return None


def _not_a_record(path: Path, schema: object, reason: str) -> StoreError:
    if schema is not None and not is_read(schema):
        return StoreError(
            f"{path}: {unreadable(schema)}", "read it with the version that wrote it, or run the method again"
        )
    return StoreError(f"{path}: not a record ({reason})", "run the method again: finished cells are kept")


def read_split(folder: Path) -> SplitManifest:
    """The split of a record's folder."""
    try:
        return SplitManifest.model_validate_json((folder / "split.json").read_text())
    except (OSError, ValueError):
        raise StoreError(f"{folder / 'split.json'}: missing or damaged") from None
