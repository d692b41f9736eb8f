"""The file that Codabench takes for the Algonauts 2025 challenge: written here, and read again with care.

It is a zip with one file of fixed name: a dictionary, subject -> run -> (TR, parcel) float32, saved by ``numpy.save``,
which pickles it. That format is mandated, and writing it is the one place in the project where a pickle is made.
Reading it is left to `benchmark.restricted`, from inside the zip, with nothing unpacked to disk.
"""

from __future__ import annotations

import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import BadData
from ..files import whole_file
from ..items import Items
from ..kinds.encoding import FRAMES
from ..restricted import read_counts, read_object_stream
from .brainhub_files import read_json

FILES = {"friends": "fmri_predictions_friends_s7.npy", "ood": "fmri_predictions_ood.npy"}
"""Phase of the challenge -> the file in its zip."""

COUNTS = {"friends": "friends-s7", "ood": "ood"}
"""Phase -> how the files of sample counts call it."""

SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")
PARCELS = 1000

SIMULATED = b"simulated data: not for the challenge"
"""Comment of a zip that was made of a twin."""

MAX_TOLD = 8
"""Most problems of one file that are listed."""

END, WIDE_END, END_SIZE = b"PK\x05\x06", b"PK\x06\x07", 22
"""Signatures of a zip's last record and of the one before it in large archives, and the bytes of the last."""

Rows = dict[str, dict[str, int]]
"""Subject -> run -> number of TRs."""


@dataclass(frozen=True)
class Expected:
    """What a submission must hold.

    Attributes
    ----------
    phase
        "friends" or "ood".
    rows
        Subject -> run -> number of TRs.
    source
        Where these numbers come from, for messages.
    parcels
        Columns.
    """

    phase: str
    rows: Rows
    source: str
    parcels: int = PARCELS

    @property
    def most(self) -> int:
        """Bytes that the file may unpack to: four times those of float32 values, so that others are still named."""
        return 16 * self.parcels * sum(sum(runs.values()) for runs in self.rows.values()) + 2**20


@dataclass(frozen=True)
class Accepted:
    """A submission that holds what it must.

    ``notes`` tell what is allowed, but hardly meant; ``simulated`` marks a file that was made here of a twin.
    """

    file: str
    phase: str
    runs: int
    rows: int
    parcels: int
    source: str
    simulated: bool = False
    notes: tuple[str, ...] = field(default=())


