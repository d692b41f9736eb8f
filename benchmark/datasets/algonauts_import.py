"""From a copy of the Algonauts 2025 challenge to a folder of movie responses: one run in memory at a time."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Progress, silent
from ..errors import BadData
from ..home import cohorts
from .algonauts_tree import MOVIES, TR, Found, Shown, Subject, find, series_of
from .hdf5 import BROKEN, damaged, open_hdf5
from .movie_atlas import name_parcels
from .movie_index import INDEX
from .movies import MovieCohort, MovieWriter

NAME = "algonauts2025"


@dataclass(frozen=True)
class AlgonautsReport:
    """What an import did.

    Attributes
    ----------
    cohort
        The new folder.
    subjects
        One row a subject: runs, TRs and hours that there are, and runs whose responses are withheld.
    left_out, notes
        What was not taken and why; what else a person should know.
    """

    cohort: MovieCohort
    subjects: list[dict[str, Any]]
    left_out: dict[str, str]
    notes: list[str]


def import_algonauts(
    path: Path, atlas_table: Path | None = None, *, target: Path | None = None, progress: Progress = silent
) -> AlgonautsReport:
    """Import the challenge's tree, whole or not at all. See `algonauts_tree` for what is read.

    Responses are kept as float32. Runs with values that are not finite are left out, with their number. Feature
    streams that were added to a cohort that is replaced have to be added again.

    Parameters
    ----------
    atlas_table
        Schaefer's ``..._order.txt`` or a table with one row a parcel; see `movie_atlas.name_parcels`.
    target
        The new folder, ``cohorts()/algonauts2025`` when None.

    Raises `DataMissing` where nothing has been fetched, `BadData` for files that are not the challenge's, and
    `ExtraMissing` without h5py.
    """
    found = find(path)
    names, networks, how = name_parcels(found.parcels, atlas_table)
    folder = target or cohorts() / NAME
    found.notes.append(how)
    if (folder / INDEX).is_file():
        found.notes.append("the feature streams of the cohort that this replaces are to be added again")
    subjects = list(found.subjects)
    with MovieWriter(folder, NAME, "real", TR, subjects, names, networks, {}, "<f4", dataset=NAME) as writer:
        _write_runs(writer, found, progress)
        for name, subject in found.subjects.items():
            if subject.atlas is not None:
                writer.attach(f"atlas-{name}.{'nii.gz' if subject.atlas.suffix == '.gz' else 'nii'}", subject.atlas)
        _note_counts(found)
        writer.finish(source=str(path.resolve()), left_out=found.left_out, notes=found.notes)
    cohort = MovieCohort.open(folder)
    return AlgonautsReport(cohort, subject_rows(cohort), found.left_out, found.notes)


def subject_rows(cohort: MovieCohort) -> list[dict[str, Any]]:
    """One row a subject: runs by series, TRs and hours that there are, and runs whose responses are withheld."""
    runs = cohort.runs()
    found = []
    for subject in cohort.manifest.subjects:
        refs = cohort.responses(subject)
        frames = sum(ref.shape[0] for ref in refs.values())
        series = Counter(runs.loc[list(refs), "series"])
        withheld = runs[(runs[f"frames:{subject}"] > 0) & ~runs.index.isin(list(refs))]
        found.append(
            {
                "subject": subject,
                "friends": series["friends"],
                "movie10": series["movie10"],
                "ood": series["ood"],
                "TRs": frames,
                "hours": round(frames * cohort.manifest.tr / 3600, 1),
                "to predict": ", ".join(f"{count} of {movie}" for movie, count in _by_movie(withheld["movie"]))
                or "none",
            }
        )
    return found


def _by_movie(movies: Any) -> list[tuple[str, int]]:
    counts = Counter(movies)
    return [(movie, counts[movie]) for movie in MOVIES if counts[movie]]


def _write_runs(writer: MovieWriter, found: Found, progress: Progress) -> None:
    """All runs, in the order of the films."""
    order = sorted(_all_runs(found), key=_order)
    with ExitStack() as stack:
        files: dict[Path, Any] = {}
        for place in (place for subject in found.subjects.values() for place in subject.runs.values()):
            if place.file not in files:
                files[place.file] = stack.enter_context(open_hdf5(place.file))
        for done, shown in enumerate(order):
            progress("import runs", done, len(order))
            _write_run(writer, found, shown, files)
    progress("import runs", len(order), len(order))


def _all_runs(found: Found) -> set[Shown]:
    """Runs that anybody has, or is to be predicted in."""
    have = {shown for subject in found.subjects.values() for shown in subject.runs}
    stimuli = {stimulus for stimulus, _ in have}
    asked = {stimulus for subject in found.subjects.values() for stimulus in subject.counts}
    return have | {(stimulus, 1) for stimulus in asked - stimuli}


def _order(shown: Shown) -> tuple[int, str, int]:
    stimulus, showing = shown
    return list(MOVIES).index(_told(stimulus)[1]), stimulus, showing


def _told(stimulus: str) -> tuple[str, str]:
    """Series and movie of a stimulus; `find` has left out those that have none."""
    told = series_of(stimulus)
    if told is None:
        raise BadData(f"{stimulus!r} is no run of the challenge")
    return told


def _write_run(writer: MovieWriter, found: Found, shown: Shown, files: dict[Path, Any]) -> None:
    stimulus, showing = shown
    series, movie = _told(stimulus)
    responses: dict[str, np.ndarray | None] = {}
    frames: dict[str, int] = {}
    for name, subject in found.subjects.items():
        values = _values(name, subject, shown, found, files)
        if values is not None:
            responses[name] = values
        elif shown not in subject.runs and stimulus in subject.counts:
            frames[name] = subject.counts[stimulus]
    if responses or frames:
        writer.run(found.run_id(shown), series, movie, stimulus, showing, {}, responses, frames)


def _values(name: str, subject: Subject, shown: Shown, found: Found, files: dict[Path, Any]) -> np.ndarray | None:
    """A subject's responses (time, parcel) float32; None where there are none that can be used."""
    place = subject.runs.get(shown)
    if place is None:
        return None
    try:
        values = np.asarray(files[place.file][place.key][()], dtype=np.float32)
    except BROKEN as error:
        raise damaged(place.file, error) from None
    broken = ~np.isfinite(values)
    if broken.any():
        parcels = int(broken.any(axis=0).sum())
        found.left_out[f"{name}, {found.run_id(shown)}"] = (
            f"{int(broken.sum())} of {values.size} values are not finite, in {parcels} parcels"
        )
        return None
    told = subject.counts.get(shown[0])
    if told is not None and told != len(values):
        found.notes.append(f"{name}, {shown[0]}: {len(values)} samples; the file of sample numbers says {told}")
    return values


def _note_counts(found: Found) -> None:
    """Say whose withheld runs are not known."""
    for name, subject in found.subjects.items():
        films = {_told(stimulus)[1] for stimulus in (*subject.counts, *(shown[0] for shown in subject.runs))}
        lacking = [
            movie for movie, series in MOVIES.items() if (movie == "s7" or series == "ood") and movie not in films
        ]
        if lacking:
            found.notes.append(f"{name}: no number of samples of {', '.join(lacking)}: these cannot be predicted")
