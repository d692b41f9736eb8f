"""What lies in a copy of the Algonauts 2025 challenge's tree: responses, numbers of samples to predict, atlases.

    fmri/sub-0X/func/sub-0X_task-{friends,movie10}_..._bold.h5      one array (time, parcel) a run
    fmri/sub-0X/target_sample_number/sub-0X_{friends-s7,ood}_fmri_samples.npy      run -> number of samples
    fmri/sub-0X/atlas/*.nii.gz      parcel numbers 1 to 1000

Names are read by their entities (``ses-003_task-figures01_run-2``), never by position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadData, DataMissing
from ..extraction.names import parse
from ..restricted import read_counts
from .hdf5 import arrays, fetched, open_hdf5

TR = 1.49
SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")
SEASONS = ("s1", "s2", "s3", "s4", "s5", "s6", "s7")
MOVIES = {
    **dict.fromkeys(SEASONS, "friends"),
    **dict.fromkeys(("bourne", "wolf", "figures", "life"), "movie10"),
    **dict.fromkeys(("chaplin", "mononoke", "passepartout", "planetearth", "pulpfiction", "wot"), "ood"),
}
"""Movie -> series, in the order of tables."""

MISSING = {"sub-02": ("s05e20a",), "sub-05": ("s04e01a", "s04e01b", "s04e13b")}
"""Runs that the release lacks, as its README says."""

MAX_FRAMES = 20_000
"""TRs of one run: more than 8 hours."""

MAX_PARCELS = 10_000

EXPECTED = "fmri/sub-0X/func/sub-0X_task-{friends,movie10}_..._bold.h5"

Shown = tuple[str, int]
"""A stimulus, and which showing of it."""


@dataclass(frozen=True)
class Place:
    """Where the responses (frames, parcels) to a run lie."""

    file: Path
    key: str
    frames: int


@dataclass
class Subject:
    """What there is of a subject: responses, numbers of samples that are withheld, and the atlas."""

    runs: dict[Shown, Place] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    atlas: Path | None = None


@dataclass
class Found:
    """Everything that lies in the tree.

    Attributes
    ----------
    subjects
        By name.
    parcels
        Columns of all responses.
    numbered
        Stimuli whose names tell the showing.
    left_out, notes
        What is not taken and why; what else a person should know.
    """

    subjects: dict[str, Subject] = field(default_factory=dict)
    parcels: int = 0
    numbered: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def run_id(self, shown: Shown) -> str:
        """Such as ``s01e01a`` or ``figures01_run-2``."""
        stimulus, showing = shown
        return f"{stimulus}_run-{showing}" if stimulus in self.numbered else stimulus


def find(path: Path) -> Found:
    """Look through a copy of the tree; of responses, only names and shapes are read yet.

    Raises `DataMissing` where nothing has been fetched, and `BadData` for a tree or file that is not the challenge's:
    links to elsewhere, values that are no floats, another number of parcels, two sessions with one run.
    """
    root = _root(path)
    found = Found()
    for folder in sorted(root.glob("sub-*")):
        if (folder / "func").is_dir():
            found.subjects[folder.name] = _subject(folder, root, found)
    if not any(subject.runs for subject in found.subjects.values()):
        lacking = next(iter(found.left_out.items()), None)
        said = f"; {lacking[0]}: {lacking[1]}" if lacking else ""
        raise DataMissing(f"{root}: no responses have been fetched{said}", f"datalad get {root}")
    for name in SUBJECTS:
        if name not in found.subjects:
            found.notes.append(f"{name}: no folder of responses")
    return found


def series_of(stimulus: str) -> tuple[str, str] | None:
    """Series and movie of a stimulus of the challenge, such as s01e01a or figures01, else None."""
    told = parse(stimulus)
    return (told[0], told[1]) if told and told[2] == stimulus and told[1] in MOVIES else None


def _root(path: Path) -> Path:
    """The folder of the subjects' folders."""
    for folder in (path, path / "fmri", path / "algonauts_2025.competitors" / "fmri"):
        if any((subject / "func").is_dir() for subject in folder.glob("sub-*")):
            return folder
    raise BadData(
        f"{path}: not the challenge's tree; expected {EXPECTED}",
        "give the folder that `brainbench data get algonauts2025` makes, or the one that holds fmri",
    )


def _subject(folder: Path, root: Path, found: Found) -> Subject:
    subject = Subject()
    for file in sorted((folder / "func").glob("*_bold.h5")):
        if fetched(file):
            _read_names(file, folder.name, subject, found)
        else:
            found.left_out[file.relative_to(root).as_posix()] = f"not fetched:  datalad get {file}"
    for file in sorted(folder.glob("target_*_number/*.npy")):
        if fetched(file):
            _read_counts(file, folder.name, subject, found)
        else:
            found.left_out[file.relative_to(root).as_posix()] = f"not fetched:  datalad get {file}"
    volumes = [file for file in sorted(folder.glob("atlas/*.nii*")) if fetched(file)]
    subject.atlas = volumes[0] if volumes else None
    return subject


def _read_names(file: Path, subject: str, into: Subject, found: Found) -> None:
    """Take in the runs of one file."""
    with open_hdf5(file) as opened:
        for key, values in arrays(opened, file).items():
            shown = _shown(key, file, found)
            if shown is None:
                found.left_out[f"{subject}, {key}"] = "its name tells no run of the challenge"
                continue
            _check_shape(values, key, file, found)
            if (before := into.runs.get(shown)) is not None:
                raise BadData(
                    f"{file}: {key!r} and {before.key!r} of {before.file.name} are the same run",
                    "leave one of them in the files: nothing tells which is right",
                )
            into.runs[shown] = Place(file, key, int(values.shape[0]))


def _shown(key: str, file: Path, found: Found) -> Shown | None:
    """The run that a name such as ``ses-003_task-figures01_run-2`` tells; None where it tells none."""
    entities = dict(part.split("-", 1) for part in key.split("_") if "-" in part)
    stimulus, showing = entities.get("task", ""), entities.get("run", "1")
    if series_of(stimulus) is None:
        return None
    if not showing.isdecimal() or not 1 <= int(showing) <= 9:
        raise BadData(f"{file}: {key!r} is of run {showing!r}, no number from 1 to 9")
    if "run" in entities:
        found.numbered.add(stimulus)
    return stimulus, int(showing)


def _check_shape(values: Any, key: str, file: Path, found: Found) -> None:
    if values.ndim != 2 or not 2 <= values.shape[0] <= MAX_FRAMES or values.shape[1] > MAX_PARCELS:
        raise BadData(f"{file}: {key!r} has shape {values.shape}; expected (time, parcel)", "copy the file again")
    found.parcels = found.parcels or int(values.shape[1])
    if values.shape[1] != found.parcels:
        raise BadData(
            f"{file}: {key!r} has {values.shape[1]} parcels, others have {found.parcels}", "copy the file again"
        )


def _read_counts(file: Path, subject: str, into: Subject, found: Found) -> None:
    """Take in the numbers of samples that are to be predicted."""
    for stimulus, count in read_counts(file).items():
        if series_of(stimulus) is None or not 2 <= count <= MAX_FRAMES:
            found.left_out[f"{subject}, {stimulus}"] = f"{file.name}: {count} samples of no run of the challenge"
        elif into.counts.setdefault(stimulus, count) != count:
            raise BadData(f"{file}: {stimulus} has {count} samples; another file says {into.counts[stimulus]}")