def write_submission(
    path: Path, predictions: Mapping[str, Mapping[str, np.ndarray]], phase: str, simulated: bool = False
) -> None:
    """Write the zip, whole or not at all: the same bytes for the same predictions.

    ``predictions`` are subject -> run -> (TR, parcel); they may lie on disk. Raises `StoreError`.
    """
    # numpy.save would pickle a memory-mapped array as one: only plain arrays are read again elsewhere.
    plain = {
        subject: {run: np.asarray(runs[run], dtype="<f4") for run in sorted(runs)}
        for subject, runs in sorted(predictions.items())
    }
    member = zipfile.ZipInfo(FILES[phase], date_time=(2025, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    with whole_file(path) as file, zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        archive.comment = SIMULATED if simulated else b""
        with archive.open(member, "w", force_zip64=True) as held:
            # The exception: the challenge mandates a pickled dictionary. It holds texts and float32 arrays alone.
            np.save(held, plain, allow_pickle=True)  # type: ignore[arg-type]


def check_submission(path: Path, expected: Expected) -> Accepted:
    """Read a submission and hold it against what it must contain.

    The file is untrusted: nothing in it is run, nothing is unpacked to disk, and no more is read than the expected
    predictions need. Raises `BadData` with every reason that was found.
    """
    with opened(path) as archive:
        member = only_member(archive, path)
        refuse_member(member, path, expected)
        where = f"{path}: {member.filename}"
        try:
            with archive.open(member) as file:
                found = read_object_stream(file, member.file_size, where)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise BadData(f"{where}: damaged ({error})", "make the zip again") from None
        simulated = archive.comment == SIMULATED
    refuse_all(list(problems(found, expected)), where, expected)
    return Accepted(
        file=str(path),
        phase=expected.phase,
        runs=len({run for runs in found.values() for run in runs}),
        rows=sum(len(values) for runs in found.values() for values in runs.values()),
        parcels=expected.parcels,
        source=expected.source,
        simulated=simulated,
        notes=tuple(notes(found)),
    )


def phase_of(path: Path) -> str:
    """The phase that a zip is for, by the name of its file. Raises `BadData` where that is none of the two."""
    with opened(path) as archive:
        name = only_member(archive, path).orig_filename
    for phase, file in FILES.items():
        if Path(name.replace("\\", "/")).name == file:
            return phase
    raise BadData(f"{path}: holds {name[:120]!r}", f"Codabench takes {' or '.join(FILES.values())}")


def opened(path: Path) -> zipfile.ZipFile:
    """The archive. Raises `BadData` for anything but a plain zip; its list of files is bounded before it is read."""
    if not path.is_file():
        raise BadData(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}", "check the path")
    zipping = f"zip the .npy alone:  zip {path.stem}.zip {FILES['ood']}"
    with open(path, "rb") as file:
        count, size = directory(file, path.stat().st_size)
    if count < 0:
        raise BadData(f"{path}: not a zip file", zipping)
    if count > 64 or size > 2**16:
        raise BadData(f"{path}: an archive of {count:,} files; one is expected", zipping)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadData(f"{path}: a damaged zip file ({error})", zipping) from None


def directory(file: IO[bytes], size: int) -> tuple[int, int]:
    """Number of files in a zip and bytes of the list of them, from its last record; (-1, 0) where there is none."""
    file.seek(max(0, size - END_SIZE - 2**16))
    tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < END_SIZE or WIDE_END in tail[max(0, place - 20) : place]:
        return -1, 0
    count, length, _, comment = struct.unpack("<10xHIIH", tail[place : place + END_SIZE])
    return (count, length) if comment == len(tail) - place - END_SIZE else (-1, 0)


def only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file of the archive. Raises `BadData` where there are several or none."""
    names = [member.orig_filename for member in archive.infolist()]
    if len(names) != 1:
        listed = ", ".join(repr(name[:80]) for name in names[:4])
        raise BadData(f"{path}: holds {len(names)} files ({listed or 'none'}); one is expected", "zip the .npy alone")
    return archive.infolist()[0]


def refuse_member(member: zipfile.ZipInfo, path: Path, expected: Expected) -> None:
    """Raise `BadData` for a file of another name or sort, or one that would unpack to far more than it should."""
    name, wanted = member.orig_filename, FILES[expected.phase]
    if name != wanted:
        bare = Path(name.replace("\\", "/")).name == wanted
        told = "a path, not the bare name" if bare else f"not {wanted}"
        raise BadData(f"{path}: its file is called {name[:120]!r}, {told}", f"zip it as {wanted}, without folders")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise BadData(f"{path}: {name} is a link, not a file", "zip the file itself")
    if member.flag_bits & 1:
        raise BadData(f"{path}: {name} is encrypted", "zip it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadData(f"{path}: {name} is packed by method {member.compress_type}", "use stored or deflated")
    if member.file_size > expected.most:
        raise BadData(
            f"{path}: {name} unpacks to {member.file_size / 2**20:,.0f} MB, the predictions need "
            f"{expected.most / 2**22:,.0f} MB: not read",
            "save float32 values of the expected runs alone",
        )


def refuse_all(found: Sequence[str], where: str, expected: Expected) -> None:
    """Raise `BadData` that lists the problems, where there are any."""
    if found:
        more = [f"and {len(found) - MAX_TOLD} more"] if len(found) > MAX_TOLD else []
        listed = "".join(f"\n  - {line}" for line in [*found[:MAX_TOLD], *more])
        raise BadData(f"{where}: refused{listed}", f"what is expected comes from {expected.source}")


def problems(found: Any, expected: Expected) -> Iterator[str]:
    """What is wrong with the content of a submission, one line each."""
    if not isinstance(found, dict):
        yield f"holds {type(found).__name__}, not a dictionary of subjects"
        return
    yield from lacking("subject", found, expected.rows)
    for subject in (name for name in expected.rows if name in found):
        runs, wanted = found[subject], expected.rows[subject]
        if not isinstance(runs, dict):
            yield f"{subject}: {type(runs).__name__}, not a dictionary of runs"
            continue
        yield from (f"{subject}: {line}" for line in lacking("run", runs, wanted))
        for run in (name for name in wanted if name in runs):
            if reason := wrong(runs[run], wanted[run], expected.parcels):
                yield f"{subject}, {run}: {reason}"


def lacking(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Names that are missing, and those that are not expected."""
    for names, told in (
        ([name for name in wanted if name not in found], "missing"),
        ([name for name in found if name not in wanted], "not expected"),
    ):
        if names:
            shown = ", ".join(repr(name[:40]) for name in names[:5])
            yield f"{what}{'s' if len(names) > 1 else ''} {told}: {shown}{', ...' if len(names) > 5 else ''}"


def wrong(values: Any, rows: int, parcels: int) -> str:
    """What is wrong with one run's predictions; "" for nothing."""
    if not isinstance(values, np.ndarray):
        return f"{type(values).__name__}, not an array"
    if values.dtype != np.float32:
        return f"values of type {values.dtype}, not float32"
    if values.ndim != 2 or values.shape[1] != parcels:
        return f"an array of shape {values.shape}; expected {(rows, parcels)}, a column a parcel"
    if len(values) != rows:
        return f"{len(values)} TRs where {rows} are expected"
    if not (finite := np.isfinite(values)).all():
        row, parcel = np.argwhere(~finite)[0]
        return f"{int((~finite).sum()):,} values are not finite, the first at TR {row}, parcel {parcel} (from 0)"
    return ""


def notes(found: Mapping[str, Mapping[str, np.ndarray]]) -> Iterator[str]:
    """What is allowed but hardly meant: predictions that do not change, which score 0, and those of another subject."""
    for subject, runs in found.items():
        flat = sum(int((values == values[:1]).all(axis=0).sum()) for values in runs.values())
        if flat:
            every = sum(values.shape[1] for values in runs.values())
            yield f"{subject}: {flat:,} of {every:,} series of parcels never change, and score 0"
    names = list(found)
    for k, first in enumerate(names):
        for second in names[k + 1 :]:
            shared = set(found[first]) & set(found[second])
            if shared and all(np.array_equal(found[first][run], found[second][run]) for run in shared):
                yield f"{first} and {second} have the same predictions"


def rows_of(items: Items, phase: str) -> Rows:
    """Subject -> run -> number of TRs to predict of a phase, from items of the data set."""
    table = items.table
    here = table[(table["movie"] == "s7") if phase == "friends" else (table["series"] == "ood")]
    subjects = [str(name).removeprefix(FRAMES) for name in table.columns if str(name).startswith(FRAMES)]
    counts = {name: here[f"{FRAMES}{name}"].astype(int) for name in subjects}
    return {name: {str(run): int(n) for run, n in rows.items() if n > 0} for name, rows in counts.items()}


def rows_from(path: Path, phase: str) -> Rows:
    """The same from sample counts: a folder with the challenge's files, or JSON {subject: {run: TRs}}.

    Raises `BadData`, also where a subject has no file.
    """
    if path.is_dir():
        pattern = re.compile(rf"(sub-\d\d)_{COUNTS[phase]}_fmri_samples\.npy")
        files = {hit[1]: file for file in sorted(path.rglob("*.npy")) if (hit := pattern.fullmatch(file.name))}
        if missing := [name for name in SUBJECTS if name not in files]:
            raise BadData(
                f"{path}: no sample counts of {', '.join(missing)}",
                f"expected {missing[0]}_{COUNTS[phase]}_fmri_samples.npy of the challenge's fmri folder",
            )
        return {name: read_counts(files[name]) for name in SUBJECTS}
    found = read_json(path)
    for subject, runs in found.items():
        if not isinstance(runs, dict) or not all(type(n) is int and n > 0 for n in runs.values()):
            raise BadData(
                f"{path}: {subject!r} is not an object, run -> number of TRs", json.dumps({"sub-01": {"wot1": 353}})
            )
    return found
